//! What a person has to look at: the projector stops at exactly the position before it, and says why.

use domain::event::UserEvent;
use domain::{Event, UserState};
use event_log::{FaultyStore, MemoryStore, ReadFault};
use ledger::leaf_hash;
use wire::{Change, Entry, Subject};

use super::super::*;
use crate::read_model::{Generations, Lookups, Queries, SqliteReadModel};
use crate::staged::{Act, Following, LOG, OTHER_LOG, World, address, flipped, id_of, scribble, user_of};

/// Follows until it halts, and expects that to be right before `position`, with rows up to there.
async fn halts_before(world: &World, model: &Arc<SqliteReadModel>, position: u64) -> String {
    let mut following = Following::start(world.follower(model));
    let (stands, why) = following.halted().await;
    let before = Position::new(position - 1);
    assert_eq!(stands, before, "{why}");
    let applied = model.applied(model.live().await.unwrap()).await.unwrap();
    assert_eq!(applied.as_ref().map_or(Position::START, |applied| applied.position), before, "{why}");
    following.stop().await;
    why
}

/// A change of a user's state that no decision has made.
fn forged(world: &World, user: u64, events: &[UserEvent]) -> Change {
    let id = user_of(1, user);
    let events = events.iter().map(|event| Event::User(id, event.clone())).collect();
    world.author.forged(1, Some(id), events)
}

#[tokio::test]
async fn a_flipped_bit_halts_right_before_its_entry_wherever_that_is() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let whole = Arc::clone(&world.store);
    for position in 1..=world.author.position().get() {
        world.store = Arc::clone(&whole);
        let flip = |at: Position, entry| Some(if at.get() == position { flipped(entry) } else { entry });
        world.store = world.copied(flip).await;
        let model = world.model_named(&format!("read-model-{position}")).await;
        let why = halts_before(&world, &model, position).await;
        assert!(why.contains(&format!("position {position}")), "{why}");
    }
}

