//! A client of one service, as one caller.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;

use crate::answer::Answer;

/// A client of one service: where it is, whose token it shows, and the headers that it sends with every call.
#[derive(Clone, Debug)]
pub struct Api {
    http: Client,
    base: String,
    headers: HeaderMap,
}

impl Api {
    /// A client without a token.
    pub fn new(base: &str) -> Self {
        Self { http: Client::builder().no_proxy().build().unwrap(), base: base.to_owned(), headers: HeaderMap::new() }
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
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        let sent = request.headers(self.headers.clone()).body(bytes.into()).send().await;
        read(&method, path, sent).await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Sends JSON, or nothing.
    ///
    /// # Panics
    /// Where no answer comes.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let answered = self.try_to_send(method.clone(), path, body).await;
        answered.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    /// Sends JSON, or nothing, to a service that may die meanwhile.
    ///
    /// # Errors
    /// Where no whole answer comes.
    pub async fn try_to_send(&self, method: Method, path: &str, body: Option<&Value>) -> reqwest::Result<Answer> {
        let mut request =
            self.http.request(method.clone(), format!("{}{path}", self.base)).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        read(&method, path, request.send().await).await
    }
}

async fn read(method: &Method, path: &str, sent: reqwest::Result<reqwest::Response>) -> reqwest::Result<Answer> {
    let response = sent?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await?;
    let body = serde_json::from_str(&text).unwrap_or_default();
    Ok(Answer { request: format!("{method} {path}"), status, headers, text, body })
}
