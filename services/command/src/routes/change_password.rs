//! `PUT /v1/services/{service}/users/{user}/password`: a panel sets a user's password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{ChangePassword, EmailService, NewCredential, Person, Position, Rejection, ServiceId, UserId};
use postkey_http::{Fields, FromFields, PathIds, Problem, Role};
use secrecy::{ExposeSecret, SecretString};

use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::{self, Make, PrivateKey, handle};
use crate::receipt::respond;

pub struct NewPassword(SecretString);

impl FromFields for NewPassword {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        fields.secret("password").map(Self)
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

pub async fn change_password(
    State(app): State<App>,
    PathIds([service, user]): PathIds<2>,
    ask: Ask<NewPassword>,
) -> Response {
    let id = UserId::new(user);
    let plan = path::Plan {
        service: ServiceId::new(service),
        user: Some(id),
        private: PrivateKey::OfUser(id),
        keys: Vec::new(),
        password: Some(ask.body.0.clone()),
        fingerprint: ask.fingerprint(&[service, user]),
    };
    let making = Making { user: id, expected: ask.expected() };
    respond(&ask.key, StatusCode::OK, handle(&app, &ask, plan, &making).await)
}
