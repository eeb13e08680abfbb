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
    body: Option<Value>,
    token: &'static str,
    headers: Vec<(&'static str, String)>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
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
            Some(body) => request.header("content-type", "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        let answered = async {
            let (head, body) = self.instance.router.clone().oneshot(request.unwrap()).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Answer { status: head.status, headers: head.headers, json }
        };
        tokio::time::timeout(LIMIT, answered).await.expect("no answer")
    }
}

impl Instance {
    fn call(&self, method: Method, path: String, body: Option<Value>) -> Call<'_> {
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

    pub fn remove(&self, domain: &str, user: &str) -> Call<'_> {
        self.call(Method::DELETE, Self::user(domain, user), None)
    }
}
