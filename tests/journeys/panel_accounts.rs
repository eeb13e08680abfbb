//! Who may sign in to the panel: accounts that an operator makes at the shell, sessions, and whom the panel turns away.

use std::path::Path;
use std::process::Command;

use stage::{Finished, Folder, MIB, PASSWORD, Page, Running, Scene, Separate, Stack, Visitor};
use stage::{endpoints, listening, new_account, postkey, run, until, up};

/// The password that ann gets where a file brings one.
const CHOSEN: &str = "Walnut-31-Fiddle";

/// `postkey panel account …` on a data folder.
async fn account(folder: &Folder, arguments: &[&str]) -> Finished {
    let mut command = postkey([&["panel", "account"], arguments].concat());
    command.arg("--data").arg(folder.data());
    run(command).await
}

/// Somebody who has signed in.
async fn signed_in(panel: &str, name: &str, password: &str) -> Visitor {
    let mut visitor = Visitor::new(panel);
    let page = visitor.signs_in(name, password).await;
    assert_eq!(page.leads_to(), "/", "{page:#?}");
    visitor
}

/// Expects that whoever asked has to sign in.
#[track_caller]
fn has_to_sign_in(page: &Page) {
    assert!(page.leads_to().starts_with("/sign-in?"), "{page:#?}");
}

#[tokio::test]
async fn an_account_that_was_added_sees_its_customers_services_and_nobody_elses() {
    let scene = Scene::set().await;
    let other = scene.provisioned("other.example", "other", 10, 100 * MIB).await;
    let password = new_account(&scene.folder, "Ann@Acme.example", "acme").await;
    let mut ann = Visitor::new(scene.stack.panel());
    let first = ann.opens("/services/email").await;
    has_to_sign_in(&first);
    let form = ann.follows(&first).await.is(200);
    assert!(form.text.contains("type=\"password\""), "{form:#?}");

    let welcomed = ann.signs_in(" ann@acme.EXAMPLE ", &password).await;
    let cookie = welcomed.header("set-cookie").to_owned();
    assert!(cookie.starts_with("postkey_panel=") && !cookie.contains("Secure"), "{cookie}");
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
    let home = ann.follows(&welcomed).await;
    let services = ann.follows(&home).await.is(200);
    assert!(services.text.contains("acme.example") && !services.text.contains("other.example"), "{services:#?}");
    let service = services.link("/services/email/");
    assert!(service.ends_with(&scene.service), "{service}");
    assert!(ann.opens(&service).await.is(200).text.contains("acme.example"));

    for path in [format!("/services/email/{other}"), format!("/services/email/{other}/users"), "/nowhere".to_owned()] {
        let missing = ann.opens(&path).await.is(404);
        assert!(!missing.text.contains("other.example"), "{missing:#?}");
    }
    let out = ann.sends("/sign-out", &[]).await;
    assert_eq!(out.leads_to(), "/sign-in?ended=out");
    has_to_sign_in(&ann.opens("/services/email").await);
}

#[tokio::test]
async fn whoever_is_disabled_or_gets_another_password_is_signed_out_at_the_next_click() {
    let scene = Scene::set().await;
    let panel = scene.stack.panel();
    let [of_ann, of_eve] =
        [new_account(&scene.folder, "ann", "acme").await, new_account(&scene.folder, "eve", "acme").await];
    let (mut ann, mut eve) = (signed_in(panel, "ann", &of_ann).await, signed_in(panel, "eve", &of_eve).await);

    let file = scene.folder.beside("password");
    std::fs::write(&file, format!("{CHOSEN}\n")).unwrap();
    let said = account(&scene.folder, &["passwd", "ann", "--password-file", file.to_str().unwrap()]).await.worked();
    assert!(said.stdout.starts_with("ann: ") && !said.stdout.contains(CHOSEN), "{said:?}");
    let ended = ann.opens("/services/email").await;
    assert!(ended.leads_to().ends_with("&ended=yes"), "{ended:#?}");
    eve.opens("/services/email").await.is(200);
    ann.signs_in("ann", &of_ann).await.is(401);
    assert_eq!(ann.signs_in("ann", CHOSEN).await.leads_to(), "/");

    account(&scene.folder, &["disable", "ann"]).await.worked();
    has_to_sign_in(&ann.opens("/services/email").await);
    ann.signs_in("ann", CHOSEN).await.is(401);
    let listed = account(&scene.folder, &["list"]).await.worked();
    assert_eq!(listed.stdout, "ann  acme  disabled\neve  acme\n");
    let back = account(&scene.folder, &["passwd", "ann"]).await.worked();
    ann.signs_in("ann", back.stdout.trim()).await.leads_to();
    eve.opens("/services/email").await.is(200);
}

