use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::ViolationCode;

/// One thread, at a cost that a test can pay a hundred times.
fn hasher(commands: usize, logins: usize, checks: usize) -> Hasher {
    let mut config = HasherConfig::for_threads(NonZeroUsize::MIN);
    config.bounds = Depths { commands, logins, checks };
    config.parameters = Parameters::new(64, 1, 1).expect("cheap");
    Hasher::start(config).expect("a hasher")
}

fn password(text: &str) -> Password {
    Password::parse(text.into(), &Policy::guide(), None).expect("a password")
}

/// Lets a future queue its job.
fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// A job that keeps the one thread of a hasher until its sender is dropped.
struct Hold {
    started: mpsc::Sender<()>,
    until: mpsc::Receiver<()>,
}

impl lanes::Job for Hold {
    fn is_wanted(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, _: &mut Bench) {
        self.started.send(()).expect("the test waits");
        self.until.recv().expect_err("nothing is ever sent");
    }
}

fn hold(hasher: &Hasher) -> mpsc::Sender<()> {
    let (started, starts) = mpsc::channel();
    let (held, until) = mpsc::channel();
    hasher.lanes.push(Lane::Command, Box::new(Hold { started, until })).expect("room");
    starts.recv().expect("the thread takes it");
    held
}

#[tokio::test]
async fn what_a_user_asks_for_is_done_among_the_logins() {
    let hasher = hasher(9, 9, 9);
    let (policy, nobody) = (Policy::strict(), Personal::default());
    for asker in [Asker::Client, Asker::User] {
        let before = hasher.taken();
        let parsed = hasher.parse(asker, "C0rrect-horse-battery".into(), &policy, None).await.expect("judged");
        let parsed = Arc::new(parsed.expect("strong"));
        hasher.check_personal(asker, &parsed, &policy, &nobody).await.expect("judged").expect("nobody's");
        hasher.hash(asker, parsed, [1; 16]).await.expect("a hash");
        let taken = hasher.taken();
        let expected = if asker == Asker::Client { (3, 0, 0) } else { (0, 3, 0) };
        let of = |lane: fn(&Depths) -> usize| lane(&taken) - lane(&before);
        assert_eq!((of(|d| d.commands), of(|d| d.logins), of(|d| d.checks)), expected, "{asker:?}");
    }
}

#[tokio::test]
async fn a_hashed_password_verifies_as_a_login_and_as_a_proof() {
    let hasher = hasher(1, 1, 1);
    let hash = hasher.hash(Asker::Client, password("Zoë-12345"), [1; 16]).await.expect("a hash");
    assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
    for (given, verdict) in [("Zoe\u{308}-12345", Verdict::Right), ("Zoe-12345", Verdict::Wrong)] {
        assert_eq!(hasher.verify(given.into(), Some(&hash)).await, Ok(verdict));
        assert_eq!(hasher.prove(given.into(), Some(&hash)).await, Ok(verdict));
    }
    assert_eq!(hasher.verify("Zoë-12345".into(), None).await, Ok(Verdict::Wrong));
}

#[tokio::test]
async fn the_owasp_parameters_are_the_default() {
    let config = HasherConfig::for_threads(NonZeroUsize::MIN);
    let hasher = Hasher::start(config).expect("a hasher");
    let hash = hasher.hash(Asker::Client, Arc::new(password("Zoë-12345")), [1; 16]).await.expect("a hash");
    assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(hasher.verify("Zoë-12345".into(), Some(&hash)).await, Ok(Verdict::Right));
}

#[tokio::test]
async fn judging_and_scoring_work_on_the_pool() {
    let hasher = hasher(1, 1, 1);
    let personal = Personal::default().with_name(&domain::Name::parse("Wojciechowska").expect("a name"));
    for policy in [Policy::standard(), Policy::strict()] {
        let parsed = hasher.parse(Asker::Client, "x wojciechOwska 9".into(), &policy, None).await.expect("judged");
        let parsed = Arc::new(parsed.expect("a password"));
        let judged = hasher.check_personal(Asker::Client, &parsed, &policy, &personal).await.expect("judged");
        assert!(judged.expect_err("personal").iter().any(|v| v.code == ViolationCode::ContainsPersonal));
        let assessment = hasher.assess("password".into(), &policy, None).await.expect("judged");
        assert_eq!(assessment.score, Score::at_most(0));
        assert_eq!(assessment.violations, policy.violations(&"password".into(), None));
    }
    let score = hasher.score("wojciechowska".into(), Some(personal)).await.expect("scored");
    assert!(score < hasher.score("wojciechowska".into(), None).await.expect("scored"));
}

