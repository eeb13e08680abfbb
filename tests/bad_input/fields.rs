//! Fields that are missing, of another type, or out of bounds.

use reqwest::Method;
use serde_json::{Value, json};
use stage::{MIB, PASSWORD, Scene, new_user};

#[tokio::test]
async fn every_missing_field_is_named_at_once() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let refused = scene.operator().post(&scene.users(), &json!({})).await.violations(422, "invalid_input");
    let expected =
        ["address", "first_name", "last_name", "password", "quota_bytes"].map(|field| format!("{field} missing"));
    assert_eq!(refused, expected);
    let refused = scene.operator().post("/v1/services", &json!({"plan": {}})).await.violations(422, "invalid_input");
    let expected = ["customer missing", "domain missing", "plan.mailboxes missing", "plan.pool_bytes missing"];
    assert_eq!(refused, expected);
    let plan = format!("/v1/services/{}/plan", scene.service);
    let refused = scene.operator().put(&plan, &json!({})).await.violations(422, "invalid_input");
    assert_eq!(refused, ["mailboxes missing", "pool_bytes missing"]);
    let refused = scene.stack.queries_as("webmail").post("/v1/auth/verify", &json!({})).await;
    assert_eq!(refused.violations(422, "invalid_input"), ["address missing", "password missing"]);
    let refused = scene.operator().put(&format!("{}/password", scene.ann()), &json!({})).await;
    assert_eq!(refused.violations(422, "invalid_input"), ["password missing"]);
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn several_wrong_fields_and_headers_are_named_at_once() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let wrong = json!({
        "address": "no address", "first_name": "", "last_name": 7, "quota_bytes": 1, "password": null, "color": "red"
    });
    let api = scene.operator().with("if-match", "x").with("postkey-origin", "nowhere").with("postkey-customer", "a b");
    let refused = api.post(&scene.users(), &wrong).await.violations(422, "invalid_input");
    let expected = [
        "If-Match invalid",
        "Postkey-Customer invalid",
        "Postkey-Origin invalid",
        "address invalid",
        "color unknown",
        "first_name invalid",
        "last_name wrong_type",
        "password wrong_type",
        "quota_bytes invalid",
    ];
    assert_eq!(refused, expected);
    let wrong = json!({"domain": "x", "customer": "a b", "plan": {"mailboxes": 0, "pool_bytes": 1, "color": "red"}});
    let refused = scene.operator().post("/v1/services", &wrong).await.violations(422, "invalid_input");
    let expected = [
        "customer invalid",
        "domain invalid",
        "plan.color unknown",
        "plan.mailboxes invalid",
        "plan.pool_bytes invalid",
    ];
    assert_eq!(refused, expected);
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_and_null_is_no_value() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for field in ["first_name", "last_name", "password"] {
        for value in [json!(null), json!(7), json!(true), json!([]), json!({}), json!(["Ann"])] {
            let refused = scene.operator().patch(&scene.ann(), &json!({field: value})).await;
            assert_eq!(refused.violations(422, "invalid_input"), [format!("{field} wrong_type")], "{value}");
        }
    }
    for (value, code) in [
        (json!(null), "wrong_type"),
        (json!("10485760"), "wrong_type"),
        (json!(true), "wrong_type"),
        (json!([]), "wrong_type"),
        (json!({}), "wrong_type"),
        (json!(-1), "malformed"),
        (json!(10_485_760.0), "malformed"),
        (json!(0.5), "malformed"),
    ] {
        let refused = scene.operator().patch(&scene.ann(), &json!({"quota_bytes": value})).await;
        assert_eq!(refused.violations(422, "invalid_input"), [format!("quota_bytes {code}")], "{value}");
    }
    let raw = scene.operator().with("content-type", "application/json");
    for number in ["1e7", "1048576e1", "18446744073709551616", "1e999"] {
        let body = format!("{{\"quota_bytes\":{number}}}");
        raw.send_bytes(Method::PATCH, &scene.ann(), body).await.problem(422, "invalid_input");
    }
    let plan = json!({"domain": "new.example", "customer": "acme", "plan": [1, 2]});
    let refused = scene.operator().post("/v1/services", &plan).await;
    assert_eq!(refused.violations(422, "invalid_input"), ["plan wrong_type"]);
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_field_that_is_sent_twice_is_refused_even_where_both_say_the_same() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let api = scene.operator().with("content-type", "application/json");
    for second in ["Annie", "Anna"] {
        let body = format!("{{\"first_name\":\"Annie\",\"first\\u005fname\":\"{second}\"}}");
        let refused = api.send_bytes(Method::PATCH, &scene.ann(), body).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["first_name repeated"]);
    }
    let body = r#"{"password":"Tundra-58-quiver","password":"Marmot-77-lantern"}"#;
    let refused = api.send_bytes(Method::PUT, &format!("{}/password", scene.ann()), body).await;
    assert_eq!(refused.violations(422, "invalid_input"), ["password repeated"]);
    assert_eq!(scene.stack.head().await, head);
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn names_hold_no_control_characters_and_one_to_a_hundred_others() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let too_long = "ş".repeat(101);
    for name in [
        "",
        " ",
        "A\0nn",
        "Ann\n",
        "\tAnn",
        "An\u{7f}n",
        "An\u{85}n",
        "A\u{2028}n",
        "A\u{2029}n",
        "\u{1b}[31m",
        &too_long,
    ] {
        for field in ["first_name", "last_name"] {
            let refused = scene.operator().patch(&scene.ann(), &json!({field: name})).await;
            assert_eq!(refused.violations(422, "invalid_input"), [format!("{field} invalid")], "{name:?}");
        }
    }
    assert_eq!(scene.stack.head().await, head);
    for name in ["Ö", "Zoë O'Neil-Şahin", "李小龍", "<script>alert(1)</script>", &"ş".repeat(100)] {
        scene.operator().patch(&scene.ann(), &json!({"first_name": name})).await.receipt(200, &["UserEdited"]);
        assert_eq!(scene.ann_now().await["first_name"], name);
    }
}

