//! `postkey audit prove`: that one entry stands in the log, for whoever has a checkpoint of it.

use std::io;

use audit::export::{ExportScope, Format, Writer};
use clap::Args;
use domain::Position;
use event_log::Scope;
use futures::TryStreamExt;

use super::AuditStoreArgs;
use super::checkpoint::CheckpointArgs;
use super::export::{header, proof, record};
use super::reading::Reading;
use super::under::Under;
use crate::failure::Failure;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey audit prove 4711 --data /var/lib/postkey > entry-4711.jsonl
  postkey audit verify --export entry-4711.jsonl --public-key public-key

What it prints is an export of this one entry: its stored bytes, what they say as far as the keys open it, the checkpoint,
and the hashes that lead from the entry to the checkpoint's root (RFC 9162 §2.1.3).")]
pub struct ProveArgs {
    /// The entry's position, as receipts and events name it
    #[arg(value_name = "POSITION")]
    position: u64,
    #[command(flatten)]
    stores: AuditStoreArgs,
    #[command(flatten)]
    checkpoint: CheckpointArgs,
    /// Leave out personal data, origin and reason
    #[arg(long)]
    redacted: bool,
}

pub async fn prove(args: ProveArgs) -> Result<(), Failure> {
    let reading = Reading::open(args.stores.clone().stores()).await?;
    let reading = if args.redacted { reading.redacted() } else { reading };
    let proved = go(&reading, &args).await;
    reading.close().await;
    proved
}

async fn go(reading: &Reading, args: &ProveArgs) -> Result<(), Failure> {
    let position = Position::new(args.position);
    let Some(under) = Under::read(&args.checkpoint, reading).await? else {
        return Err(Failure::usage("there is no checkpoint to prove it under: name one with --checkpoint FILE or URL"));
    };
    if position == Position::START {
        return Err(Failure::usage("positions begin at 1"));
    }
    if position > under.size() {
        return Err(Failure::usage(format!(
            "the checkpoint is of {} entries, and position {position} comes after it: name a newer one",
            under.size()
        )));
    }
    let mut tree = under.tree(reading).await?;
    let before = Position::new(args.position - 1);
    let entry = reading.entries(Scope::All, before, position).try_next().await?;
    let (stored, opened) =
        entry.ok_or_else(|| Failure::failed(format!("the log has no entry at position {position}")))?;
    let header = header(reading, ExportScope::Entry(args.position), position, Some(&under));
    let mut writer = Writer::begin(io::stdout().lock(), Format::Jsonl, &header)?;
    let mut record = record(&stored, &opened)?;
    record.proof = Some(proof(&mut tree, position)?);
    writer.entry(&record)?;
    drop(writer.end()?);
    Ok(())
}
