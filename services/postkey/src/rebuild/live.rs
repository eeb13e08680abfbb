//! A rebuild by a running projection: asked for over HTTP, and watched until it ends.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use postkey_http::{CallError, OperatorClient, RebuildPhase, RebuildState, Role};
use serde::Deserialize;
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep};

use super::{Bar, say};
use crate::failure::Failure;
use crate::folder::{Folder, read_token};

/// How often it is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// For how long a projection may not answer before it is given up: it is asked again meanwhile.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// Where services say that they listen.
#[derive(Deserialize)]
struct Endpoints {
    projection: String,
}

/// The projection at this URL makes the rows anew.
pub async fn by_projection(url: &str, token_file: &Path, accept_differences: bool) -> Result<(), Failure> {
    let client = OperatorClient::new(url, &read_token(token_file)?)?;
    let begun = client.start_rebuild(accept_differences).await?;
    tokio::select! {
        state = watched(&client, begun) => told(state?),
        _ = ctrl_c() => Err(Failure::failed(format!(
            "nobody watches it any more, but the rebuild goes on: GET {url}/v1/rebuild says how far it is"
        ))),
    }
}

/// The projection that runs on this folder makes them.
pub async fn by_folder(folder: &Folder, accept_differences: bool) -> Result<(), Failure> {
    let path = folder.endpoints();
    let busy = || {
        Failure::failed(format!(
            "{} is in use by another postkey, and {} does not say where it listens: name it with --projection-url and \
             --token-file, or stop it",
            folder.path().display(),
            path.display()
        ))
    };
    let text = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(busy()),
        text => text.map_err(|error| Failure::io(&path, &error))?,
    };
    let endpoints: Endpoints = serde_json::from_slice(&text).map_err(|_| busy())?;
    by_projection(&endpoints.projection, &folder.token(Role::Operator), accept_differences).await
}

/// How it stands once it has ended.
async fn watched(client: &OperatorClient, begun: RebuildState) -> Result<RebuildState, CallError> {
    let bar = Bar::new();
    let (mut state, mut answered) = (begun, Instant::now());
    while state.is_under_way() {
        bar.step(state.position, state.head);
        sleep(ASK_EVERY).await;
        match client.rebuild().await {
            Ok(now) => (state, answered) = (now, Instant::now()),
            Err(CallError::Unreachable { .. }) if answered.elapsed() < SILENT_FOR => {}
            Err(error) => return Err(error),
        }
    }
    Ok(state)
}

fn told(state: RebuildState) -> Result<(), Failure> {
    if state.state == RebuildPhase::Swapped {
        return say(Some(&state.differences), state.position);
    }
    let why = state.failure.unwrap_or_else(|| "the projection was started again meanwhile: ask it again".to_owned());
    Err(Failure::failed(why))
}
