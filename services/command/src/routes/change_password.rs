//! `PUT /v1/services/{service}/users/{user}/password`: a panel sets a user's password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{ChangePassword, EmailService, NewCredential, Person, Position, Rejection, UserId};
use postkey_http::{Fields, FromFields, Problem, Role};
use secrecy::{ExposeSecret, SecretString};

use super::new_password;
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation};
use crate::receipt::respond;

pub struct NewPassword(SecretString);

impl FromFields for NewPassword {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        new_password(fields).map(Self)
    }
}

impl Asked for NewPassword {
    const KIND: &'static str = "ChangePassword";
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

    fn command(&self, credential: Option<NewCredential>) -> Result<ChangePassword, Problem> {
        let credential = credential.ok_or_else(Problem::internal)?;
        Ok(ChangePassword { user: self.user, credential, expected: self.expected })
    }
}

pub async fn change_password(State(app): State<App>, ask: Ask<NewPassword, 2>) -> Response {
    let making = Making { user: UserId::new(ask.ids[1]), expected: ask.expected() };
    let preparation = Preparation::about_user(&ask, Some(ask.body.0.clone()));
    respond(&ask.key, StatusCode::OK, handle(&app, &ask, preparation, &making).await)
}
