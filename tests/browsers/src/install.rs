//! Chromium and its driver: those of the machine, else Debian's packages, which are installed.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The packages, with a font that has the letters of the tests' languages.
const PACKAGES: [&str; 3] = ["chromium", "chromium-driver", "fonts-dejavu-core"];

/// The first headless mode that is the whole browser.
const LEAST: [u32; 1] = [112];

/// The files of the two programs.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) chromium: PathBuf,
    pub(crate) driver: PathBuf,
}

/// The two programs, found or installed once a process.
///
/// # Panics
/// When they can be had in no way, with what to install.
pub(crate) fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        if let Some(programs) = found("a local binary") {
            return programs;
        }
        // One test process installs; those that waited for it find what it installed.
        let _turn = servers::lock(&servers::shared().join("browser.lock"));
        if let Some(programs) = found("a local binary") {
            return programs;
        }
        let installed = apt(&["update"])
            .and_then(|()| apt(&[&["install", "--yes", "--no-install-recommends"][..], &PACKAGES[..]].concat()));
        let why = installed.err().unwrap_or_else(|| "they are not in PATH".to_owned());
        found("Debian's packages, installed by this run").unwrap_or_else(|| {
            panic!("no browser to test with: install Debian's packages {} as root: {why}", PACKAGES.join(", "))
        })
    })
}

fn found(how: &str) -> Option<Programs> {
    let (chromium, version) =
        ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| servers::find(name, &LEAST, &[]))?;
    let (driver, _) = servers::find("chromedriver", &LEAST, &["/usr/lib/chromium"])?;
    servers::record(&format!("Chromium {} from {how}", servers::written(&version)));
    Some(Programs { chromium, driver })
}

/// Runs apt-get as root; it waits for others that install.
fn apt(arguments: &[&str]) -> Result<(), String> {
    let sudo = if servers::euid() == 0 { &[][..] } else { &["sudo", "-n"] };
    let apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"];
    let words = [sudo, &apt, arguments].concat();
    let output = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", words[0]))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("apt-get {}: {}", arguments[0], text.trim().lines().last().unwrap_or("it failed")))
}
