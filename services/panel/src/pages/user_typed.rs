//! What is typed into the form by which a user is added or edited, and what is said of it: here, and by the service.

use axum::http::StatusCode;
use axum::response::Response;
use domain::Name;
use postkey_http::{CallError, CallProblem, Code, PasswordCheck, PasswordPolicy, Service, User};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::user_form::{Shown, UserFormPage, new_key, rule_text};
use super::{Errors, FieldError, id};
use crate::app::{App, Shared};
use crate::failure::Failure;
use crate::frame::page;
use crate::texts::{Language, Texts, fill};
use crate::visit::SignedIn;
use crate::words::{Unit, limit, quota_bytes};

/// What is left for a mailbox.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Of the pool.
    unallotted: u64,
    /// With what the mailbox has already.
    most: u64,
}

impl Room {
    /// In a service, for a user that has a mailbox or for a new one.
    pub fn of(service: &Service, user: Option<&User>) -> Self {
        let unallotted = service.plan.pool_bytes.saturating_sub(service.usage.allotted_bytes);
        Self { unallotted, most: unallotted + user.map_or(0, |user| user.quota_bytes) }
    }

    /// In words.
    pub fn hint(self, t: &Texts, language: Language) -> String {
        fill(t.quota_hint, &[&limit(self.most, language), &limit(self.unallotted, language)])
    }

    fn exceeded(self, t: &Texts, language: Language) -> FieldError {
        FieldError::at("quota", fill(t.error_pool, &[&limit(self.most, language)]))
    }
}

/// What is typed, and what was pressed.
#[derive(Deserialize)]
pub struct UserTyped {
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: String,
    #[serde(default)]
    pub local_part: String,
    pub change_password: Option<String>,
    pub new_password: Option<SecretString>,
    #[serde(default)]
    pub quota: String,
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    pub revision: u64,
    #[serde(default)]
    pub password_set: String,
    #[serde(default)]
    pub state: String,
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub pressed: String,
}

/// What was typed, where all of it can be meant.
pub struct Parsed {
    pub quota_bytes: u64,
    pub password: Option<SecretString>,
}

impl UserTyped {
    /// Whether the button was that for a suggestion.
    pub fn wants_suggestion(&self) -> bool {
        self.pressed == "suggest"
    }

    /// What stands in the fields where the page is shown again: all but the password.
    pub fn shown(&self, shared: &Shared) -> Shown {
        let ours = Uuid::try_parse(&self.key).is_ok();
        Shown {
            first_name: self.first_name.clone(),
            last_name: self.last_name.clone(),
            local_part: self.local_part.clone(),
            change_password: self.change_password.is_some(),
            suggestion: None,
            quota: self.quota.clone(),
            unit: self.unit().unwrap_or(Unit::Mebibytes),
            revision: self.revision,
            password_set: self.password_set.clone(),
            state: self.state.clone(),
            key: if ours { self.key.clone() } else { new_key(shared) },
        }
    }

    fn unit(&self) -> Option<Unit> {
        Unit::of_name(&self.unit)
    }

    /// What was typed as a new password; none where the box is not ticked.
    fn password(&self, adding: bool) -> Option<&SecretString> {
        let wanted = adding || self.change_password.is_some();
        self.new_password.as_ref().filter(|_| wanted)
    }

    /// Reads all of it, and names all that is wrong at once: the fields here, the password by the service.
    ///
    /// # Errors
    /// All that is wrong; or that nobody can say now what is thought of the password.
    pub async fn read(&self, shared: &Shared, about: &About) -> Result<Parsed, Refused> {
        let t = about.t();
        let mut errors = Vec::new();
        for (field, typed, text) in
            [("first_name", &self.first_name, t.error_first_name), ("last_name", &self.last_name, t.error_last_name)]
        {
            if Name::parse(typed).is_err() {
                errors.push(FieldError::at(field, text));
            }
        }
        let address = about.address_of(&self.local_part);
        if domain::Address::parse(&address).is_err() {
            errors.push(FieldError::at("local_part", t.error_local_part));
        }
        errors.extend(self.password_errors(shared, about, address).await?);
        let Some(quota_bytes) = self.unit().and_then(|unit| quota_bytes(&self.quota, unit)) else {
            errors.push(FieldError::at("quota", t.error_quota));
            return Err(Errors(errors).into());
        };
        // A form that adds a user, sent again, meets a pool that has given that user its share: whether it is a repeat, the service
        // knows.
        let alone = about.adding() && errors.is_empty();
        if quota_bytes > about.room().most && !alone {
            errors.push(about.room().exceeded(t, about.language()));
        }
        if errors.is_empty() {
            Ok(Parsed { quota_bytes, password: self.password(about.adding()).cloned() })
        } else {
            Err(Errors(errors).into())
        }
    }

