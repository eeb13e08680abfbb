//! The command service: the only writer of the log.
//!
//! A request becomes a command ([`routes`]), the command a decision on the newest state, the decision one entry
//! ([`path`]), and the answer waits until the read model has applied it ([`effect`]). The service keeps nothing that it
//! can't rebuild from the log.
//!
//! It reads no read model and writes none; a decision is the domain's alone.

mod app;
mod asker;
mod clocks;
mod context;
mod destruction;
mod effect;
mod folded;
mod keys_at_hand;
mod log_guard;
mod measures;
mod path;
mod preparation;
mod receipt;
mod refusal;
mod routes;
mod services;
mod waiters;
mod writes;

#[cfg(test)]
mod staged;

pub use app::{MOST_USERS, Parts, Stopped, run, waiting};
pub use effect::Projection;
