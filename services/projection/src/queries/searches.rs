//! Searches for users: they read through all users of a service, and hold a reader of the read model for as long.

use std::sync::Arc;

use postkey_http::{Code, Problem};

use crate::read_model::{Page, Queries, SEARCHES, UserQuery, UserRow};
use crate::turns::{Turns, Whose};

/// Searches, so few at a time that logins always find a reader. Clones share their turns.
#[derive(Clone)]
pub struct Searches {
    queries: Arc<dyn Queries>,
    turns: Turns,
}

impl Searches {
    /// Over the same readers as the logins'.
    pub fn new(queries: Arc<dyn Queries>) -> Self {
        Self { queries, turns: Turns::new(SEARCHES) }
    }

    /// The users that are searched for, once it is the caller's turn.
    ///
    /// # Errors
    /// 503: `catching_up` where an older postkey's rows are still to be made ready, `overloaded` where it is not its turn
    /// in time or too many of its calls wait, `read_model_unavailable`.
    pub async fn users(&self, whose: &Whose, query: UserQuery) -> Result<Page<UserRow>, Problem> {
        let turn = self.turns.take(whose).await?;
        let queries = Arc::clone(&self.queries);
        // A task of its own: a store searches on where the client has gone, and the turn is not over before its reader is free.
        let search = tokio::spawn(async move {
            let _turn = turn;
            if !queries.live_rows().await?.searchable {
                return Err(Problem::new(Code::CatchingUp).with_detail("the rows are being made ready to be searched"));
            }
            Ok(queries.users(&query).await?)
        });
        search.await.map_err(|_| Problem::internal())?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use domain::{Address, Position, ServiceId, UserId};
    use futures::future::{join_all, poll_immediate};
    use tokio::sync::{Semaphore, watch};
    use tokio::time::{Instant, advance, timeout};

    use super::*;
    use crate::read_model::{LiveRows, LoginRow, Lookups, Needle, ReadModelError, ServiceQuery, ServiceRow};
    use crate::staged::{address, id_of};
    use crate::turns::WITHIN;
    use crate::turns::tests::whose;

    /// A read model with as many readers as SQLite's, whose searches take until they are let go on.
    struct Readers {
        free: Semaphore,
        goes_on: watch::Sender<bool>,
    }

    impl Readers {
        fn new() -> Arc<Self> {
            Arc::new(Self { free: Semaphore::new(4), goes_on: watch::Sender::new(false) })
        }
    }

    #[async_trait]
    impl Lookups for Readers {
        async fn login(&self, _: &Address) -> Result<LoginRow, ReadModelError> {
            let _reader = self.free.acquire().await.unwrap();
            Ok(LoginRow { applied: Position::START, user: None })
        }
    }

    #[async_trait]
    impl Queries for Readers {
        async fn live_rows(&self) -> Result<LiveRows, ReadModelError> {
            Ok(LiveRows { applied: Position::START, searchable: true })
        }

        async fn service(&self, _: ServiceId) -> Result<Option<ServiceRow>, ReadModelError> {
            panic!("it is searched for users");
        }

        async fn services(&self, _: &ServiceQuery) -> Result<Page<ServiceRow>, ReadModelError> {
            panic!("it is searched for users");
        }

        async fn user(&self, _: ServiceId, _: UserId) -> Result<Option<UserRow>, ReadModelError> {
            panic!("it is searched for users");
        }

        async fn users(&self, _: &UserQuery) -> Result<Page<UserRow>, ReadModelError> {
            let _reader = self.free.acquire().await.unwrap();
            self.goes_on.subscribe().wait_for(|goes_on| *goes_on).await.unwrap();
            Ok(Page { rows: Vec::new(), more: false })
        }
    }

    fn query() -> UserQuery {
        UserQuery { service: id_of(1), search: Some(Needle::parse("ann").unwrap()), after: None, limit: 50 }
    }

    #[tokio::test(start_paused = true)]
    async fn logins_go_on_while_more_search_than_there_are_readers_and_who_waits_too_long_is_told_to_come_back() {
        let readers = Readers::new();
        let searches = Searches::new(Arc::clone(&readers) as Arc<dyn Queries>);
        let begun = Instant::now();
        let searches = &searches;
        let mut all = Box::pin(join_all((0..20).map(|n| async move {
            let found = searches.users(&whose("panel", &format!("customer-{n}")), query()).await;
            (found.map(|_| ()).map_err(|problem| problem.code), begun.elapsed())
        })));
        assert!(poll_immediate(&mut all).await.is_none());
        advance(WITHIN / 2).await;
        assert!(poll_immediate(&mut all).await.is_none());
        assert_eq!(readers.free.available_permits(), 4 - SEARCHES);
        assert!(readers.login(&address(1, 1)).await.is_ok());
        assert_eq!(begun.elapsed(), WITHIN / 2, "it did not have to wait");

        advance(WITHIN / 2 + Duration::from_millis(5)).await;
        assert!(poll_immediate(&mut all).await.is_none(), "those whose turn it is go on");
        readers.goes_on.send_replace(true);
        let ended = all.await;
        let found = ended.iter().filter(|(found, _)| found.is_ok()).count();
        assert_eq!(found, SEARCHES, "{ended:?}");
        let refused = |(found, took): &(_, Duration)| *found == Err(Code::Overloaded) && *took >= WITHIN;
        assert!(ended.iter().all(|ended| ended.0.is_ok() || refused(ended)), "{ended:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_search_whose_client_has_gone_keeps_its_turn_for_as_long_as_its_reader() {
        let readers = Readers::new();
        let searches = Searches::new(Arc::clone(&readers) as Arc<dyn Queries>);
        let callers: Vec<_> = (0..SEARCHES).map(|n| whose("panel", &format!("customer-{n}"))).collect();
        let mut gone = Box::pin(join_all(callers.iter().map(|caller| searches.users(caller, query()))));
        assert!(poll_immediate(&mut gone).await.is_none());
        advance(WITHIN).await;
        drop(gone);
        let another = whose("panel", "another");
        let refused = timeout(2 * WITHIN, searches.users(&another, query())).await;
        let refused = refused.expect("it is searched beside those whose clients have gone").unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        assert_eq!(readers.free.available_permits(), 4 - SEARCHES);
        readers.goes_on.send_replace(true);
        assert!(searches.users(&another, query()).await.is_ok());
    }
}