    async fn password_errors(
        &self,
        shared: &Shared,
        about: &About,
        address: String,
    ) -> Result<Vec<FieldError>, Refused> {
        let wanted = about.adding() || self.change_password.is_some();
        let typed = self.password(about.adding()).filter(|typed| !typed.expose_secret().is_empty());
        let Some(password) = typed else {
            let missing =
                if about.adding() { about.t().error_password_needed } else { about.t().error_password_missing };
            return Ok(if wanted { vec![FieldError::at("new_password", missing)] } else { Vec::new() });
        };
        let check = check_of(password.clone(), &address, &self.first_name, &self.last_name);
        let said = match shared.commands.check_password(&check).await {
            Ok(checked) => checked.violations,
            // It can't even be judged: too long, or no text.
            Err(CallError::Problem(problem)) if problem.code == Some(Code::InvalidInput) => {
                return Ok(vec![FieldError::at("new_password", about.t().error_password_unreadable)]);
            }
            Err(error) => {
                tracing::warn!(%error, "a password can't be judged");
                return Err(Refused::later(about.t().later));
            }
        };
        let broken = said.iter().map(|rule| about.broken_rule(&rule.code, &rule.hint));
        Ok(broken.collect())
    }
}

/// A password with what is known of whom it is for, as far as that can be meant.
pub fn check_of(password: SecretString, address: &str, first_name: &str, last_name: &str) -> PasswordCheck {
    let name = |typed: &str| Name::parse(typed).is_ok().then(|| typed.to_owned());
    PasswordCheck {
        password,
        address: domain::Address::parse(address).is_ok().then(|| address.to_owned()),
        first_name: name(first_name),
        last_name: name(last_name),
    }
}

/// What a form is about, as it is now.
pub struct About {
    pub who: SignedIn,
    pub service: Service,
    /// The user that is edited; none where one is added.
    pub user: Option<User>,
    pub policy: PasswordPolicy,
}

impl About {
    /// Asks the services.
    pub async fn look(app: &App, who: SignedIn, service: &str, user: Option<&str>) -> Result<Self, Failure> {
        let (behalf, service, user) = (who.behalf(), id(service)?, user.map(id).transpose()?);
        let edited = async {
            match user {
                Some(user) => app.queries.user(&behalf, service, user).await.map(Some),
                None => Ok(None),
            }
        };
        let (service, user, policy) =
            tokio::join!(app.queries.service(&behalf, service), edited, app.commands.password_policy());
        let user = user?;
        // Nothing of a removed user can be edited.
        if user.as_ref().is_some_and(|user| user.state == "removed") {
            return Err(Failure::NotFound);
        }
        Ok(Self { who, service: service?, user, policy: policy? })
    }

