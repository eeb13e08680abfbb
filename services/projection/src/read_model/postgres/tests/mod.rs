//! The contract over PostgreSQL, and what is its own: whose a database is, who may what, who leads, what a crash takes.

mod damage;
mod killed;
mod leading;
mod locks;
mod old_rows;
mod roles;

use std::sync::Arc;

use servers::Postgres;

use super::*;
use crate::read_model::Leadership;
use crate::read_model::contract::Model;
use crate::read_model_contract_tests;

pub fn location(url: &str) -> Location {
    url.parse().unwrap()
}

async fn two_processes() -> (Model, Model, Location) {
    let at = location(&Postgres::shared().database());
    let (one, two) = (PostgresReadModel::open(&at).await.unwrap(), PostgresReadModel::open(&at).await.unwrap());
    (Model::new(&Arc::new(one)), Model::new(&Arc::new(two)), at)
}

read_model_contract_tests!(two_processes);

async fn two_stores() -> (Arc<PostgresReadModel>, Arc<PostgresReadModel>, Location, String) {
    let url = Postgres::shared().database();
    let at = location(&url);
    let (one, two) = (PostgresReadModel::open(&at).await.unwrap(), PostgresReadModel::open(&at).await.unwrap());
    (Arc::new(one), Arc::new(two), at, url.rsplit_once('/').unwrap().1.to_owned())
}
