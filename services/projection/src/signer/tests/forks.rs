//! Bad days: what was altered, restored or cut off is not signed over.

use keys::CheckpointStore;
use ledger::{Checkpoint, Frontier, Hash, NodeRange, leaf_hash, sign};
use postkey_http::{Health, Status};

use super::*;

#[tokio::test]
async fn an_altered_leaf_is_not_signed_over() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    desk.grows(1).await;
    let last = desk.head().await;
    desk.alters(&format!("UPDATE ledger_leaf SET leaf = randomblob(32) WHERE position = {last}")).await;
    desk.refuses("has another root").await;
}

#[tokio::test]
async fn an_altered_node_is_not_signed_over() {
    let mut desk = Desk::set().await;
    desk.grows(300).await;
    desk.signer.turn().await.unwrap();
    desk.grows(1).await;
    desk.alters("UPDATE ledger_node SET hash = randomblob(32) WHERE level = 1 AND \"index\" = 0").await;
    desk.refuses("has another root").await;
    desk.alters("DELETE FROM ledger_node WHERE level = 1 AND \"index\" = 0").await;
    desk.refuses("node 0 of level 1 of the tree is missing").await;
}

#[tokio::test]
async fn an_altered_leaf_that_a_proof_stands_on_is_not_signed_over() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let signed = desk.head().await.get();
    // Its own tree's root does not show it: the node above it is whole, and right.
    desk.grows(300 - signed).await;
    desk.alters(&format!("UPDATE ledger_leaf SET leaf = randomblob(32) WHERE position = {signed}")).await;
    desk.refuses("does not continue").await;
}

/// Somebody who can write to the whole read model, and makes rows, applied position and frontier fit each other.
async fn writes(desk: &Desk, position: u64, leaves: &[Hash]) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    let leaf = hex(&leaves[position as usize - 1].0);
    desk.alters(&format!(
        "INSERT OR REPLACE INTO ledger_leaf (position, leaf, user) VALUES ({position}, x'{leaf}', NULL)"
    ))
    .await;
    let (last, bytes) = (hex(&leaves.last().unwrap().0), hex(&frontier.to_bytes()));
    desk.alters(&format!(
        "UPDATE generation SET position = {}, leaf = x'{last}', frontier = x'{bytes}' WHERE live = 1",
        frontier.size()
    ))
    .await;
}

async fn leaves(desk: &Desk) -> Vec<Hash> {
    let range = NodeRange { level: 0, indexes: 0..desk.head().await.get() };
    desk.model.nodes(&range).await.unwrap().into_iter().map(|node| node.hash).collect()
}

#[tokio::test]
async fn a_leaf_that_is_no_entrys_is_not_signed_also_where_all_rows_agree() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    desk.grows(2).await;
    let (head, own) = (desk.head().await.get(), leaves(&desk).await);
    // In the place of one that is not signed yet, before the last, and in that of the last.
    for position in [head - 1, head] {
        let mut forged = own.clone();
        forged[position as usize - 1] = leaf_hash(b"another");
        writes(&desk, position, &forged).await;
        desk.refuses("not the hashes of its entries").await;
        writes(&desk, position, &own).await;
    }
    // And behind the log's last one.
    let beyond = [own.clone(), vec![leaf_hash(b"another")]].concat();
    writes(&desk, head + 1, &beyond).await;
    desk.refuses("the log ends at position").await;
    desk.alters(&format!("DELETE FROM ledger_leaf WHERE position > {head}")).await;
    writes(&desk, head, &own).await;
    desk.signer.turn().await.unwrap();
    assert_eq!(desk.newest().await.checkpoint.size, head);
}

#[tokio::test]
async fn a_first_checkpoint_is_of_the_log_and_not_of_what_rows_say() {
    let mut desk = Desk::set().await;
    let mut forged = leaves(&desk).await;
    forged[1] = leaf_hash(b"another");
    writes(&desk, 2, &forged).await;
    desk.refuses("leaves 1 to").await;
}

