//! The destruction of keys over a log in memory, and keys that can be switched off, go back, and are counted.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use domain::{KeyId, UserKeys};
use event_log::MemoryStore;
use futures::TryStreamExt;
use keys::{KeyStore, StoredKey, WrappedKey};
use postkey_http::{Health, Status};
use tokio::task::JoinHandle;

use super::*;
use crate::read_model::{
    Applied as AppliedRows, ApplyError, Batch, Generation, ReadModelError, Rows, Touched, UserRow,
};
use crate::staged::{Act, LIMIT, LOG, World, flipped};

/// A key store that keeps tombstones and a cursor, and nothing else.
#[derive(Default)]
struct Tombs {
    destroyed: Mutex<HashSet<KeyId>>,
    cursor: watch::Sender<Position>,
    down: AtomicBool,
    writes: AtomicU64,
}

impl Tombs {
    fn up(&self) -> Result<(), Unavailable> {
        if self.down.load(Ordering::SeqCst) { Err(Unavailable("switched off".to_owned())) } else { Ok(()) }
    }

    fn destroyed(&self) -> HashSet<KeyId> {
        self.destroyed.lock().unwrap().clone()
    }

    fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    async fn reached(&self, position: Position) {
        let mut cursor = self.cursor.subscribe();
        tokio::time::timeout(LIMIT, cursor.wait_for(|cursor| *cursor >= position)).await.expect("too long").unwrap();
    }
}

#[async_trait]
impl KeyStore for Tombs {
    async fn create(&self, _: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable> {
        panic!("nothing is created by who destroys");
    }

    async fn fetch(&self, _: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        panic!("no key is needed to destroy keys");
    }

    async fn destroy(&self, ids: &[KeyId], to: Position) -> Result<(), Unavailable> {
        self.up()?;
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.destroyed.lock().unwrap().extend(ids);
        self.cursor.send_modify(|cursor| *cursor = to.max(*cursor));
        Ok(())
    }

    async fn cursor(&self) -> Result<Position, Unavailable> {
        self.up().map(|()| *self.cursor.borrow())
    }
}

/// A read model that only forgets, and notes what was destroyed by then.
#[derive(Default)]
struct Forgetful {
    tombs: Arc<Tombs>,
    busy: AtomicBool,
    forgot: Mutex<Vec<usize>>,
}

#[async_trait]
impl ReadModelWriter for Forgetful {
    async fn applied(&self, _: Generation) -> Result<Option<AppliedRows>, ReadModelError> {
        panic!("rows are not looked at");
    }

    async fn touched(&self, _: Generation, _: &Touched) -> Result<Rows, ReadModelError> {
        panic!("rows are not looked at");
    }

    async fn apply(&self, _: Generation, _: &Batch, _: Option<&AppliedRows>) -> Result<(), ApplyError> {
        panic!("rows are not written");
    }

    async fn not_searchable(&self, _: Generation, _: u32) -> Result<Vec<UserRow>, ReadModelError> {
        panic!("rows are not looked at");
    }

    async fn forget(&self) -> Result<(), ReadModelError> {
        if self.busy.load(Ordering::SeqCst) {
            return Err(ReadModelError::Unavailable("somebody reads".to_owned()));
        }
        self.forgot.lock().unwrap().push(self.tombs.destroyed().len());
        Ok(())
    }
}

/// A world, and a process that destroys what it dooms.
struct Stage {
    world: World,
    tombs: Arc<Tombs>,
    model: Arc<Forgetful>,
    progress: watch::Sender<Progress>,
    leads: watch::Sender<bool>,
    health: HealthCheck,
    /// How far it says that it is.
    told: watch::Receiver<Option<Position>>,
    task: Option<JoinHandle<()>>,
}

impl Stage {
    async fn set() -> Self {
        Self::of(World::new().await)
    }

    fn of(world: World) -> Self {
        let tombs: Arc<Tombs> = Arc::default();
        let model = Arc::new(Forgetful { tombs: Arc::clone(&tombs), ..Forgetful::default() });
        let (progress, leads) = (watch::Sender::default(), watch::Sender::new(true));
        let (health, told) = (Health::new().check("destruction"), watch::channel(None).1);
        Self { world, tombs, model, progress, leads, health, told, task: None }
    }

