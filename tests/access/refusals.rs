//! What each identity may not ask for: the server says so, and `admin` is answered when it asks the same.

use futures::StreamExt;
use serde_json::{Value, json};
use stage::run;

use crate::site::{Connected, SERVICES, SOON, Site};

/// Everything that would change, stop or copy the log of this state, behind the API's prefix; in an order in which all can
/// be done.
fn changes(state: &Value) -> Vec<(&'static str, Value)> {
    let stream = &state["config"];
    let mut other = stream.clone();
    other["name"] = json!("OTHER");
    other["subjects"] = json!(["other.>"]);
    let consumer = |name: &str| {
        let mut config = state["projection-1"]["config"].clone();
        config["name"] = json!(name);
        config["durable_name"] = json!(name);
        json!({"stream_name": "POSTKEY", "config": config})
    };
    let mut renamed = consumer("mine");
    renamed["config"].as_object_mut().unwrap().remove("durable_name");
    vec![
        ("STREAM.CREATE.OTHER", other),
        ("STREAM.UPDATE.POSTKEY", stream.clone()),
        ("STREAM.PURGE.POSTKEY", Value::Null),
        ("STREAM.MSG.DELETE.POSTKEY", json!({"seq": 1})),
        ("STREAM.SNAPSHOT.POSTKEY", json!({"deliver_subject": "_INBOX.snapshot", "no_consumers": true})),
        ("STREAM.RESTORE.POSTKEY", json!({"config": stream, "state": {}})),
        ("STREAM.LEADER.STEPDOWN.POSTKEY", Value::Null),
        ("STREAM.PEER.REMOVE.POSTKEY", json!({"peer": "nats-1"})),
        ("CONSUMER.CREATE.POSTKEY.mine", renamed),
        ("CONSUMER.DURABLE.CREATE.POSTKEY.durable", consumer("durable")),
        ("CONSUMER.PAUSE.POSTKEY.mine", json!({"pause_until": "2100-01-01T00:00:00Z"})),
        ("CONSUMER.LEADER.STEPDOWN.POSTKEY.mine", Value::Null),
        ("CONSUMER.DELETE.POSTKEY.mine", Value::Null),
        ("CONSUMER.LIST.POSTKEY", Value::Null),
        ("STREAM.LIST", Value::Null),
        ("INFO", Value::Null),
        ("STREAM.DELETE.POSTKEY", Value::Null),
    ]
}

async fn is_refused(service: &Connected, subject: &str, body: &Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let inbox = service.client.new_inbox();
    service.client.publish_with_reply(subject.to_owned(), inbox, body.into()).await.unwrap();
    service.is_refused("publish", subject).await;
}

#[tokio::test]
async fn nobody_but_the_admin_changes_stops_or_copies_the_log() {
    let site = Site::start().await;
    let admin = site.connect("admin").await;
    let before = admin.state().await;
    for service in SERVICES {
        let service = site.connect(service).await;
        for (request, body) in changes(&before) {
            is_refused(&service, &format!("$JS.API.{request}"), &body).await;
            is_refused(&service, &format!("EV.API.{request}"), &body).await;
        }
    }
    assert_eq!(admin.state().await, before);

    // Each request is a real one: it is answered as what it is. (What the stream's own settings, or a single server,
    // refuse even to the admin is answered with an error of theirs.)
    let denied = ["STREAM.PURGE", "STREAM.MSG.DELETE", "STREAM.RESTORE", "LEADER.STEPDOWN", "PEER.REMOVE"];
    for (request, body) in changes(&before) {
        let answer = admin.api(&format!("$JS.API.{request}"), &body).await.0;
        assert!(answer["type"].as_str().unwrap().starts_with("io.nats.jetstream.api.v1."), "{request}: {answer}");
        let worked = answer.get("error").is_none();
        assert_eq!(worked, !denied.iter().any(|denied| request.contains(denied)), "{request}: {answer}");
    }
    let gone = admin.api("$JS.API.STREAM.INFO.POSTKEY", &Value::Null).await.0;
    assert_eq!(gone["error"]["err_code"], 10059, "the last request deleted the stream: {gone}");
}

#[tokio::test]
async fn a_setup_by_a_service_is_refused_and_nothing_is_waited_for() {
    let site = Site::set_up().await;
    // By the first it may not even ask after the stream, by the second it may, and makes no consumer.
    for (prefix, word) in [("$JS.API", "POSTKEY can't be asked after"), ("EV.API", "projection-1 can't be made")] {
        let mut setup = site.setup_log("command-1");
        setup.env("POSTKEY_NATS_API_PREFIX", prefix).env("POSTKEY_NATS_INBOX_PREFIX", "_INBOX_command-1");
        let refused = run(setup).await;
        assert!(!refused.stderr.contains("not yet"), "{prefix}: {refused:#?}");
        let line = refused.failed_in_one_line();
        assert!(line.contains(word) && line.contains("administrator"), "{prefix}: {line}");
    }
}

