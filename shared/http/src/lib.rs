//! What the edges of the services share: problems, bodies, callers, headers, request ids, health, serving, and the
//! contract between services.
//!
//! A service builds a [`Router`](axum::Router) whose handlers take the extractors of this crate, and hands it to
//! [`serve`]; a test hands it to [`layers`] and calls it in process. Everything a request can get wrong is parsed here,
//! once, into a type that cannot be wrong, and comes out as one [`Problem`] that names every wrong field.
//!
//! This crate knows nothing of the log, SQL, hashing or any decision. It draws no randomness and reads no clock of its
//! own ([`Clock`], [`Entropy`]), save that it measures how long things take; it reads no environment.

mod body;
mod callers;
mod clients;
mod clients_file;
mod contract;
mod edges;
mod fields;
mod headers;
mod health;
mod json;
mod listener;
mod paths;
mod percent;
mod problem;
mod query;
mod request_id;
mod serve;
mod tenancy;
mod trace;
mod write_deadline;

#[cfg(test)]
mod staged;

pub use body::{Body, Form, MAX_BODY_BYTES, OptionalBody};
pub use callers::{Caller, CustomerScope, Role, RoleError, new_token};
pub use clients::Clients;
pub use clients_file::{ClientEntry, ClientsFile, ClientsFileError, TokenDigest};
pub use contract::{ClientError, Heard, PositionAnswer, PositionClient, StoppedBy};
pub use edges::{Clock, Entropy, EntropyRng, uuid_v4, uuid_v7};
pub use fields::{Fields, FromFields, NoFields};
pub use headers::{Actor, CommandHeaders, IdempotencyKey, MAX_WAIT, Reason};
pub use health::{Health, HealthCheck, Status, health_routes};
pub use listener::{ListenError, listen};
pub use paths::{Path, PathIds};
pub use problem::{Code, Problem, Violation};
pub use query::Query;
pub use request_id::RequestId;
pub use serve::serve;
pub use tenancy::{CUSTOMER_HEADER, Tenancy};
pub use trace::layers;
