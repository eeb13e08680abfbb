//! Who reads the history is recorded: one layer over all routes, so that none below `/v1/audit/` can be forgotten.

use std::sync::Arc;

use activity::{Activity, ActivityLog, Kind};
use axum::extract::{FromRef, FromRequestParts, MatchedPath, Request, State};
use axum::http::Uri;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use domain::{ServiceId, UserId};
use postkey_http::{Actor, Caller, Clients, CommandHeaders, Problem, RequestId, hyphenated};
use uuid::Uuid;

/// Where reads are recorded, and who is known.
#[derive(Clone)]
pub struct Reads {
    pub log: ActivityLog,
    pub clients: Arc<Clients>,
}

impl FromRef<Reads> for Arc<Clients> {
    fn from_ref(reads: &Reads) -> Self {
        Self::clone(&reads.clients)
    }
}

/// What is read at a route, in a word; none where it is nothing of the history.
fn read_at(route: &str) -> Option<&'static str> {
    route.strip_prefix("/v1/audit/").map(|part| match part {
        "activity" => "activity",
        "events" => "events",
        "events/stream" => "events_stream",
        "users/{user}" => "user",
        _ => "history",
    })
}

/// Records the call once it is answered: that it was read, or that it was refused. Of a stranger nothing is kept, nor of what
/// could not be read now.
pub async fn noted(State(reads): State<Reads>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let Some((what, route)) = route.and_then(|route| Some((read_at(route.as_str())?, route.clone()))) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let Ok(caller) = Caller::from_request_parts(&mut parts, &reads).await else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let read = Read::of(&parts, what, route.as_str());
    let response = next.run(Request::from_parts(parts, body)).await;
    let (kind, code) = match response.extensions().get::<Problem>() {
        None => (Kind::AuditRead, "ok"),
        Some(problem) if problem.code.status().is_client_error() => (Kind::Refused, problem.code.as_str()),
        Some(_) => return response,
    };
    reads.log.record(|| read.activity(caller, kind, code));
    response
}

/// What a call asks for.
struct Read {
    what: &'static str,
    service: Option<Uuid>,
    user: Option<Uuid>,
    headers: CommandHeaders,
    request: Option<RequestId>,
}

impl Read {
    fn of(parts: &Parts, what: &'static str, route: &str) -> Self {
        Self {
            what,
            service: in_query(&parts.uri, "service"),
            user: in_query(&parts.uri, "user").or_else(|| in_path(&parts.uri, route, "{user}")),
            // Who acts, and from where; what can't be read is not recorded.
            headers: CommandHeaders::parse(&parts.headers).unwrap_or_default(),
            request: parts.extensions.get().cloned(),
        }
    }

    fn activity(self, caller: Caller, kind: Kind, code: &'static str) -> Activity {
        Activity {
            kind,
            what: self.what,
            code,
            rules: Vec::new(),
            service: self.service.map(ServiceId::new),
            user: self.user.map(UserId::new),
            client: caller.name,
            actor: self.headers.actor.as_ref().map(Actor::as_str).map(str::to_owned),
            origin: self.headers.origin,
            request: self.request.as_ref().map(RequestId::as_str).unwrap_or_default().to_owned(),
        }
    }
}

/// The id that a parameter names, if it is one.
fn in_query(uri: &Uri, name: &str) -> Option<Uuid> {
    let pairs = uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| hyphenated(value))
}

/// The id that stands where the route has `name`, if it is one.
fn in_path(uri: &Uri, route: &str, name: &str) -> Option<Uuid> {
    let mut parts = route.split('/').zip(uri.path().split('/'));
    parts.find_map(|(part, given)| if part == name { hyphenated(given) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_history_is_a_read_and_no_other() {
        for (route, read) in [
            ("/v1/audit/events", Some("events")),
            ("/v1/audit/events/stream", Some("events_stream")),
            ("/v1/audit/activity", Some("activity")),
            ("/v1/audit/users/{user}", Some("user")),
            ("/v1/audit/what/comes/later", Some("history")),
            ("/v1/auth/verify", None),
            ("/v1/services", None),
        ] {
            assert_eq!(read_at(route), read, "{route}");
        }
    }

    #[test]
    fn ids_are_taken_from_where_they_stand_and_nothing_else_is() {
        let id = Uuid::from_u128(7);
        let uri: Uri = format!("/v1/audit/users/{id}?service={id}&user=ann&actor={id}").parse().unwrap();
        assert_eq!((in_query(&uri, "service"), in_query(&uri, "user"), in_query(&uri, "from")), (Some(id), None, None));
        assert_eq!(in_path(&uri, "/v1/audit/users/{user}", "{user}"), Some(id));
        assert_eq!(in_path(&uri, "/v1/audit/events", "{user}"), None);
    }
}
