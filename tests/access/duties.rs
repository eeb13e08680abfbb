//! What each identity must be able to do.

use futures::StreamExt;
use serde_json::{Value, json};

use crate::site::{Connected, SERVICES, SOON, Site};

/// The reads that every service needs, under the prefix of the imports.
async fn reads(service: &Connected) {
    let info = service.api("EV.API.STREAM.INFO.POSTKEY", &Value::Null).await.without_error();
    assert_eq!(info["config"]["name"], "POSTKEY");
    let head =
        service.api("EV.API.STREAM.MSG.GET.POSTKEY", &json!({"last_by_subj": "postkey.>"})).await.without_error();
    assert_eq!(head["message"]["seq"], 3);
    let one = service.ask("EV.API.DIRECT.GET.POSTKEY.postkey.p02.service", "", 1).await;
    assert_eq!(one[0].headers.as_ref().unwrap().get("Nats-Sequence").unwrap().as_str(), "2");
    // Three entries and the end of the batch.
    let history = r#"{"batch":10,"seq":1,"next_by_subj":"postkey.>"}"#;
    let history = service.ask("EV.API.DIRECT.GET.POSTKEY", history, 4).await;
    let entries = history.iter().filter(|message| message.payload == "{\"entry\":true}").count();
    assert_eq!((entries, history[3].status.map(|status| status.as_u16())), (3, Some(204)));
}

#[tokio::test]
async fn every_service_reads_the_log_from_its_leader_and_from_replicas() {
    let site = Site::start().await;
    for service in SERVICES {
        reads(&site.connect(service).await).await;
    }
}

#[tokio::test]
async fn command_services_append_and_lose_races() {
    let site = Site::start().await;
    let (one, two) = (site.connect("command-1").await, site.connect("command-2").await);
    assert_eq!(one.append("postkey.p09.service", 0, "one").await["seq"], 4);
    assert_eq!(two.append("postkey.p09.service", 0, "late").await["error"]["err_code"], 10071);
    assert_eq!(two.append("postkey.p09.service", 4, "two").await["seq"], 5);
}

#[tokio::test]
async fn an_append_without_a_stream_is_answered_at_once() {
    let site = Site::start().await;
    let (admin, command) = (site.connect("admin").await, site.connect("command-1").await);
    admin.api("$JS.API.STREAM.DELETE.POSTKEY", &Value::Null).await.without_error();
    let answer = command.client.request("postkey.p09.service", "entry".into()).await;
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders, "{error}");
}

#[tokio::test]
async fn projections_follow_by_a_consumer_each_and_go_back_on_it() {
    let site = Site::start().await;
    for projection in ["projection-1", "projection-2"] {
        let service = site.connect(projection).await;
        let info = service.api(&format!("EV.API.CONSUMER.INFO.POSTKEY.{projection}"), &Value::Null).await;
        assert_eq!(info.without_error()["name"], projection);
        let next = format!("EV.API.CONSUMER.MSG.NEXT.POSTKEY.{projection}");
        let entries = service.ask(&next, r#"{"batch":3,"expires":5000000000}"#, 3).await;
        assert_eq!(
            entries.iter().map(|entry| entry.subject.as_str()).collect::<Vec<_>>(),
            ["postkey.p01.service", "postkey.p02.service", "postkey.p03.service"]
        );
        let reset = service.api(&format!("EV.API.CONSUMER.RESET.POSTKEY.{projection}"), &json!({"seq": 2})).await;
        reset.without_error();
        let again = service.ask(&next, r#"{"batch":1,"expires":5000000000}"#, 1).await;
        assert_eq!(again[0].subject.as_str(), "postkey.p02.service");
    }
}

#[tokio::test]
async fn projections_wake_every_command_service() {
    let site = Site::start().await;
    for projection in ["projection-1", "projection-2"] {
        let mut waiting = Vec::new();
        for command in ["command-1", "command-2"] {
            let command = site.connect(command).await;
            let wakes = command.client.subscribe("wake.projection").await.unwrap();
            command.client.flush().await.unwrap();
            waiting.push((command, wakes));
        }
        let service = site.connect(projection).await;
        service.client.publish("wake.projection", projection.into()).await.unwrap();
        for (_, wakes) in &mut waiting {
            let wake = tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap();
            assert_eq!(wake.payload, projection);
        }
    }
}
