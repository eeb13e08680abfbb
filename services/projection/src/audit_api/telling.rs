//! Who is told of which events, and how a page of them is found.

use std::collections::HashSet;

use domain::{Position, ServiceId};
use postkey_http::{Caller, Code, HealthCheck, Problem, Role, Tenancy};

use super::entries;
use super::filter::Filter;
use super::looking::{Among, Found, Looking, Told};
use super::place::Place;
use crate::app::App;
use crate::queries::{own_service, position};
use crate::read_model::ServiceQuery;
use crate::turns::Whose;

/// Who may ask for events: panels for their own services', the others for all.
pub const ROLES: &[Role] = &[Role::Panel, Role::Auditor, Role::Operator];
/// So many services are asked for at a time.
const SERVICES: u32 = 500;

/// A question for events, by whom it is asked.
pub struct Telling {
    app: App,
    caller: Caller,
    tenancy: Tenancy,
    /// Which events.
    pub filter: Filter,
}

/// A page, and how far the log was in force when it was made: where it has no `next`, everything up to there was looked at.
pub struct Page {
    pub found: Found,
    pub applied: Position,
}

impl Telling {
    /// A question of this caller.
    ///
    /// # Errors
    /// 403 for whoever may not ask.
    pub fn new(app: App, caller: Caller, tenancy: Tenancy, filter: Filter) -> Result<Self, Problem> {
        caller.require(ROLES)?;
        Ok(Self { app, caller, tenancy, filter })
    }

    /// The caller, its customer and the filters, as a list's.
    pub fn list_filters(&self) -> Vec<String> {
        let customer = self.tenancy.only().map(ToString::to_string).unwrap_or_default();
        std::iter::once(customer).chain(self.filter.texts()).collect()
    }

    /// Who asks.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Events behind a place, as new as the rows that panels look up. It looks at some thousands of entries at the most.
    ///
    /// # Errors
    /// 404 for a service that is not the caller's; 503 where log or keys can't be had, or are not what they must be, or while
    /// too many ask.
    pub async fn page(&self, after: Place, limit: usize) -> Result<Page, Problem> {
        let app = &self.app;
        position::belongs_to_the_log(&app.progress.borrow())?;
        // Before the services are looked up: then none of them lacks an entry up to here.
        let applied = app.queries.live_rows().await?.applied;
        let read_after = after.read_after();
        let services = self.services(read_after).await?;
        if read_after >= applied {
            return Ok(Page { found: Found { events: Vec::new(), next: None }, applied });
        }
        let _turn = app.looking.take(&Whose::of(&self.caller, &self.tenancy)).await?;
        let by_index = match self.filter.user {
            // Until the ledger has come so far, the entries about a user are looked for among the others.
            Some(user) if app.ledger.ledger().await?.size >= applied => Some(user),
            _ => None,
        };
        let (among, entries) = match (by_index, &services) {
            (Some(user), services) => {
                let entries = entries::about(&app.log, &*app.ledger, user, read_after, applied);
                (Among::User(services.as_ref()), entries)
            }
            (None, Some(services)) => {
                (Among::Services(services), entries::of_services(&app.log, services, read_after, applied))
            }
            (None, None) => (Among::All, entries::all(&app.log, read_after, applied)),
        };
        let (log, vault, filter, told) = (app.log.id(), &app.vault, &self.filter, self.told());
        let found = Looking { log, vault, filter, among, told, after, limit }.through(entries).await;
        let found = found.inspect_err(|problem| note(&app.history, problem))?;
        Ok(Page { found, applied })
    }

    fn told(&self) -> Told {
        match self.caller.role {
            Role::Auditor | Role::Operator => Told::Auditor { personal: self.caller.sees_personal() },
            Role::Panel | Role::Webmail | Role::Service => Told::Panel,
        }
    }

    /// The services that are asked for, as far as they have entries after a position; none where all are.
    async fn services(&self, after: Position) -> Result<Option<HashSet<ServiceId>>, Problem> {
        if let Some(service) = self.filter.service {
            let row = own_service(&self.app, &self.tenancy, service).await?;
            return Ok(Some(Some(row).filter(|row| row.last.position > after).map(|row| row.id).into_iter().collect()));
        }
        let Some(customer) = self.tenancy.only() else { return Ok(None) };
        let mut query = ServiceQuery { customer: Some(customer.clone()), after: None, limit: SERVICES };
        let mut found = HashSet::new();
        loop {
            let page = self.app.queries.services(&query).await?;
            found.extend(page.rows.iter().filter(|row| row.last.position > after).map(|row| row.id));
            match page.rows.last() {
                Some(last) if page.more => query.after = Some(last.service.domain.as_str().to_owned()),
                _ => return Ok(Some(found)),
            }
        }
    }
}

/// What is corrupt is said to a person, and stays said: it may lie where nobody else reads any more.
pub fn note(history: &HealthCheck, problem: &Problem) {
    if problem.code == Code::LogCorrupt {
        history.impaired(
            "what the log holds of a service's history is not what was written: this service's log says where",
        );
    }
}
