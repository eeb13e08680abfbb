//! "Save" with a new password, one at a time: how long until it is in force, beside one argon2id and one durable write on
//! the same machine at the same time.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use hyper::Method;
use hyper::body::Bytes;
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::hashes::memory;
use super::publishes::RawStream;
use super::transactions::{insert, raw_file};
use super::{Connection, hash_once, say_begin, say_over};
use crate::failure::{Failure, Named};
use crate::seed::Population;
use crate::tally::{Latencies, Tally};

/// Saves, each after one bare argon2id and one raw durable write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saves {
    /// The command service.
    pub command: String,
    /// Headers of every request: the token and whose services these are.
    pub headers: Vec<(String, String)>,
    /// Whom to edit.
    pub population: Population,
    /// What the raw durable write is.
    pub durable: Durable,
    /// How long its bytes are.
    pub bytes: usize,
    /// Makes passwords differ from those of another round.
    pub round: u32,
    /// For how long, in seconds; at least one of each is done.
    pub seconds: f64,
}

/// The raw durable write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Durable {
    /// A guarded publish to a stream of its own on that server.
    Publish(String),
    /// A one-row transaction in a SQLite file of its own.
    Insert(PathBuf),
}

/// What came of it. In JSON a [`Tally`] of the saves with more fields.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SavesTally {
    /// The saves.
    #[serde(flatten)]
    pub tally: Tally,
    /// How long one argon2id took.
    pub hashes_us: Latencies,
    /// How long one durable write took.
    pub writes_us: Latencies,
}

impl SavesTally {
    /// Milliseconds that half of the saves took beyond one argon2id and one durable write; below zero where hash or
    /// write happened to be slower alone.
    pub fn beyond_ms(&self) -> f64 {
        let ms = |micros: u64| crate::tally::approximate(micros) / 1e3;
        ms(self.tally.latencies_us.p50) - ms(self.hashes_us.p50) - ms(self.writes_us.p50)
    }
}

enum Writer {
    Stream(RawStream, u64),
    File(SqliteConnection),
}

impl Writer {
    async fn open(durable: &Durable) -> Result<Self, Failure> {
        match durable {
            Durable::Publish(url) => Ok(Self::Stream(RawStream::make(url).await?, 0)),
            Durable::Insert(path) => Ok(Self::File(raw_file(path).await?)),
        }
    }

    async fn write(&mut self, bytes: &Bytes) -> Result<(), Failure> {
        match self {
            Self::Stream(stream, last) => *last = stream.publish("raw.0".to_owned(), bytes.clone(), *last).await?,
            Self::File(connection) => insert(connection, "raw", bytes).await?,
        }
        Ok(())
    }

    async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Stream(stream, _) => stream.delete().await,
            Self::File(connection) => connection.close().await.named("the raw file"),
        }
    }
}

#[derive(Deserialize)]
struct Receipt {
    position: u64,
    effective: bool,
}

impl Saves {
    pub(super) async fn run(self) -> Result<SavesTally, Failure> {
        let mut connection = Connection::new(&self.command, &self.headers)?;
        let (mut writer, mut memory) = (Writer::open(&self.durable).await?, memory()?);
        let bytes = Bytes::from(vec![b'x'; self.bytes]);
        // Once untimed: it loads the service, and opens what is opened on first use.
        for number in 0..3 {
            self.of(number).save(&mut connection).await?;
            writer.write(&bytes).await?;
        }
        say_begin()?;
        let began = Instant::now();
        let (mut hashes, mut writes, mut saves) = (Vec::new(), Vec::new(), Vec::new());
        let micros = |begun: Instant| u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut number = 3;
        while saves.is_empty() || began.elapsed() < Duration::from_secs_f64(self.seconds) {
            let begun = Instant::now();
            hash_once(b"Copper-Tulip-77-Boat", &[7; 16], &mut memory)?;
            hashes.push(micros(begun));
            let begun = Instant::now();
            writer.write(&bytes).await?;
            writes.push(micros(begun));
            let begun = Instant::now();
            self.of(number).save(&mut connection).await?;
            saves.push(micros(begun));
            number += 1;
        }
        let (operations, seconds) = (saves.len() as u64, began.elapsed().as_secs_f64());
        say_over()?;
        writer.close().await?;
        let tally = Tally { operations, seconds, latencies_us: Latencies::of(saves), ..Tally::default() };
        Ok(SavesTally { tally, hashes_us: Latencies::of(hashes), writes_us: Latencies::of(writes) })
    }

    fn of(&self, number: u32) -> Save {
        Save { population: self.population, round: self.round, number }
    }
}

/// One save of a password, of the users of the first service in turn.
pub(super) struct Save {
    pub(super) population: Population,
    pub(super) round: u32,
    pub(super) number: u32,
}

impl Save {
    /// The position where it is in force.
    pub(super) async fn save(&self, connection: &mut Connection) -> Result<u64, Failure> {
        let user = self.population.user(0, self.number % self.population.users);
        let path = format!("/v1/services/{}/users/{user}", self.population.service(0));
        let body = format!(r#"{{"password":"Copper-Tulip-{}-{}-Boat"}}"#, self.round, self.number);
        let answer = connection.send(Method::PATCH, &path, Some(body)).await?;
        let receipt: Option<Receipt> = serde_json::from_slice(&answer.body).ok();
        match receipt {
            Some(receipt) if answer.status == 200 && receipt.effective => Ok(receipt.position),
            _ => Err(Failure::new("a save with a password", answer.code())),
        }
    }
}

/// The pause between two paced saves.
const APART: Duration = Duration::from_millis(50);

/// Saves alone, one at a time and some time apart, as people make them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PacedSaves {
    /// The command service.
    pub command: String,
    /// Headers of every request: the token and whose services these are.
    pub headers: Vec<(String, String)>,
    /// Whom to edit.
    pub population: Population,
    /// Makes passwords differ from those of another round.
    pub round: u32,
    /// For how long, in seconds; at least one is done.
    pub seconds: f64,
}

impl PacedSaves {
    pub(super) async fn run(self) -> Result<Tally, Failure> {
        let mut connection = Connection::new(&self.command, &self.headers)?;
        let save = |number| Save { population: self.population, round: self.round, number };
        for number in 0..3 {
            save(number).save(&mut connection).await?;
        }
        say_begin()?;
        let (began, mut took, mut number) = (Instant::now(), Vec::new(), 3);
        while took.is_empty() || began.elapsed() < Duration::from_secs_f64(self.seconds) {
            tokio::time::sleep(APART).await;
            let begun = Instant::now();
            save(number).save(&mut connection).await?;
            took.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
            number += 1;
        }
        let seconds = began.elapsed().as_secs_f64();
        say_over()?;
        let operations = took.len() as u64;
        Ok(Tally { operations, seconds, latencies_us: Latencies::of(took), ..Tally::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_hash_and_write_is_their_difference() {
        let p50 = |p50| Latencies { p50, ..Latencies::default() };
        let tally = Tally { latencies_us: p50(22_500), ..Tally::default() };
        let saves = SavesTally { tally, hashes_us: p50(15_000), writes_us: p50(3_000) };
        assert!((saves.beyond_ms() - 4.5).abs() < 1e-9);
    }
}
