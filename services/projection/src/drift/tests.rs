//! Rounds over a real read model, with rows edited by hand.

mod passed_over;

use postkey_http::{Health, Status};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::*;
use crate::read_model::{Generations, SqliteReadModel};
use crate::staged::{Act, Following, World, id_of, user_of};

/// A world whose log is applied.
async fn applied() -> (World, Arc<SqliteReadModel>) {
    let mut world = World::new().await;
    world.live_a_little().await;
    world.act(1, Act::Erase(3)).await;
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    following.stop().await;
    (world, model)
}

/// What a round finds, as it says it.
async fn round(world: &World, model: &Arc<SqliteReadModel>, found: &mut Found) -> Status {
    round_over(world, model, Arc::clone(model) as _, found, 1_000_000).await
}

/// The same of rows that are asked for elsewhere, at a rate.
async fn round_over(
    world: &World,
    model: &Arc<SqliteReadModel>,
    queries: Arc<dyn Queries>,
    found: &mut Found,
    rate: u64,
) -> Status {
    let drift = Drift::new(
        (world.log(), world.vault()),
        (Arc::clone(model) as _, Arc::clone(model) as _),
        queries,
        Arc::clone(model) as _,
        rate,
    );
    let (position, live) = (world.author.position(), Some(model.live().await.unwrap()));
    let progress = watch::Sender::new(Progress { position, identified: true, live, halted: None });
    let health = Health::new().check("drift");
    let done = drift.round(found, &progress.subscribe(), &watch::Sender::new(true).subscribe(), &health).await;
    assert!(done.is_ok());
    assert!(drift.looked.services() >= 1);
    health.status()
}

async fn edit(world: &World, sql: &str) {
    let mut hand = by_hand(world, "read-model").await;
    assert!(sqlx::query(AssertSqlSafe(sql)).execute(&mut hand).await.unwrap().rows_affected() > 0, "{sql}");
    hand.close().await.unwrap();
}

/// Somebody else's way to a file.
async fn by_hand(world: &World, file: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(world.folder.path().join(file));
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn rows_as_the_log_has_them_are_well() {
    let (world, model) = applied().await;
    assert_eq!(round(&world, &model, &mut Found::default()).await, Status::Green);
}

#[tokio::test]
async fn every_column_that_is_changed_is_found_and_said_until_it_is_right_again() {
    let (one, two) = (format!("service {}", id_of(1)), format!("service {}", id_of(2)));
    let (user, other) = (format!("user {}", user_of(1, 2)), format!("user {}", user_of(2, 2)));
    let (of_user, of_one) = ("WHERE address = 'user2@s1.example'", "WHERE domain = 's1.example'");
    for (column, value, named) in [
        ("first_name", "'Eve'", &user),
        ("last_name", "'Eve'", &user),
        ("address", "'user9@s1.example'", &user),
        ("profile_key", "credential_key", &user),
        ("quota_mib", "quota_mib + 1", &user),
        ("state", "'suspended'", &user),
        ("state", "'mauve'", &user),
        ("credential_key", "profile_key", &user),
        ("password_hash", "'$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaA'", &user),
        ("policy", "'standard-9'", &user),
        ("credential_revision", "1", &user),
        ("credential_changed_at", "1", &user),
        ("revision", "1", &user),
        ("service", "(SELECT service FROM service WHERE domain = 's2.example')", &user),
        ("customer", "'stranger'", &one),
        ("plan_mailboxes", "plan_mailboxes + 1", &one),
        ("used_bytes", "1", &one),
        ("last_position", "last_position - 1", &one),
        ("last_position", "last_position + 100", &one),
    ] {
        let (world, model) = applied().await;
        let (table, place) = if named == &one { ("service", of_one) } else { ("mailbox_user", of_user) };
        edit(&world, &format!("UPDATE {table} SET {column} = {value} {place}")).await;
        let status = round(&world, &model, &mut Found::default()).await;
        let Status::Impaired(why) = status else { panic!("{column}: {status:?}") };
        assert!(why.contains(named.as_str()), "{column}: {why}");
        assert!(!why.contains(&other) && (column == "service" || !why.contains(&two)), "{column}: {why}");
        assert!(!why.contains("Eve") && !why.contains("argon2"), "{column}: {why}");
    }
}

#[tokio::test]
async fn rows_that_are_missing_or_of_no_history_are_found_and_forgotten_once_they_are_right() {
    let (world, model) = applied().await;
    let mut found = Found::default();
    let (missing, gone) = (format!("user {}", user_of(2, 1)), format!("service {}", id_of(1)));
    edit(&world, "DELETE FROM mailbox_user WHERE address = 'user1@s2.example'").await;
    edit(&world, "DELETE FROM service WHERE domain = 's1.example'").await;
    let status = round(&world, &model, &mut found).await;
    let Status::Impaired(why) = status else { panic!("{status:?}") };
    for named in [&missing, &gone, &format!("user {}", user_of(1, 2))] {
        assert!(why.contains(named), "{named}: {why}");
    }
    let ports = crate::RebuildPorts::of(&model);
    let accepted = crate::Differences::Accepted;
    crate::rebuild(world.log(), world.vault(), ports, accepted, |_| {}).await.unwrap();
    assert_eq!(round(&world, &model, &mut found).await, Status::Green);
}

#[tokio::test]
async fn a_history_that_is_not_what_was_written_is_its_services() {
    let (mut world, model) = applied().await;
    let flip = |at: domain::Position, entry| Some(if at.get() == 5 { crate::staged::flipped(entry) } else { entry });
    world.store = world.copied(flip).await;
    let status = round(&world, &model, &mut Found::default()).await;
    let Status::Impaired(why) = status else { panic!("{status:?}") };
    assert!(why.contains(&format!("service {}", id_of(1))) && !why.contains(&id_of(2).to_string()), "{why}");
}
