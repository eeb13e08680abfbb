//! The signer over real stores: a read model and a key store in files, and a folder for its own.

mod crossings;
mod forks;
mod races;
mod steady;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::Position;
use event_log::{EventLog, LogStore, Scope};
use getrandom::SysRng;
use keys::{CheckpointStore, SqliteKeyStore};
use ledger::{NoteKey, Opened, VerifierKey, open};
use rand_core::UnwrapErr;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::timeout;

use super::{Hindrance, LedgerFiles, Signer, Signing};
use crate::projector::Follower;
use crate::read_model::{LedgerRows, SqliteReadModel};
use crate::staged::{Act, Following, LIMIT, LOG, World};

const NAME: &str = "postkey/test";

fn drawn() -> NoteKey {
    NoteKey::generate(NAME, &mut UnwrapErr(SysRng))
}

/// The files of a ledger's key, without the care that a real folder takes of them.
struct Drawer(PathBuf);

impl Drawer {
    fn new(path: PathBuf, keys: &[&NoteKey]) -> Arc<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let drawer = Self(path);
        drawer.hold(keys);
        Arc::new(drawer)
    }

    /// Holds these keys, the newest first.
    fn hold(&self, keys: &[&NoteKey]) {
        let text: String = keys.iter().map(|key| format!("{}\n", *key.private_text())).collect();
        std::fs::write(self.0.join("key"), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.0.join("checkpoint")
    }
}

#[async_trait]
impl LedgerFiles for Drawer {
    async fn keys(&self) -> Result<Vec<NoteKey>, String> {
        let text = std::fs::read_to_string(self.0.join("key")).map_err(|error| error.to_string())?;
        NoteKey::from_private_texts(&text).map_err(|error| error.to_string())
    }

    async fn checkpoint(&self) -> Result<Option<String>, String> {
        Ok(std::fs::read_to_string(self.file()).ok())
    }

    async fn put(&self, note: &str) -> Result<(), String> {
        std::fs::write(self.file(), note).map_err(|error| error.to_string())
    }
}

/// A log, rows that follow it, and a signer of its tree.
struct Desk {
    world: World,
    model: Arc<SqliteReadModel>,
    store: Arc<SqliteKeyStore>,
    drawer: Arc<Drawer>,
    key: NoteKey,
    signer: Signer,
}

impl Desk {
    /// With a short history that is applied and not signed.
    async fn set() -> Self {
        let mut world = World::new().await;
        world.live_a_little().await;
        let model = world.model().await;
        apply(&world, &model).await;
        let key = drawn();
        let drawer = Drawer::new(world.folder.path().join("ledger"), &[&key]);
        let store = Arc::clone(&world.command_keys);
        let signer = signer(&world, &model, &store, Some(&drawer));
        Self { world, model, store, drawer, key, signer }
    }

    /// The same service after a start: it knows what lies in its files.
    fn starts_again(&mut self) {
        self.signer = signer(&self.world, &self.model, &self.store, Some(&self.drawer));
    }

    /// So many changes, applied.
    async fn grows(&mut self, changes: u64) {
        for n in 0..changes {
            let name = format!("Lee {n} {}", self.head().await);
            self.world.act(1, Act::Edit(2, name, 5)).await;
        }
        apply(&self.world, &self.model).await;
    }

    async fn head(&self) -> Position {
        head(&self.world).await
    }

    /// The newest checkpoint of the key store, which this desk's key has signed.
    async fn newest(&self) -> Opened {
        open(self.store.newest().await.unwrap().unwrap(), &[self.key.verifier().clone()]).unwrap()
    }

    /// Runs SQL in the read model's file, behind everybody's back.
    async fn alters(&self, sql: &str) {
        let options = SqliteConnectOptions::new().filename(self.world.folder.path().join("read-model"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql}");
        connection.close().await.unwrap();
    }

    /// What is served.
    fn served(&self) -> Option<String> {
        self.signer.served().borrow().as_ref().map(|served| served.note.to_string())
    }

    /// Signs nothing for a reason that a person has to look at, which says `words`, and goes on serving what it has served.
    async fn refuses(&mut self, words: &str) {
        let before = (self.served(), self.store.newest().await.unwrap());
        let Err(Hindrance::Wrong(why)) = self.signer.turn().await else { panic!("it has not seen it") };
        assert!(why.contains(words), "{why}");
        assert_eq!((self.served(), self.store.newest().await.unwrap()), before);
    }
}

fn signer(
    world: &World,
    model: &Arc<SqliteReadModel>,
    store: &Arc<SqliteKeyStore>,
    drawer: Option<&Arc<Drawer>>,
) -> Signer {
    let files = drawer.map(|drawer| Arc::clone(drawer) as Arc<dyn LedgerFiles>);
    let signing = Signing { checkpoints: Arc::clone(store) as _, files };
    Signer::new(Arc::clone(model) as Arc<dyn LedgerRows>, signing, world.log(), world.vault())
}

async fn head(world: &World) -> Position {
    world.store.head(Scope::All).await.unwrap().position
}

/// Applies all of the log, as the projector that leads does.
async fn apply(world: &World, model: &Arc<SqliteReadModel>) {
    apply_from(world, &world.store, model).await;
}

/// Applies all of what another store holds.
async fn apply_from(world: &World, store: &Arc<dyn LogStore>, model: &Arc<SqliteReadModel>) {
    let log = Arc::new(EventLog::new(Arc::clone(store), LOG));
    let head = store.head(Scope::All).await.unwrap().position;
    let ports = (Arc::clone(model) as _, Arc::clone(model) as _, Arc::clone(model) as _);
    let mut following = Following::start(Follower::new(log, world.vault(), ports.0, ports.1, ports.2));
    following.reached(head).await;
    let filled = async {
        while model.ledger().await.unwrap().size < head {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(LIMIT, filled).await.expect("the ledger is not filled");
    following.stop().await;
}

fn verifier(key: &NoteKey) -> VerifierKey {
    key.verifier().clone()
}
