//! What every [`KeyStore`](crate::KeyStore), [`WrappedKeys`](crate::WrappedKeys) and
//! [`CheckpointStore`](crate::CheckpointStore) must do, as tests call it.

use domain::{KeyId, Position};
use uuid::Uuid;

use crate::{CheckpointStore, KeptCrossing, KeyStore, Rewrapped, StoredKey, WrappedKey, WrappedKeys};

/// Holds an empty store to the contract; `other` is the same store as another process sees it.
///
/// # Panics
/// Where the store breaks it.
pub async fn all(store: &dyn KeyStore, other: &dyn KeyStore) {
    let id = |n| KeyId::new(Uuid::from_u128(n));
    let key = |n: u8| WrappedKey(vec![n; 88]);

    // What was created is here, for everybody; the rest was never seen.
    store.create(&[(id(1), key(1)), (id(2), key(2))]).await.expect("reachable");
    let found = other.fetch(&[id(1), id(2), id(3)]).await.expect("reachable");
    assert_eq!(found[&id(1)], StoredKey::Here(key(1)));
    assert_eq!(found[&id(2)], StoredKey::Here(key(2)));
    assert_eq!(found[&id(3)], StoredKey::NeverSeen);
    assert_eq!(other.fetch(&[]).await.expect("reachable").len(), 0);

    // A key that is here is not replaced.
    other.create(&[(id(1), key(9)), (id(4), key(4))]).await.expect("reachable");
    let found = store.fetch(&[id(1), id(4), id(4)]).await.expect("reachable");
    assert_eq!((&found[&id(1)], &found[&id(4)]), (&StoredKey::Here(key(1)), &StoredKey::Here(key(4))));

    // Destruction leaves tombstones, moves the cursor, can be repeated, and is not undone.
    assert_eq!(store.cursor().await.expect("reachable"), Position::START);
    other.destroy(&[id(1), id(5)], Position::new(7)).await.expect("reachable");
    store.destroy(&[id(1)], Position::new(6)).await.expect("reachable");
    store.create(&[(id(1), key(1)), (id(5), key(5))]).await.expect("reachable");
    let found = store.fetch(&[id(1), id(2), id(5)]).await.expect("reachable");
    assert_eq!((&found[&id(1)], &found[&id(5)]), (&StoredKey::Destroyed, &StoredKey::Destroyed));
    assert_eq!(found[&id(2)], StoredKey::Here(key(2)));
    assert_eq!(store.cursor().await.expect("reachable"), Position::new(7));

    // Many at once, from both sides, lose nothing.
    for round in 0..8 {
        let keys =
            |side: u128| -> Vec<_> { (0..20).map(|n| (id(1000 + round * 100 + side * 50 + n), key(3))).collect() };
        let (ours, theirs) = (keys(0), keys(1));
        let (one, two) = tokio::join!(store.create(&ours), other.create(&theirs));
        one.and(two).expect("reachable");
        let ids: Vec<_> = ours.iter().chain(&theirs).map(|(id, _)| *id).collect();
        let found = store.fetch(&ids).await.expect("reachable");
        assert!(found.values().all(|stored| *stored == StoredKey::Here(key(3))) && found.len() == 40);
    }
}

/// Holds a store that has kept no checkpoint yet to the contract; `other` is the same store as another process sees it.
///
/// # Panics
/// Where the store breaks it.
pub async fn checkpoints(store: &dyn CheckpointStore, other: &dyn CheckpointStore) {
    // The first is put where there is none, once.
    assert_eq!(store.newest().await.expect("reachable"), None);
    assert!(!store.replace(Some("none"), "first", &[]).await.expect("reachable"));
    assert!(store.replace(None, "first\n\n— ü", &[]).await.expect("reachable"));
    assert!(!other.replace(None, "other", &[]).await.expect("reachable"));
    assert_eq!(other.newest().await.expect("reachable").as_deref(), Some("first\n\n— ü"));

    // What follows names what it follows, to the byte; crossings are kept with what is put, and only then.
    let crossing = |n: u8| KeptCrossing { note: format!("note {n}"), old: format!("old {n}"), new: format!("new {n}") };
    for not_it in ["first", "first\n\n— ü\n", "FIRST\n\n— ü", ""] {
        assert!(!other.replace(Some(not_it), "second", &[crossing(1)]).await.expect("reachable"), "{not_it:?}");
    }
    assert_eq!(store.crossings().await.expect("reachable"), []);
    assert!(other.replace(Some("first\n\n— ü"), "second", &[crossing(2), crossing(1)]).await.expect("reachable"));
    assert!(store.replace(Some("second"), "third", &[crossing(3)]).await.expect("reachable"));
    assert_eq!(other.crossings().await.expect("reachable"), [crossing(2), crossing(1), crossing(3)]);

    // Of many that put something at once, one does, each time.
    let mut newest = "third".to_owned();
    for round in 0..8 {
        let names: Vec<String> = (0..6).map(|n| format!("round {round}, {n}")).collect();
        let put = |n: usize| {
            let side = if n < 3 { store } else { other };
            side.replace(Some(&newest), &names[n], &[])
        };
        let (a, b, c, d, e, f) = tokio::join!(put(0), put(1), put(2), put(3), put(4), put(5));
        let done: Vec<bool> = [a, b, c, d, e, f].into_iter().map(|put| put.expect("reachable")).collect();
        let winners: Vec<usize> = (0..6).filter(|&n| done[n]).collect();
        let [winner] = winners[..] else { panic!("{winners:?} have put something in one place") };
        newest.clone_from(&names[winner]);
        assert_eq!(store.newest().await.expect("reachable").as_ref(), Some(&newest));
    }
}

