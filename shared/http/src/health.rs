//! Whether a service is well: named checks, set by the tasks that know, shown at `/healthz` and `/readyz`.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Operation, Routes};

/// How one check stands. Reasons are shown to anybody who asks, so they hold nothing secret or personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Green,
    /// Worth a look; the service serves.
    Yellow(String),
    /// The service serves all but what the reason names, one customer's changes say; a person has to look.
    Impaired(String),
    /// The service can't do its work, and will once the reason has gone away.
    Red(String),
    /// The service can't do its work until a person has looked: a corrupt log, say.
    NeedsPerson(String),
}

impl Status {
    fn colour(&self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Yellow(_) => "yellow",
            Self::Impaired(_) | Self::Red(_) | Self::NeedsPerson(_) => "red",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::Green => None,
            Self::Yellow(reason) | Self::Impaired(reason) | Self::Red(reason) | Self::NeedsPerson(reason) => {
                Some(reason)
            }
        }
    }

    /// Whether an operator who has read one of them learns nothing by the other. Numbers that move on (a position that is
    /// caught up with) are for whoever asks, not for the log.
    fn says_the_same(&self, other: &Self) -> bool {
        let words = |status: &Self| -> Vec<char> {
            status.reason().unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).collect()
        };
        std::mem::discriminant(self) == std::mem::discriminant(other) && words(self) == words(other)
    }

    fn lets_serve(&self) -> bool {
        matches!(self, Self::Green | Self::Yellow(_) | Self::Impaired(_))
    }

    fn lets_sleep(&self) -> bool {
        !matches!(self, Self::Impaired(_) | Self::NeedsPerson(_))
    }

    fn severity(&self) -> u8 {
        match self {
            Self::Green => 0,
            Self::Yellow(_) => 1,
            Self::Impaired(_) => 2,
            Self::Red(_) => 3,
            Self::NeedsPerson(_) => 4,
        }
    }
}

/// The checks of a service. Clones are the same checks.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<RwLock<Vec<HealthCheck>>>);

impl Health {
    /// No checks yet, so all is well.
    pub fn new() -> Self {
        Self::default()
    }

    /// The check of this name; a new one is red ("starting") until somebody sets it.
    pub fn check(&self, name: &'static str) -> HealthCheck {
        let mut checks = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(check) = checks.iter().find(|check| check.name == name) {
            return check.clone();
        }
        let check = HealthCheck { name, status: Arc::new(RwLock::new(Status::Red("starting".into()))) };
        checks.push(check.clone());
        check
    }

    /// Whether no check keeps the service from its work.
    pub fn is_ready(&self) -> bool {
        self.statuses().iter().all(|(_, status)| status.lets_serve())
    }

    /// The worst that any check says.
    pub fn worst(&self) -> Status {
        self.statuses().into_iter().map(|(_, status)| status).max_by_key(Status::severity).unwrap_or(Status::Green)
    }

    fn statuses(&self) -> Vec<(&'static str, Status)> {
        let checks = self.0.read().unwrap_or_else(PoisonError::into_inner);
        checks.iter().map(|check| (check.name, check.status())).collect()
    }

    /// 0 for green, 1 for yellow, 2 for red, of each check.
    pub(crate) fn severities(&self) -> Vec<(&'static str, u8)> {
        self.statuses().into_iter().map(|(name, status)| (name, status.severity().min(2))).collect()
    }

    fn report(&self, well: impl Fn(&Status) -> bool) -> Response {
        let (worst, statuses) = (self.worst(), self.statuses());
        let checks = statuses
            .iter()
            .map(|(name, status)| CheckReport { name, status: status.colour(), reason: status.reason() })
            .collect();
        let code = if statuses.iter().all(|(_, status)| well(status)) {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (code, Json(Report { status: worst.colour(), checks })).into_response()
    }
}

/// A handle on one check, cheap to clone into the task that knows. A change of colour, or of what is the matter, is logged.
#[derive(Clone)]
pub struct HealthCheck {
    name: &'static str,
    status: Arc<RwLock<Status>>,
}

impl HealthCheck {
    /// All is well.
    pub fn green(&self) {
        self.set(Status::Green);
    }

    /// Worth a look.
    pub fn yellow(&self, reason: impl Into<String>) {
        self.set(Status::Yellow(reason.into()));
    }

    /// Not ready, until the reason goes away.
    pub fn red(&self, reason: impl Into<String>) {
        self.set(Status::Red(reason.into()));
    }

    /// Ready, for all but what the reason names; a person has to look.
    pub fn impaired(&self, reason: impl Into<String>) {
        self.set(Status::Impaired(reason.into()));
    }

    /// Not ready, until a person has looked.
    pub fn needs_person(&self, reason: impl Into<String>) {
        self.set(Status::NeedsPerson(reason.into()));
    }

