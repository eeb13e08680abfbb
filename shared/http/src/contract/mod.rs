//! What the services say over HTTP, and the clients that ask them.
//!
//! Each answer is one struct, which the service writes and the client reads: a field has one name, here. Reading passes over
//! fields that it does not know, as a newer service may have. A client speaks to the service that was named, with its token, and
//! to nobody else; every answer has a bound, and every call a deadline.

mod activity;
mod behalf;
mod call;
mod command;
mod events;
mod instant;
mod passwords;
mod peer;
mod position;
mod problem;
mod query;
mod rebuild;
mod receipt;
mod services;
mod user_then;
mod users;
mod verify;

pub use activity::{ActivityPage, ActivityRecord};
pub use behalf::Behalf;
pub use command::{CommandClient, Guard, NewUser, PasswordCheck, UserEdit};
pub use events::{Event, EventData, Events};
pub use passwords::{BrokenRule, Checked, PasswordPolicy, PolicyRule, Suggestion};
pub use peer::ClientError;
pub use position::{Heard, PositionAnswer, PositionClient, StoppedBy};
pub use problem::{CallError, CallProblem};
pub use query::{EventList, QueryClient, UserList};
pub use rebuild::{OperatorClient, RebuildPhase, RebuildState};
pub use receipt::Receipt;
pub use services::{Plan, Service, Services, Usage};
pub use user_then::UserThen;
pub use users::{User, Users};
pub use verify::{Verified, VerifyClient};

#[cfg(test)]
mod tests;
