//! The projector's port: applied positions, whole rows, all or nothing.

use domain::{Position, UserState};

use super::Model;
use super::sample::{OTHER_LOG, after, batch, customer, every_user, person, service, user};
use crate::read_model::{Applied, ApplyError, Batch, Generation, ReadModelError};

pub async fn nothing_is_applied_at_first(model: Model, other: Model) {
    let live = model.live().await;
    assert_eq!(other.live().await, live);
    assert_eq!(model.applied(live).await, None);
    assert_eq!(other.applied(Generation(live.0 + 1)).await, None, "nor to a generation that isn't there");
    let rows = model.rows(live, &[service(1, "acme")], &[user(1, &service(1, "acme"))]).await;
    assert!(rows.services.is_empty() && rows.users.is_empty());
    let login = other.login("user1@d001.example").await;
    assert_eq!((login.applied, login.user), (Position::START, None));
}

pub async fn a_batch_moves_the_applied_position(model: Model, other: Model) {
    let live = model.live().await;
    let first = model.write(&[], &[]).await;
    assert_eq!(other.applied(live).await, Some(first.clone()));
    // By the other side, from what it has read; and with a batch of several entries.
    let mut second = after(Some(&first), 2);
    second = after(Some(&second), 3);
    let two = Batch { to: second.clone(), ..batch(Some(&first), &[service(1, "acme")], &[]) };
    other.apply(live, &two, Some(&first)).await.expect("it follows");
    assert_eq!(model.applied(live).await, Some(second));
}

pub async fn a_batch_from_elsewhere_writes_nothing(model: Model, other: Model) {
    let live = model.live().await;
    let of = service(1, "acme");
    let row = user(1, &of);
    let unsaved = batch(Some(&Applied::nothing(OTHER_LOG)), std::slice::from_ref(&of), std::slice::from_ref(&row));
    assert_eq!(model.apply(live, &unsaved, Some(&unsaved.to)).await, Err(ApplyError::Moved), "never applied to");

    let stands = model.write(&[], &[]).await;
    let wrong = [
        None,
        Some(Applied { log: OTHER_LOG, ..stands.clone() }),
        Some(after(Some(&stands), 2)),
        Some(Applied { position: Position::START, ..stands.clone() }),
    ];
    for from in wrong {
        let ours = batch(Some(&stands), std::slice::from_ref(&of), std::slice::from_ref(&row));
        assert_eq!(other.apply(live, &ours, from.as_ref()).await, Err(ApplyError::Moved), "{from:?}");
        assert_eq!(model.applied(live).await, Some(stands.clone()));
        let rows = model.rows(live, std::slice::from_ref(&of), std::slice::from_ref(&row)).await;
        assert!(rows.services.is_empty() && rows.users.is_empty(), "{from:?}");
    }
    let ours = batch(Some(&stands), std::slice::from_ref(&of), std::slice::from_ref(&row));
    let nowhere = Generation(live.0 + 1);
    assert_eq!(model.apply(nowhere, &ours, Some(&stands)).await, Err(ApplyError::Moved), "no such generation");
    assert_eq!(model.apply(nowhere, &batch(None, &[], &[]), None).await, Err(ApplyError::Moved), "no such generation");
    model.apply(live, &ours, Some(&stands)).await.expect("what was refused is in nobody's way");
}

pub async fn rows_read_back_as_they_were_written(model: Model, other: Model) {
    let live = model.live().await;
    let (one, two) = (service(1, "acme"), service(2, "Other.Customer_1"));
    let users = every_user(&one);
    model.write(&[one.clone(), two.clone()], &users).await;
    for side in [&model, &other] {
        let rows = side.rows(live, &[one.clone(), two.clone()], &users).await;
        assert_eq!(rows.services.len(), 2);
        assert_eq!(rows.services.get(&one.id), Some(&one));
        assert_eq!(rows.services.get(&two.id), Some(&two));
        assert_eq!(rows.users.len(), users.len());
        for row in &users {
            assert_eq!(rows.users.get(&row.id), Some(row), "{}", row.id);
        }
    }
    let some = model.rows(live, &[], &users[..1]).await;
    assert!(some.services.is_empty() && some.users.len() == 1, "nothing is read that was not asked for");
}

pub async fn a_row_is_replaced_whole(model: Model, other: Model) {
    let live = model.live().await;
    let of = service(1, "acme");
    let mut row = user(1, &of);
    model.write(std::slice::from_ref(&of), std::slice::from_ref(&row)).await;

    let mut changed = of.clone();
    changed.service = service(8, "acme-2").service;
    changed.service.domain = of.service.domain.clone();
    changed.last = service(9, "acme").last;
    row.user = every_user(&of).swap_remove(1).user;
    (row.user.state, row.user.credential) = (UserState::Removed, None);
    model.write(std::slice::from_ref(&changed), std::slice::from_ref(&row)).await;
    let rows = other.rows(live, std::slice::from_ref(&of), std::slice::from_ref(&row)).await;
    assert_eq!(rows.services.get(&of.id), Some(&changed));
    assert_eq!(rows.services.get(&of.id).map(|row| &row.service.customer), Some(&customer("acme-2")));
    assert_eq!(rows.users.get(&row.id), Some(&row));
    assert_eq!(other.login("user1@d001.example").await.user, None, "the old address is nobody's");
}