    /// Sets the status.
    pub fn set(&self, status: Status) {
        let mut current = self.status.write().unwrap_or_else(PoisonError::into_inner);
        if *current == status {
            return;
        }
        let (check, reason) = (self.name, status.reason().unwrap_or("well"));
        if !current.says_the_same(&status) {
            match &status {
                Status::Green => tracing::info!(check, reason, "health is green"),
                Status::Yellow(_) => tracing::warn!(check, reason, "health is yellow"),
                Status::Red(_) => tracing::warn!(check, reason, "health is red"),
                Status::Impaired(_) => tracing::error!(check, reason, "health is red for a part, a person has to look"),
                Status::NeedsPerson(_) => tracing::error!(check, reason, "health is red until a person has looked"),
            }
        }
        *current = status;
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.status.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for HealthCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthCheck").field("name", &self.name).field("status", &self.status()).finish()
    }
}

/// How the service is.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
struct Report<'a> {
    /// The worst that any check says: `green`, `yellow` or `red`.
    status: &'static str,
    /// Every check.
    #[schema(inline)]
    checks: Vec<CheckReport<'a>>,
}

#[derive(Serialize, ToSchema)]
struct CheckReport<'a> {
    /// What is checked.
    name: &'static str,
    /// `green`, `yellow` or `red`.
    status: &'static str,
    /// What is the matter, and what to do; null where all is well.
    #[schema(required = true)]
    reason: Option<&'a str>,
}

impl Report<'_> {
    fn well() -> Self {
        Self { status: "green", checks: vec![CheckReport { name: "keys", status: "green", reason: None }] }
    }

    fn ill() -> Self {
        let reason = Some("the last change could not be appended: the log can't be reached, see `log`");
        Self { status: "red", checks: vec![CheckReport { name: "writes", status: "red", reason }] }
    }
}

/// `GET /healthz`: 200 unless a person has to look. `GET /readyz`: 200 unless a check keeps the service from its work: one
/// customer's trouble takes it from nobody else. Both say all checks, as
/// `{"status","checks":[{"name","status","reason"}]}`, to anybody.
pub(crate) fn health_routes<S: Clone + Send + Sync + 'static>(health: Health) -> Routes<S> {
    let ready = health.clone();
    let operation = |id, summary, well, ill| {
        Operation::new(id, "health", summary).answers(StatusCode::OK, well, &Report::well()).answers(
            StatusCode::SERVICE_UNAVAILABLE,
            ill,
            &Report::ill(),
        )
    };
    Routes::new()
        .get(
            "/healthz",
            async move || health.report(Status::lets_sleep),
            operation(
                "healthz",
                "Has a person to look?",
                "Nobody has to look.",
                "A person has to look: the checks say why.",
            ),
        )
        .get(
            "/readyz",
            async move || ready.report(Status::lets_serve),
            operation("readyz", "Can it do its work?", "It can.", "It can't: the checks say why."),
        )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use serde_json::json;

    use super::*;
    use crate::staged::{Lines, ask};

    async fn statuses(health: &Health) -> (u16, u16) {
        let probe = |path: &'static str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            ask(health_routes(health.clone()).router(), request)
        };
        (probe("/healthz").await.status().as_u16(), probe("/readyz").await.status().as_u16())
    }

    #[tokio::test]
    async fn a_service_is_ready_once_no_check_is_red() {
        let health = Health::new();
        let (log, clock) = (health.check("log"), health.check("clock"));
        assert_eq!(statuses(&health).await, (200, 503));
        log.green();
        clock.yellow("7 minutes off");
        assert_eq!(statuses(&health).await, (200, 200));
        assert!(health.is_ready());
        log.red("does not answer");
        assert_eq!(statuses(&health).await, (200, 503));
        log.needs_person("corrupt at 7");
        assert_eq!(statuses(&health).await, (503, 503));
        health.check("log").green();
        assert_eq!(statuses(&health).await, (200, 200));
    }

    #[tokio::test]
    async fn what_a_part_suffers_from_calls_a_person_and_keeps_nobody_else_away() {
        let health = Health::new();
        let (log, keys) = (health.check("log"), health.check("keys"));
        log.green();
        keys.impaired("lacks a key of one service");
        assert_eq!(statuses(&health).await, (503, 200));
        log.red("does not answer");
        assert_eq!(statuses(&health).await, (503, 503), "neither hides the other");
    }

    #[tokio::test]
    async fn every_check_says_its_reason() {
        let health = Health::new();
        health.check("log").green();
        health.check("clients").red("not JSON");
        let answer = ask(health_routes(health).router(), Request::get("/readyz").body(Body::empty()).unwrap()).await;
        let expected = json!({"status": "red", "checks": [
            {"name": "log", "status": "green", "reason": null},
            {"name": "clients", "status": "red", "reason": "not JSON"},
        ]});
        assert_eq!(answer.json(), expected);
    }

    #[test]
    fn what_an_operator_does_not_know_yet_is_logged_once() {
        let lines = Lines::default();
        let logging = lines.of_this_thread();
        let check = Health::new().check("stream");
        check.yellow("the server n1 lags");
        for _ in 0..3 {
            check.yellow("a consumer is missing");
        }
        check.red("catching up: at position 1 of 20");
        check.red("catching up: at position 19 of 20");
        check.red("the log does not answer");
        check.green();
        drop(logging);
        let expected = ["lags", "missing", "catching up", "does not answer", "well"];
        let lines = lines.all();
        assert_eq!(lines.len(), expected.len(), "{lines:?}");
        assert!(lines.iter().zip(expected).all(|(line, word)| line.contains(word)), "{lines:?}");
    }
}
