//! `postkey command`: the command service as a process of its own.

use std::path::Path;

use postkey_http::{Code, Health, PositionClient};
use tokio::net::TcpListener;

use crate::args::CommandArgs;
use crate::failure::Failure;
use crate::folder::read_token;
use crate::locks;
use crate::services::{Edge, listen_at, open_clients, start_hasher, stop_on_signal};
use crate::stores::Stores;
use crate::waiting::Listening;

pub async fn command(args: CommandArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    check_there(args.files.ledger_key_file.as_deref())?;
    let _lock = args.log.log.file().map(|file| locks::take(file.folder(), "command.lock")).transpose()?;
    let projection = PositionClient::new(&args.projection_url, &read_token(&args.token_file)?)?;
    let health = Health::new();
    let clients = open_clients(&args.files.clients_file, &health, &stop)?;
    let hasher = start_hasher()?;
    let listener = listen_at("--listen", args.listen, args.insecure.insecure_listen).await?.into_std()?;
    let answers = postkey_command::waiting;
    let listening = Listening { at: &listener, code: Code::LogUnavailable, answers, metrics: args.metrics };
    let stores = listening.opened(&stop, || Stores::open_to_write(&args.log, &args.keys, None)).await?;
    let Some(stores) = stores else { return Ok(()) };
    stores.handle.watch(&health, &args.log.nats, true, &stop)?;
    let metrics = args.metrics.of(&health);
    let edge = Edge { clients, hasher, limits: args.throttle.limits(), health, metrics };
    let parts = stores.command(args.deciding, edge, projection, &stop).await;
    let ran = postkey_command::run(parts, TcpListener::from_std(listener)?, stop).await;
    stores.close().await;
    Ok(ran?)
}

/// A file that is named must be there, also where nothing reads it yet.
pub fn check_there(path: Option<&Path>) -> Result<(), Failure> {
    match path {
        Some(path) if !path.exists() => Err(Failure::failed(format!(
            "the ledger key {} is missing: restore it from your backup, or make one with `postkey init`",
            path.display()
        ))),
        _ => Ok(()),
    }
}
