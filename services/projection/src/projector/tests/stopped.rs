//! What becomes of one that has stopped: of several on one read model all say the same, and go on once they can.

use getrandom::SysRng;
use keys::{KeyStore, Keyring};
use postkey_http::Status;
use rand_core::UnwrapErr;
use servers::Postgres;

use super::super::*;
use crate::read_model::{Generations, Lead, Leadership, PostgresReadModel};
use crate::staged::{Act, Following, World, scribble};
use crate::{Differences, RebuildPorts, rebuild};

struct Two {
    world: World,
    one: Arc<PostgresReadModel>,
    two: Arc<PostgresReadModel>,
    database: String,
}

async fn two() -> Two {
    let url = Postgres::shared().database();
    let open = async || Arc::new(PostgresReadModel::open(&url.parse().unwrap()).await.unwrap());
    let mut world = World::new().await;
    world.live_a_little().await;
    Two { world, one: open().await, two: open().await, database: url.rsplit_once('/').unwrap().1.to_owned() }
}

impl Two {
    /// Two followers, of which the first leads, caught up.
    async fn following(&self) -> (Following, Following) {
        let mut first = Following::start(self.world.follower(&self.one));
        first.reached(self.world.author.position()).await;
        let mut second = Following::start(self.world.follower(&self.two));
        second.reached(self.world.author.position()).await;
        (first, second)
    }
}

async fn until_green(following: &mut Following) {
    following.until(|progress| progress.halted.is_none()).await;
    assert_eq!((following.health.status(), following.keys.status()), (Status::Green, Status::Green));
}

#[tokio::test]
async fn an_entry_that_nobody_can_apply_stops_the_one_that_stood_by_too() {
    let two = two().await;
    let (mut first, mut second) = two.following().await;
    let sound = two.world.author.position();
    two.world.append(&scribble(2)).await;
    for following in [&mut first, &mut second] {
        let (stands, why) = following.halted().await;
        assert_eq!(stands, sound);
        assert!(why.contains(&format!("position {}", sound.next())), "{why}");
        assert!(matches!(following.progress.borrow().halted, Some(Broken::Corrupt(_))));
    }
    first.stop().await;
    second.stop().await;
}

/// Its keyring lacks a key that the writer has: the other, who has it, goes on, and it follows how far that comes.
#[tokio::test]
async fn one_that_alone_can_not_go_on_says_so_until_another_has() {
    let mut two = two().await;
    let keyring = Arc::new(Keyring::generate(&mut UnwrapErr(SysRng)));
    let keys = Arc::clone(&two.world.keys) as Arc<dyn KeyStore>;
    let (log, vault, model) = (two.world.log(), Vault::new(keys, keyring), Arc::clone(&two.one));
    let mut blind =
        Following::start(Follower::new(log, vault, Arc::clone(&model) as _, Arc::clone(&model) as _, model as _));
    assert_eq!(blind.halted().await.0, Position::START);
    let mut sound = Following::start(two.world.follower(&two.two));
    for following in [&mut sound, &mut blind] {
        let head = two.world.author.position();
        following.until(|progress| progress.position >= head && progress.halted.is_none()).await;
    }
    assert_eq!(two.two.look().await.unwrap().lead, Lead::Ours);
    two.world.act(1, Act::Password(2)).await;
    blind.reached(two.world.author.position()).await;
    until_green(&mut blind).await;
    sound.stop().await;
    blind.stop().await;
}

#[tokio::test]
async fn lost_keys_stop_both_and_restored_ones_are_found_by_themselves() {
    let mut two = two().await;
    let (mut first, mut second) = two.following().await;
    let sound = two.world.author.position();
    two.world.keys.lose(true);
    two.world.act(1, Act::Password(2)).await;
    for following in [&mut first, &mut second] {
        let (stands, why) = following.halted().await;
        assert_eq!(stands, sound);
        assert!(why.contains("restore the key store"), "{why}");
        assert!(matches!(following.progress.borrow().halted, Some(Broken::Keyless(_))));
        assert!(matches!(following.health.status(), Status::Impaired(_)), "it is not for the projector to mend");
    }
    two.world.keys.lose(false);
    for following in [&mut first, &mut second] {
        let head = two.world.author.position();
        following.until(|progress| progress.position >= head).await;
        until_green(following).await;
    }
    two.world.expect_rows(&two.two).await;
    first.stop().await;
    second.stop().await;
}

/// Rows that nobody can tell the log of, and a row without which nobody leads: a rebuild beside them mends both.
#[tokio::test]
async fn damaged_rows_stop_both_until_a_rebuild_beside_them() {
    for damage in ["UPDATE generation SET log = NULL", "DELETE FROM leader", "UPDATE generation SET live = false"] {
        let mut two = two().await;
        let (mut first, mut second) = two.following().await;
        Postgres::shared().psql(&two.database, damage);
        two.world.act(1, Act::Password(2)).await;
        for following in [&mut first, &mut second] {
            let (_, why) = following.halted().await;
            assert!(why.contains("postkey rebuild"), "{damage}: {why}");
        }
        let at = Postgres::shared().url(&two.database).parse().unwrap();
        let third = Arc::new(PostgresReadModel::open(&at).await.unwrap());
        let (log, vault) = (two.world.log(), two.world.vault());
        rebuild(log, vault, RebuildPorts::of(&third), Differences::Accepted, |_| {}).await.unwrap();
        two.world.act(1, Act::Password(2)).await;
        for following in [&mut first, &mut second] {
            let head = two.world.author.position();
            following.until(|progress| progress.position >= head).await;
            until_green(following).await;
        }
        two.world.expect_rows(&two.one).await;
        assert_ne!(two.one.live().await.unwrap(), crate::read_model::Generation(1));
        first.stop().await;
        second.stop().await;
    }
}
