//! What is typed into the panel: it goes to the services, and stands in no log, no file and no page.

use std::fs;

use serde_json::json;
use stage::{Folder, MIB, Page, Stack, Visitor, postkey, run};

use crate::journey::{ORIGIN, PASSWORDS, PERSONAL};
use crate::traces::{found, output, tokens};

/// The name that signs in to the panel, and its password.
const NAME: &str = "gwendolyn.quackenbush";
const ACCOUNT: &str = PASSWORDS[0];

/// `acme.example`, and an account of its customer, whose password a file brought that is gone.
async fn set(folder: &Folder, stack: &Stack) -> String {
    let plan = json!({"mailboxes": 10, "pool_bytes": 10_240 * MIB});
    let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let provisioned = stack.commands_as("operator").post("/v1/services", &provision).await;
    let file = folder.beside("password");
    fs::write(&file, ACCOUNT).unwrap();
    let mut add = postkey(["panel", "account", "add", NAME, "--customer", "acme", "--log-level", "trace"]);
    add.arg("--data").arg(folder.data()).arg("--password-file").arg(&file);
    let said = run(add).await.worked();
    assert_eq!(found(PASSWORDS, format!("{said:?}").as_bytes()), [""; 0]);
    fs::remove_file(file).unwrap();
    format!("/services/email/{}/users", provisioned.body["service"].as_str().unwrap())
}

/// Signs in, adds, searches, edits and fails in every way, and signs in to webmail. The pages, and the cookies on the way.
async fn travelled(panel: &str, users: &str) -> (Vec<Page>, Vec<String>) {
    let mut person = Visitor::new(panel).with("x-forwarded-for", "203.0.113.77");
    let mut pages = Vec::new();
    for (name, password) in
        [(NAME, PASSWORDS[1]), ("hortensia.vandermolen", PASSWORDS[2]), ("Quack enbush", PASSWORDS[3])]
    {
        pages.push(person.signs_in(name, password).await.is(401));
    }
    let welcomed = person.signs_in(NAME, ACCOUNT).await;
    assert_eq!(welcomed.leads_to(), "/");
    let mut cookies: Vec<_> = person.cookies().map(str::to_owned).collect();
    pages.push(welcomed);

    let add = format!("{users}/add");
    let user = |password| {
        [
            ("local_part", "hortensia.vandermolen"),
            ("first_name", "Hortensia"),
            ("last_name", "Vandermolen"),
            ("quota", "1"),
            ("unit", "GiB"),
            ("new_password", password),
            ("pressed", "save"),
        ]
    };
    for weak in [PASSWORDS[4], "Hortensia-1-Vandermolen"] {
        pages.push(person.sends(&add, &user(weak)).await.is(422));
    }
    let form = person.opens(&add).await.is(200);
    let key = ("key", form.field("key"));
    let saved = person.sends(&add, &[&user(PASSWORDS[5])[..], &[key]].concat()).await;
    let edit = format!("{}/edit", saved.leads_to().split("/saved/").next().unwrap());
    pages.push(person.follows(&saved).await.is(200));
    pages.push(saved);
    let found = person.opens(&format!("{users}?search=Vandermolen")).await.is(200);
    assert!(found.text.contains("hortensia.vandermolen@acme.example"), "{found:#?}");
    pages.push(found);
    let form = person.opens(&edit).await.is(200);
    let fields = ["revision", "password_set", "key"].map(|field| (field, form.field(field)));
    let edited = [&user(PASSWORDS[6])[..], &[("change_password", "yes")], &fields].concat();
    let saved = person.sends(&edit, &edited).await;
    pages.push(person.follows(&saved).await.is(200));
    pages.push(saved);
    for password in [PASSWORDS[3], PASSWORDS[4]] {
        let check =
            [("password", password), ("address", "hortensia.vandermolen@acme.example"), ("first_name", "Hortensia")];
        pages.push(person.sends("/passwords/check", &check).await.is(200));
    }
    pages.push(person.opens("/sign-in?back=Vandermolen&name=Hortensia").await.is(200));
    pages.push(person.opens("/nowhere/hortensia.vandermolen").await.is(404));

    for (password, status) in [(PASSWORDS[5], 401), (PASSWORDS[6], 303)] {
        let typed = [("address", "hortensia.vandermolen@acme.example"), ("password", password)];
        pages.push(person.sends("/webmail", &typed).await.is(status));
    }
    pages.push(person.opens("/webmail").await.is(200));
    cookies.extend(person.cookies().map(str::to_owned));
    pages.push(person.sends("/webmail/sign-out", &[]).await);
    pages.push(person.sends("/sign-out", &[]).await);
    (pages, cookies)
}

