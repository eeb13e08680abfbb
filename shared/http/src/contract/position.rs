//! How far a projection has come, and the client that asks several of them.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, DATE};
use chrono::{DateTime, Utc};
use reqwest::{StatusCode, Url};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::peer::{ANSWER_WITHIN, ClientError, MAX_ANSWER_BYTES, at, authorization, base_url, connections, whole, why};
use super::problem::Told;
use crate::Code;

/// How far the projection has come: the answer of `GET /v1/position`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Position)]
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
    #[schema(required = true, inline)]
    pub stopped: Option<StoppedBy>,
}

impl PositionAnswer {
    /// One as a caller might get it.
    pub fn example() -> Self {
        let log = Uuid::from_u128(0x5b0c_3fd1_0c39_4f57_9b5e_7d0a_2f6c_81e4);
        Self { position: 4711, head: 4711, lag_seconds: 0.0, log, stopped: None }
    }
}

/// What keeps a projection from applying anything more until a person has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// When it was given by the clock of whoever gave it, to the second; none where it does not say.
    pub at: Option<DateTime<Utc>>,
    /// Whether every one that is known has answered, and says that the log is corrupt.
    pub all_corrupt: bool,
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
        let (authorization, http) = (authorization(token)?, connections()?);
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
        let (mut failure, mut stopped) = (None, None::<(usize, Heard)>);
        let mut corrupt = 0;
        for turn in 0..self.urls.len() {
            let at = (first + turn) % self.urls.len();
            match self.ask(&self.urls[at], at_least, wait).await {
                Ok(heard) if heard.answer.stopped == Some(StoppedBy::LogCorrupt) => {
                    corrupt += 1;
                    stopped = stopped.or(Some((at, heard)));
                }
                Ok(heard) if heard.answer.stopped.is_some() => {
                    stopped = stopped.filter(|(_, other)| other.answer.stopped != Some(StoppedBy::LogCorrupt));
                    stopped = stopped.or(Some((at, heard)));
                }
                Ok(heard) => {
                    self.first.store(at, Ordering::Relaxed);
                    return Ok(heard);
                }
                Err(error @ (ClientError::Refused { .. } | ClientError::LogCorrupt { .. })) => {
                    corrupt += usize::from(matches!(error, ClientError::LogCorrupt { .. }));
                    failure = Some(error);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let Some((at, heard)) = stopped else { return Err(failure.unwrap_or(ClientError::NoUrl)) };
        self.first.store(at, Ordering::Relaxed);
        Ok(Heard { all_corrupt: corrupt == self.urls.len(), ..heard })
    }

    /// The first answer of any service that has applied `at_least`, all asked at once and none to hold its answer back.
    /// `None` where none has. Whoever answers so is asked first from then on.
    pub async fn anybodys(&self, at_least: u64) -> Option<Heard> {
        let asked = self.urls.iter().enumerate().map(|(at, url)| async move {
            match self.ask(url, at_least, Duration::ZERO).await {
                Ok(heard) if heard.answer.position >= at_least => Ok((at, heard)),
                Ok(_) | Err(_) => Err(()),
            }
        });
        let asked = asked.map(Box::pin);
        let ((at, heard), _) = futures::future::select_ok(asked).await.ok()?;
        self.first.store(at, Ordering::Relaxed);
        Some(heard)
    }

    /// Asks another one first from now on: the one that answered last turned out to be no witness.
    pub fn ask_another_first(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(&self, base: &Url, at_least: u64, wait: Duration) -> Result<Heard, ClientError> {
        let seconds = whole_seconds(wait);
        let url = position_url(base, at_least, seconds);
        let unreachable =
            |error: &reqwest::Error| ClientError::Unreachable { url: base.to_string(), reason: why(error) };
        let request = self.http.get(url).timeout(Duration::from_secs(seconds) + ANSWER_WITHIN);
        let request = request.header(AUTHORIZATION, self.authorization.clone());
        let response = request.send().await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        let strange = || ClientError::Strange { url: base.to_string(), status: status.as_u16() };
        match status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(ClientError::Refused { url: base.to_string(), status: status.as_u16() });
            }
            _ => return Err(strange()),
        }
        let at = response.headers().get(DATE).and_then(date);
        let bytes = whole(response, MAX_ANSWER_BYTES).await.map_err(|e| unreachable(&e))?.ok_or_else(strange)?;
        if status == StatusCode::OK {
            let answer = serde_json::from_slice(&bytes).map_err(|_| strange())?;
            return Ok(Heard { answer, at, all_corrupt: false });
        }
        let problem: Told = serde_json::from_slice(&bytes).map_err(|_| strange())?;
        match problem.code() {
            Some(Code::LogCorrupt) => Err(ClientError::LogCorrupt { url: base.to_string() }),
            Some(code) => Err(ClientError::NotReady { url: base.to_string(), code: code.as_str() }),
            None => Err(strange()),
        }
    }
}

impl fmt::Debug for PositionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<_> = self.urls.iter().map(Url::as_str).collect();
        f.debug_struct("PositionClient").field("urls", &urls).finish_non_exhaustive()
    }
}

/// Whole seconds are what the query takes; asking for a little more is cut by our own deadline.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Where a projection says its position, once it is `at_least` that or after so many seconds.
pub(super) fn position_url(base: &Url, at_least: u64, seconds: u64) -> Url {
    let mut url = at(base, "/v1/position");
    url.set_query(Some(&format!("at_least={at_least}&wait={seconds}")));
    url
}

/// An instant as HTTP writes it.
fn date(value: &HeaderValue) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value.to_str().ok()?).ok().map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::SystemTime;

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
            .route("/yesterday/v1/position", get(async || ([(DATE, "Sun, 06 Nov 1994 08:49:37 GMT")], Json(ANSWER))))
            .route("/dateless/v1/position", get(async || ([(DATE, "no date")], Json(ANSWER))))
            .with_state(Arc::new(Clients::fixed(file)));
        let listener = listen("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(router, Arc::new(Counting::default()), None, listener, stop.clone()));
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

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a server of ours takes the time of its answers from the system")]
    async fn an_answer_says_when_it_was_given_by_the_clock_of_whoever_gives_it() {
        let (url, _stop) = projection().await;
        let client = |path: &str| PositionClient::new(&[format!("{url}{path}")], &SecretString::from("right")).unwrap();
        for (path, at_least) in [("", 7), ("/stopped", 7)] {
            let heard = client(path).position(at_least, Duration::from_secs(1)).await.unwrap();
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let at = heard.at.expect("a service of ours says it").timestamp().unsigned_abs();
            assert!(at.abs_diff(now) <= 5, "{path}: {at}, and not {now}");
        }
        assert!(client("/stopped").anybodys(7).await.unwrap().at.is_some());
        let other = client("/yesterday").position(7, Duration::ZERO).await.unwrap();
        assert_eq!(other.at.map(|at| at.timestamp()), Some(784_111_777));
        let strange = client("/dateless").position(7, Duration::ZERO).await.unwrap();
        assert_eq!((strange.answer, strange.at), (ANSWER, None));
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
