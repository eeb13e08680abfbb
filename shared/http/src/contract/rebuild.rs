//! How a rebuild of the read model goes, and the client of whoever operates a projection.

use axum::http::Method;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::call::Callee;
use super::instant;
use super::peer::ClientError;
use super::problem::CallError;
use crate::sample;

/// The newest rebuild of the read model that this projection was asked for, since it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RebuildState {
    #[expect(missing_docs, reason = "its type describes it")]
    #[schema(inline)]
    pub state: RebuildPhase,
    /// How many entries the new rows are filled with, about; once they are swapped, the position that they stand at.
    pub position: u64,
    /// Where the log ended when it began.
    pub head: u64,
    /// When it began.
    #[serde(with = "instant::optional")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended; null while it has not.
    #[serde(with = "instant::optional")]
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<DateTime<Utc>>,
    /// Rows, at most twenty, that were not what the log makes of them: `user <id>` or `service <id>`. Where the state is
    /// `swapped`, they are right now; where it is `refused`, nothing was changed.
    pub differences: Vec<String>,
    /// Why it came to nothing; null where it did not.
    #[schema(required = true)]
    pub failure: Option<String>,
}

/// How a rebuild stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RebuildPhase {
    /// None was asked for.
    #[default]
    None,
    /// New rows are made from the log, beside the live ones.
    Filling,
    /// They are compared with the live ones, and catch up with what came in between.
    Comparing,
    /// They are looked up now.
    Swapped,
    /// Rows differed, and nothing explains it: nothing was changed.
    Refused,
    /// It came to nothing: nothing was changed.
    Failed,
    /// What a newer projection calls by a name that is not known here.
    #[serde(other)]
    Other,
}

impl RebuildState {
    /// None was asked for.
    pub const NONE: Self = Self {
        state: RebuildPhase::None,
        position: 0,
        head: 0,
        started_at: None,
        finished_at: None,
        differences: Vec::new(),
        failure: None,
    };

    /// Whether it goes on.
    pub const fn is_under_way(&self) -> bool {
        matches!(self.state, RebuildPhase::Filling | RebuildPhase::Comparing)
    }

    /// One as a caller might get it.
    pub fn example() -> Self {
        let (state, started_at) = (RebuildPhase::Filling, Some(sample::INSTANT));
        Self { state, position: 3072, head: 4711, started_at, ..Self::NONE }
    }
}

/// Asks the projection service, with a token of role operator.
#[derive(Clone, Debug)]
pub struct OperatorClient(Callee);

impl OperatorClient {
    /// A client of the service at this base URL.
    ///
    /// # Errors
    /// Where that is no URL of a service, or the token no token.
    pub fn new(url: &str, token: &SecretString) -> Result<Self, ClientError> {
        Callee::new(url, token).map(Self)
    }

    /// Starts a rebuild; one that finds rows that differ, and nothing explains it, replaces them only where that is accepted.
    ///
    /// # Errors
    /// `wrong_state` where one is under way; what every call may meet.
    pub async fn start_rebuild(&self, accept_differences: bool) -> Result<RebuildState, CallError> {
        let body = json!({"accept_differences": accept_differences});
        self.0.call(Method::POST, "/v1/rebuild").saying(&body).answer().await
    }

    /// How the newest one stands.
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn rebuild(&self) -> Result<RebuildState, CallError> {
        self.0.call(Method::GET, "/v1/rebuild").answer().await
    }
}
