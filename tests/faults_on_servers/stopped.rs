//! What stops a projection for good: all services say so, and doing what they say helps.

use serde_json::{Value, json};
use servers::{Nats, Postgres};
use stage::{Folder, MIB, PASSWORD, Scene, Seat, Separate, Several, new_user, run, until};

/// Two projections and one command service, with Acme and Ann.
async fn scene() -> (Separate, Several, Scene) {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await;
    let services = separate.several(1, 2).await;
    let scene = Scene::on(services.stack(), folder).await;
    (separate, services, scene)
}

/// Waits until both projections say that they have stopped by this, or that they go on.
async fn until_stopped(services: &Several, by: Option<&str>) {
    until("both projections say the same", async || {
        let said = |position: Option<Value>| position.is_some_and(|position| position["stopped"] == json!(by));
        services.positions().await.into_iter().all(said).then_some(())
    })
    .await;
}

/// Whoever may publish to the stream has put something in it. No projection gets past it, and no change that is made
/// after it would ever be in force.
#[tokio::test]
async fn an_entry_that_is_not_ours_stops_the_projections_and_the_command_service_appends_nothing_after_it() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let account = nats.account();
    let separate = Separate::at(&folder, &account, &nats.monitor_url(), Postgres::shared()).await;
    let services = separate.several(1, 2).await;
    let scene = Scene::on(services.stack(), folder).await;
    let other = scene.provisioned("other.example", "acme", 10, 100 * MIB).await;
    let head = scene.stack.head().await;
    let stranger = crate::administrators::administrator(&account).await;
    let last_byte = u8::from_str_radix(&other[34..], 16).unwrap();
    let subject = format!("postkey.p{:02}.{other}", last_byte & 63);
    stranger.publish(subject, "a greeting".into()).await.unwrap().await.unwrap();

    until_stopped(&services, Some("log_corrupt")).await;
    for position in services.positions().await.into_iter().flatten() {
        assert_eq!((&position["position"], &position["head"]), (&json!(head), &json!(head + 1)), "{position}");
    }
    for projection in &services.projections {
        projection.api().is_in("projector", "red", &format!("position {}", head + 1)).await;
        assert_eq!(projection.api().get("/healthz").await.status, 503, "a person has to look");
        assert_eq!(projection.api().get("/readyz").await.status, 200, "whoever has not changed signs in");
    }
    let command = scene.stack.command();
    command.is_in("projection", "red", &format!("stopped at position {head}")).await;
    assert_eq!(command.get("/healthz").await.status, 503, "a person has to look");
    // Also where the service's own history is whole.
    scene.operator().patch(&scene.ann(), &json!({"first_name": "Annie"})).await.problem(503, "log_corrupt");
    assert_eq!(scene.stack.head().await, head + 1);
    scene.ann_signs_in(PASSWORD).await.is(200);
}

/// The row of the lead, and each of the tables: what the message says is done, beside the running services.
#[tokio::test]
async fn doing_what_the_message_says_mends_a_damaged_read_model_beside_the_running_services() {
    for (damage, advice) in [
        ("DELETE FROM leader", "postkey rebuild"),
        ("DROP TABLE leader", "postkey postgres setup"),
        ("DROP TABLE service", "postkey postgres setup"),
        ("DROP TABLE mailbox_user", "postkey postgres setup"),
        ("DROP TABLE generation", "postkey postgres setup"),
    ] {
        let (separate, services, scene) = scene().await;
        Postgres::shared().psql(separate.read_model_database(), damage);
        let edit = json!({"first_name": "Annie"});
        let stored = scene.operator().with("prefer", "wait=0").patch(&scene.ann(), &edit).await;
        assert_eq!(stored.status, 202, "{damage}: {stored:?}");
        until_stopped(&services, Some("damaged")).await;
        for projection in &services.projections {
            projection.api().is_in("projector", "red", advice).await;
        }
        scene.stack.command().is_in("projection", "yellow", "damaged").await;
        // Nobody is told that a password is wrong by rows that are not there.
        let login = scene.ann_signs_in(PASSWORD).await;
        assert!(matches!(login.status, 200 | 503), "{damage}: {login:?}");
        if advice == "postkey rebuild" {
            run(separate.rebuild()).await.worked();
        } else {
            let refused = run(separate.rebuild()).await.failed_in_one_line();
            let table = damage.rsplit_once(' ').unwrap().1;
            assert!(refused.contains(&format!("\"{table}\"")) && refused.contains(advice), "{refused}");
            run(separate.postgres_setup()).await.worked();
        }
        services.ready().await;
        until_stopped(&services, None).await;
        scene.stack.command().is_in("projection", "green", "").await;
        scene.stack.caught_up().await;
        scene.ann_signs_in(PASSWORD).await.is(200);
        assert_eq!(scene.ann_now().await["first_name"], "Annie");
        scene.operator().patch(&scene.ann(), &json!({"first_name": "Ann"})).await.receipt(200, &["UserEdited"]);
        run(separate.rebuild()).await.worked();
        services.ready().await;
    }
}

