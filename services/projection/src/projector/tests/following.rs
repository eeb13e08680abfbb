//! What goes well, and what goes away by itself.

use std::sync::Mutex;

use async_trait::async_trait;
use domain::{Address, Erasable};
use event_log::{Appended, FaultyStore, Head, LogStore, ReadFault, SqliteStore};
use futures::stream::BoxStream;
use keys::KeyStore;
use postkey_http::Status;
use wire::Entry;

use super::super::*;
use crate::read_model::{Generations, Lookups, Queries};
use crate::staged::{Act, Following, LOG, World, address, id_of, user_of};

async fn applies_and_follows(mut world: World) {
    world.live_a_little().await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    world.expect_rows(&model).await;
    for act in [Act::Reactivate(1), Act::Add(4, 4), Act::Edit(4, "李".to_owned(), 2), Act::Password(4), Act::Erase(3)]
    {
        world.act(1, act).await;
        following.reached(world.author.position()).await;
        assert_eq!(following.health.status(), Status::Green);
        world.expect_rows(&model).await;
    }
    following.stop().await;
}

#[tokio::test]
async fn a_log_is_applied_and_new_entries_follow() {
    applies_and_follows(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_sqlite_is_applied_and_new_entries_follow() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::create(&folder.path().join("log.db"), LOG).await.unwrap();
    applies_and_follows(World::on(Arc::new(store)).await).await;
}

#[tokio::test]
async fn a_lookup_sees_what_the_progress_says() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    for _ in 0..16 {
        let revision = world.act(1, Act::Password(2)).await.link.position;
        following.reached(revision).await;
        let login = model.login(&address(1, 2)).await.unwrap();
        assert!(login.applied >= revision);
        let credential = login.user.and_then(|row| row.user.credential).map(|credential| credential.revision);
        assert_eq!(credential, Some(revision));
    }
}

#[tokio::test]
async fn destroyed_keys_leave_erased_rows() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let (_, rows) = world.author.rows();
    let ann = rows.iter().find(|row| row.id == user_of(1, 1)).unwrap();
    let old = rows.iter().find(|row| row.id == user_of(1, 2)).unwrap().user.credential.clone().unwrap();
    let doomed = [ann.user.person.key, old.hash.key];
    world.command_keys.destroy(&doomed, Position::new(1)).await.unwrap();

    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    let erased = model.user(id_of(1), user_of(1, 1)).await.unwrap().unwrap();
    assert_eq!((&erased.user.person.value, erased.user.person.key), (&Erasable::Erased, doomed[0]));
    assert_eq!(erased.user.state, ann.user.state, "what is not personal stays");
    assert_eq!(model.login(&address(1, 1)).await.unwrap().user, None, "nobody has the address");
    let dead = model.user(id_of(1), user_of(1, 2)).await.unwrap().unwrap().user.credential.unwrap();
    assert_eq!((dead.hash.value, dead.hash.key, dead.revision), (Erasable::Erased, doomed[1], old.revision));
}

#[tokio::test]
async fn keys_that_are_not_there_now_are_waited_for() {
    let mut world = World::new().await;
    world.act(1, Act::Provision).await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;

    world.keys.switch(false);
    let before = world.author.position();
    world.act(1, Act::Add(1, 1)).await;
    // Asked again, so that the first refusal has been told.
    world.keys.has_refused(2).await;
    assert!(matches!(following.health.status(), Status::Red(_)));
    let waiting = following.progress.borrow().clone();
    assert_eq!(waiting, Progress { position: before, identified: true, live: Some(Generation(1)), halted: None });
    assert_eq!(model.login(&address(1, 1)).await.unwrap().applied, before);

    world.keys.switch(true);
    following.reached(world.author.position()).await;
    assert_eq!(following.health.status(), Status::Green);
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn a_log_that_can_not_be_asked_now_is_waited_for() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let faulty = (1..4)
        .fold(FaultyStore::new(Arc::clone(&world.store)), |store, nth| store.on_read(nth, ReadFault::Unavailable));
    let faulty = Arc::new(faulty);
    world.store = Arc::clone(&faulty) as Arc<dyn LogStore>;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    assert!(faulty.reads() > 3, "asked again after each refusal");
    assert_eq!(following.health.status(), Status::Green);
    world.expect_rows(&model).await;
}

/// Notes from where a log is read.
struct Noting {
    inner: Arc<dyn LogStore>,
    from: Mutex<Vec<Position>>,
}

#[async_trait]
impl LogStore for Noting {
    async fn try_append(&self, entry: &Entry, expected: Position) -> Appended {
        self.inner.try_append(entry, expected).await
    }

    fn read(&self, scope: Scope, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.from.lock().unwrap().push(after);
        self.inner.read(scope, after)
    }

    fn follow(&self, after: Position) -> BoxStream<'_, Result<Stored, ReadError>> {
        self.from.lock().unwrap().push(after);
        self.inner.follow(after)
    }

    async fn head(&self, scope: Scope) -> Result<Head, ReadError> {
        self.inner.head(scope).await
    }
}

