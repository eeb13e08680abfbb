//! Manage Users: the table of a service's users, with search and paging.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postkey_http::{CallError, Code, Service, User, UserList, Users};
use serde::Deserialize;

use super::{Asked, At, Errors, FieldError, ServiceLinks, change_number, full_name, id, shown_address};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{Frame, encoded, page};
use crate::texts::{Language, Texts, fill};
use crate::visit::SignedIn;
use crate::words::{Instant, size};

/// How many users a page shows.
const LIMIT: u32 = 50;

/// More users than any service has: a link that says more was not ours.
const MOST_BEFORE: u32 = 10_000_000;

/// The page.
#[derive(Template)]
#[template(path = "users.html")]
pub struct UsersPage {
    frame: Frame,
    links: ServiceLinks,
    search: String,
    none: String,
    errors: Errors,
    caption: String,
    lines: Vec<Line>,
    shown: String,
    first: Option<String>,
    next: Option<String>,
}

/// A user in the table.
struct Line {
    name: String,
    address: String,
    state: UserState,
    quota: String,
    change: String,
    password: Option<Instant>,
    edit: Option<String>,
    /// Suspend or reactivate, as it is: where, what it is called, and what a screen reader calls it.
    turn: Option<Action>,
    remove: Option<Action>,
    history: String,
    edit_label: String,
    history_label: String,
}

/// A link to something that can be done with a user.
struct Action {
    path: String,
    name: &'static str,
    label: String,
}

/// A user's state, in words and for the style sheet.
pub struct UserState {
    /// In words.
    pub words: &'static str,
    /// For the style sheet.
    pub class: &'static str,
}

impl UserState {
    /// Of what the service calls it.
    pub fn of(t: &Texts, state: &str) -> Self {
        match state {
            "active" => Self { words: t.user_active, class: "well" },
            "suspended" => Self { words: t.user_suspended, class: "behind" },
            _ => Self { words: t.user_removed, class: "unknown" },
        }
    }
}

impl Line {
    fn new(t: &'static Texts, language: Language, links: &ServiceLinks, user: &User) -> Self {
        let address = shown_address(t, user.address.as_deref());
        let labelled = |name: &'static str| fill(t.action_of, &[name, &address]);
        let action =
            |page: &str, name: &'static str| Action { path: links.user(user.user, page), name, label: labelled(name) };
        let present = user.state != "removed";
        let turn = match &*user.state {
            "active" => Some(action("suspend", t.suspend)),
            "suspended" => Some(action("reactivate", t.reactivate)),
            _ => None,
        };
        Self {
            name: full_name(t, user.first_name.as_deref(), user.last_name.as_deref()),
            state: UserState::of(t, &user.state),
            quota: size(user.quota_bytes, language),
            change: change_number(t, user.revision),
            password: user.credential_changed_at.map(|at| Instant::day(at, language)),
            edit: present.then(|| links.user(user.user, "edit")),
            turn,
            remove: present.then(|| action("remove", t.remove)),
            history: links.user(user.user, "history"),
            edit_label: labelled(t.edit),
            history_label: labelled(t.history),
            address,
        }
    }
}

/// Which of them.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Which {
    #[serde(default)]
    search: String,
    after: Option<String>,
    /// How many came before, for what the page says of itself.
    #[serde(default)]
    before: u32,
}

impl UsersPage {
    fn new(frame: Frame, service: &Service, users: &Users, which: &Which, errors: Errors) -> Self {
        let (t, language) = (frame.t, frame.language);
        let links = ServiceLinks::of(service);
        let lines: Vec<_> = users.users.iter().map(|user| Line::new(t, language, &links, user)).collect();
        let searched =
            if which.search.is_empty() { String::new() } else { format!("search={}", encoded(&which.search)) };
        let before = if which.after.is_some() { which.before.min(MOST_BEFORE) } else { 0 };
        let upto = before.saturating_add(u32::try_from(lines.len()).unwrap_or(u32::MAX));
        let next = users.next.as_deref().map(|after| {
            let and = if searched.is_empty() { "" } else { "&" };
            format!("{}?{searched}{and}after={}&before={upto}", links.users, encoded(after))
        });
        let shown = fill(t.users_shown, &[&(before + 1).to_string(), &upto.to_string()]);
        let none =
            if which.search.is_empty() { t.users_none.to_owned() } else { fill(t.search_none, &[&which.search]) };
        Self {
            caption: fill(t.users_caption, &[&service.domain]),
            shown: if lines.is_empty() { String::new() } else { shown },
            first: which.after.is_some().then(|| format!("{}?{searched}", links.users)),
            search: which.search.clone(),
            none,
            errors,
            lines,
            next,
            links,
            frame,
        }
    }

    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        let user = User::example();
        let erased = User { first_name: None, last_name: None, address: None, state: "removed".into(), ..user.clone() };
        let suspended = User { state: "suspended".into(), ..user.clone() };
        let users = Users { users: vec![user, suspended, erased], next: Some("n".to_owned()) };
        let which = Which { search: "z".to_owned(), after: Some("a".to_owned()), before: 50 };
        Self::new(Frame::sample(language), &Service::example(), &users, &which, Errors::default())
    }
}

/// `GET /services/email/{service}/users`.
pub async fn show(
    State(app): State<App>,
    who: SignedIn,
    At(service): At<String>,
    Asked(mut which): Asked<Which>,
) -> Result<Response, Failure> {
    which.search = which.search.trim().to_owned();
    let (behalf, service) = (who.behalf(), id(&service)?);
    let list = UserList {
        search: (!which.search.is_empty()).then(|| which.search.clone()),
        after: which.after.clone(),
        limit: LIMIT,
    };
    let (service, users) =
        tokio::join!(app.queries.service(&behalf, service), app.queries.users(&behalf, service, &list));
    let (service, frame) = (service?, Frame::of(&who, &app));
    match users {
        Ok(users) => page(StatusCode::OK, &UsersPage::new(frame, &service, &users, &which, Errors::default())),
        // A link that another search made.
        Err(CallError::Problem(problem)) if problem.violations.iter().any(|violation| violation.field == "after") => {
            Err(Failure::NotFound)
        }
        Err(CallError::Problem(problem)) if problem.code == Some(Code::InvalidInput) => {
            let errors = Errors(vec![FieldError::at("search", frame.t.search_bad)]);
            let none = Users { users: Vec::new(), next: None };
            page(StatusCode::UNPROCESSABLE_ENTITY, &UsersPage::new(frame, &service, &none, &which, errors))
        }
        Err(error) => Err(error.into()),
    }
}
