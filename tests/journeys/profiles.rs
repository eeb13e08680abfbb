//! The three policies, from the setting to the sign-in.

use serde_json::{Value, json};
use stage::{Scene, new_user};

/// Passwords, and the rules that each policy finds broken.
const JUDGED: [(&str, [&[&str]; 3]); 6] = [
    // Four classes and eight characters are all that the guide asks for.
    ("P@ssw0rd1!", [&[], &["blocklisted"], &["blocklisted", "too_guessable", "too_short"]]),
    ("Persephone1!", [&[], &["contains_personal"], &["contains_personal", "too_guessable"]]),
    ("Vkd9-mnRtq7", [&[], &[], &["too_short"]]),
    ("Aa1-Aa1-Aa1-", [&[], &[], &["too_guessable"]]),
    ("Tundra-58-quiver", [&[], &[], &[]]),
    (
        "xqvzk",
        [
            &["missing_digit", "missing_symbol", "missing_upper", "too_short"],
            &["missing_digit", "missing_symbol", "missing_upper", "too_short"],
            &["missing_digit", "missing_symbol", "missing_upper", "too_guessable", "too_short"],
        ],
    ),
];

fn lines(field: &str, rules: &[&str]) -> Vec<String> {
    rules.iter().map(|rule| format!("{field} {rule}")).collect()
}

/// Every way in which a password is set, and every way to ask about one.
async fn holds(profile: &str, number: usize) {
    let scene = Scene::set_with(&[("POSTKEY_POLICY", profile)]).await;
    let policy = scene.stack.commands_as("webmail").get("/v1/password-policy").await.is(200);
    assert_eq!((&policy["profile"], &policy["version"]), (&json!(profile), &json!(format!("{profile}-1"))));
    assert_eq!(policy["min_score"], if profile == "strict" { json!(3) } else { Value::Null });
    scene.operator().patch(&scene.ann(), &json!({"first_name": "Persephone"})).await.receipt(200, &["UserEdited"]);

    let mut current = stage::PASSWORD.to_owned();
    for (password, broken) in JUDGED {
        let broken = broken[number];
        let asked = json!({"password": password, "first_name": "Persephone"});
        let checked = scene.operator().post("/v1/passwords/check", &asked).await.is(200);
        let mut codes: Vec<_> =
            checked["violations"].as_array().unwrap().iter().map(|rule| rule["code"].as_str().unwrap()).collect();
        codes.sort_unstable();
        assert_eq!(codes, broken, "{profile}: {password}");

        let mut user = new_user(&format!("{}@acme.example", password.len()));
        (user["first_name"], user["password"]) = ("Persephone".into(), password.into());
        let path = format!("{}/password", scene.ann());
        let set = scene.operator().put(&path, &json!({"password": password})).await;
        if broken.is_empty() {
            set.receipt(200, &["PasswordChanged"]);
            scene.ann_signs_in(password).await.is(200);
            scene.changes_own("ann@acme.example", password, stage::PASSWORD).await.receipt(200, &["PasswordChanged"]);
            scene.changes_own("ann@acme.example", stage::PASSWORD, password).await.receipt(200, &["PasswordChanged"]);
            scene.ann_signs_in(password).await.is(200);
            password.clone_into(&mut current);
            continue;
        }
        assert_eq!(set.violations(422, "weak_password"), lines("password", broken), "{profile}: {password}");
        let edit = json!({"last_name": "Quill", "password": password});
        let edited = scene.operator().patch(&scene.ann(), &edit).await;
        assert_eq!(edited.violations(422, "weak_password"), lines("password", broken));
        let added = scene.operator().post(&scene.users(), &user).await;
        assert_eq!(added.violations(422, "weak_password"), lines("password", broken));
        let changed = scene.changes_own("ann@acme.example", &current, password).await;
        let told = changed.violations(422, "weak_password");
        assert!(!told.is_empty() && told.iter().all(|line| lines("new_password", broken).contains(line)), "{told:?}");
        scene.ann_signs_in(&current).await.is(200);
    }
    let suggested = scene.operator().post("/v1/passwords/suggest", &json!({})).await.is(200);
    let suggested = suggested["password"].as_str().unwrap();
    scene.changes_own("ann@acme.example", &current, suggested).await.receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in(suggested).await.is(200);
}

#[tokio::test]
async fn the_guide_holds_from_the_setting_to_the_sign_in() {
    holds("guide", 0).await;
}

#[tokio::test]
async fn the_standard_holds_from_the_setting_to_the_sign_in() {
    holds("standard", 1).await;
}

#[tokio::test]
async fn the_strict_holds_from_the_setting_to_the_sign_in() {
    holds("strict", 2).await;
}
