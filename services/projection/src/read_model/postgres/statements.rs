//! The statements, put together once from the column lists. None of them knows an event type.

use std::sync::LazyLock;

use super::super::row::{SERVICE_COLUMNS, USER_COLUMNS, WRITTEN_USER_COLUMNS};

/// One text each.
pub struct Statements {
    pub services_touched: String,
    pub users_touched: String,
    pub users_without_search_text: String,
    pub apply: String,
    pub fill: String,
    pub extend: String,
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
}

pub static SQL: LazyLock<Statements> = LazyLock::new(statements);

/// The live generation, as a value: so the rows come out of an index in their order.
const LIVE: &str = "generation = (SELECT generation FROM generation WHERE live)";

/// Rows of users that are found by no search although they could be; there is an index of them.
const WITHOUT_SEARCH_TEXT: &str = "search_text IS NULL AND address IS NOT NULL";

fn statements() -> Statements {
    let (service, user) = (names(&SERVICE_COLUMNS), names(&USER_COLUMNS));
    Statements {
        services_touched: format!("SELECT {service} FROM service WHERE generation = $1 AND service = ANY($2)"),
        users_touched: format!("SELECT {user} FROM mailbox_user WHERE generation = $1 AND \"user\" = ANY($2)"),
        users_without_search_text: format!(
            "SELECT {user} FROM mailbox_user WHERE generation = $1 AND {WITHOUT_SEARCH_TEXT} LIMIT $2"
        ),
        apply: apply(),
        fill: fill(),
        extend: extend(),
        strays: format!(
            "SELECT \"user\" FROM mailbox_user AS u WHERE {LIVE} AND NOT EXISTS \
             (SELECT FROM service AS s WHERE s.generation = u.generation AND s.service = u.service) ORDER BY \"user\" LIMIT $1"
        ),
        login: format!(
            "SELECT {}, live.position FROM generation AS live \
             LEFT JOIN mailbox_user AS u ON u.generation = live.generation AND u.address = $1 WHERE live.live",
            USER_COLUMNS.map(|name| format!("u.{}", quoted(name))).join(", "),
        ),
        service: format!("SELECT {service} FROM service WHERE {LIVE} AND service = $1"),
        services: format!("SELECT {service} FROM service WHERE {LIVE} AND domain > $1 ORDER BY domain LIMIT $2"),
        services_of: format!(
            "SELECT {service} FROM service WHERE {LIVE} AND domain > $1 AND customer = $2 ORDER BY domain LIMIT $3"
        ),
        user: format!("SELECT {user} FROM mailbox_user WHERE {LIVE} AND service = $1 AND \"user\" = $2"),
        users: format!(
            "SELECT {user} FROM mailbox_user WHERE {LIVE} AND service = $1 AND \"user\" > $2 ORDER BY \"user\" LIMIT $3"
        ),
        users_found: format!(
            "SELECT {user} FROM mailbox_user WHERE {LIVE} AND service = $1 AND \"user\" > $2 \
             AND strpos(search_text, $3) > 0 ORDER BY \"user\" LIMIT $4"
        ),
        live_rows: format!(
            "SELECT position, EXISTS (SELECT FROM mailbox_user AS u WHERE u.generation = live.generation \
             AND {WITHOUT_SEARCH_TEXT}) FROM generation AS live WHERE live.live"
        ),
        differing_services: differing("service", &SERVICE_COLUMNS),
        differing_users: differing("mailbox_user", &USER_COLUMNS),
    }
}

/// `user` is a word of SQL's.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn names(columns: &[&str]) -> String {
    columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// A batch as one statement, so that it is one transaction without a pause between its parts in which whoever sent it could
/// be stopped while it holds locks, and one round trip. Its parts see one snapshot; each writes only where the position was
/// moved, and the users come after the erased ones are gone, whose addresses they may have.
///
/// The ledger's leaves come where it ends at the batch's beginning and the generation is the live one, and its nodes with them.
///
/// Answers how many rows said that we lead, and how many positions were moved.
fn apply() -> String {
    let (first, services, users) = (10, SERVICE_COLUMNS.len(), WRITTEN_USER_COLUMNS.len());
    format!(
        "WITH led AS MATERIALIZED (SELECT holder FROM leader WHERE holder = $8 FOR KEY SHARE), \
         moved AS ( \
           UPDATE generation SET log = $1, position = $2, leaf = $3, frontier = $4 \
           WHERE generation = $5 AND position = $6 AND log IS NOT DISTINCT FROM $7 \
             AND ($8::uuid IS NULL OR EXISTS (SELECT FROM led)) \
           RETURNING generation, live), \
         erased AS ( \
           DELETE FROM mailbox_user \
           WHERE generation = $5 AND \"user\" = ANY($9) AND EXISTS (SELECT FROM moved) RETURNING 1), \
         services AS ({}), \
         users AS ({}), \
         leaves AS ({} WHERE moved.live AND ({LEDGER_END}) = $6 ON CONFLICT DO NOTHING RETURNING 1), \
         nodes AS ({} ON CONFLICT DO NOTHING) \
         SELECT (SELECT count(*) FROM led), (SELECT count(*) FROM moved)",
        upsert("service", &SERVICE_COLUMNS, first, "moved"),
        upsert(
            "mailbox_user",
            &WRITTEN_USER_COLUMNS,
            first + services,
            "moved CROSS JOIN (SELECT count(*) FROM erased) AS gone"
        ),
        leaves("moved", first + services + users),
        nodes("(SELECT FROM leaves LIMIT 1) AS written", first + services + users + 3),
    )
}

