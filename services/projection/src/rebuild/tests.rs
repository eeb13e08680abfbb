//! Rebuilds over a real read model: what they report, what they leave where they fail.

mod beside;

use domain::Address;
use event_log::{FaultyStore, LogStore, ReadFault};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::effects::Destruction;
use crate::read_model::{Generation, Lookups, Queries, SqliteReadModel};
use crate::staged::{Act, Following, LIMIT, World, address, flipped, id_of, scribble, user_of};

/// A world whose log is applied.
async fn applied() -> (World, Arc<SqliteReadModel>) {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    following.stop().await;
    (world, model)
}

async fn edit(world: &World, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(world.folder.path().join("read-model"));
    let mut hand = SqliteConnection::connect_with(&options).await.unwrap();
    assert!(sqlx::query(sql).execute(&mut hand).await.unwrap().rows_affected() > 0, "{sql}");
    hand.close().await.unwrap();
}

async fn rebuilt(world: &World, model: &Arc<SqliteReadModel>) -> Result<RebuildReport, RebuildError> {
    rebuild(world.log(), world.vault(), RebuildPorts::of(model), Differences::Refused, |_| {}).await
}

/// Rows that differ are replaced.
async fn accepted(world: &World, model: &Arc<SqliteReadModel>) -> RebuildReport {
    let accepted = rebuild(world.log(), world.vault(), RebuildPorts::of(model), Differences::Accepted, |_| {});
    accepted.await.unwrap()
}

