//! `postkey rebuild`: the read model anew from the log, while no projection service runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use clap::Args;
use domain::Position;
use indicatif::{ProgressBar, ProgressStyle};
use postkey_projection::read_model::{ReadModelError, SqliteReadModel};
use postkey_projection::{RebuildError, RebuildReport};

use crate::args::{KeyArgs, SqliteUrl};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;
use crate::locks;
use crate::services::Stores;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey rebuild --data /var/lib/postkey
  postkey rebuild --log sqlite:DIR/log.db --read-model sqlite:DIR/read-model.db --keys sqlite:DIR/keys.db \\
    --keyring-file DIR/keyring

Fills a fresh set of rows from the log, compares it with the old one where both stand at the same position, and swaps.
Until the swap the old rows are untouched. Rows that differed are named by id: somebody changed them behind our back.")]
pub struct RebuildArgs {
    /// The data folder of `postkey up`, where the stores are not named one by one
    #[arg(long, env = "POSTKEY_DATA", value_name = "DIR", default_value = "./postkey-data")]
    data: PathBuf,
    /// The event log: sqlite:PATH
    #[arg(long, value_name = "URL", requires_all = ["read_model", "keys", "keyring_file"])]
    log: Option<SqliteUrl>,
    /// The auth read model: sqlite:PATH
    #[arg(long, value_name = "URL", requires = "log")]
    read_model: Option<SqliteUrl>,
    /// The key store: sqlite:PATH
    #[arg(long, value_name = "URL", requires = "log")]
    keys: Option<SqliteUrl>,
    /// The keyring file
    #[arg(long, value_name = "FILE", requires = "log")]
    keyring_file: Option<PathBuf>,
}

pub async fn rebuild(args: RebuildArgs) -> Result<(), Failure> {
    let (log, read_model, keys, keyring_file) = match (args.log, args.read_model, args.keys, args.keyring_file) {
        (Some(log), Some(read_model), Some(keys), Some(keyring)) => (log, read_model, keys, keyring),
        _ => {
            let folder = Folder::new(args.data);
            (folder.log(), folder.read_model(), folder.keys(), folder.keyring())
        }
    };
    if !log.path().exists() {
        let path = log.path().display();
        return Err(Failure::usage(format!("{path}: there is no log to rebuild from: --data names the data folder")));
    }
    let _lock = locks::take(read_model.folder(), "projection.lock")?;
    let stores = Stores::open_to_read(&log, &KeyArgs { keys, keyring_file }).await?;
    let outcome = match rows_anew(&stores, read_model.path()).await {
        Err(Unable::Damaged(what)) => {
            let aside = set_aside(read_model.path())?;
            print(format_args!("the old rows can't be read ({what}); they are kept as {}", aside.display()))?;
            rows_anew(&stores, read_model.path()).await
        }
        outcome => outcome,
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

async fn rows_anew(stores: &Stores, path: &Path) -> Result<RebuildReport, Unable> {
    let opened = SqliteReadModel::open(path).await.map_err(|error| match error {
        ReadModelError::Damaged(what) => Unable::Damaged(what),
        other => Unable::Failed(other.into()),
    });
    let model = Arc::new(opened?);
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    let step = |at: Position, head: Position| {
        bar.set_length(head.get());
        bar.set_position(at.get());
    };
    let (log, vault) = (Arc::clone(&stores.log), stores.vault.clone());
    let rebuilt = postkey_projection::rebuild(log, vault, model.clone(), model.clone(), step).await;
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
