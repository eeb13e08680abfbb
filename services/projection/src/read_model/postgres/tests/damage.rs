//! Rows that somebody else has written.

use domain::UserId;

use super::*;

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
        "DROP TABLE mailbox_user",
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
