//! One call of one service: what is sent, for how long an answer is waited for, and how it is read.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Url;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::peer::{ANSWER_WITHIN, ClientError, MAX_ANSWER_BYTES, at, authorization, base_url, connections, whole, why};
use super::problem::{CallError, Told};

/// What is said of a service that does not say that it is ready.
const NOT_READY: &str = "it is not ready, its /readyz says why";
/// What is said of an answer that can't be read as one of ours.
const STRANGE: &str = "what came is none of its answers";

/// A service that is called, with the token that it takes. It prints without the token.
#[derive(Clone)]
pub struct Callee {
    http: reqwest::Client,
    base: Url,
    authorization: HeaderValue,
}

impl Callee {
    /// The service at this base URL.
    pub fn new(url: &str, token: &SecretString) -> Result<Self, ClientError> {
        Ok(Self { base: base_url(url)?, authorization: authorization(token)?, http: connections()? })
    }

    /// Its base URL.
    pub const fn base(&self) -> &Url {
        &self.base
    }

    /// A call of a path that is made of words and ids.
    pub fn call(&self, method: Method, path: &str) -> Call<'_> {
        self.call_at(method, at(&self.base, path))
    }

    /// A call of a URL behind the base.
    pub fn call_at(&self, method: Method, url: Url) -> Call<'_> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, self.authorization.clone())]);
        Call { callee: self, method, url, headers, body: None, within: ANSWER_WITHIN, most: MAX_ANSWER_BYTES }
    }

    /// Whether it says that it is ready (`GET /readyz`).
    ///
    /// # Errors
    /// Where it does not, with why.
    pub async fn ready(&self) -> Result<(), CallError> {
        let asked = self.http.get(at(&self.base, "/readyz")).timeout(ANSWER_WITHIN).send().await;
        let answer = asked.map_err(|error| self.unreachable(why(&error)))?;
        if answer.status().is_success() { Ok(()) } else { Err(self.unreachable(NOT_READY)) }
    }

    fn unreachable(&self, reason: &'static str) -> CallError {
        CallError::Unreachable { url: self.base.to_string(), reason }
    }
}

impl fmt::Debug for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callee").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// A call that is being put together.
pub struct Call<'a> {
    callee: &'a Callee,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<Bytes>,
    within: Duration,
    most: usize,
}

impl Call<'_> {
    /// With these headers.
    #[must_use]
    pub fn with(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// With what is there of these parameters, percent-encoded.
    #[must_use]
    pub fn asking<'t>(mut self, parameters: impl IntoIterator<Item = (&'static str, Option<&'t str>)>) -> Self {
        for (name, text) in parameters {
            if let Some(text) = text {
                self.url.query_pairs_mut().append_pair(name, text);
            }
        }
        self
    }

    /// With a body of JSON, which may hold a password: its bytes are wiped once they are sent. (What the connection copies on its
    /// way to the system is not ours to wipe.)
    #[must_use]
    pub fn saying(mut self, body: &impl Serialize) -> Self {
        self.body = Some(Bytes::from_owner(written(body)));
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// Waited for so long, where it is more than a look.
    #[must_use]
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// With an answer of at most so many bytes.
    #[must_use]
    pub const fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// The answer.
    ///
    /// # Errors
    /// The problem that the service told; else that nothing came that can be read as an answer of the service.
    pub async fn answer<T: DeserializeOwned>(self) -> Result<T, CallError> {
        let Self { callee, method, url, headers, body, within, most } = self;
        let mut request = callee.http.request(method, url).headers(headers).timeout(within);
        if let Some(body) = body {
            request = request.body(body);
        }
        let gone = |error: reqwest::Error| callee.unreachable(why(&error));
        let strange = || callee.unreachable(STRANGE);
        let response = request.send().await.map_err(gone)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = whole(response, most).await.map_err(gone)?.ok_or_else(strange)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|_| strange());
        }
        let told: Told = serde_json::from_slice(&bytes).map_err(|_| strange())?;
        Err(CallError::Problem(told.with(status.as_u16(), &headers)))
    }
}

/// A body as JSON, with room for all of it from the start: a buffer that grows leaves copies behind.
fn written(body: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let mut length = Length(0);
    // Texts and numbers always serialise, and neither writer ever fails.
    let _ = serde_json::to_writer(&mut length, body);
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    let _ = serde_json::to_writer(&mut *bytes, body);
    bytes
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_room_for_all_of_it_from_the_start() {
        let body = written(&serde_json::json!({"password": "s\"3cret\u{7}ä", "quota_bytes": 1}));
        assert_eq!(&**body, r#"{"password":"s\"3cret\u0007ä","quota_bytes":1}"#.as_bytes());
        assert_eq!(body.capacity(), body.len());
    }
}
