//! The load generator and the driver of `make bench`.
//!
//! Every figure is a ratio to the raw operation, measured in the same run by turns (raw, postkey, raw, postkey, raw), so
//! that what else the machine does weighs on both. Beside it stand CPU microseconds an operation of each process that
//! took part, read from `/proc`: they say more on a busy machine than any rate.
//!
//! - [`work`]: the load, each kind a job that a process of its own carries out.
//! - [`seed`]: users by the hundred thousand, written straight into log and key store with the product's own crates: over
//!   HTTP each would cost an argon2id. This is all that the crate knows of the product's inside; it is measured over HTTP
//!   and by its command line.
//! - [`bench`]: the rows, one file each. [`figures`] is the arithmetic, [`report`] the JSON, [`table`] what people read.
//!
//! Rates say nothing about another machine; ratios little about another disk. The report names both.

#![allow(clippy::missing_panics_doc, reason = "a bench that can't go on says where")]

pub mod args;
pub mod bench;
pub mod failure;
pub mod figures;
pub mod machine;
pub mod measure;
pub mod postkey;
pub mod report;
pub mod seed;
pub mod table;
pub mod tally;
pub mod usage;
pub mod work;
