//! argon2id and nothing else, with the product's parameters (m=19456 KiB, t=2, p=1) and memory that is used again.

use std::sync::atomic::Ordering;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde::{Deserialize, Serialize};

use super::{Timing, say_begin, say_over};
use crate::failure::{Failure, Named};
use crate::tally::{Latencies, Tally};

/// OWASP's second recommendation, the product's default: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;

/// Bare argon2id on so many threads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hashes {
    /// How many threads, each with memory of its own.
    pub threads: usize,
    /// For how long.
    pub timing: Timing,
}

/// Memory for one thread's hashes.
pub fn memory() -> Result<Vec<Block>, Failure> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).named("argon2")?;
    Ok(vec![Block::new(); params.block_count()])
}

/// One hash of `password`.
///
/// # Errors
/// None that these lengths can cause.
pub fn hash_once(password: &[u8], salt: &[u8; 16], memory: &mut [Block]) -> Result<[u8; 32], Failure> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).named("argon2")?;
    let mut output = [0; 32];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into_with_memory(password, salt, &mut output, memory).named("argon2")?;
    Ok(output)
}

impl Hashes {
    pub(super) fn run(&self) -> Result<Tally, Failure> {
        let (timed, over, hashed) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
        let worker = || {
            let mut memory = memory()?;
            let mut took = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let begun = Instant::now();
                hash_once(b"Copper-Tulip-77-Boat", &[7; 16], &mut memory)?;
                if timed.load(Ordering::Relaxed) {
                    hashed.fetch_add(1, Ordering::Relaxed);
                    took.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
            }
            Ok::<_, Failure>(took)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads).map(|_| scope.spawn(worker)).collect();
            std::thread::sleep(Duration::from_secs_f64(self.timing.warm_up));
            let began = say_begin();
            let begun = Instant::now();
            timed.store(true, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs_f64(self.timing.seconds));
            timed.store(false, Ordering::Relaxed);
            let seconds = begun.elapsed().as_secs_f64();
            let ended = say_over();
            over.store(true, Ordering::Relaxed);
            let mut took = Vec::new();
            for worker in workers {
                took.extend(worker.join().unwrap_or_else(|_| Err(Failure::new("argon2", "a thread panicked")))?);
            }
            began.and(ended)?;
            let operations = hashed.load(Ordering::Relaxed);
            Ok(Tally { operations, seconds, latencies_us: Latencies::of(took), ..Tally::default() })
        })
    }
}
