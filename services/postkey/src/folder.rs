//! The data folder: what lies where, and the first start.
//!
//! On a first start, keys are made before anything that needs them, and the log last: a log that is there proves that
//! its keys are. A crash in between is healed by the next start, which makes what is missing by the same steps.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Customer;
use keys::{Keyring, KeyringError};
use ledger::NoteKey;
use postkey_http::{ClientEntry, ClientsFile, CustomerScope, EntropyRng, Role, TokenDigest, new_token, uuid_v4};
use secrecy::{ExposeSecret, SecretString};

use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::ledger_files::LedgerFolder;
use crate::stores::{LogUrl, SqliteFile, StoreUrl};

/// Where everything lies below one folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A folder, whether it is there or not.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The event log.
    pub fn log(&self) -> LogUrl {
        LogUrl::Sqlite(SqliteFile::of(self.log_file()))
    }

    fn log_file(&self) -> PathBuf {
        self.0.join("log.db")
    }

    /// The key store.
    pub fn keys(&self) -> StoreUrl {
        StoreUrl::file(self.keys_file())
    }

    /// The file of the key store.
    pub fn keys_file(&self) -> PathBuf {
        self.0.join("keys.db")
    }

    /// The read model.
    pub fn read_model(&self) -> StoreUrl {
        StoreUrl::file(self.read_model_file())
    }

    /// The file of the read model.
    pub fn read_model_file(&self) -> PathBuf {
        self.0.join("read-model.db")
    }

    /// The activity log.
    pub fn activity(&self) -> StoreUrl {
        StoreUrl::file(self.0.join("activity.db"))
    }

    /// The panel's accounts and sessions.
    pub fn accounts(&self) -> PathBuf {
        self.0.join("panel.db")
    }

    /// The keyring file.
    pub fn keyring(&self) -> PathBuf {
        self.0.join("keyring")
    }

    /// The clients file.
    pub fn clients(&self) -> PathBuf {
        self.0.join("clients.json")
    }

    /// The key that checkpoints are signed with.
    pub fn ledger_key(&self) -> PathBuf {
        self.0.join("ledger/key")
    }

    /// What verifiers of checkpoints need.
    pub fn public_key(&self) -> PathBuf {
        self.0.join("ledger/public-key")
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("ledger/checkpoint")
    }

    /// Where the services listen, for whoever looks for them.
    pub fn endpoints(&self) -> PathBuf {
        self.0.join("endpoints.json")
    }

    /// The file of the token of a role that the first start makes.
    pub fn token(&self, role: Role) -> PathBuf {
        self.0.join(format!("tokens/{role}.token"))
    }

    /// Makes the folder (0700) where it is missing. One that is there must be empty or postkey's.
    pub fn make(&self) -> Result<(), Failure> {
        let named = |error: io::Error| Failure::io(&self.0, &error);
        match fs::read_dir(&self.0) {
            Ok(mut entries) => {
                let ours = self.keyring().exists()
                    || entries.all(|entry| entry.is_ok_and(|entry| is_nothing_yet(&entry.path())));
                if !ours {
                    return Err(Failure::failed(format!(
                        "{} holds other files and no keyring: choose an empty or a new folder, or restore the keyring \
                         from your backup",
                        self.0.display()
                    )));
                }
                // Only ever closed to others: a folder that its owner made read-only stays so.
                let mode = fs::metadata(&self.0).map_err(named)?.permissions().mode();
                if mode & 0o077 == 0 {
                    return Ok(());
                }
                fs::set_permissions(&self.0, Permissions::from_mode(mode & 0o700)).map_err(named)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_folder(&self.0),
            Err(error) => Err(named(error)),
        }
    }

    /// Makes what separate services need: keyring, ledger key, clients file. What is there stays.
    pub fn make_keys(&self, roles: &[Role]) -> Result<(), Failure> {
        let mut rng = EntropyRng::new(Arc::new(SystemEntropy));
        if !self.keyring().exists() {
            if self.log_file().exists() {
                return Err(KeyringError::Missing(self.keyring()).into());
            }
            Keyring::generate(&mut rng).create(&self.keyring())?;
        }
        let ledger = LedgerFolder::of(self.ledger_key());
        if !ledger.key().exists() {
            make_folder(&self.0.join("ledger"))?;
            let key = NoteKey::generate(&format!("postkey/{}", uuid_v4(&SystemEntropy)), &mut rng);
            replace(&ledger.public_key(), key.public_text().as_bytes())?;
            replace(ledger.key(), key.private_text().as_bytes())?;
        }
        if !self.clients().exists() {
            self.make_clients(roles, &mut rng)?;
        }
        Ok(())
    }

    /// Tokens first, the clients file last: without it they are nothing.
    fn make_clients(&self, roles: &[Role], rng: &mut EntropyRng) -> Result<(), Failure> {
        let mut clients = ClientsFile::default();
        for role in roles {
            clients.add(self.make_token(*role, rng)?)?;
        }
        clients.save(&self.clients())?;
        Ok(())
    }

    /// A client of this role, with its token in a file.
    fn make_token(&self, role: Role, rng: &mut EntropyRng) -> Result<ClientEntry, Failure> {
        make_folder(&self.0.join("tokens"))?;
        let token = new_token(rng, role);
        replace(&self.token(role), token.expose_secret().as_bytes())?;
        let customer = if role == Role::Panel { CustomerScope::Any } else { CustomerScope::None };
        Ok(ClientEntry::new(role.as_str(), role, customer, TokenDigest::of(&token))?)
    }

    /// The token that a service of this process asks the others with. Where its file is missing, as in a folder that `postkey
    /// init` made, another is made.
    pub fn own_token(&self, role: Role) -> Result<SecretString, Failure> {
        let path = self.token(role);
        if !path.exists() {
            let entry = self.make_token(role, &mut EntropyRng::new(Arc::new(SystemEntropy)))?;
            ClientsFile::update(&self.clients(), |clients| clients.add(entry))?;
        }
        read_token(&path)
    }
}

/// What may be there before the keyring is: our lock files, a keyring that a crash has left unfinished, and what a file
/// system puts into its root.
fn is_nothing_yet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "lock" || extension == "new") || path.ends_with("lost+found")
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::io(path, &error))
}

/// Writes a file (0600) under a temporary name, syncs it, and gives it its own: it is whole or as it was.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let temporary = path.with_added_extension("new");
    let write = || -> io::Result<()> {
        // What a crash has left there may be anybody's to read.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(content)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| Failure::io(path, &error))
}

/// Reads a token from its file.
pub fn read_token(path: &Path) -> Result<SecretString, Failure> {
    let text = fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::failed(format!(
            "there is no token file {}: `postkey token new` prints a token to put there, `postkey init` makes the \
             command service's",
            path.display()
        )),
        _ => Failure::io(path, &error),
    })?;
    Ok(SecretString::from(text.trim().to_owned()))
}

/// Reads a customer scope as `--customer` says it.
pub fn customer_scope(text: Option<&str>) -> Result<CustomerScope, Failure> {
    match text {
        None => Ok(CustomerScope::None),
        Some("*") => Ok(CustomerScope::Any),
        Some(id) => Customer::parse(id).map(CustomerScope::One).map_err(Failure::usage),
    }
}
