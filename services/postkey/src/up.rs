//! `postkey up`: both services in one process, on embedded stores in one folder.

use std::fs;
use std::io;
use std::sync::Arc;

use credential::Policy;
use postkey_http::{Health, PositionClient, Role};
use serde_json::json;

use crate::args::{KeyArgs, LogArgs, UpArgs};
use crate::demo;
use crate::failure::Failure;
use crate::folder::{Folder, read_token, replace};
use crate::journal::print;
use crate::locks;
use crate::services::{Edge, listen_at, open_clients, start_hasher, stop_on_signal};
use crate::stores::{Lack, ReadModelHandle, Stores};

pub async fn up(args: UpArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let folder = Folder::new(args.data);
    folder.make()?;
    let _locks = (locks::take(folder.path(), "command.lock")?, locks::take(folder.path(), "projection.lock")?);
    forget_endpoints(&folder)?;
    folder.make_keys(&Role::ALL)?;
    let (log, keys) = (LogArgs::of(folder.log()), KeyArgs::of(folder.keys(), folder.keyring()));
    let stores = Stores::open_to_write(&log, &keys, Some(&folder.read_model())).await.map_err(Lack::into_failure)?;
    let model = ReadModelHandle::open(&folder.read_model()).await.map_err(Lack::into_failure)?;
    let hasher = start_hasher()?;

    let insecure = args.insecure.insecure_listen;
    let command_listener = listen_at("--command-listen", args.command_listen, insecure).await?;
    let projection_listener = listen_at("--projection-listen", args.projection_listen, insecure).await?;
    let url = |address| format!("http://{address}");
    let (command_url, projection_url) = (url(command_listener.local_addr()?), url(projection_listener.local_addr()?));

    let (command_health, projection_health) = (Health::new(), Health::new());
    let clients = open_clients(&folder.clients(), &projection_health, &stop)?;
    let bound = args.freshness.freshness_bound;
    let edge = Edge { clients, hasher: Arc::clone(&hasher), health: projection_health };
    let projection = stores.projection(&model, edge, bound, &stop);
    let clients = open_clients(&folder.clients(), &command_health, &stop)?;
    let client = PositionClient::new(&[&projection_url], &read_token(&folder.token(Role::Service))?)?;
    let edge = Edge { clients, hasher, health: command_health };
    let command = stores.command(Policy::of(args.policy.policy), edge, client, &stop).await;
    let running = async {
        tokio::try_join!(
            async { Ok::<_, Failure>(postkey_projection::run(projection, projection_listener, stop.clone()).await?) },
            async { Ok(postkey_command::run(command, command_listener, stop.clone()).await?) },
        )
    };
    let announced = async {
        let announced = async {
            announce(&folder, &command_url, &projection_url)?;
            if args.demo {
                let seeded = demo::seed(&folder, &command_url, &projection_url);
                stop.run_until_cancelled(seeded).await.unwrap_or(Ok(()))?;
            }
            Ok::<_, Failure>(())
        };
        announced.await.inspect_err(|_| stop.cancel())
    };
    let (ran, announced) = tokio::join!(running, announced);
    stores.close().await;
    model.close().await;
    forget_endpoints(&folder)?;
    announced?;
    ran.map(|_| ())
}

/// Says where the services listen, to whoever looks into the folder and to the person who started them.
fn announce(folder: &Folder, command_url: &str, projection_url: &str) -> Result<(), Failure> {
    let endpoints = json!({"command": command_url, "projection": projection_url});
    replace(&folder.endpoints(), endpoints.to_string().as_bytes())?;
    print(format_args!("command     {command_url}"))?;
    print(format_args!("projection  {projection_url}"))?;
    print(format_args!("tokens      {}/tokens", folder.path().display()))
}

/// Endpoints are there only while somebody listens at them.
fn forget_endpoints(folder: &Folder) -> Result<(), Failure> {
    match fs::remove_file(folder.endpoints()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::io(&folder.endpoints(), &error)),
        _ => Ok(()),
    }
}
