//! Who follows the log: the projector that leads. The others stand by, see how far it has come, and take over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Position;
use event_log::{EventLog, Scope};
use keys::Vault;
use postkey_http::{HealthCheck, Status};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ahead::BATCH;
use super::back_fill::BackFill;
use super::{Broken, Halt, Leading, Progress, Projector, position};
use crate::read_model::{Applied, Generation, Lead, Leadership, LedgerRows, ReadModelWriter, Standing};

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
/// How often one that has stopped looks whether the rows have moved all the same.
const MOVED_EVERY: Duration = Duration::from_secs(1);

/// What an operator is told of who leads.
const LEADS: &str = "this projection leads: it applies the log";
const STANDS_BY: &str = "standing by: another projection applies the log";

/// The checks in which a follower says how it stands.
#[derive(Clone, Debug)]
pub struct Checks {
    /// Whether it applies the log.
    pub projector: HealthCheck,
    /// Whether the keys that it needs for that are there.
    pub keys: HealthCheck,
    /// Whether the ledger's rows are those of the log.
    pub ledger: HealthCheck,
}

/// Applies the log to the live generation whenever it leads, and says how far that generation is, also while another does.
pub struct Follower {
    log: Arc<EventLog>,
    vault: Vault,
    model: Arc<dyn ReadModelWriter>,
    leadership: Arc<dyn Leadership>,
    ledger: Arc<dyn LedgerRows>,
    progress: watch::Sender<Progress>,
    leads: watch::Sender<bool>,
    leading: Arc<Leading>,
    told: Mutex<Told>,
}

/// What it last told the operator that it does.
#[derive(Default)]
struct Told {
    what: &'static str,
    /// Whether it has claimed the lead, and has not let go of it since.
    claimed: bool,
}

impl Follower {
    /// Of `log`, onto whichever generation of `model` is live.
    pub fn new(
        log: Arc<EventLog>,
        vault: Vault,
        model: Arc<dyn ReadModelWriter>,
        leadership: Arc<dyn Leadership>,
        ledger: Arc<dyn LedgerRows>,
    ) -> Self {
        let (progress, leads) = (watch::Sender::default(), watch::Sender::default());
        let (leading, told) = (Arc::default(), Mutex::default());
        Self { log, vault, model, leadership, ledger, progress, leads, leading, told }
    }

    /// How far the live rows are, as it goes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Whether it leads, or did last: false while it stands by for another.
    pub fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    /// Whether it leads at this moment, and how much it has applied so far.
    pub fn leading(&self) -> Arc<Leading> {
        Arc::clone(&self.leading)
    }

    /// Follows the log, or stands by, until told to stop; then it lets go of the lead. What goes away by itself is waited
    /// for, and said in `checks`; what does not stops it, and stays said until the rows are others, or another projector
    /// has taken them further: then it goes on with those. Lost keys are looked for meanwhile.
    pub async fn follow(self, checks: Checks, stop: CancellationToken) {
        stop.run_until_cancelled(self.go_on(&checks)).await;
        self.let_go().await;
    }

