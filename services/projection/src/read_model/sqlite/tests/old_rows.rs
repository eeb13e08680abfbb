//! Files of older versions, and what is left in a file of a text that was searched.

use domain::Erasable;

use super::*;
use crate::read_model::Needle;
use crate::read_model::contract::sample::{batch, every_user, person, service, user};

/// What makes version 1 of a file of ours, whose rows stay.
const BACK: &str = "CREATE VIEW live_service AS SELECT service.* FROM service JOIN generation USING (generation) WHERE generation.live = 1; \
                    CREATE VIEW live_user AS SELECT mailbox_user.* FROM mailbox_user JOIN generation USING (generation) \
                    WHERE generation.live = 1; DROP TABLE ledger_leaf; DROP TABLE ledger_node; DROP INDEX user_without_search_text; ALTER TABLE mailbox_user DROP COLUMN search_text; \
                    PRAGMA user_version = 1";

#[tokio::test]
async fn a_file_of_version_1_keeps_its_rows_and_says_which_of_them_no_search_finds() {
    let (model, mut hand, folder) = filled().await;
    let before = model.applied(Generation(1)).await.unwrap();
    Arc::into_inner(model).unwrap().close().await;
    sqlx::raw_sql(BACK).execute(&mut hand).await.unwrap();
    hand.close().await.unwrap();

    let path = folder.path().join("read-model.db");
    let model = SqliteReadModel::open(&path).await.unwrap();
    assert_eq!(model.applied(Generation(1)).await.unwrap(), before);
    assert_eq!(read_everywhere(&model).await, [None, None, None]);
    let login = model.login(&Address::parse("seyma@d001.example").unwrap()).await.unwrap();
    assert_eq!(login.user.map(|row| row.id), Some(first_user()), "logins go on");
    let stands = model.live_rows().await.unwrap();
    assert_eq!((Some(stands.applied), stands.searchable), (before.map(|at| at.position), false));

    let of = service(1, "acme");
    let mut known = every_user(&of);
    known.retain(|row| row.user.person.value != Erasable::Erased);
    let mut old = model.not_searchable(Generation(1), 100).await.unwrap();
    old.sort_by_key(|row| row.id);
    assert_eq!(old, known, "the erased ones are not to be found");
    assert_eq!(model.not_searchable(Generation(1), 4).await.unwrap().len(), 4);
    let from = model.applied(Generation(1)).await.unwrap();
    let again = Batch { to: from.clone().unwrap(), ..batch(None, &[], &old) };
    model.apply(Generation(1), &again, from.as_ref()).await.unwrap();
    assert!(model.live_rows().await.unwrap().searchable);
    assert_eq!(model.not_searchable(Generation(1), 100).await, Ok(vec![]));
    let search = Needle::parse("ŞEYMA ça").ok();
    let found = model.users(&UserQuery { service: of.id, search, after: None, limit: 5 }).await.unwrap();
    assert_eq!(found.rows, known[..1]);
    model.close().await;
    assert!(SqliteReadModel::open(&path).await.is_ok(), "it is migrated once");
}

#[tokio::test]
async fn a_text_that_was_searched_is_overwritten_with_its_person() {
    let (folder, path) = place();
    let model = SqliteReadModel::open(&path).await.unwrap();
    let of = service(1, "acme");
    let (mut renamed, mut gone) = (user(1, &of), user(2, &of));
    renamed.user.person.value = person("ann@d001.example", "Hortensia", "Quackenbush");
    gone.user.person.value = person("gwen@d001.example", "Philippina", "Vandermolen");
    let first = batch(None, std::slice::from_ref(&of), &[renamed.clone(), gone.clone()]);
    model.apply(Generation(1), &first, None).await.unwrap();
    renamed.user.person.value = person("ann@d001.example", "Ann", "Lee");
    let next = Batch { erased: vec![gone.id], ..batch(Some(&first.to), &[], &[renamed]) };
    model.apply(Generation(1), &next, Some(&first.to)).await.unwrap();
    model.close().await;
    let mut searched = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let text = String::from_utf8_lossy(&fs::read(entry.unwrap().path()).unwrap()).to_lowercase();
        searched += usize::from(text.contains("ann lee\nann@d001.example"));
        for past in ["hortensia", "quackenbush", "philippina", "vandermolen", "gwen"] {
            assert!(!text.contains(past), "{past}");
        }
    }
    assert_eq!(searched, 1, "what is searched stands in the file");
}

#[tokio::test]
async fn a_text_that_was_edited_or_is_missing_is_no_difference_between_generations() {
    let (model, mut hand, _folder) = filled().await;
    let next = model.begin().await.unwrap();
    let copied = batch(None, &[service(1, "acme"), service(2, "Other.Customer_1")], &every_user(&service(1, "acme")));
    model.apply(next, &copied, None).await.unwrap();
    for edited in ["UPDATE mailbox_user SET search_text = NULL", "UPDATE mailbox_user SET search_text = 'another'"] {
        edit(&mut hand, edited).await;
        let other = Generation(1);
        sqlx::query("UPDATE mailbox_user SET search_text = 'x' WHERE generation = $1")
            .bind(next.0)
            .execute(&mut hand)
            .await
            .unwrap();
        assert_eq!(model.differences(other, next, 0..=u8::MAX, 10).await, Ok(vec![]), "{edited}");
    }
}
