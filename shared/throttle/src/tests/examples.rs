//! The rules by example.

use super::Ended::{Judged, Pending, Throttled};
use super::*;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn five_failures_are_free_and_then_each_has_to_wait_twice_as_long() {
    let mut stage = Stage::new();
    for _ in 0..5 {
        assert_eq!(stage.wrong("ann", None), Judged);
    }
    for delay in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        assert_eq!(stage.wrong("ann", None), Throttled(delay));
        stage.passes(seconds(delay) - Duration::from_millis(1));
        assert_eq!(stage.right("ann", None), Throttled(1), "nor the right one");
        stage.passes(Duration::from_millis(1));
        assert_eq!(stage.wrong("ann", None), Judged);
    }
}

#[test]
fn an_hour_without_failures_is_forgotten_and_less_is_not() {
    for (pause, after) in [(60 * 60, Judged), (60 * 60 - 1, Throttled(60))] {
        let mut stage = Stage::new();
        for delay in [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32] {
            stage.passes(seconds(delay));
            assert_eq!(stage.wrong("ann", None), Judged);
        }
        stage.passes(seconds(pause));
        assert_eq!(stage.wrong("ann", None), Judged);
        assert_eq!(stage.wrong("ann", None), after, "after {pause} s");
    }
}

#[test]
fn attempts_that_are_refused_do_not_count() {
    let mut stage = Stage::new();
    for _ in 0..5 {
        assert_eq!(stage.wrong("ann", None), Judged);
    }
    for _ in 0..1_000 {
        assert_eq!(stage.wrong("ann", None), Throttled(1));
    }
    stage.passes(seconds(1));
    assert_eq!(stage.wrong("ann", None), Judged);
}

#[test]
fn one_account_is_throttled_from_everywhere_and_one_origin_at_every_account() {
    let stage = Stage::new();
    for n in 0..5 {
        assert_eq!(stage.wrong("ann", origin(n)), Judged);
    }
    assert_eq!(stage.wrong("ann", origin(5)), Throttled(1));
    assert_eq!(stage.wrong("ann", None), Throttled(1));
    assert_eq!(stage.wrong("bob", origin(5)), Judged, "what was refused is charged to nobody");

    let stage = Stage::new();
    for account in ["a", "b", "c", "d", "e"] {
        assert_eq!(stage.wrong(account, origin(1)), Judged);
    }
    assert_eq!(stage.wrong("f", origin(1)), Throttled(1));
    assert_eq!(stage.wrong("f", origin(2)), Judged);
    assert_eq!(stage.wrong("f", None), Judged, "without an origin there is none to throttle");
}

#[test]
fn the_longer_of_two_delays_is_told() {
    let mut stage = Stage::new();
    for delay in [0, 0, 0, 0, 0, 1, 2] {
        stage.passes(seconds(delay));
        assert_eq!(stage.wrong("ann", None), Judged);
    }
    for account in ["a", "b", "c", "d", "e"] {
        assert_eq!(stage.wrong(account, origin(1)), Judged);
    }
    let refused = stage.throttle.attempt("ann", origin(1), stage.now).err().unwrap();
    assert_eq!((refused.seconds(), refused.pending), (4, false));
}

#[test]
fn an_owner_signs_in_while_a_botnet_is_at_the_account() {
    let mut stage = Stage::new();
    assert_eq!(stage.right("ann", origin(1)), Judged);
    for n in 100..10_100 {
        stage.wrong("ann", origin(n));
        stage.passes(Duration::from_millis(100));
    }
    assert!(matches!(stage.right("ann", origin(2)), Throttled(_)), "from where nobody signed in before");
    assert_eq!(stage.right("ann", origin(1)), Judged);
    for _ in 0..5 {
        assert_eq!(stage.wrong("ann", origin(1)), Judged, "the owner may mistype too");
    }
    assert_eq!(stage.right("ann", origin(1)), Throttled(1), "in a budget of its own");
}

#[test]
fn an_owners_failures_count_nowhere_else() {
    let stage = Stage::new();
    assert_eq!(stage.right("ann", origin(1)), Judged);
    for _ in 0..5 {
        assert_eq!(stage.wrong("ann", origin(1)), Judged);
    }
    assert_eq!(stage.wrong("ann", origin(1)), Throttled(1));
    assert_eq!(stage.wrong("ann", origin(2)), Judged);
    assert_eq!(stage.wrong("bob", origin(1)), Judged);
}

#[test]
fn an_origin_is_the_owners_for_thirty_days_after_the_last_good_login_whichever_way_it_was_known() {
    let day = seconds(24 * 60 * 60);
    let mut stage = Stage::new();
    assert_eq!(stage.right("ann", origin(1)), Judged);
    stage.passes(20 * day);
    stage.throttle.good("ann", origin(1), stage.now);
    stage.throttle.good("ann", None, stage.now);
    stage.passes(29 * day);
    for n in 100..105 {
        assert_eq!(stage.wrong("ann", origin(n)), Judged);
    }
    assert_eq!(stage.throttle.attempt("ann", origin(1), stage.now).err(), None);
    stage.passes(day);
    for n in 100..105 {
        assert_eq!(stage.wrong("ann", origin(n)), Judged);
    }
    assert_eq!(stage.right("ann", origin(1)), Throttled(1));
}

