//! `GET /v1/audit/events`: what happened, in the order of the log; to panels, what happened to their own services.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use postkey_http::{Caller, Event, Events, Fields, FromFields, Operation, Problem, Query, Tenancy};

use super::filter::{About, Filter};
use super::place::Place;
use super::telling::{ROLES, Telling};
use crate::app::App;
use crate::paging::{After, List, limit};
use crate::queries::NOT_NOW;

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

impl Asked {
    /// The service and the user that are asked for.
    pub fn about(&self) -> About {
        self.filter.about()
    }
}

pub fn operation() -> Operation {
    let next = List::new("events", &[]).cursor(&Place::START.to_bytes());
    let (origin, reason) = (Some(Some("203.0.113.7".to_owned())), Some(Some("asked by phone".to_owned())));
    let page = Events { events: vec![Event { origin, reason, ..Event::example() }], next: Some(next) };
    Operation::new("events", "history", "What happened")
        .details("A panel is told of its own services; auditors and operators of all, unless they name a customer, and they are told \
                  `origin` and `reason`. An auditor without the right to personal data sees no address and no name: those are null, \
                  and the event says `redacted`.")
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
    let telling = Telling::new(app, caller, tenancy, asked.filter)?;
    let filters = telling.list_filters();
    let list = List::new("events", &filters.iter().map(String::as_str).collect::<Vec<_>>());
    let after = asked.after.map(|after| after.key(&list, Place::from_bytes)).transpose()?.unwrap_or(Place::START);
    let found = telling.page(after, asked.limit as usize).await?.found;
    let events = found.events.into_iter().map(|(_, event)| event).collect();
    Ok(Json(Events { events, next: found.next.map(|place| list.cursor(&place.to_bytes())) }))
}
