//! A domain gets an email service.

use crate::event::ServiceEvent;
use crate::{Command, Customer, DomainName, EmailService, Event, KeyId, Plan, Rejection};

/// A domain gets an email service.
#[derive(Clone, Debug)]
pub struct ProvisionService {
    /// The domain to serve.
    pub domain: DomainName,
    /// Whose it is.
    pub customer: Customer,
    /// What it may use.
    pub plan: Plan,
    /// A fresh key for what is private in entries about the service.
    pub key: KeyId,
}

impl Command for ProvisionService {
    fn decide(&self, state: &EmailService) -> Result<Vec<Event>, Rejection> {
        match state {
            EmailService::Provisioned(_) => Err(Rejection::DomainTaken),
            EmailService::Unprovisioned => Ok(vec![Event::Service(ServiceEvent::ServiceProvisioned {
                domain: self.domain.clone(),
                customer: self.customer.clone(),
                plan: self.plan,
                key: self.key,
            })]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{customer, domain, given, key, plan, provisioned};

    fn provision() -> ProvisionService {
        ProvisionService { domain: domain(), customer: customer(), plan: plan(5, 100), key: key(100) }
    }

    #[test]
    fn a_new_domain_is_provisioned() {
        given([]).when(provision()).then([provisioned(5, 100)]);
    }

    #[test]
    fn a_domain_is_provisioned_once() {
        given([provisioned(1, 1)]).when(provision()).refused(Rejection::DomainTaken);
    }
}
