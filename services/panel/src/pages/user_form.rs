//! The form by which a user is added or edited: what it shows.

use askama::Template;
use postkey_http::{PasswordPolicy, User, uuid_v4};
use secrecy::{ExposeSecret, SecretString};

#[cfg(test)]
use super::FieldError;
#[cfg(test)]
use super::user_typed::Room;
use super::user_typed::{About, Refused};
use super::users::UserState;
use super::{Errors, ServiceLinks};
use crate::app::Shared;
use crate::frame::Frame;
use crate::texts::{Language, Texts, fill};
use crate::words::{Unit, quota_bytes, quota_fields, size};

/// The page.
#[derive(Template)]
#[template(path = "user_form.html")]
pub struct UserFormPage {
    pub frame: Frame,
    pub links: ServiceLinks,
    pub adding: bool,
    pub action: String,
    /// The address of a user that is edited.
    pub address: String,
    pub shown: Shown,
    pub rules: Vec<RuleLine>,
    pub quota_hint: String,
    pub errors: Errors,
    pub notice: &'static str,
    pub stale: Option<Stale>,
}

/// What stands in the fields.
pub struct Shown {
    pub first_name: String,
    pub last_name: String,
    pub local_part: String,
    pub change_password: bool,
    /// A suggestion, which stands in the field to be read; never what was typed.
    pub suggestion: Option<SecretString>,
    pub quota: String,
    pub unit: Unit,
    pub revision: u64,
    /// When the password was set, as the form was opened.
    pub password_set: String,
    /// The user's state, as the form was opened.
    pub state: String,
    /// By what a form that is sent twice is known.
    pub key: String,
}

impl Shown {
    /// Of a user as it is.
    pub fn of(user: &User, key: String) -> Self {
        let (quota, unit) = quota_fields(user.quota_bytes);
        Self {
            first_name: user.first_name.clone().unwrap_or_default(),
            last_name: user.last_name.clone().unwrap_or_default(),
            local_part: String::new(),
            change_password: false,
            suggestion: None,
            quota,
            unit,
            revision: user.revision,
            password_set: password_set(user),
            state: user.state.to_string(),
            key,
        }
    }

    /// Of a user that is not there yet.
    pub fn nobody(key: String) -> Self {
        Self {
            first_name: String::new(),
            last_name: String::new(),
            local_part: String::new(),
            change_password: true,
            suggestion: None,
            quota: "1".to_owned(),
            unit: Unit::Gibibytes,
            revision: 0,
            password_set: String::new(),
            state: String::new(),
            key,
        }
    }

    /// Puts a suggestion into the field; where there is none now, the page says so.
    pub async fn suggest(&mut self, shared: &Shared, t: &Texts) -> Refused {
        match shared.commands.suggest_password().await {
            Ok(password) => {
                self.suggestion = Some(password);
                Refused::nothing()
            }
            Err(error) => {
                tracing::warn!(%error, "no password can be suggested");
                Refused::later(t.suggest_failed)
            }
        }
    }
}

impl UserFormPage {
    /// About a user as it is, or one that is not there yet.
    pub fn new(shared: &Shared, about: &About, shown: Shown, errors: Errors) -> Self {
        let links = ServiceLinks::of(&about.service);
        let (action, address) = match &about.user {
            Some(user) => (links.user(user.user, "edit"), about.address_of("")),
            None => (format!("{}/add", links.users), String::new()),
        };
        Self {
            frame: Frame::of(&about.who, shared),
            adding: about.adding(),
            action,
            address,
            shown,
            rules: rule_lines(about.t(), &about.policy),
            quota_hint: about.room().hint(about.t(), about.language()),
            errors,
            notice: "",
            stale: None,
            links,
        }
    }

    /// What stands in the password's field.
    pub fn suggestion(&self) -> &str {
        self.shown.suggestion.as_ref().map_or("", |suggestion| suggestion.expose_secret())
    }

    /// Whether a password was typed that is asked for again: it is not kept, and nothing was wrong with it.
    pub fn asks_again(&self) -> bool {
        let shown_again = !self.errors.0.is_empty() || self.stale.is_some();
        shown_again && self.shown.change_password && !self.errors.at("new_password")
    }

    /// The units that a quota may be typed in.
    pub const fn units(&self) -> [Unit; 2] {
        Unit::ALL
    }

    /// What an address may be made of.
    pub fn local_part_hint(&self) -> String {
        fill(self.frame.t.local_part_hint, &[&self.links.domain])
    }

