//! Rows of the read model that somebody edited by hand.

use ledger::{Frontier, leaf_hash};
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
async fn a_stranger_that_hides_behind_a_row_that_can_not_be_read_is_found() {
    let site = Site::new().await;
    let ann = site.ann.replace('-', "");
    let columns = "generation, service, first_name, last_name, profile_key, quota_mib, credential_key, \
                   password_hash, policy, credential_revision, credential_changed_at, revision, search_text";
    for (id, address, state) in [("00", "ceo@acme.example", "asleep"), ("0a", "mallory@acme.example", "active")] {
        let stranger = format!(
            "INSERT INTO mailbox_user (user, address, state, {columns}) \
             SELECT x'{}', '{address}', '{state}', {columns} FROM mailbox_user WHERE user = x'{ann}'",
            id.repeat(16)
        );
        assert_eq!(site.sql("read-model.db", &stranger).await, 1);
    }
    let acme = site.entries().await.iter().rposition(|entry| entry.subject.contains(&site.acme)).unwrap() + 1;
    named(site.verified(&[]).await, acme, &site.acme);
}

#[tokio::test]
async fn an_applied_position_that_was_set_back_hides_nothing() {
    let site = Site::new().await;
    let ann = site.ann.replace('-', "");
    let edits = format!("UPDATE mailbox_user SET quota_mib = 99 WHERE user = x'{ann}'");
    assert_eq!(site.sql("read-model.db", &edits).await, 1);
    let entries = site.entries().await;
    let at = site.last(&site.ann).await - 1;
    let mut frontier = Frontier::default();
    entries[..at].iter().for_each(|entry| frontier.push(leaf_hash(&entry.bytes)));
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let set_back = |frontier: &Frontier| {
        let leaf = hex(&leaf_hash(&entries[at - 1].bytes).0);
        format!(
            "UPDATE generation SET position = {at}, leaf = x'{leaf}', frontier = x'{}' WHERE live = 1",
            hex(&frontier.to_bytes())
        )
    };
    assert_eq!(site.sql("read-model.db", &set_back(&frontier)).await, 1);
    named(site.verified(&[]).await, at + 1, &site.ann);
    found(site.verified(&[]).await, "tile", at + 1);
    // And where it was not even set back to what stood there.
    let mut other = Frontier::default();
    (0..at).for_each(|_| other.push(leaf_hash(b"another")));
    assert_eq!(site.sql("read-model.db", &set_back(&other)).await, 1);
    found(site.verified(&[]).await, "tree", at);
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
        assert!(finished.code == Some(1) && finished.stderr.contains(&said), "{finished:#?}");
        std::fs::write(site.folder.file("read-model.db"), &untouched).unwrap();
    }
    sound(site.verified(&[]).await);
}
