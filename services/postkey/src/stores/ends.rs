//! A log at an end of a copy, in whichever store it lies.

use std::sync::Arc;

use event_log::{CopyEnd, CopyId, JetStreamError, JetStreamStore, OpenError, SqliteStore};
use wire::LogId;

use super::Lack;
use super::log::{LogHandle, jet_stream, lack, sqlite};
use super::url::LogUrl;
use crate::args::LogArgs;

impl LogHandle {
    /// Opens the log for a copy, also while one into it is under way; none where there is none.
    pub async fn open_for_copy(args: &LogArgs) -> Result<Option<Self>, Lack> {
        match &args.log {
            LogUrl::Sqlite(file) => sqlite(SqliteStore::open_for_copy(file.path()).await),
            LogUrl::Nats(servers) => jet_stream(JetStreamStore::open_for_copy(&args.nats.config(servers)).await),
        }
    }

    /// Makes a copy's target. Where another process was faster, what it made is opened.
    pub async fn create_copy(args: &LogArgs, log: LogId, copy: CopyId) -> Result<Self, Lack> {
        match &args.log {
            LogUrl::Sqlite(file) => {
                let made = match SqliteStore::create_copy(file.path(), log, copy).await {
                    Err(OpenError::AlreadyExists(_)) => SqliteStore::open_for_copy(file.path()).await,
                    made => made,
                };
                Ok(Self::Sqlite(Arc::new(made?)))
            }
            LogUrl::Nats(servers) => {
                let config = args.nats.config(servers);
                let replicas = match args.nats.nats_replicas {
                    Some(replicas) => replicas,
                    None => JetStreamStore::sensible_replicas(&config).await.map_err(lack)?,
                };
                let made = match JetStreamStore::create_copy(&config, log, copy, replicas).await {
                    Err(JetStreamError::AlreadyExists) => JetStreamStore::open_for_copy(&config).await,
                    made => made,
                };
                made.map(|store| Self::JetStream(Arc::new(store))).map_err(lack)
            }
        }
    }

    /// What it offers to a copy.
    pub fn copy_end(&self) -> &dyn CopyEnd {
        match self {
            Self::Sqlite(store) => store.as_ref(),
            Self::JetStream(store) => store.as_ref(),
        }
    }
}
