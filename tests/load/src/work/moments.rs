//! Users as they stood at a moment, asked for one at a time, as an auditor does.

use std::time::{Duration, Instant};

use getrandom::SysRng;
use hyper::Method;
use rand_core::{Rng, UnwrapErr};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Connection, Timing, say_begin, say_over};
use crate::failure::{Failure, Named};
use crate::seed::Population;
use crate::tally::{Latencies, Tally};

/// Any user at any position of a seeded log from where the user was added.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moments {
    /// The projection service.
    pub base: String,
    /// Headers of every request: the token.
    pub headers: Vec<(String, String)>,
    /// Who there is.
    pub population: Population,
    /// How many entries the log has.
    pub entries: u64,
    /// For how long.
    pub timing: Timing,
}

/// One question.
#[derive(Clone, Copy, Debug)]
struct Asked {
    service: u32,
    user: u32,
    position: u64,
}

impl Moments {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let mut connection = Connection::new(&self.base, &self.headers)?;
        let mut rng = UnwrapErr(SysRng);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs_f64(self.timing.warm_up) {
            self.ask(self.draw(&mut rng), &mut connection).await?;
        }
        say_begin()?;
        let (began, mut took) = (Instant::now(), Vec::new());
        while took.is_empty() || began.elapsed() < Duration::from_secs_f64(self.timing.seconds) {
            let asked = self.draw(&mut rng);
            let begun = Instant::now();
            self.ask(asked, &mut connection).await?;
            took.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        let seconds = began.elapsed().as_secs_f64();
        say_over()?;
        let operations = took.len() as u64;
        Ok(Tally { operations, seconds, latencies_us: Latencies::of(took), ..Tally::default() })
    }

    fn draw(&self, rng: &mut impl Rng) -> Asked {
        let mut below = |bound: u32| rng.next_u32() % bound;
        let (service, user) = (below(self.population.services), below(self.population.users));
        let added = self.end_of(u64::from(user) + 1);
        let position = added + rng.next_u64() % (self.entries.max(added) - added + 1);
        Asked { service, user, position }
    }

    /// The last position of a round of seeding, which writes an entry for each service: the first one provisions them, the
    /// next ones add a user each, and further ones edit the users in turn.
    fn end_of(&self, round: u64) -> u64 {
        1 + u64::from(self.population.services) * (round + 1)
    }

    /// Fails where somebody else is told of, or another moment.
    async fn ask(&self, asked: Asked, connection: &mut Connection) -> Result<(), Failure> {
        let Asked { service, user, position } = asked;
        let id = self.population.user(service, user).to_string();
        let answer = connection.send(Method::GET, &format!("/v1/audit/users/{id}?as_of={position}"), None).await?;
        if answer.status != 200 {
            return Err(Failure::new("a user as of a moment", answer.code()));
        }
        let told: Value = serde_json::from_slice(&answer.body).named("a user as of a moment")?;
        let revision = told["revision"].as_u64().unwrap_or_default();
        if told["user"] == id.as_str() && self.stood_at(asked, revision) {
            return Ok(());
        }
        let what = format!("{told} for user {user} of service {service} at {position}");
        Err(Failure::new("a user as of a moment", what))
    }

    /// Whether a user's last change up to a moment can be the entry at `revision`: it is of a round of the user's, and the
    /// next of these had not ended. In what order the entries of a round stand is not known.
    fn stood_at(&self, Asked { user, position, .. }: Asked, revision: u64) -> bool {
        let Population { services, users } = self.population;
        let round = revision.saturating_sub(2) / u64::from(services);
        let own = round > 0 && (round - 1) % u64::from(users) == u64::from(user);
        own && revision <= position && position < self.end_of(round + u64::from(users))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions 2 to 4 provision, 5 to 7 and 8 to 10 add, 11 to 13 edit the first users, 14 and 15 the second.
    fn moments() -> Moments {
        let population = Population { services: 3, users: 2 };
        let timing = Timing { warm_up: 0.0, seconds: 1.0 };
        Moments { base: String::new(), headers: Vec::new(), population, entries: 15, timing }
    }

    #[test]
    fn the_last_change_up_to_a_moment_is_of_the_users_own_and_the_newest() {
        for (user, position, revision, right) in [
            (0, 7, 5, true),
            (0, 10, 7, true),
            (0, 10, 8, false),
            (0, 12, 6, true),
            (0, 12, 12, true),
            (0, 12, 13, false),
            (0, 13, 6, false),
            (0, 15, 11, true),
            (1, 15, 9, true),
            (1, 15, 14, true),
            (1, 15, 3, false),
            (1, 15, 0, false),
        ] {
            let asked = Asked { service: 0, user, position };
            assert_eq!(moments().stood_at(asked, revision), right, "{asked:?}, {revision}");
        }
    }

    #[test]
    fn moments_are_drawn_from_where_the_user_was_added() {
        let (mut rng, moments) = (UnwrapErr(SysRng), moments());
        for _ in 0..200 {
            let Asked { service, user, position } = moments.draw(&mut rng);
            let added = [7, 10][user as usize];
            assert!(service < 3 && (added..=15).contains(&position), "{service} {user} {position}");
        }
    }
}
