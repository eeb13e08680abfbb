//! What a caller is told where a command is not carried out. The one place where refusals become codes.

use domain::Rejection;
use postkey_http::{Code, Problem, Violation};

/// Of a refusal.
pub fn problem(rejection: Rejection) -> Problem {
    let code = match rejection {
        // In the same words as another customer's service: a domain's id can be computed, and must tell nothing.
        Rejection::ServiceUnknown => return Problem::not_found(),
        Rejection::UserUnknown => Code::NotFound,
        Rejection::DomainTaken => Code::DomainTaken,
        Rejection::AddressTaken => Code::AddressTaken,
        Rejection::ForeignDomain => {
            return Problem::invalid_input(vec![Violation::new("address", "foreign_domain", rejection.to_string())]);
        }
        Rejection::PlanFull { .. } | Rejection::MailboxesInUse { .. } => Code::PlanFull,
        Rejection::PoolExceeded { .. } | Rejection::StorageAllotted { .. } => Code::PoolExceeded,
        Rejection::WrongState { .. } => Code::WrongState,
        Rejection::StaleRevision { .. } => Code::StaleRevision,
        Rejection::WrongCurrentPassword => Code::WrongCurrentPassword,
        Rejection::SamePassword => Code::SamePassword,
        Rejection::Superseded => Code::Internal,
    };
    Problem::new(code).with_detail(rejection.to_string())
}

/// Of a password that breaks rules, in the field that it was given in.
pub fn weak(field: &str, violations: &[credential::Violation]) -> Problem {
    let shown =
        |violation: &credential::Violation| Violation::new(field, violation.code.as_str(), violation.hint.clone());
    Problem::weak_password(violations.iter().map(shown).collect())
}

/// Where too many passwords wait to be hashed.
pub fn overloaded(overloaded: credential::Overloaded) -> Problem {
    Problem::new(Code::Overloaded).with_retry_after(overloaded.retry_after.as_secs())
}

/// Where too many wrong passwords were given, or others are being judged.
pub fn throttled(throttled: throttle::Throttled) -> Problem {
    Problem::throttled(throttled.seconds(), throttled.pending)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use credential::OverloadReason;

    use super::*;

    #[test]
    fn too_many_passwords_at_once_are_told_when_to_come_again() {
        let refused = overloaded(credential::Overloaded {
            retry_after: Duration::from_secs(3),
            reason: OverloadReason::QueueFull,
        });
        assert_eq!(
            (refused.code, refused.code.status().as_u16(), refused.retry_after),
            (Code::Overloaded, 503, Some(3))
        );
    }

    #[test]
    fn a_service_that_is_not_there_is_not_found_in_no_words_of_its_own() {
        assert_eq!(problem(Rejection::ServiceUnknown).detail, Problem::not_found().detail);
    }
}
