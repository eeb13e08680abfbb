//! `postkey rebuild`: the read model anew from the log; on PostgreSQL also beside running services.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use clap::Args;
use domain::Position;
use indicatif::{ProgressBar, ProgressStyle};
use postkey_projection::{RebuildError, RebuildReport};

use crate::args::{KeyArgs, LogArgs, NatsArgs};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;
use crate::locks;
use crate::stores::{Lack, LogUrl, ReadModelHandle, StoreUrl, Stores};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey rebuild --data /var/lib/postkey
  postkey rebuild --log sqlite:DIR/log.db --read-model sqlite:DIR/read-model.db --keys sqlite:DIR/keys.db \\
    --keyring-file DIR/keyring
  postkey rebuild --log nats://n1:4222 --read-model postgres://postkey_projector@db/postkey \\
    --read-model-password-file FILE --keys postgres://postkey_keys@db/postkey_keys --keys-password-file FILE \\
    --keyring-file FILE

Fills a fresh set of rows from the log, compares it with the old one where both stand at the same position, and swaps.
Until the swap the old rows are untouched. Rows that differed are named by id: somebody changed them behind our back.
On PostgreSQL it works beside running services, which go on by the new rows; a SQLite file must not be in use.")]
pub struct RebuildArgs {
    /// The data folder of `postkey up`, where the stores are not named one by one
    #[arg(long, env = "POSTKEY_DATA", value_name = "DIR", default_value = "./postkey-data")]
    data: PathBuf,
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
    let (log, read_model, keys) = match (args.log, args.read_model, args.keys, args.keyring_file) {
        (Some(log), Some(read_model), Some(keys), Some(keyring_file)) => {
            let keys = KeyArgs { keys, keys_password_file: args.keys_password_file, keyring_file };
            let read_model = read_model.with_password_file(args.read_model_password_file.as_deref())?;
            (LogArgs { log, nats: args.nats }, read_model, keys)
        }
        _ => {
            let folder = Folder::new(args.data);
            (LogArgs::of(folder.log()), folder.read_model(), KeyArgs::of(folder.keys(), folder.keyring()))
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
    let _lock = file.map(|file| locks::take(file.folder(), "projection.lock")).transpose()?;
    let stores = Stores::open_to_read(&log, &keys).await.map_err(Lack::into_failure)?.ok_or_else(nothing)?;
    let outcome = match (rows_anew(&stores, &read_model).await, file) {
        (Err(Unable::Damaged(what)), Some(file)) => {
            let aside = set_aside(file.path())?;
            print(format_args!("the old rows can't be read ({what}); they are kept as {}", aside.display()))?;
            rows_anew(&stores, &read_model).await
        }
        (outcome, _) => outcome,
    };
    stores.close().await;
    match outcome {
        Ok(report) => say(report),
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

async fn rows_anew(stores: &Stores, url: &StoreUrl) -> Result<RebuildReport, Unable> {
    let model = ReadModelHandle::open(url).await.map_err(|lack| match lack {
        Lack::Damaged(what) => Unable::Damaged(what),
        lack => Unable::Failed(lack.into_failure()),
    })?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let step = |at: Position, head: Position| {
        bar.set_length(head.get());
        bar.set_position(at.get());
    };
    let (log, vault) = (Arc::clone(&stores.log), stores.vault.clone());
    let ports = model.ports();
    let rebuilt = postkey_projection::rebuild(log, vault, ports.writer, ports.generations, step).await;
    bar.finish_and_clear();
    model.close().await;
    rebuilt.map_err(|error| match error {
        RebuildError::Damaged(what) => Unable::Damaged(what),
        other => Unable::Failed(other.into()),
    })
}

/// Gives a read model that can't be read another name, and what SQLite keeps beside it too; nothing is deleted.
fn set_aside(path: &Path) -> Result<PathBuf, Failure> {
    let name = |n: u32| path.with_added_extension(format!("aside-{n}"));
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

fn say(report: RebuildReport) -> Result<(), Failure> {
    match report.differences {
        None => print(format_args!("there were no old rows to compare"))?,
        Some(rows) if rows.is_empty() => print(format_args!("the old rows were as the log has them"))?,
        Some(rows) => {
            for row in rows {
                print(format_args!("differed from the log, and is right now: {row}"))?;
            }
        }
    }
    print(format_args!("rebuilt up to position {}", report.position))
}
