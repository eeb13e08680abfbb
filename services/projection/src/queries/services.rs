//! `GET /v1/services` and `GET /v1/services/{service}`.

use axum::Json;
use axum::extract::State;
use domain::{Customer, ServiceId};
use postkey_http::{Caller, Fields, FromFields, PathIds, Problem, Query, Role, Tenancy};
use serde::Serialize;
use uuid::Uuid;

use super::{after, cursor, limit, own_service};
use crate::app::App;
use crate::read_model::{ServiceQuery, ServiceRow};

/// Which services.
pub struct Services {
    customer: Option<Customer>,
    after: Option<String>,
    limit: u32,
}

impl FromFields for Services {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let customer = fields.optional("customer", Customer::parse);
        let after = after(fields, |key| String::from_utf8(key).ok());
        Some(Self { customer, after, limit: limit(fields) })
    }
}

/// A service as the API shows it.
#[derive(Serialize)]
pub struct ServiceView {
    service: Uuid,
    domain: String,
    customer: String,
    plan: PlanView,
    usage: UsageView,
    revision: u64,
}

#[derive(Serialize)]
struct PlanView {
    mailboxes: u32,
    pool_bytes: u64,
}

#[derive(Serialize)]
struct UsageView {
    mailboxes: u32,
    allotted_bytes: u64,
}

/// A page of services.
#[derive(Serialize)]
pub struct ServicesView {
    services: Vec<ServiceView>,
    next: Option<String>,
}

impl From<&ServiceRow> for ServiceView {
    fn from(row: &ServiceRow) -> Self {
        let service = &row.service;
        Self {
            service: row.id.uuid(),
            domain: service.domain.to_string(),
            customer: service.customer.to_string(),
            plan: PlanView { mailboxes: service.plan.mailboxes(), pool_bytes: service.plan.pool_bytes() },
            usage: UsageView { mailboxes: service.usage.mailboxes, allotted_bytes: service.usage.allotted_bytes },
            revision: service.revision.get(),
        }
    }
}

/// The caller's services, in the order of their domains.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    Query(asked): Query<Services>,
) -> Result<Json<ServicesView>, Problem> {
    caller.require(&[Role::Panel, Role::Operator])?;
    let customer = match (tenancy.only(), asked.customer) {
        (Some(own), Some(other)) if *own != other => return Ok(Json(ServicesView { services: vec![], next: None })),
        (Some(own), _) => Some(own.clone()),
        (None, asked) => asked,
    };
    let page = app.queries.services(&ServiceQuery { customer, after: asked.after, limit: asked.limit }).await?;
    let last = page.rows.last().filter(|_| page.more);
    let next = last.map(|row| cursor(row.service.domain.as_str().as_bytes()));
    Ok(Json(ServicesView { services: page.rows.iter().map(ServiceView::from).collect(), next }))
}

/// One service.
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    PathIds([service]): PathIds<1>,
) -> Result<Json<ServiceView>, Problem> {
    caller.require(&[Role::Panel, Role::Operator])?;
    let row = own_service(&app, &tenancy, ServiceId::new(service)).await?;
    Ok(Json(ServiceView::from(&row)))
}
