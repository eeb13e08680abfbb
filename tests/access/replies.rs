//! What a request can be made to do by where its answer goes. A server sends an answer to whatever subject the request
//! names, and does not ask whether the requester may publish there (nats-server 2.15.1). In the log's own account that
//! is every right there is, as the controls show; from the account of a service it leads nowhere.

use futures::StreamExt;
use serde_json::{Value, json};
use stage::until;

use crate::permissions::{Ask, Comes, asks, identities};
use crate::site::{Connected, SERVICES, SOON, Site};

/// Where an answer would do harm: in the log, as a request of somebody else's, as a wake-up, in another's inbox.
fn harmful(service: &str) -> Vec<String> {
    let other = if service == "projection-2" { "projection-1" } else { "projection-2" };
    let mut subjects: Vec<String> =
        ["postkey.forged", "postkey.p01.service", "$SYS.REQ.SERVER.PING"].map(Into::into).into();
    for prefix in ["$JS.API", "EV.API"] {
        let requests =
            ["STREAM.DELETE.POSTKEY", "STREAM.PURGE.POSTKEY", "STREAM.MSG.DELETE.POSTKEY", "STREAM.UPDATE.POSTKEY"];
        subjects.extend(requests.map(|request| format!("{prefix}.{request}")));
        let requests = ["CONSUMER.DELETE", "CONSUMER.RESET", "CONSUMER.PAUSE", "CONSUMER.MSG.NEXT"];
        subjects.extend(requests.map(|request| format!("{prefix}.{request}.POSTKEY.{other}")));
    }
    subjects
}

/// Sends each request with each of these subjects to answer to, and waits until the last has been answered. Says how many
/// entries that makes by right.
async fn misuse(service: &Connected, asks: &[Ask], replies: &[String]) -> u64 {
    for Ask { subject, body, .. } in asks {
        for reply in replies {
            service.client.publish_with_reply(subject.clone(), reply.clone(), (*body).into()).await.unwrap();
        }
    }
    // A connection's requests are taken in their order: one that is answered comes after all of them.
    for Ask { subject, body, .. } in asks.iter().filter(|ask| ask.comes != Comes::Wake) {
        service.ask(subject, body, 1).await;
    }
    assert_eq!(service.violations(), Vec::<String>::new(), "all of it was asked by right");
    let appends = asks.iter().filter(|ask| ask.comes == Comes::Entry).count();
    u64::try_from(appends * (replies.len() + 1)).unwrap()
}