/// A key store that was restored from a backup older than the log.
#[tokio::test]
async fn lost_keys_are_said_to_be_lost_by_all_and_nobody_restarts_anything_once_they_are_back() {
    let (separate, mut services, scene) = scene().await;
    let keys = |sql: &str| Postgres::shared().psql(separate.keys_database(), sql);
    let operator = scene.operator().with("prefer", "wait=0");
    for seat in &mut services.projections {
        seat.process.kill();
    }
    keys("CREATE TABLE backup AS SELECT id FROM key");
    let bob = operator.post(&scene.users(), &new_user("bob@acme.example")).await;
    assert_eq!(bob.status, 202, "{bob:?}");
    let bob = scene.user(bob.body["user"].as_str().unwrap());
    keys("CREATE TABLE lost AS SELECT * FROM key WHERE id NOT IN (SELECT id FROM backup)");
    // So that the keys of the last entry, which every start looks for, are there.
    let plan = json!({"mailboxes": 11, "pool_bytes": 100 * MIB});
    let planned = operator.put(&format!("/v1/services/{}/plan", scene.service), &plan).await;
    assert_eq!(planned.status, 202, "{planned:?}");
    keys("DELETE FROM key WHERE id IN (SELECT id FROM lost)");
    for number in [0, 1] {
        services.projection_again(number).await;
    }

    until_stopped(&services, Some("keys_unavailable")).await;
    for projection in &services.projections {
        projection.api().is_in("keys", "red", "restore the key store").await;
        assert_eq!(projection.api().get("/healthz").await.status, 503, "a person has to look");
        assert_eq!(projection.api().get("/readyz").await.status, 200, "whoever has not changed signs in");
    }
    let command = scene.stack.command();
    command.is_in("projection", "yellow", "lacks keys").await;
    operator.patch(&bob, &json!({"first_name": "Bob"})).await.problem(503, "keys_unavailable");
    command.is_in("keys", "red", "restore the key store").await;
    command.is_in("log", "green", "").await;
    let refused = run(separate.rebuild()).await.failed_in_one_line();
    assert!(refused.contains("restore the key store"), "{refused}");
    scene.ann_signs_in(PASSWORD).await.problem(503, "keys_unavailable");

    keys("INSERT INTO key SELECT * FROM lost");
    services.ready().await;
    until_stopped(&services, None).await;
    command.is_in("keys", "green", "").await;
    command.is_in("projection", "green", "").await;
    operator.with("prefer", "wait=30").patch(&bob, &json!({"first_name": "Bob"})).await.receipt(200, &["UserEdited"]);
    for user in ["ann", "bob"] {
        scene.stack.login(&format!("{user}@acme.example"), PASSWORD).await.is(200);
    }
}

/// While the log can't be asked, the lead goes from one to the other and back: that is no news each time.
#[tokio::test]
async fn projections_that_can_not_ask_the_log_do_not_say_again_and_again_that_they_lead() {
    let (folder, mut nats) = (Folder::new(), Nats::start());
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await;
    let services = separate.several(1, 2).await;
    nats.kill();
    for seat in &services.projections {
        until("it is not ready", async || (seat.api().get("/readyz").await.status == 503).then_some(())).await;
    }
    // Each claim sets another end.
    let mut claims = Vec::new();
    until("the lead was claimed again and again", async || {
        let until = Postgres::shared().psql(separate.read_model_database(), "SELECT expires FROM leader");
        if claims.last() != Some(&until) {
            claims.push(until);
        }
        (claims.len() > 6).then_some(())
    })
    .await;
    nats.start_again();
    services.ready().await;
    let led = |seat: &Seat| seat.process.stderr().matches("this projection leads").count();
    let led: Vec<_> = services.projections.iter().map(led).collect();
    assert!(led.iter().all(|led| *led <= 2) && led.iter().sum::<usize>() > 0, "{led:?}");
}

/// Whoever looks for the leader takes the last line for true.
#[tokio::test]
async fn a_projection_that_leads_again_says_so_where_another_has_led_meanwhile() {
    let (folder, nats) = (Folder::new(), Nats::shared());
    let separate = Separate::at(&folder, &nats.account(), &nats.monitor_url(), Postgres::shared()).await;
    let mut services = separate.several(1, 2).await;
    let led = |seat: &Seat| seat.process.stderr().matches("this projection leads").count();
    let first = until("one leads", async || services.projections.iter().position(|seat| led(seat) > 0)).await;
    let other = 1 - first;

    services.projections[first].process.pause();
    until("the other leads", async || (led(&services.projections[other]) > 0).then_some(())).await;
    services.projections[other].process.kill();
    // The first finds a lead that is nobody's any more, and never sees the other have it.
    let over = "SELECT expires < clock_timestamp() FROM leader";
    until("its lead is over", async || {
        (Postgres::shared().psql(separate.read_model_database(), over).trim() == "t").then_some(())
    })
    .await;
    let before = led(&services.projections[first]);
    services.projections[first].process.resume();
    until("the first says that it leads", async || (led(&services.projections[first]) > before).then_some(())).await;
}
