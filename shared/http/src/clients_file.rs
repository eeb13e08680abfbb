//! The clients file: who may call, as `{"v":1,"clients":[{"name","role","customer","sha256"}]}`; an auditor who may see
//! personal data has `"personal":true` besides.
//!
//! It holds hashes of tokens, so reading it lets nobody in; writing it lets anybody in. It is replaced by rename, never
//! written in place, so that a reader sees the old file or the new one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use domain::{Customer, CustomerError};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{CustomerScope, Role};

/// The SHA-256 of a token. A token has 256 random bits, so a fast hash without a salt gives nothing away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    pub fn of(token: &SecretString) -> Self {
        Self::of_text(token.expose_secret())
    }

    pub(crate) fn of_text(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let lower_hex = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() != 64 || !text.bytes().all(lower_hex) {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Why the clients file can't be used or changed. One line that says what to do; no token, no digest.
#[derive(Debug, thiserror::Error)]
pub enum ClientsFileError {
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{path} is no clients file: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The name is none.
    #[error("a client's name takes 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name,
    /// A panel without a customer, or another role with one.
    #[error("a panel needs a customer (an id, or '*' for all of them), and only a panel has one")]
    Customer,
    /// The right to personal data for another than an auditor.
    #[error("only an auditor is given the right to see personal data: operators and panels have it")]
    Personal,
    /// The name is in use by a client of another role, customer or right.
    #[error("{0} is already a client of another role, customer or right; take another name, or revoke it first")]
    Conflict(String),
    /// The token is in the file already.
    #[error("this token is already in the clients file")]
    KnownToken,
    /// There is no client of this name.
    #[error("there is no client named {0}")]
    Unknown(String),
}

/// One token of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientEntry {
    name: String,
    role: Role,
    customer: CustomerScope,
    personal: bool,
    token: TokenDigest,
}

impl ClientEntry {
    /// A token of the client `name`: `[A-Za-z0-9._-]{1,64}`, with a customer exactly if it is a panel.
    pub fn new(name: &str, role: Role, customer: CustomerScope, token: TokenDigest) -> Result<Self, ClientsFileError> {
        let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(ClientsFileError::Name);
        }
        if (role == Role::Panel) == (customer == CustomerScope::None) {
            return Err(ClientsFileError::Customer);
        }
        Ok(Self { name: name.to_owned(), role, customer, personal: false, token })
    }

    /// The same with the right to see personal data in the history, which an auditor has only if it is given.
    ///
    /// # Errors
    /// For any other role.
    pub fn with_personal(self) -> Result<Self, ClientsFileError> {
        if self.role == Role::Auditor { Ok(Self { personal: true, ..self }) } else { Err(ClientsFileError::Personal) }
    }

    /// The client's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whose services it may see.
    pub fn customer(&self) -> &CustomerScope {
        &self.customer
    }

    /// Whether it was given the right to see personal data.
    pub fn personal(&self) -> bool {
        self.personal
    }

    /// The digest of this token.
    pub fn token(&self) -> TokenDigest {
        self.token
    }
}

/// The clients of an installation. A client may have several tokens, so that one can be replaced without a gap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientsFile {
    entries: Vec<ClientEntry>,
}

const SHAPE: &str = r#"{"v":1,"clients":[{"name":…,"role":…,"customer":…,"sha256":…}]}"#;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    v: u32,
    clients: Vec<EntryForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    name: String,
    role: Role,
    #[serde(default)]
    customer: Option<String>,
    /// Not written where there is no such right: an older postkey takes no field that it does not know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    personal: bool,
    sha256: String,
}

impl ClientsFile {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ClientsFileError> {
        let bytes = fs::read(path).map_err(|source| ClientsFileError::Io { path: path.into(), source })?;
        Self::parse(&bytes).map_err(|reason| ClientsFileError::Malformed { path: path.into(), reason })
    }