/// Holds an empty store to the contract of [`WrappedKeys`]; `other` and `keys` are the same store, as another process sees
/// it.
///
/// # Panics
/// Where the store breaks it.
pub async fn rewraps(store: &dyn WrappedKeys, other: &dyn WrappedKeys, keys: &dyn KeyStore) {
    let id = |n| KeyId::new(Uuid::from_u128(n));
    let key = |n: u8| WrappedKey(vec![n; 88]);
    let anew = |n: u128, from: u8, to: u8| Rewrapped { id: id(n), from: key(from), to: key(to) };
    assert_eq!(store.page(None, 10).await.expect("reachable"), []);

    // Pages go through all of them in the order of their ids, destroyed ones too.
    let created: Vec<_> = (1..=7).map(|n| (id(n), key(1))).collect();
    keys.create(&created).await.expect("reachable");
    keys.destroy(&[id(4)], Position::new(1)).await.expect("reachable");
    let mut seen = Vec::new();
    loop {
        let page = other.page(seen.last().map(|(id, _)| *id), 3).await.expect("reachable");
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    let expected: Vec<_> =
        (1..=7).map(|n| (id(n), if n == 4 { StoredKey::Destroyed } else { StoredKey::Here(key(1)) })).collect();
    assert_eq!(seen, expected);

    // A wrapping takes the place of the one that it names, and of no other.
    store
        .replace_wrapped(&[anew(7, 1, 2), anew(1, 1, 2), anew(2, 9, 3), anew(4, 1, 3), anew(8, 1, 3)])
        .await
        .expect("reachable");
    store.replace_wrapped(&[anew(1, 1, 3)]).await.expect("reachable");
    store.replace_wrapped(&[]).await.expect("reachable");
    let found = keys.fetch(&[id(1), id(2), id(4), id(7), id(8)]).await.expect("reachable");
    assert_eq!((&found[&id(1)], &found[&id(7)]), (&StoredKey::Here(key(2)), &StoredKey::Here(key(2))));
    assert_eq!(found[&id(2)], StoredKey::Here(key(1)));
    assert_eq!((&found[&id(4)], &found[&id(8)]), (&StoredKey::Destroyed, &StoredKey::NeverSeen));

    // Whatever comes first, a key that is destroyed while it is wrapped anew stays destroyed.
    for round in 0..16_u128 {
        let ids: Vec<_> = (0..20).map(|n| 1000 + round * 100 + n).collect();
        let created: Vec<_> = ids.iter().map(|n| (id(*n), key(5))).collect();
        keys.create(&created).await.expect("reachable");
        let doomed: Vec<_> = ids.iter().rev().step_by(2).map(|n| id(*n)).collect();
        let anew: Vec<_> = ids.iter().map(|n| anew(*n, 5, 6)).collect();
        let (destroyed, one, two) = tokio::join!(
            keys.destroy(&doomed, Position::new(2)),
            store.replace_wrapped(&anew),
            other.replace_wrapped(&anew)
        );
        destroyed.and(one).and(two).expect("reachable");
        let found = keys.fetch(&ids.iter().map(|n| id(*n)).collect::<Vec<_>>()).await.expect("reachable");
        for (id, stored) in found {
            let expected = if doomed.contains(&id) { StoredKey::Destroyed } else { StoredKey::Here(key(6)) };
            assert_eq!(stored, expected, "round {round}");
        }
    }
}
