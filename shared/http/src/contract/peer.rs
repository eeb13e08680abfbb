//! What every client of a service has: where the service is, the token that it takes, connections that go there and nowhere
//! else, and answers that end.

use std::time::Duration;

use axum::http::HeaderValue;
use reqwest::{Response, Url};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// How long a service may take to be reached.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long it may take to answer, beyond what it was asked to wait, where it has nothing to do but to look.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The longest answer that is read, where no list is asked for.
pub(super) const MAX_ANSWER_BYTES: usize = 64 * 1024;

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

/// Connections that are kept and used again. No proxy and no redirect: the token goes to the service that was named, and nowhere
/// else.
pub(super) fn connections() -> Result<reqwest::Client, ClientError> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        // Shorter than a service keeps an idle connection, so that none is used that is just being closed.
        .pool_idle_timeout(Duration::from_secs(15))
        .build()
        .map_err(|_| ClientError::NoUrl)
}

/// The header that shows the token. It prints without it.
pub(super) fn authorization(token: &SecretString) -> Result<HeaderValue, ClientError> {
    let token = token.expose_secret().trim();
    let plain = !token.is_empty() && token.bytes().all(|c| c.is_ascii_graphic());
    let mut authorization = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| ClientError::NotAToken)?;
    if !plain {
        return Err(ClientError::NotAToken);
    }
    authorization.set_sensitive(true);
    Ok(authorization)
}

/// A base URL. What is said back of a wrong one leaves out a user and password.
pub(super) fn base_url(text: &str) -> Result<Url, ClientError> {
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

/// A path behind a base URL. The path is made of words and ids, never of anybody's text.
pub(super) fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

/// An answer's body, which is wiped once it is read: it may hold a password. None where it is longer than `most`.
pub(super) async fn whole(mut response: Response, most: usize) -> reqwest::Result<Option<Zeroizing<Vec<u8>>>> {
    // With room for all of it: a buffer that grows leaves copies behind.
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(announced.min(most)));
    while let Some(chunk) = response.chunk().await? {
        if chunk.len() > most - bytes.len() {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes))
}

/// What became of a request that has no answer.
pub(super) fn why(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke off"
    }
}
