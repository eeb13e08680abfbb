//! The checkpoint that an auditor goes by, and the keys that it believes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::export::CrossingRecord;
use clap::Args;
use keys::{CheckpointStore, KeptCrossing};
use ledger::VerifierKey;
use reqwest::Client;
use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::failure::Failure;
use crate::folder::{Folder, read_token};

/// What a projection's address of its checkpoint ends with, and beside it that of its crossings.
const AT: (&str, &str) = ("/ledger/checkpoint", "/ledger/crossings");
/// The most bytes that are taken of an answer: a thousand crossings.
const MOST: usize = 1 << 20;
/// How long a service may take to answer with its checkpoint.
const WITHIN: Duration = Duration::from_secs(10);

/// What a projection tells of crossings.
#[derive(Deserialize)]
struct Told {
    crossings: Vec<CrossingRecord>,
}

/// Where the checkpoint is, and whose word is taken.
#[derive(Args, Clone, Debug)]
pub struct CheckpointArgs {
    /// The checkpoint: a file, or a projection's http://HOST:PORT/ledger/checkpoint [default: the data folder's]
    #[arg(long, value_name = "FILE|URL")]
    pub checkpoint: Option<String>,
    /// The public keys to believe, one a line, from somebody you trust [default: the data folder's]
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// The file of the token to ask a URL with (role auditor or operator)
    #[arg(long, env = "POSTKEY_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl CheckpointArgs {
    /// The signed note; none where none is named and the data folder has none.
    pub async fn note(&self, folder: Option<&Folder>) -> Result<Option<String>, Failure> {
        match &self.checkpoint {
            Some(url) if is_url(url) => match self.ask(url).await? {
                Some(note) => Ok(Some(note)),
                None => Err(Failure::failed(format!("{url} answers 404, and not with a checkpoint"))),
            },
            Some(path) => read(Path::new(path)).map(Some),
            None => match folder.map(Folder::checkpoint) {
                Some(path) if path.exists() => read(&path).map(Some),
                _ => Ok(None),
            },
        }
    }

    /// Where one of the ledger's keys took the place of another, from the key store where that is at hand, else from the
    /// projection that has the checkpoint; none where neither is.
    pub async fn crossings(&self, store: Option<&dyn CheckpointStore>) -> Result<Vec<CrossingRecord>, Failure> {
        if let Some(store) = store {
            let kept = store.crossings().await.map_err(Failure::usage)?;
            return Ok(kept
                .into_iter()
                .map(|KeptCrossing { note, old, new }| CrossingRecord { note, old, new })
                .collect());
        }
        let at = self.checkpoint.as_deref().filter(|url| is_url(url)).and_then(|url| url.strip_suffix(AT.0));
        let Some(url) = at.map(|at| format!("{at}{}", AT.1)) else { return Ok(Vec::new()) };
        // A projection of before has none to tell of.
        let Some(told) = self.ask(&url).await? else { return Ok(Vec::new()) };
        let told: Told = serde_json::from_str(&told)
            .map_err(|error| Failure::failed(format!("{url} tells no crossings: {error}")))?;
        Ok(told.crossings)
    }

    /// None where there is nothing of the kind.
    async fn ask(&self, url: &str) -> Result<Option<String>, Failure> {
        let http = Client::builder().timeout(WITHIN).no_proxy().build()?;
        let mut request = http.get(url);
        if let Some(path) = &self.token_file {
            request = request.bearer_auth(read_token(path)?.expose_secret());
        }
        let failed = |error: reqwest::Error| Failure::failed(format!("{url}: {}", error.without_url()));
        let mut answer = request.send().await.map_err(failed)?;
        match answer.status().as_u16() {
            200 => {
                let mut text = Vec::new();
                while let Some(piece) = answer.chunk().await.map_err(failed)? {
                    text.extend_from_slice(&piece);
                    if text.len() > MOST {
                        return Err(Failure::failed(format!("{url} answers with more than a checkpoint can be")));
                    }
                }
                String::from_utf8(text)
                    .map(Some)
                    .map_err(|_| Failure::failed(format!("{url} does not answer with a text")))
            }
            404 => Ok(None),
            401 | 403 => Err(Failure::failed(format!(
                "{url} wants a token of the role auditor or operator: name its file with --token-file"
            ))),
            status => Err(Failure::failed(format!("{url} answers {status}, and does not say"))),
        }
    }

    /// The keys to believe.
    pub fn keys(&self, folder: Option<&Folder>) -> Result<Vec<VerifierKey>, Failure> {
        let path = self.public_key.clone().or_else(|| folder.map(Folder::public_key));
        let Some(path) = path else {
            return Err(Failure::usage(
                "--public-key is missing: name the file of the ledger's public key, from somebody you trust",
            ));
        };
        let text = read(&path)?;
        VerifierKey::parse_all(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    }
}

fn is_url(name: &str) -> bool {
    name.starts_with("http://") || name.starts_with("https://")
}

/// Reads a file that is text.
fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failure::failed(format!("{} is not a text", path.display())),
        _ => Failure::io(path, &error),
    })
}
