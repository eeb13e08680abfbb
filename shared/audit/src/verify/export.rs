//! An export, read from its beginning to its end: what it says of each entry is held against the entry's own bytes, and these
//! against the checkpoint.

mod told;

use std::io::Read;
use std::sync::Arc;

use domain::Position;
use ledger::{Checkpoint, verify_inclusion};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use wire::{Entry, Stored, Subject};

use super::examine::{Examined, Examiner};
use super::finding::Kind;
use super::history::History;
use super::log::{CouldNotLook, Watches};
use crate::export::{EntryRecord, Parsed, Personal, ProofHash, RawEntry, ReadFault, Reader};
use crate::shown;

/// So many entries are looked at in one piece.
const PIECE: usize = 256;
/// And so many bytes of them; the last of a piece may go beyond it.
const PIECE_BYTES: usize = 2 << 20;
/// So many pieces are ahead of what is taken in.
const AHEAD: usize = 4;

/// What an export says of itself, and each of its entries is held against.
#[derive(Clone, Debug)]
pub struct Claims {
    /// The checkpoint that each entry has a proof for; none where the export is of the whole log, whose root is computed.
    pub proofs: Option<Checkpoint>,
    /// Whether personal data is told.
    pub personal: Personal,
}

/// What an export came to, beside its history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportSeen {
    /// How many entries are proved to stand under the checkpoint by proofs of their own.
    pub proved: u64,
    /// How many stand behind the checkpoint.
    pub beyond: u64,
    /// How many values are told that are sealed, and could not be opened here.
    pub unopened: u64,
    /// Whether it is whole, and as it was written: nothing was cut off, taken out or put in.
    pub whole: bool,
}

/// An entry of an export, and what is wrong with what it says of it.
struct Held {
    examined: Examined,
    faults: Vec<(Kind, &'static str)>,
    proved: bool,
    unopened: u64,
    as_written: bool,
}

/// What was looked at of a piece, and what is not as it was written behind that: there it ends.
#[derive(Default)]
struct Looked {
    held: Vec<Held>,
    altered: Option<Altered>,
}

struct Altered {
    /// The position, where it is told.
    position: Option<Position>,
    what: &'static str,
}

enum Piece {
    Entries(JoinHandle<Result<Looked, CouldNotLook>>),
    Altered(Altered),
    Failed(CouldNotLook),
}

/// Takes what `reader` reads into `history`. `step` is told of each piece that was taken in.
///
/// # Errors
/// Where file or keys can't be read.
pub async fn take_export<R: Read + Send + 'static>(
    reader: Reader<R>,
    claims: Claims,
    examiner: &Arc<Examiner>,
    (history, watches): (&mut History, &mut Watches),
    mut step: impl FnMut(Position),
) -> Result<ExportSeen, CouldNotLook> {
    let (send, mut pieces) = mpsc::channel(AHEAD);
    let (looks, runtime, claims) = (Arc::clone(examiner), Handle::current(), Arc::new(claims));
    let claimed = Arc::clone(&claims);
    spawn_blocking(move || pieces_of(reader, &looks, &runtime, &claimed, &send));
    let mut seen = ExportSeen { whole: true, ..ExportSeen::default() };
    while let Some(piece) = pieces.recv().await {
        let Looked { held, altered } = match piece {
            Piece::Entries(looked) => looked.await.map_err(|_| CouldNotLook::Stopped)??,
            Piece::Altered(altered) => Looked { altered: Some(altered), ..Looked::default() },
            Piece::Failed(failed) => return Err(failed),
        };
        for Held { examined, faults, proved, unopened, as_written } in held {
            let position = examined.position;
            for (kind, what) in faults {
                history.findings.add(position, kind, what);
            }
            seen.proved += u64::from(proved);
            seen.beyond += u64::from(claims.proofs.as_ref().is_some_and(|under| position.get() > under.size));
            seen.unopened += unopened;
            seen.whole &= as_written;
            history.take(examined);
        }
        watches.look(history).await?;
        step(history.last());
        if let Some(Altered { position, what }) = altered {
            seen.whole = false;
            let (at, last) = (position.unwrap_or_else(|| history.last().next()), history.last());
            history.findings.add(
                at,
                Kind::Export,
                format!("the export is not as it was written: {what} (after position {last})"),
            );
            break;
        }
    }
    Ok(seen)
}

