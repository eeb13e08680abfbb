//! What `infra/nats/accounts.conf` permits to each identity, and for each permission requests that make use of it.

use std::fs;

use crate::site::infra;

/// A request, and what stands in it.
#[derive(Debug)]
pub struct Ask {
    pub subject: String,
    pub body: &'static str,
    /// What comes of it by right.
    pub comes: Comes,
}

/// What comes of a request by right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comes {
    /// An answer.
    Answer,
    /// An answer, and an entry in the log.
    Entry,
    /// An answer, and the identity's own consumer moves.
    Move,
    /// A message to whoever listens; nobody answers.
    Wake,
}

/// Requests by each permission that an identity has.
///
/// # Panics
/// Where there is none for a permission, or the file is not written as it is now.
pub fn asks(identity: &str) -> Vec<Ask> {
    may_publish(identity).iter().flat_map(|permission| requests(identity, permission)).collect()
}

/// Every identity that has an account of its own, by the names in `public-keys.conf`.
pub fn identities() -> Vec<String> {
    let accounts = accounts();
    let keys = accounts.split("nkey: $").skip(1).map(|rest| rest.split([' ', ',', '\n']).next().unwrap());
    keys.map(|key| key.to_lowercase().replace('_', "-")).collect()
}

fn requests(identity: &str, permission: &str) -> Vec<Ask> {
    let own = |request: &str| permission == format!("EV.API.CONSUMER.{request}.POSTKEY.{identity}");
    let (subject, bodies, comes): (&str, &[&str], _) = match permission {
        "postkey.>" => ("postkey.p05.service", &[r#"{"asked":true}"#], Comes::Entry),
        "EV.API.STREAM.INFO.POSTKEY" => (permission, &[""], Comes::Answer),
        "EV.API.STREAM.MSG.GET.POSTKEY" => (permission, &[r#"{"seq":1}"#], Comes::Answer),
        "EV.API.DIRECT.GET.POSTKEY" => {
            (permission, &[r#"{"seq":1}"#, r#"{"batch":3,"seq":1,"next_by_subj":"postkey.>"}"#], Comes::Answer)
        }
        "EV.API.DIRECT.GET.POSTKEY.>" => ("EV.API.DIRECT.GET.POSTKEY.postkey.p01.service", &[""], Comes::Answer),
        "wake.projection" => (permission, &["true"], Comes::Wake),
        _ if own("INFO") => (permission, &[""], Comes::Answer),
        _ if own("MSG.NEXT") => (permission, &[r#"{"batch":2,"no_wait":true}"#], Comes::Move),
        _ if own("RESET") => (permission, &[r#"{"seq":1}"#], Comes::Move),
        _ => panic!("{identity} may publish to {permission}: say here what it can ask by that"),
    };
    bodies.iter().map(|body| Ask { subject: subject.to_owned(), body, comes }).collect()
}

/// The subjects that stand in an identity's `publish: { allow: … }`.
fn may_publish(identity: &str) -> Vec<String> {
    let accounts = accounts();
    let key = format!("nkey: ${},", identity.to_uppercase().replace('-', "_"));
    let user = accounts.split_once(&key).unwrap_or_else(|| panic!("{identity} has no permissions: it may do all")).1;
    let permissions = user.trim_start().strip_prefix("permissions: {").unwrap().trim_start();
    let allowed = permissions.strip_prefix("publish: { allow: ").expect("nothing is denied, all is named");
    match allowed.strip_prefix('$') {
        None => quoted(allowed),
        Some(named) => {
            let name = named.split([' ', '\n']).next().unwrap();
            quoted(accounts.split_once(&format!("\n{name}: ")).unwrap().1)
        }
    }
}

/// The strings of the list that a text begins with.
fn quoted(text: &str) -> Vec<String> {
    let list = text.strip_prefix('[').and_then(|list| list.split_once(']')).expect("a list").0;
    let strings: Vec<_> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(strings.len(), list.split_whitespace().count(), "a list of strings: {list}");
    strings
}

/// The file without its comments.
fn accounts() -> String {
    let text = fs::read_to_string(infra().join("accounts.conf")).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with('#')).map(|line| format!("{line}\n")).collect()
}
