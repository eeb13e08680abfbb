//! What each role may do, by the grants.

use super::*;
use crate::read_model::LedgerRows;
use crate::read_model::contract::sample::{LOG, entries};

/// A server of its own, since roles are the whole server's.
async fn set_up() -> (Postgres, String) {
    let postgres = Postgres::start();
    for role in ["owner", "projector", "webmail", "keys", "stranger"] {
        postgres.psql("postgres", &format!("CREATE ROLE postkey_{role} LOGIN"));
    }
    postgres.psql("postgres", "CREATE DATABASE postkey OWNER postkey_owner");
    let url = postgres.url("postkey");
    PostgresReadModel::set_up(&location(&url.replace("postgres@", "postkey_owner@"))).await.unwrap();
    (postgres, url)
}

fn as_role(url: &str, role: &str) -> Location {
    location(&url.replace("postgres@", &format!("postkey_{role}@")))
}

#[tokio::test]
async fn the_projector_does_all_its_work_and_changes_no_schema() {
    let (postgres, url) = set_up().await;
    PostgresReadModel::set_up(&as_role(&url, "owner")).await.unwrap();
    let open = async || Arc::new(PostgresReadModel::open(&as_role(&url, "projector")).await.unwrap());
    let (one, two) = (open().await, open().await);
    assert!(one.claim().await.unwrap());
    crate::read_model::contract::rows_read_back_as_they_were_written(Model::new(&one), Model::new(&two)).await;
    grow_the_ledger(&one, &two).await;
    one.release().await.unwrap();
    postgres.psql("postkey", "DELETE FROM leader");
    one.mend().await.unwrap();
    assert!(two.claim().await.unwrap() && two.release().await.is_ok());
    let (live, next) = (one.live().await.unwrap(), two.begin().await.unwrap());
    two.swap(live, next, true).await.unwrap();
    for sql in [
        "DROP TABLE service",
        "CREATE TABLE mine (x int)",
        "UPDATE postkey_schema SET version = 9",
        "TRUNCATE service",
        "UPDATE ledger_leaf SET position = 7",
        "DELETE FROM ledger_leaf",
        "UPDATE ledger_node SET level = 7",
        "DELETE FROM ledger_node",
    ] {
        let refused = refused_as(&postgres, "projector", sql);
        assert!(refused.contains("denied") || refused.contains("must be owner"), "{sql}: {refused}");
    }
}

/// By a batch, and behind one.
async fn grow_the_ledger(leads: &PostgresReadModel, other: &PostgresReadModel) {
    let live = leads.live().await.unwrap();
    let mut from = leads.applied(live).await.unwrap();
    let behind = entries(None, from.as_ref().unwrap().position.get());
    other.extend(LOG, &behind.leaves, &behind.nodes).await.unwrap();
    let more = entries(from.as_ref(), 300);
    leads.apply(live, &more, from.as_ref()).await.unwrap();
    from = Some(more.to);
    let state = other.ledger().await.unwrap();
    assert_eq!((state.size, state.applied), (from.as_ref().unwrap().position, from));
}

#[tokio::test]
async fn webmail_reads_no_table_and_nobody_else_even_connects() {
    let (postgres, url) = set_up().await;
    for table in ["postkey_schema", "generation", "leader", "service", "mailbox_user", "ledger_leaf", "ledger_node"] {
        let refused = refused_as(&postgres, "webmail", &format!("SELECT count(*) FROM {table}"));
        assert!(refused.contains("permission denied for table"), "{refused}");
    }
    for role in ["keys", "stranger"] {
        match PostgresReadModel::open(&as_role(&url, role)).await.map(|_| ()) {
            Err(ReadModelError::Unavailable(what)) => {
                assert!(what.contains("permission denied for database"), "{what}")
            }
            other => panic!("{other:?}"),
        }
    }
}

/// What the server says of a statement that a role may not run.
fn refused_as(postgres: &Postgres, role: &str, sql: &str) -> String {
    let script = format!(
        "DO $$ BEGIN SET LOCAL ROLE postkey_{role}; EXECUTE '{sql}'; RAISE EXCEPTION 'it was let do that'; \
         EXCEPTION WHEN insufficient_privilege THEN PERFORM set_config('test.said', SQLERRM, false); END $$; \
         SHOW test.said"
    );
    postgres.psql("postkey", &script)
}
