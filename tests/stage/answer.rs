//! An answer as it came over the wire.

use std::fmt;

use reqwest::header::HeaderMap;
use serde_json::Value;

/// An answer: its status, headers, and body as text and as JSON.
#[derive(Clone)]
pub struct Answer {
    /// The request, for messages: its method and path.
    pub request: String,
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
    /// The same as text.
    pub text: String,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was answered {}: {}", self.request, self.status, self.text)
    }
}

impl Answer {
    /// A header's text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of a metric with these labels, in any order; none where it is not there.
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.text.lines().find_map(|line| {
            let (metric, value) = line.rsplit_once(' ')?;
            let (found, rest) = metric.split_once('{').unwrap_or((metric, ""));
            let has = |(label, value): &(&str, &str)| rest.contains(&format!("{label}=\"{value}\""));
            (found == name && labels.iter().all(has)).then(|| value.parse().unwrap())
        })
    }

    /// Expects a status, and JSON that is marked as such.
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        assert!(!self.header("x-request-id").is_empty(), "{self:?}");
        self.body
    }

    /// Expects a receipt, with exactly the fields that the contract names, of a change that is in force.
    #[track_caller]
    pub fn receipt(self, status: u16, events: &[&str]) -> Value {
        let shown = format!("{self:?}");
        assert!(!self.header("idempotency-key").is_empty(), "{shown}");
        let mut receipt = self.is(status);
        assert_eq!(receipt["events"], serde_json::json!(events), "{shown}");
        let mut fields = fields(&receipt);
        fields.retain(|field| *field != "user");
        let expected = ["effective", "effective_at", "events", "position", "repeated", "revision", "service"];
        assert_eq!(fields, expected, "{shown}");
        if receipt["effective"] == true {
            assert!(is_instant(&receipt["effective_at"]), "{shown}");
        } else {
            assert_eq!((status, &receipt["effective"], &receipt["effective_at"]), (202, &false.into(), &Value::Null));
        }
        assert!(receipt["position"].is_u64() && receipt["revision"].is_u64(), "{shown}");
        assert!(receipt["repeated"].is_boolean() && receipt["service"].is_string(), "{shown}");
        receipt.take()
    }

    /// Expects a problem as RFC 9457 and the contract want it.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let id = self.header("x-request-id");
        assert!(!id.is_empty() && self.body["request_id"] == id, "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        let mut fields = fields(&self.body);
        fields.retain(|field| *field != "violations");
        assert_eq!(fields, ["code", "detail", "request_id", "status", "title", "type"], "{self:?}");
        for field in ["detail", "title", "type"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        let told_when = self.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0);
        assert_eq!(told_when, matches!(status, 429 | 503), "{self:?}");
        self.body
    }

    /// Expects a refusal of input, and returns what is wrong as sorted lines of field and code.
    #[track_caller]
    pub fn violations(self, status: u16, code: &str) -> Vec<String> {
        let problem = self.problem(status, code);
        let violations = problem["violations"].as_array().unwrap_or_else(|| panic!("no violations: {problem}"));
        let mut lines: Vec<_> = violations
            .iter()
            .map(|violation| {
                assert_eq!(fields(violation), ["code", "field", "hint"], "{problem}");
                assert!(violation["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{problem}");
                format!("{} {}", violation["field"].as_str().unwrap(), violation["code"].as_str().unwrap())
            })
            .collect();
        lines.sort();
        lines
    }
}

/// The names of an object's fields, sorted.
fn fields(value: &Value) -> Vec<&str> {
    let mut fields: Vec<_> = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    fields.sort_unstable();
    fields
}

/// Whether a value is an instant as RFC 3339 writes it in UTC: `2026-11-24T08:13:51.123456Z`.
pub fn is_instant(value: &Value) -> bool {
    let Some((date, time)) = value.as_str().and_then(|text| text.strip_suffix('Z')?.split_once('T')) else {
        return false;
    };
    let numbers = |text: &str, separator| {
        let parts: Vec<_> = text.split(separator).map(str::to_owned).collect();
        parts.iter().all(|part| part.parse::<f64>().is_ok()).then_some(parts.len())
    };
    numbers(date, '-') == Some(3) && numbers(time, ':') == Some(3)
}
