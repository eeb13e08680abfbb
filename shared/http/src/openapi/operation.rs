//! What one route says of itself in the OpenAPI document.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::sample;
use crate::describe::{Described, describe, words};
use crate::{Actor, Code, FromFields, IdempotencyKey, MAX_WAIT, Problem, Reason, RequestId, Role, Violation};

/// By what the document says that a part of a path may have slashes in it, for which OpenAPI 3.1 has no words.
const SEVERAL_ELEMENTS: &str = "x-multi-segment";

/// Who may ask.
#[derive(Clone, Copy, Debug)]
enum Access {
    /// Anybody, without a token.
    Anybody,
    /// Every client.
    Client,
    /// Clients of these roles.
    Roles(&'static [Role]),
}

/// What a route is asked and answers. It is declared beside its handler, and given to [`Routes`](super::Routes) with it.
///
/// What follows from something else is not said again: ids in the path are `not_found` where they are none; a body brings
/// 408, 413, 415 and 422, a query 422, a token 401, roles 403, and anything that can be served can be `internal`.
#[derive(Clone, Debug)]
pub struct Operation {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    details: Vec<String>,
    access: Access,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    codes: Vec<Code>,
    /// Whether its answers, problems too, have the key under which it may be repeated.
    keyed: bool,
    pub(super) schemas: Map<String, Value>,
}

impl Operation {
    /// An operation that anybody may ask for. `id` is its name in clients that are generated, `tag` the heading under which
    /// it stands.
    pub fn new(id: &'static str, tag: &'static str, summary: &'static str) -> Self {
        Self {
            id,
            tag,
            summary,
            details: Vec::new(),
            access: Access::Anybody,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            codes: vec![Code::Internal],
            keyed: false,
            schemas: Map::new(),
        }
    }

    /// More to know of it, in Markdown; each call is a paragraph.
    #[must_use]
    pub fn details(mut self, text: impl Into<String>) -> Self {
        self.details.push(text.into());
        self
    }

    /// Only clients of these roles may ask.
    #[must_use]
    pub fn roles(mut self, roles: &'static [Role]) -> Self {
        self.access = Access::Roles(roles);
        self.problems(&[Code::Unauthenticated, Code::Forbidden])
    }

    /// Every client may ask, whatever its role.
    #[must_use]
    pub fn any_role(mut self) -> Self {
        self.access = Access::Client;
        self.problems(&[Code::Unauthenticated])
    }

    /// The call is held to one customer's services.
    #[must_use]
    pub fn tenancy(self) -> Self {
        let says = "Whose services the call is about. A client of all customers (`*`) says so on each call; a client of one \
                    customer need not.";
        self.header("Postkey-Customer", says, domain::Customer::schema()).problems(&[
            Code::Forbidden,
            Code::NotFound,
            Code::InvalidInput,
        ])
    }

