//! `POST /v1/auth/verify`: is this the password of this address?

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use domain::{Address, CredentialHash, Erasable, UserState};
use postkey_http::{Body, Caller, Code, Fields, FromFields, Problem, Role};
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use super::NotFresh;
use crate::app::App;
use crate::read_model::{ReadModelError, UserRow};

/// What webmail asks.
pub struct Verify {
    /// None where the text is no address: then it is nobody's.
    address: Option<Address>,
    password: SecretString,
    /// Where the person signing in came from, as webmail says. Throttling by it comes with the whole surface.
    _origin: Option<IpAddr>,
}

impl FromFields for Verify {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let address = fields.required("address", |text| Ok::<_, std::convert::Infallible>(Address::parse(text).ok()));
        let password = fields.secret("password");
        let origin = fields.optional("origin", |text| text.parse().map_err(|_| "an IP address"));
        Some(Self { address: address?, password: password?, _origin: origin })
    }
}

/// Who signed in.
#[derive(Serialize)]
pub struct Verified {
    user: Uuid,
    service: Uuid,
    address: String,
    first_name: String,
    last_name: String,
    quota_bytes: u64,
    revision: u64,
    credential_revision: u64,
}

/// Unknown, suspended, removed, empty and wrong have one answer, after one argon2id.
pub async fn verify(
    State(app): State<App>,
    caller: Caller,
    Body(verify): Body<Verify>,
) -> Result<Json<Verified>, Problem> {
    caller.require(&[Role::Webmail])?;
    let nobody = || Address::parse("nobody@postkey.invalid").ok();
    let Some(address) = verify.address.or_else(nobody) else { return Err(Problem::internal()) };
    let row = app.freshness.row(&address).await?;
    let user = row.user.as_ref();
    let verdict = app.hasher.verify(verify.password, user.and_then(signs_in)).await;
    match verdict.map_err(overloaded)? {
        credential::Verdict::Right => user.and_then(verified).map(Json),
        credential::Verdict::Wrong => None,
    }
    .ok_or_else(|| Problem::new(Code::InvalidCredentials))
}

/// The hash that the password must be of; none where nobody may sign in.
fn signs_in(row: &UserRow) -> Option<&CredentialHash> {
    let credential = row.user.credential.as_ref().filter(|_| row.user.state == UserState::Active)?;
    credential.hash.value.known()
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

fn overloaded(overloaded: credential::Overloaded) -> Problem {
    Problem::new(Code::Overloaded).with_retry_after(overloaded.retry_after.as_secs())
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
