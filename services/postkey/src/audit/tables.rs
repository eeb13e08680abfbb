//! What people are shown: tables and sentences.

use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use domain::MIB;
use postkey_http::{Event, EventData, Plan, Service, User};

/// A table of these columns.
pub fn table(titles: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(titles.to_vec());
    table
}

/// An instant, to the second where that is all of it.
pub fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Bytes, in MiB.
pub fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / MIB)
}

/// A plan in words.
pub fn plan(plan: Plan) -> String {
    format!("{} mailboxes, {}", plan.mailboxes, mebibytes(plan.pool_bytes))
}

/// What is used of it.
pub fn usage(service: &Service) -> String {
    format!("{} mailboxes, {}", service.usage.mailboxes, mebibytes(service.usage.allotted_bytes))
}

/// Services, one a row.
pub fn services<'a>(services: impl IntoIterator<Item = &'a Service>) -> Table {
    let mut table = table(&["service", "domain", "customer", "plan", "used", "revision"]);
    for service in services {
        table.add_row([
            service.service.to_string(),
            service.domain.clone(),
            service.customer.clone(),
            plan(service.plan),
            usage(service),
            service.revision.to_string(),
        ]);
    }
    table
}

/// Users, one a row; `unseen` stands for what can't be seen.
pub fn users<'a>(users: impl IntoIterator<Item = &'a User>, unseen: &str) -> Table {
    let mut table =
        table(&["user", "address", "first name", "last name", "quota", "state", "revision", "password changed"]);
    for user in users {
        let seen = |text: &Option<String>| text.clone().unwrap_or_else(|| unseen.to_owned());
        table.add_row([
            user.user.to_string(),
            seen(&user.address),
            seen(&user.first_name),
            seen(&user.last_name),
            mebibytes(user.quota_bytes),
            user.state.to_string(),
            user.revision.to_string(),
            user.credential_changed_at.map_or_else(|| "no password".to_owned(), instant),
        ]);
    }
    table
}

/// Events, one a row.
pub fn events<'a>(events: impl IntoIterator<Item = &'a Event>, unseen: &str) -> Table {
    let mut table = table(&["position", "at", "event", "by", "what", "from", "reason"]);
    for event in events {
        table.add_row([
            event.position.to_string(),
            instant(event.at),
            event.r#type.to_string(),
            by(event),
            said(&event.data, unseen),
            private(&event.origin, unseen).unwrap_or_default(),
            private(&event.reason, unseen).unwrap_or_default(),
        ]);
    }
    table
}

/// Who asked for it.
pub fn by(event: &Event) -> String {
    match &event.actor {
        Some(actor) => format!("{} ({})", one_line(&event.client), one_line(actor)),
        None => one_line(&event.client),
    }
}

/// What an event says, in words.
pub fn said(data: &EventData, unseen: &str) -> String {
    let seen = |text: &Option<String>| text.as_deref().map_or_else(|| unseen.to_owned(), one_line);
    let mut said = Vec::new();
    said.extend(data.domain.as_deref().map(one_line));
    said.extend(data.customer.as_ref().map(|customer| format!("customer {}", one_line(customer))));
    said.extend(data.plan.map(plan));
    said.extend(data.address.as_ref().map(seen));
    said.extend(data.first_name.as_ref().map(|name| format!("first name {}", seen(name))));
    said.extend(data.last_name.as_ref().map(|name| format!("last name {}", seen(name))));
    said.extend(data.quota_bytes.map(|bytes| format!("quota {}", mebibytes(bytes))));
    said.extend(data.by_user.filter(|by_user| *by_user).map(|_| "by the user".to_owned()));
    said.join(", ")
}

/// An origin or a reason: none where none was given.
pub fn private(text: &Option<Option<String>>, unseen: &str) -> Option<String> {
    text.as_ref().map(|text| text.as_deref().map_or_else(|| unseen.to_owned(), one_line))
}

/// A text of a person's on one line, and nothing that a terminal would obey: neither controls, nor what turns the direction of
/// writing (Unicode Standard Annex #9).
fn one_line(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.split(obeyed).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
