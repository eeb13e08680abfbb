//! What holds for whatever people do.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Right,
    Wrong,
    Never,
}

/// An attempt: milliseconds after the last one, at an account, from an origin, and what it will be found to be.
#[derive(Clone, Debug)]
struct Act {
    after: u64,
    account: u8,
    origin: Option<u8>,
    verdict: Verdict,
}

impl Act {
    fn account(&self) -> String {
        format!("user{}", self.account)
    }

    fn origin(&self) -> Option<IpAddr> {
        self.origin.and_then(|n| origin(n.into()))
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let after = prop_oneof![Just(0), 0..1_500u64, 0..90_000u64, Just(3_600_000)];
    let verdict = prop_oneof![1 => Just(Verdict::Right), 4 => Just(Verdict::Wrong), 1 => Just(Verdict::Never)];
    let act = (after, 0..3u8, prop::option::of(0..3u8), verdict).prop_map(|(after, account, origin, verdict)| Act {
        after,
        account,
        origin,
        verdict,
    });
    prop::collection::vec(act, 0..120)
}

impl Stage {
    fn act(&mut self, act: &Act) -> Ended {
        self.passes(Duration::from_millis(act.after));
        self.judged(&act.account(), act.origin(), |attempt| match act.verdict {
            Verdict::Right => attempt.right(self.now),
            Verdict::Wrong => attempt.wrong(self.now),
            Verdict::Never => drop(attempt),
        })
    }
}

/// The rules once more, as plainly as they can be said: by the whole history, without bounds.
#[derive(Default)]
struct History {
    failures: HashMap<(Option<u8>, Option<u8>), Vec<Duration>>,
    owners: Vec<(u8, u8)>,
}

impl History {
    fn budgets(&self, act: &Act) -> Vec<(Option<u8>, Option<u8>)> {
        match act.origin {
            Some(origin) if self.owners.contains(&(act.account, origin)) => vec![(Some(act.account), Some(origin))],
            Some(origin) => vec![(Some(act.account), None), (None, Some(origin))],
            None => vec![(Some(act.account), None)],
        }
    }

    /// How long after `now` the budget lets the next attempt pass.
    fn wait(&self, budget: &(Option<u8>, Option<u8>), now: Duration) -> Duration {
        let failures = self.failures.get(budget).map_or(&[][..], Vec::as_slice);
        let hour = Duration::from_secs(3_600);
        let (mut streak, mut last) = (0, None::<Duration>);
        for &at in failures {
            streak = if last.is_some_and(|last| at - last < hour) { streak + 1 } else { 1 };
            last = Some(at);
        }
        match last {
            Some(last) if now - last < hour && streak >= 5 => {
                let delay = Duration::from_secs((1u64 << (streak - 5).min(10)).min(60));
                (last + delay).saturating_sub(now)
            }
            _ => Duration::ZERO,
        }
    }

    fn act(&mut self, act: &Act, now: Duration) -> Ended {
        let budgets = self.budgets(act);
        let wait = budgets.iter().map(|budget| self.wait(budget, now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Ended::Throttled(wait.as_millis().div_ceil(1_000).try_into().unwrap());
        }
        match (act.verdict, act.origin) {
            (Verdict::Right, Some(origin)) => self.owners.push((act.account, origin)),
            (Verdict::Wrong, _) => {
                for budget in budgets {
                    self.failures.entry(budget).or_default().push(now);
                }
            }
            (Verdict::Right, None) | (Verdict::Never, _) => {}
        }
        Ended::Judged
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_judges_as_the_whole_history_says(acts in acts()) {
        let (mut stage, mut history) = (Stage::new(), History::default());
        let begun = stage.now;
        for act in &acts {
            let ended = stage.act(act);
            // Origin first, then both: where both refuse, the first look tells the origin's delay alone.
            let expected = history.act(act, stage.now - begun);
            match (ended, expected) {
                (Ended::Throttled(told), Ended::Throttled(both)) => prop_assert!(told <= both),
                (ended, expected) => prop_assert_eq!(ended, expected, "{:?}", act),
            }
        }
    }

    #[test]
    fn nobody_elsewhere_can_refuse_an_owner_who_knows_the_password(acts in acts()) {
        let mut stage = Stage::new();
        let (home, owner) = (origin(200), "user0");
        stage.throttle.good(owner, home, stage.now);
        for act in &acts {
            stage.act(act);
            prop_assert_eq!(stage.right(owner, home), Ended::Judged);
        }
    }

    #[test]
    fn what_was_never_judged_leaves_no_trace(acts in acts()) {
        let (mut with, mut without) = (Stage::new(), Stage::new());
        without.now = with.now;
        for act in &acts {
            let ended = with.act(act);
            if matches!(act.verdict, Verdict::Never) {
                without.passes(Duration::from_millis(act.after));
            } else {
                prop_assert_eq!(ended, without.act(act));
            }
        }
        prop_assert_eq!(with.throttle.entries(), without.throttle.entries());
    }

    #[test]
    fn a_good_login_shortens_nobodys_wait(acts in acts(), account in 0..3u8) {
        let (mut with, mut without) = (Stage::new(), Stage::new());
        without.now = with.now;
        let mine = origin(9);
        for act in acts.iter().filter(|act| !matches!(act.verdict, Verdict::Right)) {
            // From an origin that guesses at nobody, at an account that is guessed at.
            with.throttle.good(&format!("user{account}"), mine, with.now);
            prop_assert_eq!(with.act(act), without.act(act));
        }
    }

    #[test]
    fn of_those_at_once_no_more_are_judged_than_one_after_the_other(origins in prop::collection::vec(0..4u32, 0..40)) {
        let stage = Stage::new();
        let at_once: Vec<_> = origins.iter().filter_map(|n| stage.begin("ann", origin(*n)).ok()).collect();
        let judged = at_once.len();
        at_once.into_iter().for_each(|attempt| attempt.wrong(stage.now));
        let one_by_one = Stage::new();
        let count = origins.iter().filter(|n| one_by_one.wrong("ann", origin(**n)) == Ended::Judged).count();
        prop_assert_eq!(judged, count);
        prop_assert_eq!(stage.throttle.entries(), one_by_one.throttle.entries());
    }
}
