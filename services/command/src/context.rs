//! The one extractor of every command: who asks, for whom, with which headers, and the body. The right to ask comes
//! before everything else; wrong headers and wrong fields are named together.

use std::cell::RefCell;
use std::net::IpAddr;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use domain::{Person, Position, ServiceId};
use postkey_http::{
    Body, Caller, Code, CommandHeaders, Form, FromFields, IdempotencyKey, IfMatch, OptionalBody, PathIds, Problem,
    Reason, Role, Tenancy,
};
use secrecy::SecretString;
use uuid::Uuid;
use wire::{CommandId, Fingerprint};
use zeroize::Zeroizing;

use crate::app::App;
use crate::asker::Asker;
use crate::refusal::{overloaded, weak};

/// The namespace of command ids (RFC 9562 §5.5): UUIDv5 of `postkey.command` in the DNS namespace.
const COMMAND_NAMESPACE: Uuid = Uuid::from_u128(0xe148_e385_a953_567f_a988_9c39_0617_f4e1);

/// How a command's body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// As JSON.
    Json,
    /// As JSON, or left out.
    JsonOrNothing,
    /// As a form.
    Form,
}

/// What a body says of the request itself. It goes before what a header says of the same: the body is the caller's own,
/// and a header may have been added on the way.
#[derive(Clone, Default)]
pub struct Said {
    /// Where the acting person came from.
    pub origin: Option<IpAddr>,
    /// Why.
    pub reason: Option<Reason>,
}

/// What a command's body is, beyond its fields.
pub trait Asked: FromFields + Send + Sync {
    /// What the command is called in fingerprints. Never changed.
    const KIND: &'static str;
    /// The names of what it can make happen.
    const EVENTS: &'static [&'static str];
    /// Who may ask for it.
    const ROLES: &'static [Role];
    /// How it is sent.
    const SENT: Sent = Sent::Json;

    /// Writes its fields in a form that is the same for equal requests.
    fn canonical(&self, form: &mut Canonical);

    /// What it says of the request itself.
    fn said(&self) -> Said {
        Said::default()
    }

    /// Whether an earlier command that made just this happen can have been this one, as far as that stands in the clear.
    /// `of`: the person that it was about, where it still is one.
    fn could_have_made(&self, events: &[&'static str], of: Option<&Person>) -> bool {
        let _ = of;
        events == Self::EVENTS
    }
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
    /// Who asks, as the activity log has it.
    pub asker: Asker,
}

impl<T: Asked, const N: usize> FromRequest<App> for Ask<T, N> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let mut asker = Asker::of(request.extensions().get().cloned());
        match Self::read(request, app, &mut asker).await {
            Ok(asked) => Ok(Self { asker, ..asked }),
            Err(problem) => {
                app.refused::<T>(&asker, &problem);
                Err(problem)
            }
        }
    }
}

impl<T: Asked, const N: usize> Ask<T, N> {
    /// Reads it, and notes in `asker` who asks, as far as it comes.
    async fn read(request: Request, app: &App, asker: &mut Asker) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        asker.client = Some(caller.name.clone());
        let headers = CommandHeaders::parse(&parts.headers).map_err(Problem::invalid_input);
        if let Ok(headers) = &headers {
            (asker.actor, asker.origin) = (headers.actor.clone(), headers.origin);
        }
        let ids = PathIds::<N>::from_request_parts(&mut parts, app).await;
        if let Ok(PathIds(ids)) = &ids {
            asker.ids = ids.to_vec();
        }
        caller.require(T::ROLES)?;
        let key = IdempotencyKey::from_request_parts(&mut parts, app).await?;
        let tenancy = Tenancy::of(&caller, &parts.headers);
        let PathIds(ids) = ids?;
        match (tenancy, headers, read_body::<T>(parts, body, app).await) {
            (Ok(tenancy), Ok(mut headers), (Ok(body), _)) => {
                let said = body.said();
                headers.origin = said.origin.or(headers.origin);
                headers.reason = said.reason.or(headers.reason.take());
                asker.origin = headers.origin;
                Ok(Self { caller, tenancy, headers, key, ids, body, asker: Asker::default() })
            }
            (tenancy, headers, (body, password)) => {
                let broken = broken_rules(app, password).await?;
                Err(joined([tenancy.err(), headers.err(), body.err(), broken]))
            }
        }
    }
}

/// Reads a body, and the new password in it, which is there also where the rest can't be read.
async fn read_body<T: Asked>(
    parts: Parts,
    body: axum::body::Body,
    app: &App,
) -> (Result<T, Problem>, Option<NewPassword>) {
    let request = Request::from_parts(parts, body);
    let reading = async {
        let body = match T::SENT {
            Sent::Json => Body::<T>::from_request(request, app).await.map(|body| body.0),
            Sent::JsonOrNothing => OptionalBody::<T>::from_request(request, app).await.map(|body| body.0),
            Sent::Form => Form::<T>::from_request(request, app).await.map(|body| body.0),
        };
        (body, PASSWORD.with(RefCell::take))
    };
    PASSWORD.scope(RefCell::default(), reading).await
}

/// A new password, and the field that it stands in.
type NewPassword = (&'static str, SecretString);

tokio::task_local! {
    /// The new password of the body that is being read: where the rest of a request can't be read, its broken rules are
    /// named all the same.
    static PASSWORD: RefCell<Option<NewPassword>>;
}

/// Notes the new password of the body that is being read.
pub fn note_password(field: &'static str, given: &SecretString) {
    // Outside of a command (a check of a password) nobody asks for it.
    let _ = PASSWORD.try_with(|password| password.replace(Some((field, given.clone()))));
}

/// The rules that a password breaks, of those that depend on nobody.
async fn broken_rules(app: &App, password: Option<NewPassword>) -> Result<Option<Problem>, Problem> {
    let Some((field, password)) = password else { return Ok(None) };
    let assessed = app.hasher.assess(password, &app.policy, None).await.map_err(overloaded)?;
    Ok(Some(Problem::invalid_input(weak(field, &assessed.violations).violations)))
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
        match self.headers.if_match {
            Some(IfMatch::Revision(revision)) => Some(Position::new(revision)),
            Some(IfMatch::Any) | None => None,
        }
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
