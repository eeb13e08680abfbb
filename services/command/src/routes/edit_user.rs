//! `PATCH /v1/services/{service}/users/{user}`: "Save" in the edit dialog.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{EditUser, EmailService, Name, NewCredential, Person, Position, Quota, Rejection, UserId};
use postkey_http::{Fields, FromFields, Problem, Role};
use secrecy::{ExposeSecret, SecretString};

use super::optional_new_password;
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation};
use crate::receipt::respond;

/// What is absent is left alone.
pub struct Edit {
    first_name: Option<Name>,
    last_name: Option<Name>,
    quota: Option<Quota>,
    password: Option<SecretString>,
}

impl FromFields for Edit {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self {
            first_name: fields.optional("first_name", Name::parse),
            last_name: fields.optional("last_name", Name::parse),
            quota: fields.optional_number("quota_bytes", Quota::from_bytes),
            password: optional_new_password(fields),
        })
    }
}

impl Asked for Edit {
    const KIND: &'static str = "EditUser";
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];

    fn canonical(&self, form: &mut Canonical) {
        form.text("first_name", self.first_name.as_ref().map(Name::as_str));
        form.text("last_name", self.last_name.as_ref().map(Name::as_str));
        form.number("quota_bytes", self.quota.map(Quota::bytes));
        form.text("password", self.password.as_ref().map(SecretString::expose_secret));
    }
}

struct Making<'a> {
    asked: &'a Edit,
    user: UserId,
    expected: Option<Position>,
}

impl Making<'_> {
    fn edit(&self, credential: Option<NewCredential>) -> EditUser {
        EditUser {
            user: self.user,
            first_name: self.asked.first_name.clone(),
            last_name: self.asked.last_name.clone(),
            quota: self.asked.quota,
            credential,
            expected: self.expected,
        }
    }
}

impl Make for Making<'_> {
    type Command = EditUser;

    fn person(&self, state: &EmailService) -> Result<Option<Person>, Rejection> {
        let user = state.provisioned()?.present_user(self.user)?;
        let before = user.person.value.known().ok_or(Rejection::UserUnknown)?;
        Ok(Some(self.edit(None).person(before)))
    }

    fn command(&self, credential: Option<NewCredential>) -> Result<EditUser, Problem> {
        Ok(self.edit(credential))
    }
}

pub async fn edit_user(State(app): State<App>, ask: Ask<Edit, 2>) -> Response {
    let making = Making { asked: &ask.body, user: UserId::new(ask.ids[1]), expected: ask.expected() };
    let preparation = Preparation::about_user(&ask, ask.body.password.clone());
    respond(&ask.key, StatusCode::OK, handle(&app, &ask, preparation, &making).await)
}
