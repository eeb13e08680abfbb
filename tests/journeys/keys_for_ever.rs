//! A key names its command for ever: before it, while it runs, after it, after a restart, when its service has long been
//! pushed out of memory, and a year of other commands later.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use stage::{Answer, Api, MIB, PASSWORD, Scene, new_user};
use tokio::task::JoinSet;

const NEW: &str = "Tundra-58-quiver";
const OTHER: &str = "Marmot-77-lantern";

/// How many commands a year has.
const YEAR: usize = 300;

/// A command of each kind, and another one by the same way.
struct Asked {
    role: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
    other: Value,
    status: u16,
    events: &'static [&'static str],
    /// Whether the body is sent as a form, and answered in a word that says only that it is in force.
    form: bool,
    /// Whether the keys are destroyed by which another body under the same key could be told.
    forgotten: bool,
}

impl Asked {
    fn key(&self) -> String {
        format!("{} {}", self.method, self.path).replace(' ', "-")
    }

    /// Its method and route.
    fn route(&self) -> (String, String) {
        let mut before = "";
        let parts = self.path.split('/').map(|part| match std::mem::replace(&mut before, part) {
            "services" => "{service}",
            "users" => "{user}",
            _ => part,
        });
        (self.method.to_string(), parts.collect::<Vec<_>>().join("/"))
    }

    fn api(&self, scene: &Scene) -> Api {
        scene.stack.commands_as(self.role).with("idempotency-key", &self.key()).with("prefer", "wait=30")
    }

    async fn send(&self, api: &Api, body: Option<&Value>) -> Answer {
        if !self.form {
            return api.send(self.method.clone(), &self.path, body).await;
        }
        let fields = body.and_then(Value::as_object).unwrap();
        let pairs: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
        api.post_form(&self.path, &pairs).await
    }

    /// What an answer says beside whether it is a repetition, and when it was seen to be in force; and whether it is one,
    /// where that is said.
    fn told(&self, answer: Answer) -> (Value, Option<bool>) {
        if self.form {
            assert_eq!((answer.status, answer.text.as_str()), (200, "ok"), "{answer:?}");
            return (json!("ok"), None);
        }
        let mut receipt = answer.receipt(self.status, self.events);
        let repeated = receipt["repeated"].as_bool();
        for field in ["repeated", "effective_at"] {
            receipt.as_object_mut().unwrap().remove(field);
        }
        (receipt, repeated)
    }

    /// Asks three times at once: it is carried out once, and all are told the same.
    async fn ask_at_once(&self, scene: &Scene) -> Value {
        let (api, head) = (self.api(scene), scene.stack.head().await);
        let ask = || self.send(&api, self.body.as_ref());
        let (first, second, third) = tokio::join!(ask(), ask(), ask());
        let [first, second, third] = [first, second, third].map(|answer| self.told(answer));
        assert_eq!(scene.stack.head().await, head + 1, "{}", self.key());
        assert!(first.0 == second.0 && second.0 == third.0, "{first:?} {second:?} {third:?}");
        let mut repeated = [first.1, second.1, third.1];
        repeated.sort_unstable();
        let once = [Some(false), Some(true), Some(true)];
        assert_eq!(repeated, if self.form { [None; 3] } else { once }, "{}", self.key());
        first.0
    }

    /// Asks once more, when it has long been done.
    async fn ask_again(&self, scene: &Scene) -> Value {
        let (told, repeated) = self.told(self.send(&self.api(scene), self.body.as_ref()).await);
        assert!(self.form || repeated == Some(true), "{}: {told}", self.key());
        told
    }

    async fn ask_for_something_else(&self, scene: &Scene, first: &Value) {
        let answer = self.send(&self.api(scene), Some(&self.other)).await;
        if self.forgotten {
            assert_eq!(self.told(answer), (first.clone(), Some(true)), "{}", self.key());
        } else {
            answer.problem(422, "idempotency_mismatch");
        }
    }
}

