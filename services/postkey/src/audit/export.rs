//! `postkey audit export`: history for another machine, which verifies by itself there.

use std::path::PathBuf;

use audit::export::{EntryRecord, ExportScope, Format, Header, Personal, ProofHash, Prover, VERSION, Writer};
use audit::shown;
use clap::{Args, ValueEnum};
use domain::Position;
use event_log::Scope;
use futures::TryStreamExt;
use ledger::{Frontier, leaf_hash};
use postkey_http::Clock;
use wire::{Body, Change, Opened, Stored};

use super::AuditStoreArgs;
use super::checkpoint::CheckpointArgs;
use super::output::{Output, is_stdout};
use super::reading::Reading;
use super::replay::there_is;
use super::selection::{Selection, SelectionArgs};
use super::under::Under;
use crate::edges::SystemClock;
use crate::failure::Failure;
use crate::journal::print;
use crate::progress::bar;
use crate::services::stop_on_signal;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey audit export --data /var/lib/postkey --out history.jsonl
  postkey audit export --service acme.example --redacted --format csv --out acme.csv
  postkey audit export --user ann@acme.example --out ann.jsonl
and where it was sent:
  postkey audit verify --export history.jsonl --public-key public-key

An export holds the stored bytes of its entries, what they say as far as the keys open it, the newest checkpoint, and, where
it is of a part of the log, a proof for each entry that it stands under that checkpoint. With --redacted, or without the
keys, no address, name, origin or reason is told; the stored bytes are the same, and sealed. Hashes of passwords are never
told.")]
pub struct ExportArgs {
    #[command(flatten)]
    stores: AuditStoreArgs,
    #[command(flatten)]
    checkpoint: CheckpointArgs,
    #[command(flatten)]
    whose: SelectionArgs,
    /// Lines of JSON, or rows for a spreadsheet
    #[arg(long, default_value = "jsonl")]
    format: FormatArg,
    /// Leave out personal data, origins and reasons
    #[arg(long)]
    redacted: bool,
    /// The file to write, which must not be there yet; `-` for stdout
    #[arg(long, value_name = "FILE|-")]
    out: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    Jsonl,
    Csv,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Self {
        match format {
            FormatArg::Jsonl => Self::Jsonl,
            FormatArg::Csv => Self::Csv,
        }
    }
}

pub async fn export(args: ExportArgs) -> Result<(), Failure> {
    let exported = async {
        let reading = Reading::open(args.stores.clone().stores()).await?;
        go(reading, &args).await
    };
    // There is nothing to take back of what somebody else reads already.
    if is_stdout(&args.out) {
        return exported.await;
    }
    let stopped = || Failure::failed(format!("stopped: {} was not written", args.out.display()));
    stop_on_signal()?.run_until_cancelled(exported).await.unwrap_or_else(|| Err(stopped()))
}

async fn go(reading: Reading, args: &ExportArgs) -> Result<(), Failure> {
    // A user's address may have to be found by keys that the export itself is not to use.
    let selection = args.whose.clone().resolve(&reading).await?;
    let reading = if args.redacted { reading.redacted() } else { reading };
    let under = Under::read(&args.checkpoint, &reading).await?;
    let head = reading.head().await?;
    if let Some(under) = &under {
        under.reaches(head)?;
    } else {
        tracing::warn!("there is no checkpoint (--checkpoint): the export will prove nothing by itself");
    }
    if let Selection::Service(service) = selection {
        there_is(&reading, service).await?;
    }
    let output = Output::begin(&args.out, args.force)?;
    let prover = match (&under, selection) {
        (Some(under), Selection::Service(_) | Selection::User(..)) => Some(under.tree(&reading).await?),
        _ => None,
    };
    let header = header(&reading, scope(selection), head, under.as_ref());
    let writer = Writer::begin(output, args.format.into(), &header)?;
    let mut exporting =
        Exporting { reading: &reading, under: under.as_ref(), prover, frontier: Frontier::default(), writer };
    exporting.entries(selection, head).await?;
    let written = exporting.writer.entries();
    let path = exporting.writer.end()?.end()?;
    reading.close().await;
    let Some(path) = path else { return Ok(()) };
    let under = match under {
        Some(under) => format!("under the checkpoint of {} entries", under.size()),
        None => "under no checkpoint".to_owned(),
    };
    print(format_args!("{}: {written} entries up to position {head}, {under}", path.display()))
}

/// The first record of an export.
pub fn header(reading: &Reading, scope: ExportScope, to: Position, under: Option<&Under>) -> Header {
    Header {
        postkey_export: VERSION,
        log: reading.log().id().uuid(),
        scope,
        personal: if reading.opens() { Personal::Shown } else { Personal::Redacted },
        to: to.get(),
        checkpoint: under.map(|under| under.note.clone()),
        public_keys: under.iter().flat_map(|under| &under.keys).map(ToString::to_string).collect(),
        crossings: under.map(|under| under.crossings.clone()).unwrap_or_default(),
        at: Change::instant(SystemClock.now()),
    }
}

fn scope(selection: Selection) -> ExportScope {
    match selection {
        Selection::All => ExportScope::All,
        Selection::Service(service) => ExportScope::Service(service.uuid()),
        Selection::User(service, user) => ExportScope::User { service: service.uuid(), user: user.uuid() },
    }
}

/// One entry's record.
pub fn record(stored: &Stored, opened: &Opened) -> Result<EntryRecord, Failure> {
    let entry = std::str::from_utf8(&stored.entry.bytes);
    let entry = entry.map_err(|_| Failure::failed(format!("the entry at position {} is not text", stored.position)))?;
    Ok(EntryRecord {
        position: stored.position.get(),
        subject: stored.entry.subject.to_string(),
        entry: entry.to_owned(),
        events: shown::events_with_private(opened),
        proof: None,
    })
}

/// The proof of an entry.
pub fn proof(prover: &mut Prover, position: Position) -> Result<Vec<ProofHash>, Failure> {
    let proof = prover.prove(position.get().saturating_sub(1))?;
    Ok(proof.into_iter().map(ProofHash).collect())
}

struct Exporting<'a> {
    reading: &'a Reading,
    under: Option<&'a Under>,
    /// Where only a part is exported.
    prover: Option<Prover>,
    /// Of the whole, where all is exported.
    frontier: Frontier,
    writer: Writer<Output>,
}

impl Exporting<'_> {
    async fn entries(&mut self, selection: Selection, head: Position) -> Result<(), Failure> {
        let scope = match selection {
            Selection::All => Scope::All,
            Selection::Service(service) | Selection::User(service, _) => Scope::service(service),
        };
        let bar = bar("exported", head);
        let mut entries = self.reading.entries(scope, Position::START, head);
        while let Some((stored, opened)) = entries.try_next().await? {
            bar.set_position(stored.position.get());
            let is_meant = match (selection, &opened.change.body) {
                (Selection::User(_, asked), Body::Service { user, .. }) => *user == Some(asked),
                _ => true,
            };
            if is_meant {
                self.entry(&stored, &opened)?;
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn entry(&mut self, stored: &Stored, opened: &Opened) -> Result<(), Failure> {
        let mut record = record(stored, opened)?;
        if let Some(under) = self.under.filter(|under| stored.position <= under.size()) {
            if let Some(prover) = &mut self.prover {
                record.proof = Some(proof(prover, stored.position)?);
            } else {
                self.frontier.push(leaf_hash(&stored.entry.bytes));
                if stored.position == under.size() {
                    under.holds(self.frontier.root())?;
                }
            }
        }
        Ok(self.writer.entry(&record)?)
    }
}
