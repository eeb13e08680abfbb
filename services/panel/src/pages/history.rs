//! History: who changed what of a user, and when, in words.

use std::collections::HashMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postkey_http::{Event, EventList, Events, Service, User};
use serde::Deserialize;

use super::{Asked, At, ServiceLinks, change_number, id, shown_address};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, encoded, page};
use crate::texts::{Language, Texts, fill};
use crate::visit::SignedIn;
use crate::words::{Instant, isolated, size};

/// How many events a page shows.
const LIMIT: u32 = 100;

/// The page.
#[derive(Template)]
#[template(path = "history.html")]
pub struct HistoryPage {
    frame: Frame,
    links: ServiceLinks,
    title: String,
    lines: Vec<Line>,
    first: Option<String>,
    next: Option<String>,
}

struct Line {
    at: Instant,
    change: String,
    what: Vec<String>,
    who: String,
}

/// What an event says, in words.
fn words(t: &Texts, language: Language, event: &Event) -> Vec<String> {
    let data = &event.data;
    let known = |value: &Option<Option<String>>| value.clone().flatten().unwrap_or_else(|| t.erased.to_owned());
    match &*event.r#type {
        "UserAdded" => {
            let name = match (&data.first_name, &data.last_name) {
                (Some(Some(first)), Some(Some(last))) => isolated(&format!("{first} {last}")),
                _ => t.erased.to_owned(),
            };
            let quota = size(data.quota_bytes.unwrap_or_default(), language);
            vec![fill(t.event_added, &[&known(&data.address), &name, &quota])]
        }
        "UserEdited" => {
            let names = [(&data.first_name, t.event_first_name), (&data.last_name, t.event_last_name)];
            let erased = names.iter().any(|(name, _)| **name == Some(None));
            let mut said: Vec<_> = if erased {
                vec![t.event_names_erased.to_owned()]
            } else {
                names
                    .iter()
                    .filter_map(|(name, said)| Some(fill(said, &[&isolated(name.as_ref()?.as_ref()?)])))
                    .collect()
            };
            said.extend(data.quota_bytes.map(|bytes| fill(t.event_quota, &[&size(bytes, language)])));
            said
        }
        "PasswordChanged" if data.by_user == Some(true) => vec![t.event_own_password.to_owned()],
        "PasswordChanged" => vec![t.event_password.to_owned()],
        "UserSuspended" => vec![t.event_suspended.to_owned()],
        "UserReactivated" => vec![t.event_reactivated.to_owned()],
        "UserRemoved" => vec![t.event_removed.to_owned()],
        "UserErased" => vec![t.event_erased.to_owned()],
        other => vec![fill(t.event_other, &[other])],
    }
}

/// Who it was, in words: the user; or the client that asked, and whom it named, where that is an account of this customer's.
fn who_words(t: &Texts, names: &HashMap<String, String>, event: &Event) -> String {
    if event.data.by_user == Some(true) {
        return t.who_user.to_owned();
    }
    match event.actor.as_ref().and_then(|actor| names.get(actor)) {
        Some(name) => fill(t.who_account, &[name, &event.client]),
        None => fill(t.who_client, &[&event.client]),
    }
}

impl HistoryPage {
    fn new(
        frame: Frame,
        (service, user): (&Service, &User),
        events: &Events,
        names: &HashMap<String, String>,
        first: bool,
    ) -> Self {
        let (t, language) = (frame.t, frame.language);
        let links = ServiceLinks::of(service);
        let mut lines: Vec<(u64, Line)> = Vec::new();
        for event in &events.events {
            let said = words(t, language, event);
            // What one change did stands together.
            match lines.last_mut() {
                Some((position, line)) if *position == event.position => line.what.extend(said),
                _ => lines.push((
                    event.position,
                    Line {
                        at: Instant::minute(event.at, language),
                        change: change_number(t, event.position),
                        what: said,
                        who: who_words(t, names, event),
                    },
                )),
            }
        }
        let path = links.user(user.user, "history");
        Self {
            title: fill(t.history_title, &[&shown_address(t, user.address.as_deref())]),
            lines: lines.into_iter().map(|(_, line)| line).collect(),
            first: (!first).then(|| path.clone()),
            next: events.next.as_deref().map(|after| format!("{path}?after={}", encoded(after))),
            links,
            frame,
        }
    }

    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        let event = Event::example();
        let named = event.actor.clone().into_iter().map(|actor| (actor, "demo".to_owned())).collect();
        let events = Events { events: vec![event], next: Some("n".to_owned()) };
        Self::new(Frame::sample(language), (&Service::example(), &User::example()), &events, &named, false)
    }
}

/// Which of it.
#[derive(Deserialize)]
pub struct Which {
    after: Option<String>,
}

/// `GET /services/email/{service}/users/{user}/history`.
pub async fn show(
    State(app): State<App>,
    who: SignedIn,
    At((service, user)): At<(String, String)>,
    Asked(which): Asked<Which>,
) -> Result<Response, Failure> {
    let (behalf, service, user) = (who.behalf(), id(&service)?, id(&user)?);
    let list = EventList { service: Some(service), user: Some(user), after: which.after.clone(), limit: LIMIT };
    let (service, user, events) = tokio::join!(
        app.queries.service(&behalf, service),
        app.queries.user(&behalf, service, user),
        app.queries.events(&behalf, &list),
    );
    let names = app.accounts.names_of(&who.account.customer).await?;
    let names = names.into_iter().map(|(id, name)| (id.to_string(), name)).collect();
    let (service, user) = (service?, user?);
    let frame = Frame::of(&who, &app);
    page(StatusCode::OK, &HistoryPage::new(frame, (&service, &user), &events?, &names, which.after.is_none()))
}
