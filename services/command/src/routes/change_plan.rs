//! `PUT /v1/services/{service}/plan`: a service gets another plan.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{ChangePlan, EmailService, NewCredential, Person, Plan, PlanError, Position, Rejection, ServiceId};
use postkey_http::{Fields, FromFields, Problem, Role};

use crate::app::App;
use crate::context::{Ask, Asked, Canonical};
use crate::path::handle;
use crate::preparation::{Make, Preparation, PrivateKey};
use crate::receipt::respond;

pub struct NewPlan(Plan);

/// Reads a plan's two numbers, and names each that is wrong.
pub fn plan(fields: &mut Fields) -> Option<Plan> {
    let (mailboxes, pool) = (fields.u64("mailboxes"), fields.u64("pool_bytes"));
    // Each is judged beside a good other one, so that both are named where both are wrong.
    let (most, least) = (u64::from(Plan::MAX_MAILBOXES), domain::MIB);
    let wrong = |mailboxes, pool| Plan::new(mailboxes, pool).err();
    if let Some(error @ PlanError::Mailboxes) = mailboxes.and_then(|mailboxes| wrong(mailboxes, least)) {
        fields.refuse("mailboxes", "invalid", error.to_string());
    }
    if let Some(error @ PlanError::Pool) = pool.and_then(|pool| wrong(most, pool)) {
        fields.refuse("pool_bytes", "invalid", error.to_string());
    }
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

    fn command(&self, _: Option<NewCredential>) -> Result<ChangePlan, Problem> {
        Ok(ChangePlan { plan: self.plan, expected: self.expected })
    }
}

pub async fn change_plan(State(app): State<App>, ask: Ask<NewPlan, 1>) -> Response {
    let preparation = Preparation {
        service: ServiceId::new(ask.ids[0]),
        user: None,
        private: PrivateKey::OfService,
        keys: Vec::new(),
        password: None,
        fingerprint: ask.fingerprint(),
    };
    let making = Making { plan: ask.body.0, expected: ask.expected() };
    respond(&ask.key, StatusCode::OK, handle(&app, &ask, preparation, &making).await)
}
