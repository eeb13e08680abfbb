//! `POST /v1/self/password`: a user changes its own password in webmail, having given the current one.
//!
//! 200 or 202 with a receipt. 403 `wrong_current_password` for whoever is not there, is suspended, or has given another
//! one, in the same time ([`Claim`]). What depends on nobody is refused before anybody is looked for: 422 `invalid_input`,
//! `weak_password`; what depends on the user only once it is proved: 422 `weak_password`, 412 `stale_revision`, 409
//! `same_password`, 422 `idempotency_mismatch`. 429 `throttled` and 503 with `Retry-After`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use credential::Asker;
use domain::{Address, ChangeOwnPassword, EmailService, Person, Position, Rejection, ServiceId};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Receipt, Role, uuid_v4};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{command, new_password, receipts};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical, Said};
use crate::path::{Claim, handle};
use crate::preparation::{Given, Make, Preparation, Prepared, PrivateKey, Proved, ToSet};
use crate::receipt::respond;
use crate::refusal::{overloaded, throttled, weak};

/// What a user asks for, whoever carries it here.
pub struct OwnPassword {
    /// As it was given: what is no address is nobody's, and hears no other answer.
    address: String,
    current: SecretString,
    new: SecretString,
    /// The field that the new one stands in.
    field: &'static str,
}

impl OwnPassword {
    /// Reads it from fields of these names.
    pub fn read(fields: &mut Fields, address: &str, current: &str, new: &'static str) -> Option<Self> {
        let address = fields.required(address, |text| Ok::<_, std::convert::Infallible>(text.to_owned()));
        let current = fields.secret(current);
        let given = new_password(fields, new);
        Some(Self { address: address?, current: current?, new: given?, field: new })
    }

    /// The form that is fingerprinted: the same by whatever route it comes.
    pub fn canonical(&self, form: &mut Canonical) {
        let address = Address::parse(&self.address).ok();
        form.text("address", Some(address.as_ref().map_or(self.address.as_str(), Address::as_str)));
        form.text("current_password", Some(self.current.expose_secret()));
        form.text("new_password", Some(self.new.expose_secret()));
    }
}

/// What it is called in fingerprints.
pub const KIND: &str = "ChangeOwnPassword";

/// What it can make happen.
pub const EVENTS: &[&str] = &["PasswordChanged"];

/// The JSON body.
pub struct Body {
    own: OwnPassword,
    origin: Option<IpAddr>,
}

impl FromFields for Body {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let own = OwnPassword::read(fields, "address", "current_password", "new_password");
        let origin = fields.optional("origin", |text| text.parse().map_err(|_| "an IP address"));
        Some(Self { own: own?, origin })
    }
}

impl Asked for Body {
    const KIND: &'static str = KIND;
    const EVENTS: &'static [&'static str] = EVENTS;
    const ROLES: &'static [Role] = &[Role::Webmail];

    fn canonical(&self, form: &mut Canonical) {
        // Whence it is asked is no part of what is asked: a repeat may come by another way.
        self.own.canonical(form);
    }

    fn said(&self) -> Said {
        Said { origin: self.origin, ..Said::default() }
    }
}

struct Making {
    address: Option<Address>,
    expected: Option<Position>,
}

impl Make for Making {
    type Command = ChangeOwnPassword;

    fn person(&self, state: &EmailService) -> Result<Option<Person>, Rejection> {
        let address = self.address.as_ref().ok_or(Rejection::WrongCurrentPassword)?;
        let found = state.provisioned().and_then(|service| {
            let user = service.by_address(address).ok_or(Rejection::UserUnknown)?;
            service.present_user(user)
        });
        // It was proved to be there: if it is not any more, whoever asks is told what anybody is.
        let person = found.ok().and_then(|user| user.person.value.known().cloned());
        person.map(Some).ok_or(Rejection::WrongCurrentPassword)
    }

    fn allowed(&self, state: &EmailService, proved: Option<Proved>) -> Result<(), Rejection> {
        let Proved { user, proof } = proved.ok_or(Rejection::WrongCurrentPassword)?;
        ChangeOwnPassword::allowed(state, user, proof, self.expected).map(|_| ())
    }

    fn command(&self, prepared: Prepared) -> Result<ChangeOwnPassword, Problem> {
        let (Some(credential), Some(proved)) = (prepared.credential, prepared.proved) else {
            return Err(Problem::internal());
        };
        Ok(ChangeOwnPassword { user: proved.user, proof: proved.proof, credential, expected: self.expected })
    }
}

/// Carries it out.
///
/// # Errors
/// The refusal, or what could not be reached.
pub async fn carry_out<T: Asked>(app: &App, ask: &Ask<T, 0>, own: &OwnPassword) -> Result<Receipt, Problem> {
    let judged = app.hasher.parse(Asker::User, own.new.clone(), &app.policy, None).await.map_err(overloaded)?;
    let password = Given::Judged(Arc::new(judged.map_err(|violations| weak(own.field, &violations))?));
    let address = Address::parse(&own.address).ok();
    let account = Address::spelling_of(&own.address);
    app.admission.look(&account, ask.headers.origin).map_err(throttled)?;
    let service = match &address {
        Some(address) => ServiceId::of(&address.domain()),
        // One that is not there is looked for all the same.
        None => ServiceId::new(uuid_v4(&*app.entropy)),
    };
    let making = Making { address: address.clone(), expected: ask.expected() };
    let preparation = Preparation {
        service,
        // Known once it is proved, with the key that goes with it.
        user: None,
        private: PrivateKey::OfService,
        keys: Vec::new(),
        password: Some(ToSet { field: own.field, password }),
        claim: Some(Claim { address, account, current: own.current.clone() }),
        fingerprint: ask.fingerprint(),
    };
    handle(app, ask, preparation, &making).await
}

/// What it can be refused for, whoever carries it here.
pub const REFUSALS: &[Code] = &[Code::WrongCurrentPassword, Code::WeakPassword, Code::SamePassword, Code::Throttled];

/// Who is told what.
pub const TOLD: &str = "Unknown, suspended and wrong have one answer, `wrong_current_password`, in the same time. Wrong ones \
                        are counted as at sign-in.";

pub fn operation() -> Operation {
    let examples = [(
        "Zoe",
        json!({
            "address": "zoe@walk.example", "current_password": "Copper-Tulip-77-Boat", "new_password": "Quill-Fjord-58-Moss",
            "origin": "203.0.113.7",
        }),
    )];
    let operation =
        command::<Body>("change_own_password", "self-service", "Change one's own password", &examples, REFUSALS)
            .details(TOLD);
    let done = "In force: no sign-in takes the old password any more.";
    receipts(operation, StatusCode::OK, done, Receipt::example(EVENTS))
}

pub async fn change_own_password(State(app): State<App>, ask: Ask<Body, 0>) -> Response {
    let result = carry_out(&app, &ask, &ask.body.own).await;
    respond(&app, &ask, StatusCode::OK, result)
}
