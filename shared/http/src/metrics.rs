//! What an operator needs at night, as Prometheus and OpenMetrics read it.
//!
//! Labels hold nothing that a client chooses and nothing personal: route templates, methods, statuses, codes, names of
//! checks. A count costs a read lock and an addition, and nothing is allocated once a label has been seen.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::{Health, Operation, Problem, Routes};

/// How a scrape is written.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds of what people wait for, in seconds: from a look-up to the longest wait that may be asked for.
const WAITS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// A histogram of waits, in seconds.
pub fn waits() -> Histogram {
    Histogram::new(WAITS)
}

/// The metrics of a service. Clones are the same.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<RwLock<Registry>>,
    requests: Family<Request, Counter>,
    durations: Family<Asked, Histogram, fn() -> Histogram>,
    gone: Family<Asked, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: Verb,
    route: Route,
    status: u16,
    /// The code of a problem; empty where it is none.
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    method: Verb,
    route: Route,
}

/// A method that has a route, or any other: a client may make methods up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Verb(&'static str);

impl Verb {
    fn of(method: &Method) -> Self {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        Self(known.into_iter().find(|name| *name == method.as_str()).unwrap_or("other"))
    }
}

impl EncodeLabelValue for Verb {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        self.0.encode(encoder)
    }
}

/// A route's template; none where no route is.
#[derive(Clone, Debug)]
struct Route(Option<MatchedPath>);

impl Route {
    fn as_str(&self) -> &str {
        self.0.as_ref().map_or("none", MatchedPath::as_str)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> fmt::Result {
        self.as_str().encode(encoder)
    }
}

impl Metrics {
    /// Of a service that has been asked nothing yet.
    pub fn new(health: &Health) -> Self {
        let (requests, gone) = (Family::default(), Family::default());
        let durations = Family::new_with_constructor(waits as fn() -> Histogram);
        let mut registry = Registry::with_prefix("postkey");
        registry.register("http_requests", "Requests that were answered, by route, status and code", requests.clone());
        registry.register("http_requests_abandoned", "Requests whose client went away before the answer", gone.clone());
        registry.register(
            "http_request_duration_seconds",
            "How long answers took, without what long polls were asked to wait",
            durations.clone(),
        );
        registry.register_collector(Box::new(Checks(health.clone())));
        registry.register_collector(Box::new(Process));
        Self { registry: Arc::new(RwLock::new(registry)), requests, durations, gone }
    }

    /// Adds a service's own.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds what is read when it is asked for: one value without a label, or one for each; `name` with its unit.
    pub fn read(
        &self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        read: impl Fn() -> Vec<(Option<Label>, f64)> + Send + Sync + 'static,
    ) {
        self.register(|registry| {
            registry.register_collector(Box::new(Read { kind, name, help, read: Box::new(read) }))
        });
    }

    pub(crate) fn answered(
        &self,
        method: &Method,
        route: Option<&MatchedPath>,
        answer: (StatusCode, &'static str),
        took: Duration,
    ) {
        let asked = Asked { method: Verb::of(method), route: Route(route.cloned()) };
        self.durations.get_or_create(&asked).observe(took.as_secs_f64());
        let Asked { method, route } = asked;
        self.requests.get_or_create(&Request { method, route, status: answer.0.as_u16(), code: answer.1 }).inc();
    }

    pub(crate) fn abandoned(&self, method: &Method, route: Option<&MatchedPath>) {
        self.gone.get_or_create(&Asked { method: Verb::of(method), route: Route(route.cloned()) }).inc();
    }

    /// `GET /metrics`, for whoever can reach the service: no secrets, nothing personal.
    pub(crate) fn routes<S: Clone + Send + Sync + 'static>(&self) -> Routes<S> {
        let registry = Arc::clone(&self.registry);
        let scrape = async move || {
            let mut text = String::new();
            let written = encode(&mut text, &registry.read().unwrap_or_else(PoisonError::into_inner));
            written.map(|()| ([(CONTENT_TYPE, OPEN_METRICS)], text)).map_err(|_| Problem::internal()).into_response()
        };
        let operation = Operation::new("metrics", "health", "What an operator needs at night").answers_text(
            StatusCode::OK,
            "For Prometheus.",
            "application/openmetrics-text",
            "# HELP postkey_http_requests Requests that were answered, by route, status and code.\n",
        );
        Routes::new().get("/metrics", scrape, operation)
    }
}

/// A label: its name, and its value.
pub type Label = (&'static str, &'static str);

/// What a value that is read does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only goes up.
    Counter,
}

struct Read {
    kind: Kind,
    name: &'static str,
    help: &'static str,
    read: Box<dyn Fn() -> Vec<(Option<Label>, f64)> + Send + Sync>,
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Read {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let kind = match self.kind {
            Kind::Gauge => MetricType::Gauge,
            Kind::Counter => MetricType::Counter,
        };
        let mut metric = encoder.encode_descriptor(self.name, self.help, None, kind)?;
        let encode = |value, one: MetricEncoder| match self.kind {
            Kind::Gauge => ConstGauge::new(value).encode(one),
            Kind::Counter => ConstCounter::new(value).encode(one),
        };
        for (label, value) in (self.read)() {
            match label {
                Some(label) => encode(value, metric.encode_family(&[label])?)?,
                None => return encode(value, metric),
            }
        }
        Ok(())
    }
}

/// How each check stands.
#[derive(Debug)]
struct Checks(Health);

impl Collector for Checks {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let help = "How each check of /healthz stands: 0 green, 1 yellow, 2 red.";
        let mut metric = encoder.encode_descriptor("health_check", help, None, MetricType::Gauge)?;
        for (name, severity) in self.0.severities() {
            let labels: [Label; 1] = [("check", name)];
            ConstGauge::new(i64::from(severity)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// What the process takes of the machine, where Linux tells.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let resident = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        let files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
        let values = [
            ("process_resident_memory_bytes", "Memory that the process has.", resident.map(|kib| kib * 1024)),
            ("process_open_fds", "Files and connections that the process has open.", files),
        ];
        for (name, help, value) in values {
            if let Some(value) = value {
                ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
            }
        }
        Ok(())
    }
}
