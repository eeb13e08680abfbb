//! The password policy: what it says of itself, what it refuses, what it suggests.

use serde_json::{Value, json};
use stage::{PASSWORD, Scene, new_user};

/// What `/v1/passwords/check` says of a password, as the codes of broken rules.
async fn broken(scene: &Scene, asked: &Value) -> Vec<String> {
    let checked = scene.operator().post("/v1/passwords/check", asked).await.is(200);
    assert!(checked["score"].as_u64().is_some_and(|score| score <= 4), "{checked}");
    let violations = checked["violations"].as_array().unwrap();
    violations
        .iter()
        .map(|violation| {
            assert!(violation["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{checked}");
            violation["code"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn all_broken_rules_are_reported_at_once() {
    let scene = Scene::set().await;
    let (path, head) = (format!("{}/password", scene.ann()), scene.stack.head().await);
    for (password, rules) in [
        ("", &["missing_digit", "missing_lower", "missing_symbol", "missing_upper", "too_short"][..]),
        ("abc", &["missing_digit", "missing_symbol", "missing_upper", "too_short"]),
        ("Vkd9mnRtq7", &["missing_symbol"]),
        ("annaLee1!", &[]),
        ("P@ssw0rd1!", &["blocklisted"]),
    ] {
        let body = json!({"password": password});
        let mut codes = broken(&scene, &body).await;
        codes.sort();
        assert_eq!(codes, rules, "{password}");
        if rules.is_empty() {
            continue;
        }
        let lines: Vec<_> = rules.iter().map(|rule| format!("password {rule}")).collect();
        let answer = scene.operator().put(&path, &body).await;
        assert_eq!(answer.violations(422, "weak_password"), lines, "{password}");
        let answer = scene.operator().patch(&scene.ann(), &json!({"first_name": "Annie", "password": password})).await;
        assert_eq!(answer.violations(422, "weak_password"), lines, "{password}");
        let mut bob = new_user("bob@acme.example");
        bob["password"] = password.into();
        let answer = scene.operator().post(&scene.users(), &bob).await;
        assert_eq!(answer.violations(422, "weak_password"), lines, "{password}");
    }
    assert_eq!(scene.stack.head().await, head);
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn a_password_does_not_hold_its_users_words() {
    let scene = Scene::set().await;
    let user = json!({
        "address": "moonbeam@acme.example", "first_name": "Persephone", "last_name": "Quill", "quota_bytes": 1_048_576,
        "password": PASSWORD
    });
    let user = scene.user(&scene.added(&scene.service, &user).await);
    for password in ["xX1!persephone", "QUILL-37-vbn", "My-moonbeam-91", "The-Acme-9174"] {
        let answer = scene.operator().put(&format!("{user}/password"), &json!({"password": password})).await;
        assert_eq!(answer.violations(422, "weak_password"), ["password contains_personal"], "{password}");
    }
    let answer = scene.operator().patch(&user, &json!({"first_name": "Tundra", "password": "Tundra-58-quiver"})).await;
    assert_eq!(answer.violations(422, "weak_password"), ["password contains_personal"], "judged by the new name");
    let asked = json!({"password": "Tundra-58-quiver", "first_name": "Tundra"});
    assert_eq!(broken(&scene, &asked).await, ["contains_personal"]);
    let asked = json!({"password": "Tundra-58-quiver", "address": "quiver@acme.example", "last_name": "Lee"});
    assert_eq!(broken(&scene, &asked).await, ["contains_personal"]);
    assert_eq!(broken(&scene, &json!({"password": "Tundra-58-quiver"})).await, [""; 0]);
}

#[tokio::test]
async fn the_policy_object_says_the_rules_and_their_version() {
    let scene = Scene::set().await;
    let policy = scene.stack.commands_as("webmail").get("/v1/password-policy").await.is(200);
    assert_eq!((&policy["version"], &policy["profile"]), (&json!("standard-1"), &json!("standard")));
    assert_eq!((&policy["min_length"], &policy["max_bytes"]), (&json!(8), &json!(1024)));
    assert_eq!(policy["required"], json!(["upper", "lower", "digit", "symbol"]));
    assert_eq!((&policy["personal"], &policy["blocklist"]), (&json!(true), &json!(true)));
    let rules = policy["rules"].as_array().unwrap();
    let codes: Vec<_> = rules.iter().map(|rule| rule["code"].as_str().unwrap()).collect();
    let expected = [
        "too_short",
        "too_long",
        "missing_upper",
        "missing_lower",
        "missing_digit",
        "missing_symbol",
        "contains_personal",
        "blocklisted",
    ];
    assert_eq!(codes, expected);
    assert!(rules.iter().all(|rule| rule["hint"].as_str().is_some_and(|hint| !hint.is_empty())), "{policy}");
}

#[tokio::test]
async fn suggestions_pass_the_check_differ_and_can_be_set() {
    let scene = Scene::set().await;
    let mut suggestions = Vec::new();
    for _ in 0..20 {
        let suggested = scene.operator().post("/v1/passwords/suggest", &json!({})).await.is(200);
        let password = suggested["password"].as_str().unwrap().to_owned();
        assert_eq!(suggested, json!({"password": password}));
        let asked = json!({
            "password": password, "address": "ann@acme.example", "first_name": "Ann", "last_name": "Lee"
        });
        let checked = scene.operator().post("/v1/passwords/check", &asked).await.is(200);
        assert_eq!(checked, json!({"violations": [], "score": 4}));
        suggestions.push(password);
    }
    let chosen = suggestions[0].clone();
    suggestions.sort();
    suggestions.dedup();
    assert_eq!(suggestions.len(), 20);
    let path = format!("{}/password", scene.ann());
    scene.operator().put(&path, &json!({"password": chosen})).await.receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in(&chosen).await.is(200);
}

#[tokio::test]
async fn lengths_are_bounded_in_code_points_below_and_in_bytes_above() {
    let scene = Scene::set().await;
    let long = format!("Aq1!{}", "zebra-Quilt7 ".repeat(79).trim_end());
    let longest: String = long.chars().chain("0123456789".chars().cycle()).take(1024).collect();
    let path = format!("{}/password", scene.ann());
    scene.operator().put(&path, &json!({"password": longest})).await.receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in(&longest).await.is(200);
    let too_long = format!("{longest}x");
    let answer = scene.operator().put(&path, &json!({"password": too_long})).await;
    assert_eq!(answer.violations(422, "weak_password"), ["password too_long"]);
    scene.ann_signs_in(&too_long).await.problem(401, "invalid_credentials");
    let answer = scene.operator().put(&path, &json!({"password": "Ä1!ööö"})).await;
    assert_eq!(answer.violations(422, "weak_password"), ["password too_short"]);
}

#[tokio::test]
async fn a_password_is_the_same_composed_and_decomposed() {
    let scene = Scene::set().await;
    let path = format!("{}/password", scene.ann());
    scene.operator().put(&path, &json!({"password": "Zo\u{eb}-48-quiver"})).await.receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in("Zoe\u{308}-48-quiver").await.is(200);
    scene.ann_signs_in("Zo\u{eb}-48-quiver").await.is(200);
    scene.ann_signs_in("Zoe-48-quiver").await.problem(401, "invalid_credentials");
}