#[tokio::test]
async fn addresses_and_domains_that_cannot_be_ones_are_refused() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let long = format!("{}@acme.example", "a".repeat(65));
    for address in [
        "",
        "ann",
        "@acme.example",
        "a b@acme.example",
        "ä@acme.example",
        "a\n@acme.example",
        "a@b@acme.example",
        &long,
        "ann@",
        "ann@acme",
    ] {
        let refused = scene.operator().post(&scene.users(), &new_user(address)).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["address invalid"], "{address:?}");
    }
    for domain in [
        "",
        "acme",
        "a b.example",
        "-a.example",
        "a_b.example",
        "acme..example",
        "acme.example.",
        "a\0.example",
        &"a.".repeat(200),
    ] {
        let body = json!({"domain": domain, "customer": "acme", "plan": {"mailboxes": 1, "pool_bytes": MIB}});
        let refused = scene.operator().post("/v1/services", &body).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["domain invalid"], "{domain:?}");
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn quotas_and_plans_out_of_bounds_are_refused() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for quota in [0, 1, MIB - 1, MIB + 1, 10 * MIB + 1, 1 << 53, u64::MAX] {
        let refused = scene.operator().patch(&scene.ann(), &json!({"quota_bytes": quota})).await;
        assert_eq!(refused.violations(422, "invalid_input"), ["quota_bytes invalid"], "{quota}");
    }
    let path = format!("/v1/services/{}/plan", scene.service);
    for (mailboxes, pool_bytes, wrong) in [
        (0, 100 * MIB, "mailboxes invalid"),
        (1_000_001, 100 * MIB, "mailboxes invalid"),
        (10, 0, "pool_bytes invalid"),
        (10, 1 << 53, "pool_bytes invalid"),
    ] {
        let plan = json!({"mailboxes": mailboxes, "pool_bytes": pool_bytes});
        assert_eq!(scene.operator().put(&path, &plan).await.violations(422, "invalid_input"), [wrong]);
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn a_password_of_1025_bytes_is_refused_without_being_hashed() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    for password in
        [format!("Aa1!{}", "x".repeat(1021)), format!("Aa1!{}", "é".repeat(511)), format!("Aa1!{}", "x".repeat(60_000))]
    {
        assert!(password.len() >= 1025);
        let refused = scene.operator().put(&format!("{}/password", scene.ann()), &json!({"password": password})).await;
        let broken = refused.violations(422, "weak_password");
        assert!(broken.contains(&"password too_long".to_owned()), "{broken:?}");
        scene.ann_signs_in(&password).await.problem(401, "invalid_credentials");
    }
    assert_eq!(scene.stack.head().await, head);
}

#[tokio::test]
async fn no_refusal_repeats_what_was_sent() {
    let scene = Scene::set().await;
    let secret = "Hush-93-marigold";
    let wrong: [Value; 4] = [
        json!({"address": secret, "first_name": format!("{secret}\n"), "last_name": "x", "quota_bytes": 1, "password": "x"}),
        json!({"password": [secret]}),
        json!({"password": {"is": secret}}),
        json!({"quota_bytes": secret}),
    ];
    for body in wrong {
        for answer in [
            scene.operator().post(&scene.users(), &body).await,
            scene.operator().patch(&scene.ann(), &body).await,
            scene.stack.queries_as("webmail").post("/v1/auth/verify", &body).await,
        ] {
            assert!(!answer.text.contains("marigold"), "{answer:?}");
            answer.problem(422, "invalid_input");
        }
    }
    let body = format!("{{\"password\":\"{secret}\" oops");
    let api = scene.operator().with("content-type", "application/json");
    let answer = api.send_bytes(Method::PATCH, &scene.ann(), body).await;
    assert!(!answer.text.contains("marigold"), "{answer:?}");
    answer.problem(422, "invalid_input");
}

#[tokio::test]
async fn a_reason_that_cannot_be_one_is_refused() {
    let scene = Scene::set().await;
    let suspend = format!("{}/suspend", scene.ann());
    for reason in [json!(""), json!("a\nb"), json!("x".repeat(501)), json!(7)] {
        let answer = scene.operator().post(&suspend, &json!({"reason": reason})).await;
        let line = if reason.is_string() { "reason invalid" } else { "reason wrong_type" };
        assert_eq!(answer.violations(422, "invalid_input"), [line]);
    }
    assert_eq!(scene.ann_now().await["state"], "active");
    let reason = json!({"reason": "ü".repeat(500)});
    scene.operator().post(&suspend, &reason).await.receipt(200, &["UserSuspended"]);
}

#[tokio::test]
async fn wrong_fields_do_not_hide_what_is_wrong_with_the_password() {
    let scene = Scene::set().await;
    let wrong = json!({"first_name": "", "quota_bytes": 1, "password": "zoe", "nickname": "x"});
    let problem = scene.operator().patch(&scene.ann(), &wrong).await.problem(422, "invalid_input");
    let named: Vec<_> = problem["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|violation| (violation["field"].as_str().unwrap(), violation["code"].as_str().unwrap()))
        .collect();
    for field in ["first_name", "quota_bytes", "nickname"] {
        assert!(named.iter().any(|(named, _)| *named == field), "{field}: {named:?}");
    }
    for rule in ["too_short", "missing_upper", "missing_digit", "missing_symbol"] {
        assert!(named.contains(&("password", rule)), "{rule}: {named:?}");
    }
}
