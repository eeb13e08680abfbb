//! What a service says of its own health, and that of those that say nothing any more.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::answer::Answer;
use crate::api::Api;
use crate::until::{SOON, until};

/// A service that answers nothing for so long is away: no health check waits for longer.
const SILENT: Duration = Duration::from_secs(2);
/// How often it is asked again.
const AGAIN: Duration = Duration::from_millis(20);

impl Api {
    /// Waits until its health shows this check, not green, with these words in its reason.
    ///
    /// # Panics
    /// After [`SOON`], with what it says instead.
    pub async fn says(&self, check: &str, words: &str) {
        self.shows(check, |colour| colour != "green", words).await;
    }

    /// Waits until its health shows this check in a colour, with these words in its reason.
    ///
    /// # Panics
    /// After [`SOON`], with what it says instead.
    pub async fn is_in(&self, check: &str, wanted: &str, words: &str) {
        self.shows(check, |colour| colour == wanted, words).await;
    }

    async fn shows(&self, check: &str, colour: impl Fn(&str) -> bool, words: &str) {
        let shows = |health: &Answer| {
            checks(health).iter().any(|found| {
                let [status, reason] = ["status", "reason"].map(|field| found[field].as_str().unwrap_or_default());
                found["name"] == check && colour(status) && reason.contains(words)
            })
        };
        self.has_health(shows, &format!("{check} does not say: {words}")).await;
    }

    /// Waits until every check of it is green.
    ///
    /// # Panics
    /// After [`SOON`], with what it says instead.
    pub async fn is_well(&self) {
        let well = |health: &Answer| health.body["status"] == "green";
        self.has_health(well, "not all is well").await;
    }

    /// Waits until it answers nothing: it was killed, stands still or is cut off, and that is what a health check finds.
    pub async fn is_away(&self) {
        until("it answers nothing", async || self.health().await.is_none().then_some(())).await;
    }

    async fn health(&self) -> Option<Answer> {
        let asked = self.try_to_send(Method::GET, "/healthz", None);
        tokio::time::timeout(SILENT, asked).await.ok()?.ok()
    }

    async fn has_health(&self, wanted: impl Fn(&Answer) -> bool, otherwise: &str) {
        let begun = Instant::now();
        loop {
            let health = self.health().await;
            if health.as_ref().is_some_and(&wanted) {
                return;
            }
            assert!(begun.elapsed() < SOON, "{}, after {} s {otherwise}: {health:?}", self.address(), SOON.as_secs());
            tokio::time::sleep(AGAIN).await;
        }
    }
}

fn checks(health: &Answer) -> &[Value] {
    health.body["checks"].as_array().map(Vec::as_slice).unwrap_or_default()
}
