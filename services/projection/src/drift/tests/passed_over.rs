//! What can't be looked at is said, and keeps nobody from being looked at; and what somebody shows in a table's place is not believed.

use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use domain::{Position, ServiceId, UserId};

use super::*;
use crate::read_model::{LiveRows, Page, ReadModelError, ServiceQuery, ServiceRow, UserQuery, UserRow};

/// What a round over the second service's edited row has to name.
async fn edit_the_second(world: &World) -> String {
    edit(world, "UPDATE mailbox_user SET quota_mib = 77 WHERE address = 'user2@s2.example'").await;
    format!("user {}", user_of(2, 2))
}

fn person(status: Status) -> String {
    let Status::Impaired(why) = status else { panic!("{status:?}") };
    why
}

#[tokio::test]
async fn a_service_whose_keys_are_lost_is_named_and_the_others_are_looked_at() {
    let (world, model) = applied().await;
    let (_, rows) = world.author.rows();
    let key = rows.iter().find(|row| row.id == user_of(1, 2)).unwrap().user.person.key;
    let mut hand = by_hand(&world, "keys.db").await;
    let kept: Vec<u8> = {
        let taken = sqlx::query_scalar("DELETE FROM key WHERE id = $1 RETURNING wrapped").bind(key.as_bytes().to_vec());
        taken.fetch_one(&mut hand).await.unwrap()
    };
    let mut found = Found::default();
    let status = round(&world, &model, &mut found).await;
    let Status::Yellow(why) = status else { panic!("{status:?}") };
    assert!(why.contains(&id_of(1).to_string()) && !why.contains(&id_of(2).to_string()), "{why}");
    let named = edit_the_second(&world).await;
    let why = person(round(&world, &model, &mut found).await);
    assert!(why.contains(&named) && why.contains(&id_of(1).to_string()), "{why}");

    let again = sqlx::query("INSERT INTO key (id, wrapped) VALUES ($1, $2)").bind(key.as_bytes().to_vec()).bind(kept);
    again.execute(&mut hand).await.unwrap();
    hand.close().await.unwrap();
    let why = person(round(&world, &model, &mut found).await);
    assert!(why.contains(&named) && !why.contains(&id_of(1).to_string()), "it is looked at again: {why}");
}

/// Rows of which one service has moved whenever it is asked for.
struct Moving {
    inner: Arc<SqliteReadModel>,
    service: ServiceId,
    asked: AtomicU64,
}

#[async_trait]
impl Queries for Moving {
    async fn live_rows(&self) -> Result<LiveRows, ReadModelError> {
        self.inner.live_rows().await
    }

    async fn service(&self, service: ServiceId) -> Result<Option<ServiceRow>, ReadModelError> {
        let mut row = self.inner.service(service).await?;
        if service == self.service
            && let Some(row) = &mut row
        {
            row.last.position = Position::new(1_000 + self.asked.fetch_add(1, Ordering::SeqCst));
        }
        Ok(row)
    }

    async fn services(&self, query: &ServiceQuery) -> Result<Page<ServiceRow>, ReadModelError> {
        self.inner.services(query).await
    }

    async fn user(&self, service: ServiceId, user: UserId) -> Result<Option<UserRow>, ReadModelError> {
        self.inner.user(service, user).await
    }

    async fn users(&self, query: &UserQuery) -> Result<Page<UserRow>, ReadModelError> {
        self.inner.users(query).await
    }
}

