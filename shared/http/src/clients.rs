//! The clients at hand: the clients file in memory, kept as fresh as the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clients_file::TokenDigest;
use crate::{Caller, ClientsFile, ClientsFileError, HealthCheck};

/// How often the file is looked at. A change counts within five seconds; this leaves room for a slow disk.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Longer than any token of ours. What is longer is not worth hashing.
const MAX_TOKEN_BYTES: usize = 256;

type Table = HashMap<TokenDigest, Arc<Caller>>;

/// Who may call, by token.
///
/// A token is looked up by its SHA-256, in an ordinary hash map: how long that takes can tell a stranger at most
/// something about the digest of what he sent, which he knows anyway. He can't steer digests towards one in the file,
/// and knowing such a one would not give him the 256 random bits of the token.
pub struct Clients {
    table: RwLock<Arc<Table>>,
    source: Option<Source>,
}

struct Source {
    path: PathBuf,
    health: HealthCheck,
    /// What the file held when it was last looked at. Compared whole: a file replaced within one tick of the clock by
    /// one of the same length is a change all the same, and the file is small.
    seen: Mutex<Vec<u8>>,
}

impl Clients {
    /// Reads the file. One that can't be read is an error here, at start; later it only turns `health` red.
    pub fn open(path: &Path, health: HealthCheck) -> Result<Self, ClientsFileError> {
        let bytes = std::fs::read(path).map_err(|source| ClientsFileError::Io { path: path.into(), source })?;
        let file = ClientsFile::parse(&bytes);
        let file = file.map_err(|reason| ClientsFileError::Malformed { path: path.into(), reason })?;
        health.green();
        let source = Source { path: path.into(), health, seen: Mutex::new(bytes) };
        Ok(Self { table: RwLock::new(Arc::new(table(&file))), source: Some(source) })
    }

    /// These clients for good; for tests.
    pub fn fixed(file: ClientsFile) -> Self {
        Self { table: RwLock::new(Arc::new(table(&file))), source: None }
    }

    /// The client that this token belongs to.
    pub fn find(&self, token: &str) -> Option<Arc<Caller>> {
        if token.len() > MAX_TOKEN_BYTES {
            return None;
        }
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        table.get(&TokenDigest::of_text(token)).cloned()
    }

    /// Whether a client that was found before has a token still, and may what it might then: for calls that stay.
    pub fn knows(&self, caller: &Caller) -> bool {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        table.values().any(|known| **known == *caller)
    }

    /// Keeps the table fresh until `stop`.
    pub fn keep_fresh(self: &Arc<Self>, stop: CancellationToken) -> JoinHandle<()> {
        let clients = Arc::clone(self);
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while stop.run_until_cancelled(looks.tick()).await.is_some() {
                let clients = Arc::clone(&clients);
                // A failed join means that the look panicked; the next one tries again.
                let _ = tokio::task::spawn_blocking(move || clients.reload_now()).await;
            }
        })
    }

    /// Looks at the file now, and takes what it holds if that has changed. Where it can't be read, the old clients
    /// stay and health says why. Blocks on the file system.
    pub fn reload_now(&self) {
        let Some(source) = &self.source else { return };
        // Held to the end, so that two looks at once cannot end with the older one's table.
        let mut seen = source.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = std::fs::read(&source.path).map_err(|e| e.to_string());
        let read = read.and_then(|bytes| {
            if bytes == *seen {
                return Ok(());
            }
            let file = ClientsFile::parse(&bytes)?;
            *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table(&file));
            tracing::info!(tokens = file.entries().len(), "the clients file has changed");
            *seen = bytes;
            Ok(())
        });
        match read {
            Ok(()) => source.health.green(),
            Err(reason) => source.health.red(format!("the clients file can't be read, the old clients stay: {reason}")),
        }
    }
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clients(…)")
    }
}

fn table(file: &ClientsFile) -> Table {
    let one = |entry: &crate::ClientEntry| {
        let (name, customer) = (entry.name().into(), entry.customer().clone());
        let caller = Caller { name, role: entry.role(), customer, personal: entry.personal() };
        (entry.token(), Arc::new(caller))
    };
    file.entries().iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{ClientEntry, CustomerScope, Health, Role, Status};

    fn add(path: &Path, name: &str, token: &str) {
        let digest = TokenDigest::of_text(token);
        let entry = ClientEntry::new(name, Role::Operator, CustomerScope::None, digest).unwrap();
        ClientsFile::update(path, |file| file.add(entry)).unwrap();
    }

    #[test]
    fn a_change_of_the_file_counts_and_a_revoked_token_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.json");
        add(&path, "ops", "first");
        let clients = Clients::open(&path, Health::new().check("clients")).unwrap();
        assert_eq!(clients.find("first").map(|c| c.name.clone()), Some("ops".into()));
        assert!(clients.find("second").is_none());

        add(&path, "ops", "second");
        clients.reload_now();
        assert!(clients.find("first").is_some() && clients.find("second").is_some());
        let caller = clients.find("first").unwrap();
        assert!(clients.knows(&caller));

        ClientsFile::update(&path, |file| file.revoke("ops")).unwrap();
        clients.reload_now();
        assert!(!clients.knows(&caller));
        assert!(clients.find("first").is_none() && clients.find("second").is_none());
    }

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_old_clients_and_turns_health_red_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.json");
        add(&path, "ops", "token");
        let good = fs::read(&path).unwrap();
        let check = Health::new().check("clients");
        let clients = Clients::open(&path, check.clone()).unwrap();
        assert_eq!(check.status(), Status::Green);

        fs::write(&path, "{").unwrap();
        clients.reload_now();
        assert!(clients.find("token").is_some());
        assert!(matches!(check.status(), Status::Red(reason) if reason.contains("clients file")));

        fs::remove_file(&path).unwrap();
        clients.reload_now();
        assert!(matches!(check.status(), Status::Red(_)));

        fs::write(&path, good).unwrap();
        clients.reload_now();
        assert_eq!(check.status(), Status::Green);
        assert!(clients.find("token").is_some());
    }

    #[test]
    fn a_bad_file_at_start_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.json");
        let check = Health::new().check("clients");
        let missing = Clients::open(&path, check.clone()).unwrap_err().to_string();
        assert!(missing.contains("clients.json"), "{missing}");
        fs::write(&path, r#"{"v":1,"clients":[],"pk_panel_hunter2":1}"#).unwrap();
        let malformed = Clients::open(&path, check).unwrap_err().to_string();
        assert!(malformed.contains("is no clients file: line 1, column"), "{malformed}");
        assert!(!malformed.contains("hunter2"), "{malformed}");
    }

    #[test]
    fn an_endless_token_is_nobodys() {
        assert!(Clients::fixed(ClientsFile::default()).find(&"x".repeat(100_000)).is_none());
    }

    #[tokio::test]
    async fn the_watching_ends_when_it_is_told_to() {
        let stop = CancellationToken::new();
        let watching = Arc::new(Clients::fixed(ClientsFile::default())).keep_fresh(stop.clone());
        stop.cancel();
        watching.await.unwrap();
    }
}
