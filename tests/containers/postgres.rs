//! A PostgreSQL server in a container.

use sqlx::{Connection as _, PgConnection};
use stage::until;
use testcontainers::ImageExt as _;
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner as _;

use crate::docker;

#[tokio::test]
async fn commits_outlive_a_kill_and_a_password_is_asked_for() {
    let Some(daemon) = docker::daemon().await else { return };
    // The first of the two lines is of the server that the image makes the database with.
    let ready = "database system is ready to accept connections";
    let ready = [WaitFor::message_on_stdout(ready), WaitFor::message_on_stderr(ready)];
    let request = docker::server(servers::POSTGRES_IMAGE, 5432, &ready).with_env_var("POSTGRES_PASSWORD", "right");
    let (request, port) = docker::ours(request, servers::POSTGRES_IMAGE, 5432).await;
    let container = request.start().await.expect("a container of PostgreSQL");
    let url = |password: &str| format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres");

    let wrong = PgConnection::connect(&url("wrong")).await.map(drop).unwrap_err();
    assert!(wrong.to_string().contains("password authentication failed"), "{wrong}");
    let mut connection = PgConnection::connect(&url("right")).await.unwrap();
    sqlx::raw_sql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)").execute(&mut connection).await.unwrap();

    docker::kill(&daemon, &container).await;
    sqlx::raw_sql("SELECT 1").execute(&mut connection).await.unwrap_err();
    container.start().await.unwrap();
    let mut connection = until("it is back", async || PgConnection::connect(&url("right")).await.ok()).await;
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut connection).await.unwrap();
    assert_eq!(count, 1);
}
