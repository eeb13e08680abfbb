//! `postkey nats`: what an administrator does about the stream, with a credential that no service has.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use event_log::{JetStreamError, JetStreamStore, ReadError, StreamReport};
use postkey_http::uuid_v4;
use wire::LogId;

use crate::args::{LogArgs, consumer_name};
use crate::edges::SystemEntropy;
use crate::failure::Failure;
use crate::journal::print;
use crate::stores::{Lack, LogUrl, Waiting, check_replicas, lack};

/// For how long a cluster that is starting is waited for: until its servers have elected who leads, they don't answer.
const WITHIN: Duration = Duration::from_secs(30);
/// The pause before it is asked again.
const AGAIN: Duration = Duration::from_millis(500);

#[derive(Subcommand, Debug)]
pub enum NatsAction {
    /// Make the stream, and the consumers that projections follow by; what is there already stays
    Setup(SetupArgs),
    /// Say what the stream is, and what about it is not as it must be
    Show(ShowArgs),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  postkey nats setup --log tls://n1:4222,n2:4222,n3:4222 --nats-credentials admin.nk --nats-ca ca.pem \\
    --nats-replicas 3 --consumer projection-1 --consumer projection-2

Takes the administrator's credential; keep it offline otherwise. Where services may make streams themselves, as on a
NATS server without accounts, the command service does it and nobody needs this.")]
pub struct SetupArgs {
    #[command(flatten)]
    log: LogArgs,
    /// A durable consumer to make, one for each projection service (its --nats-consumer); may be repeated
    #[arg(long, value_name = "NAME", value_parser = consumer_name)]
    consumer: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  postkey nats show --log nats://n1:4222

Exit code 1 where something is not as it must be.")]
pub struct ShowArgs {
    #[command(flatten)]
    log: LogArgs,
}

pub async fn nats(action: NatsAction) -> Result<(), Failure> {
    match action {
        NatsAction::Setup(args) => setup(&args).await,
        NatsAction::Show(args) => show(&args).await,
    }
}

async fn setup(args: &SetupArgs) -> Result<(), Failure> {
    let report = until_answered(async || set_up(args).await).await?;
    say(&report)?;
    for name in &args.consumer {
        print(format_args!("consumer  {name}"))?;
    }
    judge(&report, &args.log)
}

/// Tries again for a while what fails as it does at a cluster that is starting.
async fn until_answered<T>(mut attempt: impl AsyncFnMut() -> Result<T, Lack>) -> Result<T, Failure> {
    let (begun, mut said) = (Instant::now(), String::new());
    loop {
        match attempt().await {
            Err(Lack::Waiting(Waiting(why))) if begun.elapsed() < WITHIN => {
                if said != why {
                    tracing::info!(%why, "not yet: trying again for up to {} seconds", WITHIN.as_secs());
                    said = why;
                }
                tokio::time::sleep(AGAIN).await;
            }
            done => return done.map_err(Lack::into_failure),
        }
    }
}

async fn set_up(args: &SetupArgs) -> Result<StreamReport, Lack> {
    let config = args.log.nats.config(servers(&args.log)?);
    let store = match JetStreamStore::open(&config).await {
        Err(JetStreamError::Missing) => {
            let replicas = match args.log.nats.nats_replicas {
                Some(replicas) => replicas,
                None => JetStreamStore::sensible_replicas(&config).await.map_err(lack)?,
            };
            match JetStreamStore::create(&config, LogId::new(uuid_v4(&SystemEntropy)), replicas).await {
                // It had no leader when it was asked for.
                Err(error @ JetStreamError::AlreadyExists) => return Err(Waiting(error.to_string()).into()),
                created => created.map_err(lack)?,
            }
        }
        opened => opened.map_err(lack)?,
    };
    store.make_consumers(&args.consumer).await.map_err(lack)?;
    store.report().await.map_err(|error| match error {
        ReadError::Unavailable(why) => Waiting(why).into(),
        corrupt => Failure::failed(corrupt).into(),
    })
}

async fn show(args: &ShowArgs) -> Result<(), Failure> {
    let store = JetStreamStore::open(&args.log.nats.config(servers(&args.log)?)).await?;
    let report = store.report().await?;
    say(&report)?;
    judge(&report, &args.log)?;
    report.behind.map_or(Ok(()), |behind| Err(Failure::failed(behind)))
}

/// Fails where the stream is not set up as it must be, or as it was asked for.
fn judge(report: &StreamReport, log: &LogArgs) -> Result<(), Failure> {
    check_replicas(report, &log.nats)?;
    if report.drift.is_empty() {
        return Ok(());
    }
    if report.drift.iter().any(|drift| drift.starts_with("sealed")) {
        return Err(Failure::failed("the log was closed to changes, for a copy that goes on in its place"));
    }
    let what = "the stream's settings are not as they must be; set them back, or go on in a copy of the log";
    Err(Failure::failed(what))
}

fn servers(log: &LogArgs) -> Result<&[String], Failure> {
    match &log.log {
        LogUrl::Nats(servers) => Ok(servers),
        LogUrl::Sqlite(_) => Err(Failure::usage("a log in a file has no stream: --log nats://HOST:PORT")),
    }
}

fn say(report: &StreamReport) -> Result<(), Failure> {
    print(format_args!("log       {}", report.log))?;
    print(format_args!("replicas  {} ({})", report.replicas, report.servers.join(", ")))?;
    print(format_args!("head      {}", report.head))?;
    for drift in &report.drift {
        print(format_args!("drift     {drift}"))?;
    }
    Ok(())
}
