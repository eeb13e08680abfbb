//! Tables, views, indexes and triggers of somebody else's, and how lists find their rows.

use super::*;

#[tokio::test]
async fn a_file_whose_schema_somebody_changed_is_neither_served_nor_verified() {
    for (edited, named) in [
        (
            "CREATE VIEW live_user AS SELECT * FROM mailbox_user",
            r#"view "live_user" was changed, or is none of postkey's"#,
        ),
        (
            "CREATE TRIGGER quiet AFTER UPDATE ON mailbox_user BEGIN UPDATE mailbox_user SET state = 'active'; END",
            r#"trigger "quiet" was changed, or is none of postkey's"#,
        ),
        (
            "ALTER TABLE mailbox_user RENAME TO kept; CREATE VIEW mailbox_user AS SELECT * FROM kept",
            r#"index "user_by_address" was changed, or is none of postkey's"#,
        ),
        (
            "DROP INDEX user_by_service; CREATE INDEX user_by_service ON mailbox_user (generation, service)",
            r#"index "user_by_service" was changed, or is none of postkey's"#,
        ),
        ("ALTER TABLE service ADD COLUMN note TEXT", r#"table "service" was changed, or is none of postkey's"#),
        ("DROP INDEX user_by_address", r#"index "user_by_address" is missing"#),
    ] {
        let (model, mut hand, folder) = filled().await;
        assert_eq!(model.schema().await, Ok(()), "before it was edited");
        sqlx::raw_sql(edited).execute(&mut hand).await.unwrap();
        hand.close().await.unwrap();
        let path = folder.path().join("read-model.db");
        let opened = SqliteReadModel::open(&path).await.map(|_| ());
        let to_read = SqliteReadModel::open_to_read(&path).await.map(|_| ());
        for looked in [model.schema().await, opened, to_read] {
            match looked {
                Err(ReadModelError::Damaged(what)) => assert!(what.contains(named), "{edited}: {what}"),
                other => panic!("{edited}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn what_sqlite_has_counted_for_itself_is_nobody_elses() {
    let (model, mut hand, folder) = filled().await;
    edit(&mut hand, "ANALYZE").await;
    assert_eq!(model.schema().await, Ok(()));
    assert!(SqliteReadModel::open_to_read(&folder.path().join("read-model.db")).await.is_ok());
}

#[tokio::test]
async fn nothing_is_forgotten_while_rows_of_before_lie_beside_the_file() {
    let (model, hand, folder) = filled().await;
    hand.close().await.unwrap();
    let aside = folder.path().join("read-model.db.aside-1");
    std::fs::write(&aside, "rows of before").unwrap();
    match model.forget().await {
        Err(ReadModelError::Unavailable(what)) => assert!(what.contains("read-model.db.aside-1"), "{what}"),
        other => panic!("{other:?}"),
    }
    std::fs::remove_file(&aside).unwrap();
    assert_eq!(model.forget().await, Ok(()));
}

#[tokio::test]
async fn every_list_finds_its_rows_by_an_index_and_in_their_order() {
    let (_model, mut hand, _folder) = filled().await;
    for (sql, index) in [
        (&SQL.service, "service USING PRIMARY KEY (generation=? AND service=?)"),
        (&SQL.services, "service USING INDEX service_by_domain (generation=? AND domain>?)"),
        (&SQL.services_of, "service USING INDEX service_by_customer (generation=? AND customer=? AND domain>?)"),
        (&SQL.user, "mailbox_user USING PRIMARY KEY (generation=? AND user=?)"),
        (&SQL.users, "mailbox_user USING INDEX user_by_service (generation=? AND service=? AND user>?)"),
        (&SQL.users_found, "mailbox_user USING INDEX user_by_service (generation=? AND service=? AND user>?)"),
        (&SQL.strays, "mailbox_user USING PRIMARY KEY (generation=?)"),
        (&SQL.login, "u USING INDEX user_by_address (generation=? AND address=?)"),
    ] {
        let explained = format!("EXPLAIN QUERY PLAN {sql}");
        let steps = sqlx::query(AssertSqlSafe(explained)).fetch_all(&mut hand).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{sql}: {steps:#?}");
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{sql}: {steps:#?}");
    }
}
