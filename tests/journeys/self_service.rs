//! A user changes its own password in webmail.

use serde_json::{Value, json};
use stage::{Answer, PASSWORD, Scene, new_user};

const NEW: &str = "Tundra-58-quiver";
const OTHER: &str = "Marmot-77-lantern";
const ANN: &str = "ann@acme.example";

/// What a problem says, without the request's id.
fn said(answer: Answer) -> Value {
    let mut problem = answer.problem(403, "wrong_current_password");
    problem["request_id"].take();
    problem
}

#[tokio::test]
async fn a_user_changes_its_own_password_and_signs_in_with_it() {
    let scene = Scene::set().await;
    let before = scene.ann_now().await;
    let receipt = scene.changes_own("Ann@ACME.example", PASSWORD, NEW).await.receipt(200, &["PasswordChanged"]);
    assert_eq!((&receipt["user"], &receipt["service"]), (&json!(scene.ann), &json!(scene.service)));
    assert_eq!((&receipt["effective"], &receipt["repeated"]), (&json!(true), &json!(false)));
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    let signed_in = scene.ann_signs_in(NEW).await.is(200);
    assert_eq!(signed_in["credential_revision"], receipt["revision"]);
    let after = scene.ann_now().await;
    assert_ne!(after["credential_changed_at"], before["credential_changed_at"]);
    assert_eq!((&after["revision"], &after["state"]), (&receipt["revision"], &json!("active")));
    scene.changes_own(ANN, PASSWORD, OTHER).await.problem(403, "wrong_current_password");
    scene.changes_own(ANN, NEW, OTHER).await.receipt(200, &["PasswordChanged"]);
}

#[tokio::test]
async fn unknown_suspended_removed_and_wrong_are_answered_alike() {
    let scene = Scene::set().await;
    let bob = scene.added(&scene.service, &new_user("bob@acme.example")).await;
    scene.operator().post_nothing(&format!("{}/suspend", scene.user(&bob))).await.is(200);
    let cem = scene.added(&scene.service, &new_user("cem@acme.example")).await;
    scene.operator().delete(&scene.user(&cem)).await.is(200);
    let head = scene.stack.head().await;
    let wrong = said(scene.changes_own(ANN, "Wr0ng-password", NEW).await);
    for address in ["bob@acme.example", "cem@acme.example", "dan@acme.example", "ann@nowhere.example", "ann", ""] {
        assert_eq!(said(scene.changes_own(address, PASSWORD, NEW).await), wrong, "{address}");
    }
    assert_eq!(said(scene.changes_own(ANN, "", NEW).await), wrong);
    assert_eq!(scene.stack.head().await, head);
    scene.operator().post_nothing(&format!("{}/reactivate", scene.user(&bob))).await.is(200);
    scene.changes_own("bob@acme.example", PASSWORD, NEW).await.receipt(200, &["PasswordChanged"]);
}

#[tokio::test]
async fn the_new_password_is_judged_first_by_what_depends_on_nobody_and_by_the_rest_once_it_is_proved_who_asks() {
    let scene = Scene::set().await;
    let body = json!({"first_name": "Persephone"});
    scene.operator().patch(&scene.ann(), &body).await.receipt(200, &["UserEdited"]);
    let head = scene.stack.head().await;
    for (address, current) in [(ANN, PASSWORD), (ANN, "Wr0ng-password"), ("nobody@acme.example", PASSWORD)] {
        let refused = scene.changes_own(address, current, "Vkd9-q").await.violations(422, "weak_password");
        assert_eq!(refused, ["new_password too_short"]);
    }
    let personal = "xX1!persephone";
    scene.changes_own(ANN, "Wr0ng-password", personal).await.problem(403, "wrong_current_password");
    let refused = scene.changes_own(ANN, PASSWORD, personal).await.violations(422, "weak_password");
    assert_eq!(refused, ["new_password contains_personal"]);
    scene.changes_own(ANN, NEW, NEW).await.problem(403, "wrong_current_password");
    scene.changes_own(ANN, PASSWORD, PASSWORD).await.problem(409, "same_password");
    assert_eq!(scene.stack.head().await, head);
    // What a panel sets is a change, whatever it was before.
    let same = json!({"password": PASSWORD});
    scene.operator().put(&format!("{}/password", scene.ann()), &same).await.receipt(200, &["PasswordChanged"]);
}

