//! A service whose stores are not there yet still listens, red, and says why, to load balancers and scrapers too.

use std::future::Future;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::map_response;
use axum::response::Response;
use postkey_http::{Code, Health, HealthCheck, Metrics, Problem, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::{MetricsArgs, warn_of_passwords};
use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::journal::print;
use crate::stores::{Lack, Waiting};

/// How long it waits between two attempts: longer each time, up to the longest.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// What whoever asks meanwhile is told.
const STARTING: &str = "the service waits for what it stands on; /healthz says for what";

/// A service that listens, and may have to wait.
pub struct Listening<'a> {
    /// Where.
    pub at: &'a StdListener,
    /// What whoever wants its work is answered meanwhile.
    pub code: Code,
    /// What it answers all the same, and with this problem.
    pub answers: fn(Health, Option<&Metrics>, &Problem) -> Router,
    /// Whether it shows metrics.
    pub metrics: MetricsArgs,
}

impl Listening<'_> {
    /// Opens what the service stands on, as often as it takes. Meanwhile its health says what it waits for, and so do its
    /// metrics. It says where it listens as soon as that is of use. `None`: told to stop meanwhile.
    pub async fn opened<T, F>(&self, stop: &CancellationToken, open: impl Fn() -> F) -> Result<Option<T>, Failure>
    where
        F: Future<Output = Result<T, Lack>>,
    {
        let health = Health::new();
        let check = health.check("start");
        check.red("it is starting");
        let waiting = stop.child_token();
        let red = self.say_no(health, waiting.clone())?;
        let opening = async {
            let opened = self.wait_for(&check, stop, open).await;
            waiting.cancel();
            opened
        };
        let (served, opened) = tokio::join!(red, opening);
        served?;
        match opened? {
            Opened::AtOnce(opened) => {
                self.announce()?;
                Ok(Some(opened))
            }
            Opened::Late(opened) => Ok(Some(opened)),
            Opened::Stopped => Ok(None),
        }
    }

    /// Answers whoever asks, until `until`.
    fn say_no(
        &self,
        health: Health,
        until: CancellationToken,
    ) -> Result<impl Future<Output = io::Result<()>> + use<>, Failure> {
        let (code, metrics) = (self.code, self.metrics.of(&health));
        let problem = Problem::new(code).with_detail(STARTING);
        let router = (self.answers)(health, metrics.as_ref(), &problem).layer(map_response(closing));
        let listener = TcpListener::from_std(self.at.try_clone()?)?;
        Ok(serve(router, Arc::new(SystemEntropy), metrics, listener, until))
    }

    async fn wait_for<T, F>(
        &self,
        check: &HealthCheck,
        stop: &CancellationToken,
        open: impl Fn() -> F,
    ) -> Result<Opened<T>, Failure>
    where
        F: Future<Output = Result<T, Lack>>,
    {
        let (mut waits_for, mut pause) = (None, LOOK_AGAIN);
        loop {
            let what = match stop.run_until_cancelled(open()).await {
                None => return Ok(Opened::Stopped),
                Some(Ok(opened)) if waits_for.is_none() => return Ok(Opened::AtOnce(opened)),
                Some(Ok(opened)) => return Ok(Opened::Late(opened)),
                Some(Err(Lack::Waiting(Waiting(what)))) => what,
                Some(Err(lack @ (Lack::Failed(_) | Lack::Damaged(_)))) => return Err(lack.into_failure()),
            };
            // Before anybody hears where it listens: whoever asks is told for what it waits.
            check.red(what.clone());
            if waits_for.is_none() {
                self.announce()?;
            }
            if waits_for.as_ref() != Some(&what) {
                tracing::warn!(%what, "listening, and waiting");
                waits_for = Some(what);
            }
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn announce(&self) -> Result<(), Failure> {
        print(format_args!("listening on http://{}", self.at.local_addr()?))?;
        warn_of_passwords(std::env::args_os());
        Ok(())
    }
}

/// How waiting ended.
enum Opened<T> {
    /// There was nothing to wait for.
    AtOnce(T),
    /// It was waited for.
    Late(T),
    /// It was told to stop.
    Stopped,
}

/// Who asks a service that waits comes back to another: the connection is not kept.
async fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
