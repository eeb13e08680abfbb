//! Every endpoint of both services, and what each role is told about its own customer's service, about another's, and about
//! one that does not exist.

use serde_json::{Value, json};
use stage::{MIB, PASSWORD, Scene, new_user};

/// Whose service it is that is asked about, seen from the panel.
pub struct Tenant {
    pub domain: &'static str,
    pub customer: &'static str,
    pub service: String,
    pub user: String,
}

/// Which service has the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Command,
    Projection,
}

/// What is told: a problem's code, or a status where it is none. Of one's own service, another's, and none.
pub type Told = [&'static str; 3];

/// One endpoint.
pub struct Row {
    pub on: On,
    pub method: &'static str,
    /// As the service has it, and maybe a query.
    pub path: &'static str,
    /// JSON; a form where the path says so.
    pub body: fn(&Tenant) -> Option<Value>,
    pub operator: Told,
    pub panel: Told,
    pub webmail: Told,
    /// Of one that says that it asks for the panel's customer.
    pub held_webmail: Told,
    pub auditor: Told,
    pub service: Told,
    pub nobody: Told,
}

const fn all(told: &'static str) -> Told {
    [told; 3]
}

const FORBIDDEN: Told = all("forbidden");

/// Nobody may, unless a row says who.
const CLOSED: Row = Row {
    on: On::Command,
    method: "GET",
    path: "",
    body: |_| None,
    operator: FORBIDDEN,
    panel: FORBIDDEN,
    webmail: FORBIDDEN,
    held_webmail: FORBIDDEN,
    auditor: FORBIDDEN,
    service: FORBIDDEN,
    nobody: all("unauthenticated"),
};

/// A change of what there is. Each is asked for at a revision that nothing has, so that nothing changes.
const CHANGE: Row = Row {
    operator: ["stale_revision", "stale_revision", "not_found"],
    panel: ["stale_revision", "not_found", "not_found"],
    ..CLOSED
};

/// A user's own change, with a password that is wrong.
const OWN: Row = Row {
    method: "POST",
    webmail: all("wrong_current_password"),
    held_webmail: all("wrong_current_password"),
    ..CLOSED
};

/// What every client may ask.
const ANYBODY: Row = Row {
    operator: all("200"),
    panel: all("200"),
    webmail: all("200"),
    held_webmail: all("200"),
    auditor: all("200"),
    service: all("200"),
    ..CLOSED
};

/// What needs no token.
const OPEN: Row = Row { nobody: all("200"), ..ANYBODY };

/// What verifiers ask for, which is about no service.
const LEDGER: Row = Row { on: On::Projection, operator: all("200"), auditor: all("200"), ..CLOSED };

/// A look at what there is.
const LOOK: Row = Row {
    on: On::Projection,
    operator: ["200", "200", "not_found"],
    panel: ["200", "not_found", "not_found"],
    ..CLOSED
};

fn provision(tenant: &Tenant) -> Option<Value> {
    let plan = json!({"mailboxes": 10, "pool_bytes": 100 * MIB});
    Some(json!({"domain": tenant.domain, "customer": tenant.customer, "plan": plan}))
}

fn own(tenant: &Tenant) -> Option<Value> {
    let address = format!("ann@{}", tenant.domain);
    Some(json!({"address": address, "current_password": "Wr0ng-password", "new_password": "Tundra-58-quiver"}))
}

fn form(tenant: &Tenant) -> Option<Value> {
    let address = format!("ann@{}", tenant.domain);
    Some(json!({"user": address, "curpass": "Wr0ng-password", "newpass": "Tundra-58-quiver"}))
}

/// The table. A route without a row fails the test that compares it with the services.
pub fn rows() -> Vec<Row> {
    let projection = On::Projection;
    vec![
        // One that does not exist could be made: a domain that is none is refused, and nothing is.
        Row {
            method: "POST",
            path: "/v1/services",
            body: provision,
            operator: ["domain_taken", "domain_taken", "invalid_input"],
            ..CLOSED
        },
        Row {
            method: "PUT",
            path: "/v1/services/{service}/plan",
            body: |_| Some(json!({"mailboxes": 11, "pool_bytes": 100 * MIB})),
            panel: FORBIDDEN,
            ..CHANGE
        },
        Row {
            method: "POST",
            path: "/v1/services/{service}/users",
            body: |tenant| Some(new_user(&format!("ann@{}", tenant.address_domain()))),
            operator: ["address_taken", "address_taken", "not_found"],
            panel: ["address_taken", "not_found", "not_found"],
            ..CLOSED
        },
        Row {
            method: "PATCH",
            path: "/v1/services/{service}/users/{user}",
            body: |_| Some(json!({"first_name": "Mallory"})),
            ..CHANGE
        },
        Row { method: "DELETE", path: "/v1/services/{service}/users/{user}", ..CHANGE },
        Row {
            method: "PUT",
            path: "/v1/services/{service}/users/{user}/password",
            body: |_| Some(json!({"password": "Tundra-58-quiver"})),
            ..CHANGE
        },
        Row { method: "POST", path: "/v1/services/{service}/users/{user}/suspend", ..CHANGE },
        Row { method: "POST", path: "/v1/services/{service}/users/{user}/reactivate", ..CHANGE },
        Row { method: "POST", path: "/v1/services/{service}/users/{user}/erase", panel: FORBIDDEN, ..CHANGE },
        Row { path: "/v1/self/password", body: own, ..OWN },
        Row { path: "/v1/self/password/roundcube", body: form, ..OWN },
        Row { path: "/v1/password-policy", ..ANYBODY },
        Row { method: "POST", path: "/v1/passwords/suggest", body: |_| Some(json!({})), ..ANYBODY },
        Row { method: "POST", path: "/v1/passwords/check", body: |_| Some(json!({"password": "x"})), ..ANYBODY },
        Row { path: "/healthz", ..OPEN },
        Row { path: "/readyz", ..OPEN },
        Row { path: "/metrics", ..OPEN },
        Row {
            on: projection,
            method: "POST",
            path: "/v1/auth/verify",
            body: |tenant| Some(json!({"address": format!("ann@{}", tenant.domain), "password": "Wr0ng-password"})),
            webmail: all("invalid_credentials"),
            held_webmail: all("invalid_credentials"),
            ..CLOSED
        },
        // With the right password: whoever is held to a customer lets in nobody of another's.
        Row {
            on: projection,
            method: "POST",
            path: "/v1/auth/verify",
            body: |tenant| Some(json!({"address": format!("ann@{}", tenant.domain), "password": PASSWORD})),
            webmail: ["200", "200", "invalid_credentials"],
            held_webmail: ["200", "invalid_credentials", "invalid_credentials"],
            ..CLOSED
        },
        Row { on: projection, path: "/v1/position", ..ANYBODY },
        Row { path: "/v1/services", operator: all("200"), panel: all("200"), ..LOOK },
        Row { path: "/v1/services/{service}", ..LOOK },
        Row { path: "/v1/services/{service}/users", ..LOOK },
        Row { path: "/v1/services/{service}/users/{user}", ..LOOK },
        Row { path: "/v1/audit/events?service={service}", auditor: LOOK.operator, ..LOOK },
        Row { path: "/v1/audit/events/stream?service={service}&wait=0", auditor: LOOK.operator, ..LOOK },
        Row { path: "/v1/audit/users/{user}", panel: FORBIDDEN, auditor: LOOK.operator, ..LOOK },
        Row { on: projection, path: "/v1/rebuild", operator: all("200"), ..CLOSED },
        // None begins.
        Row {
            on: projection,
            method: "POST",
            path: "/v1/rebuild",
            body: |_| Some(json!({"accept_differences": "perhaps"})),
            operator: all("invalid_input"),
            ..CLOSED
        },
        Row {
            path: "/v1/audit/activity?service={service}",
            operator: all("200"),
            panel: FORBIDDEN,
            auditor: all("200"),
            ..LOOK
        },
        Row { path: "/ledger/checkpoint", ..LEDGER },
        Row { path: "/ledger/crossings", ..LEDGER },
        Row { path: "/ledger/tile/{level}/{index}", ..LEDGER },
        Row { path: "/ledger/tile/entries/{index}", ..LEDGER },
        Row { on: projection, path: "/healthz", ..OPEN },
        Row { on: projection, path: "/readyz", ..OPEN },
        Row { on: projection, path: "/metrics", ..OPEN },
    ]
}

impl Tenant {
    /// A domain that an address can lie in, also where there is no service.
    fn address_domain(&self) -> &str {
        if self.domain.contains('.') { self.domain } else { "nowhere.example" }
    }

    /// Acme, another customer, and nobody.
    pub async fn all(scene: &Scene) -> [Self; 3] {
        let service = scene.provisioned("other.example", "other", 10, 100 * MIB).await;
        let user = scene.added(&service, &new_user("ann@other.example")).await;
        let nobody = uuid::Uuid::from_u128(7).to_string();
        [
            Self { domain: "acme.example", customer: "acme", service: scene.service.clone(), user: scene.ann.clone() },
            Self { domain: "other.example", customer: "other", service, user },
            Self { domain: "nowhere", customer: "acme", service: nobody.clone(), user: nobody },
        ]
    }
}
