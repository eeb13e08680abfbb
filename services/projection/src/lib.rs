//! The projection service: the only writer of the auth read model, and the check that webmail makes at login.
//!
//! The [`projector`] follows the log and writes rows; [`auth`] answers logins; [`queries`] answers panels. Rows can be
//! dropped and rebuilt from the log ([`rebuild`]).
//!
//! It appends nothing to the log and decides nothing. SQL is in `read_model`'s adapters alone, and knows no event type.

mod app;
pub mod auth;
pub mod projector;
mod queries;
pub mod read_model;
mod rebuild;

#[cfg(test)]
mod staged;

pub use app::{Parts, Stopped, run};
pub use rebuild::{RebuildError, RebuildReport, rebuild};
