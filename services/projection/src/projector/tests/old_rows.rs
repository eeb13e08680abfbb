//! Rows of an older postkey's, which no search finds until they are written again.

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::timeout;

use super::super::*;
use crate::read_model::{Lookups, Needle, Queries, SqliteReadModel, UserQuery};
use crate::staged::{Act, Following, LIMIT, World, address, id_of, user_of};

/// A read model in which no row has a text to search in.
async fn of_an_older_version(world: &World) -> Arc<SqliteReadModel> {
    let model = world.model().await;
    let mut following = Following::start(world.follower(&model));
    following.reached(world.author.position()).await;
    following.stop().await;
    let options = SqliteConnectOptions::new().filename(world.folder.path().join("read-model"));
    let mut hand = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE mailbox_user SET search_text = NULL").execute(&mut hand).await.unwrap();
    hand.close().await.unwrap();
    assert!(!model.live_rows().await.unwrap().searchable);
    model
}

#[tokio::test]
async fn whoever_leads_writes_them_again_and_applies_what_comes_meanwhile() {
    let mut world = World::new().await;
    world.live_a_little().await;
    // More than are written at once.
    for service in 3..=8 {
        world.act(service, Act::Provision).await;
        world.act(service, Act::Plan(100)).await;
        for n in 1..=50 {
            world.act(service, Act::Add(3 * n, n)).await;
        }
    }
    let model = of_an_older_version(&world).await;
    let stands = world.author.position();
    assert!(model.login(&address(1, 2)).await.unwrap().user.is_some(), "nobody's sign-in waits for that");

    let mut following = Following::start(world.follower(&model));
    let renamed = world.act(8, Act::Edit(3, "Şule".to_owned(), 1)).await.link.position;
    following.reached(renamed).await;
    let searchable = async {
        while !model.live_rows().await.unwrap().searchable {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, searchable).await.expect("they are not written again");
    assert_eq!((renamed, model.live_rows().await.unwrap().applied), (stands.next(), renamed), "no position is moved");
    world.expect_rows(&model).await;
    let found = async |service: u8, needle: &str| {
        let search = Needle::parse(needle).ok();
        let page = model.users(&UserQuery { service: id_of(service), search, after: None, limit: 500 }).await.unwrap();
        page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(found(8, "sule LEE").await, [user_of(8, 3)]);
    assert_eq!(found(1, "user2@").await, [user_of(1, 2)]);
    for (service, users) in [(1, 3), (3, 50), (8, 50)] {
        assert_eq!(found(service, "user").await.len(), users);
    }
    following.stop().await;
}
