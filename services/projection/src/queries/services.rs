//! `GET /v1/services` and `GET /v1/services/{service}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::IntoResponse;
use domain::{Customer, ServiceId};
use postkey_http::{
    Caller, Fields, FromFields, Operation, PathIds, Problem, Query, Service, Services, Tenancy, entity_tag,
};

use super::{ASKERS, own_service, question, with_entity_tag};
use crate::app::App;
use crate::paging::{After, List, limit};
use crate::read_model::ServiceQuery;

/// Which services.
pub struct Asked {
    customer: Option<Customer>,
    after: Option<After>,
    limit: u32,
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let customer = fields.optional("customer", Customer::parse);
        Some(Self { customer, after: After::read(fields), limit: limit(fields) })
    }
}

fn example_page() -> Services {
    Services { services: vec![Service::example()], next: Some(List::new("services", &[]).cursor(b"walk.example")) }
}

pub fn list_operation() -> Operation {
    question("services", "List email services")
        .details(
            "In the order of their domains. Whoever walks through the pages sees every service that was there when the walk began \
             exactly once; one that is provisioned meanwhile, once or not at all.",
        )
        .query::<Asked>()
        .answers(StatusCode::OK, "A page; of another customer's services there are none.", &example_page())
}

pub fn one_operation() -> Operation {
    with_entity_tag(question("service", "Look at an email service").answers(
        StatusCode::OK,
        "The service, its plan, and what is used of it.",
        &Service::example(),
    ))
}

/// The caller's services, in the order of their domains.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    Query(asked): Query<Asked>,
) -> Result<Json<Services>, Problem> {
    caller.require(ASKERS)?;
    let customer = match (tenancy.only(), asked.customer) {
        (Some(own), Some(other)) if *own != other => return Ok(Json(Services { services: vec![], next: None })),
        (Some(own), _) => Some(own.clone()),
        (None, asked) => asked,
    };
    let list = List::new("services", &[customer.as_ref().map_or("", Customer::as_str)]);
    let domain = |key: &[u8]| String::from_utf8(key.to_vec()).ok().filter(|domain| !domain.contains('\0'));
    let after = asked.after.map(|after| after.key(&list, domain)).transpose()?;
    let page = app.queries.services(&ServiceQuery { customer, after, limit: asked.limit }).await?;
    let last = page.rows.last().filter(|_| page.more);
    let next = last.map(|row| list.cursor(row.service.domain.as_str().as_bytes()));
    Ok(Json(Services { services: page.rows.iter().map(audit::shown::service).collect(), next }))
}

/// One service. Its `ETag` is the revision that a change of its plan takes as `If-Match`. What is in use changes with its
/// users and without its revision, so nobody is told that he has it already.
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    PathIds([service]): PathIds<1>,
) -> Result<impl IntoResponse, Problem> {
    caller.require(ASKERS)?;
    let row = own_service(&app, &tenancy, ServiceId::new(service)).await?;
    Ok(([(ETAG, entity_tag(row.service.revision.get()))], Json(audit::shown::service(&row))))
}
