//! A ledger's key is replaced, and trust goes over.

use keys::{CheckpointStore, KeptCrossing};
use ledger::{Crossing, follow};

use super::*;

async fn crossings(desk: &Desk) -> Vec<Crossing> {
    let kept = desk.store.crossings().await.unwrap();
    let key = |text: &str| VerifierKey::parse(text).unwrap();
    kept.into_iter().map(|KeptCrossing { note, old, new }| Crossing { note, old: key(&old), new: key(&new) }).collect()
}

#[tokio::test]
async fn the_next_checkpoint_is_signed_by_both_keys_and_those_after_by_the_new_one() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let new = drawn();
    desk.drawer.hold(&[&new, &desk.key]);
    // Also where nothing has changed since.
    desk.signer.turn().await.unwrap();
    let both = [verifier(&new), verifier(&desk.key)];
    let note = desk.store.newest().await.unwrap().unwrap();
    assert_eq!(open(&note, &both).unwrap().signed_by, both);
    assert_eq!(crossings(&desk).await, [Crossing { note, old: verifier(&desk.key), new: verifier(&new) }]);
    desk.grows(1).await;
    desk.signer.turn().await.unwrap();
    let note = desk.store.newest().await.unwrap().unwrap();
    assert_eq!(open(&note, &both).unwrap().signed_by, [verifier(&new)]);
    assert_eq!(follow(&[verifier(&desk.key)], &crossings(&desk).await), Ok(vec![verifier(&desk.key), verifier(&new)]));
    // The old one may go.
    desk.drawer.hold(&[&new]);
    desk.starts_again();
    desk.signer.turn().await.unwrap();
    assert_eq!((desk.served(), crossings(&desk).await.len()), (Some(note), 1));
}

#[tokio::test]
async fn of_keys_that_were_replaced_before_they_signed_whoever_trusts_any_can_follow() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let (second, third) = (drawn(), drawn());
    desk.drawer.hold(&[&third, &second, &desk.key]);
    desk.grows(1).await;
    desk.signer.turn().await.unwrap();
    let crossings = crossings(&desk).await;
    for (trusted, reached) in [(&desk.key, 3), (&second, 2), (&third, 1)] {
        let keys = follow(&[verifier(trusted)], &crossings).unwrap();
        assert_eq!((keys.len(), keys.last()), (reached, Some(&verifier(&third))));
    }
}

#[tokio::test]
async fn a_key_that_is_replaced_before_anything_was_signed_is_crossed_too() {
    let mut desk = Desk::set().await;
    let new = drawn();
    desk.drawer.hold(&[&new, &desk.key]);
    desk.signer.turn().await.unwrap();
    assert_eq!(follow(&[verifier(&desk.key)], &crossings(&desk).await), Ok(vec![verifier(&desk.key), verifier(&new)]));
}

#[tokio::test]
async fn without_the_key_that_has_signed_last_nothing_is_signed() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    desk.drawer.hold(&[&drawn()]);
    desk.grows(1).await;
    desk.refuses("put the key that signed it back into that file").await;
}
