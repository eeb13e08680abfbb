//! The read model, in whichever database it lies.

use std::sync::Arc;

use postkey_projection::read_model::{
    Generations, Leadership, Lookups, PostgresReadModel, Queries, ReadModelError, ReadModelWriter, SqliteReadModel,
};

use super::url::StoreUrl;
use super::{Lack, Waiting};

/// An open read model.
pub enum ReadModelHandle {
    /// A file.
    Sqlite(Arc<SqliteReadModel>),
    /// A database.
    Postgres(Arc<PostgresReadModel>),
}

/// The ports of a read model, all of one store.
pub struct ReadModelPorts {
    pub writer: Arc<dyn ReadModelWriter>,
    pub generations: Arc<dyn Generations>,
    pub leadership: Arc<dyn Leadership>,
    pub lookups: Arc<dyn Lookups>,
    pub queries: Arc<dyn Queries>,
}

impl ReadModelHandle {
    /// Opens it, and makes it where there is none.
    pub async fn open(url: &StoreUrl) -> Result<Self, Lack> {
        let opened = match url {
            StoreUrl::Sqlite(file) => {
                SqliteReadModel::open(file.path()).await.map(|model| Self::Sqlite(Arc::new(model)))
            }
            StoreUrl::Postgres(location) => {
                PostgresReadModel::open(location).await.map(|model| Self::Postgres(Arc::new(model)))
            }
        };
        opened.map_err(|error| match (error, url) {
            (error @ ReadModelError::Unavailable(_), StoreUrl::Postgres(_)) => Waiting(error.to_string()).into(),
            (ReadModelError::Damaged(what), _) => Lack::Damaged(what),
            (error, _) => error.into(),
        })
    }

    /// Its ports.
    pub fn ports(&self) -> ReadModelPorts {
        fn of<M>(model: &Arc<M>) -> ReadModelPorts
        where
            M: ReadModelWriter + Generations + Leadership + Lookups + Queries + 'static,
        {
            ReadModelPorts {
                writer: Arc::clone(model) as _,
                generations: Arc::clone(model) as _,
                leadership: Arc::clone(model) as _,
                lookups: Arc::clone(model) as _,
                queries: Arc::clone(model) as _,
            }
        }
        match self {
            Self::Sqlite(model) => of(model),
            Self::Postgres(model) => of(model),
        }
    }

    /// Closes its connections in good order.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(model) => model.close().await,
            Self::Postgres(model) => model.close().await,
        }
    }
}
