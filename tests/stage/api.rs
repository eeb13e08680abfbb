//! A client of one service, as one caller.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;

use crate::answer::Answer;
use crate::document::{Document, Sent};

/// How long a service may take to show its document.
const SHOWN_WITHIN: Duration = Duration::from_secs(10);

/// A client of one service: where it is, whose token it shows, and the headers that it sends with every call. Every answer is
/// held against the service's own OpenAPI document, and so is every request that was taken.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: String,
    headers: HeaderMap,
    document: Arc<OnceLock<Document>>,
}

impl Api {
    /// A client without a token.
    pub fn new(base: &str) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        Self { http, base: base.to_owned(), headers: HeaderMap::new(), document: Arc::default() }
    }

    /// Where it is, as `IP:PORT`.
    pub fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// The same with a token.
    #[must_use]
    pub fn bearing(&self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    /// The same with a header.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        other
    }

    /// Asks.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Posts a form.
    pub async fn post_form(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let api = self.with("content-type", "application/x-www-form-urlencoded");
        api.send_bytes(Method::POST, path, pairs.join("&")).await
    }

    /// Posts nothing at all.
    pub async fn post_nothing(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    /// Puts JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    /// Patches with JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends bytes as they are, under whatever content type the headers name.
    pub async fn send_bytes(&self, method: Method, path: &str, bytes: impl Into<Vec<u8>>) -> Answer {
        let answered = self.asked(&method, path, self.headers.clone(), Some(bytes.into()), false).await;
        answered.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Sends JSON, or nothing.
    ///
    /// # Panics
    /// Where no answer comes, or none that can be held against the document.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let answered = self.sent(&method, path, body, false).await;
        answered.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Sends JSON, or nothing, to a service that may die meanwhile: then one answer may have come, and no document after it.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub async fn try_to_send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Answer> {
        self.sent(&method, path, body, true).await
    }

    async fn sent(&self, method: &Method, path: &str, body: Option<&Value>, may_die: bool) -> reqwest::Result<Answer> {
        let mut headers = self.headers.clone();
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self.asked(method, path, headers, body.map(|body| body.to_string().into_bytes()), may_die).await
    }

    async fn asked(
        &self,
        method: &Method,
        path: &str,
        headers: HeaderMap,
        body: Option<Vec<u8>>,
        may_die: bool,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base)).headers(headers.clone());
        if let Some(body) = &body {
            request = request.body(body.clone());
        }
        // A client sends `.` and `%2E` in a path as what they lead to.
        let request = request.build()?;
        let url = request.url();
        let target = url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let answer = read(method, path, self.http.execute(request).await).await?;
        let sent = Sent { method: method.as_str(), target: &target, headers: &headers, body: body.as_deref() };
        if !["/openapi.json", "/docs"].iter().any(|own| path.starts_with(own)) {
            match self.try_to_show().await {
                Ok(document) => document.check(sent, &answer),
                Err(error) => assert!(may_die, "no document to hold {answer:?} against: {error:?}"),
            }
        }
        Ok(answer)
    }

    /// What the service says of itself.
    ///
    /// # Panics
    /// Where it does not say so: whatever a service waits for, it has its document.
    pub async fn document(&self) -> &Document {
        self.try_to_show().await.unwrap_or_else(|error| panic!("no document at {}: {error:?}", self.base))
    }

    /// The same of a service that may die meanwhile.
    async fn try_to_show(&self) -> reqwest::Result<&Document> {
        if let Some(document) = self.document.get() {
            return Ok(document);
        }
        let asked = self.http.get(format!("{}/openapi.json", self.base)).timeout(SHOWN_WITHIN).send().await?;
        assert_eq!(asked.status(), 200, "{} shows no document", self.base);
        let text = asked.text().await?;
        let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("no document: {error}: {text}"));
        Ok(self.document.get_or_init(|| Document::new(document)))
    }
}

async fn read(method: &Method, path: &str, sent: reqwest::Result<reqwest::Response>) -> reqwest::Result<Answer> {
    let response = sent?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await?.to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Answer { request: format!("{method} {path}"), status, headers, bytes, text, body })
}
