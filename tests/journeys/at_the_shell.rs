//! What an operator types.

use std::fs;

use stage::{Api, Finished, Folder, Running, Stack, endpoints, postkey, run, text_of, until, up};

async fn typed<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Finished {
    run(postkey(arguments)).await
}

#[tokio::test]
async fn help_teaches_by_example() {
    let help = typed(["--help"]).await.worked();
    for word in ["up", "command", "projection", "panel", "init", "token", "rebuild", "copy", "Examples:"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    for command in ["up", "command", "projection", "panel", "init", "token", "rebuild", "copy", "healthy"] {
        let help = typed([command, "--help"]).await.worked();
        assert!(help.stdout.contains("Usage: postkey"), "{}", help.stdout);
    }
}

#[tokio::test]
async fn the_version_is_one_line() {
    let version = typed(["version"]).await.worked();
    assert!(version.stdout.starts_with("postkey ") && version.stdout.lines().count() == 1, "{}", version.stdout);
    assert_eq!(version.stderr, "");
}

#[tokio::test]
async fn what_is_typed_wrongly_exits_with_2() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["up", "--nonsense"],
        &["command"],
        &["token", "new", "--role", "root"],
        &["panel"],
        &["panel", "account"],
        &["panel", "account", "add", "ann"],
        &["panel", "account", "list", "--data", "/nonexistent"],
        &["nats", "setup", "--log", "nats://127.0.0.1:1", "--consumer", "a b"],
        &["nats", "setup", "--log", "nats://127.0.0.1:1", "--consumer", "a.>"],
        &["postgres", "setup"],
        &["postgres", "setup", "--keys-password-file", "/dev/null"],
        &["postgres", "setup", "--keys", "sqlite:keys.db", "--read-model-password-file", "/dev/null"],
    ] {
        let finished = typed(arguments.iter().copied()).await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:#?}");
        assert!(!finished.stderr.is_empty() && finished.stdout.is_empty(), "{finished:#?}");
    }
}

