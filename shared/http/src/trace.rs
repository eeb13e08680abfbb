//! The outermost layer: request ids, problems for what no handler answers, panics, and one log line a request.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use tracing::Instrument;

use crate::idempotency::Draws;
use crate::{Code, Entropy, MAX_BODY_BYTES, Metrics, Problem, RequestId, request_id};

/// Wraps a finished router as a service serves it. [`serve`](crate::serve) does this itself; a test that calls a router
/// in process does it here.
///
/// - Every answer carries `X-Request-Id`: the caller's own if it will do, else one drawn from `entropy`.
/// - An unknown route, another method and a panic come out as problems; every problem names the request.
/// - One log line a request: method, route (the template, never the path), status, code, milliseconds, client and
///   request id. No query, header or body, so nothing secret or personal. Probes and polls of the position are logged at debug.
/// - Each request is counted and measured in `metrics`, by route, status and code, without what it was [`KeptBack`] for.
/// - Answers are not to be stored by caches unless a handler says otherwise.
pub fn layers(router: Router, entropy: Arc<dyn Entropy>, metrics: Option<Metrics>) -> Router {
    let router = router
        .fallback(|| async { Problem::not_found().with_detail("there is no such route") })
        .method_not_allowed_fallback(|| async { Code::MethodNotAllowed.into_response() });
    observed(router, entropy, metrics)
}

/// [`layers`] without the answers to what no handler answers.
pub fn observed(router: Router, entropy: Arc<dyn Entropy>, metrics: Option<Metrics>) -> Router {
    router
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Observer { entropy, metrics }, observe))
}

impl IntoResponse for Code {
    fn into_response(self) -> Response {
        Problem::new(self).into_response()
    }
}

/// In a response's extensions: for how long its handler kept it back because it was asked to, as in a long poll. That is no
/// latency, and not measured as such.
#[derive(Clone, Copy, Debug)]
pub struct KeptBack(pub Duration);

/// Where the caller's name is left for the log line, once it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientSlot(Arc<OnceLock<String>>);

impl ClientSlot {
    pub(crate) fn name(&self, client: &str) {
        // The first name stands; a request has one caller.
        let _ = self.0.set(client.to_owned());
    }
}

/// What observes requests.
#[derive(Clone)]
struct Observer {
    entropy: Arc<dyn Entropy>,
    metrics: Option<Metrics>,
}

async fn observe(State(observer): State<Observer>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers(), &*observer.entropy);
    let client = ClientSlot::default();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(client.clone());
    request.extensions_mut().insert(Draws(observer.entropy));
    let line = Line {
        method: request.method().clone(),
        route: request.extensions().get().cloned(),
        id: id.clone(),
        client,
        metrics: observer.metrics,
        begun: Instant::now(),
        kept_back: Duration::ZERO,
        outcome: None,
    };

    let span = tracing::error_span!("request", request_id = id.as_str());
    let answered = AssertUnwindSafe(next.run(request).instrument(span)).catch_unwind().await;
    let response = answered.unwrap_or_else(|panic| broken(&panic, &id));
    let response = stamped(response, &id);
    line.write(&response);
    response
}

/// What a panic in a handler becomes. Its message may hold anything, so it is left to the panic hook.
fn broken(_: &(dyn Any + Send), id: &RequestId) -> Response {
    tracing::error!(request_id = id.as_str(), "a handler panicked");
    Problem::internal().into_response()
}

