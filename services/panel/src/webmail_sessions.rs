//! Who has signed in to webmail here: as in a webmail server, the password is kept for as long as the session, in memory only, for
//! it is checked again at every click. It is wiped when the session ends.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use lru::LruCache;
use secrecy::{ExposeSecret, SecretString};

use crate::accounts::{Limits, SessionToken};

/// So many sessions at a time; beyond that the one that was used least lately ends.
const KEPT: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

struct Session {
    address: String,
    password: SecretString,
    made: DateTime<Utc>,
    seen: DateTime<Utc>,
}

impl Session {
    fn has_ended(&self, limits: Limits, now: DateTime<Utc>) -> bool {
        let past = |since: DateTime<Utc>, limit| (now - since).to_std().is_ok_and(|past| past >= limit);
        past(self.seen, limits.idle) || past(self.made, limits.whole)
    }
}

/// Sessions by the digest of their token.
pub struct WebmailSessions(Mutex<LruCache<[u8; 32], Session>>);

impl WebmailSessions {
    /// None yet.
    pub fn new() -> Self {
        Self(Mutex::new(LruCache::new(KEPT)))
    }

    /// Begins one.
    pub fn begin(&self, token: &SessionToken, address: &str, password: SecretString, now: DateTime<Utc>) {
        let session = Session { address: address.to_owned(), password, made: now, seen: now };
        self.lock().put(token.digest(), session);
    }

    /// Whose it is and with what password, if it has not ended.
    pub fn of(&self, token: &SessionToken, limits: Limits, now: DateTime<Utc>) -> Option<(String, SecretString)> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(&token.digest())?;
        if session.has_ended(limits, now) {
            sessions.pop(&token.digest());
            return None;
        }
        session.seen = now;
        Some((session.address.clone(), session.password.clone()))
    }

    /// Wipes those that have ended and that nobody asks for any more.
    pub fn sweep(&self, limits: Limits, now: DateTime<Utc>) {
        self.end_where(|session| session.has_ended(limits, now));
    }

    /// Ends every session that was begun with a password that is not taken any more, so that none of the others is counted
    /// against its owner, as wrong passwords are.
    pub fn end_all(&self, address: &str, password: &SecretString) {
        self.end_where(|session| {
            session.address == address && session.password.expose_secret() == password.expose_secret()
        });
    }

    fn end_where(&self, ends: impl Fn(&Session) -> bool) {
        let mut sessions = self.lock();
        let ended: Vec<_> = sessions.iter().filter(|(_, session)| ends(session)).map(|(digest, _)| *digest).collect();
        for digest in ended {
            sessions.pop(&digest);
        }
    }

    /// Ends one.
    pub fn end(&self, token: &SessionToken) {
        self.lock().pop(&token.digest());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits = Limits { idle: Duration::from_secs(60), whole: Duration::from_secs(100) };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn token(digit: &str) -> SessionToken {
        SessionToken::brought(&digit.repeat(64)).unwrap()
    }

    #[test]
    fn a_password_is_kept_as_long_as_its_session_and_no_longer() {
        let sessions = WebmailSessions::new();
        let (ann, bob) = (token("a"), token("b"));
        sessions.begin(&ann, "ann@acme.example", SecretString::from("hunter2"), at(0));
        sessions.begin(&bob, "bob@acme.example", SecretString::from("hunter3"), at(0));
        let (address, password) = sessions.of(&ann, LIMITS, at(59)).unwrap();
        assert_eq!((address.as_str(), password.expose_secret()), ("ann@acme.example", "hunter2"));
        assert!(sessions.of(&bob, LIMITS, at(60)).is_none(), "idle");
        assert!(sessions.of(&ann, LIMITS, at(99)).is_some());
        assert!(sessions.of(&ann, LIMITS, at(100)).is_none(), "old");
        sessions.begin(&ann, "ann@acme.example", SecretString::from("hunter2"), at(0));
        sessions.begin(&bob, "bob@acme.example", SecretString::from("hunter3"), at(50));
        sessions.sweep(LIMITS, at(60));
        assert_eq!(sessions.lock().len(), 1);
        sessions.begin(&ann, "bob@acme.example", SecretString::from("another"), at(50));
        sessions.end_all("bob@acme.example", &SecretString::from("hunter3"));
        assert!(sessions.of(&bob, LIMITS, at(51)).is_none());
        assert!(sessions.of(&ann, LIMITS, at(51)).is_some(), "begun with another password");
        sessions.end(&ann);
        assert_eq!(sessions.lock().len(), 0);
    }
}
