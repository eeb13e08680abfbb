//! On whose behalf a call is made.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderName, HeaderValue};
use domain::Customer;

use super::problem::{CallError, CallProblem};
use crate::{Actor, CUSTOMER_HEADER, RequestId, request_id};

/// On whose behalf a call is made: goes into `Postkey-Customer`, `Postkey-Actor`, `Postkey-Origin` and `X-Request-Id`.
#[derive(Clone, PartialEq, Eq)]
pub struct Behalf {
    /// Whose services the call is about, and no others.
    pub customer: Customer,
    /// Who acts: an opaque id of 1 to 128 visible ASCII characters, for the history.
    pub actor: String,
    /// The IP address that the acting person came from, for the history.
    pub origin: Option<IpAddr>,
    /// By which the call is found in logs: `[A-Za-z0-9._-]{1,64}`. With any other, the service draws one.
    pub request_id: String,
}

impl Behalf {
    /// The headers.
    ///
    /// # Errors
    /// 422 as the service would answer, where the actor is none.
    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, CallError> {
        let unsendable = |field, hint| CallError::Problem(CallProblem::unsendable(field, hint));
        let actor = Actor::parse(&self.actor).map_err(|hint| unsendable("Postkey-Actor", hint))?;
        let mut texts = vec![
            (CUSTOMER_HEADER, self.customer.as_str().to_owned()),
            (HeaderName::from_static("postkey-actor"), actor.as_str().to_owned()),
        ];
        texts.extend(self.origin.map(|origin| (HeaderName::from_static("postkey-origin"), origin.to_string())));
        // What has been parsed is visible ASCII throughout.
        let values = texts.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?)));
        Ok(values.chain(request_header(&self.request_id)).collect())
    }
}

/// `X-Request-Id`, if the id is one that a service takes.
pub(super) fn request_header(id: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((request_id::HEADER, RequestId::parse(id)?.header_value()?))
}

impl fmt::Debug for Behalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Who acts and from where is personal.
        f.debug_struct("Behalf")
            .field("customer", &self.customer)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}
