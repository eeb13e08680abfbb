//! The OpenAPI document of a service, made of its routes: a route can't be added without saying what it is.

mod docs;
mod operation;
pub mod sample;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::handler::Handler;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::{self, MethodFilter, MethodRouter};
use serde_json::{Map, Value, json};
use utoipa::PartialSchema;

pub use operation::Operation;

use crate::describe::Described;
use crate::idempotency::keyed;
use crate::problem::ProblemBody;
use crate::{Code, IdempotencyKey, MAX_BODY_BYTES, Problem, Violation};

/// Routes, each with what it says of itself.
pub struct Routes<S = ()> {
    router: Router<S>,
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
    codes: &'static [Code],
    listed: Vec<Listed>,
}

/// Where a route is.
struct Listed {
    method: MethodFilter,
    path: String,
    /// Whether it is a command's.
    keyed: bool,
}

impl Listed {
    /// What answers there.
    fn answering<T: 'static, S: Clone + Send + Sync + 'static>(&self, handler: impl Handler<T, S>) -> MethodRouter<S> {
        let answering = routing::on(self.method, handler);
        if self.keyed { answering.route_layer(from_fn(keyed)) } else { answering }
    }
}

/// What stands at the head of the document.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The service.
    pub title: &'static str,
    /// What it is for, in Markdown.
    pub description: &'static str,
    /// The headings under which operations stand, and what each is about.
    pub tags: &'static [(&'static str, &'static str)],
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    pub fn new() -> Self {
        Self::answering(&[])
    }

    /// None yet; whatever is asked of them can be answered with these.
    pub fn answering(codes: &'static [Code]) -> Self {
        Self { router: Router::new(), paths: Map::new(), schemas: Map::new(), codes, listed: Vec::new() }
    }

    /// `GET`, and `HEAD` with it.
    #[must_use]
    pub fn get<T: 'static>(self, path: &str, handler: impl Handler<T, S>, operation: Operation) -> Self {
        self.route(("get", MethodFilter::GET), path, handler, operation)
    }

    /// `POST`.
    #[must_use]
    pub fn post<T: 'static>(self, path: &str, handler: impl Handler<T, S>, operation: Operation) -> Self {
        self.route(("post", MethodFilter::POST), path, handler, operation)
    }

    /// `PUT`.
    #[must_use]
    pub fn put<T: 'static>(self, path: &str, handler: impl Handler<T, S>, operation: Operation) -> Self {
        self.route(("put", MethodFilter::PUT), path, handler, operation)
    }

    /// `PATCH`.
    #[must_use]
    pub fn patch<T: 'static>(self, path: &str, handler: impl Handler<T, S>, operation: Operation) -> Self {
        self.route(("patch", MethodFilter::PATCH), path, handler, operation)
    }

    /// `DELETE`.
    #[must_use]
    pub fn delete<T: 'static>(self, path: &str, handler: impl Handler<T, S>, operation: Operation) -> Self {
        self.route(("delete", MethodFilter::DELETE), path, handler, operation)
    }

    fn route<T: 'static>(
        mut self,
        (name, method): (&str, MethodFilter),
        path: &str,
        handler: impl Handler<T, S>,
        mut operation: Operation,
    ) -> Self {
        let listed = Listed { method, path: path.to_owned(), keyed: operation.is_keyed() };
        self.schemas.append(&mut operation.schemas);
        // The document has no word for a part with slashes in it; the operation says it of its parameter.
        let said = path.replace("{*", "{");
        let described = operation.problems(self.codes).render(&said);
        self.paths.entry(said).or_insert_with(|| json!({}))[name] = described;
        self.router = self.router.route(path, listed.answering(handler));
        self.listed.push(listed);
        self
    }

    /// The same routes of a service that can't serve them yet: each answers with this problem.
    pub fn refusing<T: Clone + Send + Sync + 'static>(&self, problem: &Problem) -> Router<T> {
        self.listed.iter().fold(Router::new(), |router, listed| {
            let problem = problem.clone();
            router.route(&listed.path, listed.answering(async move || problem.clone()))
        })
    }

    /// These and others.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.paths.extend(other.paths);
        self.schemas.extend(other.schemas);
        self.listed.extend(other.listed);
        self
    }

    /// The same with what their handlers share.
    pub fn with_state<T>(self, state: S) -> Routes<T> {
        let Self { router, paths, schemas, codes, listed } = self;
        Routes { router: router.with_state(state), paths, schemas, codes, listed }
    }

    /// The routes alone.
    pub fn router(self) -> Router<S> {
        self.router
    }

    /// The document.
    pub fn document(&self, about: About) -> Value {
        let mut schemas = self.schemas.clone();
        schemas.insert("Problem".to_owned(), json!(ProblemBody::schema()));
        schemas.insert("Violation".to_owned(), json!(Violation::schema()));
        let tags: Vec<_> =
            about.tags.iter().map(|(name, description)| json!({"name": name, "description": description})).collect();
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": about.title,
                "version": env!("CARGO_PKG_VERSION"),
                "description": format!("{}\n\n{}", about.description, general()),
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "tags": tags,
            "paths": self.paths,
            "components": {
                "schemas": schemas,
                "parameters": parameters(),
                "headers": headers(),
                "securitySchemes": {"token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A client's token, as `postkey token new` prints it. Its role is what it may do.",
                }},
            },
        })
    }

    /// The routes, with their [description](Self::description).
    pub fn documented(self, about: About) -> Router<S> {
        let description = self.description(about);
        self.router.merge(description)
    }

    /// The document at `/openapi.json`, and a page to read it with at `/docs`, without the routes that they tell of.
    pub fn description<T: Clone + Send + Sync + 'static>(&self, about: About) -> Router<T> {
        let document = Bytes::from(self.document(about).to_string());
        let json = move || {
            let document = document.clone();
            async move { ([(CONTENT_TYPE, "application/json")], document).into_response() }
        };
        Router::new().route("/openapi.json", routing::get(json)).merge(docs::routes(Arc::from(about.title)))
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// What holds for every operation.
fn general() -> String {
    format!(
        "Every answer that says no is a problem (RFC 9457): act on its `code`. Input that is refused names every wrong field \
         at once. Unknown routes are 404 `not_found`; other methods than those listed are 405 `method_not_allowed`, with \
         `Allow`. Bodies have at most {MAX_BODY_BYTES} bytes; unknown fields and parameters, and any sent twice, are \
         refused.\n\n503 and 429 say in `Retry-After` when to ask again. `X-Request-Id` is in every answer, every problem and \
         the service's log.\n\nUnlisted: what breaks HTTP itself is answered 400, 414 or 431 without a body, and the connection \
         closed."
    )
}

fn parameters() -> Value {
    let id = |name: &str, says: &str, example: uuid::Uuid| {
        json!({"in": "path", "name": name, "required": true, "description": says,
            "schema": {"type": "string", "format": "uuid"}, "example": example})
    };
    json!({
        "service": id("service", "The email service's id.", sample::SERVICE),
        "user": id("user", "The user's id.", sample::USER),
        "X-Request-Id": {
            "in": "header", "name": "X-Request-Id", "required": false,
            "description": "The caller's own id of the request, by which it is found in logs: 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and \
                            `-`. Another is ignored, and one is drawn.",
            "schema": {"type": "string"}, "example": sample::REQUEST,
        },
    })
}

fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request's id: the caller's, or one that was drawn.", "required": true,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
        },
        "Idempotency-Key": {
            "description": "The key under which this command may be repeated: the caller's, or one that was drawn where none could \
                            be read.",
            "required": true,
            "schema": IdempotencyKey::schema(),
        },
        "Retry-After": {
            "description": "After how many seconds to ask again.", "required": true,
            "schema": {"type": "integer", "minimum": 1},
        },
        "WWW-Authenticate": {
            "description": "The challenge that HTTP wants with a 401.", "required": true, "schema": {"type": "string"},
        },
    })
}
