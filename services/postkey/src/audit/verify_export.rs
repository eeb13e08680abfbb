//! `postkey audit verify --export`: an export, by itself, on any machine.

use std::fmt::Display;
use std::fs::File;
use std::path::Path;

use audit::export::{ExportScope, Header, ReadFault, Reader};
use audit::verify::{Anchors, Claims, ExportSeen, Extent, History, Kind, Report, take_export};
use domain::{Position, ServiceId, UserId};
use ledger::NoteError;
use wire::LogId;

use super::AuditStores;
use super::checkpoint::CheckpointArgs;
use super::pin::Pin;
use super::told::export_checks;
use super::trusted::Trusted;
use super::verify::{Instruments, Word};
use crate::failure::Failure;
use crate::progress::bar;

/// Looks at an export.
pub async fn look(
    path: &Path,
    args: &CheckpointArgs,
    pin: Option<&Path>,
    stores: &AuditStores,
) -> Result<Report, Failure> {
    let keys = args.keys(None)?;
    let file = File::open(path).map_err(|error| Failure::io(path, &error))?;
    let (reader, header) = Reader::begin(file).map_err(|fault| match fault {
        ReadFault::Io(error) => Failure::io(path, &error),
        ReadFault::NoExport(what) => Failure::failed(format!("{}: {what}", path.display())),
        ReadFault::Altered(what) => altered(path, what),
    })?;
    let trusted = Trusted::follow(keys, &header.crossings).map_err(|error| altered(path, error))?;
    let extent = extent(&header).ok_or_else(|| altered(path, "its first record says positions that no log has"))?;
    if let Some(note) = &header.checkpoint
        && let Err(error @ (NoteError::Form | NoteError::TooLong)) = ledger::open(note, &trusted.keys)
    {
        return Err(altered(path, format_args!("its checkpoint can't be read: {error}")));
    }
    let note = match (args.note(None).await?, extent, header.checkpoint.clone()) {
        (Some(_), Extent::Service(_) | Extent::User(..) | Extent::Entry(_), Some(_)) => {
            return Err(Failure::usage(
                "--checkpoint: the proofs of this export are for its own checkpoint, which it has with it: leave it out",
            ));
        }
        (Some(note), ..) | (None, _, Some(note)) => note,
        (None, _, None) => {
            return Err(Failure::usage(
                "the export has no checkpoint: of a whole log name one with --checkpoint; of a part export it again with one",
            ));
        }
    };
    let word = Word::of(note, trusted, pin)?;
    let log = LogId::new(header.log);
    // Of an export only what is named beside it is a store of its log.
    let Instruments { examiner, mut watches, .. } = Instruments::of(log, stores).await?;
    let whole = extent == Extent::Log;
    let anchors = if whole { word.anchors() } else { Anchors::default() };
    let mut history = History::new(log, extent, anchors, watches.dooms.is_some());
    word.judge(&mut history);
    let proofs = word.checkpoint().filter(|_| !whole).cloned();
    let claims = Claims { proofs, personal: header.personal };
    let bar = bar("verified", Position::new(header.to));
    let step = |at: Position| bar.set_position(at.get());
    let taken = take_export(reader, claims, &examiner, (&mut history, &mut watches), step).await;
    bar.finish_and_clear();
    let seen = taken?;
    history.end();
    let last = history.last().get();
    if seen.whole {
        ends(&mut history, extent, &header, &word);
    }
    if history.findings.count() == 0 {
        is_under(&word, whole, seen)?;
    }
    let beyond = match word.checkpoint() {
        Some(checkpoint) if whole => last.saturating_sub(checkpoint.size),
        _ => seen.beyond,
    };
    let (checked, not_checked) =
        export_checks((&history, extent), &header, seen, &examiner, watches.dooms.as_ref(), &word);
    let report = Report::of(&history, word.report(), beyond, checked, not_checked);
    let pinned = word.pin().and_then(|pin| pin.checkpoint());
    if report.sound && (whole || pinned.is_none()) {
        word.keep()?;
    }
    Ok(report)
}

/// What begins as an export, and is not as one was written.
fn altered(path: &Path, what: impl Display) -> Failure {
    Failure::tampered(format_args!("{}: {what}", path.display()))
}

/// Of what it is; none where it names a position that no log has.
fn extent(header: &Header) -> Option<Extent> {
    let to = Position::of_entry(header.to)?;
    Some(match header.scope {
        ExportScope::All => Extent::Log,
        ExportScope::Service(service) => Extent::Service(ServiceId::new(service)),
        ExportScope::User { service, user } => Extent::User(ServiceId::new(service), UserId::new(user)),
        ExportScope::Entry(position) => Extent::Entry(Position::of_entry(position).filter(|position| *position == to)?),
    })
}

/// Finds an export that does not end where it says.
fn ends(history: &mut History, extent: Extent, header: &Header, word: &Word) {
    let (last, to) = (history.last().get(), header.to);
    let elsewhere = match extent {
        Extent::Log => last != to,
        Extent::Service(_) | Extent::User(..) | Extent::Entry(_) => last > to,
    };
    if elsewhere {
        let what = format!("the export is up to position {to} by its first record, and up to {last} by its entries");
        history.findings.add(Position::new(last.min(to)).next(), Kind::Export, what);
    }
    let parts = matches!(extent, Extent::Service(_) | Extent::User(..));
    if let Some(under) = word.checkpoint().filter(|under| parts && under.size > to) {
        let what = format!(
            "the export is up to position {to} by its first record, and its checkpoint is of {} entries: exports go as far as \
             their checkpoints",
            under.size
        );
        history.findings.add(Position::new(to).next(), Kind::Export, what);
    }
}

/// Refuses where nothing was found because nothing could be: no entry stands under a checkpoint.
fn is_under(word: &Word, whole: bool, seen: ExportSeen) -> Result<(), Failure> {
    let size = word.checkpoint().map_or(0, |checkpoint| checkpoint.size);
    let pinned = word.pin().and_then(Pin::checkpoint).map_or(0, |pinned| pinned.size);
    // Of a whole log, the first entries stand under each of them.
    let under = if whole { size.max(pinned) } else { seen.proved };
    if under > 0 {
        return Ok(());
    }
    let instead = if whole { "name a newer one with --checkpoint" } else { "export it again under a newer one" };
    Err(Failure::usage(format!(
        "nothing of the export is proved: all of it comes after its checkpoint of {size} entries, where anybody may have written \
         it; {instead}"
    )))
}
