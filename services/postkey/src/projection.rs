//! `postkey projection`: the projection service as a process of its own.

use postkey_http::{Code, Health};
use tokio::net::TcpListener;

use crate::args::ProjectionArgs;
use crate::failure::Failure;
use crate::ledger_files::{LedgerFolder, check_there};
use crate::locks::{self, PROJECTION_LOCK};
use crate::services::{Edge, listen_at, open_clients, start_hasher, stop_on_signal};
use crate::stores::{Lack, ReadModelHandle, StoreUrl, Stores, Waiting};
use crate::waiting::Listening;

pub async fn projection(args: ProjectionArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let activity = args.activity.url()?;
    check_there(args.files.ledger_key_file.as_deref())?;
    let read_model = args.read_model.url()?;
    // A database keeps its writers apart itself.
    let _lock = match &read_model {
        StoreUrl::Sqlite(file) => Some(locks::take(file.folder(), PROJECTION_LOCK)?),
        StoreUrl::Postgres(_) => None,
    };
    let health = Health::new();
    let clients = open_clients(&args.files.clients_file, &health, &stop)?;
    let hasher = start_hasher()?;
    let listener = listen_at("--listen", args.listen, args.insecure.insecure_listen).await?.into_std()?;
    let answers = postkey_projection::waiting;
    let listening = Listening { at: &listener, code: Code::CatchingUp, answers, metrics: args.metrics };
    let Some((model, stores)) = listening.opened(&stop, || open(&args, &read_model)).await? else { return Ok(()) };
    stores.handle.watch(&health, &args.log.nats, false, &stop)?;
    let metrics = args.metrics.of(&health);
    let keeping = args.activity.limits.keep(activity.as_ref());
    let activity = keeping.log.clone();
    let edge = Edge { clients, hasher, limits: args.throttle.limits(), health, metrics, activity };
    let ledger = args.files.ledger_key_file.map(LedgerFolder::of);
    let parts = stores.projection(&model, edge, ledger, args.projecting, &stop);
    let ran = postkey_projection::run(parts, TcpListener::from_std(listener)?, stop).await;
    stores.close().await;
    model.close().await;
    keeping.end().await;
    Ok(ran?)
}

/// The read model, and the log once it has its first entry.
async fn open(args: &ProjectionArgs, read_model: &StoreUrl) -> Result<(ReadModelHandle, Stores), Lack> {
    let model = ReadModelHandle::open(read_model).await?;
    match Stores::open_to_read(&args.log, &args.keys).await {
        Ok(Some(stores)) => Ok((model, stores)),
        Ok(None) => {
            let made_from_one = model.ports().leadership.look().await.is_ok_and(|standing| standing.log.is_some());
            model.close().await;
            let log = args.log.log.shown();
            let what = if made_from_one {
                format!("{log} is missing or empty, but the read model was made from it: restore the log")
            } else {
                format!("waiting for the command service to make {log}")
            };
            Err(Waiting(what).into())
        }
        Err(lack) => {
            model.close().await;
            Err(lack)
        }
    }
}
