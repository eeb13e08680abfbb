//! `cqrs-es` with `postgres-es`: a user is an aggregate, its events are read before every command.

use std::sync::Arc;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::GenericQuery;
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, Query, View};
use postgres_es::{PostgresCqrs, PostgresViewRepository, postgres_cqrs};
use serde::{Deserialize, Serialize};
use sqlx::{Pool, Postgres};

use crate::drive::Peer;

/// The tables that `postgres-es` expects (its `db/init.sql`).
const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS events (aggregate_type text NOT NULL, aggregate_id text NOT NULL,
     sequence bigint CHECK (sequence >= 0) NOT NULL, event_type text NOT NULL, event_version text NOT NULL,
     payload json NOT NULL, metadata json NOT NULL, PRIMARY KEY (aggregate_type, aggregate_id, sequence))",
    "CREATE TABLE IF NOT EXISTS users (view_id text NOT NULL, version bigint CHECK (version >= 0) NOT NULL,
     payload json NOT NULL, PRIMARY KEY (view_id))",
];

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct User {
    address: Option<String>,
    first_name: String,
    last_name: String,
    quota_bytes: u64,
}

pub enum Command {
    AddUser { address: String, first_name: String, last_name: String, quota_bytes: u64 },
    EditUser { first_name: String, last_name: String, quota_bytes: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event {
    UserAdded { address: String, first_name: String, last_name: String, quota_bytes: u64 },
    UserEdited { first_name: String, last_name: String, quota_bytes: u64 },
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Self::UserAdded { .. } => "UserAdded".to_owned(),
            Self::UserEdited { .. } => "UserEdited".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is such a user")]
    Taken,
    #[error("there is no such user")]
    Unknown,
}

impl Aggregate for User {
    const TYPE: &'static str = "user";
    type Command = Command;
    type Event = Event;
    type Error = Refused;
    type Services = ();

    async fn handle(&mut self, command: Command, _: &(), sink: &EventSink<Self>) -> Result<(), Refused> {
        let event = match (command, &self.address) {
            (Command::AddUser { .. }, Some(_)) => return Err(Refused::Taken),
            (Command::EditUser { .. }, None) => return Err(Refused::Unknown),
            (Command::AddUser { address, first_name, last_name, quota_bytes }, None) => {
                Event::UserAdded { address, first_name, last_name, quota_bytes }
            }
            (Command::EditUser { first_name, last_name, quota_bytes }, Some(_)) => {
                Event::UserEdited { first_name, last_name, quota_bytes }
            }
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::UserAdded { address, first_name, last_name, quota_bytes } => {
                *self = Self { address: Some(address), first_name, last_name, quota_bytes };
            }
            Event::UserEdited { first_name, last_name, quota_bytes } => {
                (self.first_name, self.last_name, self.quota_bytes) = (first_name, last_name, quota_bytes);
            }
        }
    }
}

impl View<User> for User {
    fn update(&mut self, event: &EventEnvelope<User>) {
        self.apply(event.payload.clone());
    }
}

/// The framework over a database, with a view of users that is written with every command, or without.
#[derive(Clone)]
pub struct Cqrs(Arc<PostgresCqrs<User>>);

impl Cqrs {
    pub async fn open(pool: Pool<Postgres>, with_view: bool) -> Result<Self, String> {
        for table in TABLES {
            sqlx::query(table).execute(&pool).await.map_err(|error| error.to_string())?;
        }
        let mut queries: Vec<Box<dyn Query<User>>> = Vec::new();
        if with_view {
            let views = Arc::new(PostgresViewRepository::<User, User>::new("users", pool.clone()));
            let mut query = GenericQuery::new(views);
            query.use_error_handler(Box::new(|error| eprintln!("peers: the view: {error}")));
            queries.push(Box::new(query));
        }
        Ok(Self(Arc::new(postgres_cqrs(pool, queries, ()))))
    }
}

impl Peer for Cqrs {
    async fn add(&self, user: usize) -> Result<(), String> {
        let command = Command::AddUser {
            address: format!("u{user}@bench.example"),
            first_name: "Ann".to_owned(),
            last_name: "Lee".to_owned(),
            quota_bytes: 1 << 30,
        };
        self.0.execute(&format!("user-{user}"), command).await.map_err(|error| error.to_string())
    }

    async fn edit(&self, user: usize, last_name: String) -> Result<(), String> {
        let command = Command::EditUser { first_name: "Ann".to_owned(), last_name, quota_bytes: 1 << 30 };
        self.0.execute(&format!("user-{user}"), command).await.map_err(|error| error.to_string())
    }
}
