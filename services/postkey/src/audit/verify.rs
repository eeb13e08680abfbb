//! `postkey audit verify`: whether a log is what it was.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit::verify::{
    Anchor, Anchors, CheckpointReport, CouldNotLook, Dooms, Examiner, Extent, History, Kind, Report, RowsSeen, Tiles,
    Watches, applied, compare, take_log,
};
use clap::Args;
use domain::Position;
use event_log::Scope;
use keys::{CheckpointStore, Keyring};
use ledger::{Checkpoint, NoteError, Opened};
use postkey_projection::read_model::ReadModelError;
use wire::LogId;

use super::checkpoint::CheckpointArgs;
use super::live_rows::AuditedRows;
use super::pin::Pin;
use super::trusted::Trusted;
use super::{AuditStoreArgs, AuditStores, told, verify_export};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::journal::print;
use crate::progress::bar;
use crate::stores::{KeyHandle, Lack, LogHandle, ReadModelHandle, StoreUrl};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey audit verify --data /var/lib/postkey --pin seen
  postkey audit verify --log sqlite:log.db --checkpoint checkpoint --public-key public-key
  postkey audit verify --export acme.jsonl --public-key public-key
  postkey audit verify --log nats://n1:4222 --checkpoint http://127.0.0.1:8082/ledger/checkpoint --token-file FILE \\
    --public-key public-key --pin seen --keyring-file FILE --keys postgres://postkey_keys@db/postkey_keys

It reads the whole log, or an export, and changes nothing; services may run beside it. Without keys it sees that nothing that the
checkpoint covers was altered, removed or moved; with --keyring-file also who wrote what stands behind it. What it did not
check, it says. A pin keeps the newest checkpoint that was seen: whoever replaces log and checkpoint by older or other ones
is found by it. Keep pin and public key where nobody who can write to the log can write.

Exit codes: 0 sound, 1 tampered, 2 could not look.")]
pub struct VerifyArgs {
    #[command(flatten)]
    stores: AuditStoreArgs,
    /// An export, instead of a log: it has its checkpoint with it, and needs --public-key
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// The auth read model, whose rows have to be what the log makes of them; needs the keys [default: the data folder's]
    #[arg(long, env = "POSTKEY_READ_MODEL", value_name = "URL", hide_env_values = true, conflicts_with = "export")]
    read_model: Option<StoreUrl>,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_READ_MODEL_PASSWORD_FILE", value_name = "FILE")]
    read_model_password_file: Option<PathBuf>,
    #[command(flatten)]
    checkpoint: CheckpointArgs,
    /// The newest checkpoint that you have seen, which this one has to go on from; made where it is missing, and kept up
    #[arg(long, value_name = "FILE")]
    pin: Option<PathBuf>,
    /// Answer with one JSON object
    #[arg(long)]
    json: bool,
}

pub async fn verify(args: VerifyArgs) -> Result<(), Failure> {
    let json = args.json;
    let report = look(args).await.map_err(Failure::could_not_look)?;
    let said = if json { serde_json::to_string(&report)? } else { told::told(&report) };
    print(format_args!("{said}")).map_err(Failure::could_not_look)?;
    match report.findings_in_all {
        0 => Ok(()),
        1 => Err(Failure::failed("tampered: there is one finding")),
        found => Err(Failure::failed(format!("tampered: there are {found} findings"))),
    }
}

/// What is held against the log.
pub struct Word {
    note: String,
    checkpoint: Result<Opened, (NoteError, Option<Checkpoint>)>,
    pin: Option<Pin>,
    /// The newest one in the key store, where that is at hand; none where it has none.
    stored: Option<Result<Option<Checkpoint>, NoteError>>,
    trusted: Trusted,
}

impl Word {
    /// A signed note, and the pin where one is named.
    pub fn of(note: String, trusted: Trusted, pin: Option<&Path>) -> Result<Self, Failure> {
        let keys = &trusted.keys;
        let pin = pin.map(|path| Pin::read(path, keys)).transpose()?;
        let checkpoint = match ledger::open(&note, keys) {
            Ok(opened) => Ok(opened),
            Err(error @ (NoteError::Form | NoteError::TooLong)) => return Err(Failure::failed(error)),
            Err(error) => Err((error, unsigned(&note))),
        };
        Ok(Self { note, checkpoint, pin, stored: None, trusted })
    }

    /// And the newest checkpoint in the key store, read after the other.
    #[must_use]
    pub fn with_stored(self, note: Option<&str>) -> Self {
        let stored = note.map(|note| ledger::open(note, &self.trusted.keys).map(|opened| opened.checkpoint));
        Self { stored: Some(stored.transpose()), ..self }
    }

