//! `POST /v1/services/{service}/users`: a service gets another mailbox user.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{AddUser, Address, EmailService, KeyId, Name, NewCredential, Person, Quota, Rejection, ServiceId, UserId};
use postkey_http::{Fields, FromFields, Problem, Role};
use secrecy::{ExposeSecret, SecretString};

use super::new_password;
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation, PrivateKey};
use crate::receipt::respond;

pub struct NewUser {
    person: Person,
    quota: Quota,
    password: SecretString,
}

impl FromFields for NewUser {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let address = fields.required("address", Address::parse);
        let first_name = fields.required("first_name", Name::parse);
        let last_name = fields.required("last_name", Name::parse);
        let quota = fields.number("quota_bytes", Quota::from_bytes);
        let password = new_password(fields);
        let person = Person { address: address?, first_name: first_name?, last_name: last_name? };
        Some(Self { person, quota: quota?, password: password? })
    }
}

impl Asked for NewUser {
    const KIND: &'static str = "AddUser";
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];

    fn canonical(&self, form: &mut Canonical) {
        form.text("address", Some(self.person.address.as_str()));
        form.text("first_name", Some(self.person.first_name.as_str()));
        form.text("last_name", Some(self.person.last_name.as_str()));
        form.number("quota_bytes", Some(self.quota.bytes()));
        form.text("password", Some(self.password.expose_secret()));
    }
}

struct Making<'a> {
    asked: &'a NewUser,
    user: UserId,
    profile_key: KeyId,
}

impl Make for Making<'_> {
    type Command = AddUser;

    fn person(&self, state: &EmailService) -> Result<Option<Person>, Rejection> {
        // No password is judged, nor hashed, for a service that does not exist.
        state.provisioned().map(|_| Some(self.asked.person.clone()))
    }

    fn command(&self, credential: Option<NewCredential>) -> Result<AddUser, Problem> {
        Ok(AddUser {
            user: self.user,
            person: self.asked.person.clone(),
            profile_key: self.profile_key,
            quota: self.asked.quota,
            credential: credential.ok_or_else(Problem::internal)?,
        })
    }
}

pub async fn add_user(State(app): State<App>, ask: Ask<NewUser, 1>) -> Response {
    let result = async {
        ask.expects_nothing()?;
        let mut keys = Vec::new();
        let profile_key = Preparation::fresh_key(&app, &mut keys);
        let user = UserId::new(Preparation::fresh_id(&app));
        let preparation = Preparation {
            service: ServiceId::new(ask.ids[0]),
            user: Some(user),
            private: PrivateKey::Fresh(profile_key),
            keys,
            password: Some(ask.body.password.clone()),
            fingerprint: ask.fingerprint(),
        };
        handle(&app, &ask, preparation, &Making { asked: &ask.body, user, profile_key }).await
    };
    respond(&ask.key, StatusCode::CREATED, result.await)
}