#[tokio::test]
async fn a_full_lane_is_refused_at_once_and_the_others_are_not() {
    let hasher = hasher(1, 1, 1);
    let held = hold(&hasher);
    let mut first = pin!(hasher.verify("a".into(), None));
    assert!(poll(&mut first).is_pending());
    let refused = hasher.verify("b".into(), None).await.expect_err("full");
    assert_eq!((refused.reason, refused.retry_after.as_secs()), (OverloadReason::QueueFull, 1));
    assert!(hasher.prove("c".into(), None).await.is_err(), "whoever asks for that may be anybody");
    let mut command = pin!(hasher.queue(Lane::Command, |_| Verdict::Wrong));
    assert!(poll(&mut command).is_pending());
    assert_eq!(hasher.depths(), Depths { commands: 1, logins: 1, checks: 0 });
    drop(held);
    assert_eq!((first.await, command.await), (Ok(Verdict::Wrong), Ok(Verdict::Wrong)));
    assert_eq!(hasher.depths(), Depths::default());
}

#[tokio::test]
async fn commands_come_first_and_logins_and_checks_take_turns() {
    let hasher = hasher(9, 9, 9);
    let served = Arc::new(Mutex::new(Vec::new()));
    let held = hold(&hasher);
    let job = |lane, name| {
        let served = Arc::clone(&served);
        hasher.queue(lane, move |_| served.lock().expect("unpoisoned").push(name))
    };
    let mut jobs = [
        (Lane::Check, "check 1"),
        (Lane::Login, "login 1"),
        (Lane::Login, "login 2"),
        (Lane::Login, "login 3"),
        (Lane::Check, "check 2"),
        (Lane::Command, "command 1"),
        (Lane::Command, "command 2"),
    ]
    .map(|(lane, name)| Box::pin(job(lane, name)));
    for job in &mut jobs {
        assert!(poll(&mut job.as_mut()).is_pending());
    }
    drop(held);
    for job in jobs {
        job.await.expect("done");
    }
    assert_eq!(
        *served.lock().expect("unpoisoned"),
        ["command 1", "command 2", "login 1", "check 1", "login 2", "check 2", "login 3"]
    );
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_not_done_and_takes_no_place() {
    let hasher = hasher(1, 1, 1);
    let done = Arc::new(Mutex::new(0));
    let held = hold(&hasher);
    let count = || {
        let done = Arc::clone(&done);
        hasher.queue(Lane::Login, move |_| *done.lock().expect("unpoisoned") += 1)
    };
    {
        let mut abandoned = pin!(count());
        assert!(poll(&mut abandoned).is_pending());
    }
    let mut second = pin!(count());
    assert!(poll(&mut second).is_pending(), "it takes the place of the abandoned one");
    drop(held);
    second.await.expect("done");
    assert_eq!(*done.lock().expect("unpoisoned"), 1);
}

#[tokio::test]
async fn a_job_that_panics_fails_alone() {
    let hasher = hasher(1, 1, 1);
    let failed = hasher.queue::<()>(Lane::Login, |_| panic!("as staged")).await.expect_err("no answer");
    assert_eq!(failed.reason, OverloadReason::Failed);
    assert_eq!(hasher.verify("a".into(), None).await, Ok(Verdict::Wrong), "by the same thread");
}

#[tokio::test]
async fn whoever_waits_when_it_stops_is_told() {
    let mut hasher = hasher(1, 1, 1);
    let threads = std::mem::take(&mut hasher.threads);
    let held = hold(&hasher);
    let mut waiting = pin!(hasher.verify("a".into(), None));
    assert!(poll(&mut waiting).is_pending());
    hasher.stop();
    assert_eq!(waiting.await.expect_err("stopped").reason, OverloadReason::Stopping);
    assert_eq!(hasher.verify("a".into(), None).await.expect_err("stopped").reason, OverloadReason::Stopping);
    drop(held);
    for thread in threads {
        thread.join().expect("it ends, and not by a panic");
    }
}

#[test]
fn dropping_it_ends_its_threads() {
    let mut config = HasherConfig::for_threads(NonZeroUsize::new(2).expect("two"));
    config.parameters = Parameters::new(64, 1, 1).expect("cheap");
    let mut hasher = Hasher::start(config).expect("a hasher");
    let threads = std::mem::take(&mut hasher.threads);
    drop(hasher);
    for thread in threads {
        thread.join().expect("it ends, and not by a panic");
    }
}
