//! What is recorded is written, or lost and counted; nobody waits.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tempfile::TempDir;

use super::*;
use crate::contract::{at, record};
use crate::{ActivityLog, ActivityStore, Filter, Kind, Limits, Page, SqliteActivityStore};

const LIMITS: Limits = Limits { days: 90, most: 1_000_000 };

fn started(path: &Path, limits: Limits, now: DateTime<Utc>) -> (ActivityLog, Writing) {
    ActivityLog::start(Arc::new(SqliteActivityStore::at(path)), limits, move || now)
}

fn note(log: &ActivityLog, kind: Kind) {
    log.record(|| record(0, kind, None, None).activity);
}

/// Waits until there is trouble, or none.
async fn comes(log: &ActivityLog, trouble: bool) -> Option<String> {
    let mut says = log.trouble().unwrap();
    let said = timeout(Duration::from_secs(20), says.wait_for(|said| said.is_some() == trouble)).await;
    said.unwrap().unwrap().clone()
}

async fn kept(path: &Path) -> Vec<crate::Kept> {
    SqliteActivityStore::at(path).page(&Filter::default(), 0, 500).await.unwrap().records
}

fn place() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inside/activity.db");
    (folder, path)
}

#[tokio::test]
async fn what_was_recorded_is_written_together_and_at_the_end_at_the_latest() {
    let (folder, path) = place();
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    let (log, writing) = started(&path, LIMITS, at(5));
    for _ in 0..BATCH + 10 {
        note(&log, Kind::SignIn);
    }
    writing.end().await;
    let kept = SqliteActivityStore::at(&path).page(&Filter::default(), 0, 10_000).await.unwrap().records;
    assert_eq!((kept.len(), log.lost()), (BATCH + 10, 0));
    assert!(kept.iter().all(|kept| kept.at == at(5) && kept.lost == 0));
    note(&log, Kind::SignIn);
    assert_eq!(log.lost(), 1, "nobody writes any more");
}

#[tokio::test]
async fn while_the_store_is_away_records_are_lost_and_counted_and_the_next_one_tells_of_them() {
    let (folder, path) = place();
    let (log, writing) = started(&path, LIMITS, at(0));
    let trouble = comes(&log, true).await.unwrap();
    assert!(trouble.contains("inside/activity.db"), "said before anything was lost: {trouble}");
    let mut recorded = 0;
    while log.lost() == 0 {
        // More than the queue takes: whoever records is never told to wait.
        note(&log, Kind::Refused);
        recorded += 1;
    }
    assert!(recorded > BATCH, "{recorded}");
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    comes(&log, false).await;
    note(&log, Kind::AuditRead);
    writing.end().await;

    let mut store = (Vec::new(), Some(0));
    let other = SqliteActivityStore::at(&path);
    while let Some(after) = store.1 {
        let page = other.page(&Filter::default(), after, 500).await.unwrap();
        store = ([store.0, page.records].concat(), page.next);
    }
    let (kept, _) = store;
    let told: u64 = kept.iter().map(|kept| kept.lost).sum();
    assert_eq!(told, log.lost(), "every one that was lost stands in the record behind it");
    assert_eq!(kept.len() as u64 + told, recorded as u64 + 1);
    assert_eq!(kept.last().map(|kept| kept.kind), Some(Kind::AuditRead));
}

/// A real one, whose next records find it away.
struct Away(SqliteActivityStore, AtomicBool);

#[async_trait]
impl ActivityStore for Away {
    async fn append(&self, records: &[Record]) -> Result<(), Unavailable> {
        if self.1.swap(false, Ordering::Relaxed) {
            Err(Unavailable("away".to_owned()))
        } else {
            self.0.append(records).await
        }
    }

    async fn page(&self, filter: &Filter, after: u64, limit: u32) -> Result<Page, Unavailable> {
        self.0.page(filter, after, limit).await
    }

    async fn prune(&self, bounds: Bounds, step: u32) -> Result<u64, Unavailable> {
        self.0.prune(bounds, step).await
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[tokio::test]
async fn a_store_that_was_away_is_found_to_be_back_also_where_nothing_comes() {
    let (folder, path) = place();
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    let store = Arc::new(Away(SqliteActivityStore::at(&path), AtomicBool::new(true)));
    let (log, writing) = ActivityLog::start(store, LIMITS, || at(0));
    note(&log, Kind::Refused);
    comes(&log, true).await;
    // Long before it would have been looked for what is beyond the limits.
    comes(&log, false).await;
    assert_eq!(log.lost(), 1);
    writing.end().await;
}

#[tokio::test]
async fn what_is_too_old_or_too_much_is_removed_while_more_comes() {
    let (folder, path) = place();
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    let day = 86_400;
    let (log, writing) = started(&path, LIMITS, at(0));
    note(&log, Kind::Refused);
    writing.end().await;
    let limits = Limits { days: 2, most: 4 };
    let (log, writing) = started(&path, limits, at(day));
    for kind in [Kind::SignIn; 9].into_iter().chain([Kind::AuditRead]) {
        note(&log, kind);
    }
    drop(log);
    writing.end().await;
    // Removed once another look is due, which is at the start.
    let (_log, writing) = started(&path, limits, at(2 * day + 1));
    let removed = async {
        loop {
            let kept = kept(&path).await;
            if kept.len() == 5 {
                return kept;
            }
            tokio::task::yield_now().await;
        }
    };
    let kept = timeout(Duration::from_secs(20), removed).await.unwrap();
    writing.end().await;
    assert_eq!(
        kept.iter().filter(|kept| kept.kind == Kind::SignIn).count(),
        4,
        "the oldest, and the first of many, are gone"
    );
    assert!(kept.iter().all(|kept| kept.at == at(day)));
}

#[tokio::test]
async fn without_a_store_nothing_is_done() {
    let log = ActivityLog::none();
    log.record(|| unreachable!("nobody asks what was done"));
    assert!(log.store().is_none() && log.trouble().is_none() && log.lost() == 0);
}
