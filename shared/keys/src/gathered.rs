//! Questions for keys that wait at the same time, asked as one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use domain::KeyId;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{StoredKey, Unavailable};

/// How many questions may be asked as one.
const MOST: usize = 256;
/// So many are under way at once. More would make each smaller, which costs the store more than waiting costs who asks.
const UNDER_WAY: usize = 2;
/// Whoever asks for more than so many keys at once has a question of its own, for which nobody else waits.
const LARGE: usize = 64;

type Answer = Result<HashMap<KeyId, StoredKey>, Unavailable>;

/// A store that is asked for keys in one question.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// What the store knows of each of `ids`, which are distinct.
    async fn ask(&self, ids: Vec<KeyId>) -> Answer;
}

struct Question {
    ids: Vec<KeyId>,
    answer: oneshot::Sender<Answer>,
}

/// Asks a store on behalf of many: a command needs one key or two, and a question costs the store more than a key does.
/// Each answer is from a moment after its question was put here.
pub struct Gathered<S> {
    source: Arc<S>,
    questions: mpsc::Sender<Question>,
}

impl<S: Source> Gathered<S> {
    /// Starts a task that asks `source`, until this value is dropped. Inside a tokio runtime.
    pub fn new(source: S) -> Self {
        let source = Arc::new(source);
        let (questions, waiting) = mpsc::channel(MOST);
        tokio::spawn(gather(Arc::clone(&source), waiting));
        Self { source, questions }
    }

    /// The store itself, for what is not gathered.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// What the store knows of each of `ids`.
    pub async fn ask(&self, ids: &[KeyId]) -> Answer {
        if ids.len() > LARGE {
            let ids: HashSet<_> = ids.iter().copied().collect();
            return self.source.ask(ids.into_iter().collect()).await;
        }
        let (answer, answered) = oneshot::channel();
        let gone = || Unavailable("whoever asks it has stopped".to_owned());
        self.questions.send(Question { ids: ids.to_vec(), answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// Takes whatever waits as one question, while no more than a few are under way, until nobody can ask any more.
async fn gather<S: Source>(source: Arc<S>, mut waiting: mpsc::Receiver<Question>) {
    let under_way = Arc::new(Semaphore::new(UNDER_WAY));
    let mut questions = Vec::with_capacity(MOST);
    // It is never closed.
    while let Ok(place) = Arc::clone(&under_way).acquire_owned().await {
        if waiting.recv_many(&mut questions, MOST).await == 0 {
            return;
        }
        let (questions, source) = (std::mem::take(&mut questions), Arc::clone(&source));
        tokio::spawn(async move {
            let _place = place;
            ask_for(&*source, questions).await;
        });
    }
}

async fn ask_for(source: &impl Source, questions: Vec<Question>) {
    let ids: HashSet<_> = questions.iter().flat_map(|question| question.ids.iter().copied()).collect();
    let found = source.ask(ids.into_iter().collect()).await;
    for Question { ids, answer } in questions {
        let own = |found: &HashMap<KeyId, StoredKey>| {
            ids.iter().map(|id| (*id, found.get(id).cloned().unwrap_or(StoredKey::NeverSeen))).collect()
        };
        // Whoever no longer waits needs none.
        let _ = answer.send(found.as_ref().map(own).map_err(Clone::clone));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use uuid::Uuid;

    use super::*;
    use crate::WrappedKey;

    /// Knows every key whose number is even; answers once it is let go.
    struct Slow {
        asked: Mutex<Vec<usize>>,
        go: Semaphore,
        fails: bool,
    }

    impl Slow {
        fn new(fails: bool) -> Self {
            Self { asked: Mutex::default(), go: Semaphore::new(0), fails }
        }

        fn asked(&self) -> Vec<usize> {
            self.asked.lock().unwrap().clone()
        }
    }

    #[async_trait]
    impl Source for Slow {
        async fn ask(&self, ids: Vec<KeyId>) -> Answer {
            self.asked.lock().unwrap().push(ids.len());
            self.go.acquire().await.unwrap().forget();
            if self.fails {
                return Err(Unavailable("it is away".to_owned()));
            }
            let even = |id: &KeyId| id.as_bytes()[15].is_multiple_of(2);
            Ok(ids
                .into_iter()
                .filter(even)
                .map(|id| (id, StoredKey::Here(WrappedKey(id.as_bytes().to_vec()))))
                .collect())
        }
    }

    fn id(number: usize) -> KeyId {
        KeyId::new(Uuid::from_u128(number as u128))
    }

    async fn until(what: impl Fn() -> bool) {
        while !what() {
            tokio::task::yield_now().await;
        }
    }

    /// Fifty questions of two keys each, of which the first two were sent alone, and the answers.
    async fn fifty(source: Slow) -> (Vec<usize>, Vec<Answer>) {
        let gathered = Arc::new(Gathered::new(source));
        let ask = |number: usize| {
            let gathered = Arc::clone(&gathered);
            tokio::spawn(async move { gathered.ask(&[id(number), id(number + 1)]).await })
        };
        let mut asking = Vec::new();
        for number in 0..UNDER_WAY {
            asking.push(ask(number));
            until(|| gathered.source().asked().len() > number).await;
        }
        asking.extend((UNDER_WAY..50).map(ask));
        until(|| gathered.questions.capacity() == MOST - (50 - UNDER_WAY)).await;
        gathered.source().go.add_permits(50);
        let mut answers = Vec::new();
        for answer in asking {
            answers.push(answer.await.unwrap());
        }
        (gathered.source().asked(), answers)
    }

    #[tokio::test]
    async fn what_waits_is_asked_as_one_and_each_gets_its_own() {
        let (asked, answers) = fifty(Slow::new(false)).await;
        assert_eq!(asked, [2, 2, 49], "questions");
        for (number, answer) in answers.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!(answer.len(), 2);
            for number in [number, number + 1] {
                let here = StoredKey::Here(WrappedKey(id(number).as_bytes().to_vec()));
                assert_eq!(answer[&id(number)], if number % 2 == 0 { here } else { StoredKey::NeverSeen });
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_away_for_all_who_wait() {
        let (_, answers) = fifty(Slow::new(true)).await;
        assert_eq!(answers.len(), 50);
        assert!(answers.iter().all(|answer| *answer == Err(Unavailable("it is away".to_owned()))));
    }

    #[tokio::test]
    async fn a_large_question_waits_for_nobody() {
        let gathered = Gathered::new(Slow::new(false));
        let many: Vec<_> = (0..=LARGE).map(id).collect();
        gathered.source().go.add_permits(1);
        assert_eq!(gathered.ask(&many).await.unwrap().len(), many.len() / 2 + 1);
    }
}
