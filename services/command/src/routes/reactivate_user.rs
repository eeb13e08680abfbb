//! `POST /v1/services/{service}/users/{user}/reactivate`: a suspended user may sign in again.

use axum::extract::State;
use axum::response::Response;
use domain::ReactivateUser;
use postkey_http::{Fields, FromFields, PathIds, Reason, Role};

use super::state_change::{carry_out, reason};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};

pub struct Reactivate {
    reason: Option<Reason>,
}

impl FromFields for Reactivate {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { reason: reason(fields) })
    }
}

impl Asked for Reactivate {
    const KIND: &'static str = "ReactivateUser";
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];
    const MAY_BE_EMPTY: bool = true;

    fn canonical(&self, form: &mut Canonical) {
        form.text("reason", self.reason.as_ref().map(Reason::as_str));
    }
}

pub async fn reactivate_user(State(app): State<App>, PathIds(ids): PathIds<2>, ask: Ask<Reactivate>) -> Response {
    let reason = ask.body.reason.clone();
    carry_out(&app, ask, ids, reason, |user| ReactivateUser { user }).await
}