    /// What is said in the language of whoever asks.
    pub const fn t(&self) -> &'static Texts {
        self.who.visit.texts()
    }

    /// That language.
    pub const fn language(&self) -> Language {
        self.who.visit.language
    }

    /// What is left for the mailbox.
    pub fn room(&self) -> Room {
        Room::of(&self.service, self.user.as_ref())
    }

    /// Whether a user is added.
    pub const fn adding(&self) -> bool {
        self.user.is_none()
    }

    /// The address that is meant.
    pub fn address_of(&self, local_part: &str) -> String {
        match self.user.as_ref().and_then(|user| user.address.clone()) {
            Some(address) => address,
            None => format!("{}@{}", local_part.trim().to_ascii_lowercase(), self.service.domain),
        }
    }

    /// What is to be sent; else what the page shows instead: a suggestion, where that was pressed, or all that is wrong.
    ///
    /// # Errors
    /// The page.
    pub async fn parsed(&self, app: &App, typed: &UserTyped, shown: &mut Shown) -> Result<Parsed, Refused> {
        if typed.wants_suggestion() {
            shown.change_password = true;
            return Err(shown.suggest(app, self.t()).await);
        }
        typed.read(app, self).await
    }

    /// The page once more, where the service did not carry it out.
    ///
    /// # Errors
    /// What no form can say.
    pub fn again(&self, app: &App, mut shown: Shown, error: CallError) -> Result<Response, Failure> {
        let refused = self.refused(&error, self.t().save).ok_or(error)?;
        if refused.key_was_used {
            shown.key = new_key(app);
        }
        self.page(app, shown, refused)
    }

    /// The page with what is said of what was typed.
    ///
    /// # Errors
    /// Where it can't be rendered.
    pub fn page(&self, app: &App, shown: Shown, Refused { errors, status, .. }: Refused) -> Result<Response, Failure> {
        page(status, &UserFormPage::new(app, self, shown, errors))
    }

    fn broken_rule(&self, code: &str, hint: &str) -> FieldError {
        let rule = rule_text(self.t(), &self.policy, code, hint);
        FieldError::at("new_password", fill(self.t().error_rule, &[&rule]))
    }

    /// What a refusal means on this form; `button` is what may be pressed again. `None` where the form can't say it.
    fn refused(&self, error: &CallError, button: &str) -> Option<Refused> {
        let t = self.t();
        let problem = match error {
            CallError::Problem(problem) => problem,
            CallError::Unreachable { .. } => return Some(Refused::later(fill(t.unsure, &[button]))),
        };
        if problem.code == Some(Code::IdempotencyMismatch) {
            return Some(Refused { key_was_used: true, ..Errors::whole(fill(t.used_before, &[button])).into() });
        }
        let errors = match problem.code {
            Some(Code::WeakPassword | Code::InvalidInput) => Errors(self.named(problem)),
            Some(Code::PoolExceeded) => Errors(vec![self.room().exceeded(t, self.language())]),
            Some(Code::PlanFull) => Errors::whole(t.error_plan_full),
            Some(Code::AddressTaken) => Errors(vec![FieldError::at("local_part", t.error_address_taken)]),
            Some(Code::WrongState) => Errors::whole(t.error_refused),
            Some(Code::LogUnavailable) => return Some(Refused::later(fill(t.unsure, &[button]))),
            _ if problem.status == 503 => return Some(Refused::later(t.later)),
            _ => return None,
        };
        Some(errors.into())
    }

    fn named(&self, problem: &CallProblem) -> Vec<FieldError> {
        let t = self.t();
        let named = problem.violations.iter().map(|violation| match &*violation.field {
            "first_name" => FieldError::at("first_name", t.error_first_name),
            "last_name" => FieldError::at("last_name", t.error_last_name),
            "address" => FieldError::at("local_part", t.error_local_part),
            "quota_bytes" => FieldError::at("quota", t.error_quota),
            "password" => self.broken_rule(&violation.code, &violation.hint),
            _ => FieldError::at("", violation.hint.clone()),
        });
        named.collect()
    }
}

/// Why a form is shown again.
pub struct Refused {
    /// As the page says it.
    pub errors: Errors,
    /// With what status.
    pub status: StatusCode,
    /// Whether something else was sent under its key before: this may be sent under another.
    pub key_was_used: bool,
}

impl From<Errors> for Refused {
    fn from(errors: Errors) -> Self {
        Self { errors, status: StatusCode::UNPROCESSABLE_ENTITY, key_was_used: false }
    }
}

impl Refused {
    /// For no fault of anybody's: it is asked something else.
    pub const fn nothing() -> Self {
        Self { errors: Errors(Vec::new()), status: StatusCode::OK, key_was_used: false }
    }

    /// Nobody who filled it in is to blame.
    pub fn later(text: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, ..Errors::whole(text).into() }
    }
}
