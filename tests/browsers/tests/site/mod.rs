//! A small site whose pages allow their own scripts only.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::Form;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

/// Serves the pages until the test ends, and says where.
pub async fn start() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = Router::new()
        .route("/", get(|| async { page("Form", FORM) }).post(posted))
        .route("/plain", get(|| async { page("Plain", PLAIN) }))
        .route("/bad", get(|| async { page("Bad", BAD) }))
        .route("/small", get(|| async { page("Small", SMALL) }))
        .route("/forbidden", get(|| async { page("Forbidden", FORBIDDEN) }))
        .route("/language", get(language))
        .route("/page.js", get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], SCRIPT) }))
        .route("/page.css", get(|| async { ([(header::CONTENT_TYPE, "text/css")], STYLE) }))
        .route("/favicon.ico", get(|| async { StatusCode::NO_CONTENT }));
    tokio::spawn(async move { axum::serve(listener, pages).await });
    format!("http://{address}")
}

fn page(title: &str, main: &str) -> Response {
    let html = format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
        <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/page.css">
        <script src="/page.js" defer></script></head><body><main><h1>{title}</h1>{main}</main></body></html>"#
    );
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'self'; connect-src 'self'";
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

async fn posted(Form(fields): Form<Vec<(String, String)>>) -> Response {
    let items: String = fields.iter().map(|(name, value)| format!("<li>{name} is {value}</li>")).collect();
    page("Saved", &format!("<ul>{items}</ul>"))
}

async fn language(headers: HeaderMap) -> Response {
    let asked = headers.get(header::ACCEPT_LANGUAGE).unwrap().to_str().unwrap();
    page("Language", &format!("<p>asked for {asked}.</p>"))
}

const FORM: &str = r#"
<form method="post" action="/">
<p><label for="first">First name</label> <input id="first" name="first" value="Ada"></p>
<p><input aria-label="Quota in GB" name="quota"></p>
<p><label><input type="checkbox" name="agreed" value="yes"> I  agree</label></p>
<fieldset><legend>Plan</legend>
<label><input type="radio" name="plan" value="small" checked> Small</label>
<label><input type="radio" name="plan" value="large"> Large</label></fieldset>
<p><label>Unit <select name="unit"><option>MB</option><option>GB</option></select></label></p>
<p class="hidden"><label for="old">Old name</label> <input id="old" name="old"></p>
<button>Save</button>
</form>
<p><a href="/plain">Leave</a> <button id="count" type="button">Count</button> <span id="counted"></span></p>
<p id="later"></p>"#;

const PLAIN: &str =
    "<p id=\"ran\">No script ran.</p><p id=\"colours\">These are the colours.</p><p class=\"tall\">The end.</p>";

const BAD: &str = r#"<form><input name="nameless"></form><p class="faint">Faint</p>"#;

const SMALL: &str = r#"<p><button class="small">a</button><button class="small">b</button></p>"#;

const FORBIDDEN: &str = r#"<p>Something is forbidden.</p><script>document.title = 'it ran'</script>"#;

const STYLE: &str = "
body { margin: 0; padding: 1rem; background: #fff; color: #111; }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } a { color: #8cf; } }
.hidden { display: none; } .faint { color: #ddd; } .tall { margin-top: 3000px; }
.small { width: 8px; height: 8px; padding: 0; border: 0; margin: 0; font-size: 6px; }";

const SCRIPT: &str = "
const at = id => document.getElementById(id);
if (at('ran')) at('ran').textContent = 'A script ran.';
if (at('later')) fetch('/page.css').then(() => at('later').textContent = 'It came later.');
let clicks = 0;
if (at('count')) at('count').addEventListener('click', event => at('counted').textContent = ++clicks + ' clicks, ' + event.detail + ' at once');";
