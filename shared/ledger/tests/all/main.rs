//! The ledger against known vectors, against other people's implementations, and against its own laws.

mod fixed;
mod laws;
mod notes;
mod oracles;
mod tree;
mod vectors;
