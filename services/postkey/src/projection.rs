//! `postkey projection`: the projection service as a process of its own.

use std::net::TcpListener as StdListener;
use std::sync::Arc;

use axum::Router;
use event_log::{OpenError, SqliteStore};
use postkey_http::{Health, health_routes, listen, serve};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::ProjectionArgs;
use crate::command::check_there;
use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::journal::print;
use crate::locks;
use crate::services::{LOOK_AGAIN, Stores, open_clients, open_read_model, start_hasher, stop_on_signal};

pub async fn projection(args: ProjectionArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    check_there(args.files.ledger_key_file.as_deref())?;
    let _lock = locks::take(args.read_model.folder(), "projection.lock")?;
    let health = Health::new();
    let clients = open_clients(&args.files.clients_file, &health, &stop)?;
    let model = open_read_model(&args.read_model).await?;
    let hasher = start_hasher()?;
    let listener = listen(args.listen, args.insecure.insecure_listen).await?.into_std()?;
    print(format_args!("listening on http://{}", listener.local_addr()?))?;
    let Some(stores) = red_until_the_log_is_there(&args, &listener, &stop).await? else { return Ok(()) };
    let parts = stores.projection(&model, clients, hasher, health, args.freshness.freshness_bound);
    let ran = postkey_projection::run(parts, TcpListener::from_std(listener)?, stop).await;
    stores.close().await;
    model.close().await;
    Ok(ran?)
}

/// Listens and says why it can't serve, until the command service has made the log. `None`: told to stop meanwhile.
async fn red_until_the_log_is_there(
    args: &ProjectionArgs,
    listener: &StdListener,
    stop: &CancellationToken,
) -> Result<Option<Stores>, Failure> {
    let health = Health::new();
    health.check("log").red(format!("waiting for the command service to make {}", args.log.log.path().display()));
    let log = args.log.log.path().display();
    tracing::info!(%log, "listening, and waiting for the command service to make the log where it is not there yet");
    let waiting = stop.child_token();
    let red = serve(
        Router::new().merge(health_routes(health)),
        Arc::new(SystemEntropy),
        TcpListener::from_std(listener.try_clone()?)?,
        waiting.clone(),
    );
    let found = async {
        let found = loop {
            match stop.run_until_cancelled(begun(args)).await {
                None => break Ok(None),
                Some(Ok(None)) => {}
                Some(found) => break found,
            }
            stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
        };
        waiting.cancel();
        found
    };
    let (served, found) = tokio::join!(red, found);
    served?;
    found
}

/// The stores, once the log has its first entry.
async fn begun(args: &ProjectionArgs) -> Result<Option<Stores>, Failure> {
    match SqliteStore::open_read_only(args.log.log.path()).await {
        Err(OpenError::Missing(_) | OpenError::Unfinished(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
        Ok(store) => store.close().await,
    }
    let stores = Stores::open_to_read(&args.log.log, &args.keys).await?;
    Ok(if stores.has_begun().await? { Some(stores) } else { None })
}
