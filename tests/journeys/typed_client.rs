//! The workspace's own clients of the services, as a panel and its webmail page use them: every call, and every answer held
//! against what stands on the wire, so that a field which only one side renames fails.

use std::net::IpAddr;
use std::time::Duration;

use domain::Customer;
use postkey_http::{
    Behalf, CallError, CallProblem, Code, CommandClient, EventData, EventList, Guard, NewUser, PasswordCheck,
    QueryClient, Receipt, UserEdit, UserList, VerifyClient,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use stage::{Api, MIB, PASSWORD, Scene, is_instant};
use uuid::Uuid;

const ADDRESS: &str = "zoe@acme.example";
const NEW_PASSWORD: &str = "Tundra-58-quiver";

/// A scene, and the clients of a panel that may speak for every customer, and speaks for Acme.
struct Panel {
    scene: Scene,
    service: Uuid,
    behalf: Behalf,
    command: CommandClient,
    query: QueryClient,
    verify: VerifyClient,
}

impl Panel {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let url = |api: &Api| format!("http://{}", api.address());
        let token = |role| SecretString::from(scene.stack.token(role));
        let (command, projection) = (url(scene.stack.command()), url(scene.stack.projection()));
        Self {
            service: scene.service.parse().unwrap(),
            behalf: behalf("acme"),
            command: CommandClient::new(&command, &token("panel")).unwrap(),
            query: QueryClient::new(&projection, &token("panel")).unwrap(),
            verify: VerifyClient::new(&projection, &token("webmail")).unwrap(),
            scene,
        }
    }

    async fn zoe_added(&self) -> Uuid {
        let added = self.command.add_user(&self.behalf, self.service, &zoe(), "add-zoe").await.unwrap();
        happened(&added, &["UserAdded", "PasswordChanged"]);
        added.user.unwrap()
    }

    /// What a path of the projection's says on the wire, to the same panel.
    async fn on_the_wire(&self, path: &str) -> Value {
        self.scene.stack.queries_as("panel").get(path).await.is(200)
    }

    async fn signs_in(&self, password: &str) -> Result<postkey_http::Verified, CallError> {
        self.verify.verify(ADDRESS, &password.into(), Some(IpAddr::from([203, 0, 113, 7])), "login-1").await
    }
}

fn behalf(customer: &str) -> Behalf {
    Behalf {
        customer: Customer::parse(customer).unwrap(),
        actor: "person-7".to_owned(),
        origin: Some(IpAddr::from([203, 0, 113, 7])),
        request_id: "panel-1".to_owned(),
    }
}

fn zoe() -> NewUser {
    NewUser {
        address: ADDRESS.to_owned(),
        first_name: "Zoë".to_owned(),
        last_name: "Young".to_owned(),
        quota_bytes: 10 * MIB,
        password: PASSWORD.into(),
    }
}

fn at(key: &str, revision: impl Into<Option<u64>>) -> Guard {
    Guard { key: key.to_owned(), revision: revision.into() }
}

#[track_caller]
fn happened(receipt: &Receipt, events: &[&str]) {
    assert_eq!(receipt.events, events, "{receipt:?}");
    assert!(receipt.effective && receipt.effective_at.is_some() && !receipt.repeated, "{receipt:?}");
    assert_eq!(receipt.position, receipt.revision, "{receipt:?}");
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answered: Result<T, CallError>, code: Code) -> CallProblem {
    match answered.unwrap_err() {
        CallError::Problem(problem) => {
            assert_eq!((problem.code, problem.status), (Some(code), code.status().as_u16()), "{problem:?}");
            problem
        }
        CallError::Unreachable { url, reason } => panic!("{url}: {reason}"),
    }
}

#[tokio::test]
async fn a_user_is_added_saved_suspended_reactivated_and_removed() {
    let panel = Panel::set().await;
    let (command, behalf, service) = (&panel.command, &panel.behalf, panel.service);
    let user = panel.zoe_added().await;
    let verified = panel.signs_in(PASSWORD).await.unwrap();
    assert_eq!((verified.user, verified.service), (user, service));

    let names =
        UserEdit { last_name: Some("Yilmaz".into()), password: Some(NEW_PASSWORD.into()), ..UserEdit::default() };
    let save = at("save-1", verified.revision);
    let saved = command.edit_user(behalf, service, user, &names, &save).await.unwrap();
    happened(&saved, &["UserEdited", "PasswordChanged"]);
    refused(panel.signs_in(PASSWORD).await, Code::InvalidCredentials);
    assert_eq!(panel.signs_in(NEW_PASSWORD).await.unwrap().credential_revision, saved.revision);

    let again = command.edit_user(behalf, service, user, &names, &save).await.unwrap();
    assert!(again.repeated && again.position == saved.position, "{again:?}");
    let quota = UserEdit { quota_bytes: Some(11 * MIB), first_name: Some("Zoe".into()), ..UserEdit::default() };
    let stale = command.edit_user(behalf, service, user, &quota, &at("save-2", verified.revision)).await;
    refused(stale, Code::StaleRevision);
    let widened = command.edit_user(behalf, service, user, &quota, &at("save-3", saved.revision)).await.unwrap();
    happened(&widened, &["UserEdited"]);

    let state = async || panel.query.user(behalf, service, user).await.unwrap().state;
    let suspended = command.suspend_user(behalf, service, user, &at("suspend-1", widened.revision)).await.unwrap();
    happened(&suspended, &["UserSuspended"]);
    assert_eq!(state().await, "suspended");
    let back = command.reactivate_user(behalf, service, user, &at("back-1", suspended.revision)).await.unwrap();
    happened(&back, &["UserReactivated"]);
    assert_eq!(state().await, "active");
    let removed = command.remove_user(behalf, service, user, &at("remove-1", None)).await.unwrap();
    happened(&removed, &["UserRemoved"]);
    assert_eq!(state().await, "removed");
    refused(command.suspend_user(behalf, service, user, &at("suspend-2", None)).await, Code::WrongState);
}

