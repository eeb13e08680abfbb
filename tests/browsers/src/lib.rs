//! A real browser for tests: headless Chromium, which finds fields and buttons by what they are called, as a person does.
//!
//! Chromium and its driver are those that `PATH` has. Where it has none, Debian's packages are installed by `apt-get`, for
//! which the tests run as root, or `sudo` asks for no password. What checks accessibility, axe-core, is in a package that
//! `pip` installs into the target folder. `<target>/servers/how.log` says which browser it was, and
//! `<target>/screenshots` has the pictures that tests take and those of their failures.
//!
//! A browser is one person with a profile of their own. It dies with its value, and with the test process, whichever way
//! that ends, and leaves nothing behind. What goes wrong panics: this is for tests, on Linux. It knows nothing of postkey.

mod accessible;
mod axe;
mod browser;
mod driver;
mod install;
mod person;
mod screenshot;
mod until;

pub use browser::Browser;
pub use person::{Person, Window};
pub use thirtyfour::{By, Cookie, Key, WebDriver, WebElement};