    /// Reads the bytes of a file; the error says which client is wrong and how.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // By its place only: serde's messages repeat what stands there, which may be a token pasted into the wrong
        // field, and this reason goes to the log and to `/healthz`.
        let form: FileForm = serde_json::from_slice(bytes)
            .map_err(|e| format!("line {}, column {} is not as in {}", e.line(), e.column(), SHAPE))?;
        if form.v != 1 {
            return Err(format!("its version is {}, and this program reads version 1", form.v));
        }
        let mut file = Self::default();
        for (at, form) in form.clients.into_iter().enumerate() {
            let customer = match form.customer.as_deref() {
                None => Ok(CustomerScope::None),
                Some("*") => Ok(CustomerScope::Any),
                Some(id) => Customer::parse(id).map(CustomerScope::One),
            };
            let customer = customer.map_err(|e: CustomerError| format!("client {at}: {e}"))?;
            let token = TokenDigest::parse(&form.sha256)
                .ok_or_else(|| format!("client {at}: sha256 takes 64 lower-case hexadecimal digits"))?;
            ClientEntry::new(&form.name, form.role, customer, token)
                .and_then(|entry| if form.personal { entry.with_personal() } else { Ok(entry) })
                .and_then(|entry| file.add(entry))
                .map_err(|e| format!("client {at}: {e}"))?;
        }
        Ok(file)
    }

    /// Every token, in the file's order.
    pub fn entries(&self) -> &[ClientEntry] {
        &self.entries
    }

    /// Adds a token: of a new client, or a further one of a client with the same role and customer.
    pub fn add(&mut self, entry: ClientEntry) -> Result<(), ClientsFileError> {
        for known in &self.entries {
            if known.token == entry.token {
                return Err(ClientsFileError::KnownToken);
            }
            let may = |entry: &ClientEntry| (entry.role, entry.customer.clone(), entry.personal);
            if known.name == entry.name && may(known) != may(&entry) {
                return Err(ClientsFileError::Conflict(entry.name));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Removes every token of a client; says how many there were.
    pub fn revoke(&mut self, name: &str) -> Result<usize, ClientsFileError> {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.name != name);
        match before - self.entries.len() {
            0 => Err(ClientsFileError::Unknown(name.to_owned())),
            revoked => Ok(revoked),
        }
    }

    /// Replaces the file. On return it is durable; whoever reads meanwhile sees the old one or the new one whole. Two
    /// savers at once lose one's change: [`ClientsFile::update`] is for that.
    pub fn save(&self, path: &Path) -> Result<(), ClientsFileError> {
        let written = self.bytes().and_then(|bytes| replace(path, &bytes));
        written.map_err(|source| ClientsFileError::Io { path: path.into(), source })
    }

    /// Changes the file, one process after the other: waits for a lock beside it (`….lock`, which stays), reads, lets
    /// `change` work, and saves what it leaves unless it fails. A file that is not there yet is empty.
    pub fn update<T>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, ClientsFileError>,
    ) -> Result<T, ClientsFileError> {
        let lock_path = beside(path, ".lock");
        // Held until the end of this function, and released by the system should we die.
        let _lock = lock(&lock_path).map_err(|source| ClientsFileError::Io { path: lock_path, source })?;
        let mut file = match Self::load(path) {
            Err(ClientsFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Self::default(),
            read => read?,
        };
        let outcome = change(&mut file)?;
        file.save(path)?;
        Ok(outcome)
    }

    fn bytes(&self) -> io::Result<Vec<u8>> {
        let form = |entry: &ClientEntry| EntryForm {
            name: entry.name.clone(),
            role: entry.role,
            customer: match &entry.customer {
                CustomerScope::None => None,
                CustomerScope::One(customer) => Some(customer.to_string()),
                CustomerScope::Any => Some("*".to_owned()),
            },
            personal: entry.personal,
            sha256: entry.token.hex(),
        };
        let mut bytes =
            serde_json::to_vec_pretty(&FileForm { v: 1, clients: self.entries.iter().map(form).collect() })?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    file.lock()?;
    Ok(file)
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = beside(path, ".new");
    // What a writer that died has left. Created anew, so that its mode is ours and no link is followed.
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(name: &str, role: Role, customer: CustomerScope, token: &str) -> ClientEntry {
        ClientEntry::new(name, role, customer, TokenDigest::of_text(token)).unwrap()
    }

    fn one(customer: &str) -> CustomerScope {
        CustomerScope::One(Customer::parse(customer).unwrap())
    }

    #[test]
    fn a_file_reads_back_as_it_was_saved_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.json");
        fs::write(beside(&path, ".new"), "left by a writer that died").unwrap();
        let mut file = ClientsFile::default();
        file.add(entry("panel", Role::Panel, CustomerScope::Any, "a")).unwrap();
        file.add(entry("acme", Role::Panel, one("acme"), "b")).unwrap();
        file.add(entry("ops", Role::Operator, CustomerScope::None, "c")).unwrap();
        file.save(&path).unwrap();
        assert_eq!(ClientsFile::load(&path).unwrap(), file);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains(r#""sha256": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb""#),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_clients_file_is_refused() {
        let digest = "a".repeat(64);
        let client = |fields: &str| format!(r#"{{"v":1,"clients":[{{{fields},"sha256":"{digest}"}}]}}"#);
        let good = [r#""name":"a","role":"operator","customer":null"#, r#""name":"a","role":"panel","customer":"*""#];
        for fields in good {
            ClientsFile::parse(client(fields).as_bytes()).unwrap();
        }
        let refused = [
            client(r#""name":"a","role":"operator","customer":"acme""#),
            client(r#""name":"a","role":"panel","customer":null"#),
            client(r#""name":"a","role":"panel","customer":"a b""#),
            client(r#""name":"a b","role":"operator","customer":null"#),
            client(r#""name":"a","role":"root","customer":null"#),
            client(r#""name":"a","role":"operator","customer":null,"admin":true"#),
            client(r#""name":"a","role":"operator","customer":null"#).replace(&digest, &"A".repeat(64)),
            client(r#""name":"a","role":"operator","customer":null"#).replace("\"v\":1", "\"v\":2"),
            client(r#""name":"a","role":"operator","customer":null"#).replace("\"v\":1", "\"v\":1,\"w\":1"),
            String::new(),
        ];
        for text in refused {
            assert!(ClientsFile::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn tokens_of_one_client_may_overlap_but_its_name_stays_one_identity() {
        let mut file = ClientsFile::default();
        file.add(entry("acme", Role::Panel, one("acme"), "a")).unwrap();
        file.add(entry("acme", Role::Panel, one("acme"), "b")).unwrap();
        let conflict = file.add(entry("acme", Role::Panel, one("other"), "c")).unwrap_err();
        assert!(matches!(conflict, ClientsFileError::Conflict(name) if name == "acme"));
        assert!(matches!(
            file.add(entry("webmail", Role::Webmail, CustomerScope::None, "a")),
            Err(ClientsFileError::KnownToken)
        ));
        assert_eq!(file.revoke("acme").unwrap(), 2);
        assert!(matches!(file.revoke("acme"), Err(ClientsFileError::Unknown(_))));
    }

    #[test]
    fn changes_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.json");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let name = format!("client-{n}");
                    let new = entry(&name, Role::Auditor, CustomerScope::None, &name);
                    ClientsFile::update(path, |file| file.add(new)).unwrap();
                });
            }
        });
        assert_eq!(ClientsFile::load(&path).unwrap().entries().len(), 8);
    }

    #[test]
    fn a_change_that_fails_leaves_the_file_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clients.json");
        assert!(ClientsFile::update(&path, |file| file.revoke("nobody")).is_err());
        assert!(!path.exists());
        fs::write(&path, "{").unwrap();
        let changed = ClientsFile::update(&path, |_| Ok(()));
        assert!(matches!(changed, Err(ClientsFileError::Malformed { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{");
    }
}
