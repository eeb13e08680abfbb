//! What services say to each other over HTTP: the shapes, and the client that reads them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::AUTHORIZATION;
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Code;

/// How long a service may take to be reached.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long it may take to answer, beyond what it was asked to wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How far the projection has come: the answer of `GET /v1/position`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PositionAnswer {
    /// The last position that the read model has applied.
    pub position: u64,
    /// The head of the log, as last known.
    pub head: u64,
    /// For how long the read model has been behind the head, in seconds; 0 where it is not.
    pub lag_seconds: f64,
    /// The log that the read model follows.
    pub log: Uuid,
    /// Why it comes no further, though the log may; none while it does, or may yet.
    #[serde(default)]
    pub stopped: Option<StoppedBy>,
}

/// What keeps a projection from applying anything more until a person has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppedBy {
    /// An entry that is not what a writer of ours left there.
    LogCorrupt,
    /// Keys that the log names, and the key store lacks.
    KeysUnavailable,
    /// The read model is not what the projection left there.
    Damaged,
    /// What a newer projection calls by a name that is not known here.
    #[serde(other)]
    Other,
}

/// What was made out of all that were asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard {
    /// The answer that counts.
    pub answer: PositionAnswer,
    /// Whether every one that is known has answered, and says that the log is corrupt.
    pub all_corrupt: bool,
}

/// Why there is no answer. Never holds the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No URL to ask.
    #[error("no URL of a projection service was given")]
    NoUrl,
    /// The text is no URL that can be asked.
    #[error("{0} is no base URL: write it as http://host:port, without a user, a query or a fragment")]
    NotAUrl(String),
    /// TLS is not spoken yet.
    #[error("{0}: https is not built in yet; ask over http on a private network, or through a local TLS proxy")]
    NoTls(String),
    /// The token has a character that no token has.
    #[error("the token is none: it takes visible ASCII characters only; write it anew with `postkey token new`")]
    NotAToken,
    /// The service doesn't know our token, or it is one of a wrong role.
    #[error("{url} does not take our token ({status}): it needs one of role service that is in its clients file")]
    Refused {
        /// Who was asked.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// It says that its log is not the one that its rows were built from, or can't be read.
    #[error("{url} finds the log corrupt: its /healthz says why")]
    LogCorrupt {
        /// Who was asked.
        url: String,
    },
    /// It can't say now.
    #[error("{url} is not ready: {code}")]
    NotReady {
        /// Who was asked.
        url: String,
        /// The problem's code.
        code: &'static str,
    },
    /// Nobody there, or too slow.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// Who was asked.
        url: String,
        /// What happened.
        reason: &'static str,
    },
    /// It answered, but not what was asked.
    #[error("{url} gave an answer that is none of a projection service's (status {status})")]
    Strange {
        /// Who was asked.
        url: String,
        /// The answer's status.
        status: u16,
    },
}

/// Asks projection services for their position. They share a read model, so any that answers will do.
pub struct PositionClient {
    http: reqwest::Client,
    urls: Vec<Url>,
    authorization: HeaderValue,
    /// The one that answered last, which is asked first.
    first: AtomicUsize,
}