#[tokio::test]
async fn what_stands_before_a_broken_entry_is_looked_up_and_what_comes_after_is_not() {
    let mut world = World::new().await;
    world.act(1, Act::Provision).await;
    world.act(1, Act::Add(1, 1)).await;
    let sound = world.author.position();
    world.append(&scribble(2)).await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    let (stands, _) = following.halted().await;
    assert_eq!(stands, sound);
    world.expect_rows(&model).await;

    let next = world.sealed(&forged(&world, 1, &[UserEvent::UserSuspended])).await;
    world.append(&next).await;
    following.stop().await;
    let mut again = Following::start(world.follower(&model));
    assert_eq!(again.halted().await.0, sound, "a restart skips nothing either");
    let login = model.login(&address(1, 1)).await.unwrap();
    assert_eq!((login.applied, login.user.map(|row| row.user.state)), (sound, Some(UserState::Active)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_entry_batches_away_halts_right_before_it() {
    let mut world = World::new().await;
    world.act(1, Act::Provision).await;
    while world.author.position().get() < 2_300 {
        world.act(1, Act::Plan(5 + world.author.position().get() % 2)).await;
    }
    let sound = world.author.position();
    for _ in 0..1_500 {
        world.append(&scribble(2)).await;
    }
    let model = world.model().await;
    let why = halts_before(&world, &model, sound.next().get()).await;
    assert!(why.contains(&format!("position {}", sound.next())), "{why}");
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn a_broken_entry_that_comes_later_halts_too() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    let sound = world.author.position();
    following.reached(sound).await;
    let change = forged(&world, 2, &[UserEvent::UserSuspended]);
    world.append(&flipped(world.sealed(&change).await)).await;
    assert_eq!(following.halted().await.0, sound);
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn a_key_that_was_never_stored_halts_right_before_its_entry() {
    let mut world = World::new().await;
    world.act(1, Act::Provision).await;
    let change = world.author.change(1, &Act::Add(1, 1)).unwrap();
    let at = world.append(&world.sealed_under_unknown_keys(&change)).await;
    let why = halts_before(&world, &world.model().await, at.get()).await;
    assert!(why.contains(&format!("position {at}")) && why.contains("restore the key store"), "{why}");
}

#[tokio::test]
async fn an_impossible_history_halts_right_before_it() {
    let removed_twice: &[UserEvent] = &[UserEvent::UserRemoved, UserEvent::UserRemoved];
    for events in [&[UserEvent::UserReactivated][..], &[UserEvent::UserErased], removed_twice] {
        let mut world = World::new().await;
        world.live_a_little().await;
        let entry = world.sealed(&forged(&world, 2, events)).await;
        let at = world.append(&entry).await;
        let why = halts_before(&world, &world.model().await, at.get()).await;
        assert!(why.contains("does not allow"), "{why}");
    }
}

/// A user with the address that the first one has.
fn heir(world: &World) -> Change {
    let mut beside = crate::staged::Author::default();
    let first = beside.first();
    beside.stands(first, leaf_hash(b""));
    let provisioned = beside.change(1, &Act::Provision).unwrap();
    beside.stands(provisioned, leaf_hash(b""));
    let added = beside.change(1, &Act::Add(9, 1)).unwrap();
    world.author.forged(1, Some(user_of(1, 9)), added.events().to_vec())
}

/// What is gathered before it is written is found to be impossible as exactly as what is not.
#[tokio::test]
async fn a_catch_up_halts_right_before_what_is_impossible() {
    // With the first user in what is gathered, and with it written before.
    for written_before in [false, true] {
        let mut world = World::new().await;
        world.live_a_little().await;
        let model = world.model().await;
        let sound = world.author.position();
        if written_before {
            world.projector(&model).await.catch_up(sound, |_| {}).await.unwrap();
        }
        world.act(1, Act::Password(2)).await;
        let sealed = world.sealed(&heir(&world)).await;
        let at = world.append(&sealed).await;
        let halt = world.projector(&model).await.catch_up(at, |_| {}).await.unwrap_err();
        let Halt::Broken(Broken::Corrupt(why)) = halt else { panic!("{halt:?}") };
        assert!(why.contains(&format!("position {at}")) && why.contains("address"), "{why}");
        let applied = model.applied(model.live().await.unwrap()).await.unwrap().unwrap();
        assert_eq!(applied.position.next(), at);
        world.expect_rows(&model).await;
    }
}

#[tokio::test]
async fn an_address_that_a_row_has_already_halts_right_before_the_second() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    // Applied before, so that no row at hand says so: only the read model knows.
    let mut first = Following::start(world.follower(&model));
    first.reached(world.author.position()).await;
    first.stop().await;
    model.close().await;

    world.act(1, Act::Password(2)).await;
    let heir = heir(&world);
    let sealed = world.sealed(&heir).await;
    let at = world.append(&sealed).await;
    world.append(&scribble(2)).await;
    let why = halts_before(&world, &world.model().await, at.get()).await;
    assert!(why.contains(&format!("position {at}")) && why.contains("address"), "{why}");
    let model = world.model().await;
    let row = model.user(id_of(1), user_of(1, 2)).await.unwrap().unwrap();
    assert_eq!(row.user.revision.next(), at, "what stood before it in the batch is applied");
}

#[tokio::test]
async fn a_hole_in_the_log_halts_right_before_it() {
    let mut world = World::new().await;
    world.live_a_little().await;
    // A head and then the stream; its first entry is missing.
    let faulty = FaultyStore::new(Arc::clone(&world.store)).on_read(3, ReadFault::Gap);
    world.store = Arc::new(faulty);
    assert!(halts_before(&world, &world.model().await, 1).await.contains("gap"));
}

async fn applied_world() -> (World, Arc<SqliteReadModel>) {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    following.stop().await;
    (world, model)
}

/// Follows a log that is not the rows', and expects a halt that vouches for no position.
async fn halts_as_foreign(world: &World, model: &Arc<SqliteReadModel>, projector: Follower) -> String {
    let mut following = Following::start(projector);
    following.halted().await;
    let progress = following.progress.borrow().clone();
    assert!(!progress.identified);
    world.expect_rows(model).await;
    match progress.halted {
        Some(Broken::Foreign(why)) => why,
        other => panic!("{other:?}"),
    }
}

/// Starts again over another log.
async fn halts_at_start(mut world: World, model: &Arc<SqliteReadModel>, log: Arc<dyn event_log::LogStore>) -> String {
    world.store = log;
    let projector = world.follower(model);
    halts_as_foreign(&world, model, projector).await
}

#[tokio::test]
async fn a_log_that_was_rolled_back_halts_at_the_start() {
    let (world, model) = applied_world().await;
    let short = world.author.position();
    let rolled_back = world.copied(|at, entry| (at < short).then_some(entry)).await;
    assert!(halts_at_start(world, &model, rolled_back).await.contains("rolled back"));
}

#[tokio::test]
async fn a_log_that_was_rolled_back_and_has_grown_again_halts_at_the_start() {
    let (mut world, model) = applied_world().await;
    let short = world.author.position();
    let forked = world.copied(|at, entry| (at < short).then_some(entry)).await;
    let (kept, author) = (Arc::clone(&world.store), world.author.clone());
    world.store = forked;
    for _ in 0..2 {
        let provisioned = world.author.change(3, &Act::Provision).unwrap();
        let entry = world.sealed(&provisioned).await;
        let subject = Subject::service(id_of(3));
        world.append(&Entry { subject, ..entry }).await;
    }
    let forked = std::mem::replace(&mut world.store, kept);
    world.author = author;
    assert!(halts_at_start(world, &model, forked).await.contains("another entry"));
}

#[tokio::test]
async fn a_last_entry_of_other_bytes_halts_at_the_start() {
    let (world, model) = applied_world().await;
    let last = world.author.position();
    let changed = world.copied(|at, entry| Some(if at == last { flipped(entry) } else { entry })).await;
    let why = halts_at_start(world, &model, changed).await;
    assert!(why.contains(&format!("position {last}")), "{why}");
}

#[tokio::test]
async fn another_log_than_the_read_models_halts_at_the_start() {
    let (mut world, model) = applied_world().await;
    let other = Arc::new(MemoryStore::new(OTHER_LOG));
    world.store = other;
    let log = Arc::new(EventLog::new(Arc::clone(&world.store), OTHER_LOG));
    let (vault, leads, ledger) = (world.vault(), Arc::clone(&model) as _, Arc::clone(&model) as _);
    let projector = Follower::new(log, vault, Arc::clone(&model) as _, leads, ledger);
    let why = halts_as_foreign(&world, &model, projector).await;
    assert!(why.contains(&LOG.to_string()) && why.contains(&OTHER_LOG.to_string()), "{why}");
}

#[tokio::test]
async fn a_read_model_that_is_damaged_halts() {
    let (mut world, model) = applied_world().await;
    model.close().await;
    let path = world.folder.path().join("read-model");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
    let mut hand = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE mailbox_user SET quota_mib = 0").execute(&mut hand).await.unwrap();
    let sound = world.author.position();
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(sound).await;
    world.act(1, Act::Password(2)).await;
    let (stands, why) = following.halted().await;
    assert_eq!(stands, sound);
    assert!(why.contains("postkey rebuild"), "{why}");
}
