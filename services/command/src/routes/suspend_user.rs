//! `POST /v1/services/{service}/users/{user}/suspend`: a user is kept from signing in, for now.

use axum::extract::State;
use axum::response::Response;
use domain::SuspendUser;
use postkey_http::{Fields, FromFields, PathIds, Reason, Role};

use super::state_change::{carry_out, reason};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};

pub struct Suspend {
    reason: Option<Reason>,
}

impl FromFields for Suspend {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { reason: reason(fields) })
    }
}

impl Asked for Suspend {
    const KIND: &'static str = "SuspendUser";
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];
    const MAY_BE_EMPTY: bool = true;

    fn canonical(&self, form: &mut Canonical) {
        form.text("reason", self.reason.as_ref().map(Reason::as_str));
    }
}

pub async fn suspend_user(State(app): State<App>, PathIds(ids): PathIds<2>, ask: Ask<Suspend>) -> Response {
    let reason = ask.body.reason.clone();
    carry_out(&app, ask, ids, reason, |user| SuspendUser { user }).await
}
