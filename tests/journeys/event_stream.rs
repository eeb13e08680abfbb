//! Events as they come to be in force: once each, in their order, also across streams that break off.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use stage::{Api, MIB, Scene, new_user, until};

/// How long anything may take before it counts as missing.
const WITHIN: Duration = Duration::from_secs(30);

/// A stream that is being read.
struct Streaming {
    response: Response,
    read: String,
}

impl Streaming {
    /// Opens one for who has this token.
    async fn open(api: &Api, token: &str, query: &str, last: Option<&str>) -> Self {
        let url = format!("http://{}/v1/audit/events/stream{query}", api.address());
        let mut request = Client::builder().no_proxy().build().unwrap().get(url).bearer_auth(token);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { response, read: String::new() }
    }

    /// The next event and its id; none at the stream's end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| {
                    block.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
                };
                let event = field("data").map(|data| (field("id").unwrap(), serde_json::from_str(&data).unwrap()));
                self.read = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let chunk = tokio::time::timeout(WITHIN, self.response.chunk()).await.expect("nothing comes");
            self.read += std::str::from_utf8(&chunk.unwrap()?).unwrap();
        }
    }

    async fn some(&mut self, count: usize) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await.expect("the stream has ended"));
        }
        events
    }
}

async fn all_events(scene: &Scene) -> Vec<Value> {
    let page = scene.queries().get("/v1/audit/events?limit=500").await.is(200);
    assert_eq!(page["next"], Value::Null);
    page["events"].as_array().unwrap().clone()
}

async fn edit(scene: &Scene, n: usize) {
    let edit = json!({"first_name": format!("Ann{n}"), "password": format!("Tundra-{n:02}-quiver")});
    scene.operator().patch(&scene.ann(), &edit).await.receipt(200, &["UserEdited", "PasswordChanged"]);
}

