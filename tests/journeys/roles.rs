//! Who may ask what: every role against every endpoint, about its own customer's services, another's, and none.

mod table;

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use stage::{Answer, Api, Scene, until};

use table::{On, Row, Tenant, rows};

/// A service, asked by nobody.
fn service(scene: &Scene, on: On) -> &Api {
    match on {
        On::Command => scene.stack.command(),
        On::Projection => scene.stack.projection(),
    }
}

/// Asks what a row says about a tenant, at a revision that nothing has where something would change.
async fn asked(api: &Api, row: &Row, tenant: &Tenant) -> Answer {
    let method: Method = row.method.parse().unwrap();
    let path = row.path.replace("{service}", &tenant.service).replace("{user}", &tenant.user);
    let path = path.replace("{level}", "0").replace("{index}", "000.p/1");
    let body = (row.body)(tenant);
    if row.path.ends_with("/roundcube") {
        let body = body.unwrap();
        let pairs: Vec<_> =
            body.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        return api.post_form(&path, &pairs).await;
    }
    let changes = row.operator.contains(&"stale_revision");
    let api = if changes { api.with("if-match", "\"1\"") } else { api.clone() };
    api.send(method, &path, body.as_ref()).await
}

/// What an answer says: a problem's code, or its status.
fn told(answer: Answer) -> String {
    let Some(code) = answer.body["code"].as_str().map(str::to_owned) else { return answer.status.to_string() };
    let status = answer.status;
    answer.problem(status, &code);
    code
}

#[tokio::test]
async fn every_role_is_told_what_it_may_about_its_own_and_about_others() {
    let scene = Scene::set().await;
    let tenants = Tenant::all(&scene).await;
    let head = scene.stack.head().await;
    let checkpoint = async || scene.queries().get("/ledger/checkpoint").await.status == 200;
    until("there is a checkpoint", async || checkpoint().await.then_some(())).await;
    let held = scene.stack.new_token(&scene.folder, "panel", "acme-panel", Some("acme")).await;
    let mut wrong = Vec::new();
    for row in rows() {
        let service = service(&scene, row.on);
        let bearing = |role| service.bearing(scene.stack.token(role));
        // A panel of all customers that says which, and one that is held to its own.
        let any = bearing("panel").with("postkey-customer", "acme");
        for (role, api, expected) in [
            ("operator", bearing("operator"), row.operator),
            ("panel", any, row.panel),
            ("panel of acme", service.bearing(&held), row.panel),
            ("webmail", bearing("webmail"), row.webmail),
            ("webmail for acme", bearing("webmail").with("postkey-customer", "acme"), row.held_webmail),
            ("auditor", bearing("auditor"), row.auditor),
            ("service", bearing("service"), row.service),
            ("nobody", service.clone(), row.nobody),
        ] {
            for (tenant, expected) in tenants.iter().zip(expected) {
                let told = told(asked(&api, &row, tenant).await);
                if told != expected {
                    let (method, path, customer) = (row.method, row.path, &tenant.domain);
                    wrong.push(format!("{role} {method} {path} of {customer}: {told}, and not {expected}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(scene.stack.head().await, head, "none of these calls changes anything");
}

/// A route can't be made without a word in its service's document; here it needs a row too.
#[tokio::test]
async fn every_route_has_its_row() {
    let scene = Scene::set().await;
    for on in [On::Command, On::Projection] {
        let document = service(&scene, on).document().await;
        let routes: BTreeSet<_> = document.operations().into_iter().map(|(method, path, _)| (method, path)).collect();
        let known = rows().into_iter().filter(|row| row.on == on).map(|row| {
            let path = row.path.split('?').next().unwrap();
            (row.method.to_owned(), path.to_owned())
        });
        assert_eq!(known.collect::<BTreeSet<_>>(), routes, "{on:?}");
    }
}

#[tokio::test]
async fn nobody_asks_anything_without_a_good_token() {
    let scene = Scene::set().await;
    let [tenant, ..] = Tenant::all(&scene).await;
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
    for row in rows().iter().filter(|row| row.nobody[0] != "200") {
        let service = service(&scene, row.on);
        let absent = asked(service, row, &tenant).await;
        assert_eq!(absent.header("www-authenticate"), "Bearer", "{absent:?}");
        absent.problem(401, "unauthenticated");
        for authorization in &wrong {
            let api = service.with("authorization", authorization);
            asked(&api, row, &tenant).await.problem(401, "unauthenticated");
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
