//! The clients against a service that notes what it is asked, and answers what it was told to.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use domain::Customer;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::staged::Counting;
use crate::{Code, Problem, RequestId, Violation, listen, sample, serve};

const TOKEN: &str = "hunter2";
const PASSWORD: &str = "s\"3cret ä\u{7}";

/// What a service was asked.
#[derive(Clone)]
struct Asked {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What it answers: status, headers, body.
type Answer = (StatusCode, HeaderMap, Vec<u8>);

#[derive(Clone)]
struct Noting {
    answer: Arc<Answer>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn note(State(noting): State<Noting>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let asked = Asked { method, target: uri.to_string(), headers, body: body.to_vec() };
    noting.asked.lock().unwrap().push(asked);
    (*noting.answer).clone().into_response()
}

/// A service that always answers the same.
struct Service {
    url: String,
    noting: Noting,
    _stop: DropGuard,
}

impl Service {
    async fn answering(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        let noting = Noting { answer: Arc::new((status, headers, body)), asked: Arc::default() };
        let router = Router::new().route("/{*path}", any(note)).with_state(noting.clone());
        let listener = listen("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(serve(router, Arc::new(Counting::default()), None, listener, stop.clone()));
        Self { url, noting, _stop: stop.drop_guard() }
    }

    async fn saying(answer: &impl Serialize) -> Self {
        Self::answering(StatusCode::OK, HeaderMap::new(), serde_json::to_vec(answer).unwrap()).await
    }

    async fn refusing(problem: Problem) -> Self {
        let body = problem.render(RequestId::parse(sample::REQUEST).as_ref());
        let (parts, _) = problem.into_response().into_parts();
        Self::answering(parts.status, parts.headers, body).await
    }

    fn command(&self) -> CommandClient {
        CommandClient::new(&self.url, &SecretString::from(TOKEN)).unwrap()
    }

    fn query(&self) -> QueryClient {
        QueryClient::new(&self.url, &SecretString::from(TOKEN)).unwrap()
    }

    fn verify(&self) -> VerifyClient {
        VerifyClient::new(&self.url, &SecretString::from(TOKEN)).unwrap()
    }

    /// Everything that it was asked.
    fn all(&self) -> Vec<Asked> {
        self.noting.asked.lock().unwrap().clone()
    }

    /// The one thing that it was asked.
    fn asked(&self) -> Asked {
        let [asked] = self.all().try_into().ok().unwrap();
        asked
    }
}

fn behalf() -> Behalf {
    Behalf {
        customer: Customer::parse("walkers").unwrap(),
        actor: "person-7".to_owned(),
        origin: Some(IpAddr::from([203, 0, 113, 7])),
        request_id: "panel-1.2_3".to_owned(),
    }
}

fn guard() -> Guard {
    Guard { key: "save-1".to_owned(), revision: Some(4711) }
}

fn unreachable<T: std::fmt::Debug>(answered: Result<T, CallError>) -> &'static str {
    match answered.unwrap_err() {
        CallError::Unreachable { reason, .. } => reason,
        CallError::Problem(problem) => panic!("{problem:?}"),
    }
}

fn refused<T: std::fmt::Debug>(answered: Result<T, CallError>) -> CallProblem {
    match answered.unwrap_err() {
        CallError::Problem(problem) => problem,
        CallError::Unreachable { url, reason } => panic!("{url}: {reason}"),
    }
}

#[tokio::test]
async fn a_command_says_on_whose_behalf_under_which_key_and_at_which_revision() {
    let receipt = Receipt::example(&["UserEdited", "PasswordChanged"]);
    let service = Service::saying(&receipt).await;
    let edit = UserEdit { last_name: Some("Yilmaz".into()), password: Some(PASSWORD.into()), ..UserEdit::default() };
    let answered =
        service.command().edit_user(&behalf(), sample::SERVICE, sample::USER, &edit, &guard()).await.unwrap();
    assert_eq!(answered, receipt);

    let asked = service.asked();
    let path = format!("/v1/services/{}/users/{}", sample::SERVICE, sample::USER);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("PATCH", path.as_str()));
    for (name, value) in [
        ("authorization", "Bearer hunter2"),
        ("content-type", "application/json"),
        ("idempotency-key", "save-1"),
        ("if-match", "\"4711\""),
        ("prefer", "wait=5"),
        ("postkey-customer", "walkers"),
        ("postkey-actor", "person-7"),
        ("postkey-origin", "203.0.113.7"),
        ("x-request-id", "panel-1.2_3"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    assert_eq!(asked.json(), json!({"last_name": "Yilmaz", "password": PASSWORD}));
}

#[tokio::test]
async fn what_is_not_known_is_not_sent() {
    let service = Service::saying(&Receipt::example(&[])).await;
    let nobody = Behalf { origin: None, request_id: "no id".into(), ..behalf() };
    let at = Guard { revision: None, ..guard() };
    let command = service.command();
    command.edit_user(&nobody, sample::SERVICE, sample::USER, &UserEdit::default(), &at).await.unwrap();
    let asked = service.asked();
    assert_eq!(asked.json(), json!({}));
    assert_eq!(asked.header("if-match"), None);
    assert_eq!(asked.header("postkey-origin"), None);
    assert_eq!(asked.header("x-request-id"), None);
}

#[tokio::test]
async fn each_command_has_its_own_path() {
    let service = Service::saying(&Receipt::example(&["UserAdded"])).await;
    let (command, behalf, at) = (service.command(), behalf(), guard());
    let (of, user) = (sample::SERVICE, sample::USER);
    let zoe = NewUser {
        address: "zoe@walk.example".into(),
        first_name: "Zoe".into(),
        last_name: "Young".into(),
        quota_bytes: 1_073_741_824,
        password: PASSWORD.into(),
    };
    command.add_user(&behalf, of, &zoe, "add-1").await.unwrap();
    command.suspend_user(&behalf, of, user, &at).await.unwrap();
    command.reactivate_user(&behalf, of, user, &at).await.unwrap();
    command.remove_user(&behalf, of, user, &at).await.unwrap();
    let asked = service.all();
    let lines: Vec<_> = asked.iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect();
    let users = format!("/v1/services/{of}/users");
    let expected = [
        format!("POST {users}"),
        format!("POST {users}/{user}/suspend"),
        format!("POST {users}/{user}/reactivate"),
        format!("DELETE {users}/{user}"),
    ];
    assert_eq!(lines, expected);
    let body = json!({
        "address": "zoe@walk.example", "first_name": "Zoe", "last_name": "Young", "quota_bytes": 1_073_741_824,
        "password": PASSWORD,
    });
    assert_eq!(asked[0].json(), body);
    assert_eq!((asked[0].header("idempotency-key"), asked[0].header("if-match")), (Some("add-1"), None));
    for asked in &asked[1..] {
        assert_eq!((asked.header("idempotency-key"), asked.header("if-match")), (Some("save-1"), Some("\"4711\"")));
        assert!(asked.body.is_empty());
    }
}

#[tokio::test]
async fn what_no_service_would_take_in_a_header_is_not_sent() {
    let service = Service::saying(&Receipt::example(&[])).await;
    let command = service.command();
    let wrong = Behalf { actor: "a b\r\nx: y".into(), ..behalf() };
    let told = refused(command.remove_user(&wrong, sample::SERVICE, sample::USER, &guard()).await);
    assert_eq!((told.status, told.code), (422, Some(Code::InvalidInput)));
    assert_eq!(told.violations[0].field, "Postkey-Actor");
    let at = Guard { key: String::new(), revision: None };
    let told = refused(command.remove_user(&behalf(), sample::SERVICE, sample::USER, &at).await);
    assert_eq!(told.violations[0].field, "Idempotency-Key");
    assert!(service.all().is_empty());
}

#[tokio::test]
async fn texts_in_a_query_are_encoded_and_lead_nowhere_else() {
    let page = Users { users: vec![User::example()], next: Some("abc".into()) };
    let service = Service::saying(&page).await;
    let list = UserList { search: Some("a&limit=1#/ä +".into()), after: Some("x-_".into()), limit: 20 };
    assert_eq!(service.query().users(&behalf(), sample::SERVICE, &list).await.unwrap(), page);
    let path = format!("/v1/services/{}/users", sample::SERVICE);
    let query = "search=a%26limit%3D1%23%2F%C3%A4+%2B&after=x-_&limit=20";
    assert_eq!(service.asked().target, format!("{path}?{query}"));
}

#[tokio::test]
async fn a_question_says_whose_services_it_is_about() {
    let page = Events { events: vec![Event::example()], next: None };
    let service = Service::saying(&page).await;
    let list = EventList { user: Some(sample::USER), limit: 50, ..EventList::default() };
    assert_eq!(service.query().events(&behalf(), &list).await.unwrap(), page);
    let asked = service.asked();
    assert_eq!(asked.target, format!("/v1/audit/events?user={}&limit=50", sample::USER));
    assert_eq!((asked.header("postkey-customer"), asked.header("postkey-actor")), (Some("walkers"), Some("person-7")));
}

#[tokio::test]
async fn a_login_says_where_the_person_comes_from() {
    let service = Service::saying(&Verified::example()).await;
    let origin = Some("2001:db8::7".parse().unwrap());
    let answered = service.verify().verify("zoe@walk.example", &PASSWORD.into(), origin, "login-1").await.unwrap();
    assert_eq!(answered, Verified::example());
    let asked = service.asked();
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/v1/auth/verify"));
    assert_eq!(asked.header("x-request-id"), Some("login-1"));
    let body = json!({"address": "zoe@walk.example", "password": PASSWORD, "origin": "2001:db8::7"});
    assert_eq!(asked.json(), body);
}

#[tokio::test]
async fn a_problem_is_told_as_the_service_told_it() {
    let weak = vec![Violation::new("password", "too_short", "Use at least 8 characters.")];
    let service = Service::refusing(Problem::weak_password(weak.clone())).await;
    let edit = UserEdit { password: Some("x".into()), ..UserEdit::default() };
    let told = refused(service.command().edit_user(&behalf(), sample::SERVICE, sample::USER, &edit, &guard()).await);
    assert_eq!((told.status, told.code, told.retry_after), (422, Some(Code::WeakPassword), None));
    assert_eq!(told.violations, weak);
    assert_eq!(told.request_id.as_deref(), Some(sample::REQUEST));

    let service = Service::refusing(Problem::throttled(32, false)).await;
    let told = refused(service.verify().verify("zoe@walk.example", &PASSWORD.into(), None, "login-1").await);
    assert_eq!((told.code, told.retry_after), (Some(Code::Throttled), Some(Duration::from_secs(32))));
    assert_eq!(told.detail.as_deref(), Some("too many attempts with a wrong password: try again in 32 s"));
}

#[tokio::test]
async fn a_code_that_is_not_known_is_none_and_nothing_of_it_is_displayed() {
    let problem = json!({
        "type": "urn:postkey:problem:moon", "title": "Moon", "status": 409, "detail": "a\nb", "code": "full_moon",
        "request_id": "a\nb", "phase": 4,
    });
    let body = serde_json::to_vec(&problem).unwrap();
    let service = Service::answering(StatusCode::CONFLICT, HeaderMap::new(), body).await;
    let failed = service.query().service(&behalf(), sample::SERVICE).await;
    assert_eq!(
        failed.as_ref().unwrap_err().to_string(),
        "the service refuses: a code that is not known here, status 409"
    );
    let told = refused(failed);
    assert_eq!((told.status, told.code, told.request_id), (409, None, None));
    assert_eq!(told.detail.as_deref(), Some("a\nb"));
}

#[tokio::test]
async fn fields_of_a_newer_service_are_passed_over() {
    let mut user = serde_json::to_value(User::example()).unwrap();
    user["colour"] = json!("green");
    let service = Service::saying(&user).await;
    assert_eq!(service.query().user(&behalf(), sample::SERVICE, sample::USER).await.unwrap(), User::example());

    let mut event = serde_json::to_value(Event::example()).unwrap();
    event["data"]["colour"] = json!("green");
    let service = Service::saying(&json!({"events": [event], "next": null, "more": 1})).await;
    let page = service.query().events(&behalf(), &EventList::default()).await.unwrap();
    assert_eq!(page.events, [Event::example()]);
}

#[test]
fn what_was_erased_is_told_apart_from_what_an_event_does_not_say() {
    let read = |value: Value| -> EventData { serde_json::from_value(value).unwrap() };
    let erased = json!({"first_name": null, "quota_bytes": 1});
    let data = read(erased.clone());
    assert_eq!((&data.first_name, &data.last_name), (&Some(None), &None));
    assert_eq!(serde_json::to_value(data).unwrap(), erased);
    assert_eq!(read(json!({})), EventData::default());
    assert_eq!(serde_json::to_value(EventData::default()).unwrap(), json!({}));
}

#[test]
fn instants_are_written_to_the_microsecond() {
    let user = serde_json::to_value(User::example()).unwrap();
    assert_eq!(user["credential_changed_at"], "2026-11-24T12:03:04.123456Z");
    let whole = Receipt { effective_at: Some("2026-11-24T12:03:04Z".parse().unwrap()), ..Receipt::example(&[]) };
    assert_eq!(serde_json::to_value(whole).unwrap()["effective_at"], "2026-11-24T12:03:04.000000Z");
    assert_eq!(serde_json::to_value(Receipt::example(&[]).later()).unwrap()["effective_at"], Value::Null);
    assert_eq!(serde_json::to_value(Event::example()).unwrap()["at"], "2026-11-24T12:03:04.123456Z");
}

#[tokio::test]
async fn an_answer_has_a_bound_which_grows_with_the_rows_that_were_asked_for() {
    let of = |rows: usize| Users {
        users: vec![User { last_name: Some("ä".repeat(100)), ..User::example() }; rows],
        next: None,
    };
    let service = Service::saying(&of(500)).await;
    let list = |limit| UserList { limit, ..UserList::default() };
    let (query, behalf) = (service.query(), behalf());
    assert_eq!(query.users(&behalf, sample::SERVICE, &list(500)).await.unwrap().users.len(), 500);
    let longer = query.users(&behalf, sample::SERVICE, &list(1)).await;
    assert_eq!(unreachable(longer), "what came is none of its answers");
    assert_eq!(unreachable(query.position(0, Duration::ZERO).await), "what came is none of its answers");
}

#[tokio::test]
async fn a_stranger_at_the_address_is_noticed_and_a_redirect_is_not_followed() {
    for (status, body) in [(StatusCode::OK, "<html>"), (StatusCode::BAD_GATEWAY, "<html>"), (StatusCode::OK, "{}")] {
        let service = Service::answering(status, HeaderMap::new(), body.into()).await;
        let strange = service.query().service(&behalf(), sample::SERVICE).await;
        assert_eq!(unreachable(strange), "what came is none of its answers", "{status} {body}");
    }
    let elsewhere = Service::saying(&super::Service::example()).await;
    let to = HeaderMap::from_iter([(header::LOCATION, elsewhere.url.parse().unwrap())]);
    let service = Service::answering(StatusCode::TEMPORARY_REDIRECT, to, Vec::new()).await;
    assert_eq!(
        unreachable(service.query().service(&behalf(), sample::SERVICE).await),
        "what came is none of its answers"
    );
    assert!(elsewhere.all().is_empty());
}

#[tokio::test]
async fn nobody_there_is_told_without_token_or_password() {
    let listener = listen("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = VerifyClient::new(&url, &SecretString::from(TOKEN)).unwrap();
    let failed = client.verify("zoe@walk.example", &PASSWORD.into(), None, "login-1").await.unwrap_err();
    let printed = format!("{failed} {failed:?}");
    assert!(
        printed.contains("no connection") && !printed.contains(TOKEN) && !printed.contains("s\"3cret"),
        "{printed}"
    );
}

#[tokio::test]
async fn a_suggestion_is_read_and_a_policy_without_a_bound_on_scores_too() {
    let service = Service::saying(&Suggestion::example()).await;
    let suggested = service.command().suggest_password().await.unwrap();
    assert_eq!(suggested.expose_secret(), Suggestion::example().password.expose_secret());
    let policy = json!({
        "version": "standard-1", "profile": "standard", "min_length": 8, "max_bytes": 1024, "required": ["upper"],
        "personal": true, "blocklist": true, "min_score": null,
        "rules": [{"code": "too_short", "hint": "Use at least 8 characters.", "min_length": 8}],
    });
    let service = Service::saying(&policy).await;
    let read = service.command().password_policy().await.unwrap();
    assert_eq!((read.rules[0].min_length, read.rules[0].max_bytes), (Some(8), None));
    assert_eq!(serde_json::to_value(read).unwrap(), policy);
}

#[tokio::test]
async fn a_check_sends_what_is_known_of_the_user() {
    let service = Service::saying(&Checked::example()).await;
    let check = PasswordCheck {
        password: PASSWORD.into(),
        address: Some("zoe@walk.example".into()),
        first_name: None,
        last_name: None,
    };
    assert_eq!(service.command().check_password(&check).await.unwrap(), Checked::example());
    assert_eq!(service.asked().json(), json!({"password": PASSWORD, "address": "zoe@walk.example"}));
}

#[test]
fn clients_print_without_their_token_and_answers_without_what_is_personal() {
    let token = SecretString::from(TOKEN);
    let url = "http://127.0.0.1:1";
    let clients = (CommandClient::new(url, &token), QueryClient::new(url, &token), VerifyClient::new(url, &token));
    let printed = format!("{clients:?}");
    assert!(printed.contains(url) && !printed.contains(TOKEN), "{printed}");
    let data = EventData { first_name: Some(Some("Zoe".into())), ..EventData::default() };
    let event = Event { data, ..Event::example() };
    let printed = format!("{:?} {:?} {event:?} {:?}", User::example(), Verified::example(), behalf());
    assert!(!printed.contains("zoe@") && !printed.contains("Zoe") && !printed.contains("203.0"), "{printed}");
    assert!(matches!(QueryClient::new("https://p:8082", &token), Err(ClientError::NoTls(_))));
    assert!(matches!(QueryClient::new(url, &"a b".into()), Err(ClientError::NotAToken)));
}
