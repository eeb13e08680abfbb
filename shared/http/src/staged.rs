//! What the tests of this crate put in the place of the world.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use chrono::{DateTime, Utc};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

use crate::{Clock, Entropy, layers};

/// Bytes that differ from call to call and are the same in each run.
#[derive(Default)]
pub struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let next = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) ^ 0x5555_aaaa_1234_8765;
            chunk.copy_from_slice(&next.to_be_bytes()[..chunk.len()]);
        }
    }
}

/// A clock that stands still.
pub struct FixedClock(DateTime<Utc>);

impl FixedClock {
    pub fn at_millis(millis: i64) -> Self {
        Self(DateTime::from_timestamp_millis(millis).unwrap())
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// An answer, read to its end.
pub struct Answer {
    pub head: Response<()>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.head.status()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers().get(name).map(|value| value.to_str().unwrap())
    }

    /// `field code` of every violation, sorted.
    pub fn violations(&self) -> Vec<String> {
        let body = self.json();
        let one = |v: &Value| format!("{} {}", v["field"].as_str().unwrap(), v["code"].as_str().unwrap());
        let mut found: Vec<_> = body["violations"].as_array().into_iter().flatten().map(one).collect();
        found.sort();
        found
    }
}

/// Asks a router in process, behind the same layers as in a service.
pub async fn ask(router: Router, request: Request<Body>) -> Answer {
    let response = layers(router, Arc::new(Counting::default()), None).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { head: Response::from_parts(parts, ()), body }
}

/// A POST of JSON.
pub fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path).header("content-type", "application/json").body(body.into()).unwrap()
}

/// Keeps every event as text.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Keeps what this thread logs, until the answer is dropped.
    pub fn of_this_thread(&self) -> DefaultGuard {
        // While there is one subscriber alone, tracing asks that of whichever thread comes to a line first whether anybody wants
        // the line, and keeps the answer for all: with other tests beside, that thread may have none.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(Self::default()));
        tracing::subscriber::set_default(self.clone())
    }

    /// All until now.
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("postkey_http")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
