//! Several signers on one key store: they never sign two trees.

use std::sync::Mutex;

use async_trait::async_trait;
use event_log::LogStore;
use keys::{CheckpointStore, KeptCrossing, Unavailable};
use ledger::Checkpoint;

use super::*;

/// A key store that remembers every checkpoint that it has taken, in its order.
struct Remembering {
    store: Arc<SqliteKeyStore>,
    taken: Mutex<Vec<String>>,
}

#[async_trait]
impl CheckpointStore for Remembering {
    async fn newest(&self) -> Result<Option<String>, Unavailable> {
        self.store.newest().await
    }

    async fn replace(
        &self,
        expected: Option<&str>,
        next: &str,
        crossings: &[KeptCrossing],
    ) -> Result<bool, Unavailable> {
        let taken = self.store.replace(expected, next, crossings).await?;
        if taken {
            self.taken.lock().unwrap().push(next.to_owned());
        }
        Ok(taken)
    }

    async fn crossings(&self) -> Result<Vec<KeptCrossing>, Unavailable> {
        self.store.crossings().await
    }
}

/// The root of a log's first entries.
async fn root(store: &Arc<dyn LogStore>, size: u64) -> ledger::Hash {
    let stored: Vec<wire::Stored> =
        futures::TryStreamExt::try_collect(store.read(Scope::All, Position::START)).await.unwrap();
    let mut frontier = ledger::Frontier::default();
    stored.iter().take(size as usize).for_each(|stored| frontier.push(ledger::leaf_hash(&stored.entry.bytes)));
    frontier.root()
}

/// What was signed, each under the key.
fn signed(taken: &[String], key: &NoteKey) -> Vec<Checkpoint> {
    taken.iter().map(|note| open(note, &[verifier(key)]).unwrap().checkpoint).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_histories_one_is_signed() {
    for _ in 0..4 {
        let mut desk = Desk::set().await;
        // Two logs that part after what both have: a fork, each with rows of its own.
        let ours: Arc<dyn LogStore> = desk.world.copied(|_, entry| Some(entry)).await;
        let theirs: Arc<dyn LogStore> = desk.world.copied(|_, entry| Some(entry)).await;
        let store = Arc::new(Remembering { store: Arc::clone(&desk.store), taken: Mutex::default() });
        let mut sides = Vec::new();
        for (name, log) in [("ours", &ours), ("theirs", &theirs)] {
            desk.world.store = Arc::clone(log);
            let mut world = desk.world.author.clone();
            let change = world.change(1, &Act::Edit(2, format!("Lee {name}"), 5)).unwrap();
            let entry = desk.world.sealed(&change).await;
            desk.world.append(&entry).await;
            let model = desk.world.model_named(name).await;
            apply_from(&desk.world, log, &model).await;
            let drawer = Drawer::new(desk.world.folder.path().join(format!("ledger of {name}")), &[&desk.key]);
            let signing = Signing { checkpoints: Arc::clone(&store) as _, files: Some(drawer) };
            let log = Arc::new(event_log::EventLog::new(Arc::clone(log), LOG));
            sides.push(Signer::new(model, signing, log, desk.world.vault()));
        }
        let (mut one, mut other) = (sides.remove(0), sides.remove(0));
        let both = (tokio::spawn(async move { one.turn().await }), tokio::spawn(async move { other.turn().await }));
        let (one, other) = (both.0.await.unwrap(), both.1.await.unwrap());
        let wrong = |outcome: &Result<(), Hindrance>| matches!(outcome, Err(Hindrance::Wrong(why)) if why.contains("does not continue"));
        assert!(one.is_ok() != other.is_ok() && (wrong(&one) || wrong(&other)), "{one:?}, {other:?}");
        let signed = signed(&store.taken.lock().unwrap(), &desk.key);
        let [only] = &signed[..] else { panic!("{signed:?}") };
        let log = if one.is_ok() { &ours } else { &theirs };
        assert_eq!(only.root, root(log, only.size).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_beside_each_other_sign_one_growing_tree() {
    let mut desk = Desk::set().await;
    let store = Arc::new(Remembering { store: Arc::clone(&desk.store), taken: Mutex::default() });
    let mut signers = Vec::new();
    for n in 0..3 {
        let drawer = Drawer::new(desk.world.folder.path().join(format!("ledger {n}")), &[&desk.key]);
        let signing = Signing { checkpoints: Arc::clone(&store) as _, files: Some(drawer) };
        signers.push(Signer::new(Arc::clone(&desk.model) as _, signing, desk.world.log(), desk.world.vault()));
    }
    for changes in [1, 2, 1, 3, 1] {
        desk.grows(changes).await;
        let turns: Vec<_> = signers
            .drain(..)
            .map(|mut signer| {
                tokio::spawn(async move {
                    let turned = signer.turn().await;
                    (signer, turned)
                })
            })
            .collect();
        for turn in turns {
            let (signer, turned) = turn.await.unwrap();
            assert_eq!(turned, Ok(()));
            let served = signer.served().borrow().clone().unwrap().checkpoint;
            assert_eq!(served.size, desk.head().await.get());
            signers.push(signer);
        }
    }
    let signed = signed(&store.taken.lock().unwrap(), &desk.key);
    assert_eq!(signed.len(), 5, "one for each growth");
    assert!(signed.is_sorted_by(|one, next| one.size < next.size));
    for checkpoint in &signed {
        assert_eq!(checkpoint.root, root(&desk.world.store, checkpoint.size).await);
    }
}
