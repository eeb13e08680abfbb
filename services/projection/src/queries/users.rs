//! `GET /v1/services/{service}/users` and `GET /v1/services/{service}/users/{user}`.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{ServiceId, UserId};
use postkey_http::{Caller, Fields, FromFields, PathIds, Problem, Query, Role, Tenancy};
use serde::Serialize;
use uuid::Uuid;

use super::{after, cursor, limit, own_service};
use crate::app::App;
use crate::read_model::{UserQuery, UserRow};

/// Which users.
pub struct Users {
    after: Option<UserId>,
    limit: u32,
}

impl FromFields for Users {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let after = after(fields, |key| Uuid::from_slice(&key).ok().map(UserId::new));
        Some(Self { after, limit: limit(fields) })
    }
}

/// A user as the API shows it; null where erased.
#[derive(Serialize)]
pub struct UserView {
    user: Uuid,
    service: Uuid,
    address: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    quota_bytes: u64,
    state: &'static str,
    revision: u64,
    credential_changed_at: Option<String>,
}

/// A page of users.
#[derive(Serialize)]
pub struct UsersView {
    users: Vec<UserView>,
    next: Option<String>,
}

impl From<&UserRow> for UserView {
    fn from(row: &UserRow) -> Self {
        let person = row.user.person.value.known();
        let shown = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        Self {
            user: row.id.uuid(),
            service: row.service.uuid(),
            address: person.map(|person| person.address.as_str().to_owned()),
            first_name: person.map(|person| person.first_name.as_str().to_owned()),
            last_name: person.map(|person| person.last_name.as_str().to_owned()),
            quota_bytes: row.user.quota.bytes(),
            state: row.user.state.as_str(),
            revision: row.user.revision.get(),
            credential_changed_at: row.user.credential.as_ref().map(|credential| shown(credential.changed_at)),
        }
    }
}

/// The service's users, removed ones included, in the order in which they were added.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    PathIds([service]): PathIds<1>,
    Query(asked): Query<Users>,
) -> Result<Json<UsersView>, Problem> {
    caller.require(&[Role::Panel, Role::Operator])?;
    let service = own_service(&app, &tenancy, ServiceId::new(service)).await?.id;
    let page = app.queries.users(&UserQuery { service, after: asked.after, limit: asked.limit }).await?;
    let last = page.rows.last().filter(|_| page.more);
    let next = last.map(|row| cursor(row.id.as_bytes()));
    Ok(Json(UsersView { users: page.rows.iter().map(UserView::from).collect(), next }))
}

/// One user.
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    PathIds([service, user]): PathIds<2>,
) -> Result<Json<UserView>, Problem> {
    caller.require(&[Role::Panel, Role::Operator])?;
    let service = own_service(&app, &tenancy, ServiceId::new(service)).await?.id;
    let row = app.queries.user(service, UserId::new(user)).await?;
    row.as_ref().map(UserView::from).map(Json).ok_or_else(Problem::not_found)
}
