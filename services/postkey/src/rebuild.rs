//! `postkey rebuild`: the read model anew from the log, while no projection service runs.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{KeyArgs, SqliteUrl};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;
use crate::locks;
use crate::services::{Stores, open_read_model};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey rebuild --data /var/lib/postkey
  postkey rebuild --log sqlite:DIR/log.db --read-model sqlite:DIR/read-model.db --keys sqlite:DIR/keys.db \\
    --keyring-file DIR/keyring

Fills a fresh set of rows from the log, compares it with the old one where both stand at the same position, and swaps.
Until the swap the old rows are untouched. Rows that differed are named by id: somebody changed them behind our back.")]
pub struct RebuildArgs {
    /// The data folder of `postkey up`
    #[arg(long, env = "POSTKEY_DATA", value_name = "DIR", conflicts_with_all = ["log", "read_model", "keys", "keyring_file"])]
    data: Option<PathBuf>,
    /// The event log: sqlite:PATH
    #[arg(long, value_name = "URL", required_unless_present = "data")]
    log: Option<SqliteUrl>,
    /// The auth read model: sqlite:PATH
    #[arg(long, value_name = "URL", required_unless_present = "data")]
    read_model: Option<SqliteUrl>,
    /// The key store: sqlite:PATH
    #[arg(long, value_name = "URL", required_unless_present = "data")]
    keys: Option<SqliteUrl>,
    /// The keyring file
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    keyring_file: Option<PathBuf>,
}

pub async fn rebuild(args: RebuildArgs) -> Result<(), Failure> {
    let (log, read_model, keys, keyring_file) =
        match (args.data, args.log, args.read_model, args.keys, args.keyring_file) {
            (Some(data), ..) => {
                let folder = Folder::new(data);
                (folder.log(), folder.read_model(), folder.keys(), folder.keyring())
            }
            (None, Some(log), Some(read_model), Some(keys), Some(keyring)) => (log, read_model, keys, keyring),
            _ => return Err(Failure::usage("name --data, or all of --log --read-model --keys --keyring-file")),
        };
    let _lock = locks::take(read_model.folder(), "projection.lock")?;
    let stores = Stores::open_to_read(&log, &KeyArgs { keys, keyring_file }).await?;
    let model = open_read_model(&read_model).await?;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {per_sec}, {eta} left").map_err(Failure::failed)?,
    );
    let report = postkey_projection::rebuild(
        Arc::clone(&stores.log),
        stores.vault.clone(),
        model.clone(),
        model.clone(),
        |at, head| {
            bar.set_length(head.get());
            bar.set_position(at.get());
        },
    )
    .await;
    bar.finish_and_clear();
    stores.close().await;
    model.close().await;
    let report = report?;
    match report.differences {
        None => print(format_args!("the old rows could not be compared: they stood at no position of this log"))?,
        Some(rows) if rows.is_empty() => print(format_args!("the old rows were as the log has them"))?,
        Some(rows) => {
            for row in rows {
                print(format_args!("differed from the log, and is right now: {row}"))?;
            }
        }
    }
    print(format_args!("rebuilt up to position {}", report.position))
}
