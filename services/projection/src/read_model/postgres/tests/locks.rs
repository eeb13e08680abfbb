//! A setup that is run beside a rebuild: both take the tables in one order, so that neither waits for the other in a circle.

use sqlx::{Connection, PgConnection};

use super::*;

/// Held as by a setup that has come as far as the first table.
async fn until_it_waits(setup: &mut PgConnection) {
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'generation'::regclass AND \
                 database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    let waiting = async {
        while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut *setup).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(crate::staged::LIMIT, waiting).await.expect("it does not ask for the first table first");
}

#[tokio::test]
async fn what_a_rebuild_does_waits_for_a_setup_before_it_holds_what_the_setup_takes_later() {
    for (step, lost) in [("mend", "DELETE FROM leader; DELETE FROM generation"), ("begin", ""), ("swap", "")] {
        let (model, _, _, database) = two_stores().await;
        let live = model.live().await.unwrap();
        let next = if step == "swap" { model.begin().await.unwrap() } else { live };
        Postgres::shared().psql(&database, lost);

        let mut connection = PgConnection::connect(&Postgres::shared().url(&database)).await.unwrap();
        let mut setup = connection.begin().await.unwrap();
        sqlx::raw_sql("LOCK TABLE generation IN SHARE MODE").execute(&mut *setup).await.unwrap();
        let rebuild = tokio::spawn(async move {
            match step {
                "mend" => model.mend().await.map_err(ApplyError::from),
                "begin" => model.begin().await.map(|_| ()),
                _ => model.swap(live, next, true).await,
            }
        });
        until_it_waits(&mut setup).await;
        let rest = "LOCK TABLE leader IN EXCLUSIVE MODE NOWAIT; LOCK TABLE service IN SHARE MODE NOWAIT; \
                    LOCK TABLE mailbox_user IN SHARE MODE NOWAIT";
        let taken = sqlx::raw_sql(rest).execute(&mut *setup).await;
        assert!(taken.is_ok(), "{step}: {taken:?}");
        setup.commit().await.unwrap();
        assert_eq!(rebuild.await.unwrap(), Ok(()), "{step}");
    }
}
