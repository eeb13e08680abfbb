//! An export, read from its beginning to its end: what it says of each entry is held against the entry's own bytes, and these
//! against the checkpoint.

use std::io::Read;
use std::sync::Arc;

use domain::Position;
use ledger::{Checkpoint, verify_inclusion};
use postkey_http::{Event, EventData};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use wire::{Entry, Opened, Stored, Subject};

use super::examine::{Examined, Examiner};
use super::finding::Kind;
use super::history::History;
use super::log::{CouldNotLook, Watches};
use crate::export::{EntryRecord, RawEntry, ReadFault, Reader};
use crate::shown;

/// So many entries are looked at in one piece.
const PIECE: usize = 256;
/// So many pieces are ahead of what is taken in.
const AHEAD: usize = 4;

/// What an export came to, beside its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportSeen {
    /// How many entries are proved to stand under the checkpoint by proofs of their own.
    pub proved: u64,
    /// How many stand behind the checkpoint.
    pub beyond: u64,
    /// Whether it is whole: nothing was cut off, taken out or put behind it.
    pub whole: bool,
}

/// An entry of an export, and what is wrong with what it says of it.
struct Held {
    examined: Examined,
    faults: Vec<(Kind, &'static str)>,
    proved: bool,
}

enum Piece {
    Entries(JoinHandle<Result<Vec<Held>, Fault>>),
    Failed(Fault),
}

enum Fault {
    Look(CouldNotLook),
    /// Something that is not as it was written.
    Altered(String),
}

/// Takes what `reader` reads into `history`. `proofs` is the checkpoint that each entry has a proof for; none where the
/// export is of the whole log, whose root is computed. `step` is told of each piece that was taken in.
///
/// # Errors
/// Where file or keys can't be read.
pub async fn take_export<R: Read + Send + 'static>(
    reader: Reader<R>,
    examiner: &Arc<Examiner>,
    history: &mut History,
    watches: &mut Watches,
    proofs: Option<&Checkpoint>,
    mut step: impl FnMut(Position),
) -> Result<ExportSeen, CouldNotLook> {
    let (send, mut pieces) = mpsc::channel(AHEAD);
    let (looks, runtime, checkpoint) = (Arc::clone(examiner), Handle::current(), proofs.cloned().map(Arc::new));
    spawn_blocking(move || pieces_of(reader, &looks, &runtime, checkpoint.as_ref(), &send));
    let mut seen = ExportSeen { whole: true, ..ExportSeen::default() };
    while let Some(piece) = pieces.recv().await {
        let held = match piece {
            Piece::Entries(held) => held.await.map_err(|_| CouldNotLook::Stopped)?,
            Piece::Failed(fault) => Err(fault),
        };
        match held {
            Ok(held) => {
                for Held { examined, faults, proved } in held {
                    let position = examined.position;
                    for (kind, what) in faults {
                        history.findings.add(position, kind, what);
                    }
                    seen.proved += u64::from(proved);
                    seen.beyond += u64::from(proofs.is_some_and(|checkpoint| position.get() > checkpoint.size));
                    history.take(examined);
                }
                watches.look(history).await?;
                step(history.last());
            }
            Err(Fault::Look(error)) => return Err(error),
            Err(Fault::Altered(what)) => {
                seen.whole = false;
                let (at, last) = (history.last().next(), history.last());
                history.findings.add(
                    at,
                    Kind::Export,
                    format!("the export is not as it was written: {what} (after position {last})"),
                );
                break;
            }
        }
    }
    Ok(seen)
}

fn pieces_of<R: Read>(
    mut reader: Reader<R>,
    examiner: &Arc<Examiner>,
    runtime: &Handle,
    proofs: Option<&Arc<Checkpoint>>,
    send: &mpsc::Sender<Piece>,
) {
    let piece = |raw: Vec<RawEntry>| {
        let (examiner, proofs, handle) = (Arc::clone(examiner), proofs.cloned(), runtime.clone());
        Piece::Entries(runtime.spawn_blocking(move || held(&raw, &examiner, &handle, proofs.as_deref())))
    };
    let mut raw = Vec::with_capacity(PIECE);
    let last = loop {
        match reader.entry() {
            Ok(Some(entry)) => raw.push(entry),
            Ok(None) => break None,
            Err(fault) => break Some(Fault::from(fault)),
        }
        if raw.len() == PIECE && send.blocking_send(piece(std::mem::take(&mut raw))).is_err() {
            return;
        }
    };
    // Nobody listens any more where something was found before.
    let _ = send.blocking_send(piece(raw));
    if let Some(fault) = last {
        let _ = send.blocking_send(Piece::Failed(fault));
    }
}

