//! `GET /v1/audit/activity`: what the event log does not tell, as the activity log has it.

use activity::{Filter, Kept, Kind, Unavailable};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::{ServiceId, UserId};
use postkey_http::{
    ActivityPage, ActivityRecord, Actor, Caller, Code, Described, Fields, FromFields, Operation, Problem, Query, Role,
    Tenancy,
};
use serde_json::{Value, json};

use super::filter::{About, between, id, text};
use crate::app::App;
use crate::paging::{After, List, limit};
use crate::turns::Whose;

/// Which records.
pub struct Asked {
    filter: Filter,
    after: Option<After>,
    limit: u32,
}

/// One of [`Kind::ALL`].
struct KindName(Kind);

impl Described for KindName {
    fn schema() -> Value {
        json!({"type": "string", "enum": Kind::ALL.map(Kind::as_str)})
    }
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let service = fields.optional("service", id).map(ServiceId::new);
        let user = fields.optional("user", id).map(UserId::new);
        let kind = fields.optional("kind", |text| text.parse().map(KindName));
        let actor = fields.optional("actor", Actor::parse);
        let (from, to) = between(fields);
        let (after, limit) = (After::read(fields), limit(fields));
        let actor = actor.map(|actor| actor.as_str().to_owned());
        let filter = Filter { service, user, kind: kind.map(|KindName(kind)| kind), actor, from, to };
        Some(Self { filter, after, limit })
    }
}

impl Asked {
    /// The service and the user that are asked for.
    pub fn about(&self) -> About {
        (self.filter.service, self.filter.user)
    }

    /// The list that is walked through.
    fn list(&self) -> List {
        let Filter { service, user, kind, actor, from, to } = &self.filter;
        let kind = kind.map(Kind::as_str);
        let texts = [text(*service), text(*user), text(kind), text(actor.as_ref()), text(*from), text(*to)];
        List::new("activity", &texts.each_ref().map(String::as_str))
    }
}

/// Who may ask.
const ROLES: &[Role] = &[Role::Auditor, Role::Operator];

pub fn operation() -> Operation {
    let next = List::new("activity", &[]).cursor(&4711_u64.to_be_bytes());
    let page = ActivityPage { activity: vec![ActivityRecord::example()], next: Some(next) };
    Operation::new("activity", "history", "What was refused, who tried to sign in, who read the history")
        .details(
            "Nothing of it is in the event log, and nothing of it is proved: it is kept for so many days and up to a number of \
             each kind, and what could not be written in time is lost; `lost` says how much, as far as that is known. It \
             comes in the order in which it was written, a second or so after it was.",
        )
        .details(
            "`code` is the problem's code of what was refused; `ok` of what was read; of a login `ok`, `wrong`, `unknown`, \
             `suspended`, `removed`, `foreign` (another customer's than the client is held to), or the code of the problem \
             that kept it from being judged. The answer to a login never tells these apart.",
        )
        .details("A page may have fewer records than were asked for, or none, and a `next` all the same: only without one it is the last.")
        .details("It tells of all customers: with `Postkey-Customer` the call is `forbidden`.")
        .roles(ROLES)
        .query::<Asked>()
        .answers(StatusCode::OK, "A page.", &page)
        .problems(&[Code::NotFound, Code::Overloaded, Code::ActivityUnavailable])
}

/// Records of all customers. 404 where no activity log is kept; 503 where it can't be read, or while too many ask, or the
/// caller asks too often at once.
pub async fn activity(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    Query(asked): Query<Asked>,
) -> Result<Json<ActivityPage>, Problem> {
    caller.require(ROLES)?;
    if tenancy.only().is_some() {
        return Err(Problem::forbidden("the activity log tells of all customers: ask without Postkey-Customer"));
    }
    let Some(store) = app.activity.store() else {
        let detail = "no activity log is kept here: the services are started without --activity";
        return Err(Problem::not_found().with_detail(detail));
    };
    let list = asked.list();
    let place = |key: &[u8]| Some(u64::from_be_bytes(key.try_into().ok()?));
    let after = asked.after.as_ref().map(|after| after.key(&list, place)).transpose()?.unwrap_or(0);
    let _turn = app.looking.take(&Whose::of(&caller, &tenancy)).await?;
    let page = store.page(&asked.filter, after, asked.limit).await.map_err(unavailable)?;
    let next = page.next.map(|place| list.cursor(&place.to_be_bytes()));
    Ok(Json(ActivityPage { activity: page.records.into_iter().map(shown).collect(), next }))
}

fn unavailable(Unavailable(why): Unavailable) -> Problem {
    tracing::warn!(%why, "the activity log can't be read");
    Problem::new(Code::ActivityUnavailable)
}

fn shown(kept: Kept) -> ActivityRecord {
    ActivityRecord {
        at: kept.at,
        kind: kept.kind.as_str().into(),
        what: kept.what,
        code: kept.code,
        rules: kept.rules,
        service: kept.service.map(|service| service.uuid()),
        user: kept.user.map(|user| user.uuid()),
        client: kept.client,
        actor: kept.actor,
        origin: kept.origin,
        request_id: kept.request,
        lost: kept.lost,
    }
}
