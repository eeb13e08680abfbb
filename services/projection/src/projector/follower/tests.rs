//! Who leads, over a read model in PostgreSQL and a log in memory.

use std::time::Instant;

use event_log::{FaultyStore, LogStore, ReadFault};
use servers::Postgres;

use super::*;
use crate::effects::Destruction;
use crate::read_model::{Generations, PostgresReadModel};
use crate::staged::{Act, Following, LIMIT, World, checks};
use crate::{Differences, RebuildPorts, rebuild};

/// How long another may take to take over.
const TAKES_OVER_WITHIN: Duration = Duration::from_secs(5);

async fn two_processes(postgres: &Postgres) -> (Arc<PostgresReadModel>, Arc<PostgresReadModel>, String) {
    let url = postgres.database();
    let open = async || Arc::new(PostgresReadModel::open(&url.parse().unwrap()).await.unwrap());
    (open().await, open().await, url.rsplit_once('/').unwrap().1.to_owned())
}

/// Every entry is applied, in the frontier once, and the rows are those of the history.
async fn expect_once(world: &World, model: &Arc<PostgresReadModel>) {
    world.expect_rows(model).await;
    let applied = model.applied(model.live().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((applied.position, applied.frontier.size()), (world.author.position(), world.author.position().get()));
}

#[tokio::test]
async fn health_is_red_until_it_has_caught_up_and_not_for_the_batch_in_hand() {
    let mut world = World::new().await;
    world.live_a_little().await;
    let follower = world.follower(&world.model().await);
    let checks = checks();
    let (live, health) = (Generation(1), checks.projector.clone());
    follower.log.head(Scope::All).await.unwrap();
    let head = world.author.position();

    follower.publish(live, Position::new(head.get() - 1), &checks);
    assert!(matches!(health.status(), Status::Red(_)), "it never was caught up");
    follower.publish(live, head, &checks);
    assert_eq!(health.status(), Status::Green);
    world.act(1, Act::Password(2)).await;
    follower.log.head(Scope::All).await.unwrap();
    follower.publish(live, head, &checks);
    assert_eq!(health.status(), Status::Green, "one entry behind while others are appended");
}

#[tokio::test]
async fn one_leads_and_the_other_says_how_far_it_is() {
    let mut world = World::new().await;
    let (one, two, _) = two_processes(Postgres::shared()).await;
    let mut first = Following::start(world.follower(&one));
    first.reached(world.author.position()).await;
    let mut second = Following::start(world.follower(&two));
    world.live_a_little().await;
    for _ in 0..20 {
        world.act(1, Act::Password(2)).await;
        first.reached(world.author.position()).await;
        second.reached(world.author.position()).await;
    }
    assert_eq!(one.look().await.unwrap().lead, Lead::Ours);
    assert_eq!(two.look().await.unwrap().lead, Lead::Anothers);
    assert_eq!((first.leading.leads(), first.leading.entries()), (true, world.author.position().get()));
    assert_eq!((second.leading.leads(), second.leading.entries()), (false, 0));
    for following in [&first, &second] {
        assert_eq!(following.health.status(), Status::Green);
        assert!(following.progress.borrow().identified);
    }
    expect_once(&world, &two).await;
    second.stop().await;
    world.act(1, Act::Password(2)).await;
    first.reached(world.author.position()).await;
    first.stop().await;
}

#[tokio::test]
async fn one_that_is_killed_is_followed_by_the_other_and_nothing_is_applied_twice() {
    let mut world = World::new().await;
    let (one, two, _) = two_processes(Postgres::shared()).await;
    world.live_a_little().await;
    let mut first = Following::start(world.follower(&one));
    first.reached(world.author.position()).await;
    let mut second = Following::start(world.follower(&two));
    second.reached(world.author.position()).await;

    first.kill().await;
    let killed = Instant::now();
    for _ in 0..10 {
        world.act(1, Act::Password(2)).await;
    }
    second.reached(world.author.position()).await;
    assert!(killed.elapsed() < TAKES_OVER_WITHIN, "{:?}", killed.elapsed());
    assert!(killed.elapsed() > Duration::from_secs(1), "it took what was not free: {:?}", killed.elapsed());
    assert_eq!((second.leading.leads(), second.leading.entries()), (true, 10));
    expect_once(&world, &two).await;
    second.stop().await;
}

/// The one that leads destroys keys; killed before it has, the other does.
#[tokio::test]
async fn keys_are_destroyed_by_the_one_that_leads_and_after_it_by_the_other() {
    let mut world = World::new().await;
    let (one, two, _) = two_processes(Postgres::shared()).await;
    world.live_a_little().await;
    let (dead, stop) = (CancellationToken::new(), CancellationToken::new());
    let start = |world: &World, model: &Arc<PostgresReadModel>, stop: &CancellationToken| {
        let follower = world.follower(model);
        let destruction = Destruction::new(world.log(), world.vault(), Arc::clone(model) as _);
        let health = postkey_http::Health::new().check("destruction");
        tokio::spawn(destruction.follow(&follower, health, stop.clone()));
        Following::start(follower)
    };
    let mut first = start(&world, &one, &dead);
    first.reached(world.author.position()).await;
    let mut second = start(&world, &two, &stop);
    second.reached(world.author.position()).await;
    let destroyed = async |world: &World| {
        let reached = async {
            while world.command_vault().destroyed().await.unwrap() < world.author.position() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, reached).await.expect("it takes too long");
    };
    destroyed(&world).await;
    // From now on the first one only applies.
    dead.cancel();
    let at = world.author.position();
    world.act(1, Act::Erase(3)).await;
    first.reached(world.author.position()).await;
    second.reached(world.author.position()).await;
    assert_eq!(world.command_vault().destroyed().await.unwrap(), at, "the one that stands by destroys nothing");
    first.kill().await;
    destroyed(&world).await;
    expect_once(&world, &two).await;
    stop.cancel();
    second.stop().await;
}

#[tokio::test]
async fn one_that_is_stopped_lets_go_at_once() {
    let mut world = World::new().await;
    let (one, two, _) = two_processes(Postgres::shared()).await;
    let mut first = Following::start(world.follower(&one));
    first.reached(world.author.position()).await;
    let mut second = Following::start(world.follower(&two));
    second.reached(world.author.position()).await;

    first.stop().await;
    assert_ne!(one.look().await.unwrap().lead, Lead::Ours);
    let stopped = Instant::now();
    world.live_a_little().await;
    second.reached(world.author.position()).await;
    assert!(stopped.elapsed() < Duration::from_millis(2_500), "as if it had been killed: {:?}", stopped.elapsed());
    expect_once(&world, &two).await;
    second.stop().await;
}

/// Its stream of entries may well go on: whoever can't ask the log can't know.
#[tokio::test]
async fn one_that_is_cut_off_from_the_log_lets_go() {
    let mut world = World::new().await;
    let (one, two, _) = two_processes(Postgres::shared()).await;
    let log = Arc::clone(&world.store);
    // The head at the start and the stream are read; no later question is answered.
    let cut_off = (3..100).fold(FaultyStore::new(Arc::clone(&log)), |store, nth| store.on_read(nth, ReadFault::Hangs));
    world.store = Arc::new(cut_off) as Arc<dyn LogStore>;
    let mut first = Following::start(world.follower(&one));
    first.until(|progress| progress.identified).await;
    assert_eq!(one.look().await.unwrap().lead, Lead::Ours);
    world.store = log;
    let mut second = Following::start(world.follower(&two));
    let begun = Instant::now();
    while two.look().await.unwrap().lead != Lead::Ours {
        assert!(begun.elapsed() < TAKES_OVER_WITHIN);
        sleep(Duration::from_millis(10)).await;
    }
    world.live_a_little().await;
    second.reached(world.author.position()).await;
    expect_once(&world, &two).await;
    first.kill().await;
    second.stop().await;
}

#[tokio::test]
async fn a_generation_that_another_process_has_made_live_is_followed() {
    let mut world = World::new().await;
    let (one, two, database) = two_processes(Postgres::shared()).await;
    world.live_a_little().await;
    let mut first = Following::start(world.follower(&one));
    let mut second = Following::start(world.follower(&two));
    for following in [&mut first, &mut second] {
        following.reached(world.author.position()).await;
    }
    let live = one.live().await.unwrap();
    let at = Postgres::shared().url(&database).parse().unwrap();
    let third = Arc::new(PostgresReadModel::open(&at).await.unwrap());
    let report = rebuild(world.log(), world.vault(), RebuildPorts::of(&third), Differences::Refused, |_| {}).await;
    assert_eq!(report.unwrap().differences, Some(vec![]));
    assert_ne!(two.live().await.unwrap(), live);
    for _ in 0..5 {
        world.act(1, Act::Password(2)).await;
        for following in [&mut first, &mut second] {
            following.reached(world.author.position()).await;
        }
    }
    expect_once(&world, &two).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn postgresql_killed_under_two_projectors_is_waited_for_and_nothing_is_lost() {
    let mut postgres = Postgres::start();
    let mut world = World::new().await;
    let (one, two, _) = two_processes(&postgres).await;
    world.live_a_little().await;
    let mut first = Following::start(world.follower(&one));
    first.reached(world.author.position()).await;
    let mut second = Following::start(world.follower(&two));
    second.reached(world.author.position()).await;
    for round in 0..2 {
        postgres.kill();
        world.act(1, Act::Password(2)).await;
        let red = |status: &Status| matches!(status, Status::Red(what) if what.contains("connection"));
        let begun = Instant::now();
        while !red(&first.health.status()) || !red(&second.health.status()) {
            let said = (first.health.status(), second.health.status());
            assert!(begun.elapsed() < crate::staged::LIMIT, "round {round}: {said:?}");
            sleep(Duration::from_millis(10)).await;
        }
        postgres.start_again();
        world.act(1, Act::Password(2)).await;
        for following in [&mut first, &mut second] {
            following.reached(world.author.position()).await;
            assert_eq!(following.health.status(), Status::Green);
        }
        expect_once(&world, &two).await;
    }
    first.stop().await;
    second.stop().await;
}

/// What `synchronous_commit=off` may lose: the newest batches, each as a whole. The leader has told of more than is there.
#[tokio::test]
async fn rows_that_a_crash_took_back_are_applied_again_without_a_new_entry() {
    let mut world = World::new().await;
    let postgres = Postgres::shared();
    let (one, _, database) = two_processes(postgres).await;
    world.act(1, Act::Provision).await;
    world.act(1, Act::Add(1, 1)).await;
    let mut following = Following::start(world.follower(&one));
    following.reached(world.author.position()).await;
    let before = "CREATE TABLE kept AS SELECT * FROM generation; CREATE TABLE kept_user AS SELECT * FROM mailbox_user; \
                  CREATE TABLE kept_service AS SELECT * FROM service";
    postgres.psql(&database, before);
    for _ in 0..3 {
        world.act(1, Act::Password(1)).await;
        following.reached(world.author.position()).await;
    }
    let back = "BEGIN; DELETE FROM generation; DELETE FROM mailbox_user; DELETE FROM service; \
                INSERT INTO generation SELECT * FROM kept; INSERT INTO mailbox_user SELECT * FROM kept_user; \
                INSERT INTO service SELECT * FROM kept_service; COMMIT";
    postgres.psql(&database, back);
    // What it publishes on the way may be over before anybody looks: the rows tell.
    let again = async {
        while position(one.applied(one.live().await.unwrap()).await.unwrap().as_ref()) < world.author.position() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, again).await.expect("they are not applied again");
    expect_once(&world, &one).await;
    following.stop().await;
}

/// All of a process stands still, as under SIGSTOP: its runtime's one thread. It wakes up with a batch in hand and in the
/// belief that it leads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stood_still_is_followed_by_the_other_and_stands_by_when_it_wakes() {
    let url = Postgres::shared().database();
    let mut world = World::new().await;
    world.live_a_little().await;
    let (log, vault, at) = (world.log(), world.vault(), url.clone());
    let (told, progress) = std::sync::mpsc::channel();
    let (freeze, frozen) = tokio::sync::oneshot::channel::<()>();
    let (wake, awake) = std::sync::mpsc::channel::<()>();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let model = Arc::new(PostgresReadModel::open(&at.parse().unwrap()).await.unwrap());
            let follower = Follower::new(log, vault, Arc::clone(&model) as _, Arc::clone(&model) as _, model as _);
            told.send(follower.progress()).unwrap();
            let stop = CancellationToken::new();
            let following = tokio::spawn(follower.follow(checks(), stop.clone()));
            frozen.await.unwrap();
            awake.recv().unwrap();
            ended.await.unwrap();
            stop.cancel();
            following.await.unwrap();
        });
    });
    let mut first = progress.recv().unwrap();
    let head = world.author.position();
    first.wait_for(|progress| progress.position >= head).await.unwrap();

    let two = Arc::new(PostgresReadModel::open(&url.parse().unwrap()).await.unwrap());
    let mut second = Following::start(world.follower(&two));
    second.reached(head).await;
    assert_eq!(two.look().await.unwrap().lead, Lead::Anothers);
    freeze.send(()).unwrap();
    let begun = Instant::now();
    for _ in 0..5 {
        world.act(1, Act::Password(2)).await;
    }
    second.reached(world.author.position()).await;
    assert!(begun.elapsed() < TAKES_OVER_WITHIN, "{:?}", begun.elapsed());

    wake.send(()).unwrap();
    for _ in 0..5 {
        world.act(1, Act::Password(2)).await;
    }
    let head = world.author.position();
    first.wait_for(|progress| progress.position >= head).await.unwrap();
    second.reached(head).await;
    assert_eq!(two.look().await.unwrap().lead, Lead::Ours);
    assert_eq!(first.borrow().halted, None);
    expect_once(&world, &two).await;
    end.send(()).unwrap();
    process.join().unwrap();
    second.stop().await;
}
