//! A projection that answers `GET /v1/position`, and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::DATE;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use chrono::TimeDelta;
use domain::Position;
use event_log::{LogStore, MemoryStore, Scope};
use futures::StreamExt;
use postkey_http::{Clock, Code, PositionAnswer, Problem, StoppedBy};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use wire::LogId;

use super::{LOG, SetClock, SystemEntropy};

#[derive(Clone)]
struct Stub {
    log: Arc<MemoryStore>,
    /// What is answered instead of how far the log has come.
    says: watch::Sender<Option<(u64, LogId)>>,
    asked: watch::Sender<u64>,
    /// Whether it never holds an answer back.
    at_once: Arc<AtomicBool>,
    /// What is answered instead of a position.
    refuses: watch::Sender<Option<Code>>,
    /// Why it says that it has stopped.
    stopped: watch::Sender<Option<StoppedBy>>,
    /// Its machine's clock, and how far that goes ahead.
    clock: Arc<SetClock>,
    ahead: watch::Sender<TimeDelta>,
}

/// Follows the log, unless told otherwise.
pub struct StubProjection {
    stub: Stub,
    url: String,
    _stop: DropGuard,
}

impl StubProjection {
    pub async fn start(log: Arc<MemoryStore>, clock: Arc<SetClock>) -> Self {
        let stub = Stub {
            log,
            says: watch::Sender::default(),
            asked: watch::Sender::default(),
            at_once: Arc::default(),
            refuses: watch::Sender::default(),
            stopped: watch::Sender::default(),
            clock,
            ahead: watch::Sender::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let router = Router::new().route("/v1/position", get(position)).with_state(stub.clone());
        tokio::spawn(postkey_http::serve(router, Arc::new(SystemEntropy), None, listener, stop.clone()));
        Self { stub, url, _stop: stop.drop_guard() }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on it says that it has applied this position of this log.
    pub fn says(&self, position: u64, log: LogId) {
        self.stub.says.send_replace(Some((position, log)));
    }

    /// From now on it answers at once, as one that has stopped for good does.
    pub fn answers_at_once(&self) {
        self.stub.at_once.store(true, Ordering::SeqCst);
    }

    /// From now on it answers with this problem, or again with a position.
    pub fn refuses(&self, code: Option<Code>) {
        self.stub.refuses.send_replace(code);
    }

    /// From now on it says that it has stopped where it is told to stand, or that it goes on.
    pub fn stopped(&self, by: Option<StoppedBy>) {
        self.stub.stopped.send_replace(by);
    }

    /// From now on its clock goes so far ahead of the others', or behind.
    pub fn ahead(&self, by: TimeDelta) {
        self.stub.ahead.send_replace(by);
    }

    /// How often it was asked.
    pub fn asked(&self) -> u64 {
        *self.stub.asked.borrow()
    }

    /// Waits until it was asked so often.
    pub async fn was_asked(&self, times: u64) {
        let mut asked = self.stub.asked.subscribe();
        tokio::time::timeout(super::LIMIT, asked.wait_for(|asked| *asked >= times)).await.unwrap().unwrap();
    }
}

async fn position(
    State(stub): State<Stub>,
    Query(query): Query<HashMap<String, u64>>,
) -> Result<impl IntoResponse, Problem> {
    stub.asked.send_modify(|asked| *asked += 1);
    let refused = *stub.refuses.borrow();
    if let Some(code) = refused {
        return Err(Problem::new(code));
    }
    let at_least = query.get("at_least").copied().unwrap_or(0);
    let held = query.get("wait").copied().filter(|_| !stub.at_once.load(Ordering::SeqCst));
    let wait = Duration::from_secs(held.unwrap_or(0));
    let (mut says, mut stopped) = (stub.says.subscribe(), stub.stopped.subscribe());
    let reached = async {
        loop {
            let said = *says.borrow_and_update();
            let (position, _) = stub.now(said).await;
            if position >= at_least || stopped.borrow_and_update().is_some() {
                return;
            }
            let mut news = stub.log.follow(Position::new(position));
            tokio::select! {
                _ = news.next(), if said.is_none() => {}
                _ = says.changed() => {}
                _ = stopped.changed() => {}
            }
        }
    };
    let _ = tokio::time::timeout(wait, reached).await;
    let said = *stub.says.borrow();
    let (position, log) = stub.now(said).await;
    let stopped = *stub.stopped.borrow();
    let at = (stub.clock.now() + *stub.ahead.borrow()).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let answer = PositionAnswer { position, head: position, lag_seconds: 0.0, log: log.uuid(), stopped };
    Ok(([(DATE, at)], Json(answer)))
}

impl Stub {
    async fn now(&self, said: Option<(u64, LogId)>) -> (u64, LogId) {
        match said {
            Some(said) => said,
            None => (self.log.head(Scope::All).await.unwrap().position.get(), LOG),
        }
    }
}
