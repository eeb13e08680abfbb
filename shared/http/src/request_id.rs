//! The id by which a request is found in the logs of everybody it passed.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::edges::{Entropy, uuid_v4};

/// `X-Request-Id`, in requests and in every answer.
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// A request's id: `[A-Za-z0-9._-]{1,64}`, the caller's own or drawn by us. In a handler it is an extractor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Takes a caller's id; `None` if it could break a log line or a header.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let good = !text.is_empty() && text.len() <= 64 && text.bytes().all(fits);
        good.then(|| Self(text.into()))
    }

    /// A fresh one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(uuid_v4(entropy).to_string().into())
    }

    /// The one that the request brings, if it brings exactly one that will do; else a fresh one.
    pub(crate) fn of(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let mut given = headers.get_all(HEADER).iter();
        match (given.next(), given.next()) {
            (Some(id), None) => id.to_str().ok().and_then(Self::parse),
            _ => None,
        }
        .unwrap_or_else(|| Self::draw(entropy))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn header_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Absent only where a router runs without our layers.
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self("unknown".into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staged::Counting;

    #[test]
    fn a_callers_id_is_kept_if_it_is_plain_and_the_only_one() {
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_static("panel-1.2_3"));
        assert_eq!(RequestId::of(&headers, &Counting::default()).as_str(), "panel-1.2_3");

        headers.append(HEADER, HeaderValue::from_static("another"));
        assert_eq!(RequestId::of(&headers, &Counting::default()).as_str().len(), 36);
    }

    #[test]
    fn an_id_that_could_break_a_log_line_is_not_taken() {
        for refused in ["", "a b", "a\nb", "ä", "a/b", &"a".repeat(65)] {
            assert_eq!(RequestId::parse(refused), None, "{refused:?}");
        }
        assert!(RequestId::parse(&"a".repeat(64)).is_some());
    }
}
