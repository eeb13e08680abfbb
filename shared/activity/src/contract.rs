//! What every [`ActivityStore`](crate::ActivityStore) must do, as tests call it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ServiceId, UserId};
use uuid::Uuid;

use crate::{Activity, ActivityStore, Bounds, Filter, Kept, Kind, LOOKED_AT, Page, Record};

/// Seconds after some instant of our days.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_521_784 + seconds, 123_456_000).unwrap_or_default()
}

/// A record of this second and kind, about this service and user, told apart by its request.
pub fn record(seconds: i64, kind: Kind, service: Option<u128>, user: Option<u128>) -> Record {
    let activity = Activity {
        kind,
        what: "EditUser",
        code: "weak_password",
        rules: vec!["too_short", "missing_digit"],
        service: service.map(|id| ServiceId::new(Uuid::from_u128(id))),
        user: user.map(|id| UserId::new(Uuid::from_u128(id))),
        client: "panel".to_owned(),
        actor: service.map(|_| "person-7".to_owned()),
        origin: user.and_then(|_| "2001:db8::7".parse().ok()),
        request: format!("request-{seconds}"),
    };
    Record { at: at(seconds), lost: 0, activity }
}

fn is_kept(kept: &Kept, record: &Record) -> bool {
    let Record { at, lost, activity } = record;
    (kept.at, kept.lost, kept.kind) == (*at, *lost, activity.kind)
        && (kept.what.as_str(), kept.code.as_str()) == (activity.what, activity.code)
        && kept.rules == activity.rules
        && (kept.service, kept.user, kept.origin) == (activity.service, activity.user, activity.origin)
        && (&kept.client, &kept.actor, &kept.request) == (&activity.client, &activity.actor, &activity.request)
}

fn seconds(page: &Page) -> Vec<i64> {
    page.records.iter().map(|record| (record.at - at(0)).num_seconds()).collect()
}

/// Holds an empty store to the contract; `other` is the same store as another process sees it.
///
/// # Panics
/// Where the store breaks it.
pub async fn all(store: &dyn ActivityStore, other: &dyn ActivityStore) {
    records_come_back_in_the_order_in_which_they_were_stored(store, other).await;
    a_filter_takes_what_it_says(store).await;
    many_processes_write_and_no_walk_misses_any(store, other).await;
    a_look_ends_and_goes_on(store).await;
    what_is_beyond_the_bounds_is_removed_in_steps(store, other).await;
}

async fn page(store: &dyn ActivityStore, filter: &Filter, after: u64, limit: u32) -> Page {
    store.page(filter, after, limit).await.expect("reachable")
}

async fn records_come_back_in_the_order_in_which_they_were_stored(
    store: &dyn ActivityStore,
    other: &dyn ActivityStore,
) {
    let everything = Filter::default();
    let nothing = page(other, &everything, 0, 10).await;
    assert!(nothing.records.is_empty() && nothing.next.is_none());
    store.append(&[]).await.expect("reachable");
    let mut first = record(0, Kind::Refused, Some(1), Some(2));
    first.lost = 7;
    let bare = Activity { rules: Vec::new(), ..record(2, Kind::SignIn, None, None).activity };
    let records = [first, record(1, Kind::AuditRead, Some(1), None), Record { at: at(2), lost: 0, activity: bare }];
    store.append(&records[..1]).await.expect("reachable");
    other.append(&records[1..]).await.expect("reachable");
    let read = page(store, &everything, 0, 10).await;
    assert_eq!((read.records.len(), read.next), (3, None));
    assert!(read.records.iter().zip(&records).all(|(kept, record)| is_kept(kept, record)), "{read:?}");
    assert!(read.records.is_sorted_by_key(|record| record.id) && read.records[0].id >= 1);

    // Page by page, and nothing behind the last.
    let one = page(other, &everything, 0, 2).await;
    assert_eq!((seconds(&one), one.next), (vec![0, 1], Some(read.records[1].id)));
    let two = page(store, &everything, one.next.unwrap_or_default(), 2).await;
    assert_eq!((seconds(&two), two.next), (vec![2], None));
    assert!(page(store, &everything, u64::MAX, 2).await.records.is_empty());
}