    /// Starts it, as a process that has just started.
    fn start(&mut self) {
        let vault = Vault::new(Arc::clone(&self.tombs) as _, Arc::clone(&self.world.keyring));
        let with = Destruction::new(self.world.log(), vault, Arc::clone(&self.model) as _);
        self.told = with.destroyed();
        let applied = Applied { progress: self.progress.subscribe(), leads: self.leads.subscribe() };
        let following = Following { with, applied, health: self.health.clone(), failing: None };
        self.task = Some(tokio::spawn(following.run()));
    }

    async fn kill(&mut self) {
        let task = self.task.take().unwrap();
        task.abort();
        assert!(task.await.is_err_and(|ended| ended.is_cancelled()));
    }

    fn apply(&self, position: Position) {
        let live = Some(Generation(1));
        self.progress.send_replace(Progress { position, identified: true, live, halted: None });
    }

    fn apply_all(&self) {
        self.apply(self.world.author.position());
    }

    /// All that the log dooms up to a position, by the fold of what it says.
    async fn doomed(&self, to: Position) -> HashSet<KeyId> {
        let (mut keys, mut doomed) = (HashMap::new(), HashSet::new());
        let all: Vec<Stored> = self.world.store.read(Scope::All, Position::START).try_collect().await.unwrap();
        for entry in all.iter().filter(|entry| entry.position <= to) {
            let opened = authenticate(entry, LOG, self.world.keyring.macs()).unwrap().leave_sealed().unwrap();
            let moment = domain::Moment { position: opened.link.position, at: opened.change.at };
            for event in opened.change.events() {
                let domain::Event::User(id, event) = event else { continue };
                let before = keys.remove(id);
                let after = UserKeys::evolve(before, event, moment).unwrap();
                doomed.extend(UserKeys::doomed(before, after));
                keys.extend(after.map(|after| (*id, after)));
            }
        }
        doomed
    }

    /// Waits until the cursor is at what was applied, and holds what is destroyed against the log.
    async fn destroys_all(&self) {
        let to = self.progress.borrow().position;
        self.tombs.reached(to).await;
        assert_eq!(self.tombs.destroyed(), self.doomed(to).await);
    }

    /// Waits until it says that it is where the world is.
    async fn tells_all(&mut self) {
        let all = Some(self.world.author.position());
        tokio::time::timeout(LIMIT, self.told.wait_for(|told| *told == all)).await.expect("it takes too long").unwrap();
    }

    async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let looking = async {
            while !wanted(self) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, looking).await.expect("it does not come true");
    }
}

#[tokio::test]
async fn what_the_log_dooms_is_destroyed_as_it_is_applied_and_nothing_else_is() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.start();
    stage.apply_all();
    stage.destroys_all().await;
    for act in [Act::Password(1), Act::Remove(1), Act::Erase(3), Act::Erase(1), Act::Add(1, 1), Act::Password(1)] {
        stage.world.act(1, act).await;
        stage.apply_all();
        stage.destroys_all().await;
    }
    assert_eq!(stage.health.status(), Status::Green);
}

#[tokio::test]
async fn nothing_is_destroyed_that_is_not_applied_yet() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.start();
    let all = stage.world.author.position().get();
    for to in [2, 5, 9, all - 3, all] {
        stage.apply(Position::new(to));
        if !stage.doomed(Position::new(to)).await.is_subset(&stage.tombs.destroyed()) {
            stage.destroys_all().await;
        }
        assert!(stage.tombs.destroyed().is_subset(&stage.doomed(Position::new(to)).await), "{to}");
    }
}

#[tokio::test]
async fn one_that_stands_by_destroys_nothing_until_it_leads() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.leads.send_replace(false);
    stage.start();
    stage.apply_all();
    stage.until(|stage| stage.health.status() == Status::Green).await;
    for _ in 0..100 {
        yield_now().await;
    }
    assert_eq!((stage.tombs.writes(), *stage.tombs.cursor.borrow()), (0, Position::START));
    stage.leads.send_replace(true);
    stage.destroys_all().await;
}

