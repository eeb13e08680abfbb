//! After Save: since when the change is in force; while it is not yet, the page says so and turns by itself.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use postkey_http::{CallError, Code, User};
use uuid::Uuid;

use super::{At, ServiceLinks, id};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, page, see_other};
use crate::outcomes::Outcome;
#[cfg(test)]
use crate::texts::Language;
use crate::texts::{Texts, fill};
use crate::visit::SignedIn;
use crate::words::Instant;

/// How long a look waits for a change to come into force, and after how long the page looks again.
const WAIT: Duration = Duration::from_secs(1);
const AGAIN_AFTER: u32 = 1;
/// Of what came into force longer ago, the day is told too.
const LATELY: TimeDelta = TimeDelta::hours(12);

/// What was saved, for the sentence that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Names or quota.
    Edited,
    /// The password, and perhaps more.
    Password,
    /// A user was added.
    Added,
    /// Suspended.
    Suspended,
    /// Reactivated.
    Reactivated,
    /// Removed.
    Removed,
}

impl What {
    const fn words(self, t: &Texts) -> &'static str {
        match self {
            Self::Edited => t.saved_edited,
            Self::Password => t.saved_password,
            Self::Added => t.saved_added,
            Self::Suspended => t.saved_suspended,
            Self::Reactivated => t.saved_reactivated,
            Self::Removed => t.saved_removed,
        }
    }
}

/// Where the page about a change is.
pub fn saved_path(links: &ServiceLinks, user: Uuid, position: u64) -> String {
    links.user(user, &format!("saved/{position}"))
}

/// How a change stands.
enum Standing {
    /// Since then.
    InForceSince(Instant),
    /// It is; since when is not known any more.
    InForce,
    /// Not as far as is known.
    NotYet,
}

/// The page.
#[derive(Template)]
#[template(path = "saved.html")]
pub struct SavedPage {
    frame: Frame,
    links: ServiceLinks,
    /// What was done, once it is in force.
    what: String,
    /// "Active since … · change …", before and after the instant; or that it is not yet.
    before: String,
    since: Option<Instant>,
    after: String,
    in_force: bool,
    history: String,
    webmail: Option<String>,
}

impl SavedPage {
    fn new(
        frame: Frame,
        links: ServiceLinks,
        (id, user): (Uuid, Option<&User>),
        (position, standing, what): (u64, Standing, Option<What>),
        webmail: Option<&str>,
    ) -> Self {
        let t = frame.t;
        let number = position.to_string();
        let whom = user.and_then(|user| user.address.as_deref()).unwrap_or(t.the_user);
        let in_force = !matches!(standing, Standing::NotYet);
        let (before, since, after) = match standing {
            // The instant stands in an element of its own.
            Standing::InForceSince(at) => {
                let (before, after) = t.saved_active.split_once("{0}").unwrap_or_default();
                (before.to_owned(), Some(at), fill(after, &["", &number]))
            }
            Standing::InForce => (fill(t.saved_in_force, &[&number]), None, String::new()),
            Standing::NotYet => (fill(t.saved_pending, &[&number]), None, String::new()),
        };
        let what = what.filter(|_| in_force).map(|what| fill(what.words(t), &[whom]));
        Self {
            what: what.unwrap_or_default(),
            before,
            since,
            after,
            in_force,
            history: links.user(id, "history"),
            frame: Frame { again_after: (!in_force).then_some(AGAIN_AFTER), ..frame },
            webmail: webmail.map(str::to_owned),
            links,
        }
    }

    #[cfg(test)]
    pub fn sample(language: Language, in_force: bool) -> Self {
        let user = User::example();
        let standing = match user.credential_changed_at {
            Some(at) if in_force => Standing::InForceSince(Instant::second(at)),
            _ => Standing::NotYet,
        };
        let (links, of) = (ServiceLinks::sample(), (user.user, Some(&user)));
        Self::new(Frame::sample(language), links, of, (4711, standing, Some(What::Password)), Some("/webmail"))
    }
}

/// `GET /services/email/{service}/users/{user}/saved/{position}`. It tells of what this panel has saved, and of a user's newest
/// change; of anything else the history does.
pub async fn show(
    State(app): State<App>,
    who: SignedIn,
    At((service, user, position)): At<(String, String, u64)>,
) -> Result<Response, Failure> {
    let (behalf, service, user) = (who.behalf(), id(&service)?, id(&user)?);
    let (of_service, of_user, reached) = tokio::join!(
        app.queries.service(&behalf, service),
        app.queries.user(&behalf, service, user),
        app.queries.position(position, WAIT),
    );
    let outcome = app.outcomes.of(user, position);
    // Where it can't be told how far the read model is, the change is not in force as far as this page knows; stored it is.
    let in_force = reached.is_ok_and(|reached| reached.position >= position);
    let links = match (of_service, outcome) {
        (Ok(service), _) => ServiceLinks::of(&service),
        (Err(error), Some(_)) if !is_not_found(&error) => ServiceLinks::of_id(service),
        (Err(error), _) => return Err(error.into()),
    };
    let of_user = match (of_user, outcome) {
        (Ok(user), _) => Some(user),
        // Whoever was added just now is not there yet.
        (Err(error), Some(_)) if !in_force || !is_not_found(&error) => None,
        (Err(error), _) => return Err(error.into()),
    };
    let newest = of_user.as_ref().is_some_and(|user| user.revision == position);
    if outcome.is_none() && !newest {
        return Ok(see_other(&links.user(user, "history")));
    }
    let now = app.clock.now();
    if in_force {
        app.outcomes.found_in_force(user, position, now);
    }
    let standing = match app.outcomes.of(user, position) {
        _ if !in_force => Standing::NotYet,
        Some(Outcome { in_force: Some(at), .. }) if now - at < LATELY => Standing::InForceSince(Instant::second(at)),
        Some(Outcome { in_force: Some(at), .. }) => Standing::InForceSince(Instant::minute(at, who.visit.language)),
        _ => Standing::InForce,
    };
    let change = (position, standing, outcome.map(|outcome| outcome.what));
    let frame = Frame::of(&who, &app);
    page(StatusCode::OK, &SavedPage::new(frame, links, (user, of_user.as_ref()), change, app.webmail_url()))
}

fn is_not_found(error: &CallError) -> bool {
    matches!(error, CallError::Problem(problem) if problem.code == Some(Code::NotFound))
}
