//! `PUT /v1/services/{service}/plan`: a service gets another plan.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{ChangePlan, EmailService, Person, Plan, PlanError, Position, Rejection, ServiceId};
use postkey_http::{Code, Fields, FromFields, Operation, Problem, Receipt, Role};
use serde_json::json;

use super::{command, receipts};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation, Prepared, PrivateKey};
use crate::receipt::respond;

pub struct NewPlan(Plan);

/// Reads a plan's two numbers, and names each that is wrong.
pub fn plan(fields: &mut Fields) -> Option<Plan> {
    let mailboxes = fields.within("mailboxes", Plan::MAILBOXES, PlanError::Mailboxes);
    let pool = fields.within("pool_bytes", Plan::POOL_BYTES, PlanError::Pool);
    Plan::new(mailboxes?, pool?).ok()
}

pub fn plan_canonical(plan: Plan, form: &mut Canonical) {
    form.number("mailboxes", Some(plan.mailboxes().into()));
    form.number("pool_bytes", Some(plan.pool_bytes()));
}

impl FromFields for NewPlan {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        plan(fields).map(Self)
    }
}

impl Asked for NewPlan {
    const KIND: &'static str = "ChangePlan";
    const EVENTS: &'static [&'static str] = &["PlanChanged"];
    const ROLES: &'static [Role] = &[Role::Operator];

    fn canonical(&self, form: &mut Canonical) {
        plan_canonical(self.0, form);
    }
}

struct Making {
    plan: Plan,
    expected: Option<Position>,
}

impl Make for Making {
    type Command = ChangePlan;

    fn person(&self, _: &EmailService) -> Result<Option<Person>, Rejection> {
        Ok(None)
    }

    fn command(&self, _: Prepared) -> Result<ChangePlan, Problem> {
        Ok(ChangePlan { plan: self.plan, expected: self.expected })
    }
}

pub fn operation() -> Operation {
    let larger = json!({"mailboxes": 20, "pool_bytes": 21_474_836_480_u64});
    let refusals = [Code::PlanFull, Code::PoolExceeded];
    let operation =
        command::<NewPlan>("change_plan", "services", "Give a service another plan", &[("larger", larger)], &refusals)
            .details("A plan below what is in use is refused: `plan_full` or `pool_exceeded`.");
    let receipt = Receipt::example(NewPlan::EVENTS).of_service();
    let done =
        "The plan is in force; or it is the present one, and `events` is empty: then `effective` says whether that is.";
    receipts(operation, StatusCode::OK, done, receipt)
}

pub async fn change_plan(State(app): State<App>, ask: Ask<NewPlan, 1>) -> Response {
    let preparation = Preparation {
        service: ServiceId::new(ask.ids[0]),
        user: None,
        private: PrivateKey::OfService,
        keys: Vec::new(),
        password: None,
        claim: None,
        fingerprint: ask.fingerprint(),
    };
    let making = Making { plan: ask.body.0, expected: ask.expected() };
    let result = handle(&app, &ask, preparation, &making).await;
    respond(&app, &ask, StatusCode::OK, result)
}