async fn a_filter_takes_what_it_says(store: &dyn ActivityStore) {
    let (service, user) = (ServiceId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
    let none = ServiceId::new(Uuid::from_u128(9));
    let (all, actor) = (Filter::default, || Some("person-7".to_owned()));
    for (filter, expected) in [
        (Filter { service: Some(service), ..all() }, &[0, 1][..]),
        (Filter { service: Some(none), ..all() }, &[]),
        (Filter { user: Some(user), ..all() }, &[0]),
        (Filter { user: Some(user), service: Some(none), ..all() }, &[]),
        (Filter { kind: Some(Kind::SignIn), ..all() }, &[2]),
        (Filter { kind: Some(Kind::SignIn), user: Some(user), ..all() }, &[]),
        (Filter { actor: actor(), ..all() }, &[0, 1]),
        (Filter { actor: actor(), kind: Some(Kind::AuditRead), ..all() }, &[1]),
        (Filter { actor: Some("person".to_owned()), ..all() }, &[]),
        (Filter { from: Some(at(1)), ..all() }, &[1, 2]),
        (Filter { to: Some(at(1)), ..all() }, &[0]),
        (Filter { from: Some(at(1)), to: Some(at(2)), ..all() }, &[1]),
        (Filter { from: Some(at(1)), service: Some(service), ..all() }, &[1]),
        (Filter { from: Some(at(9)), ..all() }, &[]),
    ] {
        let found = page(store, &filter, 0, 10).await;
        assert_eq!((seconds(&found).as_slice(), found.next), (expected, None));
    }
}

/// A walk that goes on while both write comes once upon each record, in the order of each process.
async fn many_processes_write_and_no_walk_misses_any(store: &dyn ActivityStore, other: &dyn ActivityStore) {
    let sign_ins = Filter { service: Some(ServiceId::new(Uuid::from_u128(50))), ..Filter::default() };
    let write = async |store: &dyn ActivityStore, from: i64| {
        for batch in 0..20 {
            let batch: Vec<_> = (0..5).map(|n| record(from + batch * 5 + n, Kind::SignIn, Some(50), None)).collect();
            store.append(&batch).await.expect("reachable");
        }
    };
    let walk = async {
        let (mut seen, mut after) = (Vec::new(), 0);
        while seen.len() < 200 {
            let found = page(store, &sign_ins, after, 7).await;
            after = found.records.last().map_or(after, |last| last.id);
            seen.extend(seconds(&found));
        }
        seen
    };
    let ((), (), seen) = tokio::join!(write(store, 1_000), write(other, 2_000), walk);
    for from in [1_000, 2_000] {
        let own: Vec<_> = seen.iter().copied().filter(|second| (from..from + 1_000).contains(second)).collect();
        assert_eq!(own, (from..from + 100).collect::<Vec<_>>());
    }
}

/// A rare record behind many others costs pages, of which each has an end.
async fn a_look_ends_and_goes_on(store: &dyn ActivityStore) {
    let many: Vec<_> = (0..i64::from(LOOKED_AT)).map(|n| record(10_000 + n, Kind::SignIn, Some(60), None)).collect();
    store.append(&many).await.expect("reachable");
    store.append(&[record(90_000, Kind::Refused, Some(60), Some(61))]).await.expect("reachable");
    let refused = || Filter { actor: Some("person-7".to_owned()), from: Some(at(10_000)), ..Filter::default() };
    let rare = Filter { kind: Some(Kind::Refused), service: Some(ServiceId::new(Uuid::from_u128(60))), ..refused() };
    let first = page(store, &rare, 0, 10).await;
    assert!(first.records.is_empty() && first.next.is_some(), "{first:?}");
    let second = page(store, &rare, first.next.unwrap_or_default(), 10).await;
    assert_eq!((seconds(&second), second.next), (vec![90_000], None));
    // What an index finds is found at once.
    let user = Filter { user: Some(UserId::new(Uuid::from_u128(61))), ..refused() };
    assert_eq!(seconds(&page(store, &user, 0, 10).await), [90_000]);
}

async fn what_is_beyond_the_bounds_is_removed_in_steps(store: &dyn ActivityStore, other: &dyn ActivityStore) {
    let prune = async |store: &dyn ActivityStore, bounds, step| store.prune(bounds, step).await.expect("reachable");
    let everything = Bounds { since: at(-1), most: u64::MAX };
    assert_eq!(prune(store, everything, 1_000).await, 0, "all of it is young, and few enough");

    // By age: whatever was recorded before, of whichever kind, the oldest first.
    let young = Bounds { since: at(2), ..everything };
    assert_eq!(prune(other, young, 1).await, 1);
    let left = page(store, &Filter { to: Some(at(10)), ..Filter::default() }, 0, 10).await;
    assert_eq!(seconds(&left), [1, 2]);
    assert_eq!((prune(store, young, 10).await, prune(store, young, 10).await), (1, 0));

    // By number, of each kind by itself: a flood of sign-ins pushes out no refusal.
    let few = Bounds { since: at(-1), most: 3 };
    let mut removed = 0;
    loop {
        match prune(store, few, 4_000).await {
            0 => break,
            some => removed += some,
        }
        assert!(removed <= 20_000, "it ends");
    }
    assert_eq!(removed, 1 + 200 + u64::from(LOOKED_AT) - 3);
    let left = page(other, &Filter::default(), 0, 10).await;
    let newest: Vec<_> = (0..3).map(|n| 10_000 + i64::from(LOOKED_AT) - 3 + n).chain([90_000]).collect();
    assert_eq!((seconds(&left), left.next), (newest, None));

    // Places go on behind those that are gone.
    let last = left.records.last().map_or(0, |record| record.id);
    let soon = Bounds { since: at(90_000) + TimeDelta::seconds(1), most: 1 };
    assert_eq!(prune(store, soon, 1_000).await, 4);
    store.append(&[record(91_000, Kind::AuditRead, None, None)]).await.expect("reachable");
    let next = page(other, &Filter::default(), last, 10).await;
    assert_eq!(seconds(&next), [91_000]);
}
