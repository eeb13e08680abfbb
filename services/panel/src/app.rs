//! The panel put together: what it is made of, its routes, and how it runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use admission::Admission;
use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::middleware;
use axum::routing::{get, post};
use credential::Hasher;
use postkey_http::{
    Clock, CommandClient, Entropy, Health, HealthCheck, Metrics, QueryClient, VerifyClient, operators_routes,
    serve_pages,
};
use throttle::Throttle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::csrf::{ConfigError, CsrfLayer, ProtectionError};

use crate::accounts::{Accounts, Limits};
use crate::outcomes::Outcomes;
use crate::webmail_sessions::WebmailSessions;
use crate::{assets, failure, guard, pages};

/// How often it is looked whether what the panel stands on is there.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often sessions that have ended are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Where things are.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where browsers reach the panel, such as `https://panel.example`, where that is not where it listens. With `https` cookies
    /// are for encrypted connections only.
    pub public: Option<String>,
    /// Whether a proxy in front says in `X-Forwarded-For` who asks.
    pub forwarded: bool,
    /// Where webmail is; without it, at the panel's own sign-in page, if there is one.
    pub webmail: Option<String>,
    /// Where people get help.
    pub support: String,
}

/// What the panel is made of. Whoever starts it opens these.
pub struct Parts {
    /// Who may sign in, and who has.
    pub accounts: Accounts,
    /// How long a session lasts.
    pub sessions: Limits,
    /// The command service, by a client of role `panel`.
    pub commands: CommandClient,
    /// The projection service, by the same.
    pub queries: QueryClient,
    /// The projection service, by a client of role `webmail`; without it there is no webmail sign-in page.
    pub verify: Option<VerifyClient>,
    /// The threads that verify the passwords of accounts.
    pub hasher: Arc<Hasher>,
    /// Who may try the password of an account, and when.
    pub limits: throttle::Limits,
    /// Where things are.
    pub places: Places,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The checks that `/healthz` and `/readyz` show.
    pub health: Health,
    /// What `/metrics` shows, if it does.
    pub metrics: Option<Metrics>,
}

/// What handlers share.
pub struct Shared {
    pub accounts: Accounts,
    pub sessions: Limits,
    pub commands: CommandClient,
    pub queries: QueryClient,
    pub verify: Option<VerifyClient>,
    pub hasher: Arc<Hasher>,
    pub admission: Admission,
    pub places: Places,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub outcomes: Outcomes,
    pub webmail: WebmailSessions,
}

