//! A stream in an administrator's hands: made anew, rolled back, changed, robbed of entries and consumers.

mod jets;

use std::sync::Arc;
use std::time::Duration;

use domain::Position;
use futures::{StreamExt, TryStreamExt};
use jets::{Administrator, LOG, NOTICED, OTHER, by_hand, config, followed, log_over, made, next, position, within};
use postkey_event_log::contract::{all, append, entry};
use postkey_event_log::{
    AppendError, CopyEnd, CopyId, Corrupt, EventLog, JetStreamError, JetStreamStore, LogStore, ReadError, Scope,
    is_recent,
};
use serde_json::{Value, json};
use servers::Nats;
use tokio::time::Instant;
use uuid::Uuid;

const COPY: CopyId = CopyId::new(Uuid::from_u128(0xc0));

async fn refused(urls: &str) -> JetStreamError {
    JetStreamStore::open(&config(urls)).await.err().expect("it is refused")
}

async fn error_of(log: &EventLog, scope: Scope) -> ReadError {
    log.read(scope, Position::START).try_collect::<Vec<_>>().await.expect_err("it is not sound")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_under_an_open_store_is_another_log_and_nothing_is_appended_to_it() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let store = made(&config(&url), 1).await;
    let (log, late) = (log_over(&store), log_over(&store));
    let last = log.append(&entry(1, "a"), Position::START).await.expect("sound");
    late.head(Scope::All).await.expect("sound");
    administrator.delete().await;
    let gone = log.head(Scope::All).await.expect_err("there is no stream");
    assert!(matches!(gone, ReadError::Unavailable(_)), "{gone}");
    administrator.make(by_hand(OTHER)).await;
    for number in 1..=5 {
        administrator.put(number, "another log's").await;
    }
    let other = Corrupt::OtherLog { expected: LOG, found: OTHER };
    assert_eq!(log.append(&entry(1, "b"), last).await, Err(AppendError::Corrupt(other.clone())));
    assert_eq!(log.append(&entry(9, "b"), Position::START).await, Err(AppendError::Corrupt(other.clone())));
    for scope in [Scope::All, Scope::Subject(entry(1, "").subject)] {
        assert_eq!(error_of(&late, scope).await, ReadError::Corrupt(other.clone()));
    }
    assert_eq!(administrator.info().await["state"]["last_seq"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_finds_out_that_the_stream_is_another_log() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let store = made(&config(&url), 1).await;
    let log = log_over(&store);
    log.append(&entry(1, "a"), Position::START).await.expect("sound");
    let mut entries = log.follow(Position::START);
    entries.next().await.expect("one").expect("sound");
    administrator.delete().await;
    administrator.make(by_hand(OTHER)).await;
    administrator.put(1, "another log's").await;
    let other = ReadError::Corrupt(Corrupt::OtherLog { expected: LOG, found: OTHER });
    // The consumer is gone too, which is only a doubt.
    match entries.next().await.expect("no end but by an error") {
        Err(ReadError::Unavailable(_)) => {
            assert_eq!(log.follow(position(1)).next().await, Some(Err(other)));
        }
        found => assert_eq!(found, Err(other)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_which_an_older_copy_was_put_back_is_rolled_back() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    administrator.make(by_hand(LOG)).await;
    let store = Arc::new(JetStreamStore::open(&config(&url)).await.expect("a log"));
    let log = log_over(&store);
    for number in 1..=3 {
        log.append(&entry(number, "x"), Position::START).await.expect("sound");
    }
    let following = log_over(&store);
    let mut entries = following.follow(Position::START);
    for _ in 0..3 {
        entries.next().await.expect("one").expect("sound");
    }
    administrator.delete().await;
    administrator.make(by_hand(LOG)).await;
    administrator.put(1, "x").await;
    let rolled_back = Corrupt::RolledBack { head: position(1), seen: position(3) };
    assert_eq!(log.head(Scope::All).await, Err(rolled_back.clone().into()));
    assert_eq!(log.append(&entry(9, "b"), Position::START).await, Err(AppendError::Corrupt(rolled_back.clone())));
    match entries.next().await.expect("no end but by an error") {
        Err(ReadError::Unavailable(_)) => {
            assert_eq!(following.follow(position(3)).next().await, Some(Err(rolled_back.into())));
        }
        found => assert_eq!(found, Err(rolled_back.into())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_entry_is_found_and_named() {
    for (deleted, after) in [(3, 2), (1, 0)] {
        let url = Nats::shared().account();
        let administrator = Administrator::connect(&url).await;
        administrator.make(by_hand(LOG)).await;
        let store = Arc::new(JetStreamStore::open(&config(&url)).await.expect("a log"));
        let log = log_over(&store);
        for number in 1..=5 {
            administrator.put(number, "x").await;
        }
        let mut entries = store.follow(Position::START);
        entries.next().await.expect("one").expect("sound");
        administrator.api("STREAM.MSG.DELETE.POSTKEY", &json!({"seq": deleted})).await;
        let damaged = |error: ReadError| match error {
            ReadError::Corrupt(Corrupt::Damaged { what, .. }) => assert!(what.contains("holds 4 entries"), "{what}"),
            other => panic!("{other}"),
        };
        damaged(error_of(&log, Scope::All).await);
        damaged(log.head(Scope::All).await.expect_err("there is a gap"));
        let error = log.append(&entry(9, "b"), Position::START).await.expect_err("there is a gap");
        assert!(matches!(error, AppendError::Corrupt(_)), "{error}");
        // A follower that had asked before comes upon it, and says where.
        if after > 0 {
            let after = position(after);
            let consumer = store.follow(after).next().await.expect("no end but by an error");
            assert_eq!(consumer, Err(Corrupt::Gap { after, found: after.next().next() }.into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_emptied_or_goes_on_from_another_number_is_damaged() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    administrator.make(by_hand(LOG)).await;
    let store = JetStreamStore::open(&config(&url)).await.expect("a log");
    for number in 1..=5 {
        administrator.put(number, "x").await;
    }
    let damaged = async || {
        let error = store.head(Scope::All).await.expect_err("it is damaged");
        assert!(matches!(error, ReadError::Corrupt(Corrupt::Damaged { .. })), "{error}");
    };
    administrator.api("STREAM.PURGE.POSTKEY", &json!({})).await;
    damaged().await;
    administrator.delete().await;
    let mut settings = by_hand(LOG);
    settings["first_seq"] = 6.into();
    administrator.make(settings).await;
    damaged().await;
    administrator.put(9, "x").await;
    damaged().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_changes_is_an_alarm_until_it_is_changed_back() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let store = made(&config(&url), 1).await;
    let mut alarms = store.alarms();
    let alarm = async || {
        store.head(Scope::All).await.expect("sound");
        store.alarms().borrow().drift.clone()
    };
    assert_eq!(alarm().await, None);
    for (name, bad, good) in [
        ("max_age", json!(3_600_000_000_000_u64), json!(0)),
        ("max_msgs", json!(10), json!(-1)),
        ("discard", json!("old"), json!("new")),
        ("allow_direct", json!(false), json!(true)),
        ("allow_rollup_hdrs", json!(true), json!(false)),
        ("allow_atomic", json!(true), json!(false)),
        ("republish", json!({"src": "postkey.>", "dest": "copy.>"}), Value::Null),
    ] {
        if name == "allow_rollup_hdrs" {
            // Not while the stream denies purges, which can't be taken back.
            continue;
        }
        administrator.set(name, bad).await;
        let said = alarm().await.unwrap_or_else(|| panic!("{name} is changed"));
        assert!(said.contains(name), "{said}");
        assert!(alarms.has_changed().expect("open"), "{name}");
        administrator.set(name, good).await;
        assert_eq!(alarm().await, None, "{name}");
        alarms.mark_unchanged();
    }
    assert_eq!(store.report().await.expect("sound").drift, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_made_stream_is_opened_and_what_it_lacks_is_an_alarm() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let mut settings = by_hand(LOG);
    settings["allow_rollup_hdrs"] = true.into();
    administrator.make(settings).await;
    let store = JetStreamStore::open(&config(&url)).await.expect("a log");
    let drift = store.report().await.expect("sound").drift.join("; ");
    for lacks in ["deny_delete", "deny_purge", "allow_rollup_hdrs"] {
        assert!(drift.contains(lacks), "{drift}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_takes_nothing_more_and_says_so() {
    let url = Nats::shared().account();
    let store = made(&config(&url), 1).await;
    let log = log_over(&store);
    let last = log.append(&entry(1, "a"), Position::START).await.expect("open");
    assert!(!store.standing().await.expect("asked").closed);
    assert_eq!(store.close_for(COPY).await, Ok(last));
    assert_eq!(store.close_for(COPY).await, Ok(last), "closing twice");
    assert!(store.standing().await.expect("asked").closed);
    assert_eq!(log.append(&entry(1, "b"), last).await, Err(AppendError::Closed));
    assert_eq!(log.append(&entry(2, "b"), Position::START).await, Err(AppendError::Closed));
    assert_eq!(log.read(Scope::All, Position::START).count().await, 1);
    assert!(store.alarms().borrow().drift.as_deref().is_some_and(|drift| drift.contains("sealed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_no_log_is_refused_and_left_as_it_is() {
    let memory = |mut settings: Value| {
        settings["storage"] = "memory".into();
        settings
    };
    let foreign = |mut settings: Value| {
        settings["metadata"] = json!({"owner": "somebody"});
        settings
    };
    for (settings, why) in [(memory(by_hand(LOG)), "memory only"), (foreign(by_hand(LOG)), "names none")] {
        let url = Nats::shared().account();
        assert_eq!(refused(&url).await, JetStreamError::Missing);
        let administrator = Administrator::connect(&url).await;
        administrator.make(settings).await;
        administrator.put(1, "x").await;
        let before = administrator.info().await;
        let error = refused(&url).await;
        assert!(matches!(&error, JetStreamError::NotALog(what) if what.contains(why)), "{error}");
        let created = JetStreamStore::create(&config(&url), LOG, 1).await.err();
        assert_eq!(created, Some(JetStreamError::AlreadyExists));
        let after = administrator.info().await;
        assert_eq!((&before["config"], &before["state"]), (&after["config"], &after["state"]));
    }
}

#[test]
fn a_server_that_loses_what_it_has_acknowledged_is_too_old() {
    for old in ["2.9.10", "2.14.5", "2.15.0", "1.99.99", "2.15.0-RC.2", "", "latest", "2.15", "2.15.x"] {
        assert!(!is_recent(old), "{old}");
    }
    for recent in ["2.15.1", "2.15.1-binary", "2.15.10", "2.16.0", "3.0.0", "v2.15.1", "2.15.1+build"] {
        assert!(is_recent(recent), "{recent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_somebody_deletes_is_done_without_until_it_is_back() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let writer = made(&config(&url), 1).await;
    writer.make_consumers(&["projection-1".to_owned()]).await.expect("made");
    let mut reader = config(&url);
    reader.consumer = Some("projection-1".to_owned());
    let store = Arc::new(JetStreamStore::open(&reader).await.expect("a log"));
    let log = log_over(&store);
    let mut last = append(&(Arc::clone(&writer) as _), &entry(1, "a"), Position::START).await;
    assert_eq!(followed(&log, Position::START, 1).await.0[0].position, last);
    assert_eq!(store.alarms().borrow().consumer, None);

    administrator.api("CONSUMER.DELETE.POSTKEY.projection-1", &json!({})).await;
    let follows = tokio::spawn({
        let log = Arc::clone(&log);
        async move { followed(&log, position(1), 3).await.0 }
    });
    let alarm = within(10, async || store.alarms().borrow().consumer.clone()).await;
    assert!(alarm.contains("projection-1"), "{alarm}");
    for text in ["b", "c", "d"] {
        last = append(&(Arc::clone(&writer) as _), &entry(1, text), last).await;
    }
    let polled = follows.await.expect("no panic");
    assert!(polled.iter().map(|stored| stored.position.get()).eq(2..=4));

    // Nobody needs to begin anew for it to be used again.
    let (heard, appended) = tokio::join!(followed(&log, last, 1), async {
        writer.make_consumers(&["projection-1".to_owned()]).await.expect("made");
        within(30, async || store.alarms().borrow().consumer.is_none().then_some(())).await;
        append(&(Arc::clone(&writer) as _), &entry(1, "e"), last).await
    });
    assert_eq!(heard.0[0].position, appended);
}

/// It takes pulls and says that it is there, and would bring nothing for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_somebody_pauses_is_done_without_until_it_is_let_go_on() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let writer = made(&config(&url), 1).await;
    writer.make_consumers(&["projection-1".to_owned()]).await.expect("made");
    let mut reader = config(&url);
    reader.consumer = Some("projection-1".to_owned());
    let store = Arc::new(JetStreamStore::open(&reader).await.expect("a log"));
    let log = log_over(&store);
    let append_one = async |text: &str, last| append(&(Arc::clone(&writer) as _), &entry(1, text), last).await;
    let pause = async |until: &str| {
        let answer = administrator.api("CONSUMER.PAUSE.POSTKEY.projection-1", &json!({"pause_until": until})).await;
        assert!(answer["error"].is_null(), "{answer}");
    };
    let mut last = append_one("a", Position::START).await;
    let mut entries = log.follow(Position::START);
    assert_eq!(entries.next().await.expect("an entry").expect("an entry").position, last);
    pause("2999-01-01T00:00:00Z").await;
    for text in ["b", "c"] {
        last = append_one(text, last).await;
        let next = tokio::time::timeout(Duration::from_secs(10), entries.next()).await.expect("it is not silent");
        assert_eq!(next.expect("no end").expect("no doubt").position, last);
        let alarm = store.alarms().borrow().consumer.clone().expect("an alarm");
        assert!(alarm.contains("projection-1 was paused"), "{alarm}");
    }
    // One that is paused before it is begun.
    assert_eq!(followed(&log, Position::START, 3).await.0.len(), 3);

    pause("2000-01-01T00:00:00Z").await;
    let (next, appended) = tokio::join!(entries.next(), async {
        within(30, async || store.alarms().borrow().consumer.is_none().then_some(())).await;
        append_one("d", last).await
    });
    assert_eq!(next.expect("no end").expect("no doubt").position, appended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_of_a_followers_own_that_somebody_deletes_is_made_anew_within_two_seconds() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let store = made(&config(&url), 1).await;
    let (log, reader) = (log_over(&store), log_over(&store));
    let mut entries = reader.follow(Position::START);
    let mut last = log.append(&entry(1, "first"), Position::START).await.expect("appended");
    assert_eq!(next(&reader, &mut entries, Position::START).await, last);
    for round in 0..5 {
        let names = administrator.consumers().await;
        assert!(!names.is_empty(), "it is followed by a consumer");
        for name in names {
            administrator.delete_consumer(&name).await;
        }
        let fault = Instant::now();
        let appended = log.append(&entry(1, format!("{round}")), last).await.expect("appended");
        assert_eq!(next(&reader, &mut entries, last).await, appended);
        assert!(fault.elapsed() < NOTICED, "round {round}: {:?}", fault.elapsed());
        last = appended;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_that_share_a_consumer_disturb_each_other_and_miss_nothing() {
    let url = Nats::shared().account();
    let writer = made(&config(&url), 1).await;
    writer.make_consumers(&["projection-1".to_owned()]).await.expect("made");
    let mut reader = config(&url);
    reader.consumer = Some("projection-1".to_owned());
    let mut followers = Vec::new();
    for _ in 0..2 {
        let log = log_over(&Arc::new(JetStreamStore::open(&reader).await.expect("a log")));
        followers.push(tokio::spawn(async move { followed(&log, Position::START, 200).await }));
    }
    let mut last = Position::START;
    for number in 0..200 {
        last = append(&(Arc::clone(&writer) as _), &entry(1, format!("{number}")), last).await;
    }
    let whole = all(&(writer as _), Scope::All, Position::START).await;
    for follower in followers {
        let (found, _) = follower.await.expect("no panic");
        assert!(found == whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pulls_of_a_follower_that_went_away_take_nothing_from_the_next() {
    let url = Nats::shared().account();
    let writer = made(&config(&url), 1).await;
    writer.make_consumers(&["projection-1".to_owned()]).await.expect("made");
    let mut reader = config(&url);
    reader.consumer = Some("projection-1".to_owned());
    let mut last = append(&(Arc::clone(&writer) as _), &entry(1, "x"), Position::START).await;
    for number in 0..20 {
        let log = log_over(&Arc::new(JetStreamStore::open(&reader).await.expect("a log")));
        assert_eq!(followed(&log, position(last.get() - 1), 1).await.0[0].position, last);
        let mut entries = log.follow(last);
        assert!(futures::poll!(entries.next()).is_pending());
        last = append(&(Arc::clone(&writer) as _), &entry(1, format!("{number}")), last).await;
        loop {
            match entries.next().await.expect("no end but by an error") {
                Ok(stored) => break assert_eq!(stored.position, last),
                Err(ReadError::Unavailable(_)) => entries = log.follow(position(last.get() - 1)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_that_stops_leaves_no_consumer_behind() {
    let url = Nats::shared().account();
    let administrator = Administrator::connect(&url).await;
    let store = made(&config(&url), 1).await;
    let log: Arc<dyn LogStore> = Arc::clone(&store) as _;
    append(&log, &entry(1, "a"), Position::START).await;
    for _ in 0..10 {
        store.follow(Position::START).next().await.expect("one").expect("sound");
        assert!(futures::poll!(store.follow(Position::START).next()).is_pending());
    }
    within(10, async || (administrator.info().await["state"]["consumer_count"] == 0).then_some(())).await;
}
