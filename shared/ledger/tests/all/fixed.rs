//! Keys that are the same in each run.

use std::convert::Infallible;

use ledger::NoteKey;
use rand_core::{TryCryptoRng, TryRng};

/// The key of this name whose bytes are all `seed`.
pub fn key(name: &str, seed: u8) -> NoteKey {
    NoteKey::generate(name, &mut Fixed(seed))
}

struct Fixed(u8);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.into())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.into())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(self.0);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}
