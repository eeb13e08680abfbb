//! Whom a login was meant for. The activity log is told, and no answer is.

use domain::{ServiceId, UserId, UserState};

use super::{Refused, SignedIn};
use crate::read_model::UserRow;

/// How a login has ended.
pub struct Judged {
    /// What whoever asks may hear.
    pub ended: Result<SignedIn, Refused>,
    /// What nobody but the activity log may hear.
    pub meant: Meant,
}

/// The user whose address was given, if there is one, and why no password of that user's is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meant {
    /// The user and its service; none where nobody has the address, or it was not looked up.
    pub user: Option<(ServiceId, UserId)>,
    /// What a login that is not let in comes to: `wrong`, where the password is; else `unknown`, `suspended`, `removed`, or
    /// `foreign`, for another customer's than the client is held to.
    pub verdict: &'static str,
}

impl Default for Meant {
    /// Nobody, so far.
    fn default() -> Self {
        Self { user: None, verdict: "unknown" }
    }
}

impl Meant {
    /// By the row of the address; `may`: whether the client may sign in such users.
    pub fn of(row: Option<&UserRow>, may: bool) -> Self {
        let Some(row) = row else { return Self::default() };
        let verdict = match row.user.state {
            _ if !may => "foreign",
            UserState::Active => "wrong",
            UserState::Suspended => "suspended",
            UserState::Removed => "removed",
        };
        Self { user: Some((row.service, row.id)), verdict }
    }
}
