//! Who follows the log: the projector that leads. The others stand by, see how far it has come, and take over.

use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use event_log::{EventLog, Scope};
use keys::Vault;
use postkey_http::{HealthCheck, Status};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ahead::BATCH;
use super::{Halt, Progress, Projector, position};
use crate::read_model::{Applied, Lead, Leadership, ReadModelWriter, Standing};

/// The pause after a failure that goes away by itself; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often one that stands by looks how far the leader has come. As long as that, an answer from it may be late.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How often the leader claims the lead again: three times while it lasts.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// After how many looks one that stands by asks the log where it ends: each second.
const LOOKS_A_HEAD: u32 = 40;
/// How long the log may take to say where it ends, before its leader lets another try.
const HEAD_WITHIN: Duration = Duration::from_secs(2);
/// How long letting go may take.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// Applies the log to the live generation whenever it leads, and says how far that generation is, also while another does.
pub struct Follower {
    log: Arc<EventLog>,
    vault: Vault,
    model: Arc<dyn ReadModelWriter>,
    leadership: Arc<dyn Leadership>,
    progress: watch::Sender<Progress>,
}

impl Follower {
    /// Of `log`, onto whichever generation of `model` is live.
    pub fn new(
        log: Arc<EventLog>,
        vault: Vault,
        model: Arc<dyn ReadModelWriter>,
        leadership: Arc<dyn Leadership>,
    ) -> Self {
        Self { log, vault, model, leadership, progress: watch::Sender::default() }
    }

    /// How far the live rows are, as it goes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Follows the log, or stands by, until told to stop; then it lets go of the lead. What goes away by itself is waited
    /// for, and said in `health`; what does not stops it, and stays said.
    pub async fn follow(self, health: HealthCheck, stop: CancellationToken) {
        stop.run_until_cancelled(self.go_on(&health)).await;
        self.let_go().await;
    }

    async fn go_on(&self, health: &HealthCheck) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.progress.borrow().position;
            let halt = self.turn(health).await.err().unwrap_or(Halt::Moved);
            if self.progress.borrow().position > before {
                pause = FIRST_PAUSE;
            }
            match halt {
                Halt::Broken(what) => {
                    tracing::error!(%what, "the projector has stopped: nothing after this position is applied");
                    health.needs_person(what.to_string());
                    self.progress.send_modify(|progress| progress.halted = Some(what));
                    // It may be that only this process can't go on: then another does.
                    self.let_go().await;
                    return std::future::pending().await;
                }
                Halt::Later(what) => {
                    health.red(what);
                    self.let_go().await;
                }
                Halt::Moved => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Once from a look at how things stand to a reason to look again.
    async fn turn(&self, health: &HealthCheck) -> Result<(), Halt> {
        let standing = self.leadership.look().await?;
        match standing.lead {
            Lead::Alone => return Err(self.lead(standing, health).await?),
            Lead::Ours | Lead::Free => {}
            Lead::Anothers => self.stand_by(standing, health).await?,
        }
        if !self.leadership.claim().await? {
            return Ok(());
        }
        // Only now is it settled from where there is to go on.
        let standing = self.leadership.look().await?;
        tracing::info!(position = %standing.position, "this projection leads: it applies the log");
        tokio::select! {
            halt = self.lead(standing, health) => Err(halt?),
            halt = self.keep(standing) => Err(halt),
        }
    }

    async fn lead(&self, standing: Standing, health: &HealthCheck) -> Result<Halt, Halt> {
        // With a memory of its own: while it waited, another may have moved the rows.
        let mut projector = self.projector(standing);
        let applied = projector.identified().await?;
        self.publish(position(applied.as_ref()), health);
        let step = |applied: Option<&Applied>| self.publish(position(applied), health);
        Ok(projector.follow(applied, step).await)
    }

    /// Keeps the lead while the rows and the log are there. Ends with a reason to look again: the lead is lost; another
    /// generation is live; the rows have gone back, as after a crash of their server; or the log can't be asked, so that
    /// another process may be nearer to it, whatever the stream of entries says meanwhile.
    async fn keep(&self, began: Standing) -> Halt {
        loop {
            sleep(CLAIM_EVERY).await;
            if let Err(halt) = self.kept(began).await {
                return halt;
            }
        }
    }

    async fn kept(&self, began: Standing) -> Result<(), Halt> {
        // Read before the rows: those may only be further.
        let told = self.progress.borrow().position;
        if !self.leadership.claim().await? {
            tracing::warn!("another projection has taken the lead: this one was silent for too long");
            return Err(Halt::Moved);
        }
        let now = self.leadership.look().await?;
        if now.live != began.live || now.position < told {
            return Err(Halt::Moved);
        }
        self.log_answers().await
    }

    /// Says how far another has come, until the lead is free.
    async fn stand_by(&self, began: Standing, health: &HealthCheck) -> Result<(), Halt> {
        self.projector(began).identified().await?;
        tracing::info!(position = %began.position, "standing by: another projection applies the log");
        let mut now = began;
        let mut looks = 0;
        while now.lead == Lead::Anothers {
            self.publish(now.position, health);
            sleep(LOOK_EVERY).await;
            now = self.leadership.look().await?;
            // Other rows have to be seen to belong to the log again.
            if (now.live, now.log) != (began.live, began.log) {
                return Err(Halt::Moved);
            }
            looks += 1;
            if looks % LOOKS_A_HEAD == 0 {
                self.log_answers().await?;
            }
        }
        Ok(())
    }

    async fn log_answers(&self) -> Result<(), Halt> {
        let head = timeout(HEAD_WITHIN, self.log.head(Scope::All)).await;
        head.map_err(|_| Halt::Later("the log does not say where it ends".to_owned()))??;
        Ok(())
    }

    async fn let_go(&self) {
        match timeout(RELEASE_WITHIN, self.leadership.release()).await {
            Ok(Ok(())) => {}
            // It runs out by itself.
            Ok(Err(_)) | Err(_) => tracing::debug!("the lead could not be let go of"),
        }
    }

    fn projector(&self, standing: Standing) -> Projector {
        Projector::new(Arc::clone(&self.log), self.vault.clone(), Arc::clone(&self.model), standing.live)
    }

    fn publish(&self, at: Position, health: &HealthCheck) {
        let head = self.log.seen();
        let behind = head.get().saturating_sub(at.get());
        if behind == 0 {
            health.green();
        } else if behind > BATCH as u64 || health.status() != Status::Green {
            // Once caught up, the next batch is no reason to be red: under load there is always one.
            health.red(format!("catching up: at position {at} of {head}"));
        }
        self.progress.send_if_modified(|progress| {
            let moved = progress.position != at || !progress.identified;
            (progress.position, progress.identified) = (at, true);
            moved
        });
    }
}

#[cfg(test)]
mod tests;