    /// The checkpoint, where it is to be believed.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref().ok().map(|opened| &opened.checkpoint)
    }

    /// The pin.
    pub const fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// What the tree of the whole log is held against.
    pub fn anchors(&self) -> Anchors {
        let checkpoint = self.checkpoint().map(|checkpoint| (Anchor::Checkpoint, checkpoint));
        let pin = self.pin().and_then(Pin::checkpoint).map(|pinned| (Anchor::Pin, pinned));
        let stored = self.stored.iter().flatten().flatten().map(|stored| (Anchor::Stored, stored));
        Anchors::new(checkpoint.into_iter().chain(pin).chain(stored))
    }

    /// Finds what is wrong with the checkpoints themselves.
    pub fn judge(&self, history: &mut History) {
        if let Err((error, said)) = &self.checkpoint {
            let position = said.as_ref().map_or(Position::START, |said| Position::new(said.size));
            history.findings.add(position, Kind::Signature, error.to_string());
        }
        if let Some(what) = &self.trusted.broken {
            history.findings.add(Position::START, Kind::Signature, what.clone());
        }
        match (&self.stored, self.checkpoint()) {
            (Some(Err(error)), Some(_)) => {
                let what = format!("the newest checkpoint in the key store is none of this ledger's: {error}");
                history.findings.add(Position::START, Kind::Signature, what);
            }
            // Each is there before anybody sees it.
            (Some(Ok(stored)), Some(checkpoint)) => {
                let size = stored.as_ref().map_or(0, |stored| stored.size);
                if size < checkpoint.size {
                    let what = format!(
                        "the newest checkpoint in the key store is of {size} entries, and one of {} was signed: the store was \
                         restored from an older copy",
                        checkpoint.size
                    );
                    history.findings.add(Position::new(size).next(), Kind::Key, what);
                }
            }
            _ => {}
        }
        if let (Some(pin), Some(checkpoint)) = (&self.pin, self.checkpoint()) {
            pin.judge(checkpoint, &mut history.findings);
        }
    }

    /// What is told of it.
    pub fn report(&self) -> Option<CheckpointReport> {
        self.checkpoint.as_ref().ok().map(CheckpointReport::of)
    }

    /// Keeps the checkpoint in the pin, where it is proved to go on from what that keeps.
    pub fn keep(&self) -> Result<(), Failure> {
        match (&self.pin, self.checkpoint()) {
            (Some(pin), Some(checkpoint)) => pin.keep(checkpoint, &self.note),
            _ => Ok(()),
        }
    }
}

/// What a note says that nobody who is trusted has signed.
pub fn unsigned(note: &str) -> Option<Checkpoint> {
    let (text, _) = note.split_once("\n\n")?;
    Checkpoint::parse(&format!("{text}\n")).ok()
}

/// What is looked at entries with.
pub struct Instruments {
    /// With the keys at hand.
    pub examiner: Arc<Examiner>,
    /// What is looked at beside them.
    pub watches: Watches,
    /// Where checkpoints are kept, beside the keys.
    pub checkpoints: Option<Arc<dyn CheckpointStore>>,
}

impl Instruments {
    /// For entries of `log`.
    pub async fn of(log: LogId, stores: &AuditStores) -> Result<Self, Failure> {
        let keyring = stores.keyring_file.as_deref().map(Keyring::load).transpose()?.map(Arc::new);
        let handle = match &stores.keys {
            Some(keys) => Some(KeyHandle::open(keys, false).await.map_err(Lack::into_failure)?),
            None => None,
        };
        let (keys, checkpoints) = handle.map(|handle| (handle.store(), handle.checkpoints())).unzip();
        let dooms = match &keys {
            Some(keys) => Some(Dooms::new(Arc::clone(keys)).await?),
            None => None,
        };
        let watches = Watches { dooms, ..Watches::default() };
        Ok(Self { examiner: Arc::new(Examiner { log, keyring, keys }), watches, checkpoints })
    }
}

async fn look(args: VerifyArgs) -> Result<Report, Failure> {
    if let Some(path) = &args.export {
        let keys = args.stores.clone().keys_alone();
        return verify_export::look(path, &args.checkpoint, args.pin.as_deref(), &keys).await;
    }
    let stores = args.stores.clone().stores();
    let folder = stores.folder.as_ref();
    if let Some(folder) = folder {
        is_whole(folder, &args.stores)?;
    }
    let Some(note) = args.checkpoint.note(folder).await? else {
        return Err(Failure::usage(
            "there is no checkpoint: name one with --checkpoint FILE or URL; a projection that has a ledger key makes them",
        ));
    };
    let believed = args.checkpoint.keys(folder)?;
    let read_model = match args.read_model.clone() {
        Some(url) if stores.keys.is_some() => Some(url.with_password_file(args.read_model_password_file.as_deref())?),
        Some(_) => {
            return Err(Failure::usage(
                "--read-model needs --keys and --keyring-file: rows hold what the log has sealed",
            ));
        }
        None => {
            folder.filter(|folder| stores.keys.is_some() && folder.read_model_file().exists()).map(Folder::read_model)
        }
    };
    let Some(log) = LogHandle::open_to_read(&stores.log).await.map_err(Lack::into_failure)? else {
        return Err(Failure::usage(format!("{}: there is no log to verify", stores.log.log.shown())));
    };
    let looked = async {
        let instruments = Instruments::of(log.id(), &stores).await?;
        let store = instruments.checkpoints.as_deref();
        let trusted = Trusted::follow(believed, &args.checkpoint.crossings(store).await?)?;
        let mut word = Word::of(note, trusted, args.pin.as_deref())?;
        if let Some(store) = store {
            word = word.with_stored(store.newest().await.map_err(Failure::usage)?.as_deref());
        }
        let report = look_at(&log, instruments, read_model.as_ref(), &word).await?;
        if report.sound {
            word.keep()?;
        }
        Ok(report)
    };
    let looked = looked.await;
    log.close().await;
    looked
}