impl PositionClient {
    /// A client of the services at these base URLs.
    pub fn new<U: AsRef<str>>(urls: &[U], token: &SecretString) -> Result<Self, ClientError> {
        let urls = urls.iter().map(|url| base_url(url.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if urls.is_empty() {
            return Err(ClientError::NoUrl);
        }
        let token = token.expose_secret().trim();
        let plain = !token.is_empty() && token.bytes().all(|c| c.is_ascii_graphic());
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::NotAToken)?;
        if !plain {
            return Err(ClientError::NotAToken);
        }
        authorization.set_sensitive(true);
        // No proxy and no redirect: the token goes to the service that was named, and nowhere else.
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            // Shorter than a service keeps an idle connection, so that none is used that is just being closed.
            .pool_idle_timeout(Duration::from_secs(15))
            .build()
            .map_err(|_| ClientError::NoUrl)?;
        Ok(Self { http, urls, authorization, first: AtomicUsize::new(0) })
    }

    /// The position, asked of one service after the other until one answers. Each is asked to answer once it has
    /// applied `at_least`, or after `wait` with what it has. One that has stopped counts only where no other goes on, as far
    /// as they answer: it may be that it alone can't, and where none can, the others find that out as soon as it has let go
    /// of the lead. One that has stopped at a corrupt log counts only where no other has stopped at anything else.
    /// Where none answers, the error of the one that was asked first; a refused token or a corrupt log before any other,
    /// since a person must see to it.
    pub async fn position(&self, at_least: u64, wait: Duration) -> Result<Heard, ClientError> {
        let first = self.first.load(Ordering::Relaxed);
        let (mut failure, mut stopped) = (None, None::<(usize, PositionAnswer)>);
        let mut corrupt = 0;
        for turn in 0..self.urls.len() {
            let at = (first + turn) % self.urls.len();
            match self.ask(&self.urls[at], at_least, wait).await {
                Ok(answer) if answer.stopped == Some(StoppedBy::LogCorrupt) => {
                    corrupt += 1;
                    stopped = stopped.or(Some((at, answer)));
                }
                Ok(answer) if answer.stopped.is_some() => {
                    stopped = stopped.filter(|(_, other)| other.stopped != Some(StoppedBy::LogCorrupt));
                    stopped = stopped.or(Some((at, answer)));
                }
                Ok(answer) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(Heard { answer, all_corrupt: false });
                }
                Err(error @ (ClientError::Refused { .. } | ClientError::LogCorrupt { .. })) => {
                    corrupt += usize::from(matches!(error, ClientError::LogCorrupt { .. }));
                    failure = Some(error);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let Some((at, answer)) = stopped else { return Err(failure.unwrap_or(ClientError::NoUrl)) };
        self.first.store(at, Ordering::Relaxed);
        Ok(Heard { answer, all_corrupt: corrupt == self.urls.len() })
    }

    /// The first answer of any service that has applied `at_least`, all asked at once and none to hold its answer back.
    /// `None` where none has. Whoever answers so is asked first from then on.
    pub async fn anybodys(&self, at_least: u64) -> Option<Heard> {
        let asked = self.urls.iter().enumerate().map(|(at, url)| async move {
            match self.ask(url, at_least, Duration::ZERO).await {
                Ok(answer) if answer.position >= at_least => Ok((at, answer)),
                Ok(_) | Err(_) => Err(()),
            }
        });
        let asked = asked.map(Box::pin);
        let ((at, answer), _) = futures::future::select_ok(asked).await.ok()?;
        self.first.store(at, Ordering::Relaxed);
        Some(Heard { answer, all_corrupt: false })
    }

    /// Asks another one first from now on: the one that answered last turned out to be no witness.
    pub fn ask_another_first(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(&self, base: &Url, at_least: u64, wait: Duration) -> Result<PositionAnswer, ClientError> {
        // Whole seconds are what the query takes; asking for a little more is cut by our own deadline.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let mut url = base.clone();
        url.set_path(&format!("{}/v1/position", base.path().trim_end_matches('/')));
        url.set_query(Some(&format!("at_least={at_least}&wait={seconds}")));

        let unreachable =
            |error: &reqwest::Error| ClientError::Unreachable { url: base.to_string(), reason: why(error) };
        let request = self.http.get(url).timeout(Duration::from_secs(seconds) + ANSWER_WITHIN);
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let mut response = request.send().await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let strange = || ClientError::Strange { url: base.to_string(), status: status.as_u16() };
        match status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(ClientError::Refused { url: base.to_string(), status: status.as_u16() });
            }
            _ => return Err(strange()),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(&e))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER_BYTES {
                return Err(strange());
            }
        }
        if status == StatusCode::OK {
            return serde_json::from_slice(&bytes).map_err(|_| strange());
        }
        let problem: ProblemCode = serde_json::from_slice(&bytes).map_err(|_| strange())?;
        // Only a code that we know is repeated: a stranger's answer may hold anything.
        match Code::ALL.iter().find(|code| code.as_str() == problem.code) {
            Some(Code::LogCorrupt) => Err(ClientError::LogCorrupt { url: base.to_string() }),
            Some(code) => Err(ClientError::NotReady { url: base.to_string(), code: code.as_str() }),
            None => Err(strange()),
        }
    }
}

/// What is read of a problem.
#[derive(Deserialize)]
struct ProblemCode {
    code: String,
}

impl fmt::Debug for PositionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(Url::as_str).collect();
        f.debug_struct("PositionClient").field("urls", &urls).finish_non_exhaustive()
    }
}

