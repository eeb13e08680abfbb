//! The ledger as others verify it: its newest checkpoint, its tiles, and the entries, as C2SP tlog-tiles has them
//! (c2sp.org/tlog-tiles) under the prefix `/ledger`.
//!
//! What is served is not believed by whoever asks: a verifier proves tiles and entries against a checkpoint, and that
//! against the ledger's public key. Entries come from the log, as they were stored: what they say under keys stays sealed.

pub(crate) mod checkpoint;
pub(crate) mod crossings;
pub(crate) mod entries;
pub(crate) mod tiles;

use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use postkey_http::{Code, Operation, Role};
use serde_json::json;

/// Who may ask.
const ROLES: &[Role] = &[Role::Auditor, Role::Operator];
/// Bytes that never change, for whoever has shown a token.
const FOR_EVER: &str = "private, max-age=31536000, immutable";
/// `<N>[.p/<W>]` of C2SP tlog-tiles: which of its level, three digits a path element, and how wide where it is partial.
const INDEX: &str = r"^(x[0-9]{3}/){0,6}[0-9]{3}(\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$";

/// What every question for bytes of the ledger says of itself.
fn question(id: &'static str, summary: &'static str, answer: &str) -> Operation {
    Operation::new(id, "ledger", summary)
        .roles(ROLES)
        .answers_bytes(StatusCode::OK, answer)
        .answers_header(
            StatusCode::OK,
            "Cache-Control",
            "These bytes never change.",
            json!({"type": "string", "const": FOR_EVER}),
        )
        .problems(&[Code::ReadModelUnavailable])
}

/// The last part of a path, which may have several elements.
fn with_index(operation: Operation, what: &str) -> Operation {
    let says = format!(
        "Which {what}, from 0: zero-padded elements of three digits, all but the last after an `x`; and `.p/W` where it is \
         partial, with W of 1 to 255. Its slashes are part of the path."
    );
    operation.path_rest("index", &says, json!({"type": "string", "pattern": INDEX}), "x001/x234/067.p/17")
}

fn bytes(bytes: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, FOR_EVER)], bytes).into_response()
}
