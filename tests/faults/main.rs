//! Bad days: many at once, a process that dies, a disk that is full, a folder that is not what it was. What was answered
//! stands, what was not is whole or absent, and nobody is served silently by what is broken.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod activity;
mod damaged_log;
mod erasure;
mod first_start;
mod full_disk;
mod kills;
mod logins_during_changes;
mod lost_log;
mod overload;
mod races;
mod rebuild;
mod replaced;
mod start_errors;
mod strangers;
