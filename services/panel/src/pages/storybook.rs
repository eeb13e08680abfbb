//! Every page with its sample, in every language: it renders, says nothing of another language's, and escapes what people typed.

use askama::Template;

use super::change_state::{Change, ChangeStatePage};
use super::history::HistoryPage;
use super::saved::SavedPage;
use super::service::ServicePage;
use super::services::ServicesPage;
use super::sign_in::SignInPage;
use super::user_form::UserFormPage;
use super::users::UsersPage;
use super::webmail::{WebmailPage, WebmailSignInPage};
use crate::failure::FailurePage;
use crate::texts::Language;

fn pages(language: Language) -> Vec<(&'static str, String)> {
    let mut pages = Vec::new();
    let mut add = |name, page: askama::Result<String>| pages.push((name, page.unwrap()));
    add("sign in", SignInPage::sample(language).render());
    add("services", ServicesPage::sample(language).render());
    add("service", ServicePage::sample(language).render());
    add("users", UsersPage::sample(language).render());
    add("add user", UserFormPage::sample(language, true).render());
    add("edit user", UserFormPage::sample(language, false).render());
    for (name, change) in [("suspend", Change::Suspend), ("reactivate", Change::Reactivate), ("remove", Change::Remove)]
    {
        add(name, ChangeStatePage::sample(language, change).render());
    }
    add("saved", SavedPage::sample(language, true).render());
    add("not yet", SavedPage::sample(language, false).render());
    add("history", HistoryPage::sample(language).render());
    add("failure", FailurePage::sample(language).render());
    add("webmail sign in", WebmailSignInPage::sample(language).render());
    add("webmail", WebmailPage::sample(language).render());
    pages
}

#[test]
fn every_page_is_whole_in_every_language() {
    for language in Language::ALL {
        for (name, html) in pages(language) {
            assert!(html.starts_with(&format!("<!doctype html>\n<html lang=\"{}\">", language.tag())), "{name}");
            assert!(html.trim_end().ends_with("</html>"), "{name}");
            assert!(html.contains("mailto:support@acme.example"), "{name}: no way to support");
            assert!(html.contains(env!("CARGO_PKG_VERSION")), "{name}: no version");
            assert_eq!(html.matches("<h1").count(), 1, "{name}: one heading");
            assert!(!html.contains('{') && !html.contains('}'), "{name}: a gap is left open\n{html}");
            assert!(
                !html.contains(" style=") && !html.contains("javascript:") && !html.contains(" onclick="),
                "{name}"
            );
            let scripts = html.matches("<script").count();
            assert_eq!((scripts, html.matches("<script src=\"/assets/").count()), (1, 1), "{name}");
        }
    }
}

#[test]
fn every_form_that_changes_something_is_sent_in_a_body() {
    for (name, html) in pages(Language::English) {
        for form in html.split("<form").skip(1) {
            let head = form.split('>').next().unwrap();
            assert!(head.contains("method=\"post\"") || head.contains("role=\"search\""), "{name}: {head}");
        }
    }
}

#[test]
fn every_field_has_a_label() {
    for (name, html) in pages(Language::Turkish) {
        for field in ["<input", "<select"].into_iter().flat_map(|tag| html.split(tag).skip(1)) {
            let head = field.split('>').next().unwrap();
            if head.contains("type=\"hidden\"") {
                continue;
            }
            let id = head.split("id=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
            assert!(html.contains(&format!("for=\"{id}\"")), "{name}: {head}");
        }
    }
}
