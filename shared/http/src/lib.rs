//! What the edges of the services share: problems, bodies, callers, headers, request ids, health, serving, and the
//! contract: what services answer, and the clients that ask them.
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
mod describe;
mod edges;
mod entity_tag;
mod fields;
mod headers;
mod health;
mod idempotency;
mod json;
mod listener;
mod metrics;
mod openapi;
mod operators;
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
pub use contract::{ActivityPage, ActivityRecord};
pub use contract::{Behalf, CommandClient, Guard, NewUser, PasswordCheck, UserEdit};
pub use contract::{BrokenRule, Checked, PasswordPolicy, PolicyRule, Suggestion};
pub use contract::{CallError, CallProblem, ClientError};
pub use contract::{Event, EventData, Events, Plan, Receipt, Service, Services, Usage, User, UserThen, Users};
pub use contract::{EventList, QueryClient, UserList, Verified, VerifyClient};
pub use contract::{Heard, PositionAnswer, PositionClient, StoppedBy};
pub use contract::{OperatorClient, RebuildPhase, RebuildState};
pub use describe::Described;
pub use edges::{Clock, Entropy, EntropyRng, uuid_v4, uuid_v7};
pub use entity_tag::{IfNoneMatch, entity_tag};
pub use fields::{Fields, FromFields, NoFields};
pub use headers::{Actor, CommandHeaders, IdempotencyKey, IfMatch, MAX_WAIT, Reason};
pub use health::{Health, HealthCheck, Status};
pub use listener::{ListenError, listen};
pub use metrics::{Kind, Metrics, waits};
pub use openapi::{About, Operation, Routes, sample};
pub use operators::{operators_routes, waiting_routes};
pub use paths::{Path, PathIds, hyphenated};
pub use problem::{Code, Problem, Violation};
pub use query::Query;
pub use request_id::RequestId;
pub use serve::{Peer, serve, serve_pages};
pub use tenancy::{CUSTOMER_HEADER, Tenancy};
pub use trace::{KeptBack, layers, observed};
