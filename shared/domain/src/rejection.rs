//! Why a command is refused. Refusals are facts about the state, not accidents.

use crate::{Position, UserState};

/// A command's refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// There is no such service.
    #[error("there is no such service")]
    ServiceUnknown,
    /// There is no such user in the service, or it has been removed.
    #[error("there is no such user")]
    UserUnknown,
    /// The domain is provisioned already.
    #[error("the domain is provisioned already")]
    DomainTaken,
    /// Another user has the address, or had it and was removed but not erased.
    #[error("the address is taken; a removed user's address is free once the user has been erased")]
    AddressTaken,
    /// The address lies in another domain than the service's.
    #[error("the address is not in the service's own domain")]
    ForeignDomain,
    /// The plan's mailboxes are all in use.
    #[error("the plan's {allowed} mailboxes are all in use")]
    PlanFull {
        /// How many the plan allows.
        allowed: u32,
    },
    /// The quota does not fit into what is left of the pool.
    #[error("the plan's pool has {available_bytes} bytes left for this mailbox")]
    PoolExceeded {
        /// The most bytes that this mailbox could have.
        available_bytes: u64,
    },
    /// A plan would have fewer mailboxes than are in use.
    #[error("{in_use} mailboxes are in use: a plan can't have fewer")]
    MailboxesInUse {
        /// How many are.
        in_use: u32,
    },
    /// A plan would have a smaller pool than is allotted.
    #[error("{allotted_bytes} bytes are allotted to mailboxes: a pool can't be smaller")]
    StorageAllotted {
        /// How many bytes are.
        allotted_bytes: u64,
    },
    /// The user's state does not allow it.
    #[error("the user is {}", .state.as_str())]
    WrongState {
        /// The state that the user is in.
        state: UserState,
    },
    /// Somebody saved in between.
    #[error("it has changed since revision {given}; the present revision is {current}")]
    StaleRevision {
        /// The revision that the command was made for.
        given: Position,
        /// The present one.
        current: Position,
    },
    /// The current password was not proved, or there is nobody to prove it.
    #[error("the current password is not right")]
    WrongCurrentPassword,
    /// The new password is the current one.
    #[error("the new password is the current one")]
    SamePassword,
    /// What the command was prepared on has moved (the proved credential, or the names that the password was judged
    /// with). Nobody is told this: the command is prepared again.
    #[error("the command was prepared on an older state")]
    Superseded,
}