pub async fn an_erased_user_is_gone_and_its_address_free_in_the_same_batch(model: Model, other: Model) {
    let live = model.live().await;
    let of = service(1, "acme");
    let (gone, stays) = (user(1, &of), user(2, &of));
    let from = model.write(std::slice::from_ref(&of), &[gone.clone(), stays.clone()]).await;

    let mut heir = user(3, &of);
    heir.user.person.value = gone.user.person.value.clone();
    let erasing = Batch { erased: vec![gone.id], ..batch(Some(&from), &[], std::slice::from_ref(&heir)) };
    model.apply(live, &erasing, Some(&from)).await.expect("the address is free");
    let rows = other.rows(live, &[], &[gone.clone(), stays.clone(), heir.clone()]).await;
    assert_eq!(rows.users.get(&gone.id), None);
    assert_eq!(rows.users.get(&stays.id), Some(&stays));
    assert_eq!(other.login("user1@d001.example").await.user, Some(heir));
}

pub async fn an_address_twice_writes_nothing(model: Model, other: Model) {
    let live = model.live().await;
    let of = service(1, "acme");
    let stands = user(1, &of);
    let from = model.write(std::slice::from_ref(&of), std::slice::from_ref(&stands)).await;

    let mut second = user(2, &of);
    second.user.person.value = person("user1@d001.example", "Another", "Person");
    let mut changed = of.clone();
    changed.service.customer = customer("stranger");
    let beside = user(3, &of);
    let twice = batch(Some(&from), &[changed], &[beside.clone(), second.clone()]);
    assert_eq!(model.apply(live, &twice, Some(&from)).await, Err(ApplyError::AddressTwice));
    assert_eq!(other.applied(live).await, Some(from.clone()));
    let rows = other.rows(live, std::slice::from_ref(&of), &[stands.clone(), second.clone(), beside.clone()]).await;
    assert_eq!(rows.services.get(&of.id), Some(&of));
    assert_eq!(rows.users.len(), 1);
    assert_eq!(rows.users.get(&stands.id), Some(&stands));

    let mut within = beside.clone();
    (within.id, within.user.person.value) = (user(4, &of).id, second.user.person.value.clone());
    let within = batch(Some(&from), &[], &[second, within]);
    let erased = Batch { erased: vec![stands.id], ..within };
    assert_eq!(model.apply(live, &erased, Some(&from)).await, Err(ApplyError::AddressTwice), "within one batch");
    assert_eq!(other.login("user1@d001.example").await.user, Some(stands));
}

pub async fn of_two_writers_one_moves_the_position(model: Model, other: Model) {
    let live = model.live().await;
    let of = service(1, "acme");
    let mut from = model.write(std::slice::from_ref(&of), &[]).await;
    for round in 0..16 {
        let (mine, theirs) = (user(100 + round, &of), user(200 + round, &of));
        let (one, two) = (
            batch(Some(&from), &[], std::slice::from_ref(&mine)),
            batch(Some(&from), &[], std::slice::from_ref(&theirs)),
        );
        let (first, second) = tokio::join!(model.apply(live, &one, Some(&from)), other.apply(live, &two, Some(&from)));
        let rows = model.rows(live, &[], &[mine.clone(), theirs.clone()]).await;
        assert_eq!(rows.users.len(), 1, "round {round}");
        match (first, second) {
            (Ok(()), Err(ApplyError::Moved)) => assert!(rows.users.contains_key(&mine.id)),
            (Err(ApplyError::Moved), Ok(())) => assert!(rows.users.contains_key(&theirs.id)),
            both => panic!("round {round}: {both:?}"),
        }
        from = one.to;
    }
}

pub async fn forgetting_changes_no_row(model: Model, other: Model) {
    let live = model.live().await;
    let of = service(1, "acme");
    let users = every_user(&of);
    let stands = model.write(std::slice::from_ref(&of), &users).await;
    for side in [&model, &other, &model] {
        side.writer.forget().await.expect("nobody reads");
        assert_eq!(side.applied(live).await.as_ref(), Some(&stands));
        assert_eq!(side.rows(live, std::slice::from_ref(&of), &users).await.users.len(), users.len());
    }
    other.write(&[], &users[..1]).await;
}

pub async fn nothing_is_forgotten_while_a_rebuild_holds_it(model: Model, other: Model) {
    let of = service(1, "acme");
    model.write(std::slice::from_ref(&of), &[]).await;
    let claim = model.filling.claim_rebuild().await.expect("reachable").expect("nobody else rebuilds");
    let next = model.generations.begin().await.expect("reachable");
    model.filling.fill(next, &batch(None, &[], &[user(1, &of)])).await.expect("it is there");
    assert!(matches!(model.writer.forget().await, Err(ReadModelError::Unavailable(_))));
    drop(claim);
    // The rebuild was killed, and whoever wants to forget drops what it has left.
    while model.writer.forget().await.is_err() {
        tokio::task::yield_now().await;
    }
    assert!(other.rows(next, &[], &[user(1, &of)]).await.users.is_empty());
}
