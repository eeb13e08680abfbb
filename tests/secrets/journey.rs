//! A journey with words that stand nowhere else, and every answer that it was given.

use reqwest::Method;
use serde_json::{Value, json};
use stage::{Answer, Api, MIB, Stack};

/// Every password that is set, tried, judged or refused on the way.
pub const PASSWORDS: [&str; 7] = [
    "Ocelot-58-Wigwam",
    "Narwhal-63-Bungee",
    "Pangolin-79-Kazoo",
    "Zyzzyva-17-Tryst",
    "qwxshort",
    "Ibex-33-Falsetto",
    "Wombat-41-Cymbal",
];
/// Every name, address and reason.
pub const PERSONAL: [&str; 9] = [
    "hortensia.vandermolen",
    "Hortensia",
    "Vandermolen",
    "Philippina",
    "gwendolyn.quackenbush",
    "Gwendolyn",
    "Quackenbush",
    "mislaid-on-the-ferry",
    ORIGIN,
];
/// Where the people came from.
pub const ORIGIN: &str = "203.0.113.77";

/// What came back: answers that name a user, as they must, and all others.
#[derive(Default)]
pub struct Answers {
    pub naming: Vec<Answer>,
    pub others: Vec<Answer>,
}

/// Provisions, adds, lists, edits, changes, fails in every way, suspends, removes, signs in and out.
pub async fn travelled(stack: &Stack) -> Answers {
    let mut answers = Answers::default();
    let operator = stack.commands_as("operator").with("postkey-origin", "203.0.113.77").with("postkey-actor", "op-1");
    let operator = operator.with("postkey-reason", "mislaid%2Don%2Dthe%2Dferry");
    let queries = stack.queries_as("operator");
    let plan = json!({"mailboxes": 10, "pool_bytes": 100 * MIB});
    let provision = json!({"domain": "acme.example", "customer": "acme", "plan": plan});
    let provisioned = operator.post("/v1/services", &provision).await;
    let service = format!("/v1/services/{}", provisioned.body["service"].as_str().unwrap());
    let users = format!("{service}/users");
    answers.others.push(provisioned);

    let hortensia = person("hortensia.vandermolen@acme.example", "Hortensia", "Vandermolen", PASSWORDS[0]);
    let added = operator.post(&users, &hortensia).await;
    let user = format!("{users}/{}", added.body["user"].as_str().unwrap());
    answers.others.push(added);
    let gwendolyn = person("gwendolyn.quackenbush@acme.example", "Gwendolyn", "Quackenbush", PASSWORDS[1]);
    let added = operator.post(&users, &gwendolyn).await;
    let other = format!("{users}/{}", added.body["user"].as_str().unwrap());
    answers.others.push(added);

    commands(&operator, &users, &user, &hortensia, &mut answers.others).await;
    logins(stack, &mut answers).await;
    own_changes(stack, &mut answers.others).await;
    for path in [&user, &other, &users] {
        answers.naming.push(queries.get(path).await);
    }
    let panel = stack.queries_as("panel");
    answers.naming.push(panel.get("/v1/audit/events").await);
    for path in [format!("{users}?search=Philippina%20Vandermolen"), format!("{users}?search=QUACKENBUSH")] {
        let found = panel.get(&path).await;
        assert_eq!(found.body["users"].as_array().map(Vec::len), Some(1), "{found:?}");
        answers.naming.push(found);
    }
    for wrong in ["?search=Quackenbush%0A", "?search=Hortensia&after=Quackenbush"] {
        answers.others.push(panel.get(&format!("{users}{wrong}")).await);
    }
    let reason = json!({"reason": "mislaid-on-the-ferry"});
    for (method, path, body) in [
        (Method::POST, format!("{user}/suspend"), Some(&reason)),
        (Method::POST, format!("{user}/suspend"), Some(&reason)),
        (Method::POST, format!("{user}/reactivate"), Some(&reason)),
        (Method::DELETE, other.clone(), None),
        (Method::DELETE, other, None),
    ] {
        answers.others.push(operator.send(method, &path, body).await);
    }
    for path in ["/v1/services", &service, "/v1/position", "/healthz", "/readyz"] {
        answers.others.push(queries.get(path).await);
    }
    for path in ["/v1/password-policy", "/healthz", "/readyz"] {
        answers.others.push(operator.get(path).await);
    }
    answers
}

fn person(address: &str, first_name: &str, last_name: &str, password: &str) -> Value {
    json!({
        "address": address, "first_name": first_name, "last_name": last_name, "quota_bytes": 10 * MIB,
        "password": password
    })
}