#[tokio::test]
async fn rows_that_are_as_the_log_has_them_are_rebuilt_without_a_difference() {
    let (world, model) = applied().await;
    let (head, live) = (world.author.position(), model.live().await.unwrap());
    let mut steps = Vec::new();
    let step = |step| steps.push(step);
    let report = rebuild(world.log(), world.vault(), RebuildPorts::of(&model), Differences::Refused, step).await;
    assert_eq!(report, Ok(RebuildReport { position: head, differences: Some(vec![]) }));
    assert_eq!(steps[steps.len() - 2..], [Step::Filling(head, head), Step::Comparing]);
    assert_ne!(model.live().await.unwrap(), live);
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn rows_of_an_older_version_are_no_difference_and_are_found_afterwards() {
    let (world, model) = applied().await;
    edit(&world, "UPDATE mailbox_user SET search_text = NULL").await;
    assert!(!model.live_rows().await.unwrap().searchable);
    assert_eq!(rebuilt(&world, &model).await.unwrap().differences, Some(vec![]));
    assert!(model.live_rows().await.unwrap().searchable);
    world.expect_rows(&model).await;
}

/// The rows for which a rebuild is refused, after a look that it has changed nothing.
async fn refused(world: &World, model: &Arc<SqliteReadModel>) -> Vec<String> {
    let (live, before) = (model.live().await.unwrap(), model.applied(model.live().await.unwrap()).await);
    let Err(RebuildError::Differ(rows)) = rebuilt(world, model).await else { panic!("it is not refused") };
    assert_eq!((model.live().await.unwrap(), model.applied(live).await), (live, before));
    let next = Generation(live.0 + 1);
    assert_eq!(model.applied(next).await, Ok(None), "and what was made is gone");
    rows
}

#[tokio::test]
async fn a_row_that_can_not_be_read_differs_and_is_named() {
    let (world, model) = applied().await;
    edit(&world, "UPDATE mailbox_user SET state = 'free' WHERE address = 'user2@s1.example'").await;
    assert_eq!(refused(&world, &model).await, [format!("user {}", user_of(1, 2))]);
    assert_eq!(accepted(&world, &model).await.differences, Some(vec![format!("user {}", user_of(1, 2))]));
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn of_two_rebuilds_at_once_one_is_made() {
    let (world, model) = applied().await;
    let claim = model.claim_rebuild().await.unwrap();
    assert_eq!(rebuilt(&world, &model).await, Err(RebuildError::Running));
    drop(claim);
    rebuilt(&world, &model).await.unwrap();
}

#[tokio::test]
async fn rows_edited_behind_our_back_are_named_and_right_afterwards() {
    let (world, model) = applied().await;
    edit(&world, "UPDATE mailbox_user SET state = 'active' WHERE state = 'suspended' AND address = 'user1@s1.example'")
        .await;
    edit(&world, "DELETE FROM mailbox_user WHERE address = 'user2@s2.example'").await;
    edit(&world, "UPDATE service SET customer = 'stranger' WHERE domain = 's2.example'").await;
    let mut named = refused(&world, &model).await;
    named.sort();
    let mut expected =
        vec![format!("service {}", id_of(2)), format!("user {}", user_of(1, 1)), format!("user {}", user_of(2, 2))];
    expected.sort();
    assert_eq!(named, expected);
    let report = accepted(&world, &model).await;
    assert_eq!(report.differences.map(|rows| rows.len()), Some(3));
    world.expect_rows(&model).await;
    let login = model.login(&address(2, 2)).await.unwrap();
    assert_eq!((login.applied, login.user.map(|row| row.id)), (report.position, Some(user_of(2, 2))));
}

#[tokio::test]
async fn rows_that_lag_behind_are_compared_where_they_stand() {
    let (mut world, model) = applied().await;
    edit(&world, "UPDATE mailbox_user SET quota_mib = 77 WHERE address = 'user2@s1.example'").await;
    world.act(1, Act::Edit(2, "Anna".to_owned(), 6)).await;
    world.act(2, Act::Erase(3)).await;
    let edited = vec![format!("user {}", user_of(1, 2))];
    assert_eq!(refused(&world, &model).await, edited, "and not what merely was to come");
    let report = accepted(&world, &model).await;
    assert_eq!((report.position, report.differences), (world.author.position(), Some(edited)));
    world.expect_rows(&model).await;
}

/// Most of the keys that open the log are destroyed by then; those of what stands are not.
#[tokio::test]
async fn rows_are_the_same_after_everything_that_is_doomed_was_destroyed() {
    let (mut world, model) = applied().await;
    for service in [1, 2] {
        for act in [Act::Erase(3), Act::Add(3, 3), Act::Remove(1), Act::Erase(1), Act::Password(3), Act::Remove(2)] {
            world.act(service, act).await;
        }
    }
    let follower = world.follower(&model);
    let (health, stop) = (postkey_http::Health::new().check("destruction"), CancellationToken::new());
    let destruction = Destruction::new(world.log(), world.vault(), Arc::clone(&model) as _);
    let destroying = tokio::spawn(destruction.follow(&follower, health, stop.clone()));
    let mut following = Following::start(follower);
    let head = world.author.position();
    following.reached(head).await;
    let reached = async {
        while world.vault().destroyed().await.unwrap() < head {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, reached).await.expect("it takes too long");
    following.stop().await;
    stop.cancel();
    destroying.await.unwrap();

    world.expect_rows(&model).await;
    assert_eq!(rebuilt(&world, &model).await, Ok(RebuildReport { position: head, differences: Some(vec![]) }));
    world.expect_rows(&model).await;
    // As a second projection does it, entry by entry, from nothing.
    let other = world.model_named("another").await;
    let mut following = Following::start(world.follower(&other));
    following.reached(head).await;
    following.stop().await;
    world.expect_rows(&other).await;
}

#[tokio::test]
async fn a_projector_goes_on_from_what_was_rebuilt() {
    let (mut world, model) = applied().await;
    rebuilt(&world, &model).await.unwrap();
    let mut following = Following::start(world.follower(&model));
    world.act(1, Act::Password(2)).await;
    following.reached(world.author.position()).await;
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn an_applied_position_that_is_damaged_is_rebuilt_without_a_comparison() {
    let (world, model) = applied().await;
    edit(&world, "UPDATE generation SET frontier = x'00'").await;
    let report = rebuilt(&world, &model).await.unwrap();
    assert_eq!(report.differences, None);
    world.expect_rows(&model).await;
}

/// The rebuild that mended it was killed before it had swapped.
#[tokio::test]
async fn rows_that_no_generation_counts_are_not_those_of_the_one_that_is_made() {
    let (world, model) = applied().await;
    edit(&world, "DELETE FROM generation").await;
    for _ in 0..2 {
        model.mend().await.unwrap();
    }
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn rows_that_were_never_filled_are_rebuilt_from_nothing() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = world.model().await;
    let report = rebuilt(&world, &model).await.unwrap();
    assert_eq!(report, RebuildReport { position: world.author.position(), differences: None });
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn rows_of_another_history_are_not_thrown_away() {
    // Of another log; past the end of this one; of entries that are not the log's.
    for (edited, why) in [
        ("UPDATE generation SET log = x'00000000000000000000000000001068'", "built from log"),
        (
            "UPDATE generation SET position = position + 8, frontier = \
             unhex(printf('%016x', position + 8) || printf('%.*c', 64 * 3, 'a'))",
            "rolled back",
        ),
        (
            "UPDATE generation SET frontier = unhex(substr(hex(frontier), 1, 16) || \
             printf('%.*c', length(frontier) * 2 - 16, 'a'))",
            "are not those",
        ),
    ] {
        let (world, model) = applied().await;
        assert_eq!(world.author.position(), Position::new(17));
        edit(&world, edited).await;
        let (live, before) = (model.live().await.unwrap(), model.applied(model.live().await.unwrap()).await);
        match rebuilt(&world, &model).await {
            Err(RebuildError::Broken(what)) => assert!(what.contains(why) && what.contains("restore"), "{what}"),
            other => panic!("{edited}: {other:?}"),
        }
        assert_eq!((model.live().await.unwrap(), model.applied(live).await), (live, before));
        world.expect_rows(&model).await;
    }
}

/// What is live, and whether lookups and lists still are as the log has them.
async fn is_untouched(world: &World, model: &Arc<SqliteReadModel>, live: Generation) {
    assert_eq!(model.live().await.unwrap(), live);
    world.expect_rows(model).await;
    let nobody = Address::parse("nobody@s1.example").unwrap();
    assert_eq!(model.login(&nobody).await.unwrap().applied, world.author.position());
}

#[tokio::test]
async fn a_rebuild_that_was_interrupted_leaves_the_live_rows() {
    let (world, model) = applied().await;
    let live = model.live().await.unwrap();
    let next = model.begin().await.unwrap();
    is_untouched(&world, &model, live).await;
    let half = Position::new(world.author.position().get() / 2);
    let mut projector = Projector::new(world.log(), world.vault(), Arc::clone(&model) as _, next);
    projector.catch_up(half, |_| {}).await.unwrap();
    drop(projector);
    is_untouched(&world, &model, live).await;

    // The next one begins anew and is not misled by what is left.
    let report = rebuilt(&world, &model).await;
    assert_eq!(report, Ok(RebuildReport { position: world.author.position(), differences: Some(vec![]) }));
    world.expect_rows(&model).await;
}

#[tokio::test]
async fn a_rebuild_over_a_corrupt_log_changes_nothing() {
    let (mut world, model) = applied().await;
    let live = model.live().await.unwrap();
    let whole = Arc::clone(&world.store);
    for broken in 1..=world.author.position().get() {
        world.store = Arc::clone(&whole);
        let flip = |at: Position, entry| Some(if at.get() == broken { flipped(entry) } else { entry });
        world.store = world.copied(flip).await;
        match rebuilt(&world, &model).await {
            Err(RebuildError::Broken(what)) => assert!(what.contains(&format!("position {broken}")), "{what}"),
            other => panic!("{broken}: {other:?}"),
        }
        is_untouched(&world, &model, live).await;
    }
}

#[tokio::test]
async fn a_rebuild_over_a_log_whose_newest_entry_is_broken_changes_nothing() {
    let (world, model) = applied().await;
    let live = model.live().await.unwrap();
    world.append(&scribble(1)).await;
    assert!(matches!(rebuilt(&world, &model).await, Err(RebuildError::Broken(_))));
    is_untouched(&world, &model, live).await;
}

#[tokio::test]
async fn what_can_not_be_reached_is_said_to_be_tried_again() {
    let (mut world, model) = applied().await;
    let live = model.live().await.unwrap();
    world.keys.switch(false);
    let refused = rebuilt(&world, &model).await;
    assert!(matches!(&refused, Err(RebuildError::Later(_))), "{refused:?}");
    is_untouched(&world, &model, live).await;
    world.keys.switch(true);

    let whole = Arc::clone(&world.store);
    for nth in 1..4 {
        let faulty = FaultyStore::new(Arc::clone(&whole)).on_read(nth, ReadFault::Unavailable);
        world.store = Arc::new(faulty) as Arc<dyn LogStore>;
        let refused = rebuilt(&world, &model).await;
        assert!(matches!(&refused, Err(RebuildError::Later(_))), "read {nth}: {refused:?}");
        is_untouched(&world, &model, live).await;
    }
}