fn told(events: Vec<(String, Value)>) -> Vec<Value> {
    events.into_iter().map(|(_, event)| event).collect()
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens_and_goes_on_behind_what_was_read() {
    let scene = Scene::set().await;
    let (api, token) = (scene.stack.projection(), scene.stack.token("operator"));
    let before = all_events(&scene).await.len();
    let mut live = Streaming::open(api, token, "", None).await;
    for n in 0..3 {
        edit(&scene, n).await;
    }
    let read = live.some(6).await;
    let all = all_events(&scene).await;
    assert_eq!(told(read.clone()), all[before..], "what was there before is not told");
    for pair in read.chunks(2) {
        let position = &pair[0].1["position"];
        assert_eq!([&pair[0].0, &pair[1].0], [&format!("{position}.0"), &format!("{position}.1")]);
    }

    // Behind each event, in the middle of an entry too, comes the one after it, and none twice.
    drop(live);
    for (nth, (id, _)) in read.iter().enumerate() {
        let mut again = Streaming::open(api, token, "?wait=0", Some(id)).await;
        let mut rest = Vec::new();
        while let Some((_, event)) = again.next().await {
            rest.push(event);
        }
        assert_eq!(rest, all[before + nth + 1..], "behind {id}");
    }
    let mut whole = Streaming::open(api, token, "?wait=0", Some("0")).await;
    assert_eq!(told(whole.some(all.len()).await), all);
    assert!(whole.next().await.is_none());
}

#[tokio::test]
async fn a_reader_that_breaks_off_again_and_again_misses_nothing_and_sees_nothing_twice() {
    let scene = Scene::set().await;
    let (api, token) = (scene.stack.projection(), scene.stack.token("auditor"));
    let edits = async {
        for n in 0..20 {
            edit(&scene, n).await;
        }
    };
    let reading = async {
        let (mut read, mut last) = (Vec::new(), "0".to_owned());
        while read.len() < 3 + 40 {
            let mut stream = Streaming::open(api, token, "", Some(&last)).await;
            for _ in 0..3 {
                if read.len() == 3 + 40 {
                    break;
                }
                let (id, event) = stream.next().await.unwrap();
                last = id;
                read.push(event);
            }
        }
        read
    };
    let ((), read) = tokio::join!(edits, reading);
    let auditor = scene.stack.queries_as("auditor");
    let page = auditor.get("/v1/audit/events?limit=500").await.is(200);
    assert_eq!(Value::from(read), page["events"]);
}

#[tokio::test]
async fn a_stream_has_the_filters_and_the_bounds_of_the_list() {
    let scene = Scene::set().await;
    let other = scene.provisioned("other.example", "other", 10, 100 * MIB).await;
    scene.added(&other, &new_user("eve@other.example")).await;
    edit(&scene, 1).await;
    let api = scene.stack.projection();
    let read = async |token: &str, query: &str| {
        let mut stream = Streaming::open(api, token, &format!("?wait=0{query}"), Some("0")).await;
        let mut events = Vec::new();
        while let Some((_, event)) = stream.next().await {
            events.push(event);
        }
        events
    };
    let operator = scene.stack.token("operator");
    let of = |events: &[Value], wanted: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        events.iter().filter(|event| wanted(event)).cloned().collect()
    };
    let all = all_events(&scene).await;
    let ann = json!(scene.ann);
    assert_eq!(read(operator, &format!("&user={}", scene.ann)).await, of(&all, &|event| event["user"] == ann));
    assert_eq!(read(operator, "&type=UserAdded").await, of(&all, &|event| event["type"] == "UserAdded"));
    let held = scene.stack.new_token(&scene.folder, "panel", "acme-panel", Some("acme")).await;
    let own = scene.stack.queries_as("panel").get("/v1/audit/events?limit=500").await.is(200);
    assert_eq!(Value::from(read(&held, "").await), own["events"]);

    let operator = scene.queries();
    for wrong in ["x", "-1", "7.", "7.x", ""] {
        let refused = operator.with("last-event-id", wrong).get("/v1/audit/events/stream?wait=0").await;
        assert_eq!(refused.violations(422, "invalid_input"), ["Last-Event-ID invalid"], "{wrong}");
    }
    let refused = operator.get("/v1/audit/events/stream?wait=x&type=Nonsense&limit=5").await;
    assert_eq!(refused.violations(422, "invalid_input"), ["limit unknown", "type invalid", "wait malformed"]);
    let nowhere = "01997b5c-0000-5000-8000-000000000000";
    operator.get(&format!("/v1/audit/events/stream?wait=0&service={nowhere}")).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_client_has_so_many_streams_and_no_more_and_they_end_with_its_token_and_the_service() {
    let mut scene = Scene::set().await;
    let token = scene.stack.new_token(&scene.folder, "auditor", "watches", None).await;
    let panel = scene.stack.new_token(&scene.folder, "panel", "acme-panel", Some("acme")).await;
    let api = scene.stack.projection().clone();
    let operator = scene.stack.token("operator").to_owned();
    let mut panels = Vec::new();
    for _ in 0..8 {
        panels.push(Streaming::open(&api, &panel, "", None).await);
    }
    let refused = api.bearing(&panel).get("/v1/audit/events/stream").await;
    assert!(refused.header("retry-after").parse::<u32>().is_ok(), "{refused:?}");
    refused.problem(503, "overloaded");
    let mut open = vec![Streaming::open(&api, &token, "", None).await];
    for _ in 0..8 {
        open.push(Streaming::open(&api, &operator, "", None).await);
    }
    scene.queries().get("/v1/audit/events/stream").await.problem(503, "overloaded");
    let auditor = scene.stack.queries_as("auditor").get("/v1/audit/events/stream?wait=0").await;
    assert_eq!(auditor.status, 200, "{auditor:?}");

    let clients = scene.folder.file("clients.json");
    let revoke = stage::postkey(["token", "revoke", "watches", "--clients-file", clients.to_str().unwrap()]);
    stage::run(revoke).await.worked();
    assert!(open.swap_remove(0).next().await.is_none(), "its token was revoked");
    drop(open.pop());
    until("a seat is free", async || {
        (scene.queries().get("/v1/audit/events/stream?wait=0").await.status == 200).then_some(())
    })
    .await;
    let mut last = open.pop().unwrap();
    let (ended, ()) = tokio::join!(last.next(), scene.stack.stop_all());
    assert!(ended.is_none(), "the service has stopped in good order");
}
