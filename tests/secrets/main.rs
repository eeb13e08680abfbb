//! What must stand in no file, no log and no answer: every secret and every name that a journey used is looked for
//! everywhere.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod erasure;
mod files;
mod journey;
mod panel;
mod traces;
