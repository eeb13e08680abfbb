//! Lookups and lists that tell the operator when the rows can't be read.

use std::sync::Arc;

use async_trait::async_trait;
use domain::{Address, ServiceId, UserId};
use postkey_http::{HealthCheck, Status};

use super::{LiveRows, LoginRow, Lookups, Page, Queries, ReadModelError, ServiceQuery, ServiceRow, UserQuery, UserRow};

/// The same answers as the port inside, and a health check that shows what they were.
pub struct Watched<P: ?Sized> {
    inner: Arc<P>,
    health: HealthCheck,
}

impl<P: ?Sized> Watched<P> {
    /// Watches `inner`.
    pub fn new(inner: Arc<P>, health: HealthCheck) -> Self {
        health.green();
        Self { inner, health }
    }

    fn seen<T>(&self, answer: Result<T, ReadModelError>) -> Result<T, ReadModelError> {
        match &answer {
            // Damage stays a person's business, also where another row can still be read.
            Ok(_) if matches!(self.health.status(), Status::Red(_)) => self.health.green(),
            Ok(_) => {}
            Err(ReadModelError::Unavailable(_)) => {
                if !matches!(self.health.status(), Status::NeedsPerson(_)) {
                    self.health.red(answer.as_ref().err().map(ToString::to_string).unwrap_or_default());
                }
            }
            Err(error @ (ReadModelError::Damaged(_) | ReadModelError::Incomplete(_) | ReadModelError::NotOurs(_))) => {
                self.health.needs_person(error.to_string());
            }
        }
        answer
    }
}

#[async_trait]
impl<P: Lookups + ?Sized> Lookups for Watched<P> {
    async fn login(&self, address: &Address) -> Result<LoginRow, ReadModelError> {
        self.seen(self.inner.login(address).await)
    }
}

#[async_trait]
impl<P: Queries + ?Sized> Queries for Watched<P> {
    async fn live_rows(&self) -> Result<LiveRows, ReadModelError> {
        self.seen(self.inner.live_rows().await)
    }

    async fn service(&self, service: ServiceId) -> Result<Option<ServiceRow>, ReadModelError> {
        self.seen(self.inner.service(service).await)
    }

    async fn services(&self, query: &ServiceQuery) -> Result<Page<ServiceRow>, ReadModelError> {
        self.seen(self.inner.services(query).await)
    }

    async fn user(&self, service: ServiceId, user: UserId) -> Result<Option<UserRow>, ReadModelError> {
        self.seen(self.inner.user(service, user).await)
    }

    async fn users(&self, query: &UserQuery) -> Result<Page<UserRow>, ReadModelError> {
        self.seen(self.inner.users(query).await)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use domain::Position;
    use postkey_http::Health;

    use super::*;

    struct Scripted(Mutex<Vec<Result<LoginRow, ReadModelError>>>);

    #[async_trait]
    impl Lookups for Scripted {
        async fn login(&self, _: &Address) -> Result<LoginRow, ReadModelError> {
            self.0.lock().unwrap().remove(0)
        }
    }

    #[tokio::test]
    async fn health_shows_what_lookups_meet() {
        let fine = || Ok(LoginRow { applied: Position::START, user: None });
        let away = || Err(ReadModelError::Unavailable("away".to_owned()));
        let damaged = Err(ReadModelError::Damaged("nonsense".to_owned()));
        let script = vec![fine(), away(), fine(), damaged, away(), fine()];
        let health = Health::new().check("read-model");
        let watched = Watched::new(Arc::new(Scripted(Mutex::new(script))), health.clone());
        let address = Address::parse("ann@acme.example").unwrap();
        let mut seen = Vec::new();
        for _ in 0..6 {
            let _ = watched.login(&address).await;
            seen.push(match health.status() {
                Status::Green => "green",
                Status::Red(_) => "red",
                Status::Yellow(_) => "yellow",
                Status::Impaired(_) | Status::NeedsPerson(_) => "person",
            });
        }
        assert_eq!(seen, ["green", "red", "green", "person", "person", "person"]);
    }
}
