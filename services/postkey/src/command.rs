//! `postkey command`: the command service as a process of its own.

use std::path::Path;

use credential::Policy;
use postkey_http::{Health, PositionClient, listen};

use crate::args::CommandArgs;
use crate::failure::Failure;
use crate::folder::read_token;
use crate::journal::print;
use crate::locks;
use crate::services::{Stores, open_clients, start_hasher, stop_on_signal};

pub async fn command(args: CommandArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    check_there(args.files.ledger_key_file.as_deref())?;
    let _lock = locks::take(args.log.log.folder(), "command.lock")?;
    let stores = Stores::open_to_write(&args.log.log, &args.keys, None).await?;
    let projection = PositionClient::new(&args.projection_url, &read_token(&args.token_file)?)?;
    let health = Health::new();
    let clients = open_clients(&args.files.clients_file, &health, &stop)?;
    let hasher = start_hasher()?;
    let listener = listen(args.listen, args.insecure.insecure_listen).await?;
    print(format_args!("listening on http://{}", listener.local_addr()?))?;
    let parts = stores.command(Policy::of(args.policy.policy), clients, hasher, health, projection);
    let ran = postkey_command::run(parts, listener, stop).await;
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
