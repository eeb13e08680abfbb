//! `PATCH /v1/services/{service}/users/{user}`: "Save" in the edit dialog.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{EditUser, EmailService, Name, NewCredential, Person, Position, Quota, Rejection, UserId};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Receipt, Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{command, optional_new_password, receipts};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation, Prepared};
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
            password: optional_new_password(fields, "password"),
        })
    }
}

impl Asked for Edit {
    const KIND: &'static str = "EditUser";
    const EVENTS: &'static [&'static str] = &[EDITED, SET];
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];

    fn canonical(&self, form: &mut Canonical) {
        form.text("first_name", self.first_name.as_ref().map(Name::as_str));
        form.text("last_name", self.last_name.as_ref().map(Name::as_str));
        form.number("quota_bytes", self.quota.map(Quota::bytes));
        form.text("password", self.password.as_ref().map(SecretString::expose_secret));
    }

    /// A password that is set is always a change; names and quota may have been so before.
    fn could_have_made(&self, events: &[&'static str], _: Option<&Person>) -> bool {
        let edits = self.first_name.is_some() || self.last_name.is_some() || self.quota.is_some();
        events.iter().all(|event| match *event {
            EDITED => edits,
            SET => self.password.is_some(),
            _ => false,
        }) && events.contains(&SET) == self.password.is_some()
    }
}

const EDITED: &str = "UserEdited";
const SET: &str = "PasswordChanged";

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

    fn command(&self, prepared: Prepared) -> Result<EditUser, Problem> {
        Ok(self.edit(prepared.credential))
    }
}

pub fn operation() -> Operation {
    let examples = [
        ("name and password", json!({"last_name": "Yilmaz", "password": "Copper-Tulip-77-Boat"})),
        ("quota", json!({"quota_bytes": 2_147_483_648_u64})),
    ];
    let refusals = [Code::PoolExceeded, Code::WeakPassword];
    let operation =
        command::<Edit>("edit_user", "users", "\"Save\": change a user's names, quota, password", &examples, &refusals)
            .details("What is absent is left alone: without `password` the password is neither checked nor touched.");
    let done = "In force; or nothing changed, and `events` is empty: then position and revision are the present ones, and \
                `effective` says whether what stands there is in force.";
    receipts(operation, StatusCode::OK, done, Receipt::example(Edit::EVENTS))
}

pub async fn edit_user(State(app): State<App>, ask: Ask<Edit, 2>) -> Response {
    let making = Making { asked: &ask.body, user: UserId::new(ask.ids[1]), expected: ask.expected() };
    let preparation = Preparation::about_user(&ask, ask.body.password.clone());
    let result = handle(&app, &ask, preparation, &making).await;
    respond(&app, &ask, StatusCode::OK, result)
}
