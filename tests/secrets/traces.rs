//! The search: for passwords, hashes, tokens, names, addresses, reasons and origins.

use std::fs;
use std::path::Path;

use servers::{Nats, Postgres};
use stage::{Folder, Separate, Stack, until};

use crate::journey::{Answers, ORIGIN, PASSWORDS, PERSONAL, travelled};

/// Every word of the list that stands in the bytes, in whatever case.
pub fn found<'a>(words: impl IntoIterator<Item = &'a str>, bytes: &[u8]) -> Vec<&'a str> {
    let lower = bytes.to_ascii_lowercase();
    let stands = |word: &&str| {
        let word = word.to_ascii_lowercase();
        lower.windows(word.len()).any(|window| window == word.as_bytes())
    };
    words.into_iter().filter(stands).collect()
}

/// The tokens of every role.
pub fn tokens(stack: &Stack) -> Vec<&str> {
    let tokens: Vec<_> = ["operator", "panel", "webmail", "auditor", "service"].map(|role| stack.token(role)).to_vec();
    assert!(tokens.iter().all(|token| token.len() > 40), "{tokens:?}");
    tokens
}

/// What the folder must not hold, whatever runs: see each file's own line.
fn nothing_is_found_in_files(folder: &Folder, tokens: &[&str]) {
    let mut searched = Vec::new();
    for entry in fs::read_dir(folder.data()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let secrets = PASSWORDS.into_iter().chain(tokens.iter().copied());
        assert_eq!(found(secrets, &bytes), [""; 0], "{name}: no password and no token");
        // The read model is what lookups read: names and hashes are its content.
        if !name.starts_with("read-model.db") {
            // Where people came from is kept with what they tried, for as long as that is, and is all of it that is personal.
            let others = PERSONAL.into_iter().filter(|word| *word != ORIGIN || !name.starts_with("activity.db"));
            let others = others.chain(["$argon2"]);
            assert_eq!(found(others, &bytes), [""; 0], "{name}: no hash, no name, no address");
        }
        searched.push(name);
    }
    for name in ["log.db", "keys.db", "read-model.db", "activity.db", "keyring", "clients.json"] {
        assert!(searched.iter().any(|searched| searched == name), "{name} was searched: {searched:?}");
    }
}

/// The search itself works: what must stand somewhere is found there.
fn the_search_finds_what_there_is(folder: &Folder, answers: &Answers) {
    let mut model = folder.bytes("read-model.db");
    let wal = folder.file("read-model.db-wal");
    if wal.exists() {
        model.extend(fs::read(wal).unwrap());
    }
    assert_eq!(found(["philippina", "hortensia.vandermolen", "$argon2id$"], &model).len(), 3);
    let mut log = folder.bytes("log.db");
    let wal = folder.file("log.db-wal");
    if wal.exists() {
        log.extend(fs::read(wal).unwrap());
    }
    assert_eq!(found(["PasswordChanged", "op-1", "acme.example"], &log).len(), 3);
    let named: Vec<_> = answers.naming.iter().flat_map(|answer| found(PERSONAL, answer.text.as_bytes())).collect();
    assert!(named.len() >= 10, "{named:?}");
}

/// Everything that the processes wrote to stdout and stderr.
pub fn output(folder: &Folder) -> Vec<u8> {
    let mut output = Vec::new();
    for entry in fs::read_dir(folder.beside(".")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "stdout" || extension == "stderr") {
            output.extend(fs::read(&path).unwrap());
        }
    }
    output
}

fn nothing_is_found_in_the_logs(folder: &Folder, tokens: &[&str]) {
    let output = output(folder);
    assert_eq!(found(["answered", "/v1/services/{service}/users"], &output).len(), 2, "there are logs to search");
    let words = PASSWORDS.into_iter().chain(PERSONAL).chain(["$argon2"]).chain(tokens.iter().copied());
    assert_eq!(found(words, &output), [""; 0]);
}

