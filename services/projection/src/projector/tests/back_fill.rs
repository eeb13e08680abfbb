//! The ledger's rows, where no batch has brought them, and where they are not the log's.

use event_log::Scope;
use ledger::{Hash, Node, NodeRange, leaf_hash};
use postkey_http::{HealthCheck, Status};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::timeout;
use wire::Stored;

use super::super::*;
use crate::read_model::{LedgerRows, SqliteReadModel};
use crate::staged::{Act, Following, LIMIT, World};
use crate::{Differences, RebuildPorts, rebuild};

/// What makes version 2 of a file of ours, whose rows stay.
const BACK: &str = "DROP TABLE ledger_leaf; DROP TABLE ledger_node; PRAGMA user_version = 2";

/// So many more entries than a look at the log adds at once.
async fn long(world: &mut World) {
    world.live_a_little().await;
    for n in 0..4_200 {
        world.act(1, Act::Plan(100 + n % 2)).await;
    }
}

async fn by_hand(world: &World, sql: &str) {
    let options = SqliteConnectOptions::new().filename(world.folder.path().join("read-model"));
    let mut hand = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut hand).await.unwrap();
    hand.close().await.unwrap();
}

/// Applied up to the log's end, with everything in the ledger.
async fn applied(world: &World) -> Arc<SqliteReadModel> {
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    is_whole(world, &model).await;
    following.stop().await;
    model
}