/// Started again at every position, it knows of each service only what it reads.
#[tokio::test]
async fn a_crash_anywhere_and_a_cursor_that_went_back_are_made_up_for() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    for act in [Act::Erase(3), Act::Add(3, 3), Act::Remove(1), Act::Erase(1)] {
        stage.world.act(1, act).await;
    }
    let (log, all) = (stage.world.store.clone(), stage.world.author.position());
    let mut expected = HashSet::new();
    for cursor in 0..=all.get() {
        let cursor = Position::new(cursor);
        // A backup from when the cursor was there, and what was destroyed since then is back.
        let mut restored = Stage { tombs: Arc::default(), ..stage };
        restored.model = Arc::new(Forgetful { tombs: Arc::clone(&restored.tombs), ..Forgetful::default() });
        let destroyed = restored.doomed(cursor).await;
        restored.tombs.destroyed.lock().unwrap().extend(destroyed);
        restored.tombs.cursor.send_replace(cursor);
        restored.start();
        restored.apply_all();
        restored.until(|stage| expected.is_empty() || stage.tombs.destroyed().len() == expected.len()).await;
        restored.destroys_all().await;
        expected = restored.tombs.destroyed();
        restored.kill().await;
        stage = restored;
    }
    assert!(expected.len() > 5 && Arc::ptr_eq(&log, &stage.world.store));
}

/// A backup is put in the place of the key store while it runs: there, too, nothing that is doomed stays.
#[tokio::test]
async fn a_cursor_that_goes_back_under_a_running_service_is_followed_back() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.start();
    stage.apply_all();
    stage.destroys_all().await;
    let goes_back = |stage: &Stage| {
        stage.tombs.destroyed.lock().unwrap().clear();
        stage.tombs.cursor.send_replace(Position::START);
    };
    // While something is applied, and while nothing is.
    goes_back(&stage);
    stage.world.act(1, Act::Password(2)).await;
    stage.apply_all();
    stage.destroys_all().await;
    goes_back(&stage);
    tokio::time::pause();
    let begun = Instant::now();
    stage.destroys_all().await;
    assert!(begun.elapsed() <= TIDY_EVERY + Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(stage.health.status(), Status::Green);
}

#[tokio::test]
async fn plain_edits_move_the_cursor_now_and_then_only() {
    let mut stage = Stage::set().await;
    stage.world.act(1, Act::Provision).await;
    stage.world.act(1, Act::Add(1, 1)).await;
    stage.start();
    stage.apply_all();
    // What it is like when nothing happens for a long time.
    tokio::time::pause();
    stage.tombs.reached(stage.world.author.position()).await;
    let before = stage.tombs.writes();
    tokio::time::resume();
    for n in 0..40 {
        stage.world.act(1, Act::Edit(1, format!("N{n}"), 1 + n)).await;
        stage.apply_all();
        yield_now().await;
    }
    tokio::time::pause();
    let begun = Instant::now();
    stage.tombs.reached(stage.world.author.position()).await;
    assert!(begun.elapsed() <= TIDY_EVERY + READ_EVERY, "{:?}", begun.elapsed());
    assert!(stage.tombs.writes() - before <= 2, "{} writes", stage.tombs.writes() - before);
    assert!(stage.tombs.destroyed().is_empty());
}

#[tokio::test]
async fn a_replaced_hash_is_forgotten_soon_and_an_erased_user_before_its_keys_are_destroyed() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.start();
    stage.apply_all();
    tokio::time::pause();
    stage.until(|stage| !stage.model.forgot.lock().unwrap().is_empty()).await;
    stage.destroys_all().await;
    tokio::time::resume();
    stage.world.act(1, Act::Password(2)).await;
    stage.apply_all();
    stage.destroys_all().await;
    let (forgot, destroyed) = (stage.model.forgot.lock().unwrap().len(), stage.tombs.destroyed().len());
    tokio::time::pause();
    let begun = Instant::now();
    stage.until(|stage| stage.model.forgot.lock().unwrap().len() > forgot).await;
    assert!(begun.elapsed() <= TIDY_EVERY + Duration::from_secs(1), "{:?}", begun.elapsed());
    tokio::time::resume();

    stage.model.forgot.lock().unwrap().clear();
    stage.model.busy.store(true, Ordering::SeqCst);
    stage.world.act(1, Act::Erase(3)).await;
    stage.apply_all();
    tokio::time::pause();
    stage.until(|stage| matches!(stage.health.status(), Status::Yellow(_))).await;
    assert_eq!(stage.tombs.destroyed().len(), destroyed, "not as long as somebody reads");
    stage.model.busy.store(false, Ordering::SeqCst);
    stage.destroys_all().await;
    assert_eq!(stage.model.forgot.lock().unwrap().first(), Some(&destroyed), "before they were destroyed");
}

