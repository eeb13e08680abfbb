//! Edit user: names, quota and, where the box is ticked, a new password; "Save".

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use postkey_http::{CallError, Code, Guard, Receipt, User, UserEdit};
use uuid::Uuid;

use super::user_form::{Shown, Stale, UserFormPage, new_key, password_set};
use super::user_typed::{About, UserTyped};
use super::{At, Errors, ServiceLinks, Typed};
use crate::app::App;
use crate::failure::Failure;
use crate::frame::{page, see_other};
use crate::pages::saved::{What, saved_path};
use crate::visit::SignedIn;

/// The user that the form is about.
fn edited(about: &About) -> Result<&User, Failure> {
    about.user.as_ref().ok_or(Failure::NotFound)
}

/// `GET /services/email/{service}/users/{user}/edit`.
pub async fn show(
    State(app): State<App>,
    who: SignedIn,
    At((service, user)): At<(String, String)>,
) -> Result<Response, Failure> {
    let about = About::look(&app, who, &service, Some(&user)).await?;
    let shown = Shown::of(edited(&about)?, new_key(&app));
    page(StatusCode::OK, &UserFormPage::new(&app, &about, shown, Errors::default()))
}

/// `POST /services/email/{service}/users/{user}/edit`: "Save", or a suggestion where that was pressed.
pub async fn save(
    State(app): State<App>,
    who: SignedIn,
    At((service, user)): At<(String, String)>,
    Typed(typed): Typed<UserTyped>,
) -> Result<Response, Failure> {
    let about = About::look(&app, who, &service, Some(&user)).await?;
    let user = edited(&about)?.user;
    let mut shown = typed.shown(&app);
    let parsed = match about.parsed(&app, &typed, &mut shown).await {
        Ok(parsed) => parsed,
        Err(refused) => return about.page(&app, shown, refused),
    };
    let edit = UserEdit {
        first_name: Some(typed.first_name),
        last_name: Some(typed.last_name),
        quota_bytes: Some(parsed.quota_bytes),
        password: parsed.password,
    };
    let at = Guard { key: shown.key.clone(), revision: Some(typed.revision) };
    match app.commands.edit_user(&about.who.behalf(), about.service.service, user, &edit, &at).await {
        Ok(receipt) if receipt.events.is_empty() => {
            let form = UserFormPage::new(&app, &about, shown, Errors::default());
            page(StatusCode::OK, &UserFormPage { notice: about.t().nothing_changed, ..form })
        }
        Ok(receipt) => Ok(saved(&app, &about, user, &receipt)),
        Err(CallError::Problem(problem)) if problem.code == Some(Code::StaleRevision) => {
            stale(&app, &about, user, shown).await
        }
        Err(error) => about.again(&app, shown, error),
    }
}

fn saved(app: &App, about: &About, user: Uuid, receipt: &Receipt) -> Response {
    let what =
        if receipt.events.iter().any(|event| event == "PasswordChanged") { What::Password } else { What::Edited };
    app.outcomes.saved(user, receipt, what);
    see_other(&saved_path(&ServiceLinks::of(&about.service), user, receipt.position))
}

/// Shows what is saved now beside what was typed, and asks.
async fn stale(app: &App, about: &About, user: Uuid, mut shown: Shown) -> Result<Response, Failure> {
    let now = app.queries.user(&about.who.behalf(), about.service.service, user).await?;
    let stale = Stale::new(about.t(), about.language(), &now, &shown);
    shown.revision = now.revision;
    shown.password_set = password_set(&now);
    shown.state = now.state.to_string();
    shown.key = new_key(app);
    let form = UserFormPage::new(app, about, shown, Errors::default());
    page(StatusCode::CONFLICT, &UserFormPage { stale: Some(stale), ..form })
}
