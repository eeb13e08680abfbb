//! Services → Email: the customer's email services.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postkey_http::{Service, Services};
use serde::Deserialize;

use super::{Asked, ServiceLinks};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, encoded, page, see_other};
use crate::texts::{Language, Texts, fill};
use crate::visit::SignedIn;
use crate::words::size;

/// How many services a page shows.
const LIMIT: u32 = 50;

/// The page.
#[derive(Template)]
#[template(path = "services.html")]
pub struct ServicesPage {
    frame: Frame,
    services: Vec<Line>,
    first: Option<&'static str>,
    next: Option<String>,
}

struct Line {
    links: ServiceLinks,
    plan: String,
    mailboxes: String,
    info: String,
}

/// A plan in words.
pub fn plan_words(t: &Texts, service: &Service, language: Language) -> String {
    fill(t.plan_words, &[&service.plan.mailboxes.to_string(), &size(service.plan.pool_bytes, language)])
}

impl ServicesPage {
    fn new(frame: Frame, services: &Services, is_first: bool) -> Self {
        let t = frame.t;
        let line = |service: &Service| Line {
            links: ServiceLinks::of(service),
            plan: plan_words(t, service, frame.language),
            mailboxes: fill(
                t.mailboxes_words,
                &[&service.usage.mailboxes.to_string(), &service.plan.mailboxes.to_string()],
            ),
            info: fill(t.info_of, &[&service.domain]),
        };
        let next = services.next.as_deref().map(|after| format!("/services/email?after={}", encoded(after)));
        let first = (!is_first).then_some("/services/email");
        Self { services: services.services.iter().map(line).collect(), first, next, frame }
    }

    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        let services = Services { services: vec![Service::example(), Service::example()], next: Some("n".to_owned()) };
        Self::new(Frame::sample(language), &services, false)
    }
}

/// Which of them.
#[derive(Deserialize)]
pub struct Which {
    after: Option<String>,
}

/// `GET /services/email`.
pub async fn show(State(app): State<App>, who: SignedIn, Asked(which): Asked<Which>) -> Result<Response, Failure> {
    let services = app.queries.services(&who.behalf(), which.after.as_deref(), LIMIT).await?;
    page(StatusCode::OK, &ServicesPage::new(Frame::of(&who, &app), &services, which.after.is_none()))
}

/// `GET /`.
pub async fn home(_who: SignedIn) -> Response {
    see_other("/services/email")
}
