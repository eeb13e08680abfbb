//! `postkey up`: both services and the panel in one process, on embedded stores in one folder.

use std::fs;
use std::io;
use std::sync::Arc;

use activity::ActivityLog;
use credential::Hasher;
use postkey_http::{Health, PositionClient, Role};
use postkey_panel::accounts::Accounts;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::args::{KeyArgs, LogArgs, MetricsArgs, ThrottleArgs, UpArgs};
use crate::demo::Demo;
use crate::failure::Failure;
use crate::folder::{Folder, read_token, replace};
use crate::journal::print;
use crate::ledger_files::LedgerFolder;
use crate::locks::{self, PROJECTION_LOCK};
use crate::panel::{self, PagesArgs, PanelEdge, Upstream};
use crate::services::{Edge, listen_at, open_clients, start_hasher, stop_on_signal};
use crate::stores::{Lack, ReadModelHandle, Stores};

pub async fn up(args: UpArgs) -> Result<(), Failure> {
    let stop = stop_on_signal()?;
    let folder = Folder::new(args.data);
    folder.make()?;
    let _locks = (locks::take(folder.path(), "command.lock")?, locks::take(folder.path(), PROJECTION_LOCK)?);
    forget_endpoints(&folder)?;
    folder.make_keys(&Role::ALL)?;
    // Before anybody reads the clients file.
    let tokens = PanelTokens { panel: folder.own_token(Role::Panel)?, webmail: folder.own_token(Role::Webmail)? };
    let (log, keys) = (LogArgs::of(folder.log()), KeyArgs::of(folder.keys(), folder.keyring()));
    let stores = Stores::open_to_write(&log, &keys, Some(&folder.read_model())).await.map_err(Lack::into_failure)?;
    let model = ReadModelHandle::open(&folder.read_model()).await.map_err(Lack::into_failure)?;
    let accounts = Accounts::open(&folder.accounts()).await?;
    let hasher = start_hasher()?;

    let insecure = args.insecure.insecure_listen;
    let panel_listener = listen_at("--panel-listen", args.panel_listen, insecure).await?;
    let command_listener = listen_at("--command-listen", args.command_listen, insecure).await?;
    let projection_listener = listen_at("--projection-listen", args.projection_listen, insecure).await?;
    let endpoints = Endpoints::of([&panel_listener, &command_listener, &projection_listener])?;

    // What is saved at the end is in force before its answer: the panel ends first, and the projection last.
    let (commanding, projecting) = (CancellationToken::new(), CancellationToken::new());
    let keeping = args.activity.keep(Some(&folder.activity()));
    let activity = keeping.log.clone();
    let shared = Shared { folder: &folder, hasher, throttle: args.throttle, metrics: args.metrics, activity };
    let ledger = Some(LedgerFolder::of(folder.ledger_key()));
    let projection = stores.projection(&model, shared.edge(&stop)?, ledger, args.projecting, &projecting);
    let client = PositionClient::new(&[&endpoints.projection], &read_token(&folder.token(Role::Service))?)?;
    let command = stores.command(args.deciding, shared.edge(&stop)?, client, &commanding).await;
    let panel = shared.panel(&endpoints, tokens, accounts.clone(), args.pages)?;
    let running = async {
        tokio::try_join!(
            async {
                Ok::<_, Failure>(postkey_projection::run(projection, projection_listener, projecting.clone()).await?)
            },
            async {
                let ran = postkey_command::run(command, command_listener, commanding.clone()).await;
                projecting.cancel();
                Ok(ran?)
            },
            async {
                let ran = postkey_panel::run(panel, panel_listener, stop.clone()).await;
                commanding.cancel();
                Ok(ran?)
            },
        )
    };
    let announced = async {
        let announced = async {
            endpoints.announce(&folder)?;
            if args.demo {
                let demo = Demo { folder: &folder, accounts: &accounts, hasher: &shared.hasher };
                let seeded = demo.seed(&endpoints.command, &endpoints.projection);
                stop.run_until_cancelled(seeded).await.unwrap_or(Ok(()))?;
            }
            Ok::<_, Failure>(())
        };
        announced.await.inspect_err(|_| stop.cancel())
    };
    let (ran, announced) = tokio::join!(running, announced);
    stores.close().await;
    model.close().await;
    accounts.close().await;
    keeping.end().await;
    forget_endpoints(&folder)?;
    announced?;
    ran.map(|_| ())
}

/// What the services of one process share.
struct Shared<'a> {
    folder: &'a Folder,
    hasher: Arc<Hasher>,
    throttle: ThrottleArgs,
    metrics: MetricsArgs,
    activity: ActivityLog,
}

impl Shared<'_> {
    /// A service's edge, with health and metrics of its own.
    fn edge(&self, stop: &CancellationToken) -> Result<Edge, Failure> {
        let health = Health::new();
        let clients = open_clients(&self.folder.clients(), &health, stop)?;
        let (hasher, limits, metrics) = (Arc::clone(&self.hasher), self.throttle.limits(), self.metrics.of(&health));
        Ok(Edge { clients, hasher, limits, health, metrics, activity: self.activity.clone() })
    }

    /// The panel, which asks the others over HTTP as any panel would.
    fn panel(
        &self,
        endpoints: &Endpoints,
        tokens: PanelTokens,
        accounts: Accounts,
        pages: PagesArgs,
    ) -> Result<postkey_panel::Parts, Failure> {
        let upstream = Upstream {
            command_url: &endpoints.command,
            projection_url: &endpoints.projection,
            token: tokens.panel,
            webmail_token: Some(tokens.webmail),
        };
        let health = Health::new();
        let metrics = self.metrics.of(&health);
        let edge = PanelEdge { hasher: Arc::clone(&self.hasher), limits: self.throttle.limits(), health, metrics };
        panel::parts(&upstream, accounts, pages, edge)
    }
}

/// What the panel asks the others with.
struct PanelTokens {
    panel: SecretString,
    webmail: SecretString,
}

/// Where the services listen: their base URLs.
struct Endpoints {
    panel: String,
    command: String,
    projection: String,
}

impl Endpoints {
    fn of(listeners: [&TcpListener; 3]) -> Result<Self, Failure> {
        let url = |listener: &TcpListener| Ok::<_, Failure>(format!("http://{}", listener.local_addr()?));
        let [panel, command, projection] = listeners;
        Ok(Self { panel: url(panel)?, command: url(command)?, projection: url(projection)? })
    }

    /// Says where they are, to whoever looks into the folder and to the person who started them.
    fn announce(&self, folder: &Folder) -> Result<(), Failure> {
        let Self { panel, command, projection } = self;
        let endpoints = json!({"panel": panel, "command": command, "projection": projection});
        replace(&folder.endpoints(), endpoints.to_string().as_bytes())?;
        print(format_args!("panel       {panel}"))?;
        print(format_args!("command     {command}"))?;
        print(format_args!("projection  {projection}"))?;
        print(format_args!("tokens      {}/tokens", folder.path().display()))
    }
}

/// Endpoints are there only while somebody listens at them.
fn forget_endpoints(folder: &Folder) -> Result<(), Failure> {
    match fs::remove_file(folder.endpoints()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::io(&folder.endpoints(), &error)),
        _ => Ok(()),
    }
}
