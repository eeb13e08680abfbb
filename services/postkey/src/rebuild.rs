//! `postkey rebuild`: the read model anew from the log, by a running projection or by itself.

mod live;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use postkey_projection::read_model::ASIDE;
use postkey_projection::{Differences, RebuildError, RebuildReport, Step};

use crate::args::{KeyArgs, LogArgs, NatsArgs};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;
use crate::locks::{self, PROJECTION_LOCK};
use crate::stores::{Lack, LogUrl, ReadModelHandle, StoreUrl, Stores};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey rebuild --data /var/lib/postkey
  postkey rebuild --projection-url http://127.0.0.1:8082 --token-file /var/lib/postkey/tokens/operator.token
  postkey rebuild --log sqlite:DIR/log.db --read-model sqlite:DIR/read-model.db --keys sqlite:DIR/keys.db \\
    --keyring-file DIR/keyring
  postkey rebuild --log nats://n1:4222 --read-model postgres://postkey_projector@db/postkey \\
    --read-model-password-file FILE --keys postgres://postkey_keys@db/postkey_keys --keys-password-file FILE \\
    --keyring-file FILE

Fills a fresh set of rows from the log, compares it with the old one where both stand at the same position, and swaps.
Until the swap the old rows are untouched. Rows that differ are named by id: somebody changed them behind our back. Then
nothing is swapped, and the exit code is 1, unless --accept-differences says so.
A projection that runs does it beside its work, while logins go on: the one at --projection-url, or the one that runs on
the data folder. Ctrl-C leaves it at that. Where none runs, this process does it; on PostgreSQL also beside others.")]
pub struct RebuildArgs {
    /// The data folder of `postkey up`, where the stores are not named one by one
    #[arg(
        long, env = "POSTKEY_DATA", value_name = "DIR", default_value = "./postkey-data",
        conflicts_with_all = ["log", "read_model", "keys", "keyring_file"]
    )]
    data: PathBuf,
    /// The running projection that is to do it
    #[arg(
        long, value_name = "URL", requires = "token_file",
        conflicts_with_all = ["data", "log", "read_model", "keys", "keyring_file"]
    )]
    projection_url: Option<String>,
    /// The file of the token to ask it with (role operator)
    #[arg(long, value_name = "FILE", requires = "projection_url")]
    token_file: Option<PathBuf>,
    /// Replace rows also where they differ and nothing explains it
    #[arg(long)]
    accept_differences: bool,
    /// The event log: sqlite:PATH, or nats://HOST:PORT[,HOST:PORT…]
    #[arg(long, env = "POSTKEY_LOG", value_name = "URL", requires_all = ["read_model", "keys", "keyring_file"], hide_env_values = true)]
    log: Option<LogUrl>,
    #[command(flatten)]
    nats: NatsArgs,
    /// The auth read model: sqlite:PATH, or postgres://ROLE@HOST:PORT/DATABASE
    #[arg(long, env = "POSTKEY_READ_MODEL", value_name = "URL", requires = "log", hide_env_values = true)]
    read_model: Option<StoreUrl>,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_READ_MODEL_PASSWORD_FILE", value_name = "FILE")]
    read_model_password_file: Option<PathBuf>,
    /// The key store: sqlite:PATH, or postgres://ROLE@HOST:PORT/DATABASE
    #[arg(long, env = "POSTKEY_KEYS", value_name = "URL", requires = "log", hide_env_values = true)]
    keys: Option<StoreUrl>,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_KEYS_PASSWORD_FILE", value_name = "FILE")]
    keys_password_file: Option<PathBuf>,
    /// The keyring file
    #[arg(long, env = "POSTKEY_KEYRING_FILE", value_name = "FILE", requires = "log")]
    keyring_file: Option<PathBuf>,
}

