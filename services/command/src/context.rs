//! The one extractor of every command: who asks, for whom, with which headers, and the body. The right to ask comes
//! before everything else; wrong headers and wrong fields are named together.

use std::cell::RefCell;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use domain::{Position, ServiceId};
use postkey_http::{
    Body, Caller, Code, CommandHeaders, FromFields, IdempotencyKey, OptionalBody, PathIds, Problem, Role, Tenancy,
    uuid_v4,
};
use secrecy::SecretString;
use uuid::Uuid;
use wire::{CommandId, Fingerprint};
use zeroize::Zeroizing;

use crate::app::App;
use crate::refusal::{overloaded, weak};

/// The namespace of command ids (RFC 9562 §5.5): UUIDv5 of `postkey.command` in the DNS namespace.
const COMMAND_NAMESPACE: Uuid = Uuid::from_u128(0xe148_e385_a953_567f_a988_9c39_0617_f4e1);

/// What a command's body is, beyond its fields.
pub trait Asked: FromFields + Send + Sync {
    /// What the command is called in fingerprints. Never changed.
    const KIND: &'static str;
    /// Who may ask for it.
    const ROLES: &'static [Role];
    /// Whether there may be no body at all.
    const MAY_BE_EMPTY: bool = false;

    /// Writes its fields in a form that is the same for equal requests.
    fn canonical(&self, form: &mut Canonical);
}

/// A body in the form that is fingerprinted: each field's name and value after their lengths. Wiped when dropped.
#[derive(Default)]
pub struct Canonical(Zeroizing<Vec<u8>>);

impl Canonical {
    /// A text; nothing where it is absent.
    pub fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.field(name, value.as_bytes());
        }
    }

    /// A number; nothing where it is absent.
    pub fn number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.field(name, &value.to_be_bytes());
        }
    }

    fn field(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            // In steps of an exact size: a buffer that grows leaves copies behind that nobody wipes.
            let mut longer = Zeroizing::new(Vec::with_capacity(self.0.len() + 8 + part.len()));
            longer.extend_from_slice(&self.0);
            longer.extend_from_slice(&(part.len() as u64).to_be_bytes());
            longer.extend_from_slice(part);
            self.0 = longer;
        }
    }
}

/// A command as it was asked for, on a route with `N` ids.
pub struct Ask<T, const N: usize> {
    /// Who asks.
    pub caller: Caller,
    /// Whose services it may be about.
    pub tenancy: Tenancy,
    /// What the headers say.
    pub headers: CommandHeaders,
    /// The key under which it may be repeated; drawn where none was given.
    pub key: IdempotencyKey,
    /// The ids in the route, in their order.
    pub ids: [Uuid; N],
    /// What is asked.
    pub body: T,
}

impl<T: Asked, const N: usize> FromRequest<App> for Ask<T, N> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        caller.require(T::ROLES)?;
        let PathIds(ids) = PathIds::<N>::from_request_parts(&mut parts, app).await?;
        let tenancy = Tenancy::of(&caller, &parts.headers);
        let headers = CommandHeaders::parse(&parts.headers).map_err(Problem::invalid_input);
        let request = Request::from_parts(parts, body);
        let reading = async {
            let body = if T::MAY_BE_EMPTY {
                OptionalBody::<T>::from_request(request, app).await.map(|body| body.0)
            } else {
                Body::<T>::from_request(request, app).await.map(|body| body.0)
            };
            (body, PASSWORD.with(RefCell::take))
        };
        let (body, password) = PASSWORD.scope(RefCell::default(), reading).await;
        match (tenancy, headers, body) {
            (Ok(tenancy), Ok(headers), Ok(body)) => {
                let key = match &headers.idempotency_key {
                    Some(key) => key.clone(),
                    None => drawn(app)?,
                };
                Ok(Self { caller, tenancy, headers, key, ids, body })
            }
            (tenancy, headers, body) => {
                let broken = broken_rules(app, password).await?;
                Err(joined([tenancy.err(), headers.err(), body.err(), broken]))
            }
        }
    }
}

tokio::task_local! {
    /// The new password of the body that is being read: where the rest of a request can't be read, its broken rules are
    /// named all the same.
    static PASSWORD: RefCell<Option<SecretString>>;
}

/// Notes the new password of the body that is being read.
pub fn note_password(given: &SecretString) {
    // Outside of a command (a check of a password) nobody asks for it.
    let _ = PASSWORD.try_with(|password| password.replace(Some(given.clone())));
}

/// The rules that a password breaks, of those that depend on nobody.
async fn broken_rules(app: &App, password: Option<SecretString>) -> Result<Option<Problem>, Problem> {
    let Some(password) = password else { return Ok(None) };
    let assessed = app.hasher.assess(password, &app.policy, None).await.map_err(overloaded)?;
    Ok(Some(Problem::invalid_input(weak(&assessed.violations).violations)))
}

/// All violations in one answer; a refusal of another kind goes first.
fn joined(problems: [Option<Problem>; 4]) -> Problem {
    let mut violations = Vec::new();
    for problem in problems.into_iter().flatten() {
        if problem.code != Code::InvalidInput {
            return problem;
        }
        violations.extend(problem.violations);
    }
    Problem::invalid_input(violations)
}

fn drawn(app: &App) -> Result<IdempotencyKey, Problem> {
    let entropy: &dyn postkey_http::Entropy = &*app.entropy;
    IdempotencyKey::parse(&uuid_v4(entropy).to_string()).map_err(|_| Problem::internal())
}

impl<T: Asked, const N: usize> Ask<T, N> {
    /// The command's id: the same for every repeat, of this client, on this service, with this key.
    pub fn command_id(&self, service: ServiceId) -> CommandId {
        let name = format!("{}\0{service}\0{}", self.caller.name, self.key.as_str());
        CommandId::new(Uuid::new_v5(&COMMAND_NAMESPACE, name.as_bytes()))
    }

    /// The fingerprint of what is asked.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut form = Canonical::default();
        self.body.canonical(&mut form);
        let path: Vec<String> = self.ids.iter().map(Uuid::to_string).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        Fingerprint::of(T::KIND, &path, &form.0)
    }

    /// Refuses a revision where there can be none: of what is yet to be made.
    pub fn expects_nothing(&self) -> Result<(), Problem> {
        match self.headers.if_match {
            None => Ok(()),
            Some(_) => Err(Problem::new(Code::StaleRevision).with_detail("what is yet to be made has no revision")),
        }
    }

    /// The revision that the caller insists on.
    pub fn expected(&self) -> Option<Position> {
        self.headers.if_match.map(Position::new)
    }
}

impl FromRef<App> for std::sync::Arc<postkey_http::Clients> {
    fn from_ref(app: &App) -> Self {
        Self::clone(&app.clients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_is_what_its_comment_says() {
        assert_eq!(COMMAND_NAMESPACE, Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"postkey.command"));
    }

    #[test]
    fn other_fields_have_another_form() {
        let form = |fields: &[(&str, Option<&str>)]| {
            let mut form = Canonical::default();
            fields.iter().for_each(|(name, value)| form.text(name, *value));
            form.0.to_vec()
        };
        assert_eq!(form(&[("a", Some("b")), ("c", None)]), form(&[("a", Some("b"))]));
        assert_ne!(form(&[("a", Some("bc"))]), form(&[("a", Some("b")), ("c", Some(""))]));
        assert_ne!(form(&[("ab", Some("c"))]), form(&[("a", Some("bc"))]));
    }
}
