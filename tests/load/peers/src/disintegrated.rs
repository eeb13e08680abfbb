//! `disintegrate` with `disintegrate-postgres`: a decision reads the events of its user and appends under SERIALIZABLE.

use std::sync::Arc;

use disintegrate::serde::json::Json;
use disintegrate::{Decision, Event, NoSnapshot, StateMutate, StateQuery};
use disintegrate_postgres::{PgDecisionMaker, PgEventStore, decision_maker};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::cqrs::Refused;
use crate::drive::Peer;

#[derive(Debug, Clone, PartialEq, Eq, Event, Serialize, Deserialize)]
#[stream(UserEvent, [UserAdded, UserEdited])]
pub enum BenchEvent {
    UserAdded {
        #[id]
        user_id: String,
        address: String,
        first_name: String,
        last_name: String,
        quota_bytes: u64,
    },
    UserEdited {
        #[id]
        user_id: String,
        first_name: String,
        last_name: String,
        quota_bytes: u64,
    },
}

#[derive(Debug, Default, StateQuery, Clone, Serialize, Deserialize)]
#[state_query(UserEvent)]
pub struct User {
    #[id]
    user_id: String,
    address: Option<String>,
    first_name: String,
    last_name: String,
    quota_bytes: u64,
}

impl StateMutate for User {
    fn mutate(&mut self, event: Self::Event) {
        match event {
            UserEvent::UserAdded { address, first_name, last_name, quota_bytes, .. } => {
                self.address = Some(address);
                (self.first_name, self.last_name, self.quota_bytes) = (first_name, last_name, quota_bytes);
            }
            UserEvent::UserEdited { first_name, last_name, quota_bytes, .. } => {
                (self.first_name, self.last_name, self.quota_bytes) = (first_name, last_name, quota_bytes);
            }
        }
    }
}

struct AddUser {
    user_id: String,
    address: String,
}

impl Decision for AddUser {
    type Event = BenchEvent;
    type StateQuery = User;
    type Error = Refused;

    fn state_query(&self) -> User {
        User { user_id: self.user_id.clone(), ..User::default() }
    }

    fn process(&self, user: &User) -> Result<Vec<BenchEvent>, Refused> {
        if user.address.is_some() {
            return Err(Refused::Taken);
        }
        Ok(vec![BenchEvent::UserAdded {
            user_id: self.user_id.clone(),
            address: self.address.clone(),
            first_name: "Ann".to_owned(),
            last_name: "Lee".to_owned(),
            quota_bytes: 1 << 30,
        }])
    }
}

struct EditUser {
    user_id: String,
    last_name: String,
}

impl Decision for EditUser {
    type Event = BenchEvent;
    type StateQuery = User;
    type Error = Refused;

    fn state_query(&self) -> User {
        User { user_id: self.user_id.clone(), ..User::default() }
    }

    fn process(&self, user: &User) -> Result<Vec<BenchEvent>, Refused> {
        if user.address.is_none() {
            return Err(Refused::Unknown);
        }
        Ok(vec![BenchEvent::UserEdited {
            user_id: self.user_id.clone(),
            first_name: "Ann".to_owned(),
            last_name: self.last_name.clone(),
            quota_bytes: 1 << 30,
        }])
    }
}

/// The decision maker over a database; it keeps no view.
#[derive(Clone)]
pub struct Disintegrated(Arc<PgDecisionMaker<BenchEvent, Json<BenchEvent>, NoSnapshot>>);

impl Disintegrated {
    pub async fn open(pool: PgPool) -> Result<Self, String> {
        let store = PgEventStore::try_new(pool, Json::default()).await.map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(decision_maker(store, NoSnapshot))))
    }
}

/// A failure by its kind: the text behind it names events and positions.
fn kind(error: &disintegrate::DecisionError<Refused>) -> String {
    match error {
        disintegrate::DecisionError::Domain(refused) => refused.to_string(),
        disintegrate::DecisionError::EventStore(_) => "the event store refused: a conflict".to_owned(),
        disintegrate::DecisionError::StateStore(_) => "the state could not be read".to_owned(),
    }
}

impl Peer for Disintegrated {
    async fn add(&self, user: usize) -> Result<(), String> {
        let decision = AddUser { user_id: format!("user-{user}"), address: format!("u{user}@bench.example") };
        self.0.make(decision).await.map(|_| ()).map_err(|error| kind(&error))
    }

    async fn edit(&self, user: usize, last_name: String) -> Result<(), String> {
        let decision = EditUser { user_id: format!("user-{user}"), last_name };
        self.0.make(decision).await.map(|_| ()).map_err(|error| kind(&error))
    }
}
