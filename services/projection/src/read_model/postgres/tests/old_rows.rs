//! A database of an older version.

use domain::Erasable;

use super::*;
use crate::read_model::Needle;
use crate::read_model::contract::sample::{batch, every_user, service};

/// What makes version 1 of a database of ours, whose rows stay.
const BACK: &str = "DROP TABLE ledger_leaf, ledger_node; DROP INDEX user_without_search_text; ALTER TABLE mailbox_user DROP COLUMN search_text; \
                    UPDATE postkey_schema SET version = 1";

#[tokio::test]
async fn a_database_of_version_1_keeps_its_rows_and_says_which_of_them_no_search_finds() {
    let (model, _, at, database) = two_stores().await;
    let of = service(1, "acme");
    let rows = every_user(&of);
    let first = batch(None, std::slice::from_ref(&of), &rows);
    model.apply(Generation(1), &first, None).await.unwrap();
    Postgres::shared().psql(&database, BACK);

    PostgresReadModel::set_up(&at).await.unwrap();
    let model = PostgresReadModel::open(&at).await.unwrap();
    assert_eq!(model.applied(Generation(1)).await.unwrap(), Some(first.to.clone()));
    let login = model.login(&Address::parse("seyma@d001.example").unwrap()).await.unwrap();
    assert_eq!(login.user, Some(rows[0].clone()), "logins go on");
    let stands = model.live_rows().await.unwrap();
    assert_eq!((stands.applied, stands.searchable), (first.to.position, false));

    let mut known = rows;
    known.retain(|row| row.user.person.value != Erasable::Erased);
    let mut old = model.not_searchable(Generation(1), 100).await.unwrap();
    old.sort_by_key(|row| row.id);
    assert_eq!(old, known, "the erased ones are not to be found");
    assert_eq!(model.not_searchable(Generation(1), 4).await.unwrap().len(), 4);
    let again = Batch { to: first.to.clone(), ..batch(None, &[], &old) };
    model.apply(Generation(1), &again, Some(&first.to)).await.unwrap();
    assert!(model.live_rows().await.unwrap().searchable);
    let search = Needle::parse("ŞEYMA ça").ok();
    let found = model.users(&UserQuery { service: of.id, search, after: None, limit: 5 }).await.unwrap();
    assert_eq!(found.rows, known[..1]);
}

/// Small tables and large ones alike: a plan that reads a table through is no plan for a page.
#[tokio::test]
async fn old_rows_and_pages_of_a_search_come_out_of_an_index() {
    let (_, _, _, database) = two_stores().await;
    let id = "'00000000-0000-0000-0000-000000000001'";
    for (sql, values, index) in [
        (&SQL.users_without_search_text, "(1, 10)", "user_without_search_text"),
        (&SQL.live_rows, "", "user_without_search_text"),
        (&SQL.users_found, &format!("({id}, {id}, 'a', 10)"), "user_by_service"),
    ] {
        let script = format!(
            "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; PREPARE asked AS {sql}; \
             EXPLAIN (COSTS OFF) EXECUTE asked{values}"
        );
        let plan = Postgres::shared().psql(&database, &script);
        assert!(plan.contains(index), "{index}: {plan}");
    }
}