/// In an order in which each changes something. Bob changes his own password, Cem is suspended for a while, Dan leaves, Eli
/// has left, and is erased; Fay changes her own password in Roundcube.
async fn commands(scene: &Scene) -> Vec<Asked> {
    let mut users = Vec::new();
    for name in ["bob", "cem", "dan", "eli", "fay"] {
        users.push(scene.user(&scene.added(&scene.service, &new_user(&format!("{name}@acme.example"))).await));
    }
    scene.operator().delete(&users[3]).await.receipt(200, &["UserRemoved"]);
    let plan = |mailboxes: u64| json!({"mailboxes": mailboxes, "pool_bytes": 100 * MIB});
    let provision = |mailboxes| json!({"domain": "new.example", "customer": "acme", "plan": plan(mailboxes)});
    let own = |current, new| json!({"address": "bob@acme.example", "current_password": current, "new_password": new});
    let form = |current, new| json!({"user": "fay@acme.example", "curpass": current, "newpass": new});
    let asked = |method, path: &str, body, other, events| Asked {
        role: "operator",
        method,
        path: path.to_owned(),
        body,
        other,
        status: 200,
        events,
        form: false,
        forgotten: false,
    };
    let [_, cem, dan, eli, _] = users.as_slice() else { panic!("five users") };
    let ann = scene.ann();
    let because = || json!({"reason": "x"});
    let provisioned = ["ServiceProvisioned"].as_slice();
    vec![
        Asked { status: 201, ..asked(Method::POST, "/v1/services", Some(provision(3)), provision(4), provisioned) },
        asked(Method::PUT, &format!("/v1/services/{}/plan", scene.service), Some(plan(8)), plan(9), &["PlanChanged"]),
        Asked {
            status: 201,
            ..asked(
                Method::POST,
                &scene.users(),
                Some(new_user("eve@acme.example")),
                new_user("eva@acme.example"),
                &["UserAdded", "PasswordChanged"],
            )
        },
        asked(
            Method::PATCH,
            &ann,
            Some(json!({"first_name": "Annie", "quota_bytes": 11 * MIB})),
            json!({"first_name": "Annie"}),
            &["UserEdited"],
        ),
        asked(
            Method::PUT,
            &format!("{ann}/password"),
            Some(json!({"password": NEW})),
            json!({"password": OTHER}),
            &["PasswordChanged"],
        ),
        Asked {
            role: "webmail",
            ..asked(Method::POST, "/v1/self/password", Some(own(PASSWORD, NEW)), own(NEW, OTHER), &["PasswordChanged"])
        },
        Asked {
            role: "webmail",
            form: true,
            ..asked(Method::POST, "/v1/self/password/roundcube", Some(form(PASSWORD, NEW)), form(NEW, OTHER), &[])
        },
        asked(Method::POST, &format!("{cem}/suspend"), Some(because()), json!({}), &["UserSuspended"]),
        asked(Method::POST, &format!("{cem}/reactivate"), None, because(), &["UserReactivated"]),
        asked(Method::DELETE, dan, None, because(), &["UserRemoved"]),
        Asked { forgotten: true, ..asked(Method::POST, &format!("{eli}/erase"), None, because(), &["UserErased"]) },
    ]
}

/// Each is asked again, and answered as the first time; nothing else comes of it.
async fn all_are_repeated(scene: &Scene, commands: &[Asked], first: &[Value]) {
    let head = scene.stack.head().await;
    for (asked, first) in commands.iter().zip(first) {
        assert_eq!(asked.ask_again(scene).await, *first, "{}", asked.key());
        asked.ask_for_something_else(scene, first).await;
    }
    assert_eq!(scene.stack.head().await, head);
}

/// Another service is asked about, so that, with room for no users, the one before is forgotten.
async fn pushed_out(scene: &Scene, other: &str) {
    let path = format!("/v1/services/{other}/plan");
    let plan = json!({"mailboxes": 10, "pool_bytes": 100 * MIB});
    scene.operator().put(&path, &plan).await.receipt(200, &[]);
}

