//! The statements, put together once from the column lists. None of them knows an event type.

use std::sync::LazyLock;

use super::super::row::{SERVICE_COLUMNS, USER_COLUMNS, WRITTEN_USER_COLUMNS};

/// One text each.
pub struct Statements {
    pub services_touched: String,
    pub users_touched: String,
    pub users_without_search_text: String,
    pub upsert_services: String,
    pub upsert_users: String,
    pub strays: String,
    pub login: String,
    pub service: String,
    pub services: String,
    pub services_of: String,
    pub user: String,
    pub users: String,
    pub users_found: String,
    pub live_rows: String,
    pub differing_services: String,
    pub differing_users: String,
    pub holds_unfinished: String,
    /// Each drops some rows of generations that are not live, until it finds none.
    pub drop_some: [String; 4],
}

pub static SQL: LazyLock<Statements> = LazyLock::new(statements);

/// Rows of users that are found by no search although they could be; there is an index of them.
const WITHOUT_SEARCH_TEXT: &str = "search_text IS NULL AND address IS NOT NULL";

/// The live generation.
const LIVE: &str = "(SELECT generation FROM generation WHERE live = 1)";

/// Where rows of other generations stand in their tables' order: before those of the live one and behind.
const NOT_LIVE: [(&str, &str, &str); 4] = [
    ("mailbox_user", "user", "<"),
    ("mailbox_user", "user", ">"),
    ("service", "service", "<"),
    ("service", "service", ">"),
];
/// So many are dropped at a time: for as long, some milliseconds, a batch may have to wait.
const DROPPED: u32 = 1_000;

fn statements() -> Statements {
    let (service_columns, user_columns) = (SERVICE_COLUMNS.join(", "), USER_COLUMNS.join(", "));
    let (live_services, live_users) = (live(&service_columns, "service"), live(&user_columns, "mailbox_user"));
    // Left to itself, SQLite walks through the users of all services in the order of their ids.
    let live_users_of = live(&user_columns, "mailbox_user INDEXED BY user_by_service");
    Statements {
        services_touched: touched("service", &service_columns, "service"),
        users_touched: touched("mailbox_user", &user_columns, "user"),
        users_without_search_text: format!(
            "SELECT {user_columns} FROM mailbox_user WHERE generation = $1 AND {WITHOUT_SEARCH_TEXT} LIMIT $2"
        ),
        upsert_services: upsert("service", &SERVICE_COLUMNS, &["service", "private_key", "last_leaf"]),
        upsert_users: upsert(
            "mailbox_user",
            &WRITTEN_USER_COLUMNS,
            &["user", "service", "profile_key", "credential_key"],
        ),
        strays: format!(
            "{} AND NOT EXISTS (SELECT 1 FROM service WHERE service.generation = mailbox_user.generation \
             AND service.service = mailbox_user.service) ORDER BY user LIMIT $1",
            live("user", "mailbox_user")
        ),
        login: format!(
            "SELECT {}, live.position FROM (SELECT generation, position FROM generation WHERE live = 1) AS live \
         LEFT JOIN mailbox_user AS u ON u.generation = live.generation AND u.address = $1",
            USER_COLUMNS.map(|column| format!("u.{column}")).join(", "),
        ),
        service: format!("{live_services} AND service = $1"),
        services: format!("{live_services} AND domain > $1 ORDER BY domain LIMIT $2"),
        services_of: format!("{live_services} AND domain > $1 AND customer = $2 ORDER BY domain LIMIT $3"),
        user: format!("{live_users} AND service = $1 AND user = $2"),
        users: format!("{live_users_of} AND service = $1 AND user > $2 ORDER BY user LIMIT $3"),
        users_found: format!(
            "{live_users_of} AND service = $1 AND user > $2 AND instr(search_text, $3) > 0 ORDER BY user LIMIT $4"
        ),
        live_rows: format!(
            "SELECT position, EXISTS (SELECT 1 FROM mailbox_user AS u WHERE u.generation = live.generation \
             AND {WITHOUT_SEARCH_TEXT}) FROM generation AS live WHERE live = 1"
        ),
        differing_services: differing("service", &service_columns, "service"),
        differing_users: differing("mailbox_user", &user_columns, "user"),
        holds_unfinished: {
            let rows = NOT_LIVE
                .map(|(table, _, side)| format!("EXISTS (SELECT 1 FROM {table} WHERE generation {side} {LIVE})"));
            format!("SELECT EXISTS (SELECT 1 FROM generation WHERE live = 0) OR {}", rows.join(" OR "))
        },
        drop_some: NOT_LIVE.map(|(table, id, side)| {
            format!(
                "DELETE FROM {table} WHERE (generation, {id}) IN \
                 (SELECT generation, {id} FROM {table} WHERE generation {side} {LIVE} LIMIT {DROPPED})"
            )
        }),
    }
}

/// Rows of the live generation, from the table that logins look them up in.
fn live(columns: &str, table: &str) -> String {
    format!("SELECT {columns} FROM {table} WHERE generation = {LIVE}")
}

fn touched(table: &str, columns: &str, id: &str) -> String {
    format!("SELECT {columns} FROM {table} WHERE generation = $1 AND {id} IN (SELECT unhex(value) FROM json_each($2))")
}

/// One statement for all rows of a batch: a statement each costs several times as much. The first column is the id.
fn upsert(table: &str, columns: &[&str], bytes: &[&str]) -> String {
    let value = |(n, name): (usize, &&str)| {
        let value = format!("row.value ->> '$[{n}]'");
        if bytes.contains(name) { format!("unhex({value})") } else { value }
    };
    let values: Vec<_> = columns.iter().enumerate().map(value).collect();
    let set: Vec<_> = columns.iter().skip(1).map(|name| format!("{name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO {table} (generation, {}) SELECT $1, {} FROM json_each($2) AS row WHERE true \
         ON CONFLICT (generation, {}) DO UPDATE SET {}",
        columns.join(", "),
        values.join(", "),
        columns[0],
        set.join(", ")
    )
}

/// Of the services whose ids are from $4 to $5, and their users.
fn differing(table: &str, columns: &str, id: &str) -> String {
    let of = |generation: &str| {
        format!("SELECT {columns} FROM {table} WHERE generation = {generation} AND service BETWEEN $4 AND $5")
    };
    let side = |one: &str, other: &str| format!("SELECT {id} FROM ({} EXCEPT {})", of(one), of(other));
    format!("{} UNION {} LIMIT $3", side("$1", "$2"), side("$2", "$1"))
}
