//! What every [`KeyStore`](crate::KeyStore) must do, as tests call it.

use domain::{KeyId, Position};
use uuid::Uuid;

use crate::{KeyStore, StoredKey, WrappedKey};

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
