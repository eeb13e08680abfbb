//! Who may be judged now: the throttle, and a moment's patience for those who only stand behind others.
//!
//! Whoever judges passwords asks here, at sign-in and where a user changes its own alike, so that the colleagues of an office
//! are not turned away because they come at the same moment. The rules of who waits for how long after failures are
//! [`throttle`]'s; this crate gives it the time and waits for verdicts.
//!
//! It knows no HTTP, no users and no passwords, and does no I/O.

use std::net::IpAddr;
use std::time::Duration;

use throttle::{Attempt, Throttle, Throttled};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

/// For how long an attempt waits for the verdicts of others.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How many wait for the verdicts of others: all of them look again after each.
const WAITING: usize = 64;

/// Lets attempts at passwords pass by the rules of [`throttle`].
pub struct Admission {
    throttle: Throttle,
    /// Told when an attempt is settled.
    settled: Notify,
    waiting: Semaphore,
}

/// An attempt that may be judged. Dropped without a verdict, it counts as never tried.
pub struct Admitted<'a> {
    attempt: Option<Attempt>,
    settled: &'a Notify,
}

impl Admission {
    /// By the budgets of `throttle`.
    pub fn new(throttle: Throttle) -> Self {
        Self { throttle, settled: Notify::new(), waiting: Semaphore::new(WAITING) }
    }

    /// The budgets.
    pub fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Judges by the origin alone, before anything is looked up, and says whether the owner signed in from there lately.
    ///
    /// # Errors
    /// Where the origin has to wait.
    pub fn origin(&self, account: &str, origin: Option<IpAddr>) -> Result<bool, Throttled> {
        self.throttle.origin(account, origin, now())
    }

    /// Judges by all that is known of account and origin, and charges nothing, before anything is done that others wait for.
    /// What only attempts under way stand against passes, for [`Self::admit`] to wait for.
    ///
    /// # Errors
    /// Where account or origin have to wait.
    pub fn look(&self, account: &str, origin: Option<IpAddr>) -> Result<(), Throttled> {
        self.throttle.look(account, origin, now())
    }

    /// Lets an attempt be judged, and charges it. One that only others under way stand against, as those of one office do in
    /// the morning, waits for their verdicts, at most [`PATIENCE`].
    ///
    /// # Errors
    /// Where account or origin have to wait.
    pub async fn admit(&self, account: &str, origin: Option<IpAddr>) -> Result<Admitted<'_>, Throttled> {
        let until = Instant::now() + PATIENCE;
        let mut place = None;
        loop {
            // Made before the look, so that no verdict falls between the two.
            let settled = self.settled.notified();
            let throttled = match self.throttle.attempt(account, origin, now()) {
                Ok(attempt) => return Ok(Admitted { attempt: Some(attempt), settled: &self.settled }),
                Err(throttled) => throttled,
            };
            if !throttled.pending {
                return Err(throttled);
            }
            if place.is_none() {
                place = Some(self.waiting.try_acquire().map_err(|_| throttled)?);
            }
            timeout_at(until, settled).await.map_err(|_| throttled)?;
        }
    }

    /// Notes a login that was right without being judged anew.
    pub fn good(&self, account: &str, origin: Option<IpAddr>) {
        self.throttle.good(account, origin, now());
    }
}

impl Admitted<'_> {
    /// The password was right.
    pub fn right(mut self) {
        self.attempt.take().into_iter().for_each(|attempt| attempt.right(now()));
    }

    /// The password was wrong.
    pub fn wrong(mut self) {
        self.attempt.take().into_iter().for_each(|attempt| attempt.wrong(now()));
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        // Settled before the others look.
        drop(self.attempt.take());
        self.settled.notify_waiters();
    }
}

/// The runtime's time, which tests can stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use futures::future::{join_all, poll_immediate};
    use throttle::Limits;

    use super::*;

    fn admission() -> Admission {
        Admission::new(Throttle::new(Limits::default(), [7; 32]))
    }

    fn office() -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, 1]))
    }

    async fn five(admission: &Admission) -> Vec<Admitted<'_>> {
        let five = join_all((0..5).map(|n| async move { admission.admit(&format!("user{n}"), office()).await }));
        five.await.into_iter().collect::<Result<_, _>>().ok().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn colleagues_wait_for_each_other_and_all_come_in() {
        let admission = admission();
        let mut judged = five(&admission).await;
        let mut sixth = Box::pin(admission.admit("user6", office()));
        assert!(poll_immediate(&mut sixth).await.is_none());
        assert!(
            poll_immediate(admission.admit("user6", None)).await.is_some(),
            "without an origin nobody is behind it"
        );
        judged.pop().unwrap().right();
        assert!(sixth.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_those_who_were_wrong_is_told_to_come_back() {
        let admission = admission();
        let judged = five(&admission).await;
        let mut sixth = Box::pin(admission.admit("user6", office()));
        assert!(poll_immediate(&mut sixth).await.is_none());
        judged.into_iter().for_each(Admitted::wrong);
        let refused = sixth.await.err().unwrap();
        assert_eq!((refused.seconds(), refused.pending), (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_a_moment_and_no_more_than_there_are_places() {
        let admission = admission();
        let _judged = five(&admission).await;
        let names: Vec<_> = (0..WAITING).map(|n| format!("late{n}")).collect();
        let mut waiting = Box::pin(join_all(names.iter().map(|name| admission.admit(name, office()))));
        assert!(poll_immediate(&mut waiting).await.is_none());
        let begun = Instant::now();
        assert!(poll_immediate(admission.admit("later", office())).await.unwrap().err().unwrap().pending);
        let refused = waiting.await;
        assert_eq!(begun.elapsed(), PATIENCE);
        assert!(refused.into_iter().all(|refused| refused.err().is_some_and(|refused| refused.seconds() == 1)));
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_client_has_gone_leaves_its_place_to_the_next() {
        let admission = admission();
        let mut judged = five(&admission).await;
        let mut sixth = Box::pin(admission.admit("user6", office()));
        assert!(poll_immediate(&mut sixth).await.is_none());
        drop(judged.pop());
        assert!(sixth.await.is_ok());
    }
}