/// A base URL. What is said back of a wrong one leaves out a user and password.
fn base_url(text: &str) -> Result<Url, ClientError> {
    let shown = || text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"));
    let url = Url::parse(text).map_err(|_| ClientError::NotAUrl(shown()))?;
    if url.scheme() == "https" {
        return Err(ClientError::NoTls(shown()));
    }
    let plain = url.username().is_empty() && url.password().is_none() && url.query().or(url.fragment()).is_none();
    if url.scheme() != "http" || !url.has_host() || !plain {
        return Err(ClientError::NotAUrl(shown()));
    }
    Ok(url)
}

fn why(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::routing::get;
    use axum::{Json, Router};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::staged::Counting;
    use crate::{Caller, ClientEntry, Clients, ClientsFile, CustomerScope, Fields, FromFields, Problem, Query};
    use crate::{Role, TokenDigest, listen, serve};

    const ANSWER: PositionAnswer =
        PositionAnswer { position: 7, head: 9, lag_seconds: 0.5, log: Uuid::nil(), stopped: None };
    const STOPPED: PositionAnswer = PositionAnswer { stopped: Some(StoppedBy::LogCorrupt), ..ANSWER };
    const KEYLESS: PositionAnswer = PositionAnswer { stopped: Some(StoppedBy::KeysUnavailable), ..ANSWER };

    struct Asked(u64, u64);

    impl FromFields for Asked {
        fn from_fields(fields: &mut Fields) -> Option<Self> {
            let (at_least, wait) = (fields.u64("at_least"), fields.u64("wait"));
            Some(Self(at_least?, wait?))
        }
    }

    /// A projection service that knows the token `right`, of role service, and `wrong`, of role webmail.
    async fn projection() -> (String, CancellationToken) {
        let mut file = ClientsFile::default();
        for (token, role) in [("right", Role::Service), ("wrong", Role::Webmail)] {
            let digest = TokenDigest::of(&SecretString::from(token));
            file.add(ClientEntry::new(token, role, CustomerScope::None, digest).unwrap()).unwrap();
        }
        let answer = async |caller: Caller, Query(Asked(at_least, wait)): Query<Asked>| {
            caller.require(&[Role::Service])?;
            assert_eq!((at_least, wait), (7, 1));
            Ok::<_, Problem>(Json(ANSWER))
        };
        let refusing = |code: Code| get(async move || Problem::new(code));
        let router = Router::new()
            .route("/v1/position", get(answer))
            .route("/corrupt/v1/position", refusing(Code::LogCorrupt))
            .route("/starting/v1/position", refusing(Code::CatchingUp))
            .route("/stopped/v1/position", get(async || Json(STOPPED)))
            .route("/keyless/v1/position", get(async || Json(KEYLESS)))
            .with_state(Arc::new(Clients::fixed(file)));
        let listener = listen("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(router, Arc::new(Counting::default()), listener, stop.clone()));
        (url, stop)
    }

    /// An address where nobody listens.
    async fn nobody() -> String {
        let listener = listen("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    }

    async fn ask(urls: &[String], token: &str) -> Result<PositionAnswer, ClientError> {
        let client = PositionClient::new(urls, &SecretString::from(token)).unwrap();
        client.position(7, Duration::from_millis(200)).await.map(|heard| heard.answer)
    }

    #[tokio::test]
    async fn the_first_service_that_answers_will_do() {
        let (url, _stop) = projection().await;
        assert_eq!(ask(&[nobody().await, url.clone() + "/"], "right").await, Ok(ANSWER));
        assert_eq!(ask(&[url], "right\n").await, Ok(ANSWER));
    }

    #[tokio::test]
    async fn a_token_that_is_not_taken_is_told_apart_from_a_service_that_is_not_there() {
        let (url, _stop) = projection().await;
        for (token, status) in [("wrong", 403), ("hunter2", 401)] {
            let refused = ask(&[nobody().await, url.clone()], token).await.unwrap_err();
            assert!(matches!(&refused, ClientError::Refused { status: s, .. } if *s == status), "{refused}");
            assert!(refused.to_string().contains("role service") && !refused.to_string().contains("hunter2"));
        }
        let gone = ask(&[nobody().await], "right").await.unwrap_err();
        assert!(matches!(gone, ClientError::Unreachable { reason: "no connection", .. }), "{gone}");
    }

    #[tokio::test]
    async fn a_stranger_at_the_address_is_noticed() {
        let (url, _stop) = projection().await;
        let strange = ask(&[url + "/elsewhere"], "right").await.unwrap_err();
        assert!(matches!(strange, ClientError::Strange { status: 404, .. }), "{strange}");
    }

    #[tokio::test]
    async fn a_corrupt_log_is_told_apart_from_a_service_that_is_starting() {
        let (url, _stop) = projection().await;
        let (corrupt, starting) = (url.clone() + "/corrupt", url + "/starting");
        let told = ask(&[starting.clone(), corrupt, nobody().await], "right").await.unwrap_err();
        assert!(matches!(told, ClientError::LogCorrupt { .. }), "{told}");
        let told = ask(&[starting], "right").await.unwrap_err();
        assert!(matches!(told, ClientError::NotReady { code: "catching_up", .. }), "{told}");
    }

    #[tokio::test]
    async fn one_that_has_stopped_counts_only_where_no_other_goes_on() {
        let (url, _stop) = projection().await;
        let (stopped, starting, keyless) =
            (url.clone() + "/stopped", url.clone() + "/starting", url.clone() + "/keyless");
        assert_eq!(ask(&[stopped.clone(), nobody().await, url], "right").await, Ok(ANSWER));
        assert_eq!(ask(&[nobody().await, stopped.clone(), starting], "right").await, Ok(STOPPED));
        for both in [[stopped.clone(), keyless.clone()], [keyless, stopped]] {
            assert_eq!(ask(&both, "right").await, Ok(KEYLESS), "of two voices the one that lets changes be stored");
        }
    }

    #[tokio::test]
    async fn that_all_say_that_the_log_is_corrupt_is_told_apart_from_some_that_are_not_heard() {
        let (url, _stop) = projection().await;
        let at = |path: &str| format!("{url}/{path}");
        for (urls, all) in [
            (vec![at("stopped")], true),
            (vec![at("stopped"), at("stopped"), at("corrupt")], true),
            (vec![at("stopped"), nobody().await], false),
            (vec![at("starting"), at("stopped")], false),
            (vec![at("stopped"), at("keyless")], false),
        ] {
            let client = PositionClient::new(&urls, &SecretString::from("right")).unwrap();
            let heard = client.position(7, Duration::ZERO).await.unwrap();
            assert_eq!(heard.all_corrupt, all, "{urls:?}");
        }
    }

    #[test]
    fn answers_of_older_and_of_newer_projections_are_understood() {
        let read = |more: &str| {
            let nil = Uuid::nil();
            let text = format!(r#"{{"position":7,"head":9,"lag_seconds":0.5,"log":"{nil}"{more}}}"#);
            serde_json::from_str::<PositionAnswer>(&text).unwrap().stopped
        };
        assert_eq!(read(""), None);
        assert_eq!(read(r#","stopped":null"#), None);
        assert_eq!(read(r#","stopped":"damaged""#), Some(StoppedBy::Damaged));
        assert_eq!(read(r#","stopped":"out of paper""#), Some(StoppedBy::Other));
        assert_eq!(serde_json::to_value(STOPPED).unwrap()["stopped"], "log_corrupt");
    }

    #[test]
    fn what_cannot_be_asked_is_refused_at_once() {
        let new = |urls: &[&str], token: &str| PositionClient::new(urls, &SecretString::from(token)).map(|_| ());
        assert!(matches!(new(&["https://projection:8082"], "t"), Err(ClientError::NoTls(_))));
        assert_eq!(new(&[], "t"), Err(ClientError::NoUrl));
        assert_eq!(new(&["http://127.0.0.1:1"], "a b"), Err(ClientError::NotAToken));
        for url in ["", "projection:8082", "http://", "ftp://host", "http://host?x=1", "http://me:hunter2@host"] {
            let refused = new(&[url], "t").unwrap_err();
            assert!(matches!(refused, ClientError::NotAUrl(_)), "{url}");
            assert!(!refused.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn a_client_prints_without_its_token() {
        let client = PositionClient::new(&["http://127.0.0.1:1"], &SecretString::from("hunter2")).unwrap();
        assert!(!format!("{client:?}").contains("hunter2"));
    }
}
