//! Queries, as strict as bodies.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::{FromFields, Problem, percent};

/// What a request asks for in its query: `Query(users): Query<UserQuery>`.
///
/// A parameter that is unknown, repeated or wrong is refused by name; numbers are digits only. It says nothing about
/// whose data is meant: that is [`Tenancy`](crate::Tenancy)'s, whatever a parameter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: FromFields> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let fields = percent::pairs(parts.uri.query().unwrap_or_default(), "query");
        fields.and_then(|fields| fields.read()).map(Self).map_err(Problem::invalid_input)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::routing::get;

    use super::*;
    use crate::Fields;
    use crate::staged::ask;

    struct Page {
        limit: Option<u64>,
        search: Option<String>,
    }

    impl FromFields for Page {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let limit = fields.optional_u64("limit");
            let search = fields.optional("search", |text| Ok::<_, Infallible>(text.to_owned()));
            Some(Self { limit, search })
        }
    }

    async fn asked(query: &str) -> crate::staged::Answer {
        let show = |Query(page): Query<Page>| async move { format!("{:?} {:?}", page.limit, page.search) };
        let router = Router::new().route("/", get(show));
        ask(router, Request::get(format!("/?{query}")).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn good_parameters_are_read_and_may_be_absent() {
        assert_eq!(asked("limit=50&search=a%20b").await.body, b"Some(50) Some(\"a b\")");
        assert_eq!(asked("").await.body, b"None None");
    }

    #[tokio::test]
    async fn unknown_repeated_and_malformed_parameters_are_named_at_once() {
        let answer = asked("limit=1&limit=2&search=%zz&customer=other&customer=more").await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer.violations(), ["customer unknown", "limit repeated", "search malformed"]);
        assert_eq!(asked("limit=1.0").await.violations(), ["limit malformed"]);
    }
}
