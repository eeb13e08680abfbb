//! Real NATS and PostgreSQL servers for tests.
