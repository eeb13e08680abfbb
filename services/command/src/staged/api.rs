//! Calls of an instance, as panels make them.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Instance, LIMIT, service_of};

/// A call that is being made up.
pub struct Call<'a> {
    instance: &'a Instance,
    method: Method,
    path: String,
    body: Option<(&'static str, String)>,
    token: &'static str,
    headers: Vec<(&'static str, String)>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
    pub text: String,
}

impl Answer {
    /// The code of a problem; the status where it is none.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or(self.status.as_str())
    }

    /// The answer, which must be a receipt with this status.
    #[track_caller]
    pub fn done(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status.as_u16(), self.code()), (status, code), "{self:?}");
        self
    }

    pub fn position(&self) -> u64 {
        self.json["position"].as_u64().expect("a receipt")
    }

    pub fn user(&self) -> String {
        self.json["user"].as_str().expect("a receipt about a user").to_owned()
    }

    /// What a problem says, without the request's id.
    pub fn said(mut self) -> Value {
        self.json["request_id"].take();
        self.json
    }

    /// The broken rules of a refused password.
    pub fn rules(&self) -> Vec<&str> {
        self.json["violations"].as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()).collect()
    }
}

impl Call<'_> {
    pub fn by(self, token: &'static str) -> Self {
        Self { token, ..self }
    }

    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        request = request.header("authorization", format!("Bearer {}", self.token));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = match &self.body {
            Some((kind, body)) => request.header("content-type", *kind).body(Body::from(body.clone())),
            None => request.body(Body::empty()),
        };
        let answered = async {
            let (head, body) = self.instance.router.clone().oneshot(request.unwrap()).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let text = String::from_utf8_lossy(&body).into_owned();
            Answer { status: head.status, headers: head.headers, json, text }
        };
        tokio::time::timeout(LIMIT, answered).await.expect("no answer")
    }
}

impl Instance {
    fn call(&self, method: Method, path: String, body: Option<Value>) -> Call<'_> {
        let body = body.map(|body| ("application/json", body.to_string()));
        Call { instance: self, method, path, body, token: "operator", headers: Vec::new() }
    }

    pub fn provision_for(&self, domain: &str, customer: &str, mailboxes: u64) -> Call<'_> {
        let plan = json!({"mailboxes": mailboxes, "pool_bytes": 1_u64 << 40});
        let body = json!({"domain": domain, "customer": customer, "plan": plan});
        self.call(Method::POST, "/v1/services".to_owned(), Some(body))
    }

    pub fn provision(&self, domain: &str) -> Call<'_> {
        self.provision_for(domain, "acme", 10)
    }

    pub fn change_plan(&self, domain: &str, mailboxes: u64) -> Call<'_> {
        let path = format!("/v1/services/{}/plan", service_of(domain));
        self.call(Method::PUT, path, Some(json!({"mailboxes": mailboxes, "pool_bytes": 1_u64 << 40})))
    }

    /// Adds a user named Ann Lee.
    pub fn add(&self, address: &str) -> Call<'_> {
        let domain = address.rsplit('@').next().unwrap();
        let body = json!({
            "address": address, "first_name": "Ann", "last_name": "Lee", "quota_bytes": 1_u64 << 20,
            "password": "Tr0ub4dor&3-x",
        });
        self.call(Method::POST, format!("/v1/services/{}/users", service_of(domain)), Some(body))
    }

    /// A user changes its own password in webmail.
    pub fn change_own(&self, address: &str, current: &str, new: &str) -> Call<'_> {
        self.change_own_by(json!({"address": address, "current_password": current, "new_password": new}))
    }

    /// The same with a body of one's own.
    pub fn change_own_by(&self, body: Value) -> Call<'_> {
        self.call(Method::POST, "/v1/self/password".to_owned(), Some(body)).by("webmail")
    }

    /// The same by a form, as Roundcube posts it; the values are in it as they are.
    pub fn change_own_in_roundcube(&self, form: &str) -> Call<'_> {
        let call = self.call(Method::POST, "/v1/self/password/roundcube".to_owned(), None).by("webmail");
        Call { body: Some(("application/x-www-form-urlencoded", form.to_owned())), ..call }
    }

    /// The service's own document.
    pub fn document(&self) -> Call<'_> {
        self.call(Method::GET, "/openapi.json".to_owned(), None)
    }

    /// What a metric shows, with its labels as they are written; none where it is not shown.
    pub async fn shows(&self, metric: &str) -> Option<f64> {
        let scrape = self.call(Method::GET, "/metrics".to_owned(), None).send().await.done(200);
        scrape.text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
    }

    fn user(domain: &str, user: &str) -> String {
        format!("/v1/services/{}/users/{user}", service_of(domain))
    }

    pub fn edit(&self, domain: &str, user: &str, body: Value) -> Call<'_> {
        self.call(Method::PATCH, Self::user(domain, user), Some(body))
    }

    pub fn rename(&self, domain: &str, user: &str, last_name: &str) -> Call<'_> {
        self.edit(domain, user, json!({"last_name": last_name}))
    }

    pub fn set_password(&self, domain: &str, user: &str, password: &str) -> Call<'_> {
        let path = format!("{}/password", Self::user(domain, user));
        self.call(Method::PUT, path, Some(json!({"password": password})))
    }

    pub fn suspend(&self, domain: &str, user: &str) -> Call<'_> {
        self.call(Method::POST, format!("{}/suspend", Self::user(domain, user)), None)
    }

    pub fn suspend_because(&self, domain: &str, user: &str, reason: &str) -> Call<'_> {
        self.call(Method::POST, format!("{}/suspend", Self::user(domain, user)), Some(json!({"reason": reason})))
    }

    pub fn reactivate(&self, domain: &str, user: &str) -> Call<'_> {
        self.call(Method::POST, format!("{}/reactivate", Self::user(domain, user)), None)
    }

    pub fn erase(&self, domain: &str, user: &str) -> Call<'_> {
        self.call(Method::POST, format!("{}/erase", Self::user(domain, user)), None)
    }

    pub fn erase_because(&self, domain: &str, user: &str, reason: &str) -> Call<'_> {
        self.call(Method::POST, format!("{}/erase", Self::user(domain, user)), Some(json!({"reason": reason})))
    }

    pub fn remove(&self, domain: &str, user: &str) -> Call<'_> {
        self.call(Method::DELETE, Self::user(domain, user), None)
    }
}
