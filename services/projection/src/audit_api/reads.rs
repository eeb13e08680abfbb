//! Who reads the history is recorded: one layer over all routes, so that none below `/v1/audit/` can be forgotten, nor the entries
//! beside the ledger's tiles. Tiles and checkpoints say nothing of what happened.

use std::sync::Arc;

use activity::{Activity, ActivityLog, Kind};
use axum::extract::{FromRef, FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use domain::UserId;
use postkey_http::{Actor, Caller, Clients, CommandHeaders, FromFields, PathIds, Problem, Query, RequestId};

use super::filter::About;
use super::{events, stream};

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
    match route {
        "/v1/audit/activity" => Some("activity"),
        "/v1/audit/events" => Some("events"),
        "/v1/audit/events/stream" => Some("events_stream"),
        "/v1/audit/users/{user}" => Some("user"),
        "/ledger/tile/entries/{*index}" => Some("entries"),
        other => other.starts_with("/v1/audit/").then_some("history"),
    }
}

/// Records the call once it is answered: that it was read, or that it was refused. Of a stranger nothing is kept, nor of what
/// could not be read now.
pub async fn noted(State(reads): State<Reads>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let Some(what) = route.and_then(|route| read_at(route.as_str())) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let Ok(caller) = Caller::from_request_parts(&mut parts, &reads).await else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    let read = Read::of(&mut parts, what).await;
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
    about: About,
    headers: CommandHeaders,
    request: Option<RequestId>,
}

impl Read {
    async fn of(parts: &mut Parts, what: &'static str) -> Self {
        Self {
            what,
            about: about(parts, what).await,
            // Who acts, and from where; what can't be read is not recorded.
            headers: CommandHeaders::parse(&parts.headers).unwrap_or_default(),
            request: parts.extensions.get().cloned(),
        }
    }

    fn activity(self, caller: Caller, kind: Kind, code: &'static str) -> Activity {
        let (service, user) = self.about;
        Activity {
            kind,
            what: self.what,
            code,
            rules: Vec::new(),
            service,
            user,
            client: caller.name,
            actor: self.headers.actor.as_ref().map(Actor::as_str).map(str::to_owned),
            origin: self.headers.origin,
            request: self.request.as_ref().map(RequestId::as_str).unwrap_or_default().to_owned(),
        }
    }
}

/// Whom a call is about, read as its handler reads it; nobody where that refuses it.
async fn about(parts: &mut Parts, what: &'static str) -> About {
    match what {
        "activity" => asked(parts).await.map(|asked: super::activity::Asked| asked.about()),
        "events" => asked(parts).await.map(|asked: events::Asked| asked.about()),
        "events_stream" => asked(parts).await.map(|asked: stream::Asked| asked.about()),
        "user" => {
            let id = PathIds::from_request_parts(parts, &()).await.ok();
            id.map(|PathIds([user])| (None, Some(UserId::new(user))))
        }
        _ => None,
    }
    .unwrap_or_default()
}

async fn asked<T: FromFields>(parts: &mut Parts) -> Option<T> {
    Query::from_request_parts(parts, &()).await.ok().map(|Query(asked)| asked)
}

#[cfg(test)]
mod tests {
    use domain::ServiceId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_route_of_the_history_is_a_read_and_no_other() {
        for (route, read) in [
            ("/v1/audit/events", Some("events")),
            ("/v1/audit/events/stream", Some("events_stream")),
            ("/v1/audit/activity", Some("activity")),
            ("/v1/audit/users/{user}", Some("user")),
            ("/v1/audit/what/comes/later", Some("history")),
            ("/ledger/tile/entries/{*index}", Some("entries")),
            ("/ledger/tile/{level}/{*index}", None),
            ("/ledger/checkpoint", None),
            ("/v1/auth/verify", None),
            ("/v1/services", None),
        ] {
            assert_eq!(read_at(route), read, "{route}");
        }
    }

    #[tokio::test]
    async fn ids_are_read_from_a_query_as_its_handler_reads_them() {
        let id = Uuid::from_u128(7);
        let written = id.to_string().replace('0', "%30").replace('-', "%2d");
        let both = (Some(ServiceId::new(id)), Some(UserId::new(id)));
        for (query, named) in [
            (format!("service={id}&user={id}"), both),
            (format!("service={written}&user={written}"), both),
            (format!("%73ervice={id}"), (Some(ServiceId::new(id)), None)),
            (format!("actor={id}"), (None, None)),
            (format!("service={id}&user=ann"), (None, None)),
        ] {
            for what in ["activity", "events", "events_stream"] {
                let uri = format!("/?{query}");
                let (mut parts, ()) = axum::http::Request::get(&uri).body(()).unwrap().into_parts();
                assert_eq!(about(&mut parts, what).await, named, "{what} {query}");
            }
        }
    }
}
