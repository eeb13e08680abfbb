//! What went wrong, in words.

use std::fmt::Display;

/// What was tried, and why it failed. Carries no secret: whoever makes one names files, rows and kinds, never a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Failure {
    what: String,
    why: String,
}

impl Failure {
    /// A failure of `what`, because of `why`.
    pub fn new(what: impl Display, why: impl Display) -> Self {
        Self { what: what.to_string(), why: why.to_string() }
    }
}

/// Names what an error is about.
pub trait Named<T> {
    /// The value, or what was tried and why it failed.
    ///
    /// # Errors
    /// As before, named.
    fn named(self, what: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Named<T> for Result<T, E> {
    fn named(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|why| Failure::new(what, why))
    }
}
