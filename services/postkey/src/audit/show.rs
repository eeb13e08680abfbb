//! `postkey audit show`: what happened to one user, and how it stands.

use audit::export::Personal;
use audit::{Replay, shown};
use clap::Args;
use domain::event::UserEvent;
use domain::{Position, ServiceId, UserId};
use event_log::Scope;
use futures::TryStreamExt;
use postkey_http::{Event, User};
use serde::Serialize;
use wire::Body;

use super::reading::Reading;
use super::selection::{Selection, SelectionArgs, ServiceName, UserName};
use super::{AuditStoreArgs, tables};
use crate::failure::Failure;
use crate::journal::print;
use crate::progress::bar;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  postkey audit show --data /var/lib/postkey --user ann@acme.example
  postkey audit show --user 01997b5c-3f6e-7c21-9d4e-5a0b1c2d3e4f --service acme.example --json

With --service, an id is found without a look at the whole log. Names take the keys; without them they are `sealed`, and
of a user whose data was erased, `erased`.")]
pub struct ShowArgs {
    #[command(flatten)]
    stores: AuditStoreArgs,
    /// The user: its id, or its address, which takes the keys to be found
    #[arg(long, value_name = "ID|ADDRESS")]
    user: UserName,
    /// The user's service: its id or its domain
    #[arg(long, value_name = "ID|DOMAIN")]
    service: Option<ServiceName>,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// What is told, as JSON has it.
#[derive(Serialize)]
struct Told {
    log: uuid::Uuid,
    service: uuid::Uuid,
    user: uuid::Uuid,
    /// Null is erased where this says `shown`.
    personal: Personal,
    /// Whether the user was erased.
    erased: bool,
    /// How it stands now; null once it was erased.
    present: Option<User>,
    /// What happened, in the order of the log.
    events: Vec<Event>,
}

pub async fn show(args: ShowArgs) -> Result<(), Failure> {
    let ShowArgs { stores, user, service, json } = args;
    let reading = Reading::open(stores.stores()).await?;
    let shown = tell(&reading, SelectionArgs::of_user(service, user), json).await;
    reading.close().await;
    shown
}

async fn tell(reading: &Reading, whose: SelectionArgs, json: bool) -> Result<(), Failure> {
    let Selection::User(service, user) = whose.resolve(reading).await? else {
        return Err(Failure::usage("name a user (--user)"));
    };
    let told = told(reading, service, user).await?;
    if json {
        return print(format_args!("{}", serde_json::to_string(&told)?));
    }
    print(format_args!("user {user} of service {service}"))?;
    match &told.present {
        Some(present) => print(format_args!("{}", tables::users([present], reading.unseen())))?,
        None => print(format_args!("the user was erased: address and names are gone for good"))?,
    }
    print(format_args!("{}", tables::events(&told.events, reading.unseen())))
}

async fn told(reading: &Reading, service: ServiceId, user: UserId) -> Result<Told, Failure> {
    let head = reading.head().await?;
    let (mut replay, mut events, mut erased) = (Replay::new(service), Vec::new(), false);
    let bar = bar("read", head);
    let mut entries = reading.entries(Scope::service(service), Position::START, head);
    while let Some((stored, opened)) = entries.try_next().await? {
        bar.set_position(stored.position.get());
        replay.take(&opened)?;
        if matches!(opened.change.body, Body::Service { user: Some(about), .. } if about == user) {
            events.extend(shown::events_with_private(&opened));
            erased |= opened
                .change
                .events()
                .iter()
                .any(|event| matches!(event, domain::Event::User(_, UserEvent::UserErased)));
        }
    }
    bar.finish_and_clear();
    Ok(Told {
        log: reading.log().id().uuid(),
        service: service.uuid(),
        user: user.uuid(),
        personal: if reading.opens() { Personal::Shown } else { Personal::Redacted },
        erased,
        present: replay.user(user).map(|row| shown::user(&row)),
        events,
    })
}