impl From<ReadFault> for Fault {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Io(error) => Self::Look(CouldNotLook::Export(error.to_string())),
            ReadFault::NoExport(what) => Self::Altered(what),
            ReadFault::Altered(what) => Self::Altered(what.to_owned()),
        }
    }
}

fn held(
    raw: &[RawEntry],
    examiner: &Examiner,
    runtime: &Handle,
    proofs: Option<&Checkpoint>,
) -> Result<Vec<Held>, Fault> {
    let (mut stored, mut said) = (Vec::with_capacity(raw.len()), Vec::with_capacity(raw.len()));
    for raw in raw {
        let EntryRecord { position, subject, entry, events, proof } = raw.parse()?;
        let subject = Subject::parse(&subject)
            .map_err(|_| Fault::Altered(format!("position {position} is of no subject of a log")))?;
        stored.push(Stored { position: Position::new(position), entry: Entry { subject, bytes: entry.into_bytes() } });
        said.push((events, proof));
    }
    let examined = examiner.examine(&stored, runtime).map_err(|error| Fault::Look(error.into()))?;
    let held = examined.into_iter().zip(said).map(|(examined, (events, proof))| {
        let mut faults = Vec::new();
        if examined.entry.as_ref().is_ok_and(|opened| !agree(opened, &events)) {
            faults.push((Kind::Export, "the events that the export tells of it are not those that its bytes say"));
        }
        let mut proved = false;
        match (proofs, proof) {
            (Some(checkpoint), _) if examined.position.get() > checkpoint.size => {}
            (Some(checkpoint), Some(proof)) => {
                let hashes: Vec<_> = proof.iter().map(|hash| hash.0).collect();
                // Positions begin with 1; one of 0 lies beyond every tree.
                let index = examined.position.get().wrapping_sub(1);
                match verify_inclusion(examined.leaf, index, checkpoint.size, checkpoint.root, &hashes) {
                    Ok(()) => proved = true,
                    Err(_) => faults.push((
                        Kind::Proof,
                        "its proof does not lead to the checkpoint: it was altered, or never stood there",
                    )),
                }
            }
            (Some(_), None) => faults.push((Kind::Proof, "it has no proof that it stands under the checkpoint")),
            (None, _) => {}
        }
        Held { examined, faults, proved }
    });
    Ok(held.collect())
}

/// Whether events are those of an entry, as far as it could be opened here: what it says in the clear must be the same, and of
/// what is sealed only that may be told that there is.
fn agree(opened: &Opened, told: &[Event]) -> bool {
    let own = shown::events_with_private(opened);
    own.len() == told.len()
        && own.iter().zip(told).all(|(own, told)| {
            let clear = |event: &Event| {
                let mut event = Event { origin: None, reason: None, ..event.clone() };
                let EventData { address, first_name, last_name, .. } = &mut event.data;
                (*address, *first_name, *last_name) = (None, None, None);
                event
            };
            clear(own) == clear(told)
                && may_be(&own.data.address, &told.data.address)
                && may_be(&own.data.first_name, &told.data.first_name)
                && may_be(&own.data.last_name, &told.data.last_name)
                && may_be(&own.origin, &told.origin)
                && may_be(&own.reason, &told.reason)
        })
}

/// Whether a value that may have been sealed can be told so: what we know has to be the same, where it is told.
fn may_be(own: &Option<Option<String>>, told: &Option<Option<String>>) -> bool {
    match (own, told) {
        (Some(Some(own)), Some(Some(told))) => own == told,
        // Which of the two names was set is sealed itself.
        (Some(_), _) | (None, None | Some(None)) => true,
        (None, Some(Some(_))) => false,
    }
}
