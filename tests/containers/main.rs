//! NATS and PostgreSQL in containers, by their official tags, through testcontainers: wherever a Docker daemon answers.
//!
//! Where none does, every test passes and the record of the run says so. That is the only way to pass without a test: what
//! is amiss with a daemon that answers, a missing image that can't be built included, is a failure.
//!
//! Ports are of 127.0.0.1 and outlive a container's restart; containers and networks are gone with the process, also when
//! it is killed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod cluster;
mod docker;
mod log;
mod nats;
mod postgres;
