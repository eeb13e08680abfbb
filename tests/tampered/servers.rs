//! The same where the log is in NATS JetStream, and keys and rows in PostgreSQL.

use std::fs;

use domain::Position;
use event_log::{JetStreamStore, LogStore, NatsConfig, Scope};
use futures::TryStreamExt;
use ledger::{Checkpoint, Frontier, leaf_hash, sign};
use serde_json::json;
use servers::Postgres;
use stage::{Finished, Folder, MIB, Scene, Separate, new_user, run, until};

use crate::site::{found, key, sound};

/// The tree of the log as it stands in NATS.
async fn tree(separate: &Separate) -> Frontier {
    let store = JetStreamStore::open(&NatsConfig::new(vec![separate.log().to_owned()])).await.unwrap();
    let entries: Vec<_> = store.read(Scope::All, Position::START).try_collect().await.unwrap();
    let mut frontier = Frontier::default();
    entries.iter().for_each(|stored| frontier.push(leaf_hash(&stored.entry.bytes)));
    frontier
}

/// Verified by a checkpoint of this tree.
async fn verified(separate: &Separate, folder: &Folder, tree: &Frontier) -> Finished {
    let key = key(folder);
    let checkpoint = Checkpoint { origin: key.name().to_owned(), size: tree.size(), root: tree.root() };
    let (note, public) = (folder.beside("checkpoint"), folder.file("ledger/public-key"));
    fs::write(&note, sign(&checkpoint, &[&key])).unwrap();
    let mut verify = separate.audit_verify();
    verify.arg("--checkpoint").arg(note).arg("--public-key").arg(public);
    run(verify).await
}

#[tokio::test]
async fn beside_running_services_a_row_that_was_edited_and_a_tail_that_is_gone_are_found() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let scene = Scene::on(separate.start().await, folder).await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let edit = json!({"quota_bytes": 11 * MIB});
    let edited = scene.operator().patch(&scene.user(&bob), &edit).await.receipt(200, &["UserEdited"]);
    let (folder, tree) = (&scene.folder, tree(&separate).await);
    let size = async || {
        scene.stack.queries_as("auditor").get("/ledger/checkpoint").await.text.lines().nth(1)?.parse::<u64>().ok()
    };
    until("it is signed", async || size().await.filter(|size| *size == tree.size())).await;
    let report = sound(verified(&separate, folder, &tree).await);
    assert_eq!(report["entries"], tree.size(), "{report}");
    assert!(report["checked"].to_string().contains("read model"), "{report}");
    let row = |quota: u64| {
        let update = format!("UPDATE mailbox_user SET quota_mib = {quota} WHERE \"user\" = '{bob}'");
        Postgres::shared().psql(separate.read_model_database(), &update)
    };
    row(99);
    let position = usize::try_from(edited["position"].as_u64().unwrap()).unwrap();
    let report = found(verified(&separate, folder, &tree).await, "row", position);
    assert!(report["findings"].to_string().contains(&bob), "{report}");
    row(11);
    sound(verified(&separate, folder, &tree).await);
    let mut longer = tree.clone();
    longer.push(leaf_hash(b"an entry that was there"));
    let end = usize::try_from(longer.size()).unwrap();
    found(verified(&separate, folder, &longer).await, "missing", end);
}