/// The position of the ledger's last leaf.
const LEDGER_END: &str = "SELECT coalesce(max(position), 0) FROM ledger_leaf";

/// Leaves and nodes that a batch did not bring, for as long as the ledger ends where they begin. Answers whether it did.
fn extend() -> String {
    format!(
        "WITH ends AS MATERIALIZED (SELECT FROM generation WHERE live AND log = $1 AND position >= $2 AND ({LEDGER_END}) = $3), \
         leaves AS ({}), \
         nodes AS ({} ON CONFLICT DO NOTHING) \
         SELECT count(*) FROM ends",
        leaves("ends", 4),
        nodes("ends", 7),
    )
}

/// Leaves from three arrays, the first of which is parameter `first`.
fn leaves(from: &str, first: usize) -> String {
    format!(
        "INSERT INTO ledger_leaf (position, leaf, \"user\") SELECT row.* FROM {from} \
         CROSS JOIN UNNEST(${}::bigint[], ${}::bytea[], ${}::uuid[]) AS row",
        first,
        first + 1,
        first + 2
    )
}

/// Nodes from three arrays. One that was put there by hand stays: whoever proves the rows finds it.
fn nodes(from: &str, first: usize) -> String {
    format!(
        "INSERT INTO ledger_node (level, \"index\", hash) SELECT row.* FROM {from} \
         CROSS JOIN UNNEST(${}::bigint[], ${}::bigint[], ${}::bytea[]) AS row",
        first,
        first + 1,
        first + 2
    )
}

/// A portion of the rows of a generation that is not live, if there is one: it answers how many there are. It stays there
/// until they are written.
fn fill() -> String {
    let (first, services) = (2, SERVICE_COLUMNS.len());
    format!(
        "WITH moved AS MATERIALIZED (SELECT generation FROM generation WHERE generation = $1 AND NOT live FOR KEY SHARE), \
         services AS ({}), users AS ({}) SELECT count(*) FROM moved",
        upsert("service", &SERVICE_COLUMNS, first, "moved"),
        upsert("mailbox_user", &WRITTEN_USER_COLUMNS, first + services, "moved"),
    )
}

/// Rows from one array a column, the first of which is parameter `first`. The first column is the id.
fn upsert(table: &str, columns: &[&str], first: usize, from: &str) -> String {
    let array = |(n, name): (usize, &&str)| format!("${}::{}[]", first + n, of_type(name));
    let arrays: Vec<_> = columns.iter().enumerate().map(array).collect();
    let set: Vec<_> = columns.iter().skip(1).map(|name| format!("{0} = excluded.{0}", quoted(name))).collect();
    let names = names(columns);
    format!(
        "INSERT INTO {table} (generation, {names}) SELECT moved.generation, row.* FROM {from} \
         CROSS JOIN UNNEST({}) AS row ({names}) ON CONFLICT (generation, {}) DO UPDATE SET {}",
        arrays.join(", "),
        quoted(columns[0]),
        set.join(", "),
    )
}

/// The type of a column, as the schema has it.
fn of_type(column: &str) -> &'static str {
    match column {
        "user" | "service" | "private_key" | "profile_key" | "credential_key" => "uuid",
        "domain" | "customer" | "address" | "first_name" | "last_name" | "state" | "password_hash" | "policy"
        | "search_text" => "text",
        "last_leaf" => "bytea",
        "credential_changed_at" => "timestamptz",
        _ => "bigint",
    }
}

/// Of the services whose ids are from $4 to $5, and their users.
fn differing(table: &str, columns: &[&str]) -> String {
    let (id, names) = (quoted(columns[0]), names(columns));
    let of = |generation: &str| {
        format!("SELECT {names} FROM {table} WHERE generation = {generation} AND service BETWEEN $4 AND $5")
    };
    let side = |one: &str, other: &str| format!("SELECT {id} FROM ({} EXCEPT {}) AS differing", of(one), of(other));
    format!("{} UNION {} LIMIT $3", side("$1", "$2"), side("$2", "$1"))
}
