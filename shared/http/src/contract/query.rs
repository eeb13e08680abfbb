//! The client of the projection service, as a panel uses it.

use std::time::Duration;

use axum::http::Method;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::behalf::Behalf;
use super::call::Callee;
use super::events::Events;
use super::peer::{ANSWER_WITHIN, ClientError, MAX_ANSWER_BYTES};
use super::position::{PositionAnswer, position_url, whole_seconds};
use super::problem::CallError;
use super::services::{Service, Services};
use super::users::{User, Users};

/// How long a list may take: a search or a look into the history waits up to five seconds for its turn.
const LIST_WITHIN: Duration = Duration::from_secs(15);
/// The most rows that a page has, whatever is asked for.
const MOST_ROWS: u32 = 500;
/// More than any row takes: names of 100 code points of four bytes, an address with a long domain, ids.
const ROW_BYTES: usize = 2 * 1024;

/// Which users.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserList {
    /// A part of a name, of both (`first last`) or of the address, whatever its case and accents.
    pub search: Option<String>,
    /// The `next` of an earlier page, with the same search.
    pub after: Option<String>,
    /// The most users of the page, 1 to 500.
    pub limit: u32,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventList {
    /// Of this service.
    pub service: Option<Uuid>,
    /// About this user.
    pub user: Option<Uuid>,
    /// The `next` of an earlier page, with the same service and user.
    pub after: Option<String>,
    /// The most events of the page, 1 to 500.
    pub limit: u32,
}

/// Asks the projection service, with a token of role panel.
#[derive(Clone, Debug)]
pub struct QueryClient(Callee);

impl QueryClient {
    /// A client of the service at this base URL.
    pub fn new(url: &str, token: &SecretString) -> Result<Self, ClientError> {
        Callee::new(url, token).map(Self)
    }

    /// Whether the service says that it is ready.
    pub async fn ready(&self) -> Result<(), CallError> {
        self.0.ready().await
    }

    /// A page of the customer's services, in the order of their domains.
    pub async fn services(&self, behalf: &Behalf, after: Option<&str>, limit: u32) -> Result<Services, CallError> {
        self.list(behalf, "/v1/services", [("after", after)], limit).await
    }

    /// One service, with its plan and what is used of it.
    pub async fn service(&self, behalf: &Behalf, service: Uuid) -> Result<Service, CallError> {
        self.0.call(Method::GET, &format!("/v1/services/{service}")).with(behalf.headers()?).answer().await
    }

    /// A page of a service's users, removed ones included, in the order of their ids.
    pub async fn users(&self, behalf: &Behalf, service: Uuid, list: &UserList) -> Result<Users, CallError> {
        let parameters = [("search", list.search.as_deref()), ("after", list.after.as_deref())];
        self.list(behalf, &format!("/v1/services/{service}/users"), parameters, list.limit).await
    }

    /// One user.
    pub async fn user(&self, behalf: &Behalf, service: Uuid, user: Uuid) -> Result<User, CallError> {
        let path = format!("/v1/services/{service}/users/{user}");
        self.0.call(Method::GET, &path).with(behalf.headers()?).answer().await
    }

    /// A page of what happened to the customer's services, in the order of the log. It may have fewer events than were asked for,
    /// or none, and a `next` all the same: only without one it is the last.
    pub async fn events(&self, behalf: &Behalf, list: &EventList) -> Result<Events, CallError> {
        let id = |id: Option<Uuid>| id.map(|id| id.to_string());
        let (service, user) = (id(list.service), id(list.user));
        let parameters = [("service", service.as_deref()), ("user", user.as_deref()), ("after", list.after.as_deref())];
        self.list(behalf, "/v1/audit/events", parameters, list.limit).await
    }

    /// How far the projection has come, once it has applied `at_least`, or after `wait` (at most 30 s) with what it has.
    pub async fn position(&self, at_least: u64, wait: Duration) -> Result<PositionAnswer, CallError> {
        let seconds = whole_seconds(wait);
        let call = self.0.call_at(Method::GET, position_url(self.0.base(), at_least, seconds));
        call.within(Duration::from_secs(seconds) + ANSWER_WITHIN).answer().await
    }

    async fn list<'t, T: DeserializeOwned>(
        &self,
        behalf: &Behalf,
        path: &str,
        parameters: impl IntoIterator<Item = (&'static str, Option<&'t str>)>,
        limit: u32,
    ) -> Result<T, CallError> {
        let rows = limit.min(MOST_ROWS) as usize;
        let call = self.0.call(Method::GET, path).with(behalf.headers()?).asking(parameters);
        let call = call.asking([("limit", Some(limit.to_string().as_str()))]);
        call.within(LIST_WITHIN).at_most(MAX_ANSWER_BYTES + rows * ROW_BYTES).answer().await
    }
}
