//! What administrators do with the stream: they make it and its consumers, look at it, and change its settings.

use domain::Position;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};
use wire::LogId;

use super::connection::{MAKE_WITHIN, RETRY_AFTER};
use super::faults::{ApiFault, code};
use super::stream::{self, Info, STREAM};
use super::{JetStreamError, JetStreamStore, NatsConfig, connect, follow, info, refused};
use crate::ReadError;

/// A stream as an administrator sees it.
#[derive(Clone, Debug)]
pub struct StreamReport {
    /// The log that it holds.
    pub log: LogId,
    /// How many servers hold it.
    pub replicas: u64,
    /// Their names.
    pub servers: Vec<String>,
    /// Where it ends.
    pub head: Position,
    /// Which of them are down or behind.
    pub behind: Option<String>,
    /// What is not as it must be.
    pub drift: Vec<String>,
}

impl JetStreamStore {
    /// Makes the stream of a new, empty log, held by so many servers, and opens it. Takes the right to make streams.
    ///
    /// # Errors
    /// Where there is one already, which stays as it is, or the servers refuse.
    pub async fn create(config: &NatsConfig, log: LogId, replicas: usize) -> Result<Self, JetStreamError> {
        create(config, &stream::creation(log, replicas, false)).await?;
        Self::open(config).await
    }

    /// How many servers a new stream should be held by: three where the servers are a cluster, else one.
    ///
    /// # Errors
    /// Where they can't be reached.
    pub async fn sensible_replicas(config: &NatsConfig) -> Result<usize, JetStreamError> {
        let connection = connect(config).await?;
        Ok(if connection.server_info().cluster.is_some() { 3 } else { 1 })
    }

    /// Makes durable consumers to follow by, for whoever may not make its own. Takes an administrator's credentials.
    ///
    /// # Errors
    /// Where the servers refuse, or do not answer.
    pub async fn make_consumers(&self, names: &[String]) -> Result<(), JetStreamError> {
        for name in names {
            follow::make_durable(&self.connection, name).await.map_err(|fault| {
                if fault.is_for_want_of_rights() {
                    return JetStreamError::Refused(format!(
                        "the consumer {name} can't be made ({fault}): `postkey nats setup` makes it, with an administrator's \
                         credentials"
                    ));
                }
                match fault {
                    ApiFault::NoAnswer(why) => {
                        let servers = self.connection.server_info().host;
                        JetStreamError::Unavailable { servers, reason: format!("consumer {name}: {why}") }
                    }
                    fault => JetStreamError::Refused(format!("consumer {name}: {fault}")),
                }
            })?;
        }
        Ok(())
    }

    /// The stream as it is now.
    ///
    /// # Errors
    /// Where it can't be asked.
    pub async fn report(&self) -> Result<StreamReport, ReadError> {
        let (info, settings) = self.info().await?;
        Ok(StreamReport {
            log: settings.log,
            replicas: settings.replicas,
            behind: stream::servers_behind(info.cluster.as_ref()),
            servers: info.cluster.map(|cluster| cluster.servers()).unwrap_or_default(),
            head: info.state.head()?,
            drift: settings.drift,
        })
    }

    /// Changes settings, and leaves the others as they are.
    pub(super) async fn update(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), JetStreamError> {
        let refused = |fault: ApiFault| JetStreamError::Refused(fault.to_string());
        let info = info(&self.connection).await.map_err(refused)?;
        let changed = stream::changed(&info.config, change)?;
        let updated = self.connection.api::<Info>(&format!("STREAM.UPDATE.{STREAM}"), &changed).await;
        self.note(&updated.map_err(refused)?).map(|_| ())
    }
}

pub(super) async fn create(config: &NatsConfig, creation: &Value) -> Result<(), JetStreamError> {
    let connection = connect(config).await?;
    match info(&connection).await {
        Ok(_) => return Err(JetStreamError::AlreadyExists),
        Err(fault) if fault.is(code::STREAM_NOT_FOUND) => {}
        Err(fault) => return Err(refused(config, fault)),
    }
    let deadline = Instant::now() + MAKE_WITHIN;
    loop {
        match connection.api_within::<IgnoredAny>(&format!("STREAM.CREATE.{STREAM}"), creation, MAKE_WITHIN).await {
            Ok(_) => return Ok(()),
            Err(fault) if fault.is(code::STREAM_NAME_IN_USE) => return Err(JetStreamError::AlreadyExists),
            // Servers that have just found each other, or lost one, take a moment to know who is there.
            Err(fault) if fault.is_of_a_cluster_that_gathers() && Instant::now() < deadline => sleep(RETRY_AFTER).await,
            // It may be made all the same, a little later.
            Err(fault @ ApiFault::NoAnswer(_)) if !fault.is_for_want_of_rights() => return Err(refused(config, fault)),
            Err(fault) => {
                return Err(JetStreamError::Refused(format!(
                    "the stream {STREAM} can't be made ({fault}): `postkey nats setup` makes it, with an administrator's \
                     credentials"
                )));
            }
        }
    }
}
