//! Who calls: roles, tokens, and the extractor that tells a known client from a stranger.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Customer;
use rand_core::CryptoRng;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::trace::ClientSlot;
use crate::{Clients, Problem};

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A customer panel: that customer's services, or any customer's if it says which on each call.
    Panel,
    /// Webmail: lookups, and users changing their own passwords.
    Webmail,
    /// Reads the history.
    Auditor,
    /// Runs the installation.
    Operator,
    /// A service of ours; it may only read `/v1/position`.
    Service,
}

/// The text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is panel, webmail, auditor, operator or service")]
pub struct RoleError;

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 5] = [Self::Panel, Self::Webmail, Self::Auditor, Self::Operator, Self::Service];

    /// The role as it stands in tokens, the clients file and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Panel => "panel",
            Self::Webmail => "webmail",
            Self::Auditor => "auditor",
            Self::Operator => "operator",
            Self::Service => "service",
        }
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A new bearer token: `pk_<role>_` and 32 random bytes in base64url. The role in it is for people and secret
/// scanners; what a client may do stands in the clients file alone.
pub fn new_token(rng: &mut dyn CryptoRng, role: Role) -> SecretString {
    let mut random = Zeroizing::new([0_u8; 32]);
    rng.fill_bytes(&mut *random);
    // Room for all of it at once, so that growing leaves no copy behind and becoming a secret copies nothing.
    let prefix = format!("pk_{role}_");
    let mut token = String::with_capacity(prefix.len() + 43);
    token.push_str(&prefix);
    URL_SAFE_NO_PAD.encode_string(random.as_slice(), &mut token);
    SecretString::from(token)
}

/// Whose services a client may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomerScope {
    /// Bound to no customer: every role but `panel`.
    None,
    /// A panel of this customer.
    One(Customer),
    /// A panel of any customer, which says which on every call.
    Any,
}

/// A client whose token is known. As an extractor it answers 401 to anybody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client's name, which is its identity.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whose services it may see.
    pub customer: CustomerScope,
    /// Whether it was given the right to see personal data in the history; only auditors need that.
    pub personal: bool,
}

impl Caller {
    /// Whether addresses and names are for it to see.
    pub fn sees_personal(&self) -> bool {
        match self.role {
            Role::Operator | Role::Panel | Role::Webmail => true,
            Role::Auditor => self.personal,
            Role::Service => false,
        }
    }

    /// 403 unless the caller has one of these roles.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        if roles.contains(&self.role) {
            return Ok(());
        }
        let allowed: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
        let detail = format!("a client of role {} may not do this; it takes {}", self.role, allowed.join(" or "));
        Err(Problem::forbidden(detail))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<Clients>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let token = bearer(&parts.headers).ok_or_else(Problem::unauthenticated)?;
        let caller = Arc::<Clients>::from_ref(state).find(token).ok_or_else(Problem::unauthenticated)?;
        if let Some(slot) = parts.extensions.get::<ClientSlot>() {
            slot.name(&caller.name);
        }
        let caller = Self::clone(&caller);
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

/// The one bearer token of a request; two are as good as none, since nobody can say which was meant.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (given.next(), given.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::routing::get;
    use secrecy::ExposeSecret;

    use super::*;
    use crate::EntropyRng;
    use crate::clients_file::{ClientEntry, ClientsFile, TokenDigest};
    use crate::staged::{Answer, Counting, ask};

    fn one_panel() -> (Router, SecretString) {
        let token = new_token(&mut EntropyRng::new(Arc::new(Counting::default())), Role::Panel);
        let mut file = ClientsFile::default();
        let digest = TokenDigest::of(&token);
        file.add(ClientEntry::new("panel-1", Role::Panel, CustomerScope::Any, digest).unwrap()).unwrap();
        let clients = Arc::new(Clients::fixed(file));
        let router = Router::new()
            .route("/", get(|caller: Caller| async move { caller.name }))
            .route("/operators", get(|caller: Caller| async move { caller.require(&[Role::Auditor, Role::Operator]) }))
            .with_state(clients);
        (router, token)
    }

    async fn presented(path: &str, authorization: &[&str]) -> Answer {
        let mut request = Request::get(path);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        ask(one_panel().0, request.body(Body::empty()).unwrap()).await
    }

    #[test]
    fn a_token_names_its_role_and_holds_32_random_bytes() {
        let mut rng = EntropyRng::new(Arc::new(Counting::default()));
        let (first, second) = (new_token(&mut rng, Role::Webmail), new_token(&mut rng, Role::Webmail));
        let random = first.expose_secret().strip_prefix("pk_webmail_").unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), 32);
        assert_eq!(random.len(), 43);
        assert_ne!(first.expose_secret(), second.expose_secret());
        assert!(!format!("{first:?}").contains(random));
    }

    #[tokio::test]
    async fn a_known_token_names_its_client() {
        let token = one_panel().1;
        let token = token.expose_secret();
        for good in [format!("Bearer {token}"), format!("bearer  {token}")] {
            assert_eq!(presented("/", &[&good]).await.body, b"panel-1");
        }
    }

    #[tokio::test]
    async fn whoever_brings_no_token_we_know_is_401_with_a_challenge() {
        let token = one_panel().1;
        let good = format!("Bearer {}", token.expose_secret());
        let cut = &good[..good.len() - 1];
        let refused: [&[&str]; 8] = [
            &[],
            &["Bearer"],
            &["Bearer "],
            &["Basic abc"],
            &[&good["Bearer ".len()..]],
            &[cut],
            &[&good, &good],
            &["Bearer pk_operator_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
        ];
        for authorization in refused {
            let answer = presented("/", authorization).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            assert_eq!(answer.json()["code"], "unauthenticated");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }

    #[tokio::test]
    async fn another_role_is_403() {
        let good = format!("Bearer {}", one_panel().1.expose_secret());
        let answer = presented("/operators", &[&good]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.json()["detail"], "a client of role panel may not do this; it takes auditor or operator");
    }
}
