//! `postkey audit replay`: what services and users were at a moment.

use std::collections::BTreeMap;

use audit::export::Personal;
use audit::{AsOf, Replay, shown};
use clap::Args;
use domain::{Position, ServiceId};
use event_log::Scope;
use futures::TryStreamExt;
use postkey_http::{Service, User};
use serde::Serialize;
use wire::Body;

use super::reading::Reading;
use super::selection::{Selection, SelectionArgs};
use super::{AuditStoreArgs, tables};
use crate::failure::Failure;
use crate::journal::print;
use crate::progress::bar;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey audit replay --data /var/lib/postkey --as-of 2026-11-30T12:03:04Z --service acme.example
  postkey audit replay --as-of 4711 --user ann@acme.example --json
  postkey audit replay --as-of 2026-11-30           all services at the end of that day (UTC)

Names and addresses take the keys (--keys and --keyring-file, or a data folder that has them); without them they are
`sealed`, and users are named by their ids. What was erased since is `erased`: nobody can tell it any more.")]
pub struct ReplayArgs {
    #[command(flatten)]
    stores: AuditStoreArgs,
    /// The moment: an instant, the end of a day in UTC, or a position of the log [default: now]
    #[arg(long, value_name = "TIME|POSITION")]
    as_of: Option<AsOf>,
    #[command(flatten)]
    whose: SelectionArgs,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// What is told, as JSON has it.
#[derive(Serialize)]
struct Told {
    /// The log.
    log: uuid::Uuid,
    /// The moment that was asked for.
    as_of: Option<String>,
    /// The last entry of those asked for that is taken in; 0 where nothing had happened yet.
    position: u64,
    /// Null is erased where this says `shown`.
    personal: Personal,
    services: Vec<Service>,
    users: Vec<User>,
}

pub async fn replay(args: ReplayArgs) -> Result<(), Failure> {
    let ReplayArgs { stores, as_of, whose, json } = args;
    let reading = Reading::open(stores.stores()).await?;
    let told = tell(&reading, as_of, whose, json).await;
    reading.close().await;
    told
}

async fn tell(reading: &Reading, as_of: Option<AsOf>, whose: SelectionArgs, json: bool) -> Result<(), Failure> {
    let selection = whose.resolve(reading).await?;
    let moment = as_of.unwrap_or(AsOf::Position(reading.head().await?));
    let replays = match selection {
        Selection::All => replayed(reading, Scope::All, moment).await?,
        Selection::Service(service) | Selection::User(service, _) => {
            let replays = replayed(reading, Scope::service(service), moment).await?;
            if replays.is_empty() {
                there_is(reading, service).await?;
            }
            replays
        }
    };
    let services: Vec<_> = replays.values().filter_map(Replay::service).map(|row| shown::service(&row)).collect();
    let users: Vec<_> = match selection {
        // Of all services, the services alone are told: their users may be millions.
        Selection::All => Vec::new(),
        Selection::Service(_) => replays.values().flat_map(Replay::users).map(|row| shown::user(&row)).collect(),
        Selection::User(_, user) => {
            replays.values().filter_map(|replay| replay.user(user)).map(|row| shown::user(&row)).collect()
        }
    };
    let position = replays.values().map(Replay::position).max().unwrap_or(Position::START);
    if json {
        let told = Told {
            log: reading.log().id().uuid(),
            as_of: as_of.map(|as_of| as_of.to_string()),
            position: position.get(),
            personal: if reading.opens() { Personal::Shown } else { Personal::Redacted },
            services,
            users,
        };
        return print(format_args!("{}", serde_json::to_string(&told)?));
    }
    print(format_args!("as of {moment}; the last change up to there was at position {position}"))?;
    match (selection, services.is_empty()) {
        (Selection::All, true) => return print(format_args!("there were no services yet")),
        (Selection::Service(_) | Selection::User(..), true) => {
            return print(format_args!("the service was not there yet"));
        }
        _ => print(format_args!("{}", tables::services(&services)))?,
    }
    match (selection, users.is_empty()) {
        (Selection::All, _) => Ok(()),
        (Selection::Service(_), true) => print(format_args!("it had no users")),
        (Selection::User(..), true) => print(format_args!("the user was not there yet, or had been erased")),
        _ => print(format_args!("{}", tables::users(&users, reading.unseen()))),
    }
}

/// The services of `scope`, as they were at the moment, by their ids.
async fn replayed(reading: &Reading, scope: Scope, moment: AsOf) -> Result<BTreeMap<ServiceId, Replay>, Failure> {
    let head = reading.head().await?;
    let to = match moment {
        AsOf::Position(position) => position.min(head),
        AsOf::Time(_) => head,
    };
    let mut replays: BTreeMap<ServiceId, Replay> = BTreeMap::new();
    let bar = bar("replayed", to);
    let mut entries = reading.entries(scope, Position::START, to);
    while let Some((stored, opened)) = entries.try_next().await? {
        bar.set_position(stored.position.get());
        let Body::Service { service, .. } = opened.change.body else { continue };
        // Instants of several services are in no order: of each, what came by then is taken in.
        if moment.covers(&opened) {
            replays.entry(service).or_insert_with(|| Replay::new(service)).take(&opened)?;
        }
    }
    bar.finish_and_clear();
    Ok(replays)
}

/// Refuses where a service is none that the log knows.
pub async fn there_is(reading: &Reading, service: ServiceId) -> Result<(), Failure> {
    let first = reading.stored(Scope::service(service), Position::START, Position::new(u64::MAX)).try_next().await?;
    first
        .map(|_| ())
        .ok_or_else(|| Failure::usage(format!("the log knows no service {service}: look at its domain or id")))
}
