//! `POST /v1/services`: a domain gets an email service.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{Customer, DomainName, EmailService, KeyId, Person, Plan, ProvisionService, Rejection, ServiceId};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Receipt, Role};
use serde_json::json;

use super::change_plan::{plan, plan_canonical};
use super::{command, receipts};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation, Prepared, PrivateKey};
use crate::receipt::respond;

pub struct Provision {
    domain: DomainName,
    customer: Customer,
    plan: Plan,
}

impl FromFields for Provision {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let domain = fields.required("domain", DomainName::parse);
        let customer = fields.required("customer", Customer::parse);
        let plan = fields.object("plan", plan);
        Some(Self { domain: domain?, customer: customer?, plan: plan? })
    }
}

impl Asked for Provision {
    const KIND: &'static str = "ProvisionService";
    const EVENTS: &'static [&'static str] = &["ServiceProvisioned"];
    const ROLES: &'static [Role] = &[Role::Operator];

    fn canonical(&self, form: &mut Canonical) {
        form.text("domain", Some(self.domain.as_str()));
        form.text("customer", Some(self.customer.as_str()));
        plan_canonical(self.plan, form);
    }
}

struct Making<'a> {
    asked: &'a Provision,
    key: KeyId,
}

impl Make for Making<'_> {
    type Command = ProvisionService;

    fn person(&self, _: &EmailService) -> Result<Option<Person>, Rejection> {
        Ok(None)
    }

    fn command(&self, _: Prepared) -> Result<ProvisionService, Problem> {
        let Provision { domain, customer, plan } = self.asked;
        Ok(ProvisionService { domain: domain.clone(), customer: customer.clone(), plan: *plan, key: self.key })
    }
}

pub fn operation() -> Operation {
    let plan = json!({"mailboxes": 10, "pool_bytes": 10_737_418_240_u64});
    let walk = json!({"domain": "walk.example", "customer": "walkers", "plan": plan});
    let refusals = [Code::DomainTaken];
    let operation = command::<Provision>(
        "provision_service",
        "services",
        "Give a domain an email service",
        &[("walk", walk)],
        &refusals,
    );
    let receipt = Receipt::example(Provision::EVENTS).of_service();
    receipts(operation, StatusCode::CREATED, "Provisioned: users can be added.", receipt)
}

pub async fn provision_service(State(app): State<App>, ask: Ask<Provision, 0>) -> Response {
    let result = async {
        ask.expects_nothing()?;
        if !ask.tenancy.allows(&ask.body.customer) {
            return Err(Problem::forbidden("the service would be another customer's than this call is held to"));
        }
        let mut keys = Vec::new();
        let key = Preparation::fresh_key(&app, &mut keys);
        let preparation = Preparation {
            service: ServiceId::of(&ask.body.domain),
            user: None,
            private: PrivateKey::Fresh(key),
            keys,
            password: None,
            claim: None,
            fingerprint: ask.fingerprint(),
        };
        handle(&app, &ask, preparation, &Making { asked: &ask.body, key }).await
    };
    respond(&app, &ask, StatusCode::CREATED, result.await)
}
