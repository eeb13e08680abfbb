//! Somebody at the panel, as a browser without scripts: forms, and cookies that it keeps and sends.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};

use crate::until::until;

/// A visitor of one panel, with the cookies that it was given.
#[derive(Clone, Debug)]
pub struct Visitor {
    http: Client,
    base: String,
    headers: HeaderMap,
    cookies: BTreeMap<String, String>,
}

/// What the panel answered.
#[derive(Clone, Debug)]
pub struct Page {
    /// The request, for messages.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The page.
    pub text: String,
}

impl Page {
    /// A header's text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Expects a page of this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// Expects to be sent on, and tells where to.
    #[track_caller]
    pub fn leads_to(&self) -> &str {
        assert_eq!(self.status, 303, "{self:#?}");
        self.header("location")
    }

    /// Where the first link goes whose path begins so.
    #[track_caller]
    pub fn link(&self, beginning: &str) -> String {
        let begun = format!("href=\"{beginning}");
        let (_, rest) = self.text.split_once(&begun).unwrap_or_else(|| panic!("no link to {beginning}: {self:#?}"));
        format!("{beginning}{}", rest.split_once('"').unwrap().0)
    }

    /// What stands in a form's field.
    #[track_caller]
    pub fn field(&self, name: &str) -> &str {
        let begun = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.text.split_once(&begun).unwrap_or_else(|| panic!("no field {name}: {self:#?}"));
        rest.split_once('"').unwrap().0
    }
}

impl Visitor {
    /// Somebody who comes for the first time.
    pub fn new(base: &str) -> Self {
        let http = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { http, base: base.to_owned(), headers: HeaderMap::new(), cookies: BTreeMap::new() }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        other
    }

    /// Waits until the panel says that it is ready.
    pub async fn ready(&self) {
        let ready = async || {
            let asked = self.http.get(format!("{}/readyz", self.base)).send().await;
            asked.is_ok_and(|answer| answer.status() == 200).then_some(())
        };
        until("the panel is ready", ready).await;
    }

    /// The values of its cookies.
    pub fn cookies(&self) -> impl Iterator<Item = &str> {
        self.cookies.values().map(String::as_str)
    }

    /// Opens a page.
    pub async fn opens(&mut self, path: &str) -> Page {
        let request = self.http.get(format!("{}{path}", self.base));
        self.sent(Method::GET, path, request).await
    }

    /// Sends a form.
    pub async fn sends(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
        let form: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let request = self.http.post(format!("{}{path}", self.base)).body(form.join("&"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.sent(Method::POST, path, request).await
    }

    /// Tries to sign in.
    pub async fn signs_in(&mut self, name: &str, password: &str) -> Page {
        self.sends("/sign-in", &[("name", name), ("password", password)]).await
    }

    /// Follows a redirect to another page of the panel.
    pub async fn follows(&mut self, page: &Page) -> Page {
        let path = page.leads_to().to_owned();
        self.opens(&path).await
    }

    async fn sent(&mut self, method: Method, path: &str, request: RequestBuilder) -> Page {
        let mut request = request.headers(self.headers.clone());
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", cookies.join("; "));
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"));
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for cookie in headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        let text = response.text().await.unwrap();
        Page { request: format!("{method} {path}"), status, headers, text }
    }

    fn keep(&mut self, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        if cookie.to_ascii_lowercase().contains("max-age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}
