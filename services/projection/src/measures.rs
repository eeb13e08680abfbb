//! What is counted and measured of the read model, of keys that are destroyed, and of logins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use credential::Hasher;
use domain::Position;
use event_log::EventLog;
use postkey_http::{Kind, Metrics};
use prometheus_client::metrics::histogram::Histogram;
use throttle::Throttle;
use tokio::sync::watch;

use crate::auth::{Logins, Verdicts};
use crate::drift::Looked;
use crate::projector::{Follower, Lag, Leading, Progress};

/// What is shown.
pub struct Measures<'a> {
    /// Who writes the rows, and how far they are.
    pub projector: &'a Follower,
    /// The log.
    pub log: Arc<EventLog>,
    /// For how long the rows have been behind it.
    pub lag: Arc<Lag>,
    /// Up to where the keys that it dooms are destroyed; none while that is not known.
    pub destroyed: watch::Receiver<Option<Position>>,
    /// How much the drift watch has looked at; none where it is switched off.
    pub looked: Option<Arc<Looked>>,
    /// Who signs in.
    pub logins: &'a Logins,
    /// The threads that verify.
    pub hasher: Arc<Hasher>,
}

impl Measures<'_> {
    /// Shows them. Nothing is asked of any store: a scrape answers while they are away.
    pub fn show(self, metrics: &Metrics) {
        let Self { projector, log, lag, destroyed, looked, logins, hasher } = self;
        show_rows(metrics, projector.progress(), lag, log);
        show_leading(metrics, projector.leading());
        show_destruction(metrics, projector.progress(), projector.leads(), destroyed);
        if let Some(looked) = looked {
            show_drift(metrics, looked);
        }
        show_hashes(metrics, logins.hashing().clone(), hasher);
        show_logins(metrics, logins.throttle().clone(), Arc::clone(logins.verdicts()));
    }
}

fn show_rows(metrics: &Metrics, progress: watch::Receiver<Progress>, lag: Arc<Lag>, log: Arc<EventLog>) {
    let at = progress.clone();
    metrics.read(Kind::Gauge, "applied_position", "The last position that logins see.", move || {
        vec![(None, at.borrow().position.get() as f64)]
    });
    metrics.read(
        Kind::Gauge,
        "projection_lag_seconds",
        "For how long the read model has been behind what was seen of the log; 0 where it is not.",
        move || vec![(None, lag.now().as_secs_f64())],
    );
    metrics.read(Kind::Gauge, "log_seen_position", "The last position of the log that was seen.", move || {
        vec![(None, log.seen().get() as f64)]
    });
    metrics.read(
        Kind::Gauge,
        "projection_stopped",
        "1 where nothing more is applied until a person has looked, else 0.",
        move || vec![(None, if progress.borrow().halted.is_some() { 1.0 } else { 0.0 })],
    );
}

fn show_leading(metrics: &Metrics, leading: Arc<Leading>) {
    let led = Arc::clone(&leading);
    metrics.read(
        Kind::Gauge,
        "projection_leads",
        "1 where this projection applies the log; 0 where it stands by for another, or can't go on.",
        move || vec![(None, if led.leads() { 1.0 } else { 0.0 })],
    );
    metrics.read(
        Kind::Counter,
        "entries_applied",
        "Entries that this projection has applied: who stands by applies none.",
        move || vec![(None, leading.entries() as f64)],
    );
}

/// One that stands by destroys nothing, and knows nothing of how far the other is: it shows none of these.
fn show_destruction(
    metrics: &Metrics,
    progress: watch::Receiver<Progress>,
    destroys: watch::Receiver<bool>,
    destroyed: watch::Receiver<Option<Position>>,
) {
    let up_to = move || (*destroyed.borrow()).filter(|_| *destroys.borrow());
    let at = up_to.clone();
    metrics.read(
        Kind::Gauge,
        "destroyed_position",
        "The position up to which every key that the log dooms is destroyed; only where this projection leads.",
        move || at().map(|at| (None, at.get() as f64)).into_iter().collect(),
    );
    metrics.read(
        Kind::Gauge,
        "destruction_lag_entries",
        "How many entries are applied whose doomed keys may not be destroyed yet; only where this projection leads.",
        move || {
            let applied = progress.borrow().position.get();
            up_to().map(|at| (None, applied.saturating_sub(at.get()) as f64)).into_iter().collect()
        },
    );
}

