//! A server that was killed, and is back.

use postkey_http::{Health, Status};

use super::*;
use crate::read_model::Watched;

#[tokio::test]
async fn lookups_say_that_it_is_away_and_come_back_by_themselves() {
    let mut postgres = Postgres::start();
    let model = Arc::new(PostgresReadModel::open(&location(&postgres.database())).await.unwrap());
    let health = Health::new().check("read-model");
    let watched = Watched::new(Arc::clone(&model), health.clone());
    let nobody = Address::parse("nobody@d001.example").unwrap();
    let eight = async || {
        let logins = (0..8).map(|_| watched.login(&nobody));
        futures::future::join_all(logins).await
    };
    assert!(eight().await.iter().all(Result::is_ok));
    for _ in 0..2 {
        postgres.kill();
        let away = watched.login(&nobody).await.unwrap_err();
        assert!(matches!(&away, ReadModelError::Unavailable(what) if what.contains("connection")), "{away}");
        assert!(matches!(health.status(), Status::Red(what) if what.contains("connection")));
        postgres.start_again();
        assert!(eight().await.iter().all(Result::is_ok), "nobody meets a dead connection");
        assert_eq!(health.status(), Status::Green);
    }
    model.close().await;
}

#[tokio::test]
async fn what_was_swapped_in_stays_after_a_crash() {
    let mut postgres = Postgres::with(servers::PostgresOptions { durable: true, ..Default::default() });
    let at = location(&postgres.database());
    let model = PostgresReadModel::open(&at).await.unwrap();
    let (live, next) = (model.live().await.unwrap(), model.begin().await.unwrap());
    model.swap(live, next, true).await.unwrap();
    postgres.kill();
    postgres.start_again();
    assert_eq!(model.live().await.unwrap(), next);
}

#[tokio::test]
async fn one_that_is_away_at_the_start_is_named_without_its_password() {
    let mut postgres = Postgres::start();
    let url = postgres.database().replace("postgres@", "postgres:s3cret-w0rd@");
    postgres.kill();
    match PostgresReadModel::open(&location(&url)).await.map(|_| ()) {
        Err(ReadModelError::Unavailable(what)) => {
            assert!(what.contains("postgres://postgres@127.0.0.1:") && !what.contains("s3cret"), "{what}");
        }
        other => panic!("{other:?}"),
    }
}
