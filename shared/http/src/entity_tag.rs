//! `ETag` and `If-None-Match`: what a caller already has is not sent again (RFC 9110 §8.8.3, §13.1.2).

use std::convert::Infallible;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A thing's revision as its entity tag: strong, in the form in which `If-Match` takes it.
pub fn entity_tag(revision: u64) -> HeaderValue {
    // A number is followed by a quote, and both are visible ASCII.
    HeaderValue::try_from(format!("\"{revision}\"")).unwrap_or_else(|_| HeaderValue::from(revision))
}

/// Which revisions a caller already has. What can't be read is none: the answer is then whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<String>);

impl IfNoneMatch {
    fn parse(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
        // Our own tags hold no comma; another's may fall apart, and is nobody's in parts too.
        Self(lines.flat_map(|line| line.split(',')).map(|tag| tag.trim().to_owned()).collect())
    }

    /// Whether this revision is among them, by the weak comparison, or whatever there is (`*`).
    fn has(&self, tag: &HeaderValue) -> bool {
        self.0.iter().any(|had| had == "*" || had.strip_prefix("W/").unwrap_or(had).as_bytes() == tag.as_bytes())
    }

    /// 200 with the thing as JSON and its revision as `ETag`; 304 with the tag alone where the caller has it. The revision
    /// must change whenever anything of `thing` does.
    pub fn answer<T: Serialize>(&self, revision: u64, thing: T) -> Response {
        let tag = entity_tag(revision);
        if self.has(&tag) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        ([(header::ETAG, tag)], Json(thing)).into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(lines: &[&str]) -> u16 {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        let answer = IfNoneMatch::parse(&headers).answer(4711, "whole");
        assert_eq!(answer.headers()[header::ETAG], "\"4711\"");
        assert_eq!(answer.headers().contains_key(header::CONTENT_TYPE), answer.status() == StatusCode::OK);
        answer.status().as_u16()
    }

    #[test]
    fn whoever_has_a_revision_is_sent_it_once() {
        for had in [&["\"4711\""][..], &["W/\"4711\""], &["\"1\", \"4711\""], &["\"1\"", "\"4711\""], &["*"]] {
            assert_eq!(status(had), 304, "{had:?}");
        }
    }

    #[test]
    fn another_revision_and_what_cannot_be_read_are_answered_whole() {
        for had in [&[][..], &["\"4712\""], &["4711"], &["\"04711\""], &["\"47\", \"11\""], &[""], &["ä"], &["W/*"]] {
            assert_eq!(status(had), 200, "{had:?}");
        }
    }
}