#[tokio::test]
async fn readers_append_nothing() {
    let site = Site::start().await;
    let admin = site.connect("admin").await;
    let before = admin.state().await;
    for reader in ["projection-1", "projection-2", "auditor"] {
        let reader = site.connect(reader).await;
        for subject in ["postkey.p01.service", "postkey.log", "$JS.ACK.POSTKEY.projection-1.1.1.1.1.1"] {
            is_refused(&reader, subject, &json!({"forged": true})).await;
        }
    }
    assert_eq!(admin.state().await, before);
    let command = site.connect("command-1").await;
    assert_eq!(command.append("postkey.p01.service", 1, "entry").await["seq"], 4);
}

#[tokio::test]
async fn a_projection_reads_and_moves_its_own_consumer_only() {
    let site = Site::start().await;
    let admin = site.connect("admin").await;
    let before = admin.state().await;
    let asks = [("INFO", Value::Null), ("MSG.NEXT", json!({"batch": 1})), ("RESET", json!({"seq": 2}))];
    for (service, other) in [
        ("projection-1", "projection-2"),
        ("projection-2", "projection-1"),
        ("command-1", "projection-1"),
        ("command-2", "projection-2"),
        ("auditor", "projection-1"),
    ] {
        let service = site.connect(service).await;
        for (ask, body) in &asks {
            for prefix in ["EV.API", "$JS.API"] {
                is_refused(&service, &format!("{prefix}.CONSUMER.{ask}.POSTKEY.{other}"), body).await;
            }
        }
    }
    assert_eq!(admin.state().await, before);
    for (ask, body) in &asks {
        let answer = admin.ask(&format!("$JS.API.CONSUMER.{ask}.POSTKEY.projection-2"), &body.to_string(), 1).await;
        assert!(!answer[0].payload.is_empty(), "{ask}");
    }
}

#[tokio::test]
async fn nobody_hears_what_is_not_for_it() {
    let site = Site::start().await;
    for service in SERVICES {
        let connected = site.connect(service).await;
        let inboxes = SERVICES.iter().filter(|other| **other != service).map(|other| format!("_INBOX_{other}.>"));
        let everything =
            [">", "*.>", "_INBOX.>", "*", "postkey.>", "$JS.>", "EV.>", "_R_.>", "$SYS.>"].map(str::to_owned);
        let mut subjects: Vec<_> = inboxes.chain(everything).collect();
        if !service.starts_with("command") {
            subjects.push("wake.projection".to_owned());
        }
        let mut heard = Vec::new();
        for subject in subjects {
            heard.push(connected.client.subscribe(subject.clone()).await.unwrap());
            connected.is_refused("subscription", &subject).await;
        }
    }
    // A subject that is refused above is one that messages come by: each hears its own inbox.
    for service in SERVICES {
        let connected = site.connect(service).await;
        let mut inbox = connected.client.subscribe(format!("_INBOX_{service}.>")).await.unwrap();
        let asked = "EV.API.STREAM.INFO.POSTKEY";
        connected.client.publish_with_reply(asked, format!("_INBOX_{service}.any"), "".into()).await.unwrap();
        let heard = tokio::time::timeout(SOON, inbox.next()).await.unwrap().unwrap();
        assert_eq!(heard.subject.as_str(), format!("_INBOX_{service}.any"));
        assert_eq!(connected.violations(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn nobody_but_a_projection_wakes_command_services() {
    let site = Site::start().await;
    let command = site.connect("command-1").await;
    let mut wakes = command.client.subscribe("wake.projection").await.unwrap();
    command.client.flush().await.unwrap();
    for service in ["auditor", "command-1", "command-2"] {
        let service = site.connect(service).await;
        is_refused(&service, "wake.projection", &json!("forged")).await;
    }
    let projection = site.connect("projection-1").await;
    projection.client.publish("wake.projection", "true".into()).await.unwrap();
    let first = tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap();
    assert_eq!(first.payload, "true");
}

#[tokio::test]
async fn the_servers_own_account_is_for_its_identity() {
    let site = Site::start().await;
    let request = "$SYS.REQ.SERVER.PING";
    for service in SERVICES {
        is_refused(&site.connect(service).await, request, &Value::Null).await;
    }
    let system = site.connect("system").await;
    let answer = system.ask(request, "", 1).await;
    assert!(String::from_utf8_lossy(&answer[0].payload).contains("\"server\""));
}