    /// The headers that every command understands, and what every command can be answered.
    #[must_use]
    pub fn command(self) -> Self {
        let seconds = MAX_WAIT.as_secs();
        self.tenancy()
            .header(
                "Idempotency-Key",
                "The caller's own name for this command: repeated with it, for ever, the command is not carried out again, but \
                 answered as the first time. Drawn and returned where absent. Another body under it is `idempotency_mismatch`; \
                 of a command that set a password only as long as no later one has replaced that: then another password \
                 under the same key is answered as the first, and never set. A key is for one request.",
                IdempotencyKey::schema(),
            )
            .header(
                "If-Match",
                "The revision that what is changed must have, as its ETag gives it: else `stale_revision`. `*` asks for nothing.",
                json!({"type": "string", "pattern": r#"^(\*|"(0|[1-9][0-9]{0,19})")$"#, "examples": ["\"4711\""]}),
            )
            .header(
                "Prefer",
                &format!("`wait=SECONDS`: for how long to wait until the change is in force, at most {seconds} (2 where absent). \
                          What is not in force by then is answered 202. Anything else is ignored."),
                json!({"type": "string", "examples": ["wait=5"]}),
            )
            .header("Postkey-Actor", "Who acts, for the history: an opaque id, never a name or an address.", Actor::schema())
            .header(
                "Postkey-Origin",
                "The IP address that the acting person came from, for the history.",
                std::net::IpAddr::schema(),
            )
            .header(
                "Postkey-Reason",
                &format!("Why, for the history: percent-encoded UTF-8, at most {} code points.", Reason::MAX_CODE_POINTS),
                json!({"type": "string", "pattern": Reason::ENCODED_PATTERN, "examples": ["left%20the%20company"]}),
            )
            .keyed()
            .problems(&[
                Code::InvalidInput,
                Code::IdempotencyMismatch,
                Code::StaleRevision,
                Code::Overloaded,
                Code::LogUnavailable,
                Code::LogCorrupt,
                Code::KeysUnavailable,
                Code::CatchingUp,
            ])
    }

    /// A header that is understood.
    #[must_use]
    pub fn header(self, name: &str, says: &str, schema: Value) -> Self {
        self.parameter("header", name, says, false, schema)
    }

    /// A part of the path that is no id of a service or user, with an example.
    #[must_use]
    pub fn path(mut self, name: &str, says: &str, schema: Value, example: impl Into<Value>) -> Self {
        self = self.parameter("path", name, says, true, schema);
        self.last_parameter("example", example.into())
    }

    /// The last part of a path, `{*name}`, which may have slashes in it.
    #[must_use]
    pub fn path_rest(self, name: &str, says: &str, schema: Value, example: impl Into<Value>) -> Self {
        self.path(name, says, schema, example).last_parameter(SEVERAL_ELEMENTS, json!(true))
    }

    fn last_parameter(mut self, name: &str, value: Value) -> Self {
        if let Some(parameter) = self.parameters.last_mut() {
            parameter[name] = value;
        }
        self
    }

    /// A query, read by the same reader as the request's.
    #[must_use]
    pub fn query<T: FromFields>(mut self) -> Self {
        for field in describe::<T>() {
            let mut schema = field.schema;
            let says = schema.as_object_mut().and_then(|schema| schema.remove("description"));
            let says = says.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            self = self.parameter("query", &field.name, &says, field.required, schema);
        }
        self.problems(&[Code::InvalidInput])
    }

    fn parameter(mut self, place: &str, name: &str, says: &str, required: bool, schema: Value) -> Self {
        let mut parameter = json!({"in": place, "name": name, "required": required, "schema": schema});
        if !says.is_empty() {
            parameter["description"] = json!(says);
        }
        self.parameters.push(parameter);
        self
    }

    /// A JSON body, read by the same reader as the request's, with an example for each name.
    #[must_use]
    pub fn body<T: FromFields>(self, examples: &[(&str, Value)]) -> Self {
        self.with_body::<T>("application/json", true, examples)
    }

    /// A JSON body that may be left out.
    #[must_use]
    pub fn optional_body<T: FromFields>(self, examples: &[(&str, Value)]) -> Self {
        self.with_body::<T>("application/json", false, examples)
    }

    /// A form.
    #[must_use]
    pub fn form<T: FromFields>(self, examples: &[(&str, Value)]) -> Self {
        self.with_body::<T>("application/x-www-form-urlencoded", true, examples)
    }

    fn with_body<T: FromFields>(mut self, media: &str, required: bool, examples: &[(&str, Value)]) -> Self {
        let examples: Map<_, _> =
            examples.iter().map(|(name, value)| ((*name).to_owned(), json!({"value": value}))).collect();
        let mut content = json!({"schema": words(describe::<T>())});
        if !examples.is_empty() {
            content["examples"] = json!(examples);
        }
        self.body = Some(json!({"required": required, "content": {media: content}}));
        self.problems(&[Code::RequestTimeout, Code::TooLarge, Code::UnsupportedMediaType, Code::InvalidInput])
    }

    /// Answers JSON of a type's schema, such as `example`.
    #[must_use]
    pub fn answers<T: Serialize + ToSchema>(mut self, status: StatusCode, says: &str, example: &T) -> Self {
        let mut found = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut found);
        for (name, schema) in found {
            self.schemas.insert(name, json!(schema));
        }
        let schema = json!({"$ref": format!("#/components/schemas/{}", T::name())});
        self.answers_with(status, says, "application/json", schema, json!(example))
    }

    /// Answers text of a media type.
    #[must_use]
    pub fn answers_text(self, status: StatusCode, says: &str, media: &str, example: &str) -> Self {
        self.answers_with(status, says, media, json!({"type": "string"}), json!(example))
    }

    /// Answers JSON of a schema that is written out.
    #[must_use]
    pub fn answers_with(mut self, status: StatusCode, says: &str, media: &str, schema: Value, example: Value) -> Self {
        let content = json!({media: {"schema": schema, "example": example}});
        self.answers.insert(status.as_u16(), json!({"description": says, "content": content}));
        self
    }

    /// Answers bytes.
    #[must_use]
    pub fn answers_bytes(mut self, status: StatusCode, says: &str) -> Self {
        let content = json!({"application/octet-stream": {}});
        self.answers.insert(status.as_u16(), json!({"description": says, "content": content}));
        self
    }

    /// Answers nothing but headers.
    #[must_use]
    pub fn answers_nothing(mut self, status: StatusCode, says: &str) -> Self {
        self.answers.insert(status.as_u16(), json!({"description": says}));
        self
    }

    /// A header of the answers with this status.
    #[must_use]
    pub fn answers_header(mut self, status: StatusCode, name: &str, says: &str, schema: Value) -> Self {
        if let Some(answer) = self.answers.get_mut(&status.as_u16()) {
            answer["headers"][name] = json!({"description": says, "schema": schema});
        }
        self
    }

    /// Every answer but that of a handler that broke has the key.
    #[must_use]
    fn keyed(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// Whether it is a command, which may be repeated under a key.
    pub(super) const fn is_keyed(&self) -> bool {
        self.keyed
    }

    /// Problems that it can be answered with, beside those that follow from the rest.
    #[must_use]
    pub fn problems(mut self, codes: &[Code]) -> Self {
        for code in codes {
            if !self.codes.contains(code) {
                self.codes.push(*code);
            }
        }
        self
    }

    /// The operation as the document holds it, on a route of this path.
    pub(super) fn render(mut self, path: &str) -> Value {
        let names: Vec<_> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        if !names.is_empty() {
            self = self.problems(&[Code::NotFound]);
        }
        // What the operation has not described itself is an id.
        let described = |name: &str| self.parameters.iter().any(|one| one["in"] == "path" && one["name"] == name);
        let ids = names.into_iter().filter(|name| !described(name));
        let ids: Vec<_> = ids.map(|name| json!({"$ref": format!("#/components/parameters/{name}")})).collect();
        let mut parameters = ids;
        parameters.append(&mut self.parameters);
        parameters.push(json!({"$ref": "#/components/parameters/X-Request-Id"}));
        if let Access::Roles(roles) = self.access {
            let roles: Vec<_> = roles.iter().map(|role| format!("`{role}`")).collect();
            self.details.push(format!("Roles: {}.", roles.join(", ")));
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "parameters": parameters,
            "security": if matches!(self.access, Access::Anybody) { json!([]) } else { json!([{"token": []}]) },
        });
        if !self.details.is_empty() {
            operation["description"] = json!(self.details.join("\n\n"));
        }
        if let Some(body) = self.body.take() {
            operation["requestBody"] = body;
        }
        operation["responses"] = self.responses();
        operation
    }

    fn responses(self) -> Value {
        let mut responses = self.answers;
        let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in self.codes {
            by_status.entry(code.status().as_u16()).or_default().push(code);
        }
        for (status, mut codes) in by_status {
            codes.sort_unstable_by_key(|code| code.as_str());
            responses.insert(status, problem_answer(status, &codes));
        }
        for (status, answer) in &mut responses {
            answer["headers"]["X-Request-Id"] = json!({"$ref": "#/components/headers/X-Request-Id"});
            if self.keyed && *status != StatusCode::INTERNAL_SERVER_ERROR.as_u16() {
                answer["headers"]["Idempotency-Key"] = json!({"$ref": "#/components/headers/Idempotency-Key"});
            }
        }
        let responses: Map<_, _> = responses.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        json!(responses)
    }
}

/// The answer that says no with one of these codes.
fn problem_answer(status: u16, codes: &[Code]) -> Value {
    let words: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let says: Vec<_> = codes.iter().map(|code| format!("`{code}`: {}", code.title())).collect();
    let examples: Map<_, _> =
        codes.iter().map(|code| (code.as_str().to_owned(), json!({"value": example(*code)}))).collect();
    let mut answer = json!({
        "description": says.join("; "),
        "content": {"application/problem+json": {
            "schema": {
                "allOf": [
                    {"$ref": "#/components/schemas/Problem"},
                    {"properties": {"status": {"const": status}, "code": {"enum": words}}},
                ],
            },
            "examples": examples,
        }},
    });
    let headers: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        429 | 503 => &["Retry-After"],
        _ => &[],
    };
    for name in headers {
        answer["headers"][*name] = json!({"$ref": format!("#/components/headers/{name}")});
    }
    answer
}

/// A problem as a caller would get it.
fn example(code: Code) -> Value {
    let mut problem = Problem::new(code);
    match code {
        Code::InvalidInput => {
            problem.violations = vec![Violation::new("last_name", "missing", "this field is required")];
        }
        Code::WeakPassword => {
            problem.violations = vec![Violation::new("password", "missing_digit", "Add a digit, such as 0 to 9.")];
        }
        _ => {}
    }
    let rendered = problem.render(RequestId::parse(sample::REQUEST).as_ref());
    serde_json::from_slice(&rendered).unwrap_or_default()
}
