//! `postkey keys rotate`: other master keys, and all live keys wrapped anew.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use keys::{Keyring, WrappedKeys, rewrap_all, wrapped_otherwise};
use postkey_http::{Clock, EntropyRng};

use crate::args::KeyArgs;
use crate::edges::{SystemClock, SystemEntropy};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;
use crate::locks;
use crate::stores::{KeyHandle, Lack, StoreUrl};

/// A service that was about to store a key when the keyring was replaced has done so, or given up, after so long.
const SETTLED: TimeDelta = TimeDelta::seconds(60);

#[derive(Args, Debug)]
pub struct RotateArgs {
    /// The data folder of `postkey up`, where the key store is not named
    #[arg(long, env = "POSTKEY_DATA", value_name = "DIR", default_value = "./postkey-data")]
    data: PathBuf,
    /// The key store: sqlite:PATH, or postgres://ROLE@HOST:PORT/DATABASE
    #[arg(long, env = "POSTKEY_KEYS", value_name = "URL", requires = "keyring_file", hide_env_values = true)]
    keys: Option<StoreUrl>,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_KEYS_PASSWORD_FILE", value_name = "FILE")]
    keys_password_file: Option<PathBuf>,
    /// The keyring file
    #[arg(long, env = "POSTKEY_KEYRING_FILE", value_name = "FILE", requires = "keys")]
    keyring_file: Option<PathBuf>,
    /// Only put the keys that come next into the keyring, for copies of it on other hosts
    #[arg(long, conflicts_with = "drop_old")]
    prepare: bool,
    /// Only take master keys out of the keyring that wrap nothing any more
    #[arg(long)]
    drop_old: bool,
    /// The key that checkpoints are signed with is replaced, and no other; never taken from the environment, where services find
    /// theirs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prepare", "drop_old"])]
    pub ledger_key_file: Option<PathBuf>,
}

pub async fn rotate(args: RotateArgs) -> Result<(), Failure> {
    let keys = match (args.keys, args.keyring_file) {
        (Some(keys), Some(file)) => KeyArgs { keys, keys_password_file: args.keys_password_file, keyring_file: file },
        _ => {
            let folder = Folder::new(args.data);
            KeyArgs::of(folder.keys(), folder.keyring())
        }
    };
    let path = &keys.keyring_file;
    Keyring::load(path)?;
    // Of two at once, one would lose keys that the other's are wrapped by.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _lock = locks::take(folder, "keyring.lock")?;
    let keyring = Keyring::load(path)?;
    if args.prepare {
        return prepare(&keyring, path);
    }
    KeyHandle::must_be_there(&keys.keys)?;
    let store = KeyHandle::open(&keys, false).await.map_err(Lack::into_failure)?.wrapped();
    if args.drop_old { drop_old(&*store, &keyring, path).await } else { go(&*store, keyring, path).await }
}

fn rng() -> EntropyRng {
    EntropyRng::new(Arc::new(SystemEntropy))
}

fn prepare(keyring: &Keyring, path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    if keyring.has_next() {
        return print(format_args!("{shown} has keys that come next already: copy it to every host, then rotate"));
    }
    keyring.prepared(&mut rng()).replace(path)?;
    print(format_args!(
        "{shown} has the keys that come next, which nobody uses yet: copy it to every host, then rotate without --prepare"
    ))
}

async fn go(store: &dyn WrappedKeys, keyring: Keyring, path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let begun = keyring.old() > 0 && wrapped_otherwise(store, &keyring).await? > 0;
    let keyring = if begun {
        print(format_args!("a rotation that was begun is finished; give the command again for another one"))?;
        keyring
    } else {
        let rotated = keyring.rotated(&mut rng());
        rotated.replace(path)?;
        print(format_args!("{shown} has new master keys, which are the present ones from now on"))?;
        rotated
    };
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} keys looked at, {per_sec}") {
        bar.set_style(style);
    }
    let rewrapped = rewrap_all(store, &keyring, &mut rng(), |looked| bar.set_position(looked)).await;
    bar.finish_and_clear();
    print(format_args!(
        "{} live keys were wrapped anew; the master keys of before stay in {shown} until `postkey keys rotate --drop-old`",
        rewrapped?
    ))
}

async fn drop_old(store: &dyn WrappedKeys, keyring: &Keyring, path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let old = keyring.old();
    if old == 0 {
        return print(format_args!("{shown} has no master keys of before"));
    }
    let settled = replaced_at(path).map_err(|error| Failure::io(path, &error))? + SETTLED;
    if SystemClock.now() < settled {
        return Err(Failure::failed(format!(
            "{shown} was replaced a moment ago, and a service may still store a key by the old one: try again in a minute"
        )));
    }
    let others = wrapped_otherwise(store, keyring).await?;
    if others > 0 {
        return Err(Failure::failed(format!(
            "{others} live keys are wrapped by master keys of before: `postkey keys rotate` first, without --drop-old"
        )));
    }
    keyring.without_old().replace(path)?;
    print(format_args!(
        "{old} master keys of before are no more in {shown}; keep a copy of the old file beside old backups"
    ))
}

fn replaced_at(path: &Path) -> io::Result<DateTime<Utc>> {
    Ok(fs::metadata(path)?.modified()?.into())
}
