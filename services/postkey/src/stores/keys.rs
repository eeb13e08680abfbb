//! The key store, in whichever database it lies.

use std::sync::Arc;

use keys::{CheckpointStore, KeyStore, PostgresKeyStore, PostgresOpenError, SqliteKeyStore, WrappedKeys};

use super::url::StoreUrl;
use super::{Lack, Waiting};
use crate::args::KeyArgs;
use crate::failure::Failure;

/// An open key store.
pub enum KeyHandle {
    /// A file.
    Sqlite(Arc<SqliteKeyStore>),
    /// A database.
    Postgres(Arc<PostgresKeyStore>),
}

impl KeyHandle {
    /// Opens it; a file that is not there is made where `create` says so.
    pub async fn open(args: &KeyArgs, create: bool) -> Result<Self, Lack> {
        match args.url()? {
            StoreUrl::Sqlite(file) => Ok(Self::Sqlite(Arc::new(SqliteKeyStore::open(file.path(), create).await?))),
            StoreUrl::Postgres(location) => match PostgresKeyStore::open(&location).await {
                Ok(store) => Ok(Self::Postgres(Arc::new(store))),
                Err(error @ PostgresOpenError::Unavailable(_)) => Err(Waiting(error.to_string()).into()),
                Err(error @ PostgresOpenError::NotOurs(_)) => Err(error.into()),
            },
        }
    }

    /// Refuses where the log has keys, and their file is gone.
    pub fn must_be_there(url: &StoreUrl) -> Result<(), Failure> {
        match url {
            StoreUrl::Sqlite(file) if !file.path().exists() => {
                let path = file.path().display();
                Err(Failure::failed(format!("{path} is missing: restore the key store that belongs to the log")))
            }
            StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => Ok(()),
        }
    }

    /// The store itself.
    pub fn store(&self) -> Arc<dyn KeyStore> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn KeyStore>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn KeyStore>,
        }
    }

    /// The keys as they are wrapped, in the same place.
    pub fn wrapped(&self) -> Arc<dyn WrappedKeys> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn WrappedKeys>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn WrappedKeys>,
        }
    }

    /// Where the newest checkpoint is kept, in the same place.
    pub fn checkpoints(&self) -> Arc<dyn CheckpointStore> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn CheckpointStore>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn CheckpointStore>,
        }
    }

    /// Whether no key was ever stored, nor destroyed.
    pub async fn is_empty(&self) -> Result<bool, Lack> {
        match self {
            Self::Sqlite(store) => Ok(store.is_empty().await?),
            Self::Postgres(store) => store.is_empty().await.map_err(|error| Waiting(error.to_string()).into()),
        }
    }
}
