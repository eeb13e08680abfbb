//! Everything that a client can get wrong: a clear problem that names it all at once, and nothing changed.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod bodies;
mod documented;
mod fields;
mod headers;
mod passwords;
mod queries;
mod routes;
