//! Bad days of an auditor: what somebody did to log, checkpoint, rows, keys or export is found by `postkey audit verify`, and
//! named to the position. What nobody touched is sound.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod checkpoints;
mod export_claims;
mod export_made;
mod export_records;
mod exports;
mod keys;
mod log;
mod looks;
mod rows;
mod servers;
mod site;
