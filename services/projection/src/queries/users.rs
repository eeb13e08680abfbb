//! `GET /v1/services/{service}/users` and `GET /v1/services/{service}/users/{user}`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::{ServiceId, UserId};
use postkey_http::{
    Caller, Code, Described, Fields, FromFields, IfNoneMatch, Operation, PathIds, Problem, Query, Tenancy, User, Users,
    sample,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ASKERS, own_service, question, with_entity_tag};
use crate::app::App;
use crate::paging::{After, List, limit};
use crate::read_model::{Needle, UserQuery};
use crate::turns::Whose;

/// Which users.
pub struct Asked {
    search: Option<Needle>,
    after: Option<After>,
    limit: u32,
}

impl Described for Needle {
    fn schema() -> Value {
        json!({
            "type": "string", "minLength": 1, "maxLength": Self::MAX_CODE_POINTS, "examples": ["yil"],
            // What folds to nothing, accents alone, is refused besides: no pattern says that.
            "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$",
            "description": "A part of a name, of both (`first last`) or of the address, whatever its case and accents.",
        })
    }
}

impl FromFields for Asked {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let search = fields.optional("search", Needle::parse);
        Some(Self { search, after: After::read(fields), limit: limit(fields) })
    }
}

fn example_page() -> Users {
    Users { users: vec![User::example()], next: Some(List::new("users", &[]).cursor(sample::USER.as_bytes())) }
}

pub fn list_operation() -> Operation {
    question("users", "List a service's users").query::<Asked>().answers(
        StatusCode::OK,
        "A page; never a hash.",
        &example_page(),
    )
    .details(
        "In the order of their ids, which is nearly that of adding. Whoever walks through the pages sees everybody who was there \
         (with `search`: was found) when the walk began, and still is at its end, exactly once; who comes or goes meanwhile is \
         seen once or not at all. Removed users are there until they are erased.",
    )
    .details(
        "Few searches are looked through at a time, one a caller: the others wait for some seconds, and are then told to come \
         back.",
    )
    .problems(&[Code::Overloaded])
}

pub fn one_operation() -> Operation {
    let tags = json!({"type": "string", "examples": ["\"4711\""]});
    let operation = question("user", "Look at a user")
        .header("If-None-Match", "Revisions that the caller already has.", tags)
        .answers(StatusCode::OK, "The user; never a hash.", &User::example())
        .answers_nothing(StatusCode::NOT_MODIFIED, "The caller has it already.");
    with_entity_tag(operation)
}

/// The service's users, removed ones included, in the order of their ids; with `search`, those of whose names
/// (`first last`) or address it is a part, whatever its case and accents, and nobody who was erased. A search
/// reads through all users of the service, and takes its turn for that: 503 `overloaded` where others take too long, and
/// `catching_up` where an older postkey's rows are still to be made ready.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    PathIds([service]): PathIds<1>,
    Query(asked): Query<Asked>,
) -> Result<Json<Users>, Problem> {
    caller.require(ASKERS)?;
    let service = own_service(&app, &tenancy, ServiceId::new(service)).await?.id;
    let list = List::new("users", &[&service.to_string(), asked.search.as_ref().map_or("", Needle::as_str)]);
    let user = |key: &[u8]| Uuid::from_slice(key).ok().map(UserId::new);
    let after = asked.after.map(|after| after.key(&list, user)).transpose()?;
    let query = UserQuery { service, search: asked.search, after, limit: asked.limit };
    let page = if query.search.is_some() {
        app.searches.users(&Whose::of(&caller, &tenancy), query).await?
    } else {
        app.queries.users(&query).await?
    };
    let last = page.rows.last().filter(|_| page.more);
    let next = last.map(|row| list.cursor(row.id.as_bytes()));
    Ok(Json(Users { users: page.rows.iter().map(audit::shown::user).collect(), next }))
}

/// One user, with its revision as `ETag`; 304 where `If-None-Match` names that.
pub async fn one(
    State(app): State<App>,
    caller: Caller,
    tenancy: Tenancy,
    PathIds([service, user]): PathIds<2>,
    had: IfNoneMatch,
) -> Result<Response, Problem> {
    caller.require(ASKERS)?;
    let service = own_service(&app, &tenancy, ServiceId::new(service)).await?.id;
    let row = app.queries.user(service, UserId::new(user)).await?.ok_or_else(Problem::not_found)?;
    Ok(had.answer(row.user.revision.get(), audit::shown::user(&row)))
}