#[tokio::test]
async fn a_restart_goes_on_where_the_rows_stand() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut first = Following::start(world.follower(&model));
    let stood = world.author.position();
    first.reached(stood).await;
    first.stop().await;
    model.close().await;

    world.act(1, Act::Password(2)).await;
    world.act(2, Act::Remove(1)).await;
    let noting = Arc::new(Noting { inner: Arc::clone(&world.store), from: Mutex::default() });
    world.store = Arc::clone(&noting) as Arc<dyn LogStore>;
    let model = world.model().await;
    let mut second = Following::start(world.follower(&model));
    second.reached(world.author.position()).await;
    world.expect_rows(&model).await;
    let from = noting.from.lock().unwrap().clone();
    // The last applied entry is read again, to be compared; nothing before it is.
    assert_eq!(from, [Position::new(stood.get() - 1), stood]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projectors_on_one_read_model_end_at_the_same_rows() {
    let mut world = World::new().await;
    let (one, two) = (world.model().await, world.model().await);
    let mut first = Following::start(world.follower(&one));
    let mut second = Following::start(world.follower(&two));
    world.live_a_little().await;
    for round in 0..40 {
        world.act(1 + round % 2, Act::Password(2)).await;
    }
    for following in [&mut first, &mut second] {
        following.reached(world.author.position()).await;
    }
    // Whoever was late does not fall out: both hear of what comes.
    world.act(1, Act::Remove(2)).await;
    for following in [&mut first, &mut second] {
        following.reached(world.author.position()).await;
    }
    world.expect_rows(&one).await;
    world.expect_rows(&two).await;
}

/// What it knew of the rows before it had to wait is not what they are afterwards.
#[tokio::test]
async fn a_projector_that_waited_while_another_went_on_does_not_take_its_memory_for_the_rows() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut waits = Following::start(world.follower(&model));
    waits.reached(world.author.position()).await;

    world.keys.switch(false);
    world.act(1, Act::Password(2)).await;
    world.act(1, Act::Suspend(2)).await;
    let (log, vault) = (world.log(), world.command_vault());
    let other = Follower::new(log, vault, Arc::clone(&model) as _, Arc::clone(&model) as _, Arc::clone(&model) as _);
    let mut other = Following::start(other);
    other.reached(world.author.position()).await;
    other.stop().await;
    waits.reached(world.author.position()).await;

    world.keys.switch(true);
    world.act(1, Act::Password(2)).await;
    waits.reached(world.author.position()).await;
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn a_read_model_that_was_swapped_away_is_not_written_to() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let live = model.live().await.unwrap();
    let mut projector = world.projector(&model).await;
    let head = world.author.position();
    projector.catch_up(head, |_| {}).await.unwrap();
    let next = model.begin().await.unwrap();
    let mut beside = Projector::new(world.log(), world.vault(), Arc::clone(&model) as _, next);
    beside.catch_up(head, |_| {}).await.unwrap();
    model.swap(live, next, false).await.unwrap();

    world.act(1, Act::Password(2)).await;
    let more = projector.catch_up(world.author.position(), |_| {}).await;
    assert!(matches!(more, Err(Halt::Moved)), "{more:?}");
    let nobody = Address::parse("nobody@s1.example").unwrap();
    assert_eq!(model.login(&nobody).await.unwrap().applied, head);
}

#[tokio::test]
async fn a_catch_up_ends_where_it_was_told_to() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut steps = Vec::new();
    let mut projector = world.projector(&model).await;
    let half = Position::new(world.author.position().get() / 2);
    let applied = projector.catch_up(half, |at| steps.push(at)).await.unwrap().unwrap();
    assert_eq!((applied.position, steps.last()), (half, Some(&half)));
    let beyond = projector.catch_up(world.author.position().next(), |_| {}).await;
    assert!(matches!(beyond, Err(Halt::Later(_))), "{beyond:?}");
    world.expect_rows(&model).await;
}

/// A row that is gathered is what the next entries are folded onto, also where it is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catch_up_over_many_batches_ends_at_the_rows_of_the_history() {
    let mut world = World::new().await;
    world.live_a_little().await;
    world.act(2, Act::Erase(3)).await;
    world.act(2, Act::Add(4, 3)).await;
    for round in 0..4_000 {
        let act = if round % 100 == 99 { Act::Password(2) } else { Act::Plan(5 + (round - round / 100) % 2) };
        world.act(1, act).await;
    }
    world.act(1, Act::Erase(3)).await;
    let model = world.model().await;
    let mut projector = world.projector(&model).await;
    let applied = projector.catch_up(world.author.position(), |_| {}).await.unwrap().unwrap();
    assert_eq!(model.applied(model.live().await.unwrap()).await.unwrap(), Some(applied));
    world.expect_rows(&model).await;
    // From there on, with what was written in mind.
    world.act(1, Act::Password(2)).await;
    projector.catch_up(world.author.position(), |_| {}).await.unwrap();
    world.expect_rows(&model).await;
}
