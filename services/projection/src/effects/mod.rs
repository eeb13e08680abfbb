//! What entries have for consequences beside rows. Each has a cursor of its own, outside of the generations: a rebuild
//! causes none of them again.

mod destruction;

pub use destruction::Destruction;
