//! The customer panel, used in a real browser as a person uses it: with and without scripts, in both languages, at a desk and on
//! a phone.
//!
//! Tests that run at the same time share one `postkey up`; each has a customer, an account and a service of its own.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod house;
mod injection;
mod journey;
mod keyboard;
mod lists;
mod mistakes;
mod pages;
mod place;
mod seen;
mod sessions;
mod stale;
mod states;
mod strangers;
mod words;
