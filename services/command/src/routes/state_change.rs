//! What suspending, reactivating, removing and erasing a user have in common: no password, at most a reason.

use std::marker::PhantomData;

use axum::http::StatusCode;
use axum::response::Response;
use domain::{Command, EmailService, Person, Position, Rejection, UserId};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Reason, Receipt, Role};
use serde_json::json;

use super::{command, receipts};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical, Said, Sent};
use crate::path::handle;
use crate::preparation::{Make, Preparation, Prepared};
use crate::receipt::respond;

/// A command that needs nothing but the user's id.
pub trait StateChange: Command {
    /// What the command is called in fingerprints. Never changed.
    const KIND: &'static str;
    /// The name of what it makes happen, and of nothing else.
    const EVENTS: &'static [&'static str];
    /// Who may ask for it.
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];

    /// The command about this user, at the revision that the caller insists on.
    fn of(user: UserId, expected: Option<Position>) -> Self;
}

/// The body of such a command. The header `Postkey-Reason` says the same for calls without one.
pub struct WithReason<C> {
    reason: Option<Reason>,
    command: PhantomData<C>,
}

impl<C> FromFields for WithReason<C> {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { reason: fields.optional("reason", Reason::parse), command: PhantomData })
    }
}

impl<C: StateChange> Asked for WithReason<C> {
    const KIND: &'static str = C::KIND;
    const EVENTS: &'static [&'static str] = C::EVENTS;
    const ROLES: &'static [Role] = C::ROLES;
    const SENT: Sent = Sent::JsonOrNothing;

    fn canonical(&self, form: &mut Canonical) {
        form.text("reason", self.reason.as_ref().map(Reason::as_str));
    }

    fn said(&self) -> Said {
        Said { reason: self.reason.clone(), ..Said::default() }
    }
}

struct Making<C> {
    user: UserId,
    expected: Option<Position>,
    command: PhantomData<C>,
}

impl<C: StateChange> Make for Making<C> {
    type Command = C;

    fn person(&self, _: &EmailService) -> Result<Option<Person>, Rejection> {
        Ok(None)
    }

    fn command(&self, _: Prepared) -> Result<C, Problem> {
        Ok(C::of(self.user, self.expected))
    }
}

/// What such a command says of itself; `done`: what holds once it is in force.
pub fn operation<C: StateChange>(id: &'static str, summary: &'static str, done: &str) -> Operation {
    let examples = [("why", json!({"reason": "left the company"})), ("no reason", json!({}))];
    let operation = command::<WithReason<C>>(id, "users", summary, &examples, &[Code::WrongState]);
    receipts(operation, StatusCode::OK, done, Receipt::example(C::EVENTS))
}

/// Carries it out.
pub async fn carry_out<C: StateChange>(app: &App, ask: Ask<WithReason<C>, 2>) -> Response {
    let making = Making::<C> { user: UserId::new(ask.ids[1]), expected: ask.expected(), command: PhantomData };
    let preparation = Preparation::about_user(&ask, None);
    let result = handle(app, &ask, preparation, &making).await;
    respond(app, &ask, StatusCode::OK, result)
}