/// Waits until the ledger ends where the log does, and holds every leaf and node against the log's bytes.
async fn is_whole(world: &World, model: &SqliteReadModel) {
    let end = world.author.position();
    let there = async {
        while model.ledger().await.unwrap().size < end {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, there).await.expect("what it lacks is not added");
    let stored: Vec<Stored> = world.log().read(Scope::All, Position::START).try_collect().await.unwrap();
    let (mut frontier, mut above) = (ledger::Frontier::default(), Vec::new());
    let leaves: Vec<Hash> = stored.iter().map(|stored| leaf_hash(&stored.entry.bytes)).collect();
    leaves.iter().for_each(|leaf| frontier.append(*leaf, &mut above));
    let found = model.nodes(&NodeRange { level: 0, indexes: 0..end.get() + 1 }).await.unwrap();
    assert_eq!(found.iter().map(|node| node.hash).collect::<Vec<_>>(), leaves);
    let found: Vec<Node> = model.nodes(&NodeRange { level: 1, indexes: 0..256 }).await.unwrap();
    assert_eq!(found, above);
    let state = model.ledger().await.unwrap();
    assert_eq!(state.applied.map(|applied| applied.frontier), Some(frontier));
    for user in world.author.rows().1 {
        let about = model.entries_about(user.id, Position::START, end, 10_000).await.unwrap();
        let last = about.last().map(|link| link.position);
        assert_eq!(last, Some(user.user.revision), "{}", user.id);
    }
}

async fn until(health: &HealthCheck, wanted: impl Fn(&Status) -> bool) -> Status {
    let stands = async {
        loop {
            let status = health.status();
            if wanted(&status) {
                return status;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, stands).await.unwrap_or_else(|_| panic!("it stays {:?}", health.status()))
}

#[tokio::test]
async fn a_read_model_of_version_2_is_migrated_and_filled_while_entries_come() {
    let mut world = World::new().await;
    long(&mut world).await;
    let model = applied(&world).await;
    Arc::into_inner(model).unwrap().close().await;
    by_hand(&world, BACK).await;

    let model = world.model().await;
    assert_eq!(model.ledger().await.unwrap().size, Position::START);
    let mut following = Following::start(world.follower(&model));
    for _ in 0..20 {
        world.act(2, Act::Password(2)).await;
        following.reached(world.author.position()).await;
    }
    is_whole(&world, &model).await;
    until(&following.ledger, |status| *status == Status::Green).await;
    world.act(2, Act::Password(2)).await;
    following.reached(world.author.position()).await;
    let state = model.ledger().await.unwrap();
    assert_eq!(state.size, world.author.position(), "from then on it grows with each batch");
    following.stop().await;
}

#[tokio::test]
async fn what_a_rebuild_has_applied_is_added_behind_it() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = applied(&world).await;
    let ended = world.author.position();
    for _ in 0..300 {
        world.act(1, Act::Password(2)).await;
    }
    rebuild(world.log(), world.vault(), RebuildPorts::of(&model), Differences::Refused, |_| {}).await.unwrap();
    let state = model.ledger().await.unwrap();
    assert_eq!(state.applied.map(|applied| applied.position), Some(world.author.position()));
    assert_eq!(state.size, ended, "a rebuild does not write it");

    let following = Following::start(world.follower(&model));
    is_whole(&world, &model).await;
    until(&following.ledger, |status| *status == Status::Green).await;
    following.stop().await;
}

#[tokio::test]
async fn rows_that_are_made_anew_come_to_the_ledger_that_is_there_and_accuse_nobody() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let model = applied(&world).await;
    let nothing = "DELETE FROM mailbox_user; DELETE FROM service; \
                   UPDATE generation SET log = NULL, position = 0, leaf = NULL, frontier = NULL";
    by_hand(&world, nothing).await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    // No entry comes that would be a reason to look again.
    until(&following.ledger, |status| *status == Status::Green).await;
    is_whole(&world, &model).await;
    world.expect_rows(&model).await;
    following.stop().await;
}

#[tokio::test]
async fn rows_that_are_not_the_logs_call_a_person_and_keep_nobody_from_his_password() {
    for (edited, why) in [
        (
            "UPDATE ledger_leaf SET leaf = zeroblob(32) WHERE position = (SELECT max(position) FROM ledger_leaf)",
            "not those",
        ),
        ("INSERT INTO ledger_leaf SELECT max(position) + 1, leaf, user FROM ledger_leaf", "rows are applied up to"),
        ("UPDATE ledger_node SET hash = zeroblob(32)", "not those of the log"),
        ("DELETE FROM ledger_node", "node 0 of level 1"),
        (
            "DELETE FROM ledger_leaf WHERE position > 7; UPDATE ledger_leaf SET leaf = zeroblob(32) WHERE position = 7",
            "not those of the log",
        ),
        (
            "DELETE FROM ledger_leaf WHERE position > 7; UPDATE ledger_leaf SET leaf = zeroblob(32) WHERE position = 5",
            "not those of the log",
        ),
    ] {
        let mut world = World::new().await;
        world.live_a_little().await;
        for n in 0..256 {
            world.act(1, Act::Plan(100 + n % 2)).await;
        }
        let model = applied(&world).await;
        by_hand(&world, edited).await;
        let size = model.ledger().await.unwrap().size;

        let mut following = Following::start(world.follower(&model));
        let status = until(&following.ledger, |status| matches!(status, Status::Impaired(_))).await;
        assert!(matches!(&status, Status::Impaired(what) if what.contains(why)), "{edited}: {status:?}");
        world.act(1, Act::Password(2)).await;
        following.reached(world.author.position()).await;
        assert_eq!(following.health.status(), Status::Green);
        world.expect_rows(&model).await;
        if edited.starts_with("DELETE FROM ledger_leaf") {
            assert_eq!(model.ledger().await.unwrap().size, size, "{edited}: nothing is added");
        }

        // Mended while it runs: the next entries show it.
        by_hand(&world, "DELETE FROM ledger_leaf; DELETE FROM ledger_node").await;
        let mended = async {
            while following.ledger.status() != Status::Green {
                world.act(1, Act::Password(2)).await;
                following.reached(world.author.position()).await;
            }
        };
        timeout(LIMIT, mended).await.expect("it stays as it was");
        is_whole(&world, &model).await;
        following.stop().await;
    }
}
