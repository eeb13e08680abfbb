//! The client of the command service, as a panel uses it.

use std::time::Duration;

use axum::http::header::IF_MATCH;
use axum::http::{HeaderName, HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use super::behalf::Behalf;
use super::call::{Call, Callee};
use super::passwords::{Checked, PasswordPolicy, Suggestion};
use super::peer::ClientError;
use super::problem::{CallError, CallProblem};
use super::receipt::Receipt;
use crate::{IdempotencyKey, entity_tag};

/// How long a command is asked to wait until it is in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take beyond that: ten seconds for its turn on the service, ten for the log, and some for a hash.
const CARRIED_OUT_WITHIN: Duration = Duration::from_secs(25);
/// How long a password may take to be judged: it may have to wait for its turn.
const JUDGED_WITHIN: Duration = Duration::from_secs(10);

/// Under which name a command is sent, and what it insists on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// `Idempotency-Key`, 1 to 255 visible ASCII characters: repeated with it, the command is not carried out again.
    pub key: String,
    /// `If-Match`: the revision that the user must have, else `stale_revision`.
    pub revision: Option<u64>,
}

/// A user to be added. It holds a password and a person's data, so it can't be printed.
pub struct NewUser {
    /// The mailbox address, of the service's domain.
    pub address: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The mailbox's quota, whole MiB.
    pub quota_bytes: u64,
    /// Its first password.
    pub password: SecretString,
}

/// What is to change of a user; what is none is not sent, and left alone. It can't be printed.
#[derive(Default)]
pub struct UserEdit {
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// The mailbox's quota, whole MiB.
    pub quota_bytes: Option<u64>,
    /// Another password.
    pub password: Option<SecretString>,
}

/// A password to be judged, as for a user of this address and these names, as far as they are told. It can't be printed.
pub struct PasswordCheck {
    /// The password.
    pub password: SecretString,
    /// The mailbox address.
    pub address: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
}

/// The body of `POST …/users`.
#[derive(Serialize)]
struct Added<'a> {
    address: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    quota_bytes: u64,
    password: &'a str,
}

/// The body of `PATCH …/users/{user}`.
#[derive(Serialize)]
struct Edited<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

/// The body of `POST /v1/passwords/check`.
#[derive(Serialize)]
struct Judged<'a> {
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
}

/// Asks the command service, with a token of role panel. A command waits up to five seconds until it is in force; where its
/// receipt says that it is not, it is stored all the same.
#[derive(Clone, Debug)]
pub struct CommandClient(Callee);

impl CommandClient {
    /// A client of the service at this base URL.
    pub fn new(url: &str, token: &SecretString) -> Result<Self, ClientError> {
        Callee::new(url, token).map(Self)
    }

    /// Whether the service says that it is ready.
    pub async fn ready(&self) -> Result<(), CallError> {
        self.0.ready().await
    }

    /// Adds a user. The receipt says which.
    pub async fn add_user(
        &self,
        behalf: &Behalf,
        service: Uuid,
        user: &NewUser,
        key: &str,
    ) -> Result<Receipt, CallError> {
        let NewUser { address, first_name, last_name, quota_bytes, password } = user;
        let quota_bytes = *quota_bytes;
        let body = Added { address, first_name, last_name, quota_bytes, password: password.expose_secret() };
        let call = self.0.call(Method::POST, &format!("/v1/services/{service}/users"));
        commanded(call, behalf, key, None)?.saying(&body).answer().await
    }

    /// "Save": changes what is named of a user's names, quota and password.
    pub async fn edit_user(
        &self,
        behalf: &Behalf,
        service: Uuid,
        user: Uuid,
        edit: &UserEdit,
        at: &Guard,
    ) -> Result<Receipt, CallError> {
        let body = Edited {
            first_name: edit.first_name.as_deref(),
            last_name: edit.last_name.as_deref(),
            quota_bytes: edit.quota_bytes,
            password: edit.password.as_ref().map(SecretString::expose_secret),
        };
        let call = self.0.call(Method::PATCH, &one_user(service, user));
        commanded(call, behalf, &at.key, at.revision)?.saying(&body).answer().await
    }

    /// Suspends an active user: nobody signs in as it until it is reactivated.
    pub async fn suspend_user(
        &self,
        behalf: &Behalf,
        service: Uuid,
        user: Uuid,
        at: &Guard,
    ) -> Result<Receipt, CallError> {
        let call = self.0.call(Method::POST, &format!("{}/suspend", one_user(service, user)));
        commanded(call, behalf, &at.key, at.revision)?.answer().await
    }

    /// Reactivates a suspended user.
    pub async fn reactivate_user(
        &self,
        behalf: &Behalf,
        service: Uuid,
        user: Uuid,
        at: &Guard,
    ) -> Result<Receipt, CallError> {
        let call = self.0.call(Method::POST, &format!("{}/reactivate", one_user(service, user)));
        commanded(call, behalf, &at.key, at.revision)?.answer().await
    }

    /// Removes a user, for good.
    pub async fn remove_user(
        &self,
        behalf: &Behalf,
        service: Uuid,
        user: Uuid,
        at: &Guard,
    ) -> Result<Receipt, CallError> {
        let call = self.0.call(Method::DELETE, &one_user(service, user));
        commanded(call, behalf, &at.key, at.revision)?.answer().await
    }

    /// The rules that new passwords keep to.
    pub async fn password_policy(&self) -> Result<PasswordPolicy, CallError> {
        self.0.call(Method::GET, "/v1/password-policy").answer().await
    }

    /// Which rules a password would break, and how strong it is.
    pub async fn check_password(&self, check: &PasswordCheck) -> Result<Checked, CallError> {
        let body = Judged {
            password: check.password.expose_secret(),
            address: check.address.as_deref(),
            first_name: check.first_name.as_deref(),
            last_name: check.last_name.as_deref(),
        };
        self.0.call(Method::POST, "/v1/passwords/check").within(JUDGED_WITHIN).saying(&body).answer().await
    }

    /// A strong password, another one each time.
    pub async fn suggest_password(&self) -> Result<SecretString, CallError> {
        let suggestion: Suggestion = self.0.call(Method::POST, "/v1/passwords/suggest").answer().await?;
        Ok(suggestion.password)
    }
}

fn one_user(service: Uuid, user: Uuid) -> String {
    format!("/v1/services/{service}/users/{user}")
}

/// With what every command says in headers.
///
/// # Errors
/// 422 as the service would answer, where the key or the actor is none.
fn commanded<'a>(call: Call<'a>, behalf: &Behalf, key: &str, revision: Option<u64>) -> Result<Call<'a>, CallError> {
    let unsendable = |hint| CallError::Problem(CallProblem::unsendable("Idempotency-Key", hint));
    let key = IdempotencyKey::parse(key).map_err(unsendable)?;
    // A key is visible ASCII throughout, a number too.
    let key = HeaderValue::from_str(key.as_str()).ok().map(|key| (HeaderName::from_static("idempotency-key"), key));
    let wait = HeaderValue::try_from(format!("wait={}", IN_FORCE_WITHIN.as_secs())).ok();
    let wait = wait.map(|wait| (HeaderName::from_static("prefer"), wait));
    let revision = revision.map(|revision| (IF_MATCH, entity_tag(revision)));
    let call = call.with(behalf.headers()?).with(key).with(wait).with(revision);
    Ok(call.within(IN_FORCE_WITHIN + CARRIED_OUT_WITHIN))
}
