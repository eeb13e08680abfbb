//! The projector over a read model in SQLite and a real vault.

mod back_fill;
mod following;
mod halting;
mod old_rows;
mod stopped;
