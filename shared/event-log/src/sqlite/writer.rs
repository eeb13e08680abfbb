//! The one writer: takes whatever is queued and commits it as one transaction, so that many appends share one fsync.

use std::sync::Arc;

use domain::Position;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Row};
use tokio::sync::{mpsc, oneshot, watch};
use wire::{Entry, LogId};

use super::errors::OpenError;
use super::file::LogFile;
use super::presence::Presence;
use super::reader::announce;
use crate::Appended;

/// Appends that may wait for the writer; beyond that their callers wait for a place.
pub(super) const QUEUE: usize = 1024;
/// Appends of one transaction.
const BATCH: usize = 512;

/// The guard and the write are one statement. A log without its row takes nothing.
const APPEND: &str = "\
    INSERT INTO entry (position, subject, bytes)
    SELECT (SELECT coalesce(max(position), 0) + 1 FROM entry), $1, $2
    WHERE (SELECT coalesce(max(position), 0) FROM entry WHERE subject = $1) = $3
      AND (SELECT closed FROM log) = 0
    RETURNING position";

/// One append on its way to the writer.
pub(super) struct Append {
    pub(super) entry: Entry,
    pub(super) expected: Position,
    pub(super) answer: oneshot::Sender<Appended>,
}

/// Owns the connection that writes. A transaction that fails takes the connection with it, whatever the failure was:
/// the next one starts on a fresh one, so that there is one way back to health and it is always the same.
pub(super) struct Writer {
    file: LogFile,
    options: SqliteConnectOptions,
    log: LogId,
    connection: Option<SqliteConnection>,
    heard: watch::Sender<Position>,
    presence: Arc<Presence>,
    /// Whether the last transaction failed.
    failing: bool,
}

impl Writer {
    /// Connects, and proves that the file can be written to.
    pub(super) async fn open(
        file: LogFile,
        log: LogId,
        heard: watch::Sender<Position>,
        presence: Arc<Presence>,
    ) -> Result<Self, OpenError> {
        let options = file.writing();
        let connection = Some(file.writer(options.clone(), log).await?);
        presence.note_ahead();
        Ok(Self { file, options, log, connection, heard, presence, failing: false })
    }

    /// Writes until every sender is gone and nothing is queued; then moves the WAL into the file and gives back the
    /// connection, for the owner to close last.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Append>) -> Option<SqliteConnection> {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            self.commit(&mut batch).await;
        }
        self.presence.forget_ahead();
        let mut connection = self.connection?;
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await {
            // Harmless: the WAL stays beside the file and is read with it.
            tracing::warn!(%error, "the log's WAL was not checkpointed");
        }
        Some(connection)
    }

    /// One transaction. Nobody is answered before it has been committed, or has failed and is over for good.
    async fn commit(&mut self, batch: &mut Vec<Append>) {
        // Whoever has gone away while waiting does not know what became of the append, and nothing is as true as any.
        batch.retain(|append| !append.answer.is_closed());
        if batch.is_empty() {
            return;
        }
        let (answers, senders) = self.write(batch).await;
        for answer in &answers {
            if let Appended::At(position) = answer {
                announce(&self.heard, *position);
            }
        }
        for (sender, answer) in senders.into_iter().zip(answers) {
            // A caller that is gone is no concern of the others.
            let _ = sender.send(answer);
        }
    }

    async fn write(&mut self, batch: &mut Vec<Append>) -> (Vec<Appended>, Vec<oneshot::Sender<Appended>>) {
        let mut senders = Vec::with_capacity(batch.len());
        let mut appends = Vec::with_capacity(batch.len());
        for Append { entry, expected, answer } in batch.drain(..) {
            senders.push(answer);
            appends.push((entry, expected));
        }
        let answers = match self.transact(appends).await {
            Ok(answers) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the log is written to again");
                }
                answers
            }
            Err(reason) => {
                // Once, and not with each of the attempts that follow while the disk is full.
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%reason, appends = senders.len(), "a transaction of the log failed");
                }
                self.disconnect().await;
                vec![Appended::Unknown; senders.len()]
            }
        };
        (answers, senders)
    }

    async fn transact(&mut self, appends: Vec<(Entry, Position)>) -> Result<Vec<Appended>, OpenError> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                self.file.in_place(&self.presence)?;
                let connection = none.insert(self.file.writer(self.options.clone(), self.log).await?);
                self.presence.note_ahead();
                connection
            }
        };
        let answers = decide(connection, appends).await.map_err(|error| self.file.error(&error))?;
        // After the commit and before anybody is answered: what went into a deleted file is not acknowledged.
        self.file.in_place(&self.presence)?;
        Ok(answers)
    }

    /// Closes what is left of a connection and waits until it is: an open transaction is rolled back by that, and only
    /// then may anybody look for what became of it.
    async fn disconnect(&mut self) {
        self.presence.forget_ahead();
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "closing a failed connection to the log");
        }
    }
}

