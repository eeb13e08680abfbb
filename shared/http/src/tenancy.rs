//! Whose data a call may touch: the caller's own bounds and the `Postkey-Customer` header. Nothing else, no parameter
//! and no body, can widen them.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use domain::Customer;

use crate::{Caller, Clients, CustomerScope, Problem, Violation};

/// The header by which a client says whose services this call is about.
pub const CUSTOMER_HEADER: HeaderName = HeaderName::from_static("postkey-customer");

/// As people write it, for a violation's field.
const SHOWN: &str = "Postkey-Customer";

/// The customers that a call may touch: one, or all.
///
/// | caller | no header | header |
/// |---|---|---|
/// | panel of one customer | that one | the same: that one; another: 403 |
/// | panel of any (`*`) | 422, naming the header | the header's |
/// | any other role | all | the header's |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenancy(Option<Customer>);

impl Tenancy {
    /// The bounds of this call.
    pub fn of(caller: &Caller, headers: &HeaderMap) -> Result<Self, Problem> {
        let said = said(headers).map_err(|violation| Problem::invalid_input(vec![violation]))?;
        match (&caller.customer, said) {
            (CustomerScope::One(own), Some(other)) if *own != other => {
                Err(Problem::forbidden("this client belongs to another customer"))
            }
            (CustomerScope::One(own), _) => Ok(Self(Some(own.clone()))),
            (CustomerScope::Any, None) => {
                let hint = "a client of all customers says on every call which one it is about";
                Err(Problem::invalid_input(vec![Violation::new(SHOWN, "missing", hint)]))
            }
            (CustomerScope::Any | CustomerScope::None, said) => Ok(Self(said)),
        }
    }

    /// Whether the call may touch this customer's services. What it may not is not found.
    pub fn allows(&self, customer: &Customer) -> bool {
        self.0.as_ref().is_none_or(|only| only == customer)
    }

    /// The one customer that lists are held to; `None` for all.
    pub fn only(&self) -> Option<&Customer> {
        self.0.as_ref()
    }
}

fn said(headers: &HeaderMap) -> Result<Option<Customer>, Violation> {
    let mut given = headers.get_all(CUSTOMER_HEADER).iter();
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => match Customer::parse(value.to_str().unwrap_or_default()) {
            Ok(customer) => Ok(Some(customer)),
            Err(error) => Err(Violation::new(SHOWN, "invalid", error.to_string())),
        },
        _ => Err(Violation::new(SHOWN, "repeated", "say it once")),
    }
}

impl<S> FromRequestParts<S> for Tenancy
where
    S: Send + Sync,
    Arc<Clients>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Self::of(&caller, &parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::{Code, Role};

    fn customer(id: &str) -> Customer {
        Customer::parse(id).unwrap()
    }

    fn decided(role: Role, scope: CustomerScope, said: &[&'static str]) -> Result<Tenancy, Problem> {
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append(CUSTOMER_HEADER, HeaderValue::from_static(value));
        }
        Tenancy::of(&Caller { name: "c".into(), role, customer: scope, personal: false }, &headers)
    }

    #[test]
    fn the_caller_and_the_header_decide_whose_data_a_call_may_touch() {
        let acme = || CustomerScope::One(customer("acme"));
        let held = |id| Ok(Tenancy(Some(customer(id))));
        let all = || Ok(Tenancy(None));
        assert_eq!(decided(Role::Panel, acme(), &[]), held("acme"));
        assert_eq!(decided(Role::Panel, acme(), &["acme"]), held("acme"));
        assert_eq!(decided(Role::Panel, acme(), &["other"]).unwrap_err().code, Code::Forbidden);
        assert_eq!(decided(Role::Panel, CustomerScope::Any, &["other"]), held("other"));
        for role in [Role::Operator, Role::Auditor, Role::Webmail] {
            assert_eq!(decided(role, CustomerScope::None, &[]), all());
            assert_eq!(decided(role, CustomerScope::None, &["acme"]), held("acme"));
        }
    }

    #[test]
    fn a_client_of_all_customers_must_say_which() {
        let problem = decided(Role::Panel, CustomerScope::Any, &[]).unwrap_err();
        assert_eq!((problem.code, problem.violations[0].field.as_str()), (Code::InvalidInput, "Postkey-Customer"));
    }

    #[test]
    fn a_header_that_is_wrong_or_repeated_is_named() {
        for said in [&["a b"][..], &["*"], &[""], &["acme", "acme"]] {
            for scope in [CustomerScope::None, CustomerScope::Any, CustomerScope::One(customer("acme"))] {
                let problem = decided(Role::Operator, scope, said).unwrap_err();
                assert_eq!(problem.code, Code::InvalidInput, "{said:?}");
            }
        }
    }

    #[test]
    fn a_tenancy_allows_its_own_customer_only() {
        let held = Tenancy(Some(customer("acme")));
        assert!(held.allows(&customer("acme")) && !held.allows(&customer("other")));
        assert!(Tenancy(None).allows(&customer("other")));
    }
}
