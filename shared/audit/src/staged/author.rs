//! The command side as a memory: what stands, and what follows from it by the domain's own decisions.

use std::collections::HashMap;

use chrono::DateTime;
use domain::{
    AddUser, ChangePassword, ChangePlan, Command, CredentialHash, Customer, EditUser, EmailService, EraseUser, Event,
    KeyId, Moment, Name, NewCredential, Person, Plan, PolicyVersion, Position, ProvisionService, Quota, ReactivateUser,
    RemoveUser, ServiceId, SuspendUser, UserId, evolve,
};
use ledger::Hash;
use uuid::Uuid;
use wire::{Body, By, Change, CommandId, EntryId, Link, Opened};

use super::{LOG, address, domain, id_of, user_of};
use crate::rows::{ServiceRow, UserRow};

/// What somebody does to a service: by small numbers, so that drawn histories collide.
#[derive(Clone, Debug)]
pub enum Act {
    /// It is provisioned.
    Provision,
    /// Another plan, of so many mailboxes.
    Plan(u64),
    /// A user with the address of another number.
    Add(u64, u64),
    /// A user's first name and quota.
    Edit(u64, String, u64),
    /// A password that a panel sets.
    Password(u64),
    /// A user is suspended.
    Suspend(u64),
    /// And active again.
    Reactivate(u64),
    /// A user is removed.
    Remove(u64),
    /// And erased.
    Erase(u64),
}

/// The command side's memory: what stands, and what follows from it.
#[derive(Clone, Default)]
pub struct Author {
    position: Position,
    services: HashMap<ServiceId, (EmailService, Option<Link>)>,
    /// How many keys have been given ids.
    keys: u128,
}

impl Author {
    /// How far the log is.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The last entry of a service.
    pub fn last(&self, service: u8) -> Option<Link> {
        self.services.get(&id_of(service)).and_then(|(_, last)| *last)
    }

    /// The log's first entry.
    pub fn first(&self) -> Change {
        self.of(None, Body::LogCreated { log: LOG })
    }

    fn of(&self, prev: Option<Link>, body: Body) -> Change {
        let n = u128::from(self.position.next().get());
        Change {
            id: EntryId::new(Uuid::from_u128(0xe_0000 + n)),
            at: DateTime::from_timestamp(1_795_000_000 + self.position.get().cast_signed(), 0).unwrap(),
            prev,
            command: CommandId::new(Uuid::from_u128(0xc_0000 + n)),
            by: By { client: "panel".to_owned(), actor: None },
            body,
        }
    }

    /// The change that an act makes; none where it is refused or changes nothing.
    pub fn change(&mut self, service: u8, act: &Act) -> Option<Change> {
        let id = id_of(service);
        self.keys += 2;
        let (state, prev) = self.services.get(&id).cloned().unwrap_or_default();
        let (user, command) = command(service, act, &state, self.keys);
        let events = command.decide(&state).ok().filter(|events| !events.is_empty())?;
        Some(self.of(prev, Body::Service { service: id, user, events, private: Vec::new() }))
    }

    /// A change that no decision has made.
    pub fn forged(&self, service: u8, user: Option<UserId>, events: Vec<Event>) -> Change {
        self.of(self.last(service), Body::Service { service: id_of(service), user, events, private: Vec::new() })
    }

    /// Takes over that `change` stands next, with this leaf.
    pub fn stands(&mut self, change: Change, leaf: Hash) -> Opened {
        self.position = self.position.next();
        let link = Link { position: self.position, leaf };
        if let Body::Service { service, events, .. } = &change.body {
            let (state, last) = self.services.entry(*service).or_default();
            let moment = Moment { position: self.position, at: change.at };
            // What can't follow is the test's own doing.
            let after = events.iter().try_fold(state.clone(), |state, event| evolve(state, event, moment));
            (*state, *last) = (after.unwrap_or_else(|_| state.clone()), Some(link));
        }
        Opened { link, change }
    }

    /// The rows of everything that stands: each is the fold of its history.
    pub fn rows(&self) -> (Vec<ServiceRow>, Vec<UserRow>) {
        let (mut services, mut users) = (Vec::new(), Vec::new());
        for (id, (state, last)) in &self.services {
            let (Ok(found), Some(last)) = (state.provisioned(), last) else { continue };
            services.push(ServiceRow { id: *id, service: found.service.clone(), last: *last });
            let row =
                |(user, state): (&UserId, &domain::User)| UserRow { id: *user, service: *id, user: state.clone() };
            users.extend(found.users.iter().map(row));
        }
        services.sort_by(|one, other| one.service.domain.cmp(&other.service.domain));
        users.sort_by_key(|row| row.id);
        (services, users)
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn credential(n: u128, judged_for: Person) -> NewCredential {
    NewCredential {
        key: KeyId::new(Uuid::from_u128(0x3000_0000 + n)),
        hash: CredentialHash::parse(format!("$argon2id$v=19$m=8,t=1,p=1$salt{n}$hash")).unwrap(),
        policy: PolicyVersion::parse("standard-1").unwrap(),
        judged_for,
    }
}

fn command(service: u8, act: &Act, state: &EmailService, n: u128) -> (Option<UserId>, Box<dyn Command>) {
    let key = KeyId::new(Uuid::from_u128(0x2000_0000 + n));
    let plan = |mailboxes| Plan::new(mailboxes, 64 * domain::MIB).unwrap();
    let person =
        |address_of| Person { address: address(service, address_of), first_name: name("Ann"), last_name: name("Lee") };
    let now = |id| {
        let user = state.provisioned().and_then(|found| found.user(id)).ok();
        user.and_then(|user| user.person.value.known().cloned()).unwrap_or_else(|| person(0))
    };
    let of = |user: &u64| user_of(service, *user);
    match act {
        Act::Provision => {
            let customer = Customer::parse("acme").unwrap();
            (None, Box::new(ProvisionService { domain: domain(service), customer, plan: plan(4), key }))
        }
        Act::Plan(mailboxes) => (None, Box::new(ChangePlan { plan: plan(*mailboxes), expected: None })),
        Act::Add(user, address_of) => {
            let person = person(*address_of);
            let quota = Quota::from_mib(1 + user % 3).unwrap();
            let credential = credential(n, person.clone());
            (Some(of(user)), Box::new(AddUser { user: of(user), person, profile_key: key, quota, credential }))
        }
        Act::Edit(user, first, mib) => {
            let edit = EditUser {
                user: of(user),
                first_name: Some(name(first)),
                last_name: None,
                quota: Some(Quota::from_mib(*mib).unwrap()),
                credential: None,
                expected: None,
            };
            (Some(of(user)), Box::new(edit))
        }
        Act::Password(user) => {
            let credential = credential(n, now(of(user)));
            (Some(of(user)), Box::new(ChangePassword { user: of(user), credential, expected: None }))
        }
        Act::Suspend(user) => (Some(of(user)), Box::new(SuspendUser { user: of(user), expected: None })),
        Act::Reactivate(user) => (Some(of(user)), Box::new(ReactivateUser { user: of(user), expected: None })),
        Act::Remove(user) => (Some(of(user)), Box::new(RemoveUser { user: of(user), expected: None })),
        Act::Erase(user) => (Some(of(user)), Box::new(EraseUser { user: of(user), expected: None })),
    }
}
