//! A service gets another plan.

use crate::event::ServiceEvent;
use crate::{Command, EmailService, Event, Plan, Position, Rejection};

/// A service gets another plan.
#[derive(Clone, Debug)]
pub struct ChangePlan {
    /// The new plan.
    pub plan: Plan,
    /// The service's revision that the change was made for, where the caller insists.
    pub expected: Option<Position>,
}

impl Command for ChangePlan {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        let service = &state.provisioned()?.service;
        service.expect(self.expected)?;
        if service.usage.mailboxes > self.plan.mailboxes() {
            return Err(Rejection::MailboxesInUse { in_use: service.usage.mailboxes });
        }
        if service.usage.allotted_bytes > self.plan.pool_bytes() {
            return Err(Rejection::StorageAllotted { allotted_bytes: service.usage.allotted_bytes });
        }
        if service.plan == self.plan {
            return Ok(Vec::new());
        }
        Ok(vec![Event::Service(ServiceEvent::PlanChanged { plan: self.plan })])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MIB;
    use crate::spec::{added, ann, bob, given, plan, provisioned, user};

    fn two_users() -> [Event; 3] {
        [provisioned(5, 100), Event::User(user(1), added(1, ann(), 10)), Event::User(user(2), added(2, bob(), 20))]
    }

    #[test]
    fn a_plan_that_covers_what_is_in_use_is_taken() {
        given(two_users())
            .when(ChangePlan { plan: plan(2, 30), expected: None })
            .then([Event::Service(ServiceEvent::PlanChanged { plan: plan(2, 30) })]);
    }

    #[test]
    fn a_plan_below_what_is_in_use_is_refused() {
        given(two_users())
            .when(ChangePlan { plan: plan(1, 100), expected: None })
            .refused(Rejection::MailboxesInUse { in_use: 2 });
        given(two_users())
            .when(ChangePlan { plan: plan(5, 29), expected: None })
            .refused(Rejection::StorageAllotted { allotted_bytes: 30 * MIB });
    }

    #[test]
    fn the_same_plan_changes_nothing() {
        given(two_users()).when(ChangePlan { plan: plan(5, 100), expected: None }).then([]);
    }

    #[test]
    fn a_stale_change_of_plan_is_refused() {
        given(two_users())
            .when(ChangePlan { plan: plan(9, 100), expected: Some(Position::new(3)) })
            .refused(Rejection::StaleRevision { given: Position::new(3), current: Position::new(1) });
    }

    #[test]
    fn there_is_no_plan_without_a_service() {
        given([]).when(ChangePlan { plan: plan(1, 1), expected: None }).refused(Rejection::ServiceUnknown);
    }
}
