//! A key store that is not the log's newest.

use std::fs;

use serde_json::json;
use stage::{new_user, until};

use crate::site::{Site, found, sound};

#[tokio::test]
async fn a_key_store_that_was_restored_from_before_is_found_by_what_it_lacks_and_by_what_should_be_gone() {
    let site = Site::with(async |scene, bob| {
        fs::copy(scene.folder.file("keys.db"), scene.folder.beside("last-week")).unwrap();
        scene.added(&scene.service, &new_user("carol@acme.example")).await;
        scene.operator().delete(&scene.user(bob)).await.is(200);
        scene.operator().post(&format!("{}/erase", scene.user(bob)), &json!({})).await.receipt(200, &["UserErased"]);
    })
    .await;
    let report = sound(site.verified(&[]).await);
    assert!(report["checked"].to_string().contains("doom"), "{report}");
    let newest = site.folder.bytes("keys.db");
    fs::copy(site.folder.beside("last-week"), site.folder.file("keys.db")).unwrap();
    let entries = site.entries().await;
    let carol = entries.len() - 2;
    let report = found(site.verified(&[]).await, "key", carol);
    let says = |what: &str| {
        report["findings"].as_array().unwrap().iter().any(|found| found["what"].as_str().unwrap().contains(what))
    };
    assert!(says("key store") && says("restored from an older copy"), "{report}");
    // The newest one, into which a key was put back that it had destroyed.
    fs::write(site.folder.file("keys.db"), newest).unwrap();
    let restore = format!(
        "ATTACH '{}' AS old; UPDATE key SET wrapped = (SELECT wrapped FROM old.key AS o WHERE o.id = key.id) \
         WHERE wrapped IS NULL AND id IN (SELECT id FROM old.key WHERE wrapped IS NOT NULL)",
        site.folder.beside("last-week").display()
    );
    assert!(site.sql("keys.db", &restore).await > 0);
    let finished = site.verified(&[]).await;
    found(finished, "key", entries.len());
}

#[tokio::test]
async fn a_key_store_from_before_that_lacks_no_key_is_found_by_the_checkpoint_that_it_keeps() {
    let site = Site::with(async |scene, _| {
        let head = scene.stack.head().await;
        let stored = async || scene.queries().get("/ledger/checkpoint").await.text.lines().nth(1).map(str::to_owned);
        until("it is signed", async || (stored().await == Some(head.to_string())).then_some(())).await;
        fs::copy(scene.folder.file("keys.db"), scene.folder.beside("last-week")).unwrap();
        // A name is under the user's own key, which is there already.
        scene.operator().patch(&scene.ann(), &json!({"first_name": "Anna"})).await.receipt(200, &["UserEdited"]);
    })
    .await;
    sound(site.verified(&[]).await);
    let before = site.entries().await.len() - 1;
    fs::copy(site.folder.beside("last-week"), site.folder.file("keys.db")).unwrap();
    let report = found(site.verified(&[]).await, "key", before + 1);
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");
}
