//! `postkey command`: the command service as a process of its own.

use postkey_http::{Code, Health, PositionClient};
use tokio::net::TcpListener;

use crate::args::CommandArgs;
use crate::failure::Failure;
use crate::folder::read_token;
use crate::ledger_files::check_there;
use crate::locks;
use crate::services::{Edge, listen_at, open_clients, start_hasher, stop_on_signal};
use crate::stores::Stores;
use crate::waiting::Listening;

pub async fn command(args: CommandArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let activity = args.activity.url()?;
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
    let keeping = args.activity.limits.keep(activity.as_ref());
    stores.handle.watch(&health, &args.log.nats, true, &stop)?;
    let metrics = args.metrics.of(&health);
    let activity = keeping.log.clone();
    let edge = Edge { clients, hasher, limits: args.throttle.limits(), health, metrics, activity };
    let parts = stores.command(args.deciding, edge, projection, &stop).await;
    let ran = postkey_command::run(parts, TcpListener::from_std(listener)?, stop).await;
    stores.close().await;
    keeping.end().await;
    Ok(ran?)
}
