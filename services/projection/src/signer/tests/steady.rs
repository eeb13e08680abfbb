//! Good days: every change comes under a checkpoint, and nothing is signed twice.

use keys::CheckpointStore;
use ledger::{ConsistencyPlan, verify_consistency};
use postkey_http::{Health, Status};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::signer::nodes::Nodes;

#[tokio::test]
async fn all_that_is_applied_is_signed_kept_filed_and_served() {
    let mut desk = Desk::set().await;
    assert_eq!(desk.served(), None);
    let mut before = None;
    for changes in [0, 1, 300] {
        desk.grows(changes).await;
        desk.signer.turn().await.unwrap();
        let newest = desk.newest().await;
        assert_eq!(newest.checkpoint.size, desk.head().await.get());
        let note = desk.store.newest().await.unwrap();
        assert_eq!(desk.served(), note);
        assert_eq!(std::fs::read_to_string(desk.drawer.file()).ok(), note);
        if let Some(Opened { checkpoint: older, .. }) = before.replace(newest.clone()) {
            let (from, to) = (&older, &newest.checkpoint);
            let plan = ConsistencyPlan::new(from.size, to.size).unwrap();
            let nodes = Nodes::read(&*desk.model, &plan.nodes()).await.unwrap();
            let proof = plan.prove(|level, index| nodes.hash(level, index)).unwrap();
            assert_eq!(verify_consistency(from.size, from.root, to.size, to.root, &proof), Ok(()));
        }
    }
    assert_eq!(desk.store.crossings().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_signed_is_not_signed_again() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let note = desk.store.newest().await.unwrap();
    desk.signer.turn().await.unwrap();
    desk.starts_again();
    desk.signer.turn().await.unwrap();
    assert_eq!((desk.store.newest().await.unwrap(), desk.served()), (note.clone(), note.clone()));
    // Of a file that is lost, or older, the newest takes the place.
    std::fs::remove_file(desk.drawer.file()).unwrap();
    desk.signer.turn().await.unwrap();
    assert_eq!(std::fs::read_to_string(desk.drawer.file()).ok(), note);
}

#[tokio::test]
async fn a_log_of_nothing_is_not_signed() {
    let world = World::new().await;
    let model = world.model().await;
    let drawer = Drawer::new(world.folder.path().join("ledger"), &[&drawn()]);
    let mut signer = signer(&world, &model, &world.command_keys, Some(&drawer));
    signer.turn().await.unwrap();
    assert_eq!(world.command_keys.newest().await.unwrap(), None);
}

#[tokio::test]
async fn without_a_key_what_others_sign_is_served() {
    let mut desk = Desk::set().await;
    let mut keyless = signer(&desk.world, &desk.model, &desk.store, None);
    keyless.turn().await.unwrap();
    assert!(keyless.served().borrow().is_none());
    desk.signer.turn().await.unwrap();
    keyless.turn().await.unwrap();
    let note = desk.store.newest().await.unwrap();
    assert_eq!(keyless.served().borrow().as_ref().map(|served| served.note.to_string()), note);
    desk.grows(1).await;
    keyless.turn().await.unwrap();
    assert_eq!(desk.store.newest().await.unwrap(), note, "it signs nothing");
}

#[tokio::test]
async fn a_crash_before_it_is_filed_or_served_leaves_what_the_next_turn_finds() {
    let mut desk = Desk::set().await;
    desk.signer.turn().await.unwrap();
    let filed = std::fs::read_to_string(desk.drawer.file()).unwrap();
    desk.grows(2).await;
    desk.signer.turn().await.unwrap();
    // As if it had died right after the key store had it.
    std::fs::write(desk.drawer.file(), filed).unwrap();
    desk.starts_again();
    desk.signer.turn().await.unwrap();
    let note = desk.store.newest().await.unwrap();
    assert_eq!((desk.served(), std::fs::read_to_string(desk.drawer.file()).ok()), (note.clone(), note));
}

#[tokio::test]
async fn it_follows_the_rows_by_itself_and_says_that_it_is_well() {
    let mut desk = Desk::set().await;
    let (health, stop) = (Health::new(), CancellationToken::new());
    let check = health.check("ledger");
    let mut following = Following::start(desk.world.follower(&desk.model));
    let mut served = desk.signer.served();
    let signing = std::mem::replace(&mut desk.signer, signer(&desk.world, &desk.model, &desk.store, None));
    let signing = tokio::spawn(signing.sign(following.progress.clone(), check.clone(), stop.clone()));
    for _ in 0..3 {
        desk.world.act(1, Act::Password(2)).await;
        let head = desk.head().await;
        following.reached(head).await;
        let holds =
            served.wait_for(|served| served.as_ref().is_some_and(|served| served.checkpoint.size >= head.get()));
        timeout(LIMIT, holds).await.expect("it takes too long").unwrap();
    }
    until_green(&check).await;
    stop.cancel();
    timeout(LIMIT, signing).await.expect("it does not stop").unwrap();
    following.stop().await;
}

async fn until_green(check: &postkey_http::HealthCheck) {
    let green = async {
        while check.status() != Status::Green {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, green).await.expect("it is not well");
}
