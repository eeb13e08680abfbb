//! The check that webmail makes at login.

mod flights;
mod freshness;
mod heads;
mod kept;
mod logins;
mod meant;
mod verdicts;
mod verified;
pub(crate) mod verify;

pub use freshness::{Freshness, NotFresh};
pub use heads::Heads;
pub use logins::{Claimed, Login, Logins, Refused, SignedIn};
pub use meant::{Judged, Meant};
pub use verdicts::Verdicts;