pub async fn rebuild(args: RebuildArgs) -> Result<(), Failure> {
    if let (Some(url), Some(token_file)) = (&args.projection_url, &args.token_file) {
        return live::by_projection(url, token_file, args.accept_differences).await;
    }
    let wanted = if args.accept_differences { Differences::Accepted } else { Differences::Refused };
    let (log, read_model, keys, folder) = match (args.log, args.read_model, args.keys, args.keyring_file) {
        (Some(log), Some(read_model), Some(keys), Some(keyring_file)) => {
            let keys = KeyArgs { keys, keys_password_file: args.keys_password_file, keyring_file };
            let read_model = read_model.with_password_file(args.read_model_password_file.as_deref())?;
            (LogArgs { log, nats: args.nats }, read_model, keys, None)
        }
        _ => {
            let folder = Folder::new(args.data);
            let keys = KeyArgs::of(folder.keys(), folder.keyring());
            (LogArgs::of(folder.log()), folder.read_model(), keys, Some(folder))
        }
    };
    let nothing = || {
        let shown = log.log.shown();
        Failure::usage(format!("{shown}: there is no log to rebuild from: --data names the data folder"))
    };
    if log.log.file().is_some_and(|file| !file.path().exists()) {
        return Err(nothing());
    }
    let file = match &read_model {
        StoreUrl::Sqlite(file) => Some(file),
        StoreUrl::Postgres(_) => None,
    };
    let _lock = match (file, &folder) {
        (Some(file), Some(folder)) => match locks::try_take(file.folder(), PROJECTION_LOCK)? {
            Some(lock) => Some(lock),
            None => return live::by_folder(folder, args.accept_differences).await,
        },
        (file, _) => file.map(|file| locks::take(file.folder(), PROJECTION_LOCK)).transpose()?,
    };
    let stores = Stores::open_to_read(&log, &keys).await.map_err(Lack::into_failure)?.ok_or_else(nothing)?;
    let outcome = match (rows_anew(&stores, &read_model, wanted).await, file) {
        (Err(Unable::Damaged(what)), Some(file)) => {
            let aside = set_aside(file.path())?;
            print(format_args!(
                "the old rows can't be read ({what}); they are kept as {}: look at them, and remove that file; \
                 until then no erasure is in force",
                aside.display()
            ))?;
            rows_anew(&stores, &read_model, wanted).await
        }
        (outcome, _) => outcome,
    };
    stores.close().await;
    match outcome {
        Ok(RebuildReport { position, differences }) => say(differences.as_deref(), position.get()),
        Err(Unable::Damaged(what)) => Err(Failure::failed(what)),
        Err(Unable::Failed(failure)) => Err(failure),
    }
}

/// Why there are no new rows.
enum Unable {
    /// The old ones can't even be opened, or are broken deeper than a row.
    Damaged(String),
    Failed(Failure),
}

async fn rows_anew(stores: &Stores, url: &StoreUrl, wanted: Differences) -> Result<RebuildReport, Unable> {
    let model = ReadModelHandle::open(url).await.map_err(|lack| match lack {
        Lack::Damaged(what) => Unable::Damaged(what),
        lack => Unable::Failed(lack.into_failure()),
    })?;
    let bar = Bar::new();
    let step = |step: Step| {
        if let Step::Filling(at, head) = step {
            bar.step(at.get(), head.get());
        }
    };
    let (log, vault) = (Arc::clone(&stores.log), stores.vault.clone());
    let rebuilt = postkey_projection::rebuild(log, vault, model.rebuild_ports(), wanted, step).await;
    drop(bar);
    model.close().await;
    rebuilt.map_err(|error| match error {
        RebuildError::Damaged(what) => Unable::Damaged(what),
        other => Unable::Failed(other.into()),
    })
}

/// Gives a read model that can't be read another name, and what SQLite keeps beside it too; nothing is deleted.
fn set_aside(path: &Path) -> Result<PathBuf, Failure> {
    let name = |n: u32| path.with_added_extension(format!("{ASIDE}{n}"));
    let aside = (1..).map(name).find(|aside| !aside.exists()).unwrap_or_else(|| name(0));
    for suffix in ["-wal", "-shm", ""] {
        let beside = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match fs::rename(beside(path), beside(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Failure::io(&beside(path), &error)),
            _ => {}
        }
    }
    Ok(aside)
}

/// How far it is, for a person at a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {per_sec}, {eta} left") {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn step(&self, at: u64, of: u64) {
        self.0.set_length(of);
        self.0.set_position(at);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// What it came to: which rows differed, where there were any to compare with.
fn say(differences: Option<&[String]>, position: u64) -> Result<(), Failure> {
    match differences {
        None => print(format_args!("there were no old rows to compare"))?,
        Some([]) => print(format_args!("the old rows were as the log has them"))?,
        Some(rows) => {
            for row in rows {
                print(format_args!("differed from the log, and is right now: {row}"))?;
            }
        }
    }
    print(format_args!("rebuilt up to position {position}"))
}