#[tokio::test]
async fn a_service_that_moves_all_the_time_is_left_to_the_next_round_and_said_once_that_goes_on() {
    let (world, model) = applied().await;
    let moving = Arc::new(Moving { inner: Arc::clone(&model), service: id_of(1), asked: AtomicU64::new(0) });
    let named = edit_the_second(&world).await;
    let mut found = Found::default();
    let limit = Duration::from_secs(60);
    let begun = Instant::now();
    let one = round_over(&world, &model, Arc::clone(&moving) as _, &mut found, 1_000);
    let why = person(tokio::time::timeout(limit, one).await.expect("the round ends"));
    assert!(why.contains(&named) && !why.contains(&id_of(1).to_string()), "{why}");
    // Its three rows and its own, each time that they were read for nothing.
    let (asked, took) = (moving.asked.load(Ordering::SeqCst), begun.elapsed());
    assert!(asked <= 60, "{asked}");
    assert!(took >= Duration::from_millis(asked / 2 * 3), "{asked} looks at the rows took {took:?}");
    for _ in 0..9 {
        round_over(&world, &model, Arc::clone(&moving) as _, &mut found, 1_000_000).await;
    }
    let why = person(round_over(&world, &model, moving, &mut found, 1_000_000).await);
    assert!(why.contains(&named) && why.contains(&id_of(1).to_string()), "{why}");
    let why = person(round(&world, &model, &mut found).await);
    assert!(!why.contains(&id_of(1).to_string()), "it stood still: {why}");
}

#[tokio::test]
async fn a_good_copy_that_a_view_shows_hides_no_row_that_was_changed() {
    let (world, model) = applied().await;
    let mut hand = by_hand(&world, "read-model").await;
    sqlx::raw_sql(
        "DROP VIEW IF EXISTS live_user; CREATE TABLE good AS SELECT * FROM mailbox_user; \
         CREATE VIEW live_user AS SELECT good.* FROM good JOIN generation USING (generation) WHERE generation.live = 1",
    )
    .execute(&mut hand)
    .await
    .unwrap();
    hand.close().await.unwrap();
    let named = edit_the_second(&world).await;
    let why = person(round(&world, &model, &mut Found::default()).await);
    assert!(why.contains(&named), "{why}");
    assert!(why.contains(r#"table "good" was changed, or is none of postkey's"#), "{why}");
}

#[tokio::test]
async fn a_table_that_somebody_put_a_trigger_on_is_said_though_all_rows_are_right() {
    let (world, model) = applied().await;
    let mut hand = by_hand(&world, "read-model").await;
    let trigger = "CREATE TRIGGER later AFTER UPDATE ON generation BEGIN UPDATE mailbox_user SET state = 'active'; END";
    sqlx::raw_sql(trigger).execute(&mut hand).await.unwrap();
    let mut found = Found::default();
    let why = person(round(&world, &model, &mut found).await);
    assert!(why.contains(r#"trigger "later""#) && !why.contains("user 0"), "{why}");
    sqlx::raw_sql("DROP TRIGGER later").execute(&mut hand).await.unwrap();
    hand.close().await.unwrap();
    assert_eq!(round(&world, &model, &mut found).await, Status::Green);
}

#[tokio::test]
async fn where_a_services_row_cant_be_read_it_is_named_and_the_others_are_looked_at() {
    let (world, model) = applied().await;
    edit(&world, "UPDATE service SET plan_mailboxes = 0 WHERE domain = 's1.example'").await;
    let named = edit_the_second(&world).await;
    let why = person(round(&world, &model, &mut Found::default()).await);
    assert!(why.contains(&named) && why.contains(&format!("service {}", id_of(1))), "{why}");
}

#[tokio::test]
async fn a_row_that_cant_be_read_of_a_user_whom_nobody_knows_is_said_to_be_one() {
    let (world, model) = applied().await;
    edit(
        &world,
        "INSERT INTO mailbox_user (generation, user, service, profile_key, quota_mib, state, revision) \
         SELECT generation, zeroblob(16), service, profile_key, quota_mib, 'mauve', revision FROM mailbox_user \
         WHERE address = 'user2@s1.example'",
    )
    .await;
    let why = person(round(&world, &model, &mut Found::default()).await);
    let said = format!("service {} (a row that can't be read, of a user whom its history does not know)", id_of(1));
    assert!(why.contains(&said), "{why}");
    assert!(!why.contains(&id_of(2).to_string()), "{why}");
}
