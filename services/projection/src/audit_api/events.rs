//! `GET /v1/audit/events`: what happened to the caller's own services, in the order of the log.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{Customer, Position, ServiceId};
use postkey_http::{
    Caller, Code, Event, Events, Fields, FromFields, HealthCheck, Operation, Problem, Query, Role, Tenancy,
};

use super::entries;
use super::filter::Filter;
use super::looking::{Found, Looking};
use super::place::Place;
use crate::app::App;
use crate::paging::{After, List, limit};
use crate::queries::{NOT_NOW, own_service, position};
use crate::read_model::ServiceQuery;
use crate::turns::Whose;

/// So many services are asked for at a time.
const SERVICES: u32 = 500;

/// Which events.
pub struct Asked {
    filter: Filter,
    after: Option<After>,
    limit: u32,
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let filter = Filter::from_fields(fields);
        let (after, limit) = (After::read(fields), limit(fields));
        Some(Self { filter: filter?, after, limit })
    }
}

/// Who may ask.
const ROLES: &[Role] = &[Role::Panel];

pub fn operation() -> Operation {
    let next = List::new("events", &[]).cursor(&Place::START.to_bytes());
    let page = Events { events: vec![Event::example()], next: Some(next) };
    Operation::new("events", "history", "What happened to one's own services")
        .details("A page may have fewer events than were asked for, or none, and a `next` all the same: only without one it is the last.")
        .details("Whoever walks through the pages sees every event exactly once; what happens meanwhile, too, before the last.")
        .roles(ROLES)
        .tenancy()
        .query::<Asked>()
        .answers(StatusCode::OK, "A page, as new as the rows that panels look up.", &page)
        .problems(NOT_NOW)
}

/// Events as new as the rows that panels look up. A page looks at some thousands of entries at the most: it may have fewer
/// events than were asked for, or none, and a `next` all the same; only without one it is the last. 404 for a service that
/// is not the caller's; 503 where log or keys can't be had, or while too many ask, or the caller asks too often at once.
pub async fn events(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    Query(asked): Query<Asked>,
) -> Result<Json<Events>, Problem> {
    caller.require(ROLES)?;
    let customer = tenancy.only().map_or("", Customer::as_str);
    let texts = asked.filter.texts();
    let filters: Vec<_> = std::iter::once(customer).chain(texts.iter().map(String::as_str)).collect();
    let list = List::new("events", &filters);
    let after = asked.after.map(|after| after.key(&list, Place::from_bytes)).transpose()?.unwrap_or(Place::START);
    position::belongs_to_the_log(&app.progress.borrow())?;
    // Before the services are looked up: then none of them lacks an entry up to here.
    let applied = app.queries.live_rows().await?.applied;
    let read_after = after.read_after();
    let services = with_entries(&app, &tenancy, asked.filter.service, read_after).await?;
    let found = if read_after >= applied {
        Found { events: Vec::new(), next: None }
    } else {
        let _turn = app.looking.take(&Whose::of(&caller, &tenancy)).await?;
        let entries = entries::of_services(&app.log, &services, read_after, applied);
        let limit = asked.limit as usize;
        let (log, vault, filter) = (app.log.id(), &app.vault, &asked.filter);
        let found = Looking { log, vault, filter, services: &services, after, limit }.through(entries).await;
        found.inspect_err(|problem| note(&app.history, problem))?
    };
    Ok(Json(Events { events: found.events, next: found.next.map(|place| list.cursor(&place.to_bytes())) }))
}

/// What is corrupt is said to a person, and stays said: it may lie where nobody else reads any more.
fn note(history: &HealthCheck, problem: &Problem) {
    if problem.code == Code::LogCorrupt {
        history.impaired(
            "what the log holds of a service's history is not what was written: this service's log says where",
        );
    }
}

/// The caller's services, or the one that is asked for, as far as they have entries after a position.
async fn with_entries(
    app: &App,
    tenancy: &Tenancy,
    asked: Option<ServiceId>,
    after: Position,
) -> Result<HashSet<ServiceId>, Problem> {
    if let Some(service) = asked {
        let row = own_service(app, tenancy, service).await?;
        return Ok(Some(row).filter(|row| row.last.position > after).map(|row| row.id).into_iter().collect());
    }
    let mut query = ServiceQuery { customer: tenancy.only().cloned(), after: None, limit: SERVICES };
    let mut found = HashSet::new();
    loop {
        let page = app.queries.services(&query).await?;
        found.extend(page.rows.iter().filter(|row| row.last.position > after).map(|row| row.id));
        match page.rows.last() {
            Some(last) if page.more => query.after = Some(last.service.domain.as_str().to_owned()),
            _ => return Ok(found),
        }
    }
}
