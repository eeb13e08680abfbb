//! What crates and files may not know: ARCHITECTURE.md's absences, held.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's folder.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// What a crate depends on, by the names in its manifest: to build itself, not its tests.
fn dependencies(folder: &str) -> Vec<String> {
    let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
    let mut section = String::new();
    let mut names = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']').to_owned();
            // [dependencies.tokio] says the same as a line in [dependencies].
            names.extend(section.strip_prefix("dependencies.").map(str::to_owned));
        } else if section == "dependencies" && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['.', ' ', '=']).next().unwrap();
            names.push(name.to_owned());
        }
    }
    assert!(!names.is_empty(), "{folder} depends on nothing?");
    names
}

#[track_caller]
fn knows_none_of(folder: &str, forbidden: &[&str]) {
    for name in dependencies(folder) {
        let known = forbidden.iter().any(|forbidden| match forbidden.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *forbidden,
        });
        assert!(!known, "{folder} depends on {name}");
    }
}

/// Every source file below a folder, but for those of tests.
fn programs(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = sources(folder);
    files.retain(|(path, _)| {
        let inside = path.strip_prefix(root()).unwrap();
        !inside.ends_with("tests.rs") && !inside.components().any(|part| part.as_os_str() == "tests")
    });
    files
}

/// Every source file below a folder.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "no sources in {folder}");
    files
}

/// A file's lines of code, without comments and without what stands behind `#[cfg(test)]`, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
    code.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

const ALL: [&str; 3] = ["shared", "services", "tests"];

#[test]
fn the_domain_knows_no_runtime_no_serialisation_no_database_and_no_randomness() {
    let forbidden = [
        "tokio*",
        "futures*",
        "async-*",
        "serde*",
        "sqlx*",
        "axum*",
        "hyper*",
        "reqwest",
        "tracing*",
        "rand*",
        "getrandom",
        "wire",
        "keys",
        "event-log",
        "credential",
        "ledger",
        "postkey-*",
    ];
    knows_none_of("shared/domain", &forbidden);
    for (path, text) in programs("shared/domain/src") {
        for (at, line) in code(&text) {
            assert!(!line.contains("async ") && !line.contains("std::time"), "{}:{at}: {line}", path.display());
        }
    }
}

