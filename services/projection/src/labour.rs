//! Who does what keeps the cores busy for long, so that logins have them first.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::{KeyId, Position};
use keys::{KeyStore, StoredKey, Unavailable, Vault, WrappedKey};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// The lowest priority that there is (setpriority(2)): beside a thread of the common one it gets a sixtieth of a core, and a
/// whole core where nobody else wants it.
const LOWEST: i32 = 19;

/// Threads for work that costs a core. What waits, and asks stores, does so on the runtime that it was made in.
pub struct Labour {
    /// Where answers of stores come in.
    here: Handle,
    /// A thread of its own, if it has one.
    aside: Option<Runtime>,
}

impl Labour {
    /// All cores, for a process that does nothing else.
    pub fn here() -> Self {
        Self { here: Handle::current(), aside: None }
    }

    /// One thread, which leaves the cores to whoever else wants them.
    ///
    /// # Errors
    /// Where it can't be started.
    pub fn aside() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name("postkey aside").on_thread_start(|| {
            // Linux takes a thread's id for a process's, and sets that thread's alone. Where it may not be set, the work is
            // done all the same.
            let _ = setpriority_process(Some(gettid()), LOWEST);
        });
        Ok(Self { here: Handle::current(), aside: Some(builder.build()?) })
    }

    /// Has some work done.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.aside.as_ref().map_or(&self.here, Runtime::handle).spawn(work)
    }

    /// The keys, for work that is done here.
    pub fn vault(&self, vault: &Vault) -> Vault {
        match &self.aside {
            None => vault.clone(),
            Some(_) => vault.by_way_of(|store| Arc::new(Elsewhere { store, here: self.here.clone() })),
        }
    }

    /// How many of something that costs a store are done at a time, where so many would be fastest.
    pub const fn at_a_time(&self, fastest: usize) -> usize {
        if self.aside.is_some() { 1 } else { fastest }
    }

    /// A pause after something that took a store so long, for whoever else wants the store and the cores.
    pub async fn rest(&self, took: Duration) {
        if self.aside.is_some() {
            tokio::time::sleep(took).await;
        }
    }
}

impl Drop for Labour {
    fn drop(&mut self) {
        if let Some(aside) = self.aside.take() {
            // What is still under way there is wanted by nobody.
            aside.shutdown_background();
        }
    }
}

/// A key store that is asked on the runtime where it was opened: a connection that it makes meanwhile is a thread with the
/// priority of whoever has it made, and stays.
struct Elsewhere {
    store: Arc<dyn KeyStore>,
    here: Handle,
}

impl Elsewhere {
    async fn ask<T, F>(&self, question: impl FnOnce(Arc<dyn KeyStore>) -> F) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Unavailable>> + Send + 'static,
    {
        let asked = self.here.spawn(question(Arc::clone(&self.store))).await;
        asked.unwrap_or_else(|_| Err(Unavailable("it can't be asked any more".to_owned())))
    }
}

#[async_trait]
impl KeyStore for Elsewhere {
    async fn create(&self, keys: &[(KeyId, WrappedKey)]) -> Result<(), Unavailable> {
        let keys = keys.to_vec();
        self.ask(|store| async move { store.create(&keys).await }).await
    }

    async fn fetch(&self, ids: &[KeyId]) -> Result<HashMap<KeyId, StoredKey>, Unavailable> {
        let ids = ids.to_vec();
        self.ask(|store| async move { store.fetch(&ids).await }).await
    }

    async fn destroy(&self, ids: &[KeyId], cursor: Position) -> Result<(), Unavailable> {
        let ids = ids.to_vec();
        self.ask(|store| async move { store.destroy(&ids, cursor).await }).await
    }

    async fn cursor(&self) -> Result<Position, Unavailable> {
        self.ask(|store| async move { store.cursor().await }).await
    }
}
