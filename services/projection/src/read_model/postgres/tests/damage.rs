//! Rows that somebody else has written.

use domain::UserId;

use super::*;
use crate::read_model::Lead;

async fn filled() -> (Arc<PostgresReadModel>, String) {
    let (one, two, _, database) = two_stores().await;
    crate::read_model::contract::rows_read_back_as_they_were_written(Model::new(&one), Model::new(&two)).await;
    (one, database)
}

fn is_damage(error: Option<ReadModelError>, edited: &str) {
    match error {
        Some(ReadModelError::Damaged(what)) => assert!(!what.contains("N0nsense"), "{edited}: {what}"),
        other => panic!("{edited}: {other:?}"),
    }
}

#[tokio::test]
async fn rows_edited_to_nonsense_are_damage_and_are_not_repeated() {
    let first = UserId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
    let of = ServiceId::of(&domain::DomainName::parse("d001.example").unwrap());
    for edited in [
        "UPDATE mailbox_user SET state = 'N0nsense'",
        "UPDATE mailbox_user SET first_name = NULL",
        "UPDATE mailbox_user SET password_hash = '$2y$N0nsense'",
        "UPDATE mailbox_user SET credential_key = NULL",
        "UPDATE mailbox_user SET quota_mib = 0",
        "UPDATE mailbox_user SET revision = -7",
        "ALTER TABLE mailbox_user ALTER revision TYPE text USING 'N0nsense'",
    ] {
        let (model, database) = filled().await;
        model.user(of, first).await.unwrap();
        Postgres::shared().psql(&database, edited);
        is_damage(model.user(of, first).await.err(), edited);
        let touched = Touched { users: [first].into(), ..Touched::default() };
        is_damage(model.touched(Generation(1), &touched).await.err(), edited);
    }
}

#[tokio::test]
async fn an_applied_position_edited_to_nonsense_is_damage() {
    let nobody = Address::parse("nobody@d001.example").unwrap();
    for edited in [
        "UPDATE generation SET position = 7",
        "UPDATE generation SET log = NULL",
        "UPDATE generation SET leaf = 'x'",
        "UPDATE generation SET frontier = NULL",
    ] {
        let (model, database) = filled().await;
        Postgres::shared().psql(&database, edited);
        is_damage(model.applied(Generation(1)).await.err(), edited);
    }
    let (model, database) = filled().await;
    Postgres::shared().psql(&database, "UPDATE generation SET live = false");
    is_damage(model.live().await.err(), "no live generation");
    is_damage(model.login(&nobody).await.err(), "no live generation");
    is_damage(model.look().await.err(), "no live generation");
}

/// What else says which table it is: a person has to make it again.
#[tokio::test]
async fn a_table_that_is_gone_is_named_and_the_setup_makes_it_again_with_all_rows_to_come() {
    let first = UserId::new(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0001));
    let of = ServiceId::of(&domain::DomainName::parse("d001.example").unwrap());
    for table in ["mailbox_user", "service", "generation", "leader"] {
        let (model, database) = filled().await;
        let (live, before) = (model.live().await.unwrap(), model.applied(Generation(1)).await.unwrap());
        Postgres::shared().psql(&database, &format!("DROP TABLE {table}"));
        let met = match table {
            "mailbox_user" => model.user(of, first).await.map(|_| ()),
            "service" => model.service(of).await.map(|_| ()),
            _ => model.look().await.map(|_| ()),
        };
        let said = met.unwrap_err().to_string();
        assert!(said.contains(&format!("\"{table}\"")) && said.contains("postkey postgres setup"), "{said}");
        let at = location(&Postgres::shared().url(&database));
        for _ in 0..2 {
            PostgresReadModel::set_up(&at).await.unwrap();
        }
        let now = model.look().await.unwrap();
        assert_eq!(now.lead, Lead::Free);
        if table == "leader" {
            assert_eq!((now.live, model.applied(now.live).await.unwrap()), (live, before), "the rows are whole");
            assert!(model.user(of, first).await.unwrap().is_some());
        } else {
            // Not some of them, for half of the rows would answer as if they were all.
            assert_eq!((now.log, now.position), (None, domain::Position::START));
            assert!(now.live > live, "who follows the old ones sees that they are others");
            assert!(model.user(of, first).await.unwrap().is_none() && model.service(of).await.unwrap().is_none());
        }
    }
}

#[tokio::test]
async fn what_is_always_there_beside_the_rows_is_made_again_and_the_rest_left_as_it_is() {
    for lost in ["DELETE FROM leader", "UPDATE generation SET live = false", "DELETE FROM generation"] {
        let (model, database) = filled().await;
        let before = model.applied(Generation(1)).await.unwrap();
        assert!(before.is_some());
        Postgres::shared().psql(&database, lost);
        is_damage(model.look().await.err(), lost);
        for _ in 0..2 {
            model.mend().await.unwrap();
        }
        let live = model.look().await.unwrap().live;
        let kept = lost != "DELETE FROM generation";
        assert_eq!(live == Generation(1), kept, "{lost}");
        assert_eq!(model.applied(live).await.unwrap(), before.filter(|_| kept), "{lost}");
    }
}
