//! The projection service: the only writer of the auth read model, and the check that webmail makes at login.
//!
//! The [`projector`] follows the log and writes rows; [`auth`] answers logins; [`queries`] answers panels, and
//! `audit_api` says what happened. The [`signer`] signs checkpoints of the log's tree, and `ledger_api` serves what others
//! verify them by. Rows can be dropped and rebuilt from the log ([`rebuild`]). What entries have for
//! consequences beside rows is in `effects`.
//!
//! It appends nothing to the log and decides nothing. SQL is in `read_model`'s adapters alone, and knows no event type.

mod app;
mod audit_api;
pub mod auth;
mod drift;
mod effects;
mod labour;
mod ledger_api;
mod measures;
mod paging;
pub mod projector;
mod queries;
pub mod read_model;
mod rebuild;
pub mod signer;
mod turns;

#[cfg(test)]
mod staged;

pub use app::{Parts, Stopped, run, waiting};
pub use rebuild::{Differences, RebuildError, RebuildPorts, RebuildReport, Step, rebuild};