fn nothing_is_found_in_answers(answers: &Answers, tokens: &[&str]) {
    let secrets = || PASSWORDS.into_iter().chain(["$argon2"]).chain(tokens.iter().copied());
    assert!(answers.others.len() > 30);
    for answer in &answers.others {
        let whole = format!("{:?} {}", answer.headers, answer.text);
        assert_eq!(found(secrets().chain(PERSONAL), whole.as_bytes()), [""; 0], "{answer:?}");
    }
    for answer in &answers.naming {
        let whole = format!("{:?} {}", answer.headers, answer.text);
        assert_eq!(found(secrets(), whole.as_bytes()), [""; 0], "{answer:?}");
    }
}

/// Waits until the activity log has the last refusal of the journey.
async fn all_is_kept_that_was_refused(stack: &Stack) {
    let auditor = stack.queries_as("auditor");
    until("the last refusal is kept", async || {
        let kept = auditor.get("/v1/audit/activity?kind=refused&limit=500").await;
        (kept.status == 200 && kept.text.contains("wrong_state")).then_some(())
    })
    .await;
}

/// A journey at a log level, searched while the services run, after a kill and after a stop in order.
async fn nothing_is_found(environment: &[(&str, &str)]) {
    let folder = Folder::new();
    let stack = Stack::up_with(&folder, environment).await;
    let answers = travelled(&stack).await;
    let tokens: Vec<String> = tokens(&stack).into_iter().map(str::to_owned).collect();
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    the_search_finds_what_there_is(&folder, &answers);
    nothing_is_found_in_answers(&answers, &tokens);
    all_is_kept_that_was_refused(&stack).await;
    nothing_is_found_in_files(&folder, &tokens);
    stack.kill();
    nothing_is_found_in_files(&folder, &tokens);
    Stack::up_with(&folder, environment).await.stop().await;
    nothing_is_found_in_files(&folder, &tokens);
    let kept = folder.bytes("activity.db");
    assert_eq!(found(["wrong_state", "contains_personal", "unknown", ORIGIN], &kept).len(), 4, "it was written there");
    the_search_finds_what_there_is(&folder, &answers);
    nothing_is_found_in_the_logs(&folder, &tokens);
}

#[tokio::test]
async fn no_file_log_or_answer_holds_a_secret_or_a_name_at_the_usual_log_level() {
    nothing_is_found(&[]).await;
}

#[tokio::test]
async fn no_file_log_or_answer_holds_a_secret_or_a_name_at_the_most_talkative_log_level() {
    nothing_is_found(&[("POSTKEY_LOG_LEVEL", "trace"), ("POSTKEY_LOG_FORMAT", "json")]).await;
}

#[tokio::test]
async fn a_folder_that_was_demonstrated_holds_its_passwords_nowhere_but_on_the_screen() {
    let folder = Folder::new();
    let data = folder.data();
    let mut process = stage::Running::start(stage::up(&data, &["--demo"]), &folder.beside("."));
    stage::endpoints(&mut process, &data).await.unwrap();
    let passwords = stage::until("the demo's passwords are printed", async || {
        let stdout = process.stdout();
        let lines = stdout.lines().filter(|line| line.starts_with("demo "));
        let passwords: Vec<_> = lines.map(|line| line.split_whitespace().last().unwrap().to_owned()).collect();
        (passwords.len() == 4).then_some(passwords)
    })
    .await;
    let finished = process.stop().await;
    let words = || passwords.iter().map(String::as_str);
    assert_eq!(found(words(), finished.stderr.as_bytes()), [""; 0]);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            assert_eq!(found(words(), &read(&path)), [""; 0], "{}", path.display());
        }
    }
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

/// The same on NATS and PostgreSQL, with everything logged that can be: the password of the NATS account stands in no line
/// either.
#[tokio::test]
async fn nothing_is_found_in_logs_and_answers_of_services_on_servers() {
    let folder = Folder::new();
    let nats = Nats::shared();
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let stack = separate.with_environment(&[("POSTKEY_LOG_LEVEL", "trace")]).start().await;
    let answers = travelled(&stack).await;
    let (_, login) = account.split_once("://").unwrap();
    let (_, password) = login.split_once('@').unwrap().0.split_once(':').unwrap();
    let tokens: Vec<String> = tokens(&stack).into_iter().map(str::to_owned).collect();
    let secrets: Vec<&str> = tokens.iter().map(String::as_str).chain([password]).collect();
    nothing_is_found_in_answers(&answers, &secrets);
    stack.stop().await;
    nothing_is_found_in_the_logs(&folder, &secrets);
}
