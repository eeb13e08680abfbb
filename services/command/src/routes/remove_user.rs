//! `DELETE /v1/services/{service}/users/{user}`: a user leaves.

use axum::extract::State;
use axum::response::Response;
use domain::RemoveUser;
use postkey_http::{Fields, FromFields, PathIds, Reason, Role};

use super::state_change::{carry_out, reason};
use crate::app::App;
use crate::context::{Ask, Asked, Canonical};

pub struct Remove {
    reason: Option<Reason>,
}

impl FromFields for Remove {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        Some(Self { reason: reason(fields) })
    }
}

impl Asked for Remove {
    const KIND: &'static str = "RemoveUser";
    const ROLES: &'static [Role] = &[Role::Panel, Role::Operator];
    const MAY_BE_EMPTY: bool = true;

    fn canonical(&self, form: &mut Canonical) {
        form.text("reason", self.reason.as_ref().map(Reason::as_str));
    }
}

pub async fn remove_user(State(app): State<App>, PathIds(ids): PathIds<2>, ask: Ask<Remove>) -> Response {
    let reason = ask.body.reason.clone();
    carry_out(&app, ask, ids, reason, |user| RemoveUser { user }).await
}
