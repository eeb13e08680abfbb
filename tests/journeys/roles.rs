//! Who may ask what: every role against every call, and nobody without a good token.

use reqwest::Method;
use serde_json::{Value, json};
use stage::{MIB, Scene, new_user, until};

const ROLES: [&str; 5] = ["operator", "panel", "webmail", "auditor", "service"];

/// A call: on the projection service or the command service, and the roles that may make it.
struct Call {
    projection: bool,
    method: Method,
    path: String,
    body: Option<Value>,
    roles: &'static [&'static str],
}

/// Every call of this version, with bodies that are right but change nothing that the next one needs.
fn calls(scene: &Scene, removed: &str) -> Vec<Call> {
    let panels: &[_] = &["operator", "panel"];
    let call = |method, path: String, body, roles| Call { projection: false, method, path, body, roles };
    let query = |path: String, roles| Call { projection: true, method: Method::GET, path, body: None, roles };
    let (ann, gone) = (scene.ann(), scene.user(removed));
    let plan = json!({"mailboxes": 10, "pool_bytes": 100 * MIB});
    let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let verify = json!({"address": "ann@acme.example", "password": "x"});
    vec![
        call(Method::POST, "/v1/services".into(), Some(provision), &["operator"]),
        call(Method::PUT, format!("/v1/services/{}/plan", scene.service), Some(plan), &["operator"]),
        call(Method::POST, scene.users(), Some(new_user("ann@acme.example")), panels),
        call(Method::PATCH, ann.clone(), Some(json!({"first_name": "Ann"})), panels),
        call(Method::PUT, format!("{ann}/password"), Some(json!({"password": "short"})), panels),
        call(Method::POST, format!("{gone}/suspend"), None, panels),
        call(Method::POST, format!("{gone}/reactivate"), None, panels),
        call(Method::DELETE, gone, None, panels),
        call(Method::GET, "/v1/password-policy".into(), None, &["operator", "panel", "webmail", "auditor", "service"]),
        call(Method::POST, "/v1/passwords/suggest".into(), Some(json!({})), &ROLES),
        call(Method::POST, "/v1/passwords/check".into(), Some(json!({"password": "x"})), &ROLES),
        Call { projection: true, ..call(Method::POST, "/v1/auth/verify".into(), Some(verify), &["webmail"]) },
        query("/v1/services".into(), panels),
        query(format!("/v1/services/{}", scene.service), panels),
        query(scene.users(), panels),
        query(ann, panels),
        query("/v1/position".into(), &ROLES),
    ]
}

async fn scene_with_a_removed_user() -> (Scene, String) {
    let scene = Scene::set().await;
    let removed = scene.added(&scene.service, &new_user("removed@acme.example")).await;
    scene.operator().delete(&scene.user(&removed)).await.is(200);
    (scene, removed)
}

#[tokio::test]
async fn every_role_may_make_its_calls_and_no_other() {
    let (scene, removed) = scene_with_a_removed_user().await;
    let head = scene.stack.head().await;
    for Call { projection, method, path, body, roles } in calls(&scene, &removed) {
        for role in ROLES {
            let api = if projection { scene.stack.queries_as(role) } else { scene.stack.commands_as(role) };
            let answer = api.send(method.clone(), &path, body.as_ref()).await;
            if roles.contains(&role) {
                let refused = answer.status == 403 || (answer.status == 401 && !path.ends_with("verify"));
                assert!(!refused && answer.status < 500, "{role}: {answer:?}");
            } else {
                answer.problem(403, "forbidden");
            }
        }
    }
    assert_eq!(scene.stack.head().await, head, "none of these calls changes anything");
}

#[tokio::test]
async fn nobody_asks_anything_without_a_good_token() {
    let (scene, removed) = scene_with_a_removed_user().await;
    let good = scene.stack.token("operator").to_owned();
    let wrong = [
        String::new(),
        format!("Bearer {good}x"),
        format!("Bearer {}", good.replace("operator", "panel")),
        format!("Basic {good}"),
        good.clone(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
    ];
    for Call { projection, method, path, body, .. } in calls(&scene, &removed) {
        let service = if projection { scene.stack.projection() } else { scene.stack.command() };
        let absent = service.send(method.clone(), &path, body.as_ref()).await;
        assert_eq!(absent.header("www-authenticate"), "Bearer", "{absent:?}");
        absent.problem(401, "unauthenticated");
        for authorization in &wrong {
            let api = service.with("authorization", authorization);
            api.send(method.clone(), &path, body.as_ref()).await.problem(401, "unauthenticated");
        }
    }
    scene.queries().get("/v1/services").await.is(200);
}

#[tokio::test]
async fn a_revoked_token_is_refused_within_seconds_by_running_services() {
    let scene = Scene::set().await;
    let token = scene.stack.new_token(&scene.folder, "webmail", "roundcube", None).await;
    let webmail = scene.stack.projection().bearing(&token);
    let verify = json!({"address": "ann@acme.example", "password": stage::PASSWORD});
    webmail.post("/v1/auth/verify", &verify).await.is(200);
    let clients = scene.folder.file("clients.json");
    let revoke = stage::postkey(["token", "revoke", "roundcube", "--clients-file", clients.to_str().unwrap()]);
    stage::run(revoke).await.worked();
    until("the token is refused", async || {
        (webmail.post("/v1/auth/verify", &verify).await.status == 401).then_some(())
    })
    .await;
    webmail.post("/v1/auth/verify", &verify).await.problem(401, "unauthenticated");
    scene.ann_signs_in(stage::PASSWORD).await.is(200);
}
