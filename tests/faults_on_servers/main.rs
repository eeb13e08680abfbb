//! Bad days of NATS JetStream and PostgreSQL, under load: nothing that was acknowledged is lost, nothing applied twice, no
//! old password passes once a change was said to be in force, health says what is wrong, and recovery needs no hand.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod activity;
mod administrators;
mod cluster;
mod erasure;
mod in_between;
mod postgres;
mod services;
mod start;
mod stopped;
mod weather;