fn show_drift(metrics: &Metrics, looked: Arc<Looked>) {
    let services = Arc::clone(&looked);
    metrics.read(
        Kind::Counter,
        "drift_services_checked",
        "Services whose rows were compared with what their history makes of them, by this projection.",
        move || vec![(None, services.services() as f64)],
    );
    metrics.read(
        Kind::Gauge,
        "drift_last_round_seconds",
        "How long ago all services had been compared; only where this projection has done so.",
        move || looked.last_round().map(|ago| (None, ago.as_secs_f64())).into_iter().collect(),
    );
}

fn show_hashes(metrics: &Metrics, hashing: Histogram, hasher: Arc<Hasher>) {
    metrics.register(|registry| {
        let help = "How long a login's argon2id took from being queued to its verdict";
        registry.register("login_hash_duration_seconds", help, hashing);
    });
    metrics.read(Kind::Gauge, "hasher_queue_depth", "Passwords that wait for a thread, by lane.", move || {
        hasher.depths().named().map(|(lane, depth)| (Some(("lane", lane)), depth as f64)).to_vec()
    });
}

fn show_logins(metrics: &Metrics, throttle: Throttle, verdicts: Arc<Verdicts>) {
    metrics.read(
        Kind::Gauge,
        "throttle_entries",
        "Accounts and origins with wrong passwords, and accounts whose owners' origins are known, that are remembered.",
        move || throttle.entries().named().map(|(table, entries)| (Some(("table", table)), entries as f64)).to_vec(),
    );
    metrics.read(
        Kind::Counter,
        "logins",
        "Logins by how they ended: right, cached (right without a hash), wrong, throttled, overloaded, not_fresh.",
        move || {
            let count = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64;
            [
                ("right", count(&verdicts.right)),
                ("cached", count(&verdicts.cached)),
                ("wrong", count(&verdicts.wrong)),
                ("throttled", count(&verdicts.throttled)),
                ("overloaded", count(&verdicts.overloaded)),
                ("not_fresh", count(&verdicts.not_fresh)),
            ]
            .map(|(verdict, logins)| (Some(("verdict", verdict)), logins))
            .to_vec()
        },
    );
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use postkey_http::{Health, operators_routes};
    use tower::ServiceExt;

    use super::*;

    /// What `/metrics` shows of these, without their prefix.
    async fn shown(metrics: &Metrics, name: &str) -> Option<f64> {
        let router = operators_routes::<()>(Health::new(), Some(metrics)).router();
        let answer = router.oneshot(Request::get("/metrics").body(Body::empty()).unwrap()).await.unwrap();
        let text = String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
        assert!(text.contains(&format!("# HELP postkey_{name} ")), "{text}");
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("postkey_{name} ")));
        value.map(|value| value.parse().unwrap())
    }

    #[tokio::test]
    async fn how_far_destruction_is_behind_is_shown_where_it_is_known_by_whoever_leads() {
        let metrics = Metrics::new(&Health::new());
        let (progress, destroys, destroyed) =
            (watch::Sender::<Progress>::default(), watch::Sender::new(true), watch::Sender::default());
        show_destruction(&metrics, progress.subscribe(), destroys.subscribe(), destroyed.subscribe());
        let apply = |position| progress.send_modify(|progress| progress.position = Position::new(position));
        let both =
            async || (shown(&metrics, "destroyed_position").await, shown(&metrics, "destruction_lag_entries").await);
        apply(7);
        assert_eq!(both().await, (None, None), "the key store has said nothing yet");
        destroyed.send_replace(Some(Position::new(4)));
        assert_eq!(both().await, (Some(4.0), Some(3.0)));
        apply(9);
        assert_eq!(both().await, (Some(4.0), Some(5.0)));
        destroyed.send_replace(Some(Position::new(9)));
        assert_eq!(both().await, (Some(9.0), Some(0.0)));
        destroys.send_replace(false);
        apply(12);
        assert_eq!(both().await, (None, None), "it is the other that destroys");
    }
}
