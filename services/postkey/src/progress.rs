//! How far long work has come, on a terminal.

use domain::Position;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar of entries that are `done` up to `head`. Shown on a terminal only.
pub fn bar(done: &'static str, head: Position) -> ProgressBar {
    let bar = ProgressBar::new(head.get());
    let template = format!("{{bar:40}} {{pos}}/{{len}} entries {done}, {{per_sec}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