    async fn go_on(&self, checks: &Checks) {
        // None is known to be lost.
        checks.keys.green();
        checks.ledger.green();
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.progress.borrow().position;
            let halt = self.turn(checks).await.err().unwrap_or(Halt::Moved);
            if self.progress.borrow().position > before {
                pause = FIRST_PAUSE;
            }
            match halt {
                Halt::Broken(what @ Broken::Keyless(_)) => {
                    self.stopped(&what, checks);
                    // The other, whose keyring may be another, tries too: then both say the same.
                    self.let_go().await;
                }
                Halt::Broken(what) => {
                    self.stopped(&what, checks);
                    self.until_moved(matches!(what, Broken::Foreign(_))).await;
                    self.progress.send_modify(|progress| progress.halted = None);
                }
                Halt::Later(what) => {
                    checks.projector.red(what);
                    self.let_go().await;
                }
                Halt::Moved => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Says that nothing more is applied. Whoever has not changed since goes on signing in by the rows that there are, where
    /// these are known to be right up to there: a person is called, and nobody is sent away.
    fn stopped(&self, what: &Broken, checks: &Checks) {
        let Progress { position: at, identified, halted, .. } = self.progress.borrow().clone();
        if halted.as_ref() != Some(what) {
            tracing::error!(%what, position = %at, "the projector has stopped: nothing after this position is applied");
        }
        match what {
            Broken::Keyless(lost) => {
                let waits = format!("stopped at position {at} until the keys of the next entry are there");
                if identified {
                    checks.keys.impaired(lost);
                    checks.projector.impaired(waits);
                } else {
                    checks.keys.needs_person(lost);
                    checks.projector.red(waits);
                }
            }
            Broken::Corrupt(found) if identified => checks.projector.impaired(found),
            what => checks.projector.needs_person(what.to_string()),
        }
        self.progress.send_modify(|progress| progress.halted = Some(what.clone()));
    }

    /// Lets go of the lead, for it may be that only this process can't go on, and waits until the rows are not where they
    /// were: others were put in their place, or another has moved them. How far they are says nothing about a log that is
    /// not theirs (`foreign`).
    async fn until_moved(&self, foreign: bool) {
        let place = |now: Standing| (now.live, now.log, if foreign { Position::START } else { now.position });
        let stood = self.leadership.look().await.ok().map(place);
        self.let_go().await;
        loop {
            sleep(MOVED_EVERY).await;
            if let Ok(now) = self.leadership.look().await
                && Some(place(now)) != stood
            {
                return;
            }
        }
    }

    /// Once from a look at how things stand to a reason to look again.
    async fn turn(&self, checks: &Checks) -> Result<(), Halt> {
        let standing = self.look().await?;
        match standing.lead {
            Lead::Alone => return self.lead_and_keep(standing, checks).await,
            Lead::Ours | Lead::Left | Lead::Free => {}
            Lead::Anothers => self.stand_by(standing, checks).await?,
        }
        if !self.leadership.claim().await? {
            return Ok(());
        }
        self.told().claimed = true;
        // Only now is it settled from where there is to go on.
        let standing = self.leadership.look().await?;
        self.lead_and_keep(standing, checks).await
    }

    async fn lead_and_keep(&self, standing: Standing, checks: &Checks) -> Result<(), Halt> {
        tokio::select! {
            halt = self.lead(standing, checks) => Err(halt?),
            halt = self.keep(standing) => Err(halt),
        }
    }

    async fn lead(&self, standing: Standing, checks: &Checks) -> Result<Halt, Halt> {
        // With a memory of its own: while it waited, another may have moved the rows.
        let mut projector = self.projector(standing);
        let applied = projector.identified().await?;
        self.tell(LEADS, standing);
        self.leads.send_if_modified(|leads| !std::mem::replace(leads, true));
        let from = position(applied.as_ref());
        self.publish(standing.live, from, checks);
        let mut led = self.leading.begin(from);
        let step = |applied: Option<&Applied>| {
            led.applied(position(applied));
            self.publish(standing.live, position(applied), checks);
        };
        let (log, rows) = (Arc::clone(&self.log), Arc::clone(&self.ledger));
        let ledger = BackFill::new(log, self.vault.clone(), rows, checks.ledger.clone());
        Ok(projector.follow(applied, ledger, step).await)
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
        // Before it is claimed, so that it shows whether another has had it since.
        let now = self.look().await?;
        if now.lead == Lead::Alone {
            // A rebuild may have made others live: whatever is kept of these is of no use then.
            return if now.live == began.live { Ok(()) } else { Err(Halt::Moved) };
        }
        if now.lead != Lead::Ours || !self.leadership.claim().await? {
            tracing::warn!("another projection has taken the lead: this one was silent for too long");
            return Err(Halt::Moved);
        }
        if now.live != began.live || now.position < told {
            return Err(Halt::Moved);
        }
        self.log_answers().await
    }

    /// Says how far another has come, until the lead is free.
    async fn stand_by(&self, began: Standing, checks: &Checks) -> Result<(), Halt> {
        self.projector(began).identified().await?;
        self.tell(STANDS_BY, began);
        // The leader says how it is.
        checks.ledger.green();
        self.leads.send_if_modified(|leads| std::mem::replace(leads, false));
        let mut now = began;
        let mut looks = 0;
        while now.lead == Lead::Anothers {
            self.publish(now.live, now.position, checks);
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
        self.told().claimed = false;
        match timeout(RELEASE_WITHIN, self.leadership.release()).await {
            Ok(Ok(())) => {}
            // It runs out by itself.
            Ok(Err(_)) | Err(_) => tracing::debug!("the lead could not be let go of"),
        }
    }

    fn projector(&self, standing: Standing) -> Projector {
        Projector::new(Arc::clone(&self.log), self.vault.clone(), Arc::clone(&self.model), standing.live)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How things stand. Where another has led since it told that it does, the other's word is the last, and it has to tell
    /// that again.
    async fn look(&self) -> Result<Standing, Halt> {
        let standing = self.leadership.look().await?;
        let mut told = self.told();
        let anothers = match standing.lead {
            Lead::Alone | Lead::Ours => false,
            Lead::Anothers | Lead::Left => true,
            // It was not this one that let go.
            Lead::Free => told.claimed,
        };
        if anothers {
            told.claimed = false;
            if told.what == LEADS {
                told.what = "";
            }
        }
        Ok(standing)
    }

    /// Tells the operator what it does: once, however often it has to begin with it anew, unless another has done it
    /// meanwhile. Of one that has stopped there is more to say than that.
    fn tell(&self, what: &'static str, standing: Standing) {
        let mut told = self.told();
        if told.what != what && self.progress.borrow().halted.is_none() {
            told.what = what;
            tracing::info!(position = %standing.position, "{what}");
        }
    }

    fn publish(&self, live: Generation, at: Position, checks: &Checks) {
        let head = self.log.seen();
        let behind = head.get().saturating_sub(at.get());
        let still = {
            let progress = self.progress.borrow();
            progress.halted.is_some() && (progress.live, progress.position) == (Some(live), at)
        };
        // One that looks for keys, and stands where it stood, has not found them yet.
        if still {
            return;
        }
        checks.keys.green();
        if behind == 0 {
            checks.projector.green();
        } else if behind > BATCH as u64 || checks.projector.status() != Status::Green {
            // Once caught up, the next batch is no reason to be red: under load there is always one.
            checks.projector.red(format!("catching up: at position {at} of {head}"));
        }
        let now = Progress { position: at, identified: true, live: Some(live), halted: None };
        self.progress.send_if_modified(|progress| std::mem::replace(progress, now.clone()) != now);
    }
}

#[cfg(test)]
mod tests;
