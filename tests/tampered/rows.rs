//! Rows of the read model that somebody edited by hand.

use serde_json::Value;
use stage::Finished;

use crate::site::{Site, found, sound};

/// Expects that the row is named, and no value of it.
fn named(finished: Finished, position: usize, id: &str) -> Value {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let report = found(finished, "row", position);
    let about = |finding: &Value| finding["what"].as_str().unwrap().contains(id);
    assert!(report["findings"].as_array().unwrap().iter().any(about), "{id}: {report:#}");
    assert!(!said.contains("argon2") && !said.contains("@acme"), "{said}");
    report
}

#[tokio::test]
async fn a_row_that_was_edited_by_hand_is_found_and_named_and_no_value_is_shown() {
    let site = Site::new().await;
    sound(site.verified(&[]).await);
    let untouched = site.folder.bytes("read-model.db");
    let entries = site.entries().await;
    let (of_ann, of_bob) = (site.last(&site.ann).await, site.last(&site.bob).await);
    let (ann, bob) = (site.ann.replace('-', ""), site.bob.replace('-', ""));
    for (edit, position, id) in [
        (
            format!(
                "UPDATE mailbox_user SET password_hash = (SELECT password_hash FROM mailbox_user WHERE user = x'{bob}') WHERE user = x'{ann}'"
            ),
            of_ann,
            &site.ann,
        ),
        (format!("UPDATE mailbox_user SET state = 'suspended' WHERE user = x'{bob}'"), of_bob, &site.bob),
        (format!("UPDATE mailbox_user SET quota_mib = 99 WHERE user = x'{bob}'"), of_bob, &site.bob),
        (format!("UPDATE mailbox_user SET state = 'asleep' WHERE user = x'{ann}'"), of_ann, &site.ann),
        (format!("DELETE FROM mailbox_user WHERE user = x'{bob}'"), of_bob, &site.bob),
        (format!("UPDATE mailbox_user SET service = x'{}' WHERE user = x'{ann}'", "0f".repeat(16)), of_ann, &site.ann),
    ] {
        assert_eq!(site.sql("read-model.db", &edit).await, 1, "{edit}");
        named(site.verified(&[]).await, position, id);
        std::fs::write(site.folder.file("read-model.db"), &untouched).unwrap();
    }
    let plan = format!("UPDATE service SET plan_mailboxes = 99 WHERE service = x'{}'", site.acme.replace('-', ""));
    assert_eq!(site.sql("read-model.db", &plan).await, 1);
    let acme = entries.iter().rposition(|entry| entry.subject.contains(&site.acme)).unwrap() + 1;
    named(site.verified(&[]).await, acme, &site.acme);
    std::fs::write(site.folder.file("read-model.db"), &untouched).unwrap();
    let columns = "generation, service, address, first_name, last_name, profile_key, quota_mib, state, credential_key, \
                   password_hash, policy, credential_revision, credential_changed_at, revision, search_text";
    let stranger = format!(
        "INSERT INTO mailbox_user (user, {columns}) SELECT x'{}', {} FROM mailbox_user WHERE user = x'{ann}'",
        "0a".repeat(16),
        columns.replace("address", "'mallory@acme.example'")
    );
    assert_eq!(site.sql("read-model.db", &stranger).await, 1);
    named(site.verified(&[]).await, of_ann, "0a0a0a0a-0a0a-0a0a-0a0a-0a0a0a0a0a0a");
    std::fs::write(site.folder.file("read-model.db"), &untouched).unwrap();
    sound(site.verified(&[]).await);
}

#[tokio::test]
async fn a_tile_that_was_altered_is_found_where_it_was() {
    let site = Site::new().await;
    let untouched = site.folder.bytes("read-model.db");
    let ann = site.ann.replace('-', "");
    for (edit, position) in [
        ("UPDATE ledger_leaf SET leaf = zeroblob(32) WHERE position = 4".to_owned(), 4),
        (
            "UPDATE ledger_leaf SET leaf = (SELECT leaf FROM ledger_leaf WHERE position = 6) WHERE position = 5"
                .to_owned(),
            5,
        ),
        ("DELETE FROM ledger_leaf WHERE position = 5".to_owned(), 5),
        (
            format!(
                "UPDATE ledger_leaf SET user = NULL WHERE position IN (SELECT max(position) FROM ledger_leaf WHERE user = x'{ann}')"
            ),
            site.last(&site.ann).await,
        ),
    ] {
        assert_eq!(site.sql("read-model.db", &edit).await, 1, "{edit}");
        found(site.verified(&[]).await, "tile", position);
        std::fs::write(site.folder.file("read-model.db"), &untouched).unwrap();
    }
    sound(site.verified(&[]).await);
}

#[tokio::test]
async fn a_file_in_which_somebody_made_a_view_or_a_trigger_is_not_believed() {
    let site = Site::new().await;
    let untouched = site.folder.bytes("read-model.db");
    for (edit, named) in [
        ("CREATE VIEW live_user AS SELECT * FROM mailbox_user", r#"view "live_user""#),
        (
            "CREATE TRIGGER later AFTER UPDATE ON generation BEGIN UPDATE mailbox_user SET state = 'active'; END",
            r#"trigger "later""#,
        ),
    ] {
        site.sql("read-model.db", edit).await;
        let finished = site.verified(&[]).await;
        let said = format!("somebody changed its schema: {named} was changed, or is none of postkey's");
        assert!(finished.code == Some(2) && finished.stderr.contains(&said), "{finished:#?}");
        std::fs::write(site.folder.file("read-model.db"), &untouched).unwrap();
    }
    sound(site.verified(&[]).await);
}
