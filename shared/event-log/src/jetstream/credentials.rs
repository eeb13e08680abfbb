//! As whom NATS is spoken to: what files hold, read anew at each connection.

use std::path::{Path, PathBuf};

use async_nats::{Auth, AuthError};

use super::faults::OpenError;

/// A client's proof of who it is.
pub(super) struct Credentials {
    jwt: Option<String>,
    key: nkeys::KeyPair,
}

impl Credentials {
    /// Reads a seed alone, or a credentials file: the user's JWT and its seed between marked lines
    /// (<https://docs.nats.io/using-nats/developer/connecting/creds>).
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        let unusable = |what: String| OpenError::Credentials { path: path.to_owned(), what };
        let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?);
        let marked = |name: &str| {
            let begin = text.find(&format!("-----BEGIN {name}-----"))?;
            text[begin..].lines().nth(1).map(str::trim)
        };
        let jwt = marked("NATS USER JWT").map(str::to_owned);
        let seed = match &jwt {
            Some(_) => marked("USER NKEY SEED"),
            None => text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')),
        };
        let seed = seed.ok_or_else(|| unusable("there is no nkey's seed in it".to_owned()))?;
        // The error says nothing of the seed, but nothing of use to a person either.
        let key = nkeys::KeyPair::from_seed(seed).map_err(|_| unusable("it holds no valid nkey's seed".to_owned()))?;
        Ok(Self { jwt, key })
    }
}

/// The answer to a server's challenge, by what the file holds now.
pub(super) fn sign(path: &Path, nonce: &[u8]) -> Result<Auth, AuthError> {
    let credentials = Credentials::read(path).map_err(|error| AuthError::new(error.to_string()))?;
    let mut auth = Auth::new();
    auth.signature = Some(credentials.key.sign(nonce).map_err(|_| AuthError::new("the nkey can't sign"))?);
    match credentials.jwt {
        Some(jwt) => auth.jwt = Some(jwt),
        None => auth.nkey = Some(credentials.key.public_key()),
    }
    Ok(auth)
}

/// The path of a file that can be read.
pub(super) fn readable(path: &Path) -> Result<PathBuf, OpenError> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(path.to_owned()),
        Err(error) => Err(OpenError::Credentials { path: path.to_owned(), what: error.to_string() }),
    }
}
