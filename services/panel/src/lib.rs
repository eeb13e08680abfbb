//! The customer panel: a reference frontend, and a sign-in page that stands in for a webmail server.
//!
//! Pages are made on the server, one file a page in [`pages`], and work without scripts. What they show and change goes over the
//! two services' public HTTP API with their typed client, as any customer's panel would do it. The panel keeps its accounts and
//! their sessions ([`accounts`]), and nothing of mailboxes.
//!
//! It knows nothing of the log, the read model, keys or events, and decides nothing: whose a service is, what a password must be
//! and what a plan allows, the services say.

pub mod accounts;
mod app;
mod assets;
mod failure;
mod frame;
mod guard;
mod outcomes;
mod pages;
mod texts;
mod visit;
mod webmail_sessions;
mod words;

pub use app::{Parts, Places, run};
