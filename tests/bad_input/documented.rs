//! Whatever a document says is wrong, is not taken: each parameter of each question and of a command, and each field of
//! bodies, is given many texts. The stage holds every request that is taken against the document; here it is seen to that
//! there is something to hold.

use std::collections::HashMap;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use stage::{Answer, Api, Document, MIB, PASSWORD, Random, Scene, new_user};

/// Texts that are near to one thing or another.
const TEXTS: &[&str] = &[
    "",
    " ",
    "a",
    "acme",
    "acme ",
    "two words",
    "*",
    "%",
    "%zz",
    "%ff",
    "%C3%BC",
    "%c3%bc",
    "%0A",
    "%7F",
    "%C2%85",
    "a%20b",
    "0",
    "1",
    "500",
    "501",
    "007",
    "-1",
    "+1",
    "1.0",
    "1e2",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "\u{667}",
    "\"0\"",
    "\"4711\"",
    "\"007\"",
    "\"+7\"",
    "\"18446744073709551615\"",
    "\"18446744073709551616\"",
    "W/\"1\"",
    "\"1\", \"2\"",
    "192.0.2.1",
    "192.0.2.01",
    "192.0.2.1:80",
    "192.0.2",
    "2001:db8::1",
    "2001:DB8::1",
    "::ffff:192.0.2.1",
    "[::1]",
    "fe80::1%eth0",
    "2026-11-24T08:00:00Z",
    "2026-11-24t08:00:00.5z",
    "2026-11-24 08:00:00Z",
    "2026-11-24T08:00Z",
    "2026-11-24T24:00:00Z",
    "2026-02-30T08:00:00Z",
    "2026-11-24T08:00:60Z",
    "2026-11-24T08:00:00+01:00",
    "2026-11-24T08:00:00+0100",
    "2026-11-24T08:00:00-00:00",
    "2026-11-24T08:00:00",
    "2026-11-24",
    "+02026-11-24T08:00:00Z",
    "99999-11-24T08:00:00Z",
    "UserAdded",
    "audit_read",
    "useradded",
    "LogCreated",
    "active",
    "0191d3a5-7c3e-7000-8000-00000000000a",
    "0191D3A5-7C3E-7000-8000-00000000000A",
    "0191d3a57c3e7000800000000000000a",
    "{0191d3a5-7c3e-7000-8000-00000000000a}",
    "urn:uuid:0191d3a5-7c3e-7000-8000-00000000000a",
    "0191d3a5_7c3e_7000_8000_00000000000a",
    "\u{15f}",
    "e\u{301}",
    "\u{301}",
    "\u{feff}",
    "\u{a0}",
    "\u{2003}",
    "\u{200b}",
    "a\0",
    "a\nb",
    "\u{85}",
    "\u{2028}",
    "\u{1f511}",
    "zoe@walk.example",
    " zoe@walk.example",
    "ZOE@Walk.Example",
    "zoe@b\u{fc}cher.example",
    "zo\u{eb}@walk.example",
    "zoe@walk",
    "zoe@walk.1",
    "zoe@192.0.2.1",
    "zoe@[192.0.2.1]",
    "zoe@-walk.example",
    "zoe@a@walk.example",
    "zoe..x@walk.example",
    "walk.example",
    "walk.1",
    "1.2",
    "b\u{fc}cher.example",
    "b\u{fc}cher\u{3002}example",
    "walk\u{3002}example",
    "w\u{ad}alk.example",
    "xn--bcher-kva.example",
    "xn--\u{fc}.example",
    "wa--lk.example",
    "walk.example.",
    ".walk.example",
    "walk..example",
    "wa_lk.example",
    "\u{2460}.example",
    "\u{212a}.example",
    "a.\u{301}b",
];