#[test]
fn the_ledger_and_the_wire_do_no_io() {
    let forbidden = ["tokio*", "futures*", "async-*", "sqlx*", "axum*", "hyper*", "reqwest", "getrandom", "postkey-*"];
    knows_none_of("shared/ledger", &forbidden);
    knows_none_of("shared/wire", &forbidden);
    for folder in ["shared/ledger/src", "shared/wire/src"] {
        for (path, text) in programs(folder) {
            for (at, line) in code(&text) {
                let io = ["std::fs", "TcpStream", "std::env", "std::time", "std::process"]
                    .iter()
                    .any(|io| line.contains(io));
                assert!(!io, "{}:{at}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_throttle_has_no_clock_and_does_no_io() {
    knows_none_of(
        "shared/throttle",
        &["tokio*", "futures*", "async-*", "serde*", "axum*", "rand*", "getrandom", "domain", "postkey-*"],
    );
    for (path, text) in programs("shared/throttle/src") {
        for (at, line) in code(&text) {
            let clock =
                ["Instant::now", "SystemTime", "elapsed()", "std::fs", "std::env"].iter().any(|it| line.contains(it));
            assert!(!clock, "{}:{at}: {line}", path.display());
        }
    }
}

#[test]
fn only_admission_lets_attempts_pass() {
    knows_none_of("shared/admission", &["axum*", "hyper*", "reqwest", "sqlx*", "credential", "domain", "postkey-*"]);
    for folder in ["services/command/src", "services/projection/src", "services/panel/src"] {
        for (path, text) in programs(folder) {
            for (at, line) in code(&text) {
                let passed_by = [".attempt(", "throttle::Attempt"].iter().any(|it| line.contains(it));
                assert!(!passed_by, "{}:{at}: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_event_log_never_looks_into_an_entry() {
    knows_none_of("shared/event-log", &["keys", "ledger", "credential", "hmac", "postkey-http", "postkey-c*"]);
    // JSON is how JetStream's API speaks, and nobody else in it.
    for (path, text) in programs("shared/event-log/src") {
        let speaks = path.components().any(|part| part.as_os_str() == "jetstream");
        for (at, line) in code(&text).filter(|_| !speaks) {
            assert!(!line.contains("serde"), "{}:{at}: {line}", path.display());
        }
    }
    // Bytes and ids: nothing of `wire` that opens, authenticates or makes an entry.
    let carried = ["Entry", "LogId", "Stored", "Subject", "SubjectError"];
    let mut seen = 0;
    for (path, text) in programs("shared/event-log/src") {
        let code: Vec<_> = code(&text).map(|(_, line)| line).collect();
        for named in code.join("\n").split("wire::").skip(1) {
            let list = named.strip_prefix('{').map_or_else(
                || named.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap(),
                |list| list.split('}').next().unwrap(),
            );
            for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                assert!(carried.contains(&name), "{} uses wire::{name}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 5, "it carries entries: {seen}");
}

#[test]
fn keys_know_no_event_and_credentials_no_storage() {
    knows_none_of("shared/keys", &["wire", "event-log", "ledger", "credential", "postkey-http", "postkey-c*"]);
    for adapters in ["shared/sqlite", "shared/postgres"] {
        knows_none_of(adapters, &["domain", "wire", "keys", "event-log", "ledger", "credential", "postkey-*"]);
    }
    knows_none_of("shared/credential", &["sqlx*", "wire", "keys", "event-log", "ledger", "postkey-*"]);
}

#[test]
fn the_activity_log_knows_no_http_no_event_and_no_password() {
    let inside =
        ["axum*", "hyper*", "reqwest", "wire", "keys", "event-log", "ledger", "credential", "secrecy", "throttle"];
    knows_none_of("shared/activity", &inside);
    knows_none_of("shared/activity", &["postkey-http", "postkey-c*"]);
}

#[test]
fn the_http_edges_know_no_log_no_database_and_no_hashing() {
    knows_none_of(
        "shared/http",
        &["sqlx*", "event-log", "wire", "keys", "credential", "ledger", "argon2", "postkey-*"],
    );
}

#[test]
fn the_services_do_not_know_each_other_and_the_command_service_no_database() {
    knows_none_of("services/command", &["sqlx*", "postkey-projection", "postkey-panel", "postkey"]);
    knows_none_of("services/projection", &["postkey-command", "postkey-panel", "postkey"]);
}

#[test]
fn the_panel_knows_the_services_by_their_http_api_only() {
    let inside =
        ["wire", "keys", "event-log", "ledger", "postkey-postgres", "postkey-command", "postkey-projection", "postkey"];
    knows_none_of("services/panel", &inside);
}

#[test]
fn the_test_servers_know_nothing_of_postkey() {
    knows_none_of(
        "tests/servers",
        &["domain", "wire", "keys", "ledger", "credential", "event-log", "postkey*", "async-nats", "sqlx", "tokio"],
    );
}

#[test]
fn the_test_browsers_know_nothing_of_postkey() {
    knows_none_of(
        "tests/browsers",
        &["domain", "wire", "keys", "ledger", "credential", "event-log", "postkey*", "stage"],
    );
}

#[test]
fn only_the_load_generator_knows_the_products_inside_and_there_only_its_seeding() {
    let inside = ["domain", "wire", "keys", "event-log", "ledger", "credential"];
    knows_none_of("tests", &inside);
    knows_none_of("tests", &["postkey-*"]);
    knows_none_of("tests/load", &["postkey-command", "postkey"]);
    // Keyrings are read where stores are filled, and rows are projected there, with a ledger and without; the commands that are
    // measured go over HTTP and the command line.
    let inside = [inside.as_slice(), &["postkey-http", "postkey-projection"]].concat();
    for (path, text) in sources("tests/load/src") {
        let seeding = path.components().any(|part| part.as_os_str() == "seed") || path.ends_with("bench/stack.rs");
        for (at, line) in code(&text).filter(|_| !seeding) {
            let known = inside.iter().any(|name| line.contains(&format!("{}::", name.replace('-', "_"))));
            assert!(!known, "{}:{at}: {line}", path.display());
        }
    }
}

#[test]
fn a_route_is_added_with_what_it_says_of_itself() {
    for (path, text) in programs("services").into_iter().chain(programs("shared")) {
        // The document and its page; what a service answers that only waits; services that stand in tests; and the panel's
        // pages, which are for people.
        let own = path.components().any(|part| part.as_os_str() == "openapi" || part.as_os_str() == "staged")
            || path.ends_with("waiting.rs")
            || path.ends_with("services/panel/src/app.rs");
        for (at, line) in code(&text).filter(|_| !own) {
            assert!(!line.contains(".route("), "{}:{at}: {line}", path.display());
        }
    }
}

#[test]
fn main_is_wiring() {
    let main = fs::read_to_string(root().join("services/postkey/src/main.rs")).unwrap();
    assert!(main.lines().count() <= 60, "{} lines", main.lines().count());
}

#[test]
fn sql_stands_in_adapters_only() {
    for (path, text) in programs("services").into_iter().chain(programs("shared")) {
        let of = |database: &str| {
            path.components().any(|part| part.as_os_str() == database) || path.ends_with(format!("{database}.rs"))
        };
        let adapter = of("sqlite") || of("postgres");
        if adapter {
            continue;
        }
        for (at, line) in code(&text) {
            let sql = ["SELECT ", "INSERT INTO", "PRAGMA ", "sqlx::"].iter().any(|sql| line.contains(sql));
            assert!(!sql, "{}:{at}: {line}", path.display());
        }
    }
}

#[test]
fn nothing_is_left_to_do_and_no_test_is_left_out() {
    let words = ["todo", "unimplemented"].map(|word| format!("{word}!"));
    let ignored = ["#[ig", "nore"].concat();
    for (path, text) in ALL.into_iter().flat_map(sources) {
        for (at, line) in code(&text) {
            assert!(!words.iter().any(|word| line.contains(word.as_str())), "{}:{at}: {line}", path.display());
        }
        assert!(!text.contains(&ignored), "{}", path.display());
    }
}

#[test]
fn every_dependency_is_named_once_in_the_workspace() {
    for folder in ["shared", "services"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let manifest = entry.unwrap().path().join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&manifest) else { continue };
            for line in text.lines().skip_while(|line| *line != "[dependencies]") {
                let versioned = line.contains("version = \"")
                    || line.split_once(" = \"").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
                assert!(!versioned, "{}: {line}", manifest.display());
            }
        }
    }
}

#[test]
fn folders_and_files_are_named_for_what_they_hold() {
    for (path, _) in ALL.into_iter().flat_map(sources) {
        let path = path.strip_prefix(root()).unwrap();
        for part in path.components() {
            let name = Path::new(part.as_os_str()).file_stem().unwrap().to_str().unwrap().to_owned();
            let vague = ["util", "utils", "common", "helper", "helpers", "misc", "types"].contains(&name.as_str());
            assert!(!vague, "{}", path.display());
        }
    }
}

#[test]
fn the_compose_file_opens_no_port_to_others_and_holds_no_secret() {
    let compose = fs::read_to_string(root().join("infra/compose.yaml")).unwrap();
    let ports: Vec<_> = compose.lines().filter(|line| line.trim_start().starts_with("ports:")).collect();
    assert_eq!(ports.len(), 4, "two command services and two projections: {ports:?}");
    for line in ports {
        assert!(line.contains(r#"[ "127.0.0.1:"#) && !line.contains(','), "{line}");
    }
    assert!(!compose.contains("network_mode"), "no container on the network of the machine");
    for line in compose.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let upper = line.to_uppercase();
        let named = ["PASSWORD", "SEED", "TOKEN", "CREDENTIALS"].iter().any(|word| upper.contains(word));
        // Secrets are named by their files, and their files lie in one folder.
        let by_file = ["/run/", "./secrets/"].iter().any(|folder| line.contains(folder));
        assert!(!named || by_file, "{line}");
        // No user has a password in a URL.
        assert!(
            !line.split("://").skip(1).any(|rest| rest.split('@').next().unwrap().contains(':') && rest.contains('@')),
            "{line}"
        );
    }
    let ignored = fs::read_to_string(root().join(".gitignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "/infra/secrets"), "secrets are never committed");
}
