//! The contract over SQLite, and what is its own: the file's mode, what is overwritten, a file that goes away.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::contract::{at, record};

fn holds(folder: &Path, word: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes.windows(word.len()).any(|window| window == word.as_bytes())
    })
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activity.db");
    let (store, other) = (SqliteActivityStore::at(&path), SqliteActivityStore::at(&path));
    assert!(!path.exists(), "nothing is opened before it is needed");
    crate::contract::all(&store, &other).await;
    for entry in fs::read_dir(folder.path()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    store.close().await;
    other.close().await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the write-ahead log is taken in");
}

#[tokio::test]
async fn what_was_removed_is_in_no_file_once_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteActivityStore::at(&folder.path().join("activity.db"));
    store.append(&[record(1, Kind::SignIn, Some(1), Some(2)), record(2, Kind::SignIn, None, None)]).await.unwrap();
    assert!(holds(folder.path(), "2001:db8::7"), "an origin can be found");
    assert_eq!(store.prune(Bounds { since: at(2), most: 10 }, 10).await, Ok(1));
    store.close().await;
    assert!(!holds(folder.path(), "2001:db8::7") && holds(folder.path(), "request-2"));
}

#[tokio::test]
async fn a_file_that_goes_away_is_made_anew_and_a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inside/activity.db");
    let store = SqliteActivityStore::at(&path);
    let some = [record(1, Kind::Refused, None, None)];
    let away = store.append(&some).await.unwrap_err().to_string();
    assert!(away.contains("inside/activity.db"), "{away}");
    fs::create_dir(folder.path().join("inside")).unwrap();
    store.append(&some).await.unwrap();

    // Removed under its hands: what comes next is in another one.
    fs::remove_dir_all(folder.path().join("inside")).unwrap();
    fs::create_dir(folder.path().join("inside")).unwrap();
    store.append(&some).await.unwrap();
    let other = SqliteActivityStore::at(&path);
    assert_eq!(other.page(&Filter::default(), 0, 10).await.unwrap().records.len(), 1);
}

#[tokio::test]
async fn another_programs_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activity.db");
    let theirs = b"not a database, and long enough to be read as one".repeat(100);
    fs::write(&path, &theirs).unwrap();
    let store = SqliteActivityStore::at(&path);
    assert!(store.append(&[record(1, Kind::Refused, None, None)]).await.is_err());
    assert!(store.page(&Filter::default(), 0, 10).await.is_err());
    assert!(fs::read(&path).unwrap() == theirs);
}
