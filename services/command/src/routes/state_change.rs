//! What suspending, reactivating and removing a user have in common: no password, at most a reason.

use axum::http::StatusCode;
use axum::response::Response;
use domain::{Command, EmailService, NewCredential, Person, Rejection, ServiceId, UserId};
use postkey_http::{Fields, Problem, Reason};
use uuid::Uuid;

use crate::app::App;
use crate::context::{Ask, Asked};
use crate::path::{self, Make, PrivateKey, handle};
use crate::receipt::respond;

/// Reads `reason`; the header `Postkey-Reason` says the same for calls without a body.
pub fn reason(fields: &mut Fields) -> Option<Reason> {
    fields.optional("reason", Reason::parse)
}

/// Carries out a command that needs nothing but the user's id.
pub async fn carry_out<T: Asked, C: Command>(
    app: &App,
    mut ask: Ask<T>,
    [service, user]: [Uuid; 2],
    reason: Option<Reason>,
    command: impl Fn(UserId) -> C + Sync,
) -> Response {
    ask.headers.reason = reason.or(ask.headers.reason.take());
    let id = UserId::new(user);
    let plan = path::Plan {
        service: ServiceId::new(service),
        user: Some(id),
        private: PrivateKey::OfUser(id),
        keys: Vec::new(),
        password: None,
        fingerprint: ask.fingerprint(&[service, user]),
    };
    let making = Making { user: id, command };
    respond(&ask.key, StatusCode::OK, handle(app, &ask, plan, &making).await)
}

struct Making<F> {
    user: UserId,
    command: F,
}

impl<C: Command, F: Fn(UserId) -> C + Sync> Make for Making<F> {
    type Command = C;

    fn person(&self, _: &EmailService) -> Result<Option<Person>, Rejection> {
        Ok(None)
    }

    fn command(&self, _: Option<NewCredential>) -> Result<C, Problem> {
        Ok((self.command)(self.user))
    }
}