/// Changes, and refusals of every kind.
async fn commands(operator: &Api, users: &str, user: &str, known: &Value, answers: &mut Vec<Answer>) {
    let password = format!("{user}/password");
    let keyed = operator.with("idempotency-key", "change-1");
    let check = json!({"password": PASSWORDS[3], "address": "hortensia.vandermolen@acme.example"});
    let mut malformed = known.clone();
    malformed["first_name"] = "Hortensia\n".into();
    malformed["quota_bytes"] = "Vandermolen".into();
    malformed["Quackenbush-is-no-field"] = 1.into();
    let mut foreign = known.clone();
    foreign["address"] = "hortensia.vandermolen@other.example".into();
    for (api, method, path, body) in [
        (operator, Method::PATCH, user, json!({"first_name": "Philippina", "password": PASSWORDS[2]})),
        (operator, Method::PATCH, user, json!({"first_name": "Philippina"})),
        (&keyed, Method::PUT, &password, json!({"password": PASSWORDS[5]})),
        (&keyed, Method::PUT, &password, json!({"password": PASSWORDS[5]})),
        (&keyed, Method::PUT, &password, json!({"password": PASSWORDS[3]})),
        (operator, Method::PUT, &password, json!({"password": PASSWORDS[4]})),
        (operator, Method::PUT, &password, json!({"password": "Hortensia-1-Vandermolen"})),
        (operator, Method::PUT, &password, json!({"password": [PASSWORDS[3]]})),
        (operator, Method::POST, users, known.clone()),
        (operator, Method::POST, users, foreign),
        (operator, Method::POST, "/v1/passwords/check", check),
        (operator, Method::POST, "/v1/passwords/check", json!({"password": PASSWORDS[4]})),
        (operator, Method::GET, "/v1/nowhere/hortensia.vandermolen@acme.example", json!({})),
        (operator, Method::DELETE, &format!("{users}/hortensia.vandermolen@acme.example"), json!({})),
    ] {
        answers.push(api.send(method, path, Some(&body)).await);
    }
    // An unknown field is refused by its name, so this one names what it was sent.
    let answer = operator.post(users, &malformed).await;
    assert_eq!(answer.status, 422);
    let mut shown = answer;
    shown.text = shown.text.replace("Quackenbush-is-no-field", "…");
    answers.push(shown);
    let broken = format!("{{\"password\":\"{}\",\"first_name\":\"Hortensia\"", PASSWORDS[3]);
    answers.push(operator.with("content-type", "application/json").send_bytes(Method::PATCH, user, broken).await);
    let bad_token = operator.with("authorization", "Bearer Ocelot-58-Wigwam");
    answers.push(bad_token.patch(user, &json!({"first_name": "Hortensia"})).await);
}

/// Changes that a user makes in webmail: right, wrong, weak, the same, by nobody; and one in Roundcube.
async fn own_changes(stack: &Stack, answers: &mut Vec<Answer>) {
    let webmail = stack.commands_as("webmail").with("idempotency-key", "own-1");
    let address = "hortensia.vandermolen@acme.example";
    for (address, current, new, status) in [
        (address, PASSWORDS[3], PASSWORDS[6], 403),
        ("Quackenbush", PASSWORDS[5], PASSWORDS[6], 403),
        (address, PASSWORDS[5], PASSWORDS[4], 422),
        (address, PASSWORDS[5], "Philippina-1-x", 422),
        (address, PASSWORDS[5], PASSWORDS[5], 409),
        (address, PASSWORDS[5], PASSWORDS[6], 200),
        (address, PASSWORDS[5], PASSWORDS[6], 200),
        (address, PASSWORDS[6], PASSWORDS[0], 422),
    ] {
        let origin = "203.0.113.77";
        let asked = json!({"address": address, "current_password": current, "new_password": new, "origin": origin});
        let answer = webmail.post("/v1/self/password", &asked).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answers.push(answer);
    }
    let webmail = stack.commands_as("webmail");
    for (current, status) in [(PASSWORDS[0], 403), (PASSWORDS[6], 200)] {
        let form = [("user", address), ("curpass", current), ("newpass", PASSWORDS[5])];
        let answer = webmail.post_form("/v1/self/password/roundcube", &form).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answers.push(answer);
    }
}

/// Sign-ins: right, wrong, and by nobody.
async fn logins(stack: &Stack, answers: &mut Answers) {
    let webmail = stack.queries_as("webmail");
    for (address, password) in [
        ("hortensia.vandermolen@acme.example", PASSWORDS[0]),
        ("hortensia.vandermolen@acme.example", PASSWORDS[3]),
        ("hortensia.vandermolen@nowhere.example", PASSWORDS[5]),
        ("Quackenbush", PASSWORDS[1]),
    ] {
        let asked = json!({"address": address, "password": password, "origin": "203.0.113.77"});
        answers.others.push(webmail.post("/v1/auth/verify", &asked).await);
    }
    for (address, password) in
        [("hortensia.vandermolen@acme.example", PASSWORDS[5]), ("gwendolyn.quackenbush@acme.example", PASSWORDS[1])]
    {
        let asked = json!({"address": address, "password": password, "origin": "203.0.113.77"});
        let answer = webmail.post("/v1/auth/verify", &asked).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answers.naming.push(answer);
    }
}