fn pieces_of<R: Read>(
    mut reader: Reader<R>,
    examiner: &Arc<Examiner>,
    runtime: &Handle,
    claims: &Arc<Claims>,
    send: &mpsc::Sender<Piece>,
) {
    let piece = |raw: Vec<RawEntry>| {
        let (examiner, claims, handle) = (Arc::clone(examiner), Arc::clone(claims), runtime.clone());
        Piece::Entries(runtime.spawn_blocking(move || looked(&raw, &examiner, &handle, &claims)))
    };
    let (mut raw, mut bytes) = (Vec::with_capacity(PIECE), 0);
    let fault = loop {
        match reader.entry() {
            Ok(Some(entry)) => {
                bytes += entry.size();
                raw.push(entry);
            }
            Ok(None) => break None,
            Err(ReadFault::Io(error)) => break Some(Piece::Failed(CouldNotLook::Export(error.to_string()))),
            Err(fault) => break Some(Piece::Altered(fault.into())),
        }
        if raw.len() == PIECE || bytes >= PIECE_BYTES {
            bytes = 0;
            if send.blocking_send(piece(std::mem::take(&mut raw))).is_err() {
                return;
            }
        }
    };
    // Nobody listens any more where something was found before.
    let _ = send.blocking_send(piece(raw));
    if let Some(fault) = fault {
        let _ = send.blocking_send(fault);
    }
}

impl From<ReadFault> for Altered {
    fn from(fault: ReadFault) -> Self {
        let what = match fault {
            ReadFault::Altered(what) => what,
            ReadFault::Io(_) | ReadFault::NoExport(_) => "a record of it can't be read",
        };
        Self { position: None, what }
    }
}

fn looked(raw: &[RawEntry], examiner: &Examiner, runtime: &Handle, claims: &Claims) -> Result<Looked, CouldNotLook> {
    let (mut stored, mut said) = (Vec::with_capacity(raw.len()), Vec::with_capacity(raw.len()));
    let mut altered = None;
    for raw in raw {
        match entry_of(raw) {
            Ok((entry, rest)) => {
                stored.push(entry);
                said.push(rest);
            }
            Err(fault) => {
                altered = Some(fault);
                break;
            }
        }
    }
    let examined = examiner.examine(&stored, runtime)?;
    let held = examined.into_iter().zip(said).map(|(examined, said)| held(examined, said, claims)).collect();
    Ok(Looked { held, altered })
}

/// An entry, and what is said of it.
fn entry_of(raw: &RawEntry) -> Result<(Stored, Parsed), Altered> {
    let mut parsed = raw.parse()?;
    let EntryRecord { position, subject, entry, .. } = &mut parsed.record;
    let position = Position::of_entry(*position)
        .ok_or(Altered { position: None, what: "the position of an entry is none that a log can have" })?;
    let subject = Subject::parse(subject)
        .map_err(|_| Altered { position: Some(position), what: "its subject is none that a log can have" })?;
    let bytes = std::mem::take(entry).into_bytes();
    Ok((Stored { position, entry: Entry { subject, bytes } }, parsed))
}

fn held(examined: Examined, said: Parsed, claims: &Claims) -> Held {
    let Parsed { record: EntryRecord { events, proof, .. }, as_written } = said;
    let mut faults = Vec::new();
    if !as_written {
        faults.push((
            Kind::Export,
            "its record is not as an export writes it: it was altered, or something was added that nobody looks at",
        ));
    }
    let mut unopened = 0;
    if let Ok(opened) = &examined.entry {
        match told::hold(&shown::events_with_private(opened), &events, claims.personal) {
            Ok(values) => unopened = values,
            Err(what) => faults.push((Kind::Export, what)),
        }
    }
    let proved = match &claims.proofs {
        Some(under) if examined.position.get() <= under.size => {
            let proved = is_proved(&examined, proof.as_deref(), under);
            faults.extend(proved.err().map(|what| (Kind::Proof, what)));
            proved.is_ok()
        }
        _ => false,
    };
    Held { examined, faults, proved, unopened, as_written }
}

/// Whether an entry stands under a checkpoint.
fn is_proved(examined: &Examined, proof: Option<&[ProofHash]>, under: &Checkpoint) -> Result<(), &'static str> {
    let proof = proof.ok_or("it has no proof that it stands under the checkpoint")?;
    let hashes: Vec<_> = proof.iter().map(|hash| hash.0).collect();
    let index = examined.position.get() - 1;
    verify_inclusion(examined.leaf, index, under.size, under.root, &hashes)
        .map_err(|_| "its proof does not lead to the checkpoint: it was altered, or never stood there")
}
