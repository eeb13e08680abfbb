//! Who signed in, and the client that asks, as webmail uses it.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use axum::http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::behalf::request_header;
use super::call::Callee;
use super::peer::ClientError;
use super::problem::CallError;
use crate::sample;

/// How long a login may take: it may wait two seconds each for others' verdicts, the log's head and rows, and then for a hash.
const VERIFIED_WITHIN: Duration = Duration::from_secs(15);

/// Who signed in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// The user's id.
    pub user: Uuid,
    /// The service that it is of.
    pub service: Uuid,
    /// The mailbox address.
    pub address: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The mailbox's quota, whole MiB.
    pub quota_bytes: u64,
    /// The position of the user's last change.
    pub revision: u64,
    /// The position of the last change of its password.
    pub credential_revision: u64,
}

impl Verified {
    /// One as a caller might get it.
    pub fn example() -> Self {
        Self {
            user: sample::USER,
            service: sample::SERVICE,
            address: "zoe@walk.example".to_owned(),
            first_name: "Zoe".to_owned(),
            last_name: "Yilmaz".to_owned(),
            quota_bytes: 1_073_741_824,
            revision: 4711,
            credential_revision: 4711,
        }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Address and names are personal.
        f.debug_struct("Verified")
            .field("user", &self.user)
            .field("revision", &self.revision)
            .field("credential_revision", &self.credential_revision)
            .finish_non_exhaustive()
    }
}

/// The body of `POST /v1/auth/verify`.
#[derive(Serialize)]
struct Claim<'a> {
    address: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<IpAddr>,
}

/// Asks the projection service about logins, with a token of role webmail.
#[derive(Clone, Debug)]
pub struct VerifyClient(Callee);

impl VerifyClient {
    /// A client of the service at this base URL.
    pub fn new(url: &str, token: &SecretString) -> Result<Self, ClientError> {
        Callee::new(url, token).map(Self)
    }

    /// Whether this is the password of this address; `origin`: the IP address that the person comes from, and never one's own.
    /// A no is the problem `invalid_credentials`, whatever is wrong.
    pub async fn verify(
        &self,
        address: &str,
        password: &SecretString,
        origin: Option<IpAddr>,
        request_id: &str,
    ) -> Result<Verified, CallError> {
        let claim = Claim { address, password: password.expose_secret(), origin };
        let call = self.0.call(Method::POST, "/v1/auth/verify").with(request_header(request_id));
        call.within(VERIFIED_WITHIN).saying(&claim).answer().await
    }
}