/// No password, no token and no cookie in any file; of names and hashes, each file has what it is for.
fn nothing_is_found_in_files(folder: &Folder, secrets: &[&str]) {
    for entry in fs::read_dir(folder.data()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let (name, bytes) = (path.file_name().unwrap().to_string_lossy(), fs::read(&path).unwrap());
        assert_eq!(found(PASSWORDS.into_iter().chain(secrets.iter().copied()), &bytes), [""; 0], "{name}");
        // The accounts' names and hashes are what the panel's file is for.
        let of_users = ["hortensia", "vandermolen", "philippina"];
        if name.starts_with("panel.db") {
            assert_eq!(found(of_users, &bytes), [""; 0], "{name}");
        } else if !name.starts_with("read-model.db") {
            // Where people came from is kept with what they tried.
            let others = PERSONAL.into_iter().filter(|word| *word != ORIGIN || !name.starts_with("activity.db"));
            assert_eq!(found(others.chain(["$argon2"]), &bytes), [""; 0], "{name}");
        }
    }
    assert_eq!(found([NAME, "$argon2id$"], &folder.bytes("panel.db")).len(), 2, "there is an account to search");
}

async fn nothing_is_found(environment: &[(&str, &str)]) {
    let folder = Folder::new();
    let behind_proxy = [environment, &[("POSTKEY_BEHIND_PROXY", "true")]].concat();
    let stack = Stack::up_with(&folder, &behind_proxy).await;
    let users = set(&folder, &stack).await;
    let (pages, cookies) = travelled(stack.panel(), &users).await;
    let secrets: Vec<String> = tokens(&stack).into_iter().map(str::to_owned).chain(cookies).collect();
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    assert_eq!(secrets.len(), 5 + 3, "tokens, a session, and that beside one of webmail");
    assert!(pages.len() > 15);
    for page in &pages {
        assert_eq!(found(PASSWORDS.into_iter().chain(["$argon2"]), page.text.as_bytes()), [""; 0], "{page:?}");
        let location = page.header("location");
        assert_eq!(found(PASSWORDS.into_iter().chain(PERSONAL), location.as_bytes()), [""; 0], "{page:?}");
    }
    nothing_is_found_in_files(&folder, &secrets);
    stack.stop().await;
    nothing_is_found_in_files(&folder, &secrets);
    let output = output(&folder);
    assert_eq!(
        found(["/services/email/{service}/users/add", "/webmail", "/sign-in"], &output).len(),
        3,
        "there are logs"
    );
    let words = PASSWORDS.into_iter().chain(PERSONAL).chain(["$argon2"]).chain(secrets);
    assert_eq!(found(words, &output), [""; 0]);
}

#[tokio::test]
async fn what_is_typed_into_the_panel_is_found_nowhere_at_the_usual_log_level() {
    nothing_is_found(&[]).await;
}

#[tokio::test]
async fn what_is_typed_into_the_panel_is_found_nowhere_at_the_most_talkative_log_level() {
    nothing_is_found(&[("POSTKEY_LOG_LEVEL", "trace"), ("POSTKEY_LOG_FORMAT", "json")]).await;
}
