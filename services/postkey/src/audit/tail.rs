//! `postkey audit tail`: what happens, as it comes to stand in the log.

use std::time::Duration;

use audit::shown;
use clap::Args;
use domain::{Event, Position};
use event_log::ReadError;
use futures::StreamExt;
use tokio::time::sleep;
use wire::{Body, Opened, Stored};

use super::reading::{Reading, unread};
use super::selection::{Selection, SelectionArgs};
use super::{AuditStoreArgs, tables};
use crate::failure::Failure;
use crate::journal::print;
use crate::services::stop_on_signal;

/// Entries that are opened at once, where many come.
const AT_ONCE: usize = 256;
/// The pause before a log that was away is followed again.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey audit tail --data /var/lib/postkey
  postkey audit tail --service acme.example --type PasswordChanged --json
  postkey audit tail --log nats://n1:4222 --after 4711

One line an event, as it comes to stand in the log; with --json one object. It ends with Ctrl-C. After a log that was away
it goes on where it was. Without keys, what is personal is `sealed`.")]
pub struct TailArgs {
    #[command(flatten)]
    stores: AuditStoreArgs,
    #[command(flatten)]
    whose: SelectionArgs,
    /// Events of this type only, such as PasswordChanged
    #[arg(long = "type", value_name = "TYPE", value_parser = clap::builder::PossibleValuesParser::new(Event::NAMES))]
    event: Option<String>,
    /// Begin after this position [default: with what comes from now on]
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

pub async fn tail(args: TailArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let reading = Reading::open(args.stores.clone().stores()).await?;
    let told = stop.run_until_cancelled(follow(&reading, args)).await;
    reading.close().await;
    told.unwrap_or(Ok(()))
}

async fn follow(reading: &Reading, args: TailArgs) -> Result<(), Failure> {
    let TailArgs { whose, event, after, json, .. } = args;
    let selection = whose.resolve(reading).await?;
    let mut after = match after {
        Some(after) => Position::new(after),
        None => reading.head().await?,
    };
    tracing::info!(%after, "following the log");
    let mut away = false;
    loop {
        let mut chunks = reading.log().follow(after).ready_chunks(AT_ONCE);
        while let Some(chunk) = chunks.next().await {
            let mut failed = None;
            let stored = chunk.into_iter().map_while(|stored| stored.map_err(|error| failed = Some(error)).ok());
            let stored: Vec<Stored> = stored.collect();
            for opened in reading.open_some(&stored).await? {
                if is_of(selection, &opened) {
                    say(reading, &opened, event.as_deref(), json)?;
                }
                (after, away) = (opened.link.position, false);
            }
            match failed {
                None => {}
                Some(ReadError::Unavailable(what)) if !away => {
                    away = true;
                    tracing::warn!(%what, "the log is away, and asked again");
                }
                Some(ReadError::Unavailable(_)) => {}
                Some(error @ ReadError::Corrupt(_)) => return Err(unread(error)),
            }
        }
        sleep(PAUSE).await;
    }
}

fn is_of(selection: Selection, opened: &Opened) -> bool {
    let Body::Service { service, user, .. } = &opened.change.body else { return selection == Selection::All };
    match selection {
        Selection::All => true,
        Selection::Service(asked) => *service == asked,
        Selection::User(_, asked) => *user == Some(asked),
    }
}

fn say(reading: &Reading, opened: &Opened, event: Option<&str>, json: bool) -> Result<(), Failure> {
    for told in shown::events_with_private(opened) {
        if event.is_some_and(|event| told.r#type != event) {
            continue;
        }
        if json {
            print(format_args!("{}", serde_json::to_string(&told)?))?;
            continue;
        }
        let id =
            told.user.map(|user| format!("user {user}")).or(told.service.map(|service| format!("service {service}")));
        let mut line = vec![told.position.to_string(), tables::instant(told.at), told.r#type.to_string()];
        line.extend(id);
        line.push(format!("by {}", tables::by(&told)));
        line.extend(Some(tables::said(&told.data, reading.unseen())).filter(|said| !said.is_empty()));
        line.extend(tables::private(&told.origin, reading.unseen()).map(|origin| format!("from {origin}")));
        line.extend(tables::private(&told.reason, reading.unseen()));
        print(format_args!("{}", line.join("  ")))?;
    }
    Ok(())
}
