//! Sessions: what a cookie holds, and for how long.

use std::fmt;
use std::time::Duration;

use postkey_http::Entropy;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { idle: Duration::from_secs(30 * 60), whole: Duration::from_secs(12 * 3_600) }
    }
}

/// What a cookie holds: 256 random bits in hexadecimal. It can't be printed.
#[derive(Clone)]
pub struct SessionToken(SecretString);

impl SessionToken {
    /// Draws one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// One as a cookie brings it back; whether it is anybody's, its digest tells.
    pub fn brought(value: &str) -> Option<Self> {
        let plain = value.len() == 64 && value.bytes().all(|c| c.is_ascii_hexdigit());
        plain.then(|| Self(value.to_owned().into()))
    }

    /// For the cookie, and nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is kept of it.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.expose_secret()).into()
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}
