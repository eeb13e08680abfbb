//! What the PostgreSQL adapters share.
