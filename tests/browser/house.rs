//! The process that the tests share.

use std::sync::{Arc, Weak};

use stage::{Endpoints, Folder, Running, run};
use tokio::sync::Mutex;

/// A running `postkey up`, on a folder of its own. It ends with the last test that uses it.
#[derive(Debug)]
pub struct House {
    pub process: Running,
    pub endpoints: Endpoints,
    pub folder: Folder,
}

/// That of the tests that run now.
static SHARED: Mutex<Weak<House>> = Mutex::const_new(Weak::new());

impl House {
    /// The one that the tests share, started where nobody uses one.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(house) = shared.upgrade() {
            return house;
        }
        let house = Arc::new(Self::started(&[]).await);
        *shared = Arc::downgrade(&house);
        house
    }

    /// One of a test's own, started with further arguments.
    pub async fn started(arguments: &[&str]) -> Self {
        let folder = Folder::new();
        let mut process = Running::start(stage::up(&folder.data(), arguments), &folder.beside("."));
        match stage::endpoints(&mut process, &folder.data()).await {
            Some(endpoints) => Self { process, endpoints, folder },
            None => panic!("no start: {:#?}", process.finished().await),
        }
    }

    /// Runs `postkey panel account` on its folder.
    pub async fn account(&self, arguments: &[&str]) {
        let mut command = stage::postkey(["panel", "account"]);
        command.args(arguments).arg("--data").arg(self.folder.data());
        run(command).await.worked();
    }
}
