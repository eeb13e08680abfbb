//! The stage of the black-box tests: starts the real binary on a folder of its own, speaks to it over HTTP, and leaves
//! nothing behind.
//!
//! It knows no crate of the workspace: what a test sees is what a customer's panel, a webmail server or an operator at a
//! shell sees. Answers are raw JSON, so that a renamed field fails.

#![allow(clippy::unwrap_used, reason = "a stage that can't be set up says where it broke")]

mod answer;
mod api;
mod binary;
mod crew;
mod document;
mod folder;
mod health;
mod keys;
mod os;
mod random;
mod rebuilt;
mod rows;
mod running;
mod scene;
mod schema;
mod separate;
mod stack;
mod until;
mod visitor;

pub use answer::{Answer, is_instant};
pub use api::Api;
pub use binary::{binary, postkey};
pub use crew::{Crew, Worker, Working};
pub use document::{Document, Sent};
pub use folder::Folder;
pub use keys::{HeldKeys, StoredKeys};
pub use os::{in_own_mounts, text_of};
pub use random::Random;
pub use running::{Finished, Running, run};
pub use scene::{MIB, PASSWORD, Scene, Stopped, new_user};
pub use separate::{Seat, Separate, Several};
pub use stack::{Endpoints, FREE_PORTS, Stack, endpoints, listening, new_account, new_token, tokens, up};
pub use until::{SOON, until};
pub use visitor::{Page, Visitor};