#[tokio::test]
async fn a_receipt_is_read_as_it_stands_on_the_wire() {
    let panel = Panel::set().await;
    let user = panel.zoe_added().await;
    let edit = UserEdit { first_name: Some("Zoe".into()), ..UserEdit::default() };
    let save = at("save-1", None);
    panel.command.edit_user(&panel.behalf, panel.service, user, &edit, &save).await.unwrap();
    let again = panel.command.edit_user(&panel.behalf, panel.service, user, &edit, &save).await.unwrap();
    let raw = panel.scene.stack.commands_as("panel").with("idempotency-key", "save-1");
    let mut wire = raw.patch(&panel.scene.user(&user.to_string()), &json!({"first_name": "Zoe"})).await.is(200);
    let mut read = serde_json::to_value(again).unwrap();
    // Each repetition is known to be in force at an instant of its own.
    assert!(is_instant(&wire["effective_at"].take()) && is_instant(&read["effective_at"].take()));
    assert_eq!(read, wire);
}

#[tokio::test]
async fn lists_are_read_as_they_stand_on_the_wire() {
    let panel = Panel::set().await;
    let (query, behalf, service) = (&panel.query, &panel.behalf, panel.service);
    let user = panel.zoe_added().await;
    panel.scene.provisioned("acme.test", "acme", 1, MIB).await;

    let services = query.services(behalf, None, 1).await.unwrap();
    assert_eq!(serde_json::to_value(&services).unwrap(), panel.on_the_wire("/v1/services?limit=1").await);
    let rest = query.services(behalf, services.next.as_deref(), 1).await.unwrap();
    assert_eq!((rest.services[0].domain.as_str(), rest.next), ("acme.test", None));
    let one = query.service(behalf, service).await.unwrap();
    assert_eq!(serde_json::to_value(&one).unwrap(), panel.on_the_wire(&format!("/v1/services/{service}")).await);
    assert_eq!((one.usage.mailboxes, one.plan.mailboxes), (2, 10));

    let list = |search: Option<&str>, after: Option<String>, limit| UserList {
        search: search.map(str::to_owned),
        after,
        limit,
    };
    let users = panel.scene.users();
    let page = query.users(behalf, service, &list(None, None, 1)).await.unwrap();
    assert_eq!(serde_json::to_value(&page).unwrap(), panel.on_the_wire(&format!("{users}?limit=1")).await);
    let rest = query.users(behalf, service, &list(None, page.next, 1)).await.unwrap();
    assert_eq!((rest.users[0].user, rest.next), (user, None));
    let found = query.users(behalf, service, &list(Some("zoë Y"), None, 500)).await.unwrap();
    assert_eq!(found.users, rest.users);
    let one = query.user(behalf, service, user).await.unwrap();
    assert_eq!(serde_json::to_value(&one).unwrap(), panel.on_the_wire(&format!("{users}/{user}")).await);

    let head = panel.scene.stack.head().await;
    let position = query.position(head, Duration::from_secs(1)).await.unwrap();
    assert_eq!((position.position, position.stopped), (head, None));
}

