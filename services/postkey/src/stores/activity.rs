//! The activity log: where it lies, and how its state shows.

use std::path::PathBuf;
use std::sync::Arc;

use activity::{ActivityLog, ActivityStore, Limits, PostgresActivityStore, SqliteActivityStore, Writing};
use clap::Args;
use postkey_http::{Clock, Health, Kind, Metrics};
use tokio_util::sync::CancellationToken;

use super::url::StoreUrl;
use crate::edges::SystemClock;
use crate::failure::Failure;

/// Where the activity log lies.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Activity log")]
pub struct ActivityArgs {
    /// Where to keep what was refused, who tried to sign in and who read the history: sqlite:PATH, or
    /// postgres://ROLE@HOST:PORT/DATABASE; absent: nothing of it is kept
    #[arg(long, env = "POSTKEY_ACTIVITY", value_name = "URL", hide_env_values = true)]
    activity: Option<StoreUrl>,
    /// The file of that role's password
    #[arg(long, env = "POSTKEY_ACTIVITY_PASSWORD_FILE", value_name = "FILE", requires = "activity")]
    activity_password_file: Option<PathBuf>,
    #[command(flatten)]
    pub limits: ActivityLimitArgs,
}

/// How much of it is kept.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Activity log")]
pub struct ActivityLimitArgs {
    /// For how many days a record is kept
    #[arg(long, env = "POSTKEY_ACTIVITY_DAYS", default_value = "90", value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3_650))]
    activity_days: u32,
    /// How many records of each kind are kept: refusals, sign-ins, reads of the history
    #[arg(long, env = "POSTKEY_ACTIVITY_RECORDS", default_value = "1000000", value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    activity_records: u64,
}

impl ActivityArgs {
    /// Where it is to be kept, with the role's password; none where it is not.
    pub fn url(&self) -> Result<Option<StoreUrl>, Failure> {
        let with_password = |url: StoreUrl| url.with_password_file(self.activity_password_file.as_deref());
        self.activity.clone().map(with_password).transpose()
    }
}

impl ActivityLimitArgs {
    /// Has it kept there, or nowhere. Nothing is waited for: what is the matter with the place shows in the health of the
    /// services.
    pub fn keep(self, url: Option<&StoreUrl>) -> Keeping {
        let store: Arc<dyn ActivityStore> = match url {
            None => return Keeping { log: ActivityLog::none(), writing: None },
            Some(StoreUrl::Sqlite(file)) => Arc::new(SqliteActivityStore::at(file.path())),
            Some(StoreUrl::Postgres(location)) => Arc::new(PostgresActivityStore::at(location)),
        };
        let limits = Limits { days: self.activity_days, most: self.activity_records };
        let (log, writing) = ActivityLog::start(store, limits, || SystemClock.now());
        Keeping { log, writing: Some(writing) }
    }
}

/// The activity log of this process, until it ends.
pub struct Keeping {
    /// The log.
    pub log: ActivityLog,
    writing: Option<Writing>,
}

impl Keeping {
    /// Writes what waits, and closes the store.
    pub async fn end(self) {
        if let Some(writing) = self.writing {
            writing.end().await;
        }
    }
}

/// Shows in a service's health and metrics, until `stop`, how its activity log does: never worse than yellow.
pub fn show(log: &ActivityLog, health: &Health, metrics: Option<&Metrics>, stop: &CancellationToken) {
    let Some(mut trouble) = log.trouble() else { return };
    let check = health.check("activity");
    check.green();
    let watching = async move {
        loop {
            match trouble.borrow_and_update().clone() {
                None => check.green(),
                Some(what) => check.yellow(what),
            }
            if trouble.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::spawn(stop.clone().run_until_cancelled_owned(watching));
    let Some(metrics) = metrics else { return };
    let log = log.clone();
    let help =
        "Records of the activity log that this process has lost: the store was away, or more came than it takes.";
    metrics.read(Kind::Counter, "activity_dropped", help, move || vec![(None, log.lost() as f64)]);
}
