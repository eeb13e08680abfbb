//! One HTTP/1.1 connection, kept open: as cheap a client as there is, so that the cores are the services'.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::{Failure, Named};

/// Longer than any answer takes.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The problem's code, or the status where there is none: for counting.
    pub fn code(&self) -> String {
        let problem: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let code = problem.as_ref().and_then(|problem| problem["code"].as_str());
        code.map_or_else(|| self.status.to_string(), |code| format!("{} {code}", self.status))
    }
}

/// A connection to one service, as one client. Opened when it is needed, and anew after a failure.
pub struct Connection {
    address: String,
    headers: HeaderMap,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// To a service at `http://IP:PORT`, with these headers on every request.
    ///
    /// # Errors
    /// Where a header can't be one.
    pub fn new(base: &str, headers: &[(String, String)]) -> Result<Self, Failure> {
        let address = base.trim_start_matches("http://").to_owned();
        let mut map = HeaderMap::new();
        map.insert(HOST, HeaderValue::from_str(&address).named("the address")?);
        for (name, value) in headers {
            let name = HeaderName::try_from(name.as_str()).named("a header")?;
            map.insert(name, HeaderValue::from_str(value).named("a header")?);
        }
        Ok(Self { address, headers: map, sender: None })
    }

    /// Asks, with a JSON body or none.
    ///
    /// # Errors
    /// Where no whole answer comes; the next request opens the connection anew.
    pub async fn send(&mut self, method: Method, path: &str, body: Option<String>) -> Result<Answer, Failure> {
        self.send_with(method, path, body, None).await
    }

    /// The same with an `Idempotency-Key`.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn send_with(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        let mut request = Request::new(Full::new(body.clone().map_or_else(Bytes::new, Bytes::from)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().named("the path")?;
        *request.headers_mut() = self.headers.clone();
        if body.is_some() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", HeaderValue::from_str(key).named("the key")?);
        }
        let answered = timeout(ANSWERS_WITHIN, self.exchange(request)).await;
        let answered = answered.unwrap_or_else(|_| Err(Failure::new("an answer", "none within 60 s")));
        if answered.is_err() {
            self.sender = None;
        }
        answered
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Failure> {
        let closed = self.sender.as_ref().is_none_or(SendRequest::is_closed);
        if closed {
            self.sender = Some(open(&self.address).await?);
        }
        let Some(sender) = &mut self.sender else { return Err(Failure::new("the connection", "closed")) };
        sender.ready().await.named("the connection")?;
        let response = sender.send_request(request).await.named("a request")?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.named("an answer")?.to_bytes();
        Ok(Answer { status, body })
    }
}

async fn open(address: &str) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await.named("connecting")?;
    stream.set_nodelay(true).named("connecting")?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.named("connecting")?;
    // Its error is the request's, which is told.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
