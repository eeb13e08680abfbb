//! Rows as JSON, so that one statement takes a whole batch: SQLite unpacks it by `json_each`.

use domain::CredentialHash;
use ledger::Node;
use serde_json::{Value, json};

use super::super::{Leaf, ServiceRow, UserRow, search};

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A service's columns as a JSON array, bytes in hexadecimal.
pub fn service_json(row: &ServiceRow) -> Value {
    let service = &row.service;
    json!([
        hex(row.id.as_bytes()),
        service.domain.as_str(),
        service.customer.as_str(),
        service.plan.mailboxes(),
        service.plan.pool_bytes(),
        service.usage.mailboxes,
        service.usage.allotted_bytes,
        hex(service.key.as_bytes()),
        service.revision.get(),
        row.last.position.get(),
        hex(&row.last.leaf.0),
    ])
}

/// A user's columns as a JSON array, bytes in hexadecimal.
pub fn user_json(row: &UserRow) -> Value {
    let user = &row.user;
    let person = user.person.value.known();
    let credential = user.credential.as_ref();
    json!([
        hex(row.id.as_bytes()),
        hex(row.service.as_bytes()),
        person.map(|person| person.address.as_str()),
        person.map(|person| person.first_name.as_str()),
        person.map(|person| person.last_name.as_str()),
        hex(user.person.key.as_bytes()),
        user.quota.mib(),
        user.state.as_str(),
        credential.map(|credential| hex(credential.hash.key.as_bytes())),
        credential.and_then(|credential| credential.hash.value.known()).map(CredentialHash::expose),
        credential.map(|credential| credential.policy.as_str()),
        credential.map(|credential| credential.revision.get()),
        credential.map(|credential| credential.changed_at.timestamp_micros()),
        user.revision.get(),
        person.map(search::text_of),
    ])
}

/// Leaves of the ledger as a JSON array of arrays: position, hash, and user or null.
pub fn leaves_json(leaves: &[Leaf]) -> String {
    let leaf = |leaf: &Leaf| {
        json!([leaf.position.get(), hex(&leaf.hash.0), leaf.user.as_ref().map(|user| hex(user.as_bytes()))])
    };
    Value::from(leaves.iter().map(leaf).collect::<Vec<_>>()).to_string()
}

/// Nodes of the ledger as a JSON array of arrays: level, index, hash.
pub fn nodes_json(nodes: &[Node]) -> String {
    let node = |node: &Node| json!([node.level, node.index, hex(&node.hash.0)]);
    Value::from(nodes.iter().map(node).collect::<Vec<_>>()).to_string()
}

/// Ids as a JSON array of hexadecimal text.
pub fn ids_json<'a>(ids: impl Iterator<Item = &'a [u8; 16]>) -> String {
    Value::from(ids.map(|id| hex(id)).collect::<Vec<_>>()).to_string()
}
