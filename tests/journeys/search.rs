//! Searching for users: literal parts of names and addresses, whatever their case and accents.

use serde_json::{Value, json};
use stage::{Scene, new_user};

fn named(address: &str, first_name: &str, last_name: &str) -> Value {
    let mut user = new_user(address);
    user["first_name"] = first_name.into();
    user["last_name"] = last_name.into();
    user
}

/// Ann Lee and four others.
async fn scene() -> Scene {
    let scene = Scene::set().await;
    for (address, first, last) in [
        ("isil@acme.example", "Işıl", "Çağlar"),
        ("a_b@acme.example", "100%", "O'Brien \\ \"Q\""),
        ("axb@acme.example", "100x", "Straße"),
        ("zoe@acme.example", "Zoë", "İpek"),
    ] {
        scene.added(&scene.service, &named(address, first, last)).await;
    }
    scene
}

/// The local parts of whoever is found, in the list's order.
async fn found(scene: &Scene, needle: &str) -> Vec<String> {
    let mut query = String::new();
    for byte in needle.bytes() {
        query.push_str(&format!("%{byte:02X}"));
    }
    let page = scene.queries().get(&format!("{}?search={query}", scene.users())).await.is(200);
    assert_eq!(page["next"], Value::Null);
    let local = |user: &Value| user["address"].as_str().unwrap().split('@').next().unwrap().to_owned();
    page["users"].as_array().unwrap().iter().map(local).collect()
}

#[tokio::test]
async fn a_search_finds_literal_parts_of_names_and_addresses_whatever_their_case_and_accents() {
    let scene = scene().await;
    for (needle, expected) in [
        ("ann", &["ann"][..]),
        ("ANN LEE", &["ann"]),
        ("n l", &["ann"]),
        ("lee ann", &[]),
        ("IŞIL", &["isil"]),
        ("isil caglar", &["isil"]),
        ("ipek", &["zoe"]),
        ("ıPEK", &["zoe"]),
        ("zoe", &["zoe"]),
        ("ZOË İ", &["zoe"]),
        ("strasse", &["axb"]),
        ("STRASSE", &["axb"]),
        ("100", &["a_b", "axb"]),
        ("100%", &["a_b"]),
        ("%", &["a_b"]),
        ("_", &["a_b"]),
        ("\\", &["a_b"]),
        ("'", &["a_b"]),
        ("\"q\"", &["a_b"]),
        ("@ACME", &["ann", "isil", "a_b", "axb", "zoe"]),
        ("nobody", &[]),
    ] {
        assert_eq!(found(&scene, needle).await, expected, "{needle}");
    }
    let plus = scene.queries().get(&format!("{}?search=ann+lee", scene.users())).await.is(200);
    assert_eq!(plus["users"].as_array().unwrap().len(), 1, "a blank may be written as a plus");
}

#[tokio::test]
async fn who_is_renamed_is_found_by_the_new_name_at_once_and_no_more_by_the_old_one() {
    let scene = scene().await;
    scene.operator().patch(&scene.ann(), &json!({"last_name": "Öztürk"})).await.receipt(200, &["UserEdited"]);
    assert_eq!(found(&scene, "ozturk").await, ["ann"]);
    assert_eq!(found(&scene, "lee").await, [""; 0]);
    let scene = scene.restarted().await;
    assert_eq!(found(&scene, "OZTURK").await, ["ann"]);
}

#[tokio::test]
async fn what_is_found_comes_in_pages_and_a_cursor_belongs_to_its_search() {
    let scene = scene().await;
    let path = |rest: &str| format!("{}?search=example&limit=2{rest}", scene.users());
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page = scene.queries().get(&path(&after)).await.is(200);
        seen.extend(page["users"].as_array().unwrap().iter().map(|user| user["address"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
        assert_eq!(seen.len() % 2, 0, "a page that is not the last is full");
        for other in
            [format!("{}?search=exampl&after={next}", scene.users()), format!("{}?after={next}", scene.users())]
        {
            let refused = scene.queries().get(&other).await;
            assert_eq!(refused.violations(422, "invalid_input"), ["after invalid"], "{other}");
        }
        scene.queries().get(&format!("{}?search=EXAMPLE&limit=1&after={next}", scene.users())).await.is(200);
    }
    assert_eq!(seen.len(), 5);
}