#[tokio::test]
async fn a_key_holds_at_every_moment_of_every_commands_life() {
    let mut scene = Scene::set_with(&[("POSTKEY_USERS_IN_MEMORY", "1")]).await;
    let other = scene.provisioned("other.example", "acme", 10, 100 * MIB).await;
    let commands = commands(&scene).await;

    let document = scene.stack.command().document().await;
    let takes_a_key = |operation: &Value| {
        operation["parameters"].as_array().into_iter().flatten().any(|one| one["name"] == "Idempotency-Key")
    };
    let routes = document.operations().into_iter().filter(|(_, _, operation)| takes_a_key(operation));
    let routes: BTreeSet<_> = routes.map(|(method, path, _)| (method, path)).collect();
    assert_eq!(commands.iter().map(Asked::route).collect::<BTreeSet<_>>(), routes, "every command");

    let head = scene.stack.head().await;
    for asked in &commands {
        // What was refused binds no key.
        let stale = asked.api(&scene).with("if-match", "\"1\"");
        let refused = asked.send(&stale, asked.body.as_ref()).await;
        assert_eq!(refused.header("idempotency-key"), asked.key());
        refused.problem(412, "stale_revision");
    }
    assert_eq!(scene.stack.head().await, head);

    let mut first = Vec::new();
    for asked in &commands {
        first.push(asked.ask_at_once(&scene).await);
    }
    all_are_repeated(&scene, &commands, &first).await;
    for (asked, first) in commands.iter().zip(&first) {
        pushed_out(&scene, &other).await;
        assert_eq!(asked.ask_again(&scene).await, *first, "{}", asked.key());
    }

    let mut year = JoinSet::new();
    for day in 0..YEAR {
        if year.len() == 16 {
            year.join_next().await.unwrap().unwrap();
        }
        let (operator, ann) = (scene.operator().with("prefer", "wait=0"), scene.ann());
        year.spawn(async move {
            let answer = operator.patch(&ann, &json!({"last_name": format!("Lee {day}")})).await;
            assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        });
    }
    while let Some(done) = year.join_next().await {
        done.unwrap();
    }
    all_are_repeated(&scene, &commands, &first).await;
    scene = scene.restarted().await;
    all_are_repeated(&scene, &commands, &first).await;
    pushed_out(&scene, &other).await;
    all_are_repeated(&scene, &commands, &first).await;

    scene.ann_signs_in(NEW).await.is(200);
    scene.stack.login("bob@acme.example", NEW).await.is(200);
    scene.stack.login("fay@acme.example", NEW).await.is(200);
    scene.stack.login("cem@acme.example", PASSWORD).await.is(200);
    scene.stack.login("dan@acme.example", PASSWORD).await.problem(401, "invalid_credentials");
}

/// Once another password has come after it, the pair of a user's own change proves nothing any more: a receipt would say
/// that the new password of then is the one that signs in.
#[tokio::test]
async fn a_users_own_change_is_repeated_as_long_as_it_is_in_force() {
    let mut scene = Scene::set().await;
    let webmail = |scene: &Scene| scene.stack.commands_as("webmail").with("idempotency-key", "k");
    let own = |current, new| json!({"address": "ann@acme.example", "current_password": current, "new_password": new});
    let first = webmail(&scene).post("/v1/self/password", &own(PASSWORD, NEW)).await.receipt(200, &["PasswordChanged"]);
    scene = scene.restarted().await;
    let again = webmail(&scene).post("/v1/self/password", &own(PASSWORD, NEW)).await.receipt(200, &["PasswordChanged"]);
    assert_eq!((&again["position"], &again["repeated"]), (&first["position"], &json!(true)));
    let path = format!("{}/password", scene.ann());
    scene.operator().put(&path, &json!({"password": OTHER})).await.receipt(200, &["PasswordChanged"]);
    for _ in 0..2 {
        let dead = webmail(&scene).post("/v1/self/password", &own(PASSWORD, NEW)).await;
        dead.problem(403, "wrong_current_password");
        let known = webmail(&scene).post("/v1/self/password", &own(OTHER, NEW)).await;
        known.problem(422, "idempotency_mismatch");
        scene.ann_signs_in(OTHER).await.is(200);
        scene = scene.restarted().await;
    }
}
