//! `postkey audit verify --export`: an export, by itself, on any machine.

use std::fs::File;
use std::path::Path;

use audit::export::{ExportScope, Header, ReadFault, Reader};
use audit::verify::{Anchors, Extent, History, Kind, Report, take_export};
use domain::{Position, ServiceId, UserId};
use wire::LogId;

use super::AuditStores;
use super::checkpoint::CheckpointArgs;
use super::told::export_checks;
use super::trusted::Trusted;
use super::verify::{Instruments, Word, bar};
use crate::failure::Failure;

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
        fault => Failure::failed(format!("{}: {fault}", path.display())),
    })?;
    let trusted = Trusted::follow(keys, &header.crossings)?;
    let extent = extent(&header);
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
    let proofs = word.checkpoint().filter(|_| !whole);
    let bar = bar(Position::new(header.to));
    let step = |at: Position| bar.set_position(at.get());
    let taken = take_export(reader, &examiner, &mut history, &mut watches, proofs, step).await;
    bar.finish_and_clear();
    let seen = taken?;
    history.end();
    let last = history.last().get();
    let ends_elsewhere = if whole { last != header.to } else { last > header.to };
    if ends_elsewhere && seen.whole {
        let what =
            format!("the export is up to position {} by its first record, and up to {last} by its entries", header.to);
        history.findings.add(Position::new(last.min(header.to).saturating_add(1)), Kind::Export, what);
    }
    let beyond = match word.checkpoint() {
        Some(checkpoint) if whole => last.saturating_sub(checkpoint.size),
        _ => seen.beyond,
    };
    let (checked, not_checked) =
        export_checks((&history, extent), &header, seen, &examiner, watches.dooms.as_ref(), word.pin());
    let report = Report::of(&history, word.report(), beyond, checked, not_checked);
    let pinned = word.pin().and_then(|pin| pin.checkpoint());
    if report.sound && (whole || pinned.is_none()) {
        word.keep()?;
    }
    Ok(report)
}

fn extent(header: &Header) -> Extent {
    match header.scope {
        ExportScope::All => Extent::Log,
        ExportScope::Service(service) => Extent::Service(ServiceId::new(service)),
        ExportScope::User { service, user } => Extent::User(ServiceId::new(service), UserId::new(user)),
        ExportScope::Entry(position) => Extent::Entry(Position::new(position)),
    }
}
