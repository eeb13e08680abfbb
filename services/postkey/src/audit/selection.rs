//! Whose history is asked for.

use std::str::FromStr;

use clap::Args;
use domain::event::UserEvent;
use domain::{Address, DomainName, Event, Position, ServiceId, UserId};
use event_log::Scope;
use futures::{Stream, TryStreamExt};
use wire::{Body, Opened, Stored};

use super::reading::Reading;
use crate::failure::Failure;
use crate::progress::bar;

/// Whose history.
#[derive(Args, Clone, Debug)]
pub struct SelectionArgs {
    /// A service: its id or its domain
    #[arg(long, value_name = "ID|DOMAIN")]
    service: Option<ServiceName>,
    /// One user: an id, or an address, which takes the keys to be found
    #[arg(long, value_name = "ID|ADDRESS")]
    user: Option<UserName>,
}

/// A service, as people name it.
#[derive(Clone, Copy, Debug)]
pub struct ServiceName(ServiceId);

impl FromStr for ServiceName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self(ServiceId::new(id)));
        }
        // Its id is made of its domain.
        let domain = DomainName::parse(text).map_err(|_| "a service is named by its id or its domain")?;
        Ok(Self(ServiceId::of(&domain)))
    }
}

/// A user, as people name it.
#[derive(Clone, Debug)]
pub enum UserName {
    /// By its id.
    Id(UserId),
    /// By its address.
    Address(Address),
}

impl FromStr for UserName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(UserId::new(id)));
        }
        Address::parse(text).map(Self::Address).map_err(|_| "a user is named by its id or its address")
    }
}

/// Whose history, by ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Everybody's.
    All,
    /// A service's.
    Service(ServiceId),
    /// One user's.
    User(ServiceId, UserId),
}

impl SelectionArgs {
    /// One user's history.
    pub const fn of_user(service: Option<ServiceName>, user: UserName) -> Self {
        Self { service, user: Some(user) }
    }

    /// Finds out whose history is meant. A user that is named by its id alone is looked for in the whole log.
    pub async fn resolve(self, reading: &Reading) -> Result<Selection, Failure> {
        let service = self.service.map(|ServiceName(id)| id);
        match (self.user, service) {
            (None, None) => Ok(Selection::All),
            (None, Some(service)) => Ok(Selection::Service(service)),
            (Some(UserName::Address(address)), service) => {
                let own = ServiceId::of(&address.domain());
                if service.is_some_and(|service| service != own) {
                    return Err(Failure::usage("the user's address is not in the service's domain"));
                }
                by_address(reading, own, &address).await.map(|user| Selection::User(own, user))
            }
            (Some(UserName::Id(user)), Some(service)) => {
                let own = reading.entries(Scope::service(service), Position::START, Position::new(u64::MAX));
                first_about(own, user).await?.ok_or_else(|| nobody(user))?;
                Ok(Selection::User(service, user))
            }
            (Some(UserName::Id(user)), None) => {
                let head = reading.head().await?;
                let bar = bar("searched", head);
                let all = reading.entries(Scope::All, Position::START, head);
                let all = all.inspect_ok(|(stored, _)| bar.set_position(stored.position.get()));
                let found = first_about(all, user).await;
                bar.finish_and_clear();
                Ok(Selection::User(found?.ok_or_else(|| nobody(user))?, user))
            }
        }
    }
}

fn nobody(user: UserId) -> Failure {
    Failure::usage(format!("the log knows no user {user} there: look at the id, and at --service"))
}

/// The service of the first entry about a user.
async fn first_about(
    entries: impl Stream<Item = Result<(Stored, Opened), Failure>>,
    user: UserId,
) -> Result<Option<ServiceId>, Failure> {
    let mut about = Box::pin(entries.try_filter_map(async |(_, opened)| {
        Ok(match opened.change.body {
            Body::Service { service, user: Some(own), .. } if own == user => Some(service),
            _ => None,
        })
    }));
    about.try_next().await
}

/// The user who has the address, or had it last.
async fn by_address(reading: &Reading, service: ServiceId, address: &Address) -> Result<UserId, Failure> {
    if !reading.opens() {
        return Err(Failure::usage(
            "addresses are sealed: name the user by its id, or give the keys (--keys, --keyring-file)",
        ));
    }
    let entries = reading.entries(Scope::service(service), Position::START, Position::new(u64::MAX));
    let found = entries.try_fold(None, async |found, (_, opened)| {
        let has = |event: &Event| match event {
            Event::User(user, UserEvent::UserAdded { person, .. }) => {
                person.value.known().filter(|person| person.address == *address).map(|_| *user)
            }
            _ => None,
        };
        Ok(opened.change.events().iter().find_map(has).or(found))
    });
    found.await?.ok_or_else(|| {
        Failure::usage("nobody has or had this address, or who had it was erased: name the user by its id")
    })
}
