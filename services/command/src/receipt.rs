//! What a command is answered with.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::{Position, ServiceId, UserId};
use postkey_http::{Problem, Receipt};

use crate::app::App;
use crate::context::{Ask, Asked};

/// What became of a command.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it stands in the log; where nothing changed, where the service stands.
    pub position: Position,
    /// The revision of what it is about.
    pub revision: Position,
    /// The names of what happened; none where nothing changed.
    pub events: Vec<&'static str>,
    /// The service that it is about.
    pub service: ServiceId,
    /// The user that it is about.
    pub user: Option<UserId>,
    /// Whether it was carried out by an earlier request with the same key.
    pub repeated: bool,
    /// Whether it is in force only once the keys that it dooms are destroyed.
    pub once_destroyed: bool,
}

impl Outcome {
    /// The receipt; `effective_at`: none where the read model has not applied it yet.
    pub fn receipt(self, effective_at: Option<DateTime<Utc>>) -> Receipt {
        Receipt {
            position: self.position.get(),
            revision: self.revision.get(),
            events: self.events.into_iter().map(Cow::Borrowed).collect(),
            effective: effective_at.is_some(),
            effective_at,
            repeated: self.repeated,
            service: self.service.uuid(),
            user: self.user.map(UserId::uuid),
        }
    }
}

/// How a command has ended, in a word for counts.
pub fn ended(receipt: &Receipt) -> &'static str {
    match receipt {
        Receipt { repeated: true, .. } => "repeated",
        Receipt { events, .. } if events.is_empty() => "unchanged",
        Receipt { effective: false, .. } => "stored",
        _ => "effective",
    }
}

/// A receipt or a problem; `done`: the status of what is in force, and of what changes nothing: it stores nothing that would
/// be in force later.
pub fn respond<T: Asked, const N: usize>(
    app: &App,
    ask: &Ask<T, N>,
    done: StatusCode,
    result: Result<Receipt, Problem>,
) -> Response {
    respond_as(app, ask, result, |receipt| {
        let done_with = receipt.effective || receipt.events.is_empty();
        let status = if done_with { done } else { StatusCode::ACCEPTED };
        (status, Json(receipt)).into_response()
    })
}

/// The end of every command that was read: how it has ended is counted, a refusal is kept, and it is answered. `told`: what a
/// receipt becomes.
pub fn respond_as<T: Asked, const N: usize>(
    app: &App,
    ask: &Ask<T, N>,
    result: Result<Receipt, Problem>,
    told: impl FnOnce(Receipt) -> Response,
) -> Response {
    match result {
        Ok(receipt) => {
            app.measures.done(T::KIND, &receipt);
            told(receipt)
        }
        Err(problem) => {
            app.refused::<T>(&ask.asker, &problem);
            problem.into_response()
        }
    }
}
