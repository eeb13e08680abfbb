//! What the PostgreSQL adapters share: where a database is, connections that come back by themselves, what an error means,
//! and whose a schema is and of which version.
//!
//! It knows no table of theirs, and nothing of logs, keys or rows. No URL, password or value of a column is ever said.

mod connections;
mod fault;
mod location;
mod schema;

pub use connections::{Connections, Durability, Session, Statement};
pub use fault::{Fault, fault, is_dead, said};
pub use location::{Location, LocationError};
pub use schema::{NotOurs, Schema};