    /// What the page is called.
    pub const fn title(&self) -> &'static str {
        if self.adding { self.frame.t.add_title } else { self.frame.t.edit_title }
    }

    #[cfg(test)]
    pub fn sample(language: Language, adding: bool) -> Self {
        let frame = Frame::sample(language);
        let (user, service) = (User::example(), postkey_http::Service::example());
        let mut changed = user.clone();
        changed.last_name = Some("Kaya".to_owned());
        let t = frame.t;
        let mut shown = if adding { Shown::nobody("k".to_owned()) } else { Shown::of(&user, "k".to_owned()) };
        shown.change_password = true;
        shown.suggestion = Some(SecretString::from("Copper-Tulip-77-Boat"));
        let errors = Errors(vec![
            FieldError::at("last_name", t.error_last_name),
            FieldError::at("new_password", fill(t.error_rule, &[t.rule_missing_digit])),
            FieldError::at("quota", fill(t.error_pool, &["2 GiB"])),
        ]);
        Self {
            links: ServiceLinks::of(&service),
            action: "/services".to_owned(),
            adding,
            address: user.address.clone().unwrap_or_default(),
            rules: vec![RuleLine { code: "missing_digit".to_owned(), text: t.rule_missing_digit.to_owned() }],
            quota_hint: Room::of(&service, Some(&user)).hint(t, language),
            stale: (!adding).then(|| Stale::new(t, language, &changed, &shown)),
            shown,
            errors,
            notice: t.nothing_changed,
            frame,
        }
    }
}

/// A rule of the policy, as the checklist shows it.
pub struct RuleLine {
    pub code: String,
    pub text: String,
}

/// What a broken rule asks for, in words that follow "The password must".
pub fn rule_text(t: &Texts, policy: &PasswordPolicy, code: &str, hint: &str) -> String {
    match code {
        "too_short" => fill(t.rule_too_short, &[&policy.min_length.to_string()]),
        "too_long" => fill(t.rule_too_long, &[&policy.max_bytes.to_string()]),
        "missing_upper" => t.rule_missing_upper.to_owned(),
        "missing_lower" => t.rule_missing_lower.to_owned(),
        "missing_digit" => t.rule_missing_digit.to_owned(),
        "missing_symbol" => t.rule_missing_symbol.to_owned(),
        "contains_personal" => t.rule_contains_personal.to_owned(),
        "too_guessable" => t.rule_too_guessable.to_owned(),
        "blocklisted" => t.rule_blocklisted.to_owned(),
        // A rule of a newer service, in its own words.
        _ => hint.to_owned(),
    }
}

/// The rules of a policy as a checklist.
fn rule_lines(t: &Texts, policy: &PasswordPolicy) -> Vec<RuleLine> {
    let line = |code: &str, hint: &str| RuleLine { code: code.to_owned(), text: rule_text(t, policy, code, hint) };
    policy.rules.iter().map(|rule| line(&rule.code, &rule.hint)).collect()
}

/// What somebody saved while the form was open.
pub struct Stale {
    /// Each field that differs: its name, what is saved now, what was entered.
    pub lines: Vec<(&'static str, String, String)>,
    /// Whether a password was set meanwhile.
    pub password: bool,
}

impl Stale {
    /// Between the user as it is now and what was typed.
    pub fn new(t: &Texts, language: Language, now: &User, typed: &Shown) -> Self {
        let quota = quota_bytes(&typed.quota, typed.unit);
        let mine = quota.map_or_else(|| typed.quota.clone(), |bytes| size(bytes, language));
        let state = |state: &str| UserState::of(t, state).words.to_owned();
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| t.erased.to_owned());
        let all = [
            (t.first_name, text(&now.first_name), typed.first_name.clone()),
            (t.last_name, text(&now.last_name), typed.last_name.clone()),
            (t.quota, size(now.quota_bytes, language), mine),
            (t.state, state(&now.state), state(&typed.state)),
        ];
        Self {
            lines: all.into_iter().filter(|(_, theirs, mine)| theirs != mine).collect(),
            password: password_set(now) != typed.password_set,
        }
    }
}

/// When a user's password was set, for a form to bring back.
pub fn password_set(user: &User) -> String {
    user.credential_changed_at.map(|at| at.to_rfc3339()).unwrap_or_default()
}

/// A key by which a form that is sent twice is known.
pub fn new_key(shared: &Shared) -> String {
    uuid_v4(&*shared.entropy).to_string()
}