#[tokio::test]
async fn what_is_refused_at_the_shell_changes_nothing() {
    let scene = Scene::set().await;
    let password = new_account(&scene.folder, "ann", "acme").await;
    let file = scene.folder.beside("password");
    std::fs::write(&file, "annika\n").unwrap();
    let weak = ["--password-file", file.to_str().unwrap()];
    for arguments in [&["passwd", "ann"][..], &["add", "bob", "--customer", "acme"]] {
        let refused = account(&scene.folder, &[arguments, &weak].concat()).await;
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let line = refused.failed_in_one_line();
        for rule in ["8 characters", "upper-case", "digit", "symbol"] {
            assert!(line.contains(rule), "{rule}: {line}");
        }
        assert!(!line.contains("annika"), "{line}");
    }
    let taken = account(&scene.folder, &["add", "ANN", "--customer", "other"]).await;
    assert!((taken.code, taken.stdout.as_str()) == (Some(1), ""), "{taken:?}");
    for unknown in [&["passwd", "bob"][..], &["disable", "bob"]] {
        let unknown = account(&scene.folder, unknown).await;
        assert!(unknown.code == Some(1) && unknown.stdout.is_empty(), "{unknown:?}");
    }
    assert_eq!(account(&scene.folder, &["list"]).await.worked().stdout, "ann  acme\n");
    signed_in(scene.stack.panel(), "ann", &password).await;

    let nowhere = Folder::new();
    assert_eq!(account(&nowhere, &["add", "ann", "--customer", "acme"]).await.code, Some(2));
    assert!(!nowhere.data().exists());
}

#[tokio::test]
async fn a_password_may_come_by_a_pipe() {
    let scene = Scene::set().await;
    let mut piped = Command::new("bash");
    let script = r#"printf '%s\n' "$1" | "$2" panel account add ann --customer acme --password-file - --data "$3""#;
    piped.args(["-euo", "pipefail", "-c", script, "bash", CHOSEN]).arg(stage::binary()).arg(scene.folder.data());
    let said = run(piped).await.worked();
    assert!(!said.stdout.contains(CHOSEN), "{said:?}");
    signed_in(scene.stack.panel(), "ann", CHOSEN).await;
}

#[tokio::test]
async fn a_wrong_password_and_a_name_that_nobody_has_are_told_the_same_and_guessing_has_to_wait() {
    let scene = Scene::set().await;
    let password = new_account(&scene.folder, "ann", "acme").await;
    let mut guesser = Visitor::new(scene.stack.panel());
    let wrong = guesser.signs_in("ann", PASSWORD).await.is(401);
    let unknown = guesser.signs_in("nobody", PASSWORD).await.is(401);
    assert_eq!(wrong.text.replace("\"ann\"", "\"nobody\""), unknown.text);
    assert!(!wrong.text.contains(PASSWORD));

    // A machine that stands still for a second gives one more guess.
    let mut guesses = 1;
    let throttled = loop {
        let page = guesser.signs_in("ann", PASSWORD).await;
        if page.status == 429 {
            break page;
        }
        guesses += 1;
        assert!(page.status == 401 && guesses < 30, "{guesses}: {page:#?}");
    };
    assert!(guesses >= 5, "{guesses}");
    assert!((1..=60).contains(&throttled.header("retry-after").parse().unwrap()), "{throttled:#?}");
    let eve = new_account(&scene.folder, "eve", "acme").await;
    signed_in(scene.stack.panel(), "eve", &eve).await;
    // The wait ends, and the right password is let in.
    until("ann may sign in again", async || (guesser.signs_in("ann", &password).await.status == 303).then_some(()))
        .await;
}

#[tokio::test]
async fn what_another_site_has_a_browser_send_is_refused() {
    let scene = Scene::set().await;
    let password = new_account(&scene.folder, "ann", "acme").await;
    let panel = scene.stack.panel();
    let mut ann = signed_in(panel, "ann", &password).await;
    let own = panel.to_owned();
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        let mut tricked = ann.with(name, value);
        let refused = tricked.sends("/sign-out", &[]).await.is(400);
        assert!(refused.header("content-type").starts_with("text/html"), "{refused:#?}");
        let page = Visitor::new(panel).with(name, value).signs_in("ann", &password).await.is(400);
        assert_eq!(page.header("set-cookie"), "", "{page:#?}");
        // A link from elsewhere may lead here.
        tricked.opens("/services/email").await.is(200);
    }
    ann.opens("/services/email").await.is(200);
    let mut own = ann.with("sec-fetch-site", "same-origin").with("origin", &own);
    assert_eq!(own.sends("/sign-out", &[]).await.leads_to(), "/sign-in?ended=out");
}