async fn look_at(
    log: &LogHandle,
    instruments: Instruments,
    read_model: Option<&StoreUrl>,
    word: &Word,
) -> Result<Report, Failure> {
    let Instruments { examiner, mut watches, .. } = instruments;
    let model = match read_model {
        Some(url) => Some(ReadModelHandle::open_to_read(url).await.map_err(unopened)?),
        None => None,
    };
    let rows = model.as_ref().map(|model| Arc::new(AuditedRows(model.ports())));
    let mut anchors = word.anchors();
    if let Some(rows) = &rows
        && let Some(applied) = applied(&**rows).await.map_err(looked)?
    {
        anchors = anchors.and(Anchor::Rows, applied.position.get(), applied.frontier.root());
    }
    let mut history = History::new(log.id(), Extent::Log, anchors, watches.dooms.is_some());
    word.judge(&mut history);
    if let Some(rows) = &rows {
        watches.tiles = Some(Tiles::new(Arc::clone(rows) as _).await?);
        history = history.with_ledger();
    }
    let seen = async {
        let seen = take(log, &examiner, &mut history, &mut watches, rows.as_deref()).await?;
        history.end();
        if let (Some(tiles), Some(seen)) = (&watches.tiles, &seen) {
            tiles.end(seen.applied, &mut history).await.map_err(looked)?;
        }
        if let Some(dooms) = &watches.dooms {
            dooms.end(&mut history);
        }
        Ok::<_, Failure>(seen)
    };
    let seen = seen.await;
    if let Some(model) = &model {
        model.let_go().await;
    }
    let seen = seen?;
    let (checked, not_checked) = told::checks(&history, &examiner, &watches, word, seen);
    // What the pin has seen was signed too.
    let pinned = word.pin().and_then(Pin::checkpoint).filter(|_| history.held(Anchor::Pin));
    let signed = word.checkpoint().map(|checkpoint| checkpoint.size).max(pinned.map(|pinned| pinned.size));
    let beyond = signed.map_or(0, |size| history.last().get().saturating_sub(size));
    Ok(Report::of(&history, word.report(), beyond, checked, not_checked))
}

/// Refuses a data folder that lacks what is looked at with: whoever takes it away takes away what would be found by it.
fn is_whole(folder: &Folder, named: &AuditStoreArgs) -> Result<(), Failure> {
    let keyring = named.keyring_file.is_none().then(|| folder.keyring());
    let keys = named.keys.is_none().then(|| folder.keys_file());
    let missing = [keyring, keys].into_iter().flatten().find(|path| !path.exists());
    let Some(missing) = missing else { return Ok(()) };
    Err(Failure::usage(format!(
        "{} is missing: name the data folder (--data), restore it, or name what is to be looked at without it (--log, \
         --checkpoint, --public-key)",
        missing.display()
    )))
}

/// What could be looked at, and is nothing of ours, is no reason to try again.
fn looked(error: CouldNotLook) -> Failure {
    match error {
        CouldNotLook::Damaged(_) => Failure::tampered(error),
        error => error.into(),
    }
}

/// Tables that are not as they were made are looked at no further.
fn unopened(error: ReadModelError) -> Failure {
    match error {
        ReadModelError::Damaged(what) => Failure::tampered(format!("the read model: {what}")),
        other => other.into(),
    }
}

/// Takes in the log, and then holds the rows against it.
async fn take(
    log: &LogHandle,
    examiner: &Arc<Examiner>,
    history: &mut History,
    watches: &mut Watches,
    rows: Option<&AuditedRows>,
) -> Result<Option<RowsSeen>, Failure> {
    let store = log.store();
    let head = store.head(Scope::All).await;
    let head = head.map_err(|error| Failure::failed(format!("the log can't be read: {error}")))?.position;
    let bar = bar("verified", head);
    let taken = take_log(&store, examiner, history, watches, |at| bar.set_position(at.get())).await;
    bar.finish_and_clear();
    taken?;
    let Some(rows) = rows else { return Ok(None) };
    let further = async |history: &mut History| take_log(&store, examiner, history, watches, |_| {}).await;
    Ok(Some(compare(rows, history, further).await.map_err(looked)?))
}
