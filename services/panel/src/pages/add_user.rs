//! Add user: address, names, quota and a first password.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postkey_http::NewUser;

use super::user_form::{Shown, UserFormPage, new_key};
use super::user_typed::{About, UserTyped};
use super::{At, Errors, ServiceLinks, Typed};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{page, see_other};
use crate::pages::saved::{What, saved_path};
use crate::visit::SignedIn;

/// `GET /services/email/{service}/users/add`.
pub async fn show(State(app): State<App>, who: SignedIn, At(service): At<String>) -> Result<Response, Failure> {
    let about = About::look(&app, who, &service, None).await?;
    let full = about.service.usage.mailboxes >= about.service.plan.mailboxes;
    let errors = if full { Errors::whole(about.t().error_plan_full) } else { Errors::default() };
    page(StatusCode::OK, &UserFormPage::new(&app, &about, Shown::nobody(new_key(&app)), errors))
}

/// `POST /services/email/{service}/users/add`: "Save", or a suggestion where that was pressed.
pub async fn save(
    State(app): State<App>,
    who: SignedIn,
    At(service): At<String>,
    Typed(typed): Typed<UserTyped>,
) -> Result<Response, Failure> {
    let about = About::look(&app, who, &service, None).await?;
    let mut shown = typed.shown(&app);
    shown.change_password = true;
    let parsed = match about.parsed(&app, &typed, &mut shown).await {
        Ok(parsed) => parsed,
        Err(refused) => return about.page(&app, shown, refused),
    };
    let user = NewUser {
        address: about.address_of(&typed.local_part),
        first_name: typed.first_name,
        last_name: typed.last_name,
        quota_bytes: parsed.quota_bytes,
        password: parsed.password.unwrap_or_default(),
    };
    match app.commands.add_user(&about.who.behalf(), about.service.service, &user, &shown.key).await {
        Ok(receipt) => {
            let user = receipt.user.ok_or(Failure::Broken)?;
            app.outcomes.saved(user, &receipt, What::Added);
            Ok(see_other(&saved_path(&ServiceLinks::of(&about.service), user, receipt.position)))
        }
        Err(error) => about.again(&app, shown, error),
    }
}
