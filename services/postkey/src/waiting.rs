//! A service whose stores are not there yet still listens, red, and says why.

use std::future::Future;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::any;
use postkey_http::{Code, Health, Problem, health_routes, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::warn_of_passwords;
use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::journal::print;
use crate::stores::{Lack, Waiting};

/// How long it waits between two attempts: longer each time, up to the longest.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// What whoever asks meanwhile is told.
const STARTING: &str = "the service waits for what it stands on; /healthz says for what";

/// Opens what a service stands on, as often as it takes, while it listens at `listener` and says in its health what it
/// waits for; any other request is answered `code`. It says where it listens as soon as that is of use. `None`: told to stop meanwhile.
pub async fn opened<T, F>(
    listener: &StdListener,
    code: Code,
    stop: &CancellationToken,
    open: impl Fn() -> F,
) -> Result<Option<T>, Failure>
where
    F: Future<Output = Result<T, Lack>>,
{
    let health = Health::new();
    let check = health.check("start");
    check.red("it is starting");
    let waiting = stop.child_token();
    let red = serve(
        Router::new()
            .route("/v1/{*any}", any(async move || Problem::new(code).with_detail(STARTING)))
            .merge(health_routes(health))
            .layer(map_response(closing)),
        Arc::new(SystemEntropy),
        TcpListener::from_std(listener.try_clone()?)?,
        waiting.clone(),
    );
    let opening = async {
        let (mut said, mut pause) = (None, LOOK_AGAIN);
        let opened = loop {
            let opened = stop.run_until_cancelled(open()).await;
            if said.is_none() && !matches!(opened, Some(Err(Lack::Failed(_) | Lack::Damaged(_)))) {
                said = Some(String::new());
                print(format_args!("listening on http://{}", listener.local_addr()?))?;
                warn_of_passwords(std::env::args_os());
            }
            match opened {
                None => break Ok(None),
                Some(Ok(opened)) => break Ok(Some(opened)),
                Some(Err(lack @ (Lack::Failed(_) | Lack::Damaged(_)))) => break Err(lack.into_failure()),
                Some(Err(Lack::Waiting(Waiting(what)))) => {
                    if said.as_ref() != Some(&what) {
                        tracing::warn!(%what, "listening, and waiting");
                        said = Some(what.clone());
                    }
                    check.red(what);
                }
            }
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause = (pause * 2).min(LONGEST);
        };
        waiting.cancel();
        opened
    };
    let (served, opened) = tokio::join!(red, opening);
    served?;
    opened
}

/// Who asks a service that waits comes back to another: the connection is not kept.
async fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
