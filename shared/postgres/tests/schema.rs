//! Whose a schema is: made once, migrated, refused, left alone.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

use postkey_postgres::{Location, NotOurs, Schema};
use servers::Postgres;

const ONE: Schema = Schema {
    what: "a test",
    migrations: &["CREATE TABLE t (x int); INSERT INTO t VALUES (1)"],
    repeatable: false,
    grants: "",
};
const TWO: Schema = Schema {
    what: "a test",
    migrations: &[ONE.migrations[0], "ALTER TABLE t ADD y int; INSERT INTO t VALUES (2, 2)"],
    repeatable: false,
    grants: "GRANT SELECT ON t TO PUBLIC",
};
const OTHER: Schema =
    Schema { what: "another test", migrations: &["CREATE TABLE other (x int)"], repeatable: false, grants: "" };

struct Database {
    name: String,
    location: Location,
}

fn database() -> Database {
    let url = Postgres::shared().database();
    Database { name: url.rsplit_once('/').unwrap().1.to_owned(), location: url.parse().unwrap() }
}

impl Database {
    fn psql(&self, sql: &str) -> String {
        Postgres::shared().psql(&self.name, sql)
    }

    /// The same as another role.
    fn of(&self, role: &str) -> Location {
        Postgres::shared().url(&self.name).replace("postgres@", &format!("{role}@")).parse().unwrap()
    }
}

#[tokio::test]
async fn an_empty_database_gets_the_schema_once() {
    let database = database();
    for _ in 0..2 {
        ONE.open(&database.location).await.unwrap();
        assert_eq!(database.psql("SELECT x FROM t"), "1");
    }
    assert_eq!(database.psql("SELECT what, version FROM postkey_schema"), "a test|1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_start_at_once_one_makes_the_schema_and_all_have_it() {
    let database = database();
    let opening: Vec<_> = (0..8)
        .map(|n| {
            let location = database.location.clone();
            // Some of an older version than others: they come before, or are refused.
            tokio::spawn(
                async move { if n % 2 == 0 { TWO.open(&location).await } else { TWO.set_up(&location).await } },
            )
        })
        .collect();
    for opened in opening {
        opened.await.unwrap().unwrap();
    }
    assert_eq!(database.psql("SELECT count(*) FROM t"), "2");
}

#[tokio::test]
async fn an_older_schema_is_migrated_with_what_is_in_it() {
    let database = database();
    ONE.open(&database.location).await.unwrap();
    database.psql("INSERT INTO t VALUES (7)");
    TWO.open(&database.location).await.unwrap();
    assert_eq!(database.psql("SELECT string_agg(x || ':' || coalesce(y, 0), ',') FROM t"), "1:0,7:0,2:2");
    assert_eq!(database.psql("SELECT version FROM postkey_schema"), "2");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let database = database();
    TWO.open(&database.location).await.unwrap();
    for refused in [ONE.open(&database.location).await, ONE.set_up(&database.location).await] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, NotOurs::OtherVersion { found: 2, known: 1 }), "{refused}");
    }
    assert_eq!(database.psql("SELECT version FROM postkey_schema"), "2");
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing() {
    const BROKEN: Schema = Schema {
        what: "a test",
        migrations: &[ONE.migrations[0], "CREATE TABLE u (x int); SELECT 1 / 0"],
        repeatable: false,
        grants: "",
    };
    let database = database();
    ONE.open(&database.location).await.unwrap();
    assert!(BROKEN.open(&database.location).await.is_err());
    assert_eq!(database.psql("SELECT version, to_regclass('u') IS NULL FROM postkey_schema"), "1|t");
}

#[tokio::test]
async fn what_is_anothers_is_refused_and_left_alone() {
    let theirs = database();
    theirs.psql("CREATE TABLE theirs (x int)");
    for refused in [ONE.open(&theirs.location).await, ONE.set_up(&theirs.location).await] {
        assert!(matches!(refused, Err(NotOurs::OtherProgram("a test"))));
    }
    assert_eq!(theirs.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "1");

    let other = database();
    OTHER.open(&other.location).await.unwrap();
    let refused = ONE.open(&other.location).await.unwrap_err().to_string();
    assert!(refused.contains("holds another test") && refused.contains("database of its own"), "{refused}");
}

#[tokio::test]
async fn a_role_that_may_not_make_the_schema_says_who_does() {
    let database = database();
    let role = format!("stranger_{}", database.name);
    database.psql(&format!("CREATE ROLE {role} LOGIN"));
    let told = |refused: Result<(), NotOurs>| {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, NotOurs::NotSetUp) && refused.to_string().contains("postkey postgres setup"),
            "{refused}"
        );
    };
    told(ONE.open(&database.of(&role)).await);
    assert_eq!(database.psql("SELECT to_regclass('t') IS NULL"), "t");

    // There, but this role was granted nothing; then an older version's, which is not this role's to change.
    ONE.open(&database.location).await.unwrap();
    told(ONE.open(&database.of(&role)).await);
    database.psql(&format!("GRANT SELECT ON postkey_schema TO {role}"));
    ONE.open(&database.of(&role)).await.unwrap();
    told(TWO.open(&database.of(&role)).await);
    TWO.set_up(&database.location).await.unwrap();
    TWO.open(&database.of(&role)).await.unwrap();
}

#[tokio::test]
async fn a_setup_makes_again_what_is_missing_of_a_repeatable_schema_and_of_no_other() {
    for repeatable in [true, false] {
        let schema = Schema { migrations: &["CREATE TABLE IF NOT EXISTS t (x int)"], repeatable, ..ONE };
        let database = database();
        schema.set_up(&database.location).await.unwrap();
        database.psql("DROP TABLE t");
        schema.open(&database.location).await.unwrap();
        assert_eq!(database.psql("SELECT to_regclass('t') IS NULL"), "t", "who opens it changes nothing");
        schema.set_up(&database.location).await.unwrap();
        assert_eq!(database.psql("SELECT to_regclass('t') IS NOT NULL"), if repeatable { "t" } else { "f" });
    }
}

/// Its grants would be no more than warnings of the server's.
#[tokio::test]
async fn only_the_owner_sets_up_and_others_are_told_who_it_is() {
    let database = database();
    let [owner, stranger] = ["owner", "other"].map(|role| format!("{role}_{}", database.name));
    database.psql(&format!("CREATE ROLE {owner} LOGIN; CREATE ROLE {stranger} LOGIN"));
    database.psql(&format!("ALTER DATABASE {} OWNER TO {owner}", database.name));
    let told = async || match TWO.set_up(&database.of(&stranger)).await.unwrap_err() {
        NotOurs::NotOwner(named) => assert_eq!(named, owner),
        other => panic!("{other}"),
    };
    told().await;
    TWO.set_up(&database.of(&owner)).await.unwrap();
    database.psql(&format!("GRANT SELECT ON postkey_schema TO {stranger}"));
    told().await;

    // A table that somebody else has made is not the owner's to grant.
    database.psql(&format!("ALTER TABLE t OWNER TO {stranger}"));
    let refused = TWO.set_up(&database.of(&owner)).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("as its owner, {stranger}")), "{refused}");
    TWO.set_up(&database.location).await.unwrap();
}