#[tokio::test]
async fn a_key_store_that_is_away_is_waited_for_and_told_once_it_takes_long() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.start();
    stage.apply_all();
    stage.destroys_all().await;
    stage.tells_all().await;
    let told = *stage.told.borrow();
    stage.tombs.down.store(true, Ordering::SeqCst);
    stage.world.act(1, Act::Password(2)).await;
    stage.apply_all();
    tokio::time::pause();
    let begun = Instant::now();
    stage.until(|stage| stage.health.status() != Status::Green).await;
    assert!(begun.elapsed() >= LATE && begun.elapsed() <= LATE + 2 * LONGEST_PAUSE, "{:?}", begun.elapsed());
    let status = stage.health.status();
    assert!(matches!(&status, Status::Yellow(why) if why.contains("not destroyed yet: the key store")), "{status:?}");
    assert_eq!(*stage.told.borrow(), told, "what waits counts as not destroyed");
    stage.tombs.down.store(false, Ordering::SeqCst);
    stage.destroys_all().await;
    stage.until(|stage| stage.health.status() == Status::Green).await;
    stage.tells_all().await;
}

#[tokio::test]
async fn entries_that_doom_nothing_are_told_as_done_though_the_cursor_follows_later() {
    let mut stage = Stage::set().await;
    stage.start();
    assert_eq!(*stage.told.borrow(), None, "nobody has asked the key store");
    stage.world.live_a_little().await;
    stage.apply_all();
    stage.destroys_all().await;
    let cursor = *stage.tombs.cursor.borrow();
    for mailboxes in [5, 6] {
        stage.world.act(1, Act::Plan(mailboxes)).await;
        stage.apply_all();
        stage.tells_all().await;
    }
    assert_eq!(*stage.tombs.cursor.borrow(), cursor, "nothing is written for that");
}

#[tokio::test]
async fn what_is_corrupt_stops_it_right_there_and_calls_a_person() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    let all = stage.world.author.position().get();
    let broken = Position::new(all - 1);
    let flip = |at, entry| Some(if at == broken { flipped(entry) } else { entry });
    let copy: Arc<MemoryStore> = stage.world.copied(flip).await;
    let before = Position::new(broken.get() - 1);
    let doomed = stage.doomed(before).await;
    stage.world.store = copy;
    stage.start();
    // No projector would say so.
    stage.apply(Position::new(all));
    stage.until(|stage| matches!(stage.health.status(), Status::Impaired(_))).await;
    let status = stage.health.status();
    assert!(matches!(&status, Status::Impaired(why) if why.contains(&format!("position {broken}"))), "{status:?}");
    assert_eq!((stage.tombs.destroyed(), *stage.tombs.cursor.borrow()), (doomed, before));
}

#[tokio::test]
async fn a_log_that_ends_before_the_cursor_was_rolled_back() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.tombs.cursor.send_replace(Position::new(1_000));
    stage.start();
    stage.apply_all();
    stage.until(|stage| matches!(stage.health.status(), Status::Impaired(_))).await;
    let status = stage.health.status();
    assert!(matches!(&status, Status::Impaired(why) if why.contains("rolled back")), "{status:?}");
    assert_eq!((stage.tombs.writes(), *stage.tombs.cursor.borrow()), (0, Position::new(1_000)));
}

#[tokio::test]
async fn rows_that_are_not_the_logs_say_nothing() {
    let mut stage = Stage::set().await;
    stage.world.live_a_little().await;
    stage.start();
    let position = stage.world.author.position();
    let foreign = Some(Broken::Foreign("another log".to_owned()));
    for (identified, halted) in [(false, None), (true, foreign)] {
        stage.progress.send_replace(Progress { position, identified, live: Some(Generation(1)), halted });
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(*stage.tombs.cursor.borrow(), Position::START);
    }
    stage.apply_all();
    stage.destroys_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_is_walked_through_in_large_steps() {
    let mut stage = Stage::set().await;
    for service in 1..=3 {
        stage.world.act(service, Act::Provision).await;
        stage.world.act(service, Act::Add(1, 1)).await;
    }
    for n in 0..600_u64 {
        let service = u8::try_from(n % 3).unwrap() + 1;
        stage
            .world
            .act(service, if n % 4 == 0 { Act::Password(1) } else { Act::Edit(1, format!("N{n}"), 1 + n % 7) })
            .await;
    }
    stage.start();
    stage.apply_all();
    stage.destroys_all().await;
    assert_eq!(stage.tombs.writes(), 1, "all at once");
}