#[tokio::test]
async fn what_is_typed_goes_before_what_the_environment_says_and_excludes_only_what_is_typed() {
    let folder = Folder::new();
    let stack = Stack::up(&folder).await;
    let data = folder.data();
    let (data, token) = (data.to_str().unwrap(), data.join("tokens/operator.token"));
    let url = format!("http://{}", stack.projection().address());
    let there = ["rebuild", "--projection-url", &url, "--token-file", token.to_str().unwrap()];
    let elsewhere = async |arguments: &[&str]| {
        let mut call = postkey(arguments.iter().copied());
        call.env("POSTKEY_DATA", "/nonexistent").env("POSTKEY_KEYRING_FILE", "/nonexistent/keyring");
        for store in ["LOG", "READ_MODEL", "KEYS"] {
            call.env(format!("POSTKEY_{store}"), "sqlite:/nonexistent/store.db");
        }
        run(call).await
    };
    for named in [&there[..], &["rebuild", "--data", data]] {
        let done = elsewhere(named).await.worked();
        assert!(done.stdout.contains("rebuilt up to position"), "{named:?}: {done:#?}");
    }
    let of_both = elsewhere(&["rebuild"]).await;
    assert!(of_both.code != Some(0) && !of_both.stderr.contains("cannot be used with"), "{of_both:#?}");
    let export = elsewhere(&["audit", "verify", "--export", "/nonexistent/export"]).await;
    assert!(export.code == Some(2) && !export.stderr.contains("cannot be used with"), "{export:#?}");
    for more in [["--data", data], ["--log", "sqlite:log.db"], ["--keys", "sqlite:keys.db"]] {
        let refused = elsewhere(&[&there[..], &more].concat()).await;
        assert!(refused.code == Some(2) && refused.stderr.contains("cannot be used with"), "{more:?}: {refused:#?}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn init_never_overwrites() {
    let folder = Folder::new();
    let data = folder.data();
    let data = data.to_str().unwrap();
    typed(["init", data]).await.worked();
    let files = ["keyring", "clients.json", "ledger/key", "ledger/public-key", "tokens/service.token"];
    let before = files.map(|name| folder.bytes(name));
    typed(["init", data]).await.worked();
    assert_eq!(files.map(|name| folder.bytes(name)), before);
}

#[tokio::test]
async fn a_token_is_printed_once_and_stored_as_a_hash() {
    let folder = Folder::new();
    typed(["init", folder.data().to_str().unwrap()]).await.worked();
    let clients = folder.file("clients.json");
    let clients = clients.to_str().unwrap();
    let new = ["token", "new", "--role", "panel", "--name", "shop", "--customer", "acme", "--clients-file", clients];
    let made = typed(new).await.worked();
    let token = made.stdout.trim();
    assert!(token.len() >= 43 && !token.contains(char::is_whitespace), "{token}");
    assert!(!fs::read_to_string(clients).unwrap().contains(token));
    let other = typed(new).await.worked();
    assert_ne!(other.stdout, made.stdout, "tokens of one client may overlap");
    let revoked = typed(["token", "revoke", "shop", "--clients-file", clients]).await.worked();
    assert!(!fs::read_to_string(clients).unwrap().contains("shop"), "{revoked:#?}");
    typed(["token", "revoke", "shop", "--clients-file", clients]).await.failed_in_one_line();
}

#[tokio::test]
async fn a_panels_token_must_say_whose_services_it_sees() {
    let folder = Folder::new();
    typed(["init", folder.data().to_str().unwrap()]).await.worked();
    let clients = folder.file("clients.json");
    let clients = clients.to_str().unwrap();
    let before = folder.bytes("clients.json");
    let new = |rest: &[&'static str]| {
        let all = [&["token", "new", "--name", "n", "--clients-file", clients], rest].concat();
        async move { typed(all).await.failed_in_one_line() }
    };
    assert!(new(&["--role", "panel"]).await.contains("--customer"));
    new(&["--role", "webmail", "--customer", "acme"]).await;
    new(&["--role", "panel", "--customer", "a b"]).await;
    assert_eq!(folder.bytes("clients.json"), before);
    let nowhere = ["token", "new", "--role", "webmail", "--name", "n", "--clients-file", "/nonexistent/clients.json"];
    typed(nowhere).await.failed_in_one_line();
}

#[tokio::test]
async fn a_policy_is_named_on_the_command_line() {
    let folder = Folder::new();
    let data = folder.data();
    let process = Running::start(up(&data, &["--policy", "strict"]), &folder.beside("."));
    let stack = Stack::started(process, &data).await.unwrap();
    let policy = stack.commands_as("service").get("/v1/password-policy").await.is(200);
    assert_eq!((&policy["profile"], &policy["min_length"]), (&"strict".into(), &12.into()));
    stack.stop().await;
    let lax = run(up(&data, &["--policy", "lax"])).await;
    assert_eq!(lax.code, Some(2), "{lax:?}");
    assert!(lax.stderr.contains("guide, standard, strict"), "{lax:?}");
}

#[tokio::test]
async fn endpoints_stand_in_the_folder_only_while_somebody_listens() {
    let folder = Folder::new();
    let stack = Stack::up(&folder).await;
    assert!(folder.file("endpoints.json").exists());
    stack.stop().await;
    assert!(!folder.file("endpoints.json").exists());
}

#[tokio::test]
async fn the_demo_seeds_users_once_and_prints_passwords_that_sign_in() {
    let folder = Folder::new();
    let data = folder.data();
    let mut shown = Vec::new();
    for start in 0..2 {
        let mut process = Running::start(up(&data, &["--demo"]), &folder.beside("."));
        let projection = endpoints(&mut process, &data).await.unwrap().projection;
        let as_role =
            |role| Api::new(&projection).bearing(text_of(&folder.file(format!("tokens/{role}.token"))).trim());
        let users = until("the demo is seeded", async || {
            let services = as_role("operator").get("/v1/services").await.body;
            let service = services["services"][0]["service"].as_str()?;
            let users = as_role("operator").get(&format!("/v1/services/{service}/users")).await.is(200);
            (users["users"].as_array()?.len() >= 3).then_some(users)
        })
        .await;
        let printed = |stdout: String| -> Vec<(String, String)> {
            let words = stdout.lines().filter_map(|line| line.strip_prefix("demo user")).map(str::split_whitespace);
            words.map(|mut words| (words.next().unwrap().to_owned(), words.next().unwrap().to_owned())).collect()
        };
        if start == 0 {
            let all = users["users"].as_array().unwrap().len();
            shown = until("each user's password is printed", async || {
                Some(printed(process.stdout())).filter(|printed| printed.len() == all)
            })
            .await;
        }
        for (address, password) in &shown {
            let verify = serde_json::json!({"address": address, "password": password});
            as_role("webmail").post("/v1/auth/verify", &verify).await.is(200);
        }
        let stdout = process.stop().await.stdout;
        if start == 0 {
            assert!(shown.iter().all(|(_, password)| stdout.contains(password)));
        } else {
            assert!(!shown.iter().any(|(_, password)| stdout.contains(password)), "passwords are printed once");
            assert!(shown.iter().all(|(address, _)| stdout.contains(&format!("{address}  is there"))), "{stdout}");
        }
    }
}

#[tokio::test]
async fn a_url_that_can_not_be_read_is_not_repeated_for_it_may_hold_a_password() {
    let wrong = [
        "postgres://u:TOP-SECRET@h:99999/db",
        "postgres://u:TOP-SECRET@h/db?password=TOP-SECRET",
        "nats://u:TOP-SECRET@h,,x",
    ];
    for url in wrong {
        for argument in ["--log", "--keys", "--read-model"] {
            let line = run(postkey(["rebuild", argument, url])).await;
            assert_eq!(line.code, Some(2), "{line:?}");
            assert!(!line.stderr.contains("TOP-SECRET") && line.stderr.contains(argument), "{line:?}");
        }
        let mut command = postkey(["rebuild"]);
        command.env("POSTKEY_KEYS", url);
        let finished = run(command).await;
        assert!(!finished.stderr.contains("TOP-SECRET") && finished.stderr.contains("--keys"), "{finished:?}");
    }
}