#[tokio::test]
async fn every_page_says_what_browsers_may_not_do_with_it() {
    let scene = Scene::set().await;
    let password = new_account(&scene.folder, "ann", "acme").await;
    let mut visitor = Visitor::new(scene.stack.panel());
    let form = visitor.opens("/sign-in").await.is(200);
    let (style, script) = (form.link("/assets/"), "/nowhere");
    let mut pages = vec![form, visitor.opens(&style).await.is(200), visitor.opens(script).await.is(404)];
    pages.push(visitor.opens("/webmail").await.is(200));
    pages.push(visitor.signs_in("ann", PASSWORD).await.is(401));
    pages.push(visitor.signs_in("ann", &password).await);
    let users = format!("/services/email/{}/users", scene.service);
    for path in ["/", "/services/email", &users, &format!("{users}/add")] {
        pages.push(visitor.opens(path).await);
    }
    pages.push(visitor.with("sec-fetch-site", "cross-site").sends("/sign-out", &[]).await.is(400));
    for page in pages {
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{page:#?}");
        assert_eq!(page.header("x-frame-options"), "DENY", "{page:#?}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{page:#?}");
        assert!(!page.header("x-request-id").is_empty(), "{page:#?}");
    }
}

#[tokio::test]
async fn the_panel_says_how_it_is_to_anybody() {
    let scene = Scene::set().await;
    let mut anybody = Visitor::new(scene.stack.panel());
    anybody.ready().await;
    for path in ["/healthz", "/readyz"] {
        let health: serde_json::Value = serde_json::from_str(&anybody.opens(path).await.is(200).text).unwrap();
        let checks = health["checks"].as_array().unwrap();
        let mut names: Vec<_> = checks.iter().map(|check| check["name"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["accounts", "command", "projection"]);
        assert!(health["status"] == "green" && checks.iter().all(|check| check["status"] == "green"), "{health}");
    }
    let well = run(postkey(["healthy", scene.stack.panel()])).await.worked();
    assert!(well.stdout.ends_with("/readyz is well\n"), "{well:?}");
    assert!(anybody.opens("/metrics").await.is(200).text.contains("postkey_health_check{check=\"accounts\"} 0"));
}

/// A token in a file, as `postkey panel` reads it.
fn token_file(folder: &Folder, stack: &Stack, role: &str) -> String {
    let path = folder.beside(format!("{role}.token"));
    std::fs::write(&path, stack.token(role)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `postkey panel` over these services, with accounts of its own.
fn panel(folder: &Folder, stack: &Stack, arguments: &[&str]) -> Running {
    let url = |service: &stage::Api| format!("http://{}", service.address());
    let mut command = postkey(["panel", "--listen", "127.0.0.1:0", "--command-url", &url(stack.command())]);
    command.args(["--projection-url", &url(stack.projection()), "--token-file", &token_file(folder, stack, "panel")]);
    command.arg("--accounts").arg(folder.beside("accounts.db")).args(arguments);
    Running::start(command, &folder.beside("."))
}

async fn added(accounts: &Path) -> String {
    let mut command = postkey(["panel", "account", "add", "ann", "--customer", "acme", "--accounts"]);
    command.arg(accounts);
    run(command).await.worked().stdout.trim().to_owned()
}

#[tokio::test]
async fn a_panel_of_its_own_behind_a_proxy_that_ends_tls_has_cookies_for_tls_only() {
    let folder = Folder::new();
    let stack = Separate::init(&folder).await.start().await;
    let scene = Scene::on(stack, folder).await;
    let (folder, stack) = (&scene.folder, &scene.stack);
    let password = added(&folder.beside("accounts.db")).await;
    let public =
        ["--public-url", "https://panel.example/", "--behind-proxy", "--support-url", "https://help.example/?a=b"];
    let mut process = panel(folder, stack, &public);
    let url = listening(&mut process).await;
    let mut ann = Visitor::new(&url).with("host", "panel.example").with("x-forwarded-for", "203.0.113.7");
    let form = ann.opens("/sign-in").await.is(200);
    assert!(form.text.contains("href=\"https://help.example/?a=b\""), "{form:#?}");
    let mut browser = ann.with("origin", "https://panel.example");
    let welcomed = browser.signs_in("ann", &password).await;
    let cookie = welcomed.header("set-cookie");
    assert!(cookie.starts_with("__Host-postkey_panel=") && cookie.contains("; Secure"), "{cookie}");
    assert!(welcomed.header("strict-transport-security").starts_with("max-age="), "{welcomed:#?}");
    assert!(browser.opens("/services/email").await.is(200).text.contains("acme.example"));
    ann.opens("/webmail").await.is(404);
    process.stop().await;

    // A restart signs nobody out; and with webmail's token there is a sign-in page.
    let webmail = token_file(folder, stack, "webmail");
    let mut process = panel(folder, stack, &["--webmail-token-file", &webmail]);
    let mut ann = Visitor::new(&listening(&mut process).await);
    let signed_in = ann.sends("/webmail", &[("address", "ann@acme.example"), ("password", PASSWORD)]).await;
    assert_eq!(signed_in.leads_to(), "/webmail");
    assert!(ann.opens("/webmail").await.is(200).text.contains("ann@acme.example"));
    process.stop().await;
}

#[tokio::test]
async fn a_panel_that_can_not_start_says_why_in_one_line() {
    let folder = Folder::new();
    let stack = Separate::init(&folder).await.start().await;
    let refused = async |arguments: &[&str], word: &str| {
        let line = panel(&folder, &stack, arguments).finished().await.failed_in_one_line();
        assert!(line.contains(word) && !line.contains("TOP-SECRET"), "{word}: {line}");
    };
    refused(&["--webmail-token-file", "/nonexistent/token"], "/nonexistent/token").await;
    refused(&["--public-url", "https://u:TOP-SECRET@panel.example"], "--public-url").await;
    refused(&["--support-url", "https://u:TOP-SECRET@help.example"], "--support-url").await;
    for url in ["http://u:TOP-SECRET@127.0.0.1:1", "ftp://127.0.0.1", "127.0.0.1:1"] {
        let mut command = postkey(["panel", "--command-url", url, "--projection-url", "http://127.0.0.1:1"]);
        command.arg("--token-file").arg(token_file(&folder, &stack, "panel"));
        command.arg("--accounts").arg(folder.beside("accounts.db"));
        let line = run(command).await.failed_in_one_line();
        assert!(line.contains("base URL") && !line.contains("TOP-SECRET"), "{line}");
    }
    std::fs::write(folder.beside("accounts.db"), "something else".repeat(100)).unwrap();
    refused(&[], "accounts.db").await;
    stack.stop().await;
}

/// What `--demo` says of the panel's account, once it says so.
async fn shown(process: &Running) -> Vec<String> {
    let words = async || {
        let stdout = process.stdout();
        let (_, rest) = stdout.split_once("demo sign-in")?;
        let (line, _) = rest.split_once('\n')?;
        Some(line.split_whitespace().map(str::to_owned).collect())
    };
    until("the demo's sign-in is shown", words).await
}

#[tokio::test]
async fn a_demo_gives_a_folder_without_accounts_one_and_shows_its_password_once() {
    let folder = Folder::new();
    let data = folder.data();
    // As an older postkey has left it: with tokens, and without accounts.
    Stack::up(&folder).await.stop().await;
    folder.remove_database("panel.db");
    let mut passwords = Vec::new();
    for start in 0..2 {
        let mut process = Running::start(up(&data, &["--demo"]), &folder.beside("."));
        let panel = endpoints(&mut process, &data).await.map(|endpoints| endpoints.panel);
        let words = shown(&process).await;
        if start == 0 {
            assert_eq!((words[0].as_str(), words.len()), ("demo", 2), "{words:?}");
            passwords.push(words[1].clone());
        } else {
            assert!(words.join(" ").contains("accounts already"), "{words:?}");
        }
        let panel = panel.unwrap();
        let mut demo = signed_in(&panel, "demo", &passwords[0]).await;
        assert!(demo.opens("/services/email").await.is(200).text.contains("acme.example"));
        let finished = process.stop().await;
        assert_eq!(finished.stdout.contains(&passwords[0]), start == 0, "{finished:?}");
        assert!(!finished.stderr.contains(&passwords[0]), "{finished:?}");
        assert!(finished.stdout.starts_with("panel       http://"), "{finished:?}");
    }
}

#[tokio::test]
async fn a_panel_has_its_tokens_also_in_a_folder_that_was_made_for_separate_services() {
    let folder = Folder::new();
    let made = run(postkey(["init", folder.data().to_str().unwrap()])).await.worked();
    assert!(!folder.file("tokens/panel.token").exists(), "{made:?}");
    let data = folder.data();
    let mut process = Running::start(up(&data, &[]), &folder.beside("."));
    let panel = endpoints(&mut process, &data).await.unwrap().panel;
    let password = new_account(&folder, "ann", "acme").await;
    let mut ann = signed_in(&panel, "ann", &password).await;
    ann.opens("/services/email").await.is(200);
    ann.sends("/webmail", &[("address", "ann@acme.example"), ("password", PASSWORD)]).await.is(401);
    process.stop().await;
}
