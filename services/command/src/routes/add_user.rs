//! `POST /v1/services/{service}/users`: a service gets another mailbox user.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{AddUser, Address, EmailService, KeyId, Name, Person, Quota, Rejection, ServiceId, UserId};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Receipt, Role};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{command, new_password, receipts};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation, Prepared, PrivateKey, ToSet};
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
        let password = new_password(fields, "password");
        let person = Person { address: address?, first_name: first_name?, last_name: last_name? };
        Some(Self { person, quota: quota?, password: password? })
    }
}

impl Asked for NewUser {
    const KIND: &'static str = "AddUser";
    const EVENTS: &'static [&'static str] = &["UserAdded", "PasswordChanged"];
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];

    fn canonical(&self, form: &mut Canonical) {
        form.text("address", Some(self.person.address.as_str()));
        form.text("first_name", Some(self.person.first_name.as_str()));
        form.text("last_name", Some(self.person.last_name.as_str()));
        form.number("quota_bytes", Some(self.quota.bytes()));
        form.text("password", Some(self.password.expose_secret()));
    }

    /// An address never changes. Of somebody who is erased it can't be told any more.
    fn could_have_made(&self, events: &[&'static str], of: Option<&Person>) -> bool {
        events == Self::EVENTS && of.is_none_or(|added| added.address == self.person.address)
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

    fn command(&self, prepared: Prepared) -> Result<AddUser, Problem> {
        Ok(AddUser {
            user: self.user,
            person: self.asked.person.clone(),
            profile_key: self.profile_key,
            quota: self.asked.quota,
            credential: prepared.credential.ok_or_else(Problem::internal)?,
        })
    }
}

pub fn operation() -> Operation {
    let zoe = json!({
        "address": "zoe@walk.example", "first_name": "Zoe", "last_name": "Young", "quota_bytes": 1_073_741_824,
        "password": "Tram-Lemon-42-River",
    });
    let refusals = [Code::AddressTaken, Code::PlanFull, Code::PoolExceeded, Code::WeakPassword];
    let operation = command::<NewUser>("add_user", "users", "Add a mailbox user", &[("Zoe", zoe)], &refusals);
    let receipt = Receipt::example(NewUser::EVENTS);
    receipts(operation, StatusCode::CREATED, "Added: the user can sign in.", receipt)
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
            password: Some(ToSet::given(ask.body.password.clone())),
            claim: None,
            fingerprint: ask.fingerprint(),
        };
        handle(&app, &ask, preparation, &Making { asked: &ask.body, user, profile_key }).await
    };
    respond(&app, &ask, StatusCode::CREATED, result.await)
}
