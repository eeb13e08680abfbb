//! Passwords that are too long, too odd, or none at all, wherever one is taken.

use reqwest::Method;
use serde_json::{Value, json};
use stage::{Api, PASSWORD, Scene, new_user};

/// Every command that sets a password, with the field that it stands in. The last two are a user's own.
fn ways(scene: &Scene) -> Vec<(Api, Method, String, Value, &'static str)> {
    let (operator, webmail) = (scene.operator(), scene.stack.commands_as("webmail"));
    let own = json!({"address": "ann@acme.example", "current_password": PASSWORD});
    vec![
        (operator.clone(), Method::PUT, format!("{}/password", scene.ann()), json!({}), "password"),
        (operator.clone(), Method::PATCH, scene.ann(), json!({"first_name": "Annie"}), "password"),
        (operator, Method::POST, scene.users(), new_user("new@acme.example"), "password"),
        (webmail, Method::POST, "/v1/self/password".to_owned(), own, "new_password"),
    ]
}

/// Puts a new password there in every way; the lines that each is refused with, without the field.
async fn refused(scene: &Scene, password: &str, code: &str) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    for (api, method, path, mut body, field) in ways(scene) {
        body[field] = password.into();
        let answer = api.send(method, &path, Some(&body)).await;
        let of_field = |line: &String| line.strip_prefix(field).unwrap().trim().to_owned();
        lines.push(answer.violations(422, code).iter().map(of_field).collect());
    }
    let form = [("user", "ann@acme.example"), ("curpass", PASSWORD), ("newpass", password)];
    let answer = scene.stack.commands_as("webmail").post_form("/v1/self/password/roundcube", &form).await;
    let of_field = |line: &String| line.strip_prefix("newpass").unwrap().trim().to_owned();
    lines.push(answer.violations(422, code).iter().map(of_field).collect());
    lines
}

#[tokio::test]
async fn a_password_that_breaks_rules_is_refused_alike_wherever_it_is_set() {
    let scene = Scene::set().await;
    for n in 0..7 {
        scene.added(&scene.service, &new_user(&format!("u{n}@acme.example"))).await;
    }
    let head = scene.stack.head().await;
    let all = ["missing_digit", "missing_lower", "missing_symbol", "missing_upper"];
    let too = |rule: &'static str| [&all[..], &[rule]].concat();
    let (long_words, long_marks) = (format!("Aa1!{}", "x".repeat(1021)), "\u{301}".repeat(513));
    let refused_everywhere = [
        // 1,025 bytes.
        (long_words.as_str(), vec!["too_long"]),
        // One code point of four bytes: a symbol, and no more.
        ("\u{1f511}", vec!["missing_digit", "missing_lower", "missing_upper", "too_short"]),
        // A letter of four bytes that has no case.
        ("\u{20000}", too("too_short")),
        // Lone combining marks.
        ("\u{301}", too("too_short")),
        ("\u{301}\u{323}\u{307}\u{308}\u{30a}\u{301}\u{323}\u{307}", all.to_vec()),
        (&long_marks, too("too_long")),
        ("", too("too_short")),
    ];
    for (n, (password, rules)) in refused_everywhere.into_iter().enumerate() {
        for lines in refused(&scene, password, "weak_password").await {
            assert_eq!(lines, rules, "{:?}", &password[..password.len().min(20)]);
        }
        // Nobody signs in with it: each is tried at a user of its own, for guesses are counted.
        let address = format!("u{n}@acme.example");
        scene.stack.login(&address, password).await.problem(401, "invalid_credentials");
    }
    assert_eq!(scene.stack.head().await, head);
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_control_character_is_refused_in_a_new_password_and_wrong_in_a_current_one() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for odd in
        ["Tundra-58-\0quiver", "Tundra-58-quiver\0", "Tundra-58\nquiver", "Tundra-58-qu\u{7f}iver", "\u{85}Tundra-58-q"]
    {
        for lines in refused(&scene, odd, "invalid_input").await {
            assert_eq!(lines, ["invalid"], "{odd:?}");
        }
    }
    for odd in [format!("{PASSWORD}\0"), format!("\0{PASSWORD}"), "\0".to_owned()] {
        scene.ann_signs_in(&odd).await.problem(401, "invalid_credentials");
        let answer = scene.changes_own("ann@acme.example", &odd, "Tundra-58-quiver").await;
        answer.problem(403, "wrong_current_password");
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn what_is_no_text_is_no_password() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for (api, method, path, mut body, field) in ways(&scene) {
        body[field] = "MARK".into();
        let (before, after) = body.to_string().split_once("MARK").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let api = api.with("content-type", "application/json");
        // A lone byte, a cut sequence, an overlong one, a surrogate, and what is beyond Unicode.
        for bytes in
            [&b"Tundra-58-\xff"[..], b"Tundra-58-\xc3", b"Tundra-58-\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
        {
            let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
            let answer = api.send_bytes(method.clone(), &path, body).await;
            assert_eq!(answer.violations(422, "invalid_input"), ["body malformed"], "{path} {bytes:?}");
        }
        let body = [before.as_bytes(), br"\ud83d", after.as_bytes()].concat();
        let answer = api.send_bytes(method, &path, body).await;
        assert_eq!(answer.violations(422, "invalid_input"), ["body malformed"], "{path}: half a pair");
    }
    let form = scene.stack.commands_as("webmail").with("content-type", "application/x-www-form-urlencoded");
    for encoded in ["Tundra-58-%ff", "Tundra-58-%C3", "%ED%A0%80", "100%", "%zz"] {
        let body = format!("user=ann%40acme.example&curpass={encoded}&newpass={encoded}");
        let answer = form.send_bytes(Method::POST, "/v1/self/password/roundcube", body).await;
        assert_eq!(answer.violations(422, "invalid_input"), ["curpass malformed", "newpass malformed"], "{encoded}");
    }
    let answer = form.send_bytes(Method::POST, "/v1/self/password/roundcube", b"user=\xff".to_vec()).await;
    assert_eq!(answer.violations(422, "invalid_input"), ["body malformed"]);
    assert_eq!(scene.stack.head().await, head);
}

/// Odd is not wrong: what keeps to the rules is set, and signs in however it is composed.
#[tokio::test]
async fn odd_letters_and_marks_are_set_and_sign_in() {
    let scene = Scene::set().await;
    let path = format!("{}/password", scene.ann());
    let mut current = PASSWORD.to_owned();
    for (set, typed) in [
        // Code points of four bytes in every class.
        ("\u{1d538}\u{1d552}\u{1d7d9}\u{1f511}\u{20000}\u{1f511}\u{20001}\u{20002}", None),
        // Marks in another order, and on nothing at all.
        ("q\u{323}\u{307}A7!quiver", Some("q\u{307}\u{323}A7!quiver")),
        ("\u{301}\u{308}Qa7!qu\u{301}\u{301}", None),
        ("\u{212b}ngstr\u{f6}m-58-q", Some("A\u{30a}ngstro\u{308}m-58-q")),
    ] {
        scene.operator().put(&path, &json!({"password": set})).await.receipt(200, &["PasswordChanged"]);
        scene.ann_signs_in(set).await.is(200);
        let typed = typed.unwrap_or(set);
        scene.ann_signs_in(typed).await.is(200);
        scene.ann_signs_in(&current).await.problem(401, "invalid_credentials");
        scene.changes_own("ann@acme.example", typed, set).await.problem(409, "same_password");
        set.clone_into(&mut current);
    }
    scene.changes_own("ann@acme.example", &current, PASSWORD).await.receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in(PASSWORD).await.is(200);
}
