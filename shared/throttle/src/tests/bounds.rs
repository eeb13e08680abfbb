//! What floods can and can't do to the tables.

use super::Ended::{Judged, Throttled};
use super::*;

fn small() -> Limits {
    Limits { quiet: some(100), throttled: some(20), owners: some(50), owner_origins: some(3), ..Limits::default() }
}

/// Fails five times, from origins that nobody else uses.
fn throttle(stage: &Stage, account: &str, from: u32) {
    for n in 0..5 {
        assert_eq!(stage.wrong(account, origin(from + n)), Judged);
    }
}

#[test]
fn a_hundred_thousand_unknown_addresses_take_bounded_room_and_push_out_nobody_who_is_throttled() {
    let stage = Stage::new();
    throttle(&stage, "ann", 1);
    for n in 0..100_000 {
        assert_eq!(stage.wrong(&format!("nobody{n}"), None), Judged);
    }
    assert_eq!(stage.throttle.entries(), Entries { accounts: 65_537, origins: 5, owners: 0 });
    assert_eq!(stage.wrong("ann", None), Throttled(1));
}

#[test]
fn from_one_origin_they_make_five_entries() {
    let stage = Stage::new();
    let judged = (0..100_000).filter(|n| stage.wrong(&format!("nobody{n}"), origin(1)) == Judged).count();
    assert_eq!(judged, 5);
    assert_eq!(stage.throttle.entries(), Entries { accounts: 5, origins: 1, owners: 0 });
}

#[test]
fn a_hundred_thousand_origins_take_bounded_room_and_push_out_none_that_is_throttled() {
    let stage = Stage::new();
    for account in ["a", "b", "c", "d", "e"] {
        assert_eq!(stage.wrong(account, origin(1)), Judged);
    }
    for n in 0..100_000 {
        assert_eq!(stage.wrong(&format!("nobody{n}"), origin(1_000 + n)), Judged);
    }
    assert_eq!(stage.throttle.entries(), Entries { accounts: 65_536, origins: 65_537, owners: 0 });
    assert_eq!(stage.wrong("f", origin(1)), Throttled(1));
}

#[test]
fn an_ipv6_network_is_one_origin_however_many_addresses_it_has() {
    let stage = Stage::new();
    let address = |n: u64| Some(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, (n >> 32) as u16, (n >> 16) as u16, n as u16]));
    let judged = (0..1_000).filter(|n| stage.wrong(&format!("nobody{n}"), address(*n)) == Judged).count();
    assert_eq!((judged, stage.throttle.entries().origins), (5, 1));
}

#[test]
fn attempts_that_are_never_judged_push_out_nothing() {
    let stage = Stage::with(small());
    for n in 0..100 {
        assert_eq!(stage.wrong(&format!("user{n}"), None), Judged);
    }
    let under_way: Vec<_> = (0..1_000).map(|n| stage.begin(&format!("nobody{n}"), None).unwrap()).collect();
    drop(under_way);
    for n in 0..100 {
        let user = format!("user{n}");
        let at_once: Vec<_> = std::iter::from_fn(|| stage.begin(&user, None).ok()).collect();
        assert_eq!(at_once.len(), 4, "{user} has its failure still");
    }
}

#[test]
fn what_failed_longest_ago_goes_first() {
    let mut stage = Stage::with(small());
    for n in 0..21 {
        throttle(&stage, &format!("user{n}"), 100 * n);
        stage.passes(Duration::from_millis(1));
    }
    assert_eq!(stage.wrong("user1", None), Throttled(1));
    assert_eq!(stage.wrong("user0", None), Judged, "the first of 21 in 20 places");
    assert_eq!(stage.throttle.entries().accounts, 21);
}

#[test]
fn what_a_flood_leaves_goes_away_once_it_is_forgotten() {
    let mut stage = Stage::with(small());
    for n in 0..100 {
        assert_eq!(stage.wrong(&format!("nobody{n}"), None), Judged);
    }
    stage.passes(Duration::from_secs(3_600));
    for n in 0..60 {
        assert_eq!(stage.wrong(&format!("user{n}"), None), Judged);
    }
    assert_eq!(stage.throttle.entries().accounts, 60);
}

#[test]
fn one_with_a_network_of_addresses_pushes_out_his_own_origins_only() {
    let stage = Stage::with(small());
    stage.throttle.good("ann", origin(1), stage.now);
    for n in 0..1_000 {
        stage.throttle.good("mallory", origin(1_000 + n), stage.now);
    }
    assert_eq!(stage.throttle.entries().owners, 2);
    throttle(&stage, "ann", 10_000);
    throttle(&stage, "mallory", 20_000);
    assert_eq!(stage.right("ann", origin(1)), Judged);
    for (n, expected) in [(999, Judged), (998, Judged), (997, Judged), (996, Throttled(1))] {
        assert_eq!(stage.right("mallory", origin(1_000 + n)), expected, "{n}");
    }
}

#[test]
fn an_owner_whose_origin_went_while_the_attempt_was_judged_fails_as_a_stranger() {
    let stage = Stage::with(small());
    stage.throttle.good("ann", origin(1), stage.now);
    let judged = stage.begin("ann", origin(1)).unwrap();
    for n in 2..5 {
        stage.throttle.good("ann", origin(n), stage.now);
    }
    judged.wrong(stage.now);
    assert_eq!(stage.throttle.entries(), Entries { accounts: 1, origins: 1, owners: 1 });
}
