//! Equal logins that are under way at once, and share one argon2id.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use credential::Verdict;
use tokio::sync::watch;

use super::verified::Proof;

/// What makes two logins equal: also where they come from, or a stranger would hear, for nothing, that a guess is what the
/// owner has just given.
type Equal = (Proof, Option<IpAddr>);

/// Logins that are being judged; no more than requests are under way.
#[derive(Default)]
pub struct Flights {
    under_way: Mutex<HashMap<Equal, watch::Receiver<Option<Verdict>>>>,
}

/// The login that is judged, for others too. Dropped without a verdict, it leaves each of the others to itself.
struct Lead<'f> {
    flights: &'f Flights,
    login: Equal,
    verdict: watch::Sender<Option<Verdict>>,
}

impl Flights {
    /// The verdict of `judge`, or of an equal login's that is under way. Where that has none, for it was refused or its
    /// client has gone, `judge` is asked.
    pub async fn share<E>(&self, login: Equal, judge: impl Future<Output = Result<Verdict, E>>) -> Result<Verdict, E> {
        let lead = match self.board(login) {
            Ok(lead) => Some(lead),
            Err(mut anothers) => match anothers.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(verdict)) => return Ok(*verdict),
                Ok(None) | Err(_) => None,
            },
        };
        let verdict = judge.await?;
        if let Some(lead) = lead {
            lead.verdict.send_replace(Some(verdict));
        }
        Ok(verdict)
    }

    fn board(&self, login: Equal) -> Result<Lead<'_>, watch::Receiver<Option<Verdict>>> {
        let mut under_way = self.lock();
        if let Some(anothers) = under_way.get(&login) {
            return Err(anothers.clone());
        }
        let (verdict, heard) = watch::channel(None);
        under_way.insert(login, heard);
        Ok(Lead { flights: self, login, verdict })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Equal, watch::Receiver<Option<Verdict>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.login);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::future::{join_all, poll_immediate};
    use tokio::sync::Notify;

    use super::*;

    /// A judge that takes its time.
    #[derive(Default)]
    struct Judge {
        flights: Flights,
        asked: AtomicU32,
        answers: Notify,
    }

    impl Judge {
        async fn login(&self, proof: u8, verdict: Result<Verdict, &'static str>) -> Result<Verdict, &'static str> {
            let judge = async {
                self.asked.fetch_add(1, Ordering::Relaxed);
                self.answers.notified().await;
                verdict
            };
            self.flights.share(([proof; 32], None), judge).await
        }

        fn asked(&self) -> u32 {
            self.asked.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn equal_logins_under_way_are_judged_once_and_others_for_themselves() {
        for verdict in [Verdict::Right, Verdict::Wrong] {
            let judge = Judge::default();
            let mut equal = Box::pin(join_all((0..10).map(|_| judge.login(1, Ok(verdict)))));
            let mut other = Box::pin(judge.login(2, Ok(Verdict::Wrong)));
            assert!(poll_immediate(&mut equal).await.is_none());
            assert!(poll_immediate(&mut other).await.is_none());
            assert_eq!(judge.asked(), 2);
            judge.answers.notify_waiters();
            assert_eq!(equal.await, vec![Ok(verdict); 10]);
            assert_eq!(other.await, Ok(Verdict::Wrong));
            assert_eq!(judge.asked(), 2);
            assert!(judge.flights.lock().is_empty());
        }
    }

    #[tokio::test]
    async fn whoever_waited_for_one_that_was_refused_or_has_gone_is_judged_for_itself() {
        for gone in [false, true] {
            let judge = Arc::new(Judge::default());
            let mut lead = Some(Box::pin(judge.login(1, Err("throttled"))));
            assert!(poll_immediate(lead.as_mut().unwrap()).await.is_none());
            let mut others = Box::pin(join_all((0..3).map(|_| judge.login(1, Ok(Verdict::Right)))));
            assert!(poll_immediate(&mut others).await.is_none());
            if gone {
                drop(lead.take());
            } else {
                judge.answers.notify_waiters();
                assert_eq!(lead.take().unwrap().await, Err("throttled"));
            }
            assert!(poll_immediate(&mut others).await.is_none());
            assert_eq!(judge.asked(), 4);
            judge.answers.notify_waiters();
            assert_eq!(others.await, vec![Ok(Verdict::Right); 3]);
        }
    }
}
