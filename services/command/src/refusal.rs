//! What a caller is told where a command is not carried out. The one place where refusals become codes.

use domain::Rejection;
use postkey_http::{Code, Problem, Violation};

/// Of a refusal.
pub fn problem(rejection: Rejection) -> Problem {
    let code = match rejection {
        Rejection::ServiceUnknown | Rejection::UserUnknown => Code::NotFound,
        Rejection::DomainTaken => Code::DomainTaken,
        Rejection::AddressTaken => Code::AddressTaken,
        Rejection::ForeignDomain => {
            return Problem::invalid_input(vec![Violation::new("address", "foreign_domain", rejection.to_string())]);
        }
        Rejection::PlanFull { .. } => Code::PlanFull,
        Rejection::PoolExceeded { .. } => Code::PoolExceeded,
        Rejection::WrongState { .. } => Code::WrongState,
        Rejection::StaleRevision { .. } => Code::StaleRevision,
        Rejection::WrongCurrentPassword => Code::WrongCurrentPassword,
        Rejection::SamePassword => Code::SamePassword,
        Rejection::Superseded => Code::Internal,
    };
    Problem::new(code).with_detail(rejection.to_string())
}

/// Of a password that breaks rules.
pub fn weak(violations: &[credential::Violation]) -> Problem {
    let shown =
        |violation: &credential::Violation| Violation::new("password", violation.code.as_str(), violation.hint.clone());
    Problem::weak_password(violations.iter().map(shown).collect())
}

/// Where too many passwords wait to be hashed.
pub fn overloaded(overloaded: credential::Overloaded) -> Problem {
    Problem::new(Code::Overloaded).with_retry_after(overloaded.retry_after.as_secs())
}
