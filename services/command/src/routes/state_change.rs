//! What suspending, reactivating and removing a user have in common: no password, at most a reason.

use std::marker::PhantomData;

use axum::http::StatusCode;
use axum::response::Response;
use domain::{Command, EmailService, NewCredential, Person, Position, Rejection, UserId};
use postkey_http::{Fields, FromFields, Problem, Reason, Role};

use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation};
use crate::receipt::respond;

/// A command that needs nothing but the user's id.
pub trait StateChange: Command {
    /// What the command is called in fingerprints. Never changed.
    const KIND: &'static str;

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
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];
    const MAY_BE_EMPTY: bool = true;

    fn canonical(&self, form: &mut Canonical) {
        form.text("reason", self.reason.as_ref().map(Reason::as_str));
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

    fn command(&self, _: Option<NewCredential>) -> Result<C, Problem> {
        Ok(C::of(self.user, self.expected))
    }
}

/// Carries it out.
pub async fn carry_out<C: StateChange>(app: &App, mut ask: Ask<WithReason<C>, 2>) -> Response {
    ask.headers.reason = ask.body.reason.clone().or(ask.headers.reason.take());
    let making = Making::<C> { user: UserId::new(ask.ids[1]), expected: ask.expected(), command: PhantomData };
    let preparation = Preparation::about_user(&ask, None);
    respond(&ask.key, StatusCode::OK, handle(app, &ask, preparation, &making).await)
}
