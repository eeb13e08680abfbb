//! `POST /v1/auth/verify`: is this the password of this address?

use std::net::IpAddr;

use activity::{Activity, Kind};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::Erasable;
use postkey_http::{
    Body, Caller, Code, Described, Fields, FromFields, Operation, Problem, RequestId, Role, Tenancy, Verified,
};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{Claimed, Judged, Login, Meant, NotFresh, Refused};
use crate::app::App;
use crate::queries::NOT_NOW;
use crate::read_model::{ReadModelError, UserRow};

/// What webmail asks.
pub struct Verify {
    claimed: Claimed,
    password: SecretString,
    origin: Option<IpAddr>,
}

impl Described for Claimed {
    fn schema() -> Value {
        json!({"type": "string", "description": "The address that was typed. What is no address is nobody's.",
            "examples": ["zoe@walk.example"]})
    }
}

impl FromFields for Verify {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let claimed = fields.required("address", |text| Claimed::read(text).ok_or("an address"));
        let password = fields.secret("password");
        let origin = fields.optional("origin", |text| text.parse().map_err(|_| "an IP address"));
        Some(Self { claimed: claimed?, password: password?, origin })
    }
}

/// Who may ask.
const ROLES: &[Role] = &[Role::Webmail];

pub fn operation() -> Operation {
    let typed = json!({"address": "zoe@walk.example", "password": "Copper-Tulip-77-Boat", "origin": "203.0.113.7"});
    Operation::new("verify", "sign-in", "Is this the password of this address?")
        .details(
            "Unknown, suspended, removed, empty and wrong have one answer, in the same time. A password that a change has \
             replaced is refused from the moment at which that was answered as effective: a model that is behind answers 503, \
             never a verdict.",
        )
        .details(
            "Wrong ones are counted by account and `origin`: five are free, then each costs a delay that doubles, up to a \
             minute. Without `origin` they are counted by account alone.",
        )
        .roles(ROLES)
        .header(
            "Postkey-Customer",
            "Whose users may sign in: another customer's are as good as unknown. Absent: everybody's.",
            domain::Customer::schema(),
        )
        .body::<Verify>(&[("typed", typed)])
        .answers(StatusCode::OK, "It is: who signed in.", &Verified::example())
        .problems(&[Code::InvalidCredentials, Code::Throttled])
        .problems(NOT_NOW)
}

/// Unknown, suspended, removed, empty, too long, wrong and another customer's have one answer (401 `invalid_credentials`),
/// after one argon2id. Too many of these, by account or origin: 429 `throttled`, with the seconds to wait. 503 where nobody can be judged
/// now: `catching_up`, `overloaded`, `log_unavailable`, `log_corrupt`, `keys_unavailable`, `read_model_unavailable`.
pub async fn verify(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    request: RequestId,
    Body(Verify { claimed, password, origin }): Body<Verify>,
) -> Result<Json<Verified>, Problem> {
    caller.require(ROLES)?;
    // A client of another role hears of that alone.
    let tenancy = Tenancy::of(&caller, &headers)?;
    let login = Login { claimed, password, origin, held_to: tenancy.only().cloned() };
    let Judged { ended, meant } = app.logins.sign_in(login).await;
    let answer = match ended {
        Ok(signed_in) => signed_in.user().and_then(verified).ok_or(Refused::Wrong),
        Err(refused) => Err(refused),
    };
    let answer = answer.map_err(Problem::from);
    app.activity.record(|| Activity {
        kind: Kind::SignIn,
        what: "verify",
        code: verdict(answer.as_ref().err(), meant),
        rules: Vec::new(),
        service: meant.user.map(|(service, _)| service),
        user: meant.user.map(|(_, user)| user),
        client: caller.name,
        actor: None,
        origin,
        request: request.as_str().to_owned(),
    });
    answer.map(Json)
}

/// How a login has ended, in a word for the activity log alone.
fn verdict(problem: Option<&Problem>, meant: Meant) -> &'static str {
    match problem {
        None => "ok",
        Some(problem) if problem.code == Code::InvalidCredentials => meant.verdict,
        Some(problem) => problem.code.as_str(),
    }
}

fn verified(row: &UserRow) -> Option<Verified> {
    let Erasable::Known(person) = &row.user.person.value else { return None };
    Some(Verified {
        user: row.id.uuid(),
        service: row.service.uuid(),
        address: person.address.as_str().to_owned(),
        first_name: person.first_name.as_str().to_owned(),
        last_name: person.last_name.as_str().to_owned(),
        quota_bytes: row.user.quota.bytes(),
        revision: row.user.revision.get(),
        credential_revision: row.user.credential.as_ref()?.revision.get(),
    })
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong => Self::new(Code::InvalidCredentials),
            Refused::Throttled(throttled) => Self::throttled(throttled.seconds(), throttled.pending),
            Refused::Overloaded(overloaded) => {
                Self::new(Code::Overloaded).with_retry_after(overloaded.retry_after.as_secs())
            }
            Refused::NotFresh(not_fresh) => not_fresh.into(),
        }
    }
}

impl From<NotFresh> for Problem {
    fn from(not_fresh: NotFresh) -> Self {
        match not_fresh {
            NotFresh::CatchingUp => Self::new(Code::CatchingUp),
            NotFresh::LogUnavailable => Self::new(Code::LogUnavailable),
            NotFresh::Corrupt => Self::new(Code::LogCorrupt),
            NotFresh::Keyless => Self::new(Code::KeysUnavailable),
            NotFresh::ReadModel(error) => error.into(),
        }
    }
}

impl From<ReadModelError> for Problem {
    fn from(error: ReadModelError) -> Self {
        tracing::error!(%error, "the read model failed");
        Self::new(Code::ReadModelUnavailable)
    }
}
