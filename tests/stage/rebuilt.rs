//! Rebuilds by a running projection.

use serde_json::{Value, json};

use crate::scene::Scene;
use crate::until::until;

impl Scene {
    /// Starts a rebuild of the read model, and waits until it has ended: how it stands then.
    pub async fn rebuilt(&self, accept_differences: bool) -> Value {
        let asked = json!({"accept_differences": accept_differences});
        self.queries().post("/v1/rebuild", &asked).await.is(202);
        until("the rebuild ends", async || {
            let state = self.queries().get("/v1/rebuild").await.is(200);
            Some(state).filter(|state| !state["finished_at"].is_null())
        })
        .await
    }
}
