//! SIGKILL at random under load: what was answered stands, what was not is whole or absent, and its retry with the same
//! key is one change.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use stage::{Crew, Folder, Random, Scene, Separate, Stack, new_user, until};

const WORKERS: usize = 4;

#[tokio::test]
async fn twenty_kills_under_load_lose_nothing_that_was_answered_and_leave_nothing_half_done() {
    let folder = Folder::new();
    killed(20, async || Stack::up(&folder).await).await;
}

#[tokio::test]
async fn separate_processes_survive_kills_under_load_too() {
    let folder = Folder::new();
    let separate = Separate::init(&folder).await;
    killed(5, async || separate.start().await).await;
}

#[tokio::test]
async fn separate_processes_on_servers_survive_kills_under_load_too() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    killed(5, async || separate.start().await).await;
}

/// As with each restart that is planned.
#[tokio::test]
async fn what_is_saved_while_it_is_told_to_stop_is_in_force_when_it_is_answered() {
    let mut scene = Scene::set().await;
    let saved = Arc::new(AtomicUsize::new(0));
    let mut savers = Vec::new();
    for n in 0..8 {
        let user = scene.added(&scene.service, &new_user(&format!("saver{n}@acme.example"))).await;
        let (operator, path, saved) = (scene.operator(), format!("{}/password", scene.user(&user)), Arc::clone(&saved));
        savers.push(tokio::spawn(async move {
            for change in 0.. {
                let password = json!({"password": format!("Quiver-{n}-{change:04}-fjord")});
                match operator.try_to_send(Method::PUT, &path, Some(&password)).await {
                    Ok(answer) if answer.status != 503 => drop(answer.receipt(200, &["PasswordChanged"])),
                    _ => return,
                }
                saved.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    until("they save", async || (saved.load(Ordering::SeqCst) >= 16).then_some(())).await;
    scene.stack.stop_all().await;
    for saver in savers {
        saver.await.unwrap();
    }
}

/// So many kills, each followed by a start.
async fn killed(times: usize, start: impl AsyncFn() -> Stack) {
    let mut random = Random::seeded();
    let mut stack = start().await;
    let mut crew = Crew::hired(&stack, WORKERS, &mut random).await;
    let first = stack.head().await;
    for round in 0..times {
        crew = killed_under_load(stack, crew, Duration::from_micros(random.of(5_000..400_000))).await;
        stack = start().await;
        crew.finds_its_users_whole(&stack).await;
        crew.settles(&stack).await;
        assert_eq!(
            stack.head().await,
            first + crew.changes(),
            "one entry a change, no more and no less, in round {round}"
        );
    }
    assert!(crew.changes() > 2 * u64::try_from(times).unwrap(), "there was load: {}", crew.changes());
}

/// Lets the workers work, all at once, and kills the services while they do.
async fn killed_under_load(stack: Stack, crew: Crew, moment: Duration) -> Crew {
    let Crew { service, workers } = crew;
    let working: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            let api = stack.commands_as("operator");
            tokio::spawn(async move {
                worker.works_until_unanswered(&api).await;
                worker
            })
        })
        .collect();
    // Not a wait for anything: the moment at which the power goes.
    tokio::time::sleep(moment).await;
    stack.kill();
    let mut workers = Vec::new();
    for worker in working {
        workers.push(worker.await.unwrap());
    }
    Crew { service, workers }
}
