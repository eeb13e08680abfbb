//! The binary under test.

use std::path::PathBuf;
use std::process::Command;

/// The `postkey` to test: `POSTKEY_BIN`, else the one that was built beside the tests.
///
/// # Panics
/// Where there is none, saying what to do.
#[expect(clippy::disallowed_methods, reason = "tests are the outermost shell, and have no command line of their own")]
pub fn binary() -> PathBuf {
    let named = std::env::var_os("POSTKEY_BIN").map(PathBuf::from);
    let path = named.unwrap_or_else(|| {
        // target/debug/deps/journeys-0123456789abcdef
        let test = std::env::current_exe().expect("the test's own path");
        test.ancestors().nth(2).expect("a target folder").join("postkey")
    });
    assert!(path.is_file(), "there is no {}: run cargo build -p postkey first", path.display());
    path
}

/// A call of `postkey` in an environment that says nothing to it.
pub fn postkey<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear();
    command
}
