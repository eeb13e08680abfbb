//! Several of our own services beside each other, and what becomes of them.

use std::time::Instant;

use serde_json::json;
use stage::{Folder, Separate, run};

use crate::weather::Weather;

#[tokio::test]
async fn of_two_projections_the_one_that_leads_is_killed_or_stands_still_and_the_other_goes_on() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let mut weather = Weather::fair(separate.several(2, 2).await).await;
    for number in [0, 1] {
        let fault = Instant::now();
        weather.services.projections[number].process.kill();
        weather.services.projections[number].api().is_away().await;
        weather.work_resumes(fault).await;
        weather.services.projection_again(number).await;
        weather.services.are_well().await;
    }
    for number in [0, 1] {
        let fault = Instant::now();
        weather.services.projections[number].process.pause();
        weather.services.projections[number].api().is_away().await;
        weather.work_resumes(fault).await;
        weather.services.projections[number].process.resume();
        weather.services.are_well().await;
    }
    weather.clears().await;
}

#[tokio::test]
async fn a_command_service_is_killed_again_and_again_under_load() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let mut weather = Weather::fair(separate.several(2, 2).await).await;
    // The other one is asked the same again, with the same key.
    for _ in 0..8 {
        weather.services.commands[1].process.kill();
        weather.services.commands[1].api().is_away().await;
        weather.work_goes_on().await;
        weather.services.command_again(1).await;
        weather.services.are_well().await;
        weather.work_goes_on().await;
    }
    weather.clears().await;
}

/// Beside running services, and a crew that changes users through them: rows that move on meanwhile differ from the log at no
/// position, and a log that grows was not rolled back.
#[tokio::test]
async fn a_rebuild_beside_running_services_accuses_nobody_falsely() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let weather = Weather::fair(separate.several(2, 2).await).await;
    for _ in 0..8 {
        let rebuilt = run(separate.rebuild()).await.worked();
        assert!(rebuilt.stdout.contains("the old rows were as the log has them"), "{rebuilt:#?}");
        weather.work_goes_on().await;
    }
    weather.clears().await;
}

/// Fifty edits of one user, through both: each is one entry, and nobody is refused for what the other did.
#[tokio::test]
async fn two_command_services_change_one_services_users() {
    let folder = Folder::new();
    let services = Separate::on_cluster(&folder).await.several(2, 2).await;
    let weather = Weather::fair(services).await;
    let commands = weather.services.commands();
    let plan = json!({"mailboxes": 5, "pool_bytes": 50 * stage::MIB});
    let provision = json!({"domain": "two.example", "customer": "acme", "plan": plan});
    let waiting: Vec<_> = commands.iter().map(|api| api.with("prefer", "wait=30")).collect();
    let service = waiting[0].post("/v1/services", &provision).await.receipt(201, &["ServiceProvisioned"]);
    let users = format!("/v1/services/{}/users", service["service"].as_str().unwrap());
    let added = waiting[1].post(&users, &stage::new_user("ann@two.example")).await;
    let added = added.receipt(201, &["UserAdded", "PasswordChanged"]);
    let ann = format!("{users}/{}", added["user"].as_str().unwrap());
    let mut edits = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (api, ann) = (waiting[number % 2].clone(), ann.clone());
        edits.spawn(async move { api.patch(&ann, &json!({"first_name": format!("Ann {number}")})).await });
    }
    let mut positions: Vec<_> = Vec::new();
    while let Some(edit) = edits.join_next().await {
        positions.push(edit.unwrap().receipt(200, &["UserEdited"])["position"].as_u64().unwrap());
    }
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions.len(), 50);
    let shown = weather.stack.queries_as("operator").get(&ann).await.is(200);
    assert_eq!(shown["revision"].as_u64(), positions.last().copied());
    drop(weather);
}
