//! Service information: what is used of what there is, whether all is well, and what can be managed.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postkey_http::{CallError, PositionAnswer, Service};

use super::services::plan_words;
use super::{At, ServiceLinks, id};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, page};
#[cfg(test)]
use crate::texts::Language;
use crate::texts::{Texts, fill};
use crate::visit::SignedIn;
use crate::words::{duration, size};

/// The page.
#[derive(Template)]
#[template(path = "service.html")]
pub struct ServicePage {
    frame: Frame,
    links: ServiceLinks,
    plan: String,
    mailboxes: Bar,
    storage: Bar,
    storage_left: String,
    health: Health,
    webmail: Option<String>,
}

/// How much of something is used: the bar, and the same in words.
struct Bar {
    used: u64,
    all: u64,
    words: String,
}

/// How the service does, in words, and whether that is well.
struct Health {
    words: String,
    class: &'static str,
}

impl Health {
    fn of(t: &Texts, position: Result<PositionAnswer, CallError>) -> Self {
        match position {
            Err(_) => Self { words: t.state_unknown.to_owned(), class: "unknown" },
            Ok(PositionAnswer { stopped: Some(_), .. }) => Self { words: t.state_stopped.to_owned(), class: "bad" },
            Ok(PositionAnswer { position, head, lag_seconds, .. }) if position < head && lag_seconds >= 1.0 => {
                Self { words: fill(t.state_behind, &[&duration(lag_seconds)]), class: "behind" }
            }
            Ok(_) => Self { words: t.state_well.to_owned(), class: "well" },
        }
    }
}

impl ServicePage {
    fn new(
        frame: Frame,
        service: &Service,
        position: Result<PositionAnswer, CallError>,
        webmail: Option<&str>,
    ) -> Self {
        let (t, language) = (frame.t, frame.language);
        let (plan, usage) = (&service.plan, &service.usage);
        let words = |sentence, used: String, all: String| fill(sentence, &[&used, &all]);
        Self {
            links: ServiceLinks::of(service),
            plan: plan_words(t, service, language),
            mailboxes: Bar {
                used: usage.mailboxes.into(),
                all: plan.mailboxes.into(),
                words: words(t.mailboxes_words, usage.mailboxes.to_string(), plan.mailboxes.to_string()),
            },
            storage: Bar {
                used: usage.allotted_bytes,
                all: plan.pool_bytes,
                words: words(t.storage_words, size(usage.allotted_bytes, language), size(plan.pool_bytes, language)),
            },
            storage_left: fill(
                t.storage_left,
                &[&size(plan.pool_bytes.saturating_sub(usage.allotted_bytes), language)],
            ),
            health: Health::of(t, position),
            webmail: webmail.map(str::to_owned),
            frame,
        }
    }

    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        let behind = PositionAnswer { position: 1, lag_seconds: 12.4, ..PositionAnswer::example() };
        Self::new(Frame::sample(language), &Service::example(), Ok(behind), Some("/webmail"))
    }
}

/// `GET /services/email/{service}`.
pub async fn show(State(app): State<App>, who: SignedIn, At(service): At<String>) -> Result<Response, Failure> {
    let service = app.queries.service(&who.behalf(), id(&service)?).await?;
    let position = app.queries.position(0, Duration::ZERO).await;
    page(StatusCode::OK, &ServicePage::new(Frame::of(&who, &app), &service, position, app.webmail_url()))
}
