//! How a service says no: RFC 9457 problems, and the one place where codes meet HTTP statuses.

use std::borrow::Cow;
use std::fmt;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::RequestId;

/// Declares [`Code`] as one table: variant, code, status, title.
macro_rules! codes {
    ($($variant:ident, $code:literal, $status:ident, $title:literal;)+) => {
        /// What went wrong, in a word that a program can act on. The words are a contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!($title, ": `", $code, "`.")] $variant,)+
        }

        impl Code {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code as it stands in a problem's body.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The HTTP status that it goes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// What the code says, for a person: the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

codes! {
    Unauthenticated, "unauthenticated", UNAUTHORIZED, "No valid bearer token";
    InvalidCredentials, "invalid_credentials", UNAUTHORIZED, "Address or password is wrong";
    Forbidden, "forbidden", FORBIDDEN, "Not allowed to this client";
    WrongCurrentPassword, "wrong_current_password", FORBIDDEN, "The current password is wrong";
    NotFound, "not_found", NOT_FOUND, "Not found";
    MethodNotAllowed, "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed here";
    RequestTimeout, "request_timeout", REQUEST_TIMEOUT, "The request did not arrive in time";
    AddressTaken, "address_taken", CONFLICT, "The address is taken";
    DomainTaken, "domain_taken", CONFLICT, "The domain is taken";
    PlanFull, "plan_full", CONFLICT, "The plan has no mailbox left";
    PoolExceeded, "pool_exceeded", CONFLICT, "The plan's pool of storage is exceeded";
    WrongState, "wrong_state", CONFLICT, "Not possible in this state";
    SamePassword, "same_password", CONFLICT, "The new password is the current one";
    StaleRevision, "stale_revision", PRECONDITION_FAILED, "Changed by somebody else in the meantime";
    TooLarge, "too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedMediaType, "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body's type is not understood";
    InvalidInput, "invalid_input", UNPROCESSABLE_ENTITY, "The input is invalid";
    WeakPassword, "weak_password", UNPROCESSABLE_ENTITY, "The password breaks the policy";
    IdempotencyMismatch, "idempotency_mismatch", UNPROCESSABLE_ENTITY, "The key was used for another request";
    Throttled, "throttled", TOO_MANY_REQUESTS, "Too many attempts";
    Overloaded, "overloaded", SERVICE_UNAVAILABLE, "Too busy at the moment";
    LogUnavailable, "log_unavailable", SERVICE_UNAVAILABLE, "The event log does not answer";
    LogCorrupt, "log_corrupt", SERVICE_UNAVAILABLE, "The event log is corrupt";
    KeysUnavailable, "keys_unavailable", SERVICE_UNAVAILABLE, "The key store does not answer";
    ReadModelUnavailable, "read_model_unavailable", SERVICE_UNAVAILABLE, "The read model does not answer";
    ActivityUnavailable, "activity_unavailable", SERVICE_UNAVAILABLE, "The activity log does not answer";
    CatchingUp, "catching_up", SERVICE_UNAVAILABLE, "Not up to date yet";
    Internal, "internal", INTERNAL_SERVER_ERROR, "Something broke on our side";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong with the input: where, what, and what would be right. Never holds the value itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Violation {
    /// The field, dotted where it lies in an object (`plan.mailboxes`), or the header's or parameter's name; `body`
    /// where no field can be named.
    pub field: String,
    /// What is wrong, for a program: `missing`, `unknown`, `repeated`, `wrong_type`, `malformed`, `invalid`, or a
    /// password rule such as `too_short`.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// What would be right, for a person.
    pub hint: String,
}

impl Violation {
    /// One wrong field.
    pub fn new(field: impl Into<String>, code: impl Into<Cow<'static, str>>, hint: impl Into<String>) -> Self {
        Self { field: field.into(), code: code.into(), hint: hint.into() }
    }
}

/// An answer that says no, as `application/problem+json`.
///
/// It renders itself without a request id, which it can't know; [`layers`](crate::layers) finds it among the
/// response's extensions and renders it again with the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What went wrong, for a program.
    pub code: Code,
    /// What went wrong this time and what to do, for a person. Nothing secret or personal.
    pub detail: Cow<'static, str>,
    /// Every wrong field, where input was refused; else empty.
    pub violations: Vec<Violation>,
    /// After how many seconds to ask again. 429 and 503 say 1 where nothing else is set.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A problem whose detail is all that its code says.
    pub const fn new(code: Code) -> Self {
        Self { code, detail: Cow::Borrowed(code.title()), violations: Vec::new(), retry_after: None }
    }

    /// The same problem with a detail of its own.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// The same problem with the fields that are wrong.
    #[must_use]
    pub fn with_violations(mut self, violations: Vec<Violation>) -> Self {
        self.violations = violations;
        self
    }

    /// The same problem with the seconds to wait, at least one.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// 401: no bearer token that we know.
    pub const fn unauthenticated() -> Self {
        Self::new(Code::Unauthenticated)
    }

    /// 403, with the reason.
    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::Forbidden).with_detail(detail)
    }

    /// 404: also for what exists but is not the caller's.
    pub const fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    /// 422: the fields that are wrong, all of them.
    pub fn invalid_input(violations: Vec<Violation>) -> Self {
        Self::new(Code::InvalidInput).with_violations(violations)
    }

    /// 422: the rules that the password breaks, all of them.
    pub fn weak_password(violations: Vec<Violation>) -> Self {
        Self::new(Code::WeakPassword).with_violations(violations)
    }

    /// 429: no password may be tried now, and after how many seconds one may. `pending`: nobody is known to have been wrong,
    /// only others are being judged at this moment.
    pub fn throttled(seconds: u64, pending: bool) -> Self {
        let why = if pending {
            "too many others are being judged at this moment"
        } else {
            "too many attempts with a wrong password"
        };
        Self::new(Code::Throttled).with_detail(format!("{why}: try again in {seconds} s")).with_retry_after(seconds)
    }

    /// 500. What broke belongs into the log, not into the answer.
    pub const fn internal() -> Self {
        Self::new(Code::Internal)
    }

    /// The `Retry-After` of the answer.
    fn seconds_to_wait(&self) -> Option<u64> {
        let must_say = matches!(self.code.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        self.retry_after.or(must_say.then_some(1))
    }

    /// The body, with the request's id where it is known.
    pub(crate) fn render(&self, request_id: Option<&RequestId>) -> Vec<u8> {
        let body = ProblemBody {
            r#type: format!("urn:postkey:problem:{}", self.code),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            request_id: request_id.map(RequestId::as_str),
            violations: &self.violations,
        };
        // Strings and numbers always serialise; an empty body would still carry the status.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

/// An answer that says no (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(crate) struct ProblemBody<'a> {
    /// A URN of the code.
    r#type: String,
    /// What the code says, for a person: the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What went wrong this time and what to do, for a person.
    detail: &'a str,
    /// What went wrong, for a program.
    code: &'static str,
    /// By which the request is found in logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = true, value_type = String)]
    request_id: Option<&'a str>,
    /// Every wrong field, where input was refused.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    violations: &'a [Violation],
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.code.status(), self.render(None)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.seconds_to_wait() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // RFC 9110 §11.6.1 wants a challenge with every 401; a mailbox user's password is not sent by any HTTP scheme.
        match self.code {
            Code::Unauthenticated => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Code::InvalidCredentials => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Mailbox realm=\"postkey\""));
            }
            _ => {}
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_of_the_contract_has_its_status() {
        let contract = [
            ("unauthenticated", 401),
            ("forbidden", 403),
            ("not_found", 404),
            ("invalid_input", 422),
            ("weak_password", 422),
            ("address_taken", 409),
            ("domain_taken", 409),
            ("plan_full", 409),
            ("pool_exceeded", 409),
            ("wrong_state", 409),
            ("same_password", 409),
            ("stale_revision", 412),
            ("idempotency_mismatch", 422),
            ("wrong_current_password", 403),
            ("too_large", 413),
            ("throttled", 429),
            ("overloaded", 503),
            ("log_unavailable", 503),
            ("log_corrupt", 503),
            ("keys_unavailable", 503),
            ("read_model_unavailable", 503),
            ("catching_up", 503),
            ("activity_unavailable", 503),
            ("invalid_credentials", 401),
            ("method_not_allowed", 405),
            ("unsupported_media_type", 415),
            ("internal", 500),
        ];
        for (code, status) in contract {
            let found = Code::ALL.iter().find(|c| c.as_str() == code);
            assert_eq!(found.map(|c| c.status().as_u16()), Some(status), "{code}");
        }
    }

    #[test]
    fn no_two_codes_read_alike() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
    }

    #[test]
    fn a_problem_says_what_rfc_9457_asks_and_violations_only_where_there_are_some() {
        let body: serde_json::Value = serde_json::from_slice(&Problem::not_found().render(None)).unwrap();
        let expected = serde_json::json!({
            "type": "urn:postkey:problem:not_found", "title": "Not found", "status": 404, "detail": "Not found",
            "code": "not_found"
        });
        assert_eq!(body, expected);

        let refused = Problem::invalid_input(vec![Violation::new("plan.mailboxes", "missing", "say how many")]);
        let body: serde_json::Value = serde_json::from_slice(&refused.render(None)).unwrap();
        let expected = serde_json::json!([{"field": "plan.mailboxes", "code": "missing", "hint": "say how many"}]);
        assert_eq!(body["violations"], expected);
    }

    #[test]
    fn whoever_is_told_to_come_back_is_told_when() {
        for &code in Code::ALL {
            let response = Problem::new(code).into_response();
            let retry = response.headers().get(header::RETRY_AFTER).map(|v| v.to_str().unwrap().to_owned());
            let expected = matches!(code.status().as_u16(), 429 | 503).then(|| "1".to_owned());
            assert_eq!(retry, expected, "{code}");
        }
        let pending = Problem::throttled(1, true);
        assert_eq!((pending.code, pending.retry_after), (Code::Throttled, Some(1)));
        assert_eq!(pending.detail, "too many others are being judged at this moment: try again in 1 s");
        let throttled = Problem::throttled(32, false);
        assert_eq!(throttled.detail, "too many attempts with a wrong password: try again in 32 s");
        let response = throttled.into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
            (429, &"32".parse().unwrap())
        );
    }
}
