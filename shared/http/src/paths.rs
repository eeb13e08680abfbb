//! Ids in paths. One that can't be an id names nothing that exists, so it is not found, not invalid.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::Problem;

/// The ids of a path in their order: `PathIds([service, user]): PathIds<2>`.
///
/// Only the hyphenated form is taken, so that an id has one path (but for the case of its letters); a route with
/// another number of parameters finds nothing, which a test of the route shows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathIds<const N: usize>(pub [Uuid; N]);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for PathIds<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let given = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        let ids: Option<Vec<Uuid>> = given.iter().map(|(_, text)| hyphenated(text)).collect();
        ids.and_then(|ids| ids.try_into().ok()).map(Self).ok_or_else(Problem::not_found)
    }
}

/// An id in its hyphenated form, and in no other.
pub fn hyphenated(text: &str) -> Option<Uuid> {
    // Of the forms that the parser takes, only this one is 36 characters long.
    if text.len() == 36 { Uuid::try_parse(text).ok() } else { None }
}

/// Any other parameters of a path, as axum reads them; what can't be read is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Problem::not_found())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::routing::get;

    use super::*;
    use crate::staged::ask;

    async fn status(path: &str) -> StatusCode {
        let router = Router::new()
            .route("/{a}/users/{b}", get(|PathIds([a, b]): PathIds<2>| async move { format!("{a}{b}") }))
            .route("/tile/{n}", get(|Path(n): Path<u32>| async move { n.to_string() }));
        ask(router, Request::get(path).body(Body::empty()).unwrap()).await.status()
    }

    #[tokio::test]
    async fn an_id_that_cannot_be_one_is_not_found() {
        let id = "0191d3a5-7c3e-7000-8000-00000000000a";
        assert_eq!(status(&format!("/{id}/users/{id}")).await, StatusCode::OK);
        for other in ["x", "0191d3a57c3e7000800000000000000a", "{0191d3a5-7c3e-7000-8000-00000000000a}", "%ff"] {
            let path = format!("/{id}/users/{}", other.replace('{', "%7B").replace('}', "%7D"));
            assert_eq!(status(&path).await, StatusCode::NOT_FOUND, "{other}");
        }
    }

    #[tokio::test]
    async fn another_parameter_that_cannot_be_read_is_not_found() {
        assert_eq!(status("/tile/7").await, StatusCode::OK);
        assert_eq!(status("/tile/x").await, StatusCode::NOT_FOUND);
    }
}
