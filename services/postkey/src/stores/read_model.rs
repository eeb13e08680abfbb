//! The read model, in whichever database it lies.

use std::sync::Arc;

use postkey_projection::RebuildPorts;
use postkey_projection::read_model::{
    Generations, Leadership, LedgerRows, Lookups, PostgresReadModel, Queries, ReadModelError, ReadModelWriter,
    SqliteReadModel, Strays,
};

use super::url::StoreUrl;
use super::{Lack, Waiting};

/// An open read model.
pub enum ReadModelHandle {
    /// A file.
    Sqlite(Arc<SqliteReadModel>),
    /// A database, and the same by other connections, for a rebuild beside a projection.
    Postgres(Arc<PostgresReadModel>, Arc<PostgresReadModel>),
}

/// The ports of a read model, all of one store.
pub struct ReadModelPorts {
    pub writer: Arc<dyn ReadModelWriter>,
    pub generations: Arc<dyn Generations>,
    pub leadership: Arc<dyn Leadership>,
    pub lookups: Arc<dyn Lookups>,
    pub queries: Arc<dyn Queries>,
    pub ledger: Arc<dyn LedgerRows>,
    pub strays: Arc<dyn Strays>,
}

impl ReadModelHandle {
    /// Opens it, and makes it where there is none.
    pub async fn open(url: &StoreUrl) -> Result<Self, Lack> {
        let opened = match url {
            StoreUrl::Sqlite(file) => {
                SqliteReadModel::open(file.path()).await.map(|model| Self::Sqlite(Arc::new(model)))
            }
            StoreUrl::Postgres(location) => {
                let model = PostgresReadModel::open(location).await;
                match (model, PostgresReadModel::open(location).await) {
                    (Ok(model), Ok(beside)) => Ok(Self::Postgres(Arc::new(model), Arc::new(beside))),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                }
            }
        };
        opened.map_err(|error| match (error, url) {
            (error @ ReadModelError::Unavailable(_), StoreUrl::Postgres(_)) => Waiting(error.to_string()).into(),
            (ReadModelError::Damaged(what), _) => Lack::Damaged(what),
            (error, _) => error.into(),
        })
    }

    /// Opens one that is there for whoever changes nothing, beside whoever does.
    pub async fn open_to_read(url: &StoreUrl) -> Result<Self, ReadModelError> {
        match url {
            StoreUrl::Sqlite(file) => {
                SqliteReadModel::open_to_read(file.path()).await.map(|model| Self::Sqlite(Arc::new(model)))
            }
            StoreUrl::Postgres(location) => {
                let model = Arc::new(PostgresReadModel::open(location).await?);
                Ok(Self::Postgres(Arc::clone(&model), model))
            }
        }
    }

    /// Closes one that was opened to read.
    pub async fn let_go(&self) {
        match self {
            Self::Sqlite(model) => model.let_go().await,
            Self::Postgres(model, _) => model.close().await,
        }
    }

    /// Its ports.
    pub fn ports(&self) -> ReadModelPorts {
        fn of<M>(model: &Arc<M>) -> ReadModelPorts
        where
            M: ReadModelWriter + Generations + Leadership + Lookups + Queries + Strays + LedgerRows + 'static,
        {
            ReadModelPorts {
                writer: Arc::clone(model) as _,
                generations: Arc::clone(model) as _,
                leadership: Arc::clone(model) as _,
                lookups: Arc::clone(model) as _,
                queries: Arc::clone(model) as _,
                ledger: Arc::clone(model) as _,
                strays: Arc::clone(model) as _,
            }
        }
        match self {
            Self::Sqlite(model) => of(model),
            Self::Postgres(model, _) => of(model),
        }
    }

    /// What a rebuild writes to, also beside a projection. A file has one writer, which both share; in a database they have
    /// connections of their own.
    pub fn rebuild_ports(&self) -> RebuildPorts {
        match self {
            Self::Sqlite(model) => RebuildPorts::of(model),
            Self::Postgres(_, beside) => RebuildPorts::of(beside),
        }
    }

    /// Closes its connections in good order.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(model) => model.close().await,
            Self::Postgres(model, beside) => {
                beside.close().await;
                model.close().await;
            }
        }
    }
}
