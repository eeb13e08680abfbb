//! `GET /v1/audit/events/stream`: events as they come to be in force, as server-sent events (WHATWG HTML §9.2).
//!
//! A stream holds a place in the log and nothing else: events are looked for when its reader has taken the last ones. Whoever
//! reads slowly costs no memory, and whoever has read nothing for half a minute is hung up on, as everywhere.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::sse::{Event as Sent, Sse};
use futures::StreamExt;
use futures::stream::{self, Stream};
use postkey_http::{Caller, Code, Event, Fields, FromFields, Operation, Problem, Query, Tenancy, Violation};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::filter::{About, Filter};
use super::place::Place;
use super::seats::Seat;
use super::telling::{Page, ROLES, Telling};
use crate::app::App;
use crate::projector::Progress;
use crate::queries::{NOT_NOW, position};

/// So many events are looked for at once.
const AT_ONCE: usize = 100;
/// How long nothing is sent at the most: what stands between a service and its reader takes silence for death.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often it is looked whether the client may still ask: within five seconds of its token's end its streams end.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// The pause after a page that could not be had now.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that a stream may be told to wait, in seconds: a day.
const MAX_WAIT: u64 = 24 * 60 * 60;
/// The header by which a stream goes on where another ended.
const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Which events, and for how long they are waited for.
pub struct Asked {
    filter: Filter,
    wait: Option<Duration>,
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let filter = Filter::from_fields(fields);
        let wait = fields.optional_u64("wait").map(|seconds| Duration::from_secs(seconds.min(MAX_WAIT)));
        Some(Self { filter: filter?, wait })
    }
}

impl Asked {
    /// The service and the user that are asked for.
    pub fn about(&self) -> About {
        self.filter.about()
    }
}

/// Where it goes on: behind the event that this names.
pub struct LastEventId(Option<Place>);

impl<S: Send + Sync> FromRequestParts<S> for LastEventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut given = parts.headers.get_all(LAST_EVENT_ID).iter();
        let refused =
            |code: &'static str, hint: &str| Problem::invalid_input(vec![Violation::new(LAST_EVENT_ID, code, hint)]);
        match (given.next(), given.next()) {
            (None, _) => Ok(Self(None)),
            (Some(id), None) => {
                let place = id.to_str().ok().and_then(|id| id.parse().ok());
                place.map(|place| Self(Some(place))).ok_or_else(|| {
                    refused(
                        "invalid",
                        "the `id` of the last event that was read, or a position, or 0 for the beginning",
                    )
                })
            }
            _ => Err(refused("repeated", "say it once")),
        }
    }
}

pub fn operation() -> Operation {
    let id = json!({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "examples": ["4711.0"]});
    let example = format!("id: 4711.0\ndata: {}\n\n", json!(Event::example()));
    Operation::new("event_stream", "history", "What happens, as it happens")
        .details(
            "Server-sent events: each has an event as JSON, as `/v1/audit/events` has it, as its data, and its place as its `id`. \
             They come once they are in force, in the order of the log. It begins with what comes next, or behind the event that \
             `Last-Event-ID` names: a position stands for all events there, 0 for the beginning. Whoever reads on with the last \
             `id` sees every event exactly once.",
        )
        .details(
            "Every fifteen seconds at least something is sent: where there is no event, an `id` alone, so that what was looked \
             through need not be again.",
        )
        .details(
            "`wait` is for how many seconds more events are waited for, once all that there are were sent; without it, until the \
             service stops, or the token is revoked.",
        )
        .roles(ROLES)
        .tenancy()
        .header(LAST_EVENT_ID, "The `id` of the last event that was read.", id)
        .query::<Asked>()
        .answers_text(StatusCode::OK, "The events.", "text/event-stream", &example)
        .problems(NOT_NOW)
}

