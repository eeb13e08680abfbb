//! The key under which a command may be repeated: on every answer of its route, whatever became of it.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::{Entropy, IdempotencyKey, Problem};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// In a request's extensions: what keys are drawn from.
#[derive(Clone)]
pub(crate) struct Draws(pub Arc<dyn Entropy>);

/// The layer of a command's route: takes the caller's key, or draws one where none can be read, leaves it for the handler,
/// and answers with it: also, and above all, with a 503.
pub(crate) async fn keyed(mut request: Request, next: Next) -> Response {
    // Absent only where a router runs without our layers.
    let Some(Draws(entropy)) = request.extensions().get().cloned() else { return next.run(request).await };
    let key = IdempotencyKey::of(request.headers(), &*entropy);
    let value = HeaderValue::from_str(key.as_str());
    request.extensions_mut().insert(key);
    let mut response = next.run(request).await;
    if let Ok(value) = value {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// In the handler of a command.
impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(Problem::internal)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::staged::ask;
    use crate::{Code, Operation, Routes};

    fn routes() -> Routes {
        let command = || Operation::new("command", "tag", "A command").command();
        let plain = Operation::new("plain", "tag", "No command");
        Routes::new()
            .post("/v1/here/{id}", |key: IdempotencyKey| async move { key.as_str().to_owned() }, command())
            .delete("/v1/here/{id}", || async { Problem::unauthenticated() }, command())
            .get("/v1/here/{id}", || async { StatusCode::OK }, plain)
    }

    fn request(method: &str, keys: &[&str]) -> Request {
        let mut request = Request::builder().method(method).uri("/v1/here/1");
        for key in keys {
            request = request.header("idempotency-key", *key);
        }
        request.body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn every_answer_of_a_command_has_the_callers_key_or_a_drawn_one() {
        let refusing = routes().refusing(&Problem::new(Code::LogUnavailable));
        for (router, statuses) in [(routes().router(), [200, 401, 200]), (refusing, [503, 503, 503])] {
            for (method, status) in ["POST", "DELETE", "GET"].into_iter().zip(statuses) {
                let own = ask(router.clone(), request(method, &["mine"])).await;
                assert_eq!(own.status().as_u16(), status, "{method}");
                assert_eq!(own.header("idempotency-key"), (method != "GET").then_some("mine"), "{method}");
            }
            for unreadable in [&[][..], &["two words"], &[""], &["one", "two"]] {
                let answer = ask(router.clone(), request("POST", unreadable)).await;
                let drawn = answer.header("idempotency-key").unwrap();
                assert!(uuid::Uuid::try_parse(drawn).is_ok(), "{unreadable:?}: {drawn:?}");
            }
            let unknown = ask(router.clone(), request("PUT", &["mine"])).await;
            assert_eq!((unknown.status().as_u16(), unknown.header("idempotency-key")), (405, None));
        }
    }

    #[test]
    fn the_document_promises_it_wherever_a_handler_answers() {
        let document = routes().document(crate::About { title: "", description: "", tags: &[] });
        for (status, answer) in document["paths"]["/v1/here/{id}"]["post"]["responses"].as_object().unwrap() {
            let promised = &answer["headers"]["Idempotency-Key"];
            let reference = json!({"$ref": "#/components/headers/Idempotency-Key"});
            assert_eq!(promised == &reference, status != "500", "{status}");
        }
        assert_eq!(document["components"]["headers"]["Idempotency-Key"]["required"], json!(true));
    }
}
