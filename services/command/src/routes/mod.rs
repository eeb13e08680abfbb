//! One file an endpoint: what is asked, and what it becomes.

pub mod add_user;
pub mod change_password;
pub mod change_plan;
pub mod check_password;
pub mod edit_user;
pub mod password_policy;
pub mod provision_service;
pub mod reactivate_user;
pub mod remove_user;
pub mod suggest_password;
pub mod suspend_user;

mod state_change;
