//! Who asks for a page, in what language, and from where.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use postkey_http::{Behalf, Peer, RequestId};

use crate::accounts::{Account, SessionToken};
use crate::app::{App, Shared};
use crate::failure::Failure;
use crate::texts::{Language, Texts};

/// What is known of every request.
#[derive(Clone, Debug)]
pub struct Visit {
    /// What its pages say things in.
    pub language: Language,
    /// Its id, which people quote to support.
    pub request_id: String,
    /// The person's address, as far as it is known. That of a proxy on this machine is nobody's.
    pub origin: Option<IpAddr>,
    /// The path and query that were asked for, to come back to; the first page where something was sent, which can't be.
    pub here: String,
    /// Whether this page can be asked for again as it is.
    pub again: bool,
}

impl Visit {
    /// What is said in its language.
    pub const fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// As the layers around the handlers see a request.
    pub fn of(parts: &Parts, shared: &Shared) -> Self {
        let jar = CookieJar::from_headers(&parts.headers);
        let chosen = jar.get(LANGUAGE).and_then(|cookie| Language::of_tag(cookie.value()));
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let here = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        // Every page with a form is where its form is sent to, but for those that only a script or a button sends to.
        let has_page = !["/passwords/", "/sign-out", "/webmail/"].iter().any(|path| here.starts_with(path));
        Self {
            language: chosen.unwrap_or_else(|| Language::of_browser(accepted.unwrap_or_default())),
            request_id: parts.extensions.get::<RequestId>().map_or_else(String::new, |id| id.as_str().to_owned()),
            origin: origin(parts, shared.places.forwarded),
            here: if has_page { here.to_owned() } else { "/".to_owned() },
            again: parts.method.is_safe(),
        }
    }
}

/// The last address that the proxy in front names, where there is one that is trusted; else that of the connection.
fn origin(parts: &Parts, forwarded: bool) -> Option<IpAddr> {
    if forwarded {
        return last_forwarded(&parts.headers);
    }
    parts.extensions.get::<Peer>().map(|peer| peer.0).filter(|ip| !ip.is_loopback())
}

/// Whatever stands before the last comma, the browser may have written itself.
fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

impl FromRequestParts<App> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Self::of(parts, app))
    }
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The request.
    pub visit: Visit,
    /// Who.
    pub account: Account,
}

impl SignedIn {
    /// On whose behalf the services are asked.
    pub fn behalf(&self) -> Behalf {
        Behalf {
            customer: self.account.customer.clone(),
            actor: self.account.id.to_string(),
            origin: self.visit.origin,
            request_id: self.visit.request_id.clone(),
        }
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let visit = Visit::of(parts, app);
        let token = cookie(&CookieJar::from_headers(&parts.headers), app, SESSION);
        let had_one = token.is_some();
        let account = match token {
            Some(token) => app.accounts.of_session(&token, app.sessions, app.clock.now()).await?,
            None => None,
        };
        // What was sent is gone; the page that it was sent from can be come back to.
        let unsaved = !parts.method.is_safe();
        let ended = || Failure::SessionEnded { back: visit.here.clone(), had_one, unsaved };
        Ok(Self { account: account.ok_or_else(ended)?, visit })
    }
}

/// Has the browser forget pages that it has kept, so that nobody goes back to them
/// (<https://www.w3.org/TR/clear-site-data/>).
pub const FORGET: [(HeaderName, &str); 1] = [(HeaderName::from_static("clear-site-data"), "\"cache\"")];

/// The cookie of a panel session.
pub const SESSION: &str = "postkey_panel";
/// The cookie of a webmail session.
pub const WEBMAIL: &str = "postkey_webmail";
/// The cookie of a chosen language.
const LANGUAGE: &str = "postkey_language";

/// The name that a cookie has here: where connections are encrypted, one that no other host and no plain connection can set
/// (RFC 6265bis §4.1.3.2).
fn cookie_name(shared: &Shared, name: &str) -> String {
    if shared.is_secure() { format!("__Host-{name}") } else { name.to_owned() }
}

/// The token that a cookie brings.
pub fn cookie(jar: &CookieJar, shared: &Shared, name: &str) -> Option<SessionToken> {
    SessionToken::brought(jar.get(&cookie_name(shared, name))?.value())
}

/// A cookie for a session, gone with the browser's own.
pub fn session_cookie(shared: &Shared, name: &str, token: &SessionToken) -> Cookie<'static> {
    plain_cookie(shared, cookie_name(shared, name), token.expose().to_owned())
}

/// What removes a session's cookie.
pub fn no_cookie(shared: &Shared, name: &str) -> Cookie<'static> {
    let mut cookie = plain_cookie(shared, cookie_name(shared, name), String::new());
    cookie.make_removal();
    cookie
}

/// A cookie that keeps a chosen language for as long as a browser keeps one.
pub fn language_cookie(shared: &Shared, language: Language) -> Cookie<'static> {
    let mut cookie = plain_cookie(shared, LANGUAGE.to_owned(), language.tag().to_owned());
    cookie.make_permanent();
    cookie
}

fn plain_cookie(shared: &Shared, name: String, value: String) -> Cookie<'static> {
    // Lax: a link from a mail finds who is signed in, and no other site's form does.
    Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax).secure(shared.is_secure()).build()
}

/// A path of this site, as a form brings it back; the first page where it is anything else.
pub fn own_path(text: &str) -> &str {
    let plain = text.bytes().all(|c| c.is_ascii_graphic() && c != b'\\');
    if plain && text.starts_with('/') && !text.starts_with("//") { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_come_back_to() {
        for path in ["/", "/services/email?x=1"] {
            assert_eq!(own_path(path), path);
        }
        for other in
            ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nb", "services", "javascript:1"]
        {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
    }

    #[test]
    fn who_asks_behind_a_proxy_is_who_the_proxy_saw() {
        let mut headers = HeaderMap::new();
        assert_eq!(last_forwarded(&headers), None);
        headers.append("x-forwarded-for", "203.0.113.9, 198.51.100.7".parse().unwrap());
        assert_eq!(last_forwarded(&headers), Some("198.51.100.7".parse().unwrap()));
        headers.append("x-forwarded-for", "::ffff:192.0.2.1".parse().unwrap());
        assert_eq!(last_forwarded(&headers), Some("192.0.2.1".parse().unwrap()));
        headers.append("x-forwarded-for", "unknown".parse().unwrap());
        assert_eq!(last_forwarded(&headers), None);
    }
}