/// The answer with the request's id on it and, if it is a problem, in it.
fn stamped(mut response: Response, id: &RequestId) -> Response {
    if let Some(body) = response.extensions().get::<Problem>().map(|problem| problem.render(Some(id))) {
        // The length of what was rendered before no longer holds.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    let headers = response.headers_mut();
    if let Some(value) = id.header_value() {
        headers.insert(request_id::HEADER, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The log line of one request, written when it is dropped: also where the client went away before the answer.
struct Line {
    method: Method,
    route: Option<MatchedPath>,
    id: RequestId,
    client: ClientSlot,
    metrics: Option<Metrics>,
    begun: Instant,
    kept_back: Duration,
    outcome: Option<(StatusCode, &'static str)>,
}

impl Line {
    fn write(mut self, response: &Response) {
        let code = response.extensions().get::<Problem>().map_or("", |problem| problem.code.as_str());
        self.kept_back = response.extensions().get::<KeptBack>().map_or(Duration::ZERO, |kept| kept.0);
        self.outcome = Some((response.status(), code));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let method = self.method.as_str();
        let route = self.route.as_ref().map_or("-", MatchedPath::as_str);
        let client = self.client.0.get().map_or("-", String::as_str);
        let took = self.begun.elapsed();
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match (&self.metrics, self.outcome) {
            (Some(metrics), Some(answer)) => {
                let took = took.saturating_sub(self.kept_back);
                metrics.answered(&self.method, self.route.as_ref(), answer, took);
            }
            (Some(metrics), None) => metrics.abandoned(&self.method, self.route.as_ref()),
            (None, _) => {}
        }
        let request_id = self.id.as_str();
        // Probes, and our own poll, which is refused while the projection starts and cut off where it stops.
        let quiet = matches!(route, "/healthz" | "/readyz" | "/metrics" | "/v1/position");
        let Some((status, code)) = self.outcome else {
            if quiet {
                tracing::debug!(method, route, ms, client, request_id, "gone before the answer");
            } else {
                tracing::info!(method, route, ms, client, request_id, "gone before the answer");
            }
            return;
        };
        let status = status.as_u16();
        match status {
            _ if quiet => tracing::debug!(method, route, status, code, ms, client, request_id, "answered"),
            503 => tracing::warn!(method, route, status, code, ms, client, request_id, "answered"),
            500.. => tracing::error!(method, route, status, code, ms, client, request_id, "answered"),
            _ => tracing::info!(method, route, status, code, ms, client, request_id, "answered"),
        }
    }
}

#[cfg(test)]
mod tests {

    use axum::http::Request;
    use axum::routing::{get, put};
    use secrecy::SecretString;

    use super::*;
    use crate::staged::{Lines, ask};
    use crate::{Caller, ClientEntry, Clients, ClientsFile, CustomerScope, Role, TokenDigest};

    async fn broken_handler() -> StatusCode {
        panic!("ann@acme.example")
    }

    fn router() -> Router {
        let mut clients = ClientsFile::default();
        let digest = TokenDigest::of(&SecretString::from("hunter2"));
        clients.add(ClientEntry::new("panel-1", Role::Panel, CustomerScope::Any, digest).unwrap()).unwrap();
        Router::new()
            .route("/users/{user}", get(|| async { "here" }).delete(|| async { StatusCode::NO_CONTENT }))
            .route("/panics", put(broken_handler))
            .route("/who", get(|_: Caller| async {}))
            .route("/busy", get(|| async { Problem::new(Code::Overloaded) }))
            .route(
                "/own",
                get(|id: RequestId| async move { ([("cache-control", "max-age=60")], id.as_str().to_owned()) }),
            )
            .with_state(Arc::new(Clients::fixed(clients)))
    }

    fn request(method: &str, path: &str) -> Request<Body> {
        Request::builder().method(method).uri(path).header("x-request-id", "r-1").body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn an_unknown_route_is_a_problem_that_names_the_request() {
        let answer = ask(router(), request("GET", "/nowhere")).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["code"], "not_found");
        assert_eq!(answer.json()["request_id"], "r-1");
        assert_eq!(answer.header("x-request-id"), Some("r-1"));
        let length = answer.body.len().to_string();
        assert!(answer.header("content-length").is_none_or(|said| said == length));
    }

    #[tokio::test]
    async fn another_method_is_a_problem_that_says_which_are_allowed() {
        let answer = ask(router(), request("POST", "/users/7")).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.json()["code"], "method_not_allowed");
        assert_eq!(answer.json()["request_id"], "r-1");
        assert_eq!(answer.header("allow"), Some("GET,HEAD,DELETE"));
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_that_tells_nothing() {
        let answer = ask(router(), request("PUT", "/panics")).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.json()["code"], "internal");
        assert_eq!(answer.json()["request_id"], "r-1");
        assert!(!String::from_utf8_lossy(&answer.body).contains("ann"));
    }

    #[tokio::test]
    async fn every_answer_has_an_id_and_is_not_stored_unless_it_says_so() {
        let answer = ask(router(), Request::get("/users/7").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("x-request-id").map(str::len), Some(36));
        assert_eq!(answer.header("cache-control"), Some("no-store"));

        let answer = ask(router(), request("GET", "/own")).await;
        assert_eq!((answer.body.as_slice(), answer.header("cache-control")), (&b"r-1"[..], Some("max-age=60")));
    }

    #[tokio::test]
    async fn a_503_says_when_to_come_back() {
        let answer = ask(router(), request("GET", "/busy")).await;
        assert_eq!((answer.status().as_u16(), answer.header("retry-after")), (503, Some("1")));
    }

    #[tokio::test]
    async fn a_request_leaves_one_line_with_its_route_and_nothing_personal() {
        let lines = Lines::default();
        let logging = lines.of_this_thread();
        ask(router(), request("GET", "/users/ann@acme.example?search=lee")).await;
        ask(router(), request("GET", "/busy")).await;
        let mut known = request("GET", "/who");
        known.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer hunter2"));
        ask(router(), known).await;
        drop(logging);

        let lines = lines.all();
        assert_eq!(lines.len(), 3, "{lines:?}");
        for part in ["INFO", "method=\"GET\"", "route=\"/users/{user}\"", "status=200", "request_id=\"r-1\""] {
            assert!(lines[0].contains(part), "{part} in {}", lines[0]);
        }
        assert!(!lines[0].contains("ann") && !lines[0].contains("lee"), "{}", lines[0]);
        assert!(lines[1].starts_with("WARN") && lines[1].contains("code=\"overloaded\""), "{}", lines[1]);
        assert!(lines[2].contains("client=\"panel-1\"") && !lines[2].contains("hunter2"), "{}", lines[2]);
    }
}