impl Shared {
    /// Whether cookies are for encrypted connections only.
    pub fn is_secure(&self) -> bool {
        self.places.public.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// Where "Go to Webmail" leads, if anywhere.
    pub fn webmail_url(&self) -> Option<&str> {
        self.places.webmail.as_deref().or(self.verify.as_ref().map(|_| "/webmail"))
    }
}

/// What every handler is given.
pub type App = Arc<Shared>;

/// Serves the panel until `stop`; then requests in flight are answered first.
///
/// # Errors
/// Where the address that browsers reach it at is none, or serving fails.
pub async fn run(parts: Parts, listener: TcpListener, stop: CancellationToken) -> io::Result<()> {
    let mut key = [0; 32];
    parts.entropy.fill(&mut key);
    let own_site = own_site(parts.places.public.as_deref())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
    let looking = watch(Watched {
        accounts: (parts.accounts.clone(), parts.health.check("accounts")),
        commands: (parts.commands.clone(), parts.health.check("command")),
        queries: (parts.queries.clone(), parts.health.check("projection")),
    });
    let operators = operators_routes::<()>(parts.health.clone(), parts.metrics.as_ref()).router();
    let (entropy, metrics) = (Arc::clone(&parts.entropy), parts.metrics);
    let app = Arc::new(Shared {
        accounts: parts.accounts,
        sessions: parts.sessions,
        commands: parts.commands,
        queries: parts.queries,
        verify: parts.verify,
        hasher: parts.hasher,
        admission: Admission::new(Throttle::new(parts.limits, key)),
        places: parts.places,
        clock: parts.clock,
        entropy: parts.entropy,
        outcomes: Outcomes::new(),
        webmail: WebmailSessions::new(),
    });
    let looking = tokio::spawn(stop.clone().run_until_cancelled_owned(looking));
    let sweeping = tokio::spawn(stop.clone().run_until_cancelled_owned(sweep(Arc::clone(&app))));
    let served = serve_pages(router(app, own_site).merge(operators), entropy, metrics, listener, stop).await;
    looking.abort();
    sweeping.abort();
    served
}

/// What the panel stands on, each with the check that says how it is.
struct Watched {
    accounts: (Accounts, HealthCheck),
    commands: (CommandClient, HealthCheck),
    queries: (QueryClient, HealthCheck),
}

/// Says whether people can sign in, see what there is, and change it.
async fn watch(Watched { accounts, commands, queries }: Watched) {
    let mut moments = tokio::time::interval(LOOK_EVERY);
    loop {
        moments.tick().await;
        let (listed, judged, shown) = tokio::join!(accounts.0.any(), commands.0.ready(), queries.0.ready());
        told(&accounts.1, "nobody can sign in, the accounts can't be read", listed.err());
        told(&commands.1, "nothing can be changed", judged.err());
        told(&queries.1, "nothing can be shown", shown.err());
    }
}

fn told(check: &HealthCheck, what: &str, error: Option<impl std::fmt::Display>) {
    match error {
        None => check.green(),
        Some(error) => check.red(format!("{what}: {error}")),
    }
}

/// Wipes passwords of webmail sessions that nobody goes on with.
async fn sweep(app: App) {
    let mut minutes = tokio::time::interval(SWEEP_EVERY);
    loop {
        minutes.tick().await;
        app.webmail.sweep(app.sessions, app.clock.now());
    }
}

/// The layer that refuses what comes from elsewhere.
type OwnSite = CsrfLayer<fn(ProtectionError) -> Response<Body>>;

/// What other sites have a browser send is refused; whoever has no session may still sign in.
fn own_site(public: Option<&str>) -> Result<OwnSite, ConfigError> {
    let layer = CsrfLayer::new();
    let layer = match public {
        Some(url) => layer.add_trusted_origin(url.trim_end_matches('/'))?,
        None => layer,
    };
    Ok(layer.with_rejection_response(guard::foreign as fn(ProtectionError) -> Response<Body>))
}

fn router(app: App, own_site: OwnSite) -> Router {
    use pages::{
        add_user, change_state, edit_user, history, passwords, saved, service, services, sign_in, users, webmail,
    };

    Router::new()
        .route("/", get(services::home))
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/language/{tag}", get(sign_in::language))
        .route("/services/email", get(services::show))
        .route("/services/email/{service}", get(service::show))
        .route("/services/email/{service}/users", get(users::show))
        .route("/services/email/{service}/users/add", get(add_user::show).post(add_user::save))
        .route("/services/email/{service}/users/{user}/edit", get(edit_user::show).post(edit_user::save))
        .route("/services/email/{service}/users/{user}/history", get(history::show))
        .route("/services/email/{service}/users/{user}/saved/{position}", get(saved::show))
        .route("/services/email/{service}/users/{user}/{change}", get(change_state::show).post(change_state::confirm))
        .route("/passwords/check", post(passwords::check))
        .route("/passwords/suggest", post(passwords::suggest))
        .route("/webmail", get(webmail::show).post(webmail::sign_in))
        .route("/webmail/sign-out", post(webmail::sign_out))
        .route("/assets/{name}", get(assets::serve))
        .fallback(failure::no_such_page)
        .method_not_allowed_fallback(failure::no_such_page)
        .layer(own_site)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), failure::told))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::headers))
        .with_state(app)
}