/// Events as they come to be in force, without end unless `wait` sets one. 503 `overloaded` where the caller, or all
/// callers of its kind, have as many streams as they may; what stands in the way of the first page is told as a problem, and of a later one by the end of the stream,
/// where it does not go away by itself.
pub async fn stream(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    LastEventId(last): LastEventId,
    Query(asked): Query<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let telling = Telling::new(app.clone(), caller, tenancy, asked.filter)?;
    let seat = app.streams.take(telling.caller())?;
    position::belongs_to_the_log(&app.progress.borrow())?;
    let place = match last {
        Some(place) => place,
        None => Place::behind(app.queries.live_rows().await?.applied),
    };
    let first = telling.page(place, AT_ONCE).await?;
    let now = Instant::now();
    let progress = app.progress.clone();
    let ends = asked.wait.map(|wait| now + wait);
    let mut streaming = Streaming { app, telling, place, progress, beats: now + HEARTBEAT, ends, _seat: seat };
    let events = streaming.take(first).0;
    let rest = stream::unfold(streaming, |mut streaming| async move {
        let sent = streaming.next().await?;
        Some((stream::iter(sent), streaming))
    });
    Ok(Sse::new(stream::iter(events).chain(rest.flatten()).map(Ok)))
}

/// One stream.
struct Streaming {
    app: App,
    telling: Telling,
    /// Everything up to here was sent, or is not asked for.
    place: Place,
    progress: watch::Receiver<Progress>,
    /// When something has to be sent.
    beats: Instant,
    /// When nothing is waited for any more.
    ends: Option<Instant>,
    _seat: Seat,
}

impl Streaming {
    /// What to send next; none at its end.
    async fn next(&mut self) -> Option<Vec<Sent>> {
        loop {
            if self.app.stop.is_cancelled() || !self.app.clients.knows(self.telling.caller()) {
                return None;
            }
            let pause = match self.telling.page(self.place, AT_ONCE).await {
                Ok(page) => {
                    let (events, more) = self.take(page);
                    if !events.is_empty() {
                        self.beats = Instant::now() + HEARTBEAT;
                        return Some(events);
                    }
                    if more {
                        continue;
                    }
                    None
                }
                Err(problem) if problem.code == Code::LogCorrupt => return None,
                // It goes away by itself, or is the caller's to see when it asks again; until then the stream says nothing.
                Err(problem) if problem.code == Code::NotFound => return None,
                Err(_) => Some(PAUSE),
            };
            let now = Instant::now();
            if self.ends.is_some_and(|ends| now >= ends) {
                return None;
            }
            if now >= self.beats {
                self.beats = now + HEARTBEAT;
                return Some(vec![Sent::default().id(self.place.to_string())]);
            }
            self.wait(pause, now).await;
        }
    }

    /// Waits until there may be something to do.
    async fn wait(&mut self, pause: Option<Duration>, now: Instant) {
        let place = self.place.position();
        let wakes = self.beats.min(now + LOOK_AGAIN);
        let wakes = self.ends.map_or(wakes, |ends| wakes.min(ends));
        let more = async {
            match pause {
                Some(pause) => sleep(pause).await,
                // The sender lives as long as the service.
                None => drop(self.progress.wait_for(|progress| progress.position > place).await),
            }
        };
        tokio::select! {
            () = self.app.stop.cancelled() => {}
            () = sleep_until(wakes) => {}
            () = more => {}
        }
    }

    /// Takes a page: what is to be sent of it, and whether there is more to look through at once.
    fn take(&mut self, Page { found, applied }: Page) -> (Vec<Sent>, bool) {
        // An event may have come to be in force that stands before a place that nobody has given yet.
        self.place = found.next.unwrap_or_else(|| Place::behind(applied)).max(self.place);
        let sent = found.events.into_iter().map(|(place, event)| {
            // An event is JSON without a line break.
            let event = serde_json::to_string(&event).unwrap_or_default();
            Sent::default().id(place.to_string()).data(event)
        });
        (sent.collect(), found.next.is_some())
    }
}
