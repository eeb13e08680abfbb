//! What operators and load balancers ask of any service.

use axum::Router;

use crate::health::health_routes;
use crate::{About, Health, Metrics, Problem, Routes};

/// `GET /healthz` and `GET /readyz`, and `GET /metrics` where the service shows what happens.
pub fn operators_routes<S: Clone + Send + Sync + 'static>(health: Health, metrics: Option<&Metrics>) -> Routes<S> {
    health_routes(health).merge(metrics.map(Metrics::routes).unwrap_or_default())
}

/// What a service of these routes answers before it has what it is made of: how it is, what it counts if it does, and its
/// document; and `problem` to whoever wants its work.
pub fn waiting_routes<S: Clone + Send + Sync + 'static>(
    routes: Routes<S>,
    about: About,
    (health, metrics): (Health, Option<&Metrics>),
    problem: &Problem,
) -> Router {
    let refusing = routes.refusing(problem);
    let described = routes.merge(operators_routes(health.clone(), metrics)).description(about);
    operators_routes(health, metrics).router().merge(described).merge(refusing)
}