#[test]
fn a_good_login_clears_nobodys_count() {
    let mut stage = Stage::new();
    for account in ["a", "b", "c", "d"] {
        assert_eq!(stage.wrong(account, origin(1)), Judged);
    }
    for _ in 0..100 {
        assert_eq!(stage.right("mine", origin(1)), Judged);
    }
    assert_eq!(stage.wrong("e", origin(1)), Judged);
    assert_eq!(stage.wrong("f", origin(1)), Throttled(1));
    assert_eq!(stage.right("mine", origin(1)), Judged, "whose origin it is all the same");

    for n in 2..6 {
        assert_eq!(stage.wrong("ann", origin(n)), Judged);
    }
    stage.passes(seconds(1));
    assert_eq!(stage.right("ann", origin(1)), Judged);
    assert_eq!(stage.wrong("ann", origin(7)), Judged);
    assert_eq!(stage.wrong("ann", origin(8)), Throttled(1));
}

#[test]
fn of_a_thousand_at_once_five_are_judged() {
    let stage = Stage::new();
    let begun: Vec<_> = (0..1_000).map(|n| stage.begin("ann", origin(n))).collect();
    assert!(begun[..5].iter().all(Result::is_ok));
    let pending = crate::Throttled { retry_after: seconds(1), pending: true };
    assert!(begun[5..].iter().all(|refused| refused.as_ref().err() == Some(&pending)));
    for attempt in begun.into_iter().flatten() {
        attempt.wrong(stage.now);
    }
    assert_eq!(stage.wrong("ann", origin(2_000)), Throttled(1));
}

#[test]
fn once_the_free_failures_are_used_up_one_is_judged_at_a_time() {
    let mut stage = Stage::new();
    for _ in 0..5 {
        assert_eq!(stage.wrong("ann", None), Judged);
    }
    stage.passes(seconds(1));
    let judged = stage.begin("ann", None).unwrap();
    assert_eq!(stage.wrong("ann", None), Pending);
    judged.wrong(stage.now);
    assert_eq!(stage.wrong("ann", None), Throttled(2));
}

#[test]
fn what_was_never_judged_is_taken_back() {
    let stage = Stage::new();
    for _ in 0..100 {
        drop(stage.begin("ann", origin(1)).unwrap());
    }
    for _ in 0..100 {
        stage.begin("ann", origin(1)).unwrap().right(stage.now);
    }
    assert_eq!(stage.throttle.entries(), Entries { accounts: 0, origins: 0, owners: 1 });
}

#[test]
fn colleagues_who_sign_in_at_the_same_moment_wait_for_each_other_and_not_for_a_delay() {
    let stage = Stage::new();
    let mut judged: Vec<_> = (0..5).map(|n| stage.begin(&format!("user{n}"), origin(1)).unwrap()).collect();
    assert_eq!(stage.right("user5", origin(1)), Pending);
    judged.pop().unwrap().right(stage.now);
    assert_eq!(stage.right("user5", origin(1)), Judged);
}

#[test]
fn the_look_at_an_origin_charges_nothing_and_leaves_those_under_way_to_the_attempt() {
    let stage = Stage::new();
    for _ in 0..1_000 {
        assert_eq!(stage.throttle.origin("ann", origin(1), stage.now), Ok(false));
    }
    let under_way: Vec<_> = (0..5).map(|n| stage.begin(&format!("user{n}"), origin(1)).unwrap()).collect();
    assert_eq!(stage.throttle.origin("ann", origin(1), stage.now), Ok(false));
    under_way.into_iter().for_each(|attempt| attempt.wrong(stage.now));
    assert_eq!(stage.throttle.origin("ann", origin(1), stage.now).err().map(|refused| refused.seconds()), Some(1));
    assert_eq!(stage.throttle.origin("ann", None, stage.now), Ok(false));
}

#[test]
fn the_look_at_an_origin_says_whether_it_is_the_owners_which_passes_whatever_others_do_there() {
    let mut stage = Stage::new();
    assert_eq!(stage.right("ann", origin(1)), Judged);
    for n in 0..5 {
        assert_eq!(stage.wrong(&format!("user{n}"), origin(1)), Judged);
    }
    assert_eq!(stage.throttle.origin("ann", origin(1), stage.now), Ok(true));
    assert!(stage.throttle.origin("bob", origin(1), stage.now).is_err());
    assert_eq!(stage.throttle.origin("ann", origin(2), stage.now), Ok(false));
    stage.passes(Limits::default().owner_for);
    assert_eq!(stage.throttle.origin("ann", origin(1), stage.now), Ok(false), "that was too long ago");
}

#[test]
fn nothing_personal_is_printed() {
    let stage = Stage::new();
    assert_eq!(stage.wrong("ann@acme.example", origin(1)), Judged);
    let printed = format!("{:?}", stage.throttle);
    assert_eq!(printed, "Throttle { entries: Entries { accounts: 1, origins: 1, owners: 0 }, .. }");
}

#[test]
fn a_look_charges_nothing_and_says_what_an_attempt_would_hear() {
    let stage = Stage::new();
    for _ in 0..5 {
        assert_eq!(stage.throttle.look("ann", origin(1), stage.now), Ok(()));
        stage.wrong("ann", origin(1));
    }
    let refused = |origin| stage.throttle.look("ann", origin, stage.now).err().map(|refused| refused.seconds());
    assert_eq!((refused(origin(1)), refused(origin(2)), refused(None)), (Some(1), Some(1), Some(1)));
    assert_eq!(stage.throttle.look("bob", origin(2), stage.now), Ok(()));
    assert_eq!(stage.throttle.look("bob", None, stage.now), Ok(()), "without an origin nobody is behind it");
}
