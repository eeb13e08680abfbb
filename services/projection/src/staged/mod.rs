//! What the tests of this crate put in the place of the world: a command side without HTTP, hashing or a clock; keys that
//! can be switched off; and a projector on a leash.

mod following;
mod world;

use std::time::Duration;

pub use audit::staged::{Act, Author, LOG, OTHER_LOG, address, id_of, leaf, user_of};
use wire::{Entry, Subject};

pub use following::{Following, checks};
pub use world::World;

/// How long anything may take before it counts as hung.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An entry of a subject with one bit of its bytes changed.
pub fn flipped(mut entry: Entry) -> Entry {
    let middle = entry.bytes.len() / 3;
    entry.bytes[middle] ^= 1;
    entry
}

/// Bytes that were never an entry, on the subject of a service.
pub fn scribble(service: u8) -> Entry {
    Entry { subject: Subject::service(id_of(service)), bytes: b"scribble".to_vec() }
}
