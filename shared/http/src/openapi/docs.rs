//! `/docs`: Swagger UI on the service's own document. Everything comes from this binary, and the page may load nothing else.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use utoipa_swagger_ui::{Config, serve};

use crate::{Path, Problem};

/// Scripts and styles of this service only. Swagger UI writes `style` attributes, and its icons are `data:` images.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The files of Swagger UI that the page needs.
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];

/// Relative addresses, so that the page works behind a proxy that serves it under another path. No validator: it would send
/// the document to its maker. A token is kept by the page only as long as it is open.
const START: &str = "\
SwaggerUIBundle({
  url: 'openapi.json', dom_id: '#docs', deepLinking: true, validatorUrl: null, displayRequestDuration: true,
  docExpansion: 'list', defaultModelsExpandDepth: 0, persistAuthorization: false, tryItOutEnabled: false,
})
";

pub(super) fn routes<S: Clone + Send + Sync + 'static>(title: Arc<str>) -> Router<S> {
    let page = move || {
        let title = Arc::clone(&title);
        async move { guarded(Html(page(&title)).into_response()) }
    };
    let start = async || guarded(([(CONTENT_TYPE, "text/javascript; charset=utf-8")], START).into_response());
    Router::new().route("/docs", get(page)).route("/docs/start.js", get(start)).route("/docs/{file}", get(file))
}

fn page(title: &str) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><link rel=stylesheet href=docs/swagger-ui.css><link rel=icon href=data:,>\
         <div id=docs></div><noscript>This page needs JavaScript; the document itself is at \
         <a href=openapi.json>openapi.json</a>.</noscript>\
         <script src=docs/swagger-ui-bundle.js></script><script src=docs/start.js></script></html>"
    )
}

async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    if !FILES.contains(&name.as_str()) {
        return Err(Problem::not_found());
    }
    let found = serve(&name, Arc::new(Config::default())).ok().flatten().ok_or_else(Problem::internal)?;
    let mut headers = HeaderMap::new();
    if let Ok(media) = HeaderValue::from_str(&found.content_type) {
        headers.insert(CONTENT_TYPE, media);
    }
    if found.gzpipped {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(guarded((headers, found.bytes.into_owned()).into_response()))
}

fn guarded(mut response: Response) -> Response {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
