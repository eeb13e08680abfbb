//! The cost of a hash.

use argon2::Params;

/// The cost parameters of argon2id (RFC 9106).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters(Params);

/// The numbers are no cost that we would pay for one login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argon2id takes 8 KiB per lane to 64 MiB of memory, 1 to 16 passes and 1 to 4 lanes")]
pub struct ParametersError;

impl Parameters {
    /// What new passwords are hashed with: 19 MiB, 2 passes, 1 lane, the first of the equivalent choices in OWASP's
    /// Password Storage Cheat Sheet. About 15 ms of one core.
    pub const OWASP: Self = Self(match Params::new(19_456, 2, 1, Some(OUTPUT_BYTES)) {
        Ok(params) => params,
        Err(_) => panic!("within argon2's ranges"),
    });

    /// The most memory taken, in KiB: the second choice of RFC 9106 §4 for machines that are short of memory. A stored
    /// hash that asks for more is taken for damaged, so that one row can't exhaust the machine.
    pub const MAX_MEMORY_KIB: u32 = 65_536;
    /// The most passes taken.
    pub const MAX_PASSES: u32 = 16;
    /// The most lanes taken: RFC 9106 §4 recommends 4. Lanes are computed one after the other on one thread.
    pub const MAX_LANES: u32 = 4;

    /// Parameters other than [`Self::OWASP`]: `memory_kib` of memory, `passes` over it, in `lanes`.
    ///
    /// # Errors
    /// Where a number is above its maximum, zero, or the memory below 8 KiB a lane.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, ParametersError> {
        let params = Params::new(memory_kib, passes, lanes, Some(OUTPUT_BYTES)).map_err(|_| ParametersError)?;
        Self::bounded(params)
    }

    /// Takes parameters that were read from a stored hash.
    pub(crate) fn bounded(params: Params) -> Result<Self, ParametersError> {
        let bounded = params.m_cost() <= Self::MAX_MEMORY_KIB
            && params.t_cost() <= Self::MAX_PASSES
            && params.p_cost() <= Self::MAX_LANES;
        if bounded { Ok(Self(params)) } else { Err(ParametersError) }
    }

    /// The parameters as argon2 takes them.
    pub(crate) fn as_argon2(&self) -> &Params {
        &self.0
    }

    /// How many blocks of 1 KiB a hash works in.
    pub(crate) fn blocks(&self) -> usize {
        self.0.block_count()
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self::OWASP
    }
}

/// The length of a salt, in bytes: the recommendation of RFC 9106 §3.1.
pub const SALT_BYTES: usize = 16;

/// The length of a hash, in bytes: both choices of RFC 9106 §4 have 256 bits.
pub(crate) const OUTPUT_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_costs_are_refused() {
        assert_eq!(Parameters::new(19_456, 2, 1), Ok(Parameters::OWASP));
        for (memory, passes, lanes) in [
            (65_537, 2, 1),
            (u32::MAX, 2, 1),
            (19_456, 17, 1),
            (19_456, 2, 5),
            (7, 1, 1),
            (8, 0, 1),
            (8, 1, 0),
            (31, 1, 4),
        ] {
            assert_eq!(Parameters::new(memory, passes, lanes), Err(ParametersError), "{memory} {passes} {lanes}");
        }
    }
}
