//! One decision a file. A decision is pure and runs again on a conflict.

mod add_user;
mod change_own_password;
mod change_password;
mod change_plan;
mod edit_user;
mod erase_user;
mod new_credential;
mod provision_service;
mod reactivate_user;
mod remove_user;
mod suspend_user;

pub use add_user::AddUser;
pub use change_own_password::{ChangeOwnPassword, Proof};
pub use change_password::ChangePassword;
pub use change_plan::ChangePlan;
pub use edit_user::EditUser;
pub use erase_user::EraseUser;
pub use new_credential::NewCredential;
pub use provision_service::ProvisionService;
pub use reactivate_user::ReactivateUser;
pub use remove_user::RemoveUser;
pub use suspend_user::SuspendUser;

use crate::{EmailService, Event, Rejection};

/// What somebody wants done.
pub trait Command: Send + Sync {
    /// The events that doing it in `state` means: none where nothing would change.
    ///
    /// Whatever is returned, [`evolve`](crate::evolve) accepts in `state`.
    ///
    /// # Errors
    /// The refusal, where the state does not allow it.
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection>;
}
