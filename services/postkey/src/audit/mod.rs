//! `postkey audit`: what an auditor does, beside running services or far from them. Nothing here writes to a store.

mod checkpoint;
mod export;
mod live_rows;
mod output;
mod pin;
mod prove;
mod reading;
mod replay;
mod selection;
mod show;
mod tables;
mod tail;
mod told;
mod trusted;
mod under;
mod verify;
mod verify_export;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::args::{KeyArgs, LogArgs, NatsArgs};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::stores::{LogUrl, StoreUrl};

/// What an auditor asks for.
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(subcommand)]
    action: AuditAction,
}

#[derive(Subcommand, Debug)]
enum AuditAction {
    /// Whether a log, or an export of one, is what it was: exit code 0 sound, 1 tampered, 2 could not look
    Verify(verify::VerifyArgs),
    /// What services and users were at a moment
    Replay(replay::ReplayArgs),
    /// What happened to one user, and how it stands
    Show(show::ShowArgs),
    /// Write history to a file, which verifies by itself on another machine
    Export(Box<export::ExportArgs>),
    /// Prove that one entry stands in the log
    Prove(Box<prove::ProveArgs>),
    /// What happens, as it happens
    Tail(Box<tail::TailArgs>),
}

pub async fn audit(args: AuditArgs) -> Result<(), Failure> {
    match args.action {
        AuditAction::Verify(args) => verify::verify(args).await,
        AuditAction::Replay(args) => replay::replay(args).await,
        AuditAction::Show(args) => show::show(args).await,
        AuditAction::Export(args) => export::export(*args).await,
        AuditAction::Prove(args) => prove::prove(*args).await,
        AuditAction::Tail(args) => tail::tail(*args).await,
    }
}

/// The stores that an auditor reads: a data folder's, or each by its name.
#[derive(Args, Clone, Debug)]
pub struct AuditStoreArgs {
    /// The data folder of `postkey up`, where the stores are not named one by one
    #[arg(long, env = "POSTKEY_DATA", value_name = "DIR", default_value = "./postkey-data", conflicts_with = "log")]
    data: PathBuf,
    /// The event log: sqlite:PATH, or nats://HOST:PORT[,HOST:PORT…]
    #[arg(long, env = "POSTKEY_LOG", value_name = "URL", hide_env_values = true)]
    log: Option<LogUrl>,
    #[command(flatten)]
    nats: NatsArgs,
    /// The keyring file: with it, MACs are checked
    #[arg(long, env = "POSTKEY_KEYRING_FILE", value_name = "FILE")]
    keyring_file: Option<PathBuf>,
    /// The key store: sqlite:PATH, or postgres://ROLE@HOST:PORT/DATABASE; with it, sealed parts are opened
    #[arg(long, env = "POSTKEY_KEYS", value_name = "URL", requires = "keyring_file", hide_env_values = true)]
    keys: Option<StoreUrl>,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_KEYS_PASSWORD_FILE", value_name = "FILE")]
    keys_password_file: Option<PathBuf>,
}

/// Where an auditor's stores are.
pub struct AuditStores {
    /// The log.
    pub log: LogArgs,
    /// The keyring, where there is one to read.
    pub keyring_file: Option<PathBuf>,
    /// The key store with its keyring, where both are there.
    pub keys: Option<KeyArgs>,
    /// The data folder, where the log was not named otherwise.
    pub folder: Option<Folder>,
}

impl AuditStoreArgs {
    /// Only the keys that are named: for an export, which is of whichever log.
    pub fn keys_alone(self) -> AuditStores {
        let stores = self.clone().stores();
        let keyring_file = self.keyring_file;
        let keys = self.keys.and(stores.keys);
        AuditStores { keyring_file, keys, ..stores }
    }

    /// Where the stores are. Of a data folder, whatever is there is taken; what is named beside it goes before.
    pub fn stores(self) -> AuditStores {
        let Self { data, log, nats, keyring_file, keys, keys_password_file } = self;
        let (log, folder) = match log {
            Some(log) => (LogArgs { log, nats }, None),
            None => {
                let folder = Folder::new(data);
                (LogArgs::of(folder.log()), Some(folder))
            }
        };
        let in_folder = |path: fn(&Folder) -> PathBuf| folder.as_ref().map(path).filter(|path| path.exists());
        let keyring_file = keyring_file.or_else(|| in_folder(Folder::keyring));
        let keys = keys.or_else(|| in_folder(Folder::keys_file).map(StoreUrl::file));
        let keys = keys.zip(keyring_file.clone());
        let keys = keys.map(|(keys, keyring_file)| KeyArgs { keys, keys_password_file, keyring_file });
        AuditStores { log, keyring_file, keys, folder }
    }
}