#[tokio::test]
async fn events_are_read_as_they_stand_on_the_wire_and_say_who_acted() {
    let panel = Panel::set().await;
    let (behalf, service) = (&panel.behalf, panel.service);
    let user = panel.zoe_added().await;
    let save = UserEdit { first_name: Some("Zoe".into()), quota_bytes: Some(11 * MIB), ..UserEdit::default() };
    panel.command.edit_user(behalf, service, user, &save, &at("save-1", None)).await.unwrap();

    let all = panel.query.events(behalf, &EventList { limit: 500, ..EventList::default() }).await.unwrap();
    assert_eq!(serde_json::to_value(&all).unwrap(), panel.on_the_wire("/v1/audit/events?limit=500").await);
    let list = EventList { service: Some(service), user: Some(user), after: None, limit: 2 };
    let page = panel.query.events(behalf, &list).await.unwrap();
    let rest = EventList { after: page.next.clone(), ..list };
    let rest = panel.query.events(behalf, &rest).await.unwrap();
    let told: Vec<_> = page.events.iter().chain(&rest.events).collect();
    let types: Vec<_> = told.iter().map(|event| event.r#type.as_ref()).collect();
    assert_eq!(types, ["UserAdded", "PasswordChanged", "UserEdited"]);
    assert!(told.iter().all(|event| event.actor.as_deref() == Some("person-7") && event.user == Some(user)));
    let added = EventData {
        address: Some(Some(ADDRESS.into())),
        first_name: Some(Some("Zoë".into())),
        last_name: Some(Some("Young".into())),
        quota_bytes: Some(10 * MIB),
        ..EventData::default()
    };
    let edited =
        EventData { first_name: Some(Some("Zoe".into())), quota_bytes: Some(11 * MIB), ..EventData::default() };
    assert_eq!((&told[0].data, &told[2].data), (&added, &edited));
    assert_eq!(told[1].data.by_user, Some(false));
}

#[tokio::test]
async fn passwords_are_judged_and_suggested_and_the_policy_is_read_whole() {
    let panel = Panel::set().await;
    let policy = panel.command.password_policy().await.unwrap();
    let wire = panel.scene.stack.commands_as("panel").get("/v1/password-policy").await.is(200);
    assert_eq!(serde_json::to_value(policy).unwrap(), wire);

    let check = |password: SecretString| PasswordCheck {
        password,
        address: Some(ADDRESS.to_owned()),
        first_name: Some("Marguerite".to_owned()),
        last_name: Some("Young".to_owned()),
    };
    let suggested = panel.command.suggest_password().await.unwrap();
    let judged = panel.command.check_password(&check(suggested.clone())).await.unwrap();
    assert!(judged.violations.is_empty() && judged.score >= 3, "{judged:?}");
    let weak = panel.command.check_password(&check("marguerite".into())).await.unwrap();
    let body = json!({"password": "marguerite", "address": ADDRESS, "first_name": "Marguerite", "last_name": "Young"});
    let wire = panel.scene.stack.commands_as("panel").post("/v1/passwords/check", &body).await.is(200);
    assert_eq!(serde_json::to_value(&weak).unwrap(), wire);
    assert!(weak.violations.iter().any(|rule| rule.code == "contains_personal"), "{weak:?}");
    assert_ne!(suggested.expose_secret(), panel.command.suggest_password().await.unwrap().expose_secret());
}

#[tokio::test]
async fn what_a_service_refuses_is_told_with_every_wrong_field_and_by_which_request() {
    let panel = Panel::set().await;
    let (command, behalf_acme, service) = (&panel.command, &panel.behalf, panel.service);
    let weak = NewUser { password: "zoe".into(), ..zoe() };
    let told = refused(command.add_user(behalf_acme, service, &weak, "add-1").await, Code::WeakPassword);
    assert!(told.violations.iter().all(|violation| violation.field == "password"), "{told:?}");
    assert!(told.violations.iter().any(|violation| violation.code == "too_short"), "{told:?}");
    assert_eq!(told.request_id.as_deref(), Some("panel-1"));
    let wrong = NewUser { address: "zoe".into(), quota_bytes: 1, ..zoe() };
    let told = refused(command.add_user(behalf_acme, service, &wrong, "add-2").await, Code::InvalidInput);
    let fields: Vec<_> = told.violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["address", "quota_bytes"]);

    let other = behalf("other");
    refused(panel.query.service(&other, service).await, Code::NotFound);
    refused(command.add_user(&other, service, &zoe(), "add-3").await, Code::NotFound);
    let stranger = QueryClient::new(&format!("http://{}", panel.scene.stack.projection().address()), &"x".into());
    refused(stranger.unwrap().service(behalf_acme, service).await, Code::Unauthenticated);

    panel.zoe_added().await;
    for _ in 0..5 {
        refused(panel.signs_in("wrong").await, Code::InvalidCredentials);
    }
    let told = refused(panel.signs_in("wrong").await, Code::Throttled);
    assert!(told.retry_after.is_some_and(|wait| !wait.is_zero()), "{told:?}");
}

#[tokio::test]
async fn a_service_that_has_gone_is_told_apart_from_one_that_refuses() {
    let Panel { scene, service, behalf, query, .. } = Panel::set().await;
    query.service(&behalf, service).await.unwrap();
    scene.stack.stop().await;
    let gone = query.service(&behalf, service).await.unwrap_err();
    assert!(matches!(gone, CallError::Unreachable { reason: "no connection", .. }), "{gone}");
}
