//! What the activity log keeps of a refusal: who asked, what for, about whom, and which rules stood against it; never a value.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::OnceLock;

use activity::{Activity, ActivityLog, Kind};
use domain::{ServiceId, UserId};
use postkey_http::{Actor, Problem, RequestId};
use uuid::Uuid;

/// Who asks for a command, gathered as it is read: of one that can't be read, as far as it was.
#[derive(Default)]
pub struct Asker {
    /// The client's name; none of a stranger's.
    pub client: Option<String>,
    /// Who acts, as it claims.
    pub actor: Option<Actor>,
    /// Where that person came from.
    pub origin: Option<IpAddr>,
    /// The ids in the route: the service's, and the user's.
    pub ids: Vec<Uuid>,
    request: Option<RequestId>,
    /// The user that a person claims to be, where there is one.
    claims: OnceLock<(ServiceId, UserId)>,
}

impl Asker {
    /// Somebody whose request has this id.
    pub fn of(request: Option<RequestId>) -> Self {
        Self { request, ..Self::default() }
    }

    /// Notes whom a person claims to be. No answer tells whether there is such a user.
    pub fn claims_to_be(&self, service: ServiceId, user: UserId) {
        // Where it is proved once more: the first is who was meant.
        let _ = self.claims.set((service, user));
    }

    /// Has it kept that `what` was refused to this asker. A stranger's calls are counted in metrics and not kept: whoever has
    /// no token could fill the log. What could not be done is no refusal.
    pub fn refused(&self, log: &ActivityLog, what: &'static str, problem: &Problem) {
        let Some(client) = self.client.as_ref().filter(|_| problem.code.status().is_client_error()) else { return };
        let (service, user) = match self.claims.get() {
            Some((service, user)) => (Some(*service), Some(*user)),
            None => (self.ids.first().copied().map(ServiceId::new), self.ids.get(1).copied().map(UserId::new)),
        };
        log.record(|| Activity {
            kind: Kind::Refused,
            what,
            code: problem.code.as_str(),
            rules: rules(problem),
            service,
            user,
            client: client.clone(),
            actor: self.actor.as_ref().map(|actor| actor.as_str().to_owned()),
            origin: self.origin,
            request: self.request.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
        });
    }
}

/// The rules that were broken, each once. Not the fields: one that nobody knows has a name that somebody typed.
fn rules(problem: &Problem) -> Vec<&'static str> {
    let mut rules = Vec::new();
    for violation in &problem.violations {
        match violation.code {
            Cow::Borrowed(rule) if !rules.contains(&rule) => rules.push(rule),
            _ => {}
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use postkey_http::{Code, Violation};

    use super::*;

    #[test]
    fn rules_are_named_once_and_nothing_that_was_typed() {
        let typed = "Ocelot-58-Wigwam".to_owned();
        let violations = vec![
            Violation::new("password", "too_short", "longer"),
            Violation::new(typed.clone(), "unknown", "no such field"),
            Violation::new("password", typed, "no rule of ours"),
            Violation::new("first_name", "unknown", "no such field"),
        ];
        assert_eq!(rules(&Problem::invalid_input(violations)), ["too_short", "unknown"]);
        assert_eq!(rules(&Problem::new(Code::PlanFull)), [""; 0]);
    }
}
