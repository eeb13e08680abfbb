//! The decisions of postkey: commands, events, refusals, and the fold over events.
//!
//! Three pure functions carry it: [`Command::decide`], [`evolve`] and [`replay`]. The command service, the projector
//! and the auditor fold with the same two parts, [`Service::evolve`] and [`User::evolve`]; nobody else computes state
//! from an event. Whoever destroys keys folds their ids alone, with [`UserKeys::evolve`].
//!
//! This crate knows no clock, no randomness, no async, no JSON, no SQL, no hashing and no broker. Ids, positions and
//! instants come in as values; a password is part of no state and no event, only its finished hash is. How texts of people
//! are compared stands in [`text`].

mod address;
mod commands;
mod credential;
mod customer;
mod erasable;
mod evolve;
mod ids;
mod name;
mod quota;
mod rejection;
mod state;
mod user_keys;

pub mod event;
pub mod text;

#[cfg(test)]
mod spec;

pub use address::{Address, AddressError, DomainName, DomainNameError};
pub use commands::{
    AddUser, ChangeOwnPassword, ChangePassword, ChangePlan, Command, EditUser, EraseUser, NewCredential, Proof,
    ProvisionService, ReactivateUser, RemoveUser, SuspendUser,
};
pub use credential::{CredentialHash, CredentialHashError, PolicyVersion, PolicyVersionError};
pub use customer::{Customer, CustomerError};
pub use erasable::{Erasable, Sealed};
pub use event::Event;
pub use evolve::{ImpossibleHistory, Parts, evolve, evolve_parts, replay};
pub use ids::{KeyId, Moment, Position, ServiceId, UserId};
pub use name::{Name, NameError, Person};
pub use quota::{MAX_BYTES, MIB, Plan, PlanError, Quota, QuotaError, Usage};
pub use rejection::Rejection;
pub use state::{Credential, EmailService, Provisioned, Service, User, UserState};
pub use user_keys::UserKeys;
