//! Who leads: claims, leads that run out, and what a former leader may not do.

use std::time::Instant;

use super::*;
use crate::read_model::Lead;
use crate::read_model::contract::sample::{batch, service, user};

async fn leads(one: &PostgresReadModel, other: &PostgresReadModel) {
    assert_eq!(one.look().await.unwrap().lead, Lead::Ours);
    assert_eq!(other.look().await.unwrap().lead, Lead::Anothers);
}

#[tokio::test]
async fn of_many_who_claim_at_once_one_leads() {
    let (one, two, at, _) = two_stores().await;
    assert_eq!(one.look().await.unwrap().lead, Lead::Free);
    let three = PostgresReadModel::open(&at).await.unwrap();
    let (first, second, third) = tokio::join!(one.claim(), two.claim(), three.claim());
    let claimed = [first.unwrap(), second.unwrap(), third.unwrap()];
    assert_eq!(claimed.iter().filter(|claimed| **claimed).count(), 1, "{claimed:?}");
    for (store, claimed) in [&*one, &*two, &three].into_iter().zip(claimed) {
        let expected = if claimed { Lead::Ours } else { Lead::Anothers };
        assert_eq!(store.look().await.unwrap().lead, expected);
        assert_eq!(store.claim().await.unwrap(), claimed, "claimed again");
    }
}

#[tokio::test]
async fn a_lead_runs_out_by_the_databases_clock_and_is_another_s_then() {
    let (one, two, ..) = two_stores().await;
    assert!(one.claim().await.unwrap());
    let claimed = Instant::now();
    leads(&one, &two).await;
    while !two.claim().await.unwrap() {
        assert!(claimed.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(claimed.elapsed() > Duration::from_millis(2_500), "{:?}", claimed.elapsed());
    leads(&two, &one).await;
    assert!(!one.claim().await.unwrap());
}

#[tokio::test]
async fn a_lead_that_was_let_go_of_is_free_at_once_and_only_its_holder_s_to_let_go() {
    let (one, two, ..) = two_stores().await;
    assert!(one.claim().await.unwrap());
    two.release().await.unwrap();
    leads(&one, &two).await;
    one.release().await.unwrap();
    assert_eq!(two.look().await.unwrap().lead, Lead::Free);
    assert!(two.claim().await.unwrap());
}

#[tokio::test]
async fn a_lead_from_a_future_that_the_clock_went_back_from_is_free() {
    let (one, two, _, database) = two_stores().await;
    assert!(one.claim().await.unwrap());
    Postgres::shared().psql(&database, "UPDATE leader SET expires = clock_timestamp() + interval '1 hour'");
    assert_eq!(two.look().await.unwrap().lead, Lead::Left);
    assert_eq!(one.look().await.unwrap().lead, Lead::Ours, "nobody has had it since");
    assert!(two.claim().await.unwrap());
}

#[tokio::test]
async fn what_a_former_leader_applies_is_refused() {
    let (one, two, _, database) = two_stores().await;
    let live = one.live().await.unwrap();
    let of = service(1, "acme");
    assert!(one.claim().await.unwrap());
    let first = batch(None, std::slice::from_ref(&of), &[]);
    one.apply(live, &first, None).await.unwrap();

    // It stands still, and its lead runs out.
    Postgres::shared().psql(&database, "UPDATE leader SET expires = clock_timestamp()");
    assert!(two.claim().await.unwrap());
    let second = batch(Some(&first.to), &[], &[user(1, &of)]);
    assert_eq!(one.apply(live, &second, Some(&first.to)).await, Err(ApplyError::NotLeading));
    assert_eq!(two.applied(live).await.unwrap(), Some(first.to.clone()));
    assert_eq!(two.login(&Address::parse("user1@d001.example").unwrap()).await.unwrap().user, None);
    two.apply(live, &second, Some(&first.to)).await.unwrap();

    // Nor does it write when nobody leads, unless it claims again.
    two.release().await.unwrap();
    let third = batch(Some(&second.to), &[], &[user(2, &of)]);
    assert_eq!(one.apply(live, &third, Some(&second.to)).await, Err(ApplyError::NotLeading));
    assert!(one.claim().await.unwrap());
    one.apply(live, &third, Some(&second.to)).await.unwrap();
}

/// The batch was sent while it led, and waits for a row of the server's when another takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_is_not_lost_within_a_batch() {
    let (one, two, _, database) = two_stores().await;
    let live = one.live().await.unwrap();
    assert!(one.claim().await.unwrap());
    let mut from = None;
    for round in 0..40 {
        let (leader, other) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let next = batch(from.as_ref(), &[service(1, "acme")], &[]);
        let taking = async {
            Postgres::shared().psql(&database, "UPDATE leader SET holder = NULL");
            other.claim().await.unwrap()
        };
        let (applied, claimed) = tokio::join!(leader.apply(live, &next, from.as_ref()), taking);
        assert!(claimed);
        match applied {
            Ok(()) => {}
            Err(ApplyError::NotLeading) => other.apply(live, &next, from.as_ref()).await.unwrap(),
            other => panic!("{other:?}"),
        }
        from = Some(next.to);
        assert_eq!(one.applied(live).await.unwrap(), from);
    }
}

/// A batch that takes long costs nobody the lead: its holder keeps it, and another has to wait for the batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_a_long_batch_the_lead_is_kept_and_not_taken() {
    let (one, two, _, database) = two_stores().await;
    let live = one.live().await.unwrap();
    assert!(one.claim().await.unwrap());
    let held = {
        let database = database.clone();
        let hold = "BEGIN; SELECT * FROM generation FOR UPDATE; SELECT pg_sleep(1.5); COMMIT";
        std::thread::spawn(move || Postgres::shared().psql(&database, hold))
    };
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while Postgres::shared().psql(
        &database,
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
    ) == "0"
    {}
    let next = batch(None, &[service(1, "acme")], &[]);
    let applying = one.apply(live, &next, None);
    let meanwhile = async {
        while Postgres::shared().psql(&database, waiting) == "0" {
            tokio::task::yield_now().await;
        }
        let begun = Instant::now();
        assert!(one.claim().await.unwrap());
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        Postgres::shared().psql(&database, "UPDATE leader SET expires = clock_timestamp()");
        assert!(two.claim().await.unwrap(), "once the batch is through");
        two.applied(live).await.unwrap()
    };
    let (applied, seen) = tokio::join!(applying, meanwhile);
    applied.unwrap();
    assert_eq!(seen, Some(next.to), "it was, before the lead was another's");
    held.join().unwrap();
}