#[tokio::test]
async fn the_revision_is_heeded_once_it_is_proved_who_asks() {
    let scene = Scene::set().await;
    let revision = scene.ann_now().await["revision"].as_u64().unwrap();
    let holding = async |revision: u64, current: &str| {
        let body = json!({"address": ANN, "current_password": current, "new_password": NEW});
        let webmail = scene.stack.commands_as("webmail").with("if-match", &format!("\"{revision}\""));
        webmail.post("/v1/self/password", &body).await
    };
    holding(revision - 1, "Wr0ng-password").await.problem(403, "wrong_current_password");
    holding(revision - 1, PASSWORD).await.problem(412, "stale_revision");
    holding(revision, PASSWORD).await.receipt(200, &["PasswordChanged"]);
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let scene = Scene::set().await;
    let webmail = scene.stack.commands_as("webmail");
    let missing = webmail.post("/v1/self/password", &json!({})).await.violations(422, "invalid_input");
    assert_eq!(missing, ["address missing", "current_password missing", "new_password missing"]);
    let wrong = json!({"address": 7, "current_password": null, "new_password": "short", "origin": "here", "user": 1});
    let wrong = webmail.with("if-match", "7").post("/v1/self/password", &wrong).await.violations(422, "invalid_input");
    for line in
        ["If-Match invalid", "address wrong_type", "current_password wrong_type", "origin invalid", "user unknown"]
    {
        assert!(wrong.iter().any(|named| named == line), "{line}: {wrong:?}");
    }
    assert!(wrong.iter().any(|named| named == "new_password too_short"), "{wrong:?}");
    let form = webmail.post_form("/v1/self/password/roundcube", &[("user", ANN), ("curpass", ""), ("pass", "x")]).await;
    assert_eq!(form.violations(422, "invalid_input"), ["newpass missing", "pass unknown"]);
    webmail.post("/v1/self/password/roundcube", &json!({})).await.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn guesses_are_throttled_and_the_owner_goes_on() {
    let scene = Scene::set().await;
    let webmail = scene.stack.commands_as("webmail");
    let from = async |origin: &str, current: &str, new: &str| {
        let body = json!({"address": ANN, "current_password": current, "new_password": new, "origin": origin});
        webmail.post("/v1/self/password", &body).await
    };
    from("192.0.2.1", PASSWORD, NEW).await.receipt(200, &["PasswordChanged"]);
    for n in 0..7 {
        let refused = from(&format!("198.51.100.{n}"), "Wr0ng-password", OTHER).await;
        if n < 5 {
            refused.problem(403, "wrong_current_password");
        } else {
            refused.problem(429, "throttled");
        }
    }
    // Whoever guesses keeps the owner from nothing, at the place that the owner is known at; nor from signing in: each
    // service has budgets of its own.
    from("192.0.2.1", NEW, OTHER).await.receipt(200, &["PasswordChanged"]);
    scene.ann_signs_in(OTHER).await.is(200);
    // The header says the same as the body.
    let by_header = webmail.with("postkey-origin", "192.0.2.1");
    let body = json!({"address": ANN, "current_password": OTHER, "new_password": NEW});
    by_header.post("/v1/self/password", &body).await.receipt(200, &["PasswordChanged"]);
}

#[tokio::test]
async fn roundcube_posts_a_form_and_is_told_ok_once_the_change_is_in_force() {
    let scene = Scene::set().await;
    let webmail = scene.stack.commands_as("webmail");
    let roundcube = async |current: &str, new: &str| {
        let form = [("user", ANN), ("curpass", current), ("newpass", new)];
        webmail.post_form("/v1/self/password/roundcube", &form).await
    };
    let odd = "z\u{e4}hn W\u{f6}lf&=+%7-\u{1f511}";
    let done = roundcube(PASSWORD, odd).await;
    assert_eq!((done.status, done.text.as_str()), (200, "ok"), "{done:?}");
    assert!(done.header("content-type").starts_with("text/plain"), "{done:?}");
    scene.ann_signs_in(odd).await.is(200);
    scene.ann_signs_in(PASSWORD).await.problem(401, "invalid_credentials");
    roundcube(PASSWORD, NEW).await.problem(403, "wrong_current_password");
    roundcube(odd, odd).await.problem(409, "same_password");
    assert_eq!(roundcube(odd, "vkd").await.violations(422, "weak_password").len(), 4);
    for n in 0..4 {
        roundcube(&format!("guess {n}"), NEW).await.problem(403, "wrong_current_password");
    }
    roundcube("guess", NEW).await.problem(429, "throttled");
    scene.ann_signs_in(odd).await.is(200);
}

/// The keys of one webmail server are not another's, and a repeat is told from a guess by both passwords.
#[tokio::test]
async fn a_repeat_is_answered_though_its_current_password_is_dead() {
    let scene = Scene::set().await;
    let webmail = scene.stack.commands_as("webmail").with("idempotency-key", "k");
    let ask = async |current: &str, new: &str| {
        let body = json!({"address": ANN, "current_password": current, "new_password": new});
        webmail.post("/v1/self/password", &body).await
    };
    let first = ask(PASSWORD, NEW).await.receipt(200, &["PasswordChanged"]);
    let again = ask(PASSWORD, NEW).await.receipt(200, &["PasswordChanged"]);
    assert_eq!((&again["position"], &again["repeated"]), (&first["position"], &json!(true)));
    ask("Wr0ng-password", NEW).await.problem(403, "wrong_current_password");
    ask(PASSWORD, OTHER).await.problem(403, "wrong_current_password");
    ask(NEW, OTHER).await.problem(422, "idempotency_mismatch");
    let token = scene.stack.new_token(&scene.folder, "webmail", "roundcube", None).await;
    let other = scene.stack.command().bearing(&token).with("idempotency-key", "k");
    let body = json!({"address": ANN, "current_password": PASSWORD, "new_password": NEW});
    other.post("/v1/self/password", &body).await.problem(403, "wrong_current_password");
    assert_eq!(scene.stack.head().await, first["position"]);
}

#[tokio::test]
async fn the_same_change_asked_for_several_times_at_once_is_made_once() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let webmail = scene.stack.commands_as("webmail").with("idempotency-key", "k");
    let body = json!({"address": ANN, "current_password": PASSWORD, "new_password": NEW});
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (webmail, body) = (webmail.clone(), body.clone());
        asked.spawn(async move { webmail.post("/v1/self/password", &body).await });
    }
    let answers = asked.join_all().await;
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.receipt(200, &["PasswordChanged"])).collect();
    assert_eq!(receipts.iter().filter(|receipt| receipt["repeated"] == false).count(), 1, "{receipts:?}");
    assert!(receipts.iter().all(|receipt| receipt["position"] == head + 1), "{receipts:?}");
    assert_eq!(scene.stack.head().await, head + 1);
}
