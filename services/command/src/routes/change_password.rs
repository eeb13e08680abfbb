//! `PUT /v1/services/{service}/users/{user}/password`: a panel sets a user's password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{ChangePassword, EmailService, Person, Position, Rejection, UserId};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Receipt, Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{command, new_password, receipts};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation, Prepared};
use crate::receipt::respond;

pub struct NewPassword(SecretString);

impl FromFields for NewPassword {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        new_password(fields, "password").map(Self)
    }
}

impl Asked for NewPassword {
    const KIND: &'static str = "ChangePassword";
    const EVENTS: &'static [&'static str] = &["PasswordChanged"];
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];

    fn canonical(&self, form: &mut Canonical) {
        form.text("password", Some(self.0.expose_secret()));
    }
}

struct Making {
    user: UserId,
    expected: Option<Position>,
}

impl Make for Making {
    type Command = ChangePassword;

    fn person(&self, state: &EmailService) -> Result<Option<Person>, Rejection> {
        let user = state.provisioned()?.present_user(self.user)?;
        user.person.value.known().cloned().map(Some).ok_or(Rejection::UserUnknown)
    }

    fn command(&self, prepared: Prepared) -> Result<ChangePassword, Problem> {
        let credential = prepared.credential.ok_or_else(Problem::internal)?;
        Ok(ChangePassword { user: self.user, credential, expected: self.expected })
    }
}

pub fn operation() -> Operation {
    let examples = [("another", json!({"password": "Copper-Tulip-77-Boat"}))];
    let operation =
        command::<NewPassword>("change_password", "users", "Set a user's password", &examples, &[Code::WeakPassword])
            .details("A password that a panel sets is always a change, whatever it was before.");
    let done = "In force: no sign-in takes the old password any more.";
    receipts(operation, StatusCode::OK, done, Receipt::example(NewPassword::EVENTS))
}

pub async fn change_password(State(app): State<App>, ask: Ask<NewPassword, 2>) -> Response {
    let making = Making { user: UserId::new(ask.ids[1]), expected: ask.expected() };
    let preparation = Preparation::about_user(&ask, Some(ask.body.0.clone()));
    let result = handle(&app, &ask, preparation, &making).await;
    respond(&app, &ask, StatusCode::OK, result)
}
