//! What panels ask: services, users, and how far the log is applied.

pub(crate) mod position;
pub(crate) mod services;
pub(crate) mod users;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ServiceId;
use postkey_http::{Fields, Problem, Tenancy};

use crate::app::App;
use crate::read_model::ServiceRow;

/// The rows of one page, unless asked for fewer or more.
const LIMIT: u32 = 50;
/// The most rows of one page.
const MAX_LIMIT: u64 = 500;

/// Reads `limit`.
fn limit(fields: &mut Fields) -> u32 {
    let read = fields.optional_number("limit", |limit| match u32::try_from(limit) {
        Ok(limit) if (1..=MAX_LIMIT).contains(&u64::from(limit)) => Ok(limit),
        _ => Err("1 to 500"),
    });
    read.unwrap_or(LIMIT)
}

/// Reads `after`: a cursor that an earlier page gave.
fn after<T>(fields: &mut Fields, read: impl Fn(Vec<u8>) -> Option<T>) -> Option<T> {
    fields.optional("after", |text| {
        URL_SAFE_NO_PAD.decode(text).ok().and_then(&read).ok_or("the `next` of an earlier page, as it was given")
    })
}

/// A cursor to what stands behind a row. Opaque, and without anything personal: it stands in URLs.
fn cursor(key: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

/// The service, if it is the caller's; what is not, is not found.
async fn own_service(app: &App, tenancy: &Tenancy, id: ServiceId) -> Result<ServiceRow, Problem> {
    let row = app.queries.service(id).await?;
    row.filter(|row| tenancy.allows(&row.service.customer)).ok_or_else(Problem::not_found)
}
