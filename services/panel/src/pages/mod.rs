//! The pages, one file each: what the page shows with a sample of it, then who is answered with it and how.

pub mod add_user;
pub mod change_state;
pub mod edit_user;
pub mod history;
pub mod passwords;
pub mod saved;
pub mod service;
pub mod services;
pub mod sign_in;
pub mod user_form;
pub mod user_typed;
pub mod users;
pub mod webmail;

#[cfg(test)]
mod storybook;

use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::{Form, extract::Request};
use postkey_http::Service;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::app::App;
use crate::failure::Failure;
use crate::texts::{Texts, fill};

/// A form as a browser sends it.
pub struct Typed<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Typed<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        match Form::<T>::from_request(request, app).await {
            Ok(Form(typed)) => Ok(Self(typed)),
            Err(FormRejection::BytesRejection(error)) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Failure::TooLarge)
            }
            Err(_) => Err(Failure::Refused),
        }
    }
}

/// What stands in a path: anything else is no page.
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<App> for At<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let read = Path::<T>::from_request_parts(parts, app).await;
        read.map(|Path(read)| Self(read)).map_err(|_| Failure::NotFound)
    }
}

/// What stands in a query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let read = Query::<T>::from_request_parts(parts, app).await;
        read.map(|Query(read)| Self(read)).map_err(|_| Failure::Refused)
    }
}

/// Reads an id as our own links write it.
pub fn id(text: &str) -> Result<Uuid, Failure> {
    let id = Uuid::try_parse(text).map_err(|_| Failure::NotFound)?;
    if id.hyphenated().to_string() == text { Ok(id) } else { Err(Failure::NotFound) }
}

/// Something that was filled in wrongly: at its field, or at none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's id on the page; empty where it is about all of it.
    pub field: &'static str,
    /// What to do.
    pub text: String,
}

impl FieldError {
    /// At a field.
    pub fn at(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into() }
    }
}

/// What was filled in wrongly, as a page shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(pub Vec<FieldError>);

impl Errors {
    /// One that is about no field.
    pub fn whole(text: impl Into<String>) -> Self {
        Self(vec![FieldError::at("", text)])
    }

    /// What is wrong at a field.
    pub fn of(&self, field: &str) -> Vec<&str> {
        self.0.iter().filter(|error| error.field == field).map(|error| error.text.as_str()).collect()
    }

    /// Whether anything is wrong at a field.
    pub fn at(&self, field: &str) -> bool {
        self.0.iter().any(|error| error.field == field)
    }
}

/// Where pages of a service are.
#[derive(Clone, Debug)]
pub struct ServiceLinks {
    /// The service's domain.
    pub domain: String,
    /// The service's page.
    pub service: String,
    /// The table of its users.
    pub users: String,
}

impl ServiceLinks {
    /// Of a service.
    pub fn of(service: &Service) -> Self {
        let path = format!("/services/email/{}", service.service);
        Self { domain: service.domain.clone(), users: format!("{path}/users"), service: path }
    }

    /// Of a service of which no more than the id can be told now.
    pub fn of_id(service: Uuid) -> Self {
        let path = format!("/services/email/{service}");
        Self { domain: "…".to_owned(), users: format!("{path}/users"), service: path }
    }

    #[cfg(test)]
    fn sample() -> Self {
        Self::of(&Service::example())
    }

    /// A user's page.
    pub fn user(&self, user: Uuid, page: &str) -> String {
        format!("{}/{user}/{page}", self.users)
    }
}

/// A user's name as pages say it; what was erased is said to be.
pub fn full_name(t: &Texts, first: Option<&str>, last: Option<&str>) -> String {
    match (first, last) {
        (Some(first), Some(last)) => format!("{first} {last}"),
        _ => t.erased.to_owned(),
    }
}

/// An address as pages say it.
pub fn shown_address(t: &Texts, address: Option<&str>) -> String {
    address.unwrap_or(t.erased).to_owned()
}

/// A change's number in words.
pub fn change_number(t: &Texts, position: u64) -> String {
    fill(t.change_number, &[&position.to_string()])
}