/// Has a projection reset its own consumer until that stays at the log's start: what was asked of it before is answered, and a reset
/// shows, only some time later, and must not be taken for another's doing.
async fn comes_to_rest(connected: &Connected, projection: &str, admin: &Connected) {
    let reset = format!("EV.API.CONSUMER.RESET.POSTKEY.{projection}");
    let mut at_rest = 0;
    until("the consumer stays where it was reset to", async || {
        connected.ask(&reset, r#"{"seq":1}"#, 1).await;
        at_rest = if admin.state().await[projection]["delivered"] == 0 { at_rest + 1 } else { 0 };
        (at_rest == 5).then_some(())
    })
    .await;
}

#[test]
fn every_identity_of_the_configuration_is_tested_with_all_that_it_may_ask() {
    let mut tested = [&SERVICES[..], &["admin", "system"]].concat();
    let mut there = identities();
    tested.sort_unstable();
    there.sort_unstable();
    assert_eq!(there, tested, "admin and system may do everything in their accounts, all others only what is tested");
    for service in SERVICES {
        assert!(asks(service).len() >= 5, "{service} may read: {:?}", asks(service));
    }
}

#[tokio::test]
async fn no_answer_of_a_service_reaches_the_log_or_its_api() {
    let site = Site::start().await;
    let admin = site.connect("admin").await;
    let mut before = admin.state().await;
    for service in SERVICES {
        let connected = site.connect(service).await;
        let entries = misuse(&connected, &asks(service), &harmful(service)).await;
        let mut after = admin.state().await;
        // What a command service appends is appended, and what a projection asks for its own consumer moves that one.
        for counted in ["messages", "last"] {
            before[counted] = json!(before[counted].as_u64().unwrap() + entries);
        }
        if service.starts_with("projection") {
            after[service] = before[service].clone();
        }
        assert_eq!(after, before, "{service}");
        if service.starts_with("projection") {
            comes_to_rest(&connected, service, &admin).await;
        }
        before = admin.state().await;
    }

    // In the log's account the same requests do all of that: an answer is stored, and one is taken for a request.
    admin.client.publish_with_reply("$JS.API.STREAM.INFO.POSTKEY", "postkey.forged", "".into()).await.unwrap();
    let forged = until("the answer is stored", async || {
        let stored = admin.api("$JS.API.STREAM.MSG.GET.POSTKEY", &json!({"last_by_subj": "postkey.forged"})).await.0;
        stored["message"]["seq"].as_u64()
    });
    assert_eq!(Some(forged.await), before["last"].as_u64().map(|last| last + 1), "nothing was stored before it");
    let history = r#"{"batch":3,"seq":1,"next_by_subj":"postkey.>"}"#;
    let reply = "$JS.API.STREAM.DELETE.POSTKEY";
    admin.client.publish_with_reply("$JS.API.DIRECT.GET.POSTKEY", reply, history.into()).await.unwrap();
    until("the empty end of the batch deletes the stream", async || {
        let info = admin.api("$JS.API.STREAM.INFO.POSTKEY", &Value::Null).await.0;
        (info["error"]["err_code"] == 10059).then_some(())
    })
    .await;
}

#[tokio::test]
async fn no_answer_of_a_service_is_taken_for_a_wake_up_or_lands_in_an_inbox() {
    let site = Site::start().await;
    let command = site.connect("command-1").await;
    let mut wakes = command.client.subscribe("wake.projection").await.unwrap();
    let mut inbox = command.client.subscribe("_INBOX_command-1.victim").await.unwrap();
    command.client.flush().await.unwrap();
    for service in ["auditor", "command-2", "projection-2"] {
        let mut replies = vec!["_INBOX_command-1.victim".to_owned()];
        // A projection may wake, by an answer too.
        if !service.starts_with("projection") {
            replies.push("wake.projection".to_owned());
        }
        let mut asks = asks(service);
        asks.retain(|ask| ask.comes != Comes::Wake);
        misuse(&site.connect(service).await, &asks, &replies).await;
    }
    // The first that arrives is what was sent last, by who may.
    let projection = site.connect("projection-1").await;
    projection.client.publish("wake.projection", "true".into()).await.unwrap();
    let first = tokio::time::timeout(SOON, wakes.next()).await.unwrap().unwrap();
    assert_eq!(first.payload, "true");
    let own = "_INBOX_command-1.victim";
    command.client.publish_with_reply("EV.API.STREAM.MSG.GET.POSTKEY", own, r#"{"seq":2}"#.into()).await.unwrap();
    let first = tokio::time::timeout(SOON, inbox.next()).await.unwrap().unwrap();
    let first: Value = serde_json::from_slice(&first.payload).unwrap();
    assert_eq!(first["message"]["seq"], 2);
}

#[tokio::test]
async fn no_trace_of_a_message_is_stored() {
    let site = Site::start().await;
    let admin = site.connect("admin").await;
    let before = admin.state().await;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Trace-Dest", "postkey.forged");
    // A command service may write there in any case.
    for service in ["projection-1", "projection-2", "auditor"] {
        let connected = site.connect(service).await;
        for Ask { subject, body, .. } in asks(service).into_iter().filter(|ask| ask.comes != Comes::Move) {
            let (inbox, headers) = (connected.client.new_inbox(), headers.clone());
            let sent = connected.client.publish_with_reply_and_headers(subject, inbox, headers, body.into());
            sent.await.unwrap();
        }
        connected.ask("EV.API.STREAM.INFO.POSTKEY", "", 1).await;
        assert_eq!(admin.state().await, before, "{service}");
    }
    // In the log's account the server stores what it tells of a message.
    let asked = admin.client.request_with_headers("$JS.API.STREAM.INFO.POSTKEY", headers, "".into());
    asked.await.unwrap();
    let stored = until("a trace is stored", async || admin.state().await["last"].as_u64().filter(|last| *last > 3));
    assert_eq!(stored.await, 4, "nothing was stored before it");
}
