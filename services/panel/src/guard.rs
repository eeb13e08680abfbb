//! What browsers are told not to do with our pages, and what other sites may not have them do.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Response, header};
use axum::middleware::Next;
use axum::response::IntoResponse;
use tower_http::csrf::ProtectionError;

use crate::app::App;
use crate::failure::Failure;

/// Nothing but what this site serves: no script and no style within a page, no frame around it, no form to elsewhere
/// (<https://www.w3.org/TR/CSP3/>).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// For two years, once browsers reach us over TLS (RFC 6797).
const TRANSPORT: &str = "max-age=63072000";

/// Stands at every answer. That it is not stored, and not sniffed, the service's outermost layer says.
pub async fn headers(State(app): State<App>, request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let secure = app.is_secure().then_some((header::STRICT_TRANSPORT_SECURITY, TRANSPORT));
    let always = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in always.into_iter().chain(secure) {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What is answered where another site had the browser send it.
pub fn foreign(error: ProtectionError) -> Response<Body> {
    tracing::warn!(%error, "a request that another site had a browser send is refused");
    Failure::Refused.into_response()
}