/// These, and texts of every length that has a bound, and such as nobody has thought of.
fn texts() -> Vec<String> {
    let mut texts: Vec<_> = TEXTS.iter().map(|text| (*text).to_owned()).collect();
    for length in [63, 64, 65, 100, 101, 128, 129, 253, 254, 255, 256, 318, 319, 500, 501] {
        texts.extend(["x", "ş", "e\u{301}", "%C3%BC"].map(|text| text.repeat(length)));
        texts.push(format!("{} ", "x".repeat(length)));
        texts.push(format!("{}.example", "x".repeat(length)));
        texts.push(format!("{}@walk.example", "x".repeat(length)));
        texts.push(format!("zoe@{}walk.example", "x.".repeat(length / 2)));
    }
    let mut random = Random::seeded();
    let alphabet: Vec<char> = "aZ09.-_@ \"*%+:,/&=\u{fc}\u{301}\u{3002}\u{ad}\u{2028}\t".chars().collect();
    for _ in 0..100 {
        let length = random.of(1..8);
        let letter = |_| alphabet[usize::try_from(random.of(0..alphabet.len() as u64)).unwrap()];
        texts.push((0..length).map(letter).collect());
    }
    texts
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// How many texts each parameter or field was given, and how many of them were taken.
#[derive(Default)]
struct Tally(HashMap<String, (usize, usize)>);

impl Tally {
    fn count(&mut self, named: &str, answer: &Answer) {
        assert!(matches!(answer.status, 200..400 | 404 | 409 | 412 | 422), "{named}: {answer:?}");
        let (given, taken) = self.0.entry(named.to_owned()).or_default();
        *given += 1;
        *taken += usize::from(answer.status < 400);
    }

    /// Some were taken, and whatever is not taken as it is, in part.
    #[track_caller]
    fn has_both(&self, expected: usize, free: &[&str]) {
        assert!(self.0.len() >= expected, "{:?}", self.0);
        for (named, (given, taken)) in &self.0 {
            let is_free = free.iter().any(|free| named.ends_with(free));
            assert!(*taken > 0 && (*taken < *given) != is_free, "{named}: {taken} of {given} were taken");
        }
    }
}

/// Gives every parameter of an operation each text, by itself.
async fn tries_parameters(
    scene: &Scene,
    api: &Api,
    (method, template, body): (&Method, &str, Option<&Value>),
    texts: &[String],
    tally: &mut Tally,
) {
    let document: &Document = api.document().await;
    let (_, _, operation) =
        document.operations().into_iter().find(|(is, path, _)| of_document(method) == is && path == template).unwrap();
    let path = template.replace("{service}", &scene.service).replace("{user}", &scene.ann);
    for parameter in operation["parameters"].as_array().unwrap() {
        let parameter = document.resolve(parameter);
        let name = parameter["name"].as_str().unwrap();
        for text in texts {
            let (api, path) = match parameter["in"].as_str().unwrap() {
                "header" if HeaderValue::from_str(text).is_err() => continue,
                "header" => (api.with(name, text), path.clone()),
                "query" => (api.clone(), format!("{path}?{name}={}", encoded(text))),
                _ => {
                    let id = if name == "service" { &scene.service } else { &scene.ann };
                    (api.clone(), path.replace(id.as_str(), &encoded(text)))
                }
            };
            tally.count(&format!("{method} {template} {name}"), &api.send(method.clone(), &path, body).await);
        }
        // An id and a cursor are right where they name what there is.
        let right = match name {
            "service" if parameter["in"] == "path" => path.replace(&scene.service, &scene.service.to_uppercase()),
            "service" => format!("{path}?service={}", scene.service),
            "user" if parameter["in"] == "path" => path.replace(&scene.ann, &scene.ann.to_uppercase()),
            "as_of" => format!("{path}?as_of=2100-01-01T00:00:00Z"),
            "after" => {
                let page = api.get(&format!("{path}?limit=1")).await.is(200);
                format!("{path}?after={}", page["next"].as_str().unwrap())
            }
            _ => continue,
        };
        tally.count(&format!("{method} {template} {name}"), &api.send(method.clone(), &right, body).await);
    }
}

/// The method under which the document has it.
fn of_document(method: &Method) -> &str {
    if *method == Method::HEAD { "GET" } else { method.as_str() }
}

#[tokio::test]
async fn no_parameter_is_taken_that_the_documents_say_is_wrong() {
    let scene = Scene::set().await;
    // So that every list has two pages.
    scene.provisioned("other.example", "acme", 1, MIB).await;
    scene.added(&scene.service, &new_user("bob@acme.example")).await;
    let (texts, mut tally) = (texts(), Tally::default());
    let queries = scene.stack.queries_as("panel");
    for (method, template, _) in queries.document().await.operations() {
        if method == "GET" && template.starts_with("/v1/") {
            let panels = !["/v1/audit/activity", "/v1/rebuild"].contains(&template.as_str())
                && !template.starts_with("/v1/audit/users/");
            let api = if panels { queries.clone() } else { scene.queries() };
            // A stream stays where its body is asked for.
            let method = if template.ends_with("/stream") { Method::HEAD } else { Method::GET };
            tries_parameters(&scene, &api, (&method, &template, None), &texts, &mut tally).await;
        }
    }
    let edit = json!({"first_name": "Ann"});
    let command = (&Method::PATCH, "/v1/services/{service}/users/{user}", Some(&edit));
    tries_parameters(&scene, &scene.operator(), command, &texts, &mut tally).await;
    // What can't be read of these is ignored.
    tally.has_both(30, &["X-Request-Id", "If-None-Match", "Prefer"]);
}

#[tokio::test]
async fn no_field_is_taken_that_the_documents_say_is_wrong() {
    let scene = Scene::set().await;
    let (operator, ann, mut tally) = (scene.operator(), scene.ann(), Tally::default());
    let suspend = format!("{ann}/suspend");
    for text in texts() {
        for field in ["first_name", "last_name"] {
            tally.count(field, &operator.patch(&ann, &json!({field: text})).await);
        }
        for field in ["address", "first_name", "last_name"] {
            let check = json!({"password": PASSWORD, field: text});
            tally.count(&format!("check {field}"), &operator.post("/v1/passwords/check", &check).await);
        }
        let plan = json!({"mailboxes": 1, "pool_bytes": MIB});
        let service = json!({"domain": text, "customer": "acme", "plan": plan});
        tally.count("domain", &operator.post("/v1/services", &service).await);
        let suspended = operator.post(&suspend, &json!({"reason": text})).await;
        tally.count("reason", &suspended);
        if suspended.status == 200 {
            operator.post_nothing(&format!("{ann}/reactivate")).await.receipt(200, &["UserReactivated"]);
        }
    }
    let numbers = [0, 1, 10, 1_000_000, 1_000_001, MIB - 1, MIB, MIB + 1, 10 * MIB, 1 << 52, 1 << 53, u64::MAX];
    for number in numbers.map(Value::from).into_iter().chain([json!(-1), json!(1.5), json!("1"), json!(null)]) {
        tally.count("quota_bytes", &operator.patch(&ann, &json!({"quota_bytes": number})).await);
        for field in ["mailboxes", "pool_bytes"] {
            let mut plan = json!({"mailboxes": 10, "pool_bytes": 100 * MIB});
            plan[field] = number.clone();
            tally.count(field, &operator.put(&format!("/v1/services/{}/plan", scene.service), &plan).await);
        }
    }
    tally.has_both(10, &[]);
}
