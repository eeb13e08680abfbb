//! What an auditor types: what happened, what stood at a moment, and exports of it, beside services that run.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use stage::{Finished, MIB, PASSWORD, Random, Running, Scene, new_user, run, until};

const OTHER: &str = "Tundra-58-quiver";
const WHY: &str = "she married";

fn typed(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = scene.audit(arguments[0]);
    command.args(&arguments[1..]);
    command
}

async fn told(scene: &Scene, arguments: &[&str]) -> Finished {
    run(typed(scene, arguments)).await.worked()
}

async fn json(scene: &Scene, arguments: &[&str]) -> Value {
    let told = told(scene, arguments).await;
    serde_json::from_str(told.stdout.trim()).unwrap_or_else(|error| panic!("{error}: {told:#?}"))
}

/// The same without any key.
async fn sealed(scene: &Scene, arguments: &[&str]) -> Finished {
    let mut command = scene.audit_without_keys(arguments[0]);
    command.args(&arguments[1..]);
    run(command).await.worked()
}

fn types(events: &Value) -> Vec<&str> {
    events.as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// Ann gets another name and another password, and is suspended, with a reason.
async fn married() -> Scene {
    let scene = Scene::set().await;
    let operator = scene.operator().with("postkey-actor", "person-7").with("postkey-origin", "192.0.2.7");
    let save = json!({"last_name": "Marlowe", "password": OTHER});
    let operator = operator.with("postkey-reason", "she%20married");
    operator.patch(&scene.ann(), &save).await.receipt(200, &["UserEdited", "PasswordChanged"]);
    scene.operator().post_nothing(&format!("{}/suspend", scene.ann())).await.receipt(200, &["UserSuspended"]);
    scene
}

#[tokio::test]
async fn what_happened_to_a_user_is_told() {
    let scene = married().await;
    for user in ["ann@acme.example", scene.ann.as_str()] {
        let shown = json(&scene, &["show", "--user", user, "--json"]).await;
        let events = &shown["events"];
        assert_eq!(
            types(events),
            ["UserAdded", "PasswordChanged", "UserEdited", "PasswordChanged", "UserSuspended"],
            "{shown}"
        );
        assert_eq!(events[0]["data"]["address"], "ann@acme.example");
        assert_eq!(events[2]["data"], json!({"last_name": "Marlowe"}));
        assert_eq!(events[2]["actor"], "person-7");
        assert_eq!((&events[2]["origin"], &events[2]["reason"]), (&json!("192.0.2.7"), &json!(WHY)));
        assert_eq!(shown["present"], scene.ann_now().await);
        assert_eq!((&shown["erased"], &shown["personal"]), (&json!(false), &json!("shown")));
    }
    let table = told(&scene, &["show", "--user", &scene.ann, "--service", "acme.example"]).await.stdout;
    for word in ["Marlowe", "ann@acme.example", "UserSuspended", "person-7", "192.0.2.7", WHY, "suspended"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    assert!(!table.contains("argon2"), "{table}");
}

#[tokio::test]
async fn without_keys_names_are_sealed_and_the_rest_is_told() {
    let scene = married().await;
    let shown = sealed(&scene, &["show", "--user", &scene.ann, "--json"]).await.stdout;
    let table = sealed(&scene, &["show", "--user", &scene.ann]).await.stdout;
    assert!(table.contains("sealed") && table.contains("UserSuspended") && !table.contains("erased"), "{table}");
    for told in [shown, table] {
        for personal in ["ann@", "Marlowe", "192.0.2.7", WHY] {
            assert!(!told.contains(personal), "{personal}: {told}");
        }
    }
    let mut command = scene.audit_without_keys("show");
    command.args(["--user", "ann@acme.example"]);
    let refused = run(command).await;
    assert_eq!(refused.code, Some(2));
    assert!(refused.failed_in_one_line().contains("keys"));
}

#[tokio::test]
async fn who_is_not_there_is_not_told_of() {
    let scene = Scene::set().await;
    for arguments in [
        &["show", "--user", "nobody@acme.example"][..],
        &["show", "--user", "01997b5c-3f6e-7c21-9d4e-5a0b1c2d3e4f"],
        &["replay", "--service", "other.example"],
        &["replay", "--service", "other.example", "--user", "ann@acme.example"],
        &["replay", "--as-of", "yesterday"],
        &["export", "--service", "other.example", "--out", "-"],
        &["prove", "1000000"],
    ] {
        let finished = run(typed(&scene, arguments)).await;
        assert_eq!(finished.code, Some(2), "{arguments:?}: {finished:#?}");
        assert!(!finished.stderr.is_empty(), "{arguments:?}");
    }
}

/// A history as chance has it; what the services said after each change, by its position.
async fn wandered(scene: &Scene, steps: u64) -> BTreeMap<u64, (Value, Value)> {
    let mut random = Random::seeded();
    let operator = scene.operator();
    let mut users = vec![scene.ann.clone()];
    let mut said = BTreeMap::new();
    for step in 0..steps {
        let user = format!("{}/{}", scene.users(), users[usize::try_from(random.of(0..users.len() as u64)).unwrap()]);
        let answer = match random.of(0..7) {
            0 | 1 => operator.post(&scene.users(), &new_user(&format!("user{step}@acme.example"))).await,
            2 => operator.patch(&user, &json!({"first_name": format!("Name {step}"), "quota_bytes": MIB})).await,
            3 => operator.put(&format!("{user}/password"), &json!({"password": OTHER})).await,
            4 => operator.post_nothing(&format!("{user}/suspend")).await,
            5 => operator.post_nothing(&format!("{user}/reactivate")).await,
            _ if step % 3 == 0 => operator.delete(&user).await,
            _ => {
                let plan = json!({"mailboxes": 10 + step, "pool_bytes": (100 + step) * MIB});
                operator.put(&format!("/v1/services/{}/plan", scene.service), &plan).await
            }
        };
        if !matches!(answer.status, 200 | 201) {
            continue;
        }
        users.extend((answer.status == 201).then(|| answer.body["user"].as_str().unwrap().to_owned()));
        let position = answer.body["position"].as_u64().unwrap();
        let service = scene.queries().get(&format!("/v1/services/{}", scene.service)).await.is(200);
        let listed = scene.queries().get(&format!("{}?limit=500", scene.users())).await.is(200);
        said.insert(position, (service, listed["users"].clone()));
    }
    said
}

fn by_id(users: &Value) -> BTreeMap<&str, &Value> {
    users.as_array().unwrap().iter().map(|user| (user["user"].as_str().unwrap(), user)).collect()
}

#[tokio::test]
async fn what_stood_at_a_moment_is_what_the_services_said_then() {
    let scene = Scene::set().await;
    let said = wandered(&scene, 24).await;
    for (position, (service, users)) in &said {
        let position = position.to_string();
        let then = ["replay", "--as-of", &position, "--service", "acme.example", "--json"];
        let told = json(&scene, &then).await;
        assert_eq!(told["services"], json!([service]), "at {position}");
        assert_eq!(by_id(&told["users"]), by_id(users), "at {position}");
    }
    // One of them alone, and by the instant of a change.
    let (position, (_, users)) = said.iter().nth(said.len() / 2).unwrap();
    let shown =
        json(&scene, &["replay", "--as-of", &position.to_string(), "--user", "ann@acme.example", "--json"]).await;
    let ann: Vec<_> = by_id(users).remove(scene.ann.as_str()).into_iter().cloned().collect();
    assert_eq!(shown["users"], Value::Array(ann));
    let before = json(&scene, &["replay", "--as-of", "2020-01-01", "--service", "acme.example", "--json"]).await;
    assert_eq!((&before["services"], &before["users"], &before["position"]), (&json!([]), &json!([]), &json!(0)));
    let all = told(&scene, &["replay"]).await.stdout;
    assert!(all.contains("acme.example") && all.contains("acme"), "{all}");
}

#[tokio::test]
async fn by_the_instant_of_a_change_it_is_taken_in_and_later_ones_are_not() {
    let scene = married().await;
    let events = json(&scene, &["show", "--user", &scene.ann, "--json"]).await["events"].clone();
    let edited = events[2]["at"].as_str().unwrap();
    assert!(edited < events[4]["at"].as_str().unwrap(), "{events}");
    let then = json(&scene, &["replay", "--as-of", edited, "--user", &scene.ann, "--json"]).await;
    assert_eq!((&then["users"][0]["last_name"], &then["users"][0]["state"]), (&json!("Marlowe"), &json!("active")));
    assert_eq!(then["position"], events[2]["position"]);
}

#[tokio::test]
async fn of_an_erased_user_everything_personal_is_told_as_erased() {
    let scene = married().await;
    let operator = scene.operator().with("prefer", "wait=30");
    operator.delete(&scene.ann()).await.receipt(200, &["UserRemoved"]);
    operator.post_nothing(&format!("{}/erase", scene.ann())).await.receipt(200, &["UserErased"]);
    let shown = json(&scene, &["show", "--user", &scene.ann, "--json"]).await;
    assert_eq!((&shown["erased"], &shown["present"]), (&json!(true), &json!(null)));
    assert_eq!(types(&shown["events"]).last(), Some(&"UserErased"));
    assert_eq!(shown["events"][0]["data"]["address"], json!(null));
    let table = told(&scene, &["show", "--user", &scene.ann, "--service", "acme.example"]).await.stdout;
    assert!(table.contains("erased"), "{table}");
    let exported = told(&scene, &["export", "--out", "-"]).await.stdout;
    let then = told(&scene, &["replay", "--as-of", "4", "--service", "acme.example"]).await.stdout;
    assert!(then.contains("erased"), "{then}");
    for told in [shown.to_string(), table, exported, then] {
        for personal in ["ann@", "Marlowe", "192.0.2.7", WHY] {
            assert!(!told.contains(personal), "{personal}: {told}");
        }
    }
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens_until_somebody_ends_it() {
    let scene = Scene::set().await;
    let outputs = scene.folder.beside(".");
    let all = Running::start(typed(&scene, &["tail", "--after", "0", "--json"]), &outputs);
    let some = typed(&scene, &["tail", "--after", "0", "--user", &scene.ann, "--type", "UserEdited"]);
    let some = Running::start(some, &outputs);
    let lines = |told: &Running| told.stdout().lines().count();
    // Provisioned; added, with a password.
    until("what was there is told", async || (lines(&all) == 3).then_some(())).await;
    scene.operator().patch(&scene.ann(), &json!({"first_name": "Anna"})).await.receipt(200, &["UserEdited"]);
    scene.added(&scene.service, &new_user("zoe@acme.example")).await;
    until("what came is told", async || (lines(&all) == 6).then_some(())).await;
    until("the edit is told", async || (lines(&some) == 1).then_some(())).await;
    let told = some.stop().await.stdout;
    assert!(told.contains("first name Anna") && !told.contains("zoe") && told.lines().count() == 1, "{told}");
    let told = all.stop().await.stdout;
    let events: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = json!(events);
    assert_eq!(
        types(&all),
        ["ServiceProvisioned", "UserAdded", "PasswordChanged", "UserEdited", "UserAdded", "PasswordChanged"]
    );
    assert!(!told.contains(PASSWORD) && !told.contains("argon2"));
}
