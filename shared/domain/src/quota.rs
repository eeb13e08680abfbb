//! Quotas, plans and what is used of them.

use std::ops::RangeInclusive;

/// Bytes in a mebibyte.
pub const MIB: u64 = 1_048_576;

/// The most bytes that a quota or a pool has: the largest whole number that JSON carries exactly everywhere
/// (RFC 8259 §6, 2^53 - 1).
pub const MAX_BYTES: u64 = (1 << 53) - 1;

/// A mailbox's quota: whole mebibytes, at least one (0 would mean "unlimited" to Dovecot).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quota(u64);

/// The number of bytes is no quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quota is a positive multiple of 1048576 bytes (1 MiB), at most 9007199254740991")]
pub struct QuotaError;

impl Quota {
    /// A quota of so many bytes, which must be whole mebibytes.
    pub fn from_bytes(bytes: u64) -> Result<Self, QuotaError> {
        if bytes == 0 || bytes > MAX_BYTES || !bytes.is_multiple_of(MIB) {
            return Err(QuotaError);
        }
        Ok(Self(bytes / MIB))
    }

    /// A quota of so many mebibytes.
    pub fn from_mib(mib: u64) -> Result<Self, QuotaError> {
        Self::from_bytes(mib.checked_mul(MIB).ok_or(QuotaError)?)
    }

    /// In mebibytes.
    pub const fn mib(self) -> u64 {
        self.0
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0 * MIB
    }
}

/// What a service may use: mailboxes, and a pool of storage that the mailboxes' quotas are allotted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    mailboxes: u32,
    pool_bytes: u64,
}

/// Why numbers are no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No mailbox, or more than a million.
    #[error("a plan has 1 to 1000000 mailboxes")]
    Mailboxes,
    /// Not even the smallest quota would fit, or JSON could not carry it.
    #[error("a pool has 1048576 (1 MiB) to 9007199254740991 bytes")]
    Pool,
}

impl Plan {
    /// How many mailboxes a plan may have.
    pub const MAILBOXES: RangeInclusive<u64> = 1..=1_000_000;
    /// How many bytes a pool may have: room for the smallest quota, and no more than JSON carries.
    pub const POOL_BYTES: RangeInclusive<u64> = MIB..=MAX_BYTES;

    /// A plan of so many mailboxes and bytes.
    pub fn new(mailboxes: u64, pool_bytes: u64) -> Result<Self, PlanError> {
        let mailboxes = u32::try_from(mailboxes)
            .ok()
            .filter(|n| Self::MAILBOXES.contains(&u64::from(*n)))
            .ok_or(PlanError::Mailboxes)?;
        if !Self::POOL_BYTES.contains(&pool_bytes) {
            return Err(PlanError::Pool);
        }
        Ok(Self { mailboxes, pool_bytes })
    }

    /// How many mailboxes it allows.
    pub const fn mailboxes(self) -> u32 {
        self.mailboxes
    }

    /// How many bytes its mailboxes share.
    pub const fn pool_bytes(self) -> u64 {
        self.pool_bytes
    }

    /// Whether a use of `usage` keeps within the plan.
    pub const fn covers(self, usage: Usage) -> bool {
        usage.mailboxes <= self.mailboxes && usage.allotted_bytes <= self.pool_bytes
    }
}

/// What the users of a service take of its plan. A removed user takes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Mailboxes in use, suspended ones included.
    pub mailboxes: u32,
    /// The sum of their quotas.
    pub allotted_bytes: u64,
}

impl Usage {
    /// This usage with `before` given back and `after` taken; `None` where it can't be (an impossible history).
    pub fn replace(self, before: Usage, after: Usage) -> Option<Self> {
        Some(Self {
            mailboxes: self.mailboxes.checked_sub(before.mailboxes)?.checked_add(after.mailboxes)?,
            allotted_bytes: self
                .allotted_bytes
                .checked_sub(before.allotted_bytes)?
                .checked_add(after.allotted_bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_whole_mebibytes() {
        assert_eq!(Quota::from_bytes(2 * MIB).map(Quota::mib), Ok(2));
        for refused in [0, 1, MIB - 1, MIB + 1, MAX_BYTES, u64::MAX] {
            assert_eq!(Quota::from_bytes(refused), Err(QuotaError), "{refused}");
        }
        assert_eq!(Quota::from_mib(u64::MAX), Err(QuotaError));
    }

    #[test]
    fn a_plan_has_room_for_one_mailbox_at_least() {
        assert!(Plan::new(1, MIB).is_ok());
        assert_eq!(Plan::new(0, MIB), Err(PlanError::Mailboxes));
        assert_eq!(Plan::new(1 << 40, MIB), Err(PlanError::Mailboxes));
        assert_eq!(Plan::new(1, MIB - 1), Err(PlanError::Pool));
        assert_eq!(Plan::new(1, MAX_BYTES + 1), Err(PlanError::Pool));
    }
}