/// Decides one append after the other, each seeing those before it, and commits them together.
async fn decide(
    connection: &mut SqliteConnection,
    appends: Vec<(Entry, Position)>,
) -> Result<Vec<Appended>, sqlx::Error> {
    let mut answers = Vec::with_capacity(appends.len());
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for (entry, expected) in appends {
        // A position that SQLite can't count to is nobody's last.
        let expected = i64::try_from(expected.get()).unwrap_or(i64::MAX);
        let written = sqlx::query(APPEND)
            .bind(entry.subject.as_str())
            .bind(entry.bytes)
            .bind(expected)
            .fetch_all(&mut *transaction)
            .await?;
        answers.push(match written.first() {
            Some(row) => Appended::At(Position::new(row.try_get::<i64, _>(0)?.cast_unsigned())),
            None => refusal(&mut transaction).await?,
        });
    }
    transaction.commit().await?;
    Ok(answers)
}

async fn refusal(connection: &mut SqliteConnection) -> Result<Appended, sqlx::Error> {
    let open: Option<bool> = sqlx::query_scalar("SELECT closed = 0 FROM log").fetch_optional(connection).await?;
    Ok(if open == Some(true) { Appended::Conflict } else { Appended::Closed })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use domain::ServiceId;
    use sqlx::ConnectOptions;
    use uuid::Uuid;
    use wire::Subject;

    use super::*;

    const LOG: LogId = LogId::new(Uuid::from_u128(1));

    async fn writer(path: &Path) -> Writer {
        let file = LogFile::new(path);
        file.create(LOG, None).await.expect("a new log");
        let presence = Arc::new(file.presence().expect("a file"));
        Writer::open(file, LOG, watch::channel(Position::START).0, presence).await.expect("a writer")
    }

    async fn commit(writer: &mut Writer, services: std::ops::Range<u128>, bytes: usize) -> Vec<Appended> {
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        for service in services {
            let (answer, answered) = oneshot::channel();
            let subject = Subject::service(ServiceId::new(Uuid::from_u128(service)));
            let entry = Entry { subject, bytes: vec![b'x'; bytes] };
            batch.push(Append { entry, expected: Position::START, answer });
            answers.push(answered);
        }
        writer.commit(&mut batch).await;
        answers.into_iter().map(answer).collect()
    }

    fn answer(mut answered: oneshot::Receiver<Appended>) -> Appended {
        answered.try_recv().expect("answered when committed")
    }

    fn at(positions: std::ops::RangeInclusive<u64>) -> Vec<Appended> {
        positions.map(|position| Appended::At(Position::new(position))).collect()
    }

    #[tokio::test]
    async fn a_commit_is_synced_before_it_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = writer(&folder.path().join("log")).await;
        let connection = writer.connection.as_mut().expect("connected");
        // 2 is FULL (sqlite.org/pragma.html#pragma_synchronous): with WAL, every commit is synced.
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.expect("asked");
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(connection).await.expect("asked");
        assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    }

    #[tokio::test]
    async fn appends_that_wait_together_are_one_transaction() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = writer(&folder.path().join("log")).await;
        let wal = folder.path().join("log-wal");
        let grown = async |writer: &mut Writer, services: std::ops::Range<u128>| {
            let before = std::fs::metadata(&wal).expect("a WAL").len();
            commit(writer, services, 10).await;
            std::fs::metadata(&wal).expect("a WAL").len() - before
        };
        // The first commit of a fresh log touches pages that later ones find full; what is compared comes after it.
        grown(&mut writer, 0..1).await;
        let alone = grown(&mut writer, 1..2).await;
        let together = grown(&mut writer, 2..34).await;
        assert!(together < alone * 4, "32 appends wrote {together} bytes of log, one wrote {alone}");
    }

    #[tokio::test]
    async fn a_file_that_was_deleted_or_replaced_acknowledges_nothing() {
        for lost in ["log", "log-wal"] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut writer = writer(&folder.path().join("log")).await;
            assert_eq!(commit(&mut writer, 0..1, 10).await, at(1..=1));
            std::fs::rename(folder.path().join(lost), folder.path().join("elsewhere")).expect("moved");
            assert_eq!(commit(&mut writer, 1..2, 10).await, [Appended::Unknown], "{lost}");
            std::fs::copy(folder.path().join("elsewhere"), folder.path().join(lost)).expect("another in its place");
            assert_eq!(commit(&mut writer, 2..3, 10).await, [Appended::Unknown], "{lost}");
            assert!(writer.presence.check().is_err());
        }
    }

    #[tokio::test]
    async fn a_full_disk_loses_the_whole_transaction_and_is_over_when_there_is_space() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = writer(&folder.path().join("log")).await;
        assert_eq!(commit(&mut writer, 0..3, 100).await, at(1..=3));

        // SQLite answers a file at its largest with the same code as a disk without space.
        let roomy = writer.options.clone();
        writer.options = roomy.clone().pragma("max_page_count", "20");
        writer.disconnect().await;
        for _ in 0..3 {
            assert_eq!(commit(&mut writer, 10..20, 20_000).await, [Appended::Unknown; 10]);
        }
        assert_eq!(*writer.heard.borrow(), Position::new(3));
        assert_eq!(commit(&mut writer, 20..21, 10).await, at(4..=4), "what fits still goes in");

        writer.options = roomy;
        writer.disconnect().await;
        assert_eq!(commit(&mut writer, 10..20, 20_000).await, at(5..=14));
    }

    #[tokio::test]
    async fn a_lock_that_is_not_let_go_of_is_unknown_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut writer = writer(&path).await;
        let mut other = writer.file.writing().connect().await.expect("another process");
        let lock = other.begin_with("BEGIN IMMEDIATE").await.expect("a lock");
        writer.options = writer.options.clone().busy_timeout(Duration::from_millis(1));
        writer.disconnect().await;
        assert_eq!(commit(&mut writer, 0..3, 10).await, [Appended::Unknown; 3]);
        lock.rollback().await.expect("let go");
        assert_eq!(commit(&mut writer, 0..3, 10).await, at(1..=3));
    }

    #[tokio::test]
    async fn later_appends_of_a_transaction_see_earlier_ones() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut writer = writer(&folder.path().join("log")).await;
        let subject = Subject::service(ServiceId::new(Uuid::from_u128(1)));
        let (mut batch, mut answers) = (Vec::new(), Vec::new());
        for expected in [0, 0, 1, 0, 2, 3] {
            let (answer, answered) = oneshot::channel();
            let entry = Entry { subject: subject.clone(), bytes: vec![] };
            batch.push(Append { entry, expected: Position::new(expected), answer });
            answers.push(answered);
        }
        writer.commit(&mut batch).await;
        let answers: Vec<_> = answers.into_iter().map(answer).collect();
        let (conflict, at) = (Appended::Conflict, |position| Appended::At(Position::new(position)));
        assert_eq!(answers, [at(1), conflict, at(2), conflict, at(3), at(4)]);
    }

    #[tokio::test]
    async fn another_log_that_has_taken_the_place_is_not_written_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut first = writer(&path).await;
        first.disconnect().await;
        std::fs::remove_file(&path).expect("removed");
        LogFile::new(&path).create(LogId::new(Uuid::from_u128(2)), None).await.expect("another log");
        assert_eq!(commit(&mut first, 0..1, 10).await, [Appended::Unknown]);
    }
}
