//! Saves, one at a time: from the answer that one is in force until a checkpoint holds it.

use std::time::{Duration, Instant};

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::saves::Save;
use super::{Connection, say_begin, say_over};
use crate::failure::{Failure, Named};
use crate::seed::Population;
use crate::tally::{Latencies, Tally};

/// How often the checkpoint is asked for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Longer than any checkpoint takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before a save is so much longer than the one before it, up to a second: they come at any point of a signer's turn.
const LATER: Duration = Duration::from_millis(170);
const AT_MOST: u32 = 6;

/// So many saves, each until a checkpoint holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoints {
    /// The command service.
    pub command: String,
    /// Headers of every save: the token and whose services these are.
    pub headers: Vec<(String, String)>,
    /// The projection service.
    pub projection: String,
    /// Headers of every question for a checkpoint: the token.
    pub auditor: Vec<(String, String)>,
    /// Whom to edit.
    pub population: Population,
    /// Makes passwords differ from those of another round.
    pub round: u32,
    /// How many.
    pub saves: u32,
}

impl Checkpoints {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let mut command = Connection::new(&self.command, &self.headers)?;
        let mut projection = Connection::new(&self.projection, &self.auditor)?;
        let save = |number| Save { population: self.population, round: self.round, number };
        // Once untimed: it loads the service, and the log's first checkpoint is made.
        let position = save(0).save(&mut command).await?;
        held(&mut projection, position).await?;
        say_begin()?;
        let (began, mut took) = (Instant::now(), Vec::new());
        for number in 1..=self.saves {
            tokio::time::sleep(LATER * (number % AT_MOST)).await;
            let position = save(number).save(&mut command).await?;
            let begun = Instant::now();
            held(&mut projection, position).await?;
            took.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
        let seconds = began.elapsed().as_secs_f64();
        say_over()?;
        let operations = took.len() as u64;
        Ok(Tally { operations, seconds, latencies_us: Latencies::of(took), ..Tally::default() })
    }
}

/// Waits until the newest checkpoint holds a position.
async fn held(projection: &mut Connection, position: u64) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let answer = projection.send(Method::GET, "/ledger/checkpoint", None).await?;
        match answer.status {
            200 if size(&answer.body)? >= position => return Ok(()),
            // There is none before the first.
            200 | 404 => {}
            _ => return Err(Failure::new("a checkpoint", answer.code())),
        }
        if begun.elapsed() > PATIENCE {
            return Err(Failure::new("a checkpoint", format!("none holds position {position} within {PATIENCE:?}")));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Of how many entries a checkpoint is: its second line.
fn size(note: &[u8]) -> Result<u64, Failure> {
    let note = std::str::from_utf8(note).named("a checkpoint")?;
    note.lines().nth(1).unwrap_or_default().parse().named("a checkpoint's size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_the_second_line() {
        assert_eq!(size(b"postkey/0b8f9a52\n4711\nPAb5plclr2BSYfY2ZyyWINQJcx2JpFHXRV/pxK4WeCk=\n"), Ok(4711));
        assert!(size(b"postkey/0b8f9a52").is_err());
        assert!(size(b"\n-1\n").is_err());
    }
}
