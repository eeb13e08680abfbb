//! What is filled, in however many passes, is what a projector writes entry by entry.

use event_log::MemoryStore;

use super::*;
use crate::read_model::{Generations, ReadModelWriter, SqliteReadModel};
use crate::staged::{Act, Following, LOG, World};

/// A world of four services whose log is applied.
async fn applied() -> (World, Arc<SqliteReadModel>) {
    let mut world = World::on(Arc::new(MemoryStore::new(LOG))).await;
    for service in 1..=4 {
        world.act(service, Act::Provision).await;
    }
    for user in 1..=3 {
        for service in 1..=4 {
            world.act(service, Act::Add(user, user)).await;
        }
    }
    for service in 1..=4 {
        world.act(service, Act::Password(1)).await;
        world.act(service, Act::Remove(2)).await;
        world.act(service, Act::Erase(2)).await;
    }
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    following.stop().await;
    (world, model)
}

#[tokio::test]
async fn rows_are_the_same_in_one_pass_and_in_many_and_by_whoever_does_the_work() {
    let (world, model) = applied().await;
    let (live, head) = (model.live().await.unwrap(), world.author.position());
    for full in [FULL, 9, 5, 1] {
        for labour in [Labour::here(), Labour::aside().unwrap()] {
            let next = model.begin().await.unwrap();
            let projector = Projector::new(world.log(), world.vault(), Arc::clone(&model) as _, next);
            let mut told = Vec::new();
            projector.fill_by(&*model, &labour, (head, full), |at| told.push(at)).await.unwrap();
            assert!(told.is_sorted() && told.last() == Some(&head), "{full}: {told:?}");
            let differing = model.differences(live, next, 0..=u8::MAX, 100).await.unwrap();
            assert_eq!(differing, [], "{full}");
            assert_eq!(model.applied(next).await, model.applied(live).await, "{full}");
        }
    }
}

#[tokio::test]
async fn a_service_that_is_too_large_comes_alone_and_whole() {
    let (world, model) = applied().await;
    let log = world.log();
    let next = model.begin().await.unwrap();
    let projector = Projector::new(Arc::clone(&log), world.vault(), Arc::clone(&model) as _, next);
    let through = Arc::new(AtomicU64::new(u64::MAX));
    let chosen = Chosen { from: 0, through: Arc::clone(&through), counts: true };
    let mut pass = Pass::new(&projector, chosen.clone(), 1);
    let entries = read_up(&log, Position::START, world.author.position());
    let labour = Labour::here();
    let mut batches = pin!(open_chosen(entries, log.id(), world.vault(), chosen, &labour));
    while let Some(batch) = batches.next().await {
        pass = pass.take(batch).unwrap();
    }
    assert_ne!(through.load(Ordering::Relaxed), u64::MAX, "the others are for later");
    let rows = pass.folding.into_rows();
    assert_eq!((rows.services.len(), rows.users.len()), (1, 2), "of three users one was erased");
}

#[tokio::test]
async fn what_is_not_there_is_filled_by_nobody() {
    let (world, model) = applied().await;
    let next = model.begin().await.unwrap();
    let projector = Projector::new(world.log(), world.vault(), Arc::clone(&model) as _, next);
    let beyond = world.author.position().next();
    let short = projector.fill(&*model, &Labour::here(), beyond, |_| {}).await;
    assert!(matches!(&short, Err(Halt::Later(what)) if what.contains("ends before")), "{short:?}");
    // Another rebuild has begun meanwhile.
    model.begin().await.unwrap();
    let late = projector.fill(&*model, &Labour::here(), world.author.position(), |_| {}).await;
    assert!(late == Err(Halt::Moved) || late == Ok(()), "{late:?}");
}
