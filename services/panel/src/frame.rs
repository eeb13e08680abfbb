//! What stands around every page, and how a page becomes an answer.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::Shared;
use crate::assets;
use crate::failure::Failure;
use crate::texts::{Language, Texts, fill};
use crate::visit::{SignedIn, Visit};

/// What stands around a page: its language, who is signed in, where help is.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The page's language.
    pub language: Language,
    /// What is said in it.
    pub t: &'static Texts,
    /// Who is signed in to the panel.
    pub account: Option<String>,
    /// Where people get help.
    pub support: String,
    /// The path that a change of language comes back to, percent-encoded for a query; none where what was typed would be lost.
    pub here: Option<String>,
    /// Seconds after which the page is to be fetched again, if it is.
    pub again_after: Option<u32>,
}

impl Frame {
    /// Around a page for whoever asks.
    pub fn new(visit: &Visit, shared: &Shared) -> Self {
        Self {
            language: visit.language,
            t: visit.texts(),
            account: None,
            support: shared.places.support.clone(),
            here: visit.again.then(|| encoded(&visit.here)),
            again_after: None,
        }
    }

    /// Around a page for somebody who has signed in.
    pub fn of(who: &SignedIn, shared: &Shared) -> Self {
        Self { account: Some(who.account.name.to_string()), ..Self::new(&who.visit, shared) }
    }

    /// Around a page of the storybook.
    #[cfg(test)]
    pub fn sample(language: Language) -> Self {
        Self {
            language,
            t: language.texts(),
            account: Some("demo".to_owned()),
            support: "mailto:support@acme.example".to_owned(),
            here: Some("%2F".to_owned()),
            again_after: None,
        }
    }

    /// The other languages.
    pub fn others(&self) -> impl Iterator<Item = Language> {
        let own = self.language;
        Language::ALL.into_iter().filter(move |language| *language != own)
    }

    /// postkey's version.
    pub fn version(&self) -> String {
        fill(self.t.version, &[env!("CARGO_PKG_VERSION")])
    }

    /// Who is signed in, in words.
    pub fn signed_in(&self, name: &str) -> String {
        fill(self.t.signed_in_as, &[name])
    }

    /// Where the style sheet is.
    pub fn style(&self) -> String {
        assets::path("panel.css")
    }

    /// Where the icon is.
    pub fn icon(&self) -> String {
        assets::path("panel.svg")
    }

    /// Where the script is.
    pub fn script(&self) -> String {
        assets::path("panel.js")
    }
}

/// What stands as it is in a query (RFC 3986 §2.3: the unreserved).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes what goes into a query.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, &UNRESERVED).to_string()
}

/// A page as an answer.
///
/// # Errors
/// [`Failure::Broken`] where it can't be rendered.
pub fn page(status: StatusCode, template: &impl Template) -> Result<Response, Failure> {
    let html = template.render().map_err(|error| {
        tracing::error!(%error, "a page can't be rendered");
        Failure::Broken
    })?;
    Ok((status, Html(html)).into_response())
}

/// An answer that says after how many seconds to ask again, where it does.
pub fn retried_after(mut response: Response, seconds: Option<u64>) -> Response {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Sends the browser on, to be fetched by GET (RFC 9110 §15.4.4). Paths are ours, of ASCII.
pub fn see_other(path: &str) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::LOCATION, HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/")));
    (StatusCode::SEE_OTHER, headers).into_response()
}
