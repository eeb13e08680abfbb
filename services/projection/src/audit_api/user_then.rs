//! `GET /v1/audit/users/{user}`: a user as it stood at a moment.

use std::sync::Arc;

use audit::{AsOf, UserReplay};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{Position, UserId};
use futures::StreamExt;
use postkey_http::{
    Caller, Code, Described, Fields, FromFields, Operation, PathIds, Problem, Query, Role, Tenancy, UserThen, Violation,
};
use serde_json::{Value, json};
use wire::{OpenError, open_all};

use super::entries;
use super::looking::not_opened;
use super::telling::note;
use crate::app::App;
use crate::queries::{NOT_NOW, own_service, position};
use crate::read_model::LedgerRows;
use crate::turns::Whose;

/// Who may ask.
const ROLES: &[Role] = &[Role::Auditor, Role::Operator];
/// So many entries are opened as one.
const BATCH: usize = 256;

/// As of when.
pub struct Asked {
    as_of: Option<Moment>,
}

/// A moment, as a query has it.
struct Moment(AsOf);

impl Described for Moment {
    fn schema() -> Value {
        json!({
            "type": "string", "pattern": r"^([0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9:.]+([Zz]|[+-][0-9:]+))?)$",
            "description": "A position of the log, an instant as RFC 3339 has it (a + is written %2B), or the end of a day in UTC. \
                            What happened at it counts. Now, where absent.",
            "examples": ["2026-11-24T12:03:04Z"],
        })
    }
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let as_of = fields.optional("as_of", |text| {
            // A + that is not written %2B reads as a blank, which the parser of instants takes; that of numbers takes a sign.
            let plain = !text.contains(' ') && !text.starts_with('+');
            let moment = Some(text).filter(|_| plain).and_then(|text| text.parse().ok());
            moment
                .map(Moment)
                .ok_or("a position, an instant such as 2026-11-24T12:03:04Z (a + is written %2B), or a day")
        });
        Some(Self { as_of })
    }
}

pub fn operation() -> Operation {
    Operation::new("user_then", "history", "How did a user stand at a moment?")
        .details(
            "Found by the user's own entries alone, however many others its service has. Address and names are null where they \
             are erased by now; never a hash. 404 for a user who was not there yet. An auditor without the right to personal data \
             sees no address and no name, and the answer says `redacted`.",
        )
        .roles(ROLES)
        .tenancy()
        .query::<Asked>()
        .answers(StatusCode::OK, "How it stood.", &UserThen::example())
        .problems(NOT_NOW)
}

/// How a user stood. 404 for one that there never was, that was not there yet, or of another customer than the call is held
/// to; 422 for a position that is not in force yet; 503 where the ledger, by which its entries are found, is still being made.
pub async fn user_then(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    PathIds([user]): PathIds<1>,
    Query(Asked { as_of }): Query<Asked>,
) -> Result<Json<UserThen>, Problem> {
    caller.require(ROLES)?;
    position::belongs_to_the_log(&app.progress.borrow())?;
    let user = UserId::new(user);
    let state = app.ledger.ledger().await?;
    let applied = state.applied.map_or(Position::START, |applied| applied.position);
    let to = match as_of {
        Some(Moment(AsOf::Position(position))) if position > applied => {
            let hint = format!("a position up to {applied}, the last one that is in force");
            return Err(Problem::invalid_input(vec![Violation::new("as_of", "beyond", hint)]));
        }
        Some(Moment(AsOf::Position(position))) => position,
        _ => applied,
    };
    if state.size < to {
        return Err(Problem::new(Code::CatchingUp).with_detail("the ledger is still being made from the log"));
    }
    let _turn = app.looking.take(&Whose::of(&caller, &tenancy)).await?;
    let replay = replayed(&app, user, to, as_of.as_ref()).await.inspect_err(|problem| note(&app.history, problem))?;
    let Some(then) = audit::shown::user_then(user, &replay) else {
        // Of whichever customer: it is told to whoever may see all.
        let told = tenancy.only().is_none();
        let ever = told && !app.ledger.entries_about(user, Position::START, applied, 1).await?.is_empty();
        let detail = "the user was not there yet";
        return Err(if ever { Problem::not_found().with_detail(detail) } else { Problem::not_found() });
    };
    if let (Some(_), Some(service)) = (tenancy.only(), replay.service()) {
        own_service(&app, &tenancy, service).await?;
    }
    Ok(Json(if caller.sees_personal() { then } else { then.redacted() }))
}

/// The fold of the entries about a user up to a position, as far as the moment covers them.
async fn replayed(app: &App, user: UserId, to: Position, as_of: Option<&Moment>) -> Result<UserReplay, Problem> {
    let ledger = Arc::clone(&app.ledger) as Arc<dyn LedgerRows>;
    let mut entries = entries::about(&app.log, &*ledger, user, Position::START, to).chunks(BATCH);
    let mut replay = UserReplay::new(user);
    while let Some(chunk) = entries.next().await {
        let stored: Vec<_> = chunk.into_iter().collect::<Result<Vec<_>, _>>()?;
        let stored: Vec<_> = stored.into_iter().filter_map(|(_, stored)| stored).collect();
        for opened in open_all(&stored, app.log.id(), &app.vault).await.map_err(|error| not_opened(&error))? {
            // Instants of a service never go back.
            if as_of.is_some_and(|moment| !moment.0.covers(&opened)) {
                return Ok(replay);
            }
            replay.take(&opened).map_err(|corrupt| not_opened(&OpenError::Corrupt(corrupt)))?;
        }
    }
    Ok(replay)
}