#[tokio::test]
async fn another_history_of_the_same_length_is_not_signed() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let signed = desk.newest().await;
    // A key store that says that something else was signed of these entries.
    let forged = Checkpoint { root: leaf_hash(b"another"), ..signed.checkpoint.clone() };
    let current = desk.store.newest().await.unwrap();
    assert!(desk.store.replace(current.as_deref(), &sign(&forged, &[&desk.key]), &[]).await.unwrap());
    desk.refuses("does not continue").await;
    // Nor where it is the file that says so.
    let now = desk.store.newest().await.unwrap();
    assert!(desk.store.replace(now.as_deref(), &current.unwrap(), &[]).await.unwrap());
    desk.signer.turn().await.unwrap();
    std::fs::write(desk.drawer.file(), sign(&forged, &[&desk.key])).unwrap();
    desk.starts_again();
    let Err(Hindrance::Wrong(why)) = desk.signer.turn().await else { panic!("it has not seen it") };
    assert!(why.contains("does not continue") && desk.served().is_none(), "{why}");
}

#[tokio::test]
async fn a_log_that_was_rolled_back_with_its_rows_is_found_by_what_was_signed() {
    let mut desk = Desk::set().await;
    let kept = desk.head().await;
    desk.grows(5).await;
    desk.signer.turn().await.unwrap();
    // Log and read model as they were before, and the keys of today.
    desk.world.store = desk.world.copied(|position, entry| (position <= kept).then_some(entry)).await;
    desk.model = desk.world.model_named("older").await;
    apply(&desk.world, &desk.model).await;
    desk.starts_again();
    desk.refuses("was signed, and the log has only").await;
}

#[tokio::test]
async fn rows_that_are_behind_are_waited_for() {
    let mut desk = Desk::set().await;
    desk.grows(5).await;
    desk.signer.turn().await.unwrap();
    desk.model = desk.world.model_named("anew").await;
    let beginning: Arc<dyn LogStore> =
        desk.world.copied(|position, entry| (position.get() <= 4).then_some(entry)).await;
    apply_from(&desk.world, &beginning, &desk.model).await;
    desk.starts_again();
    let behind = desk.signer.turn().await;
    assert!(matches!(&behind, Err(Hindrance::Later(what)) if what.contains("at position 4")), "{behind:?}");
    apply(&desk.world, &desk.model).await;
    desk.signer.turn().await.unwrap();
    assert_eq!(desk.served(), desk.store.newest().await.unwrap());
}

#[tokio::test]
async fn an_older_key_store_calls_a_person_and_stops_nothing_that_continues_what_was_signed() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let older = desk.store.newest().await.unwrap().unwrap();
    desk.grows(3).await;
    desk.signer.turn().await.unwrap();
    let newer = desk.store.newest().await.unwrap().unwrap();
    let restored = |to: String, from: String| {
        let store = Arc::clone(&desk.store);
        async move { assert!(store.replace(Some(&from), &to, &[]).await.unwrap()) }
    };
    restored(older.clone(), newer).await;
    desk.grows(1).await;
    desk.starts_again();
    let check = Health::new().check("ledger");
    for _ in 0..2 {
        // It is said again and again, though the key store has caught up.
        let outcome = desk.signer.turn().await;
        assert_eq!(outcome, Ok(()));
        desk.signer.tell(&outcome, &check);
        assert!(matches!(check.status(), Status::Impaired(why) if why.contains("restored from an older copy")));
    }
    assert_eq!(desk.newest().await.checkpoint.size, desk.head().await.get());

    // What was signed since the copy was made is not forgotten: another continuation of the older one is none.
    let newest = desk.store.newest().await.unwrap().unwrap();
    let store = Arc::clone(&desk.store);
    assert!(store.replace(Some(&newest), &older, &[]).await.unwrap());
    let last = desk.head().await;
    let fork: Arc<dyn LogStore> = desk.world.copied(|position, entry| (position < last).then_some(entry)).await;
    desk.world.store = fork;
    desk.model = desk.world.model_named("fork").await;
    apply(&desk.world, &desk.model).await;
    desk.starts_again();
    desk.refuses("the log has only").await;
}

#[tokio::test]
async fn a_checkpoint_of_another_key_or_altered_is_not_built_on() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let note = desk.store.newest().await.unwrap().unwrap();
    let signed = desk.newest().await.checkpoint;
    let stranger = sign(&signed, &[&drawn()]);
    let altered = note.replacen(&format!("\n{}\n", signed.size), "\n1\n", 1);
    desk.grows(1).await;
    let mut before = note;
    for (other, words) in [
        (stranger, "is not signed by a key of the ledger key file"),
        (altered, "is not what was signed"),
        ("scribble".to_owned(), "is not what was signed"),
    ] {
        assert!(desk.store.replace(Some(&before), &other, &[]).await.unwrap());
        desk.refuses(words).await;
        before = other;
    }
}
