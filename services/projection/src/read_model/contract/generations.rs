//! The rebuild's port: a generation beside the live one, compared, then swapped.

use std::collections::BTreeSet;

use domain::{ServiceId, UserState};

use super::Model;
use super::sample::{OTHER_LOG, batch, customer, every_user, service, user};
use crate::read_model::{Applied, ApplyError, Batch, Generation, Part, RowId, ServiceQuery, UserQuery};

/// All rows.
const ALL: Part = 0..=u8::MAX;

/// Fills a generation that nothing was applied to with one batch, and says where it stands.
async fn fill(model: &Model, generation: Generation, batch: &Batch) -> Applied {
    model.apply(generation, batch, None).await.expect("nothing was applied to it");
    batch.to.clone()
}

async fn listed(model: &Model, of: ServiceId) -> (usize, usize) {
    let services = model.queries.services(&ServiceQuery { customer: None, after: None, limit: 500 }).await;
    let users = model.queries.users(&UserQuery { service: of, search: None, after: None, limit: 500 }).await;
    (services.expect("reachable").rows.len(), users.expect("reachable").rows.len())
}

pub async fn a_generation_beside_the_live_one_is_not_looked_up(model: Model, other: Model) {
    let of = service(1, "acme");
    let (old, mut new) = (user(1, &of), user(1, &of));
    model.write(std::slice::from_ref(&of), std::slice::from_ref(&old)).await;
    new.user.state = UserState::Suspended;

    let live = model.live().await;
    let next = model.generations.begin().await.expect("reachable");
    assert_ne!(next, live);
    assert_eq!(model.applied(next).await, None);
    let beside = batch(None, &[of.clone(), service(2, "acme")], &[new.clone(), user(2, &of)]);
    fill(&model, next, &beside).await;
    assert_eq!(other.live().await, live);
    assert_eq!(other.login("user1@d001.example").await.user, Some(old.clone()));
    assert_eq!(other.login("user2@d001.example").await.user, None);
    assert_eq!(listed(&other, of.id).await, (1, 1));
    assert_eq!(other.queries.user(of.id, user(2, &of).id).await, Ok(None));
    assert_eq!(other.queries.service(service(2, "acme").id).await, Ok(None));
    // Each generation's rows are its own, for the projector too.
    assert_eq!(model.rows(live, &[], std::slice::from_ref(&old)).await.users.get(&old.id), Some(&old));
    assert_eq!(model.rows(next, &[], std::slice::from_ref(&old)).await.users.get(&old.id), Some(&new));
}

pub async fn rows_that_differ_are_named_from_both_sides(model: Model, other: Model) {
    let (same, changed, missing, extra) =
        (service(1, "acme"), service(2, "acme"), service(3, "acme"), service(4, "acme"));
    let users = every_user(&same);
    model.write(&[same.clone(), changed.clone(), missing.clone()], &users).await;

    let live = model.live().await;
    let next = model.generations.begin().await.expect("reachable");
    let mut edited = changed.clone();
    edited.service.customer = customer("stranger");
    let mut theirs = users.clone();
    let gone = theirs.remove(0);
    // One in each column group: state, erasure, credential, revision.
    theirs[0].user.state = UserState::Suspended;
    theirs[4].user.person.value = users[0].user.person.value.clone();
    theirs[6].user.credential = None;
    theirs[8].user.revision = theirs[0].user.revision;
    let added = user(99, &same);
    let mut expected: BTreeSet<_> =
        [&changed, &missing, &extra].map(|row| RowId::Service(row.id)).into_iter().collect();
    expected.extend([gone.id, theirs[0].id, theirs[4].id, theirs[6].id, theirs[8].id, added.id].map(RowId::User));
    theirs.push(added);
    fill(&model, next, &batch(None, &[same, edited, extra], &theirs)).await;

    for (one, two) in [(live, next), (next, live)] {
        let found = other.generations.differences(one, two, ALL, 100).await.expect("reachable");
        assert_eq!(found.len(), expected.len(), "each is named once");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
        for limit in [0, 1, 4] {
            let some = other.generations.differences(one, two, ALL, limit).await.expect("reachable");
            assert_eq!(some.len(), limit as usize);
            assert!(some.iter().all(|name| expected.contains(name)));
        }
    }
    assert_eq!(other.generations.differences(live, live, ALL, 100).await, Ok(vec![]));
}

pub async fn a_swap_shows_the_next_generation_and_drops_the_old(model: Model, other: Model) {
    let of = service(1, "acme");
    let mut row = user(1, &of);
    let stands = model.write(std::slice::from_ref(&of), &[row.clone(), user(2, &of)]).await;

    let live = model.live().await;
    let next = model.generations.begin().await.expect("reachable");
    row.user.state = UserState::Suspended;
    let beside = batch(None, std::slice::from_ref(&of), std::slice::from_ref(&row));
    assert_eq!(fill(&model, next, &beside).await, stands);
    model.generations.swap(live, next, false).await.expect("both stand at one position");
    for side in [&model, &other] {
        assert_eq!(side.live().await, next);
        let login = side.login("user1@d001.example").await;
        assert_eq!((login.applied, login.user), (stands.position, Some(row.clone())));
        assert_eq!(side.login("user2@d001.example").await.user, None);
        assert_eq!(listed(side, of.id).await, (1, 1));
        assert_eq!(side.applied(live).await, None, "the old generation is gone");
        let rows = side.rows(live, std::slice::from_ref(&of), std::slice::from_ref(&row)).await;
        assert!(rows.services.is_empty() && rows.users.is_empty(), "with its rows");
    }
    assert_eq!(model.generations.swap(live, next, false).await, Err(ApplyError::Moved), "it was swapped already");
    // The next one goes on from there, and another rebuild comes after it.
    model.write(&[], &[user(3, &of)]).await;
    let third = model.generations.begin().await.expect("reachable");
    assert!(third != next && third != live);
}

pub async fn a_swap_needs_one_position_unless_forced(model: Model, other: Model) {
    let of = service(1, "acme");
    let stands = model.write(std::slice::from_ref(&of), &[]).await;
    let live = model.live().await;
    let next = model.generations.begin().await.expect("reachable");
    assert_eq!(model.generations.swap(live, next, false).await, Err(ApplyError::Moved), "nothing was applied to it");

    let mut elsewhere = batch(None, &[], &[]);
    elsewhere.to.log = OTHER_LOG;
    fill(&model, next, &elsewhere).await;
    assert_eq!(model.generations.swap(live, next, false).await, Err(ApplyError::Moved), "it is of another log");

    let next = model.generations.begin().await.expect("reachable");
    let mut forked = batch(None, &[], &[]);
    forked.to = super::sample::after(None, 77);
    assert_ne!(fill(&model, next, &forked).await.frontier, stands.frontier);
    assert_eq!(model.generations.swap(live, next, false).await, Err(ApplyError::Moved), "its entries are others");
    assert_eq!(other.live().await, live);
    assert_eq!(other.applied(live).await, Some(stands));

    model.generations.swap(live, next, true).await.expect("forced");
    assert_eq!(other.live().await, next);
    assert_eq!(other.applied(next).await, Some(forked.to));
}

pub async fn a_swap_to_what_is_not_there_changes_nothing(model: Model, other: Model) {
    let of = service(1, "acme");
    let row = user(1, &of);
    let stands = model.write(std::slice::from_ref(&of), std::slice::from_ref(&row)).await;
    let live = model.live().await;
    for (from, to) in [(live, Generation(live.0 + 7)), (live, live), (Generation(live.0 + 7), live)] {
        assert_eq!(model.generations.swap(from, to, true).await, Err(ApplyError::Moved), "{from:?} to {to:?}");
        assert_eq!(other.live().await, live);
        assert_eq!(other.applied(live).await, Some(stands.clone()));
        assert_eq!(other.login("user1@d001.example").await.user, Some(row.clone()));
    }
}

pub async fn a_new_generation_drops_an_unfinished_one(model: Model, other: Model) {
    let of = service(1, "acme");
    let row = user(1, &of);
    model.write(std::slice::from_ref(&of), std::slice::from_ref(&row)).await;
    let live = model.live().await;
    let unfinished = model.generations.begin().await.expect("reachable");
    let beside = batch(None, &[of.clone(), service(2, "acme")], &[user(2, &of)]);
    fill(&model, unfinished, &beside).await;

    let next = other.generations.begin().await.expect("reachable");
    assert_eq!(model.applied(next).await, None);
    let rows = model.rows(next, &beside.services, &beside.users).await;
    assert!(rows.services.is_empty() && rows.users.is_empty(), "it begins empty, whatever its number");
    if next != unfinished {
        let rows = model.rows(unfinished, &beside.services, &beside.users).await;
        assert!(rows.services.is_empty() && rows.users.is_empty());
    }
    assert_eq!(model.login("user1@d001.example").await.user, Some(row));
    assert_eq!(model.live().await, live);
}

pub async fn rows_of_a_part_are_compared_by_themselves(model: Model, other: Model) {
    let services: Vec<_> = (1..=6).map(|n| service(n, "acme")).collect();
    let users: Vec<_> = (1..).zip(&services).map(|(n, of)| user(n, of)).collect();
    model.write(&services, &users).await;
    let (live, next) = (model.live().await, model.generations.begin().await.expect("reachable"));
    let mut found = BTreeSet::new();
    for first in 0..=u8::MAX {
        for row in other.generations.differences(live, next, first..=first, 100).await.expect("reachable") {
            let of = match row {
                RowId::Service(id) => id,
                RowId::User(id) => users.iter().find(|row| row.id == id).expect("one of them").service,
            };
            assert_eq!(of.as_bytes()[0], first);
            assert!(found.insert(row), "{row} is of one part");
        }
    }
    assert_eq!(found.len(), services.len() + users.len());
}

pub async fn a_generation_is_filled_in_portions(model: Model, other: Model) {
    let (one, two) = (service(1, "acme"), service(2, "acme"));
    let (users, more) = (every_user(&one), [user(99, &two)]);
    model.write(&[], &[]).await;
    let (live, next) = (model.live().await, model.generations.begin().await.expect("reachable"));
    for (services, users) in [(&[one.clone()][..], &users[..]), (std::slice::from_ref(&two), &[]), (&[], &more)] {
        model.filling.fill(next, &batch(None, services, users)).await.expect("it is there, and not live");
    }
    assert_eq!(model.applied(next).await, None, "it has not moved");
    let rows = other.rows(next, &[one.clone(), two.clone()], &users).await;
    assert_eq!((rows.services.get(&one.id), rows.services.get(&two.id)), (Some(&one), Some(&two)));
    assert!(users.iter().all(|user| rows.users.get(&user.id) == Some(user)));
    assert_eq!(listed(&other, one.id).await, (0, 0), "nobody sees it");

    let twice = [user(99, &two), user(98, &two)].map(|mut row| {
        row.user.person.value.clone_from(&user(97, &two).user.person.value);
        row
    });
    assert_eq!(model.filling.fill(next, &batch(None, &[], &twice)).await, Err(ApplyError::AddressTwice));
    model.filling.drop_unfinished().await.expect("reachable");
    assert_eq!(other.live().await, live);
    assert!(other.rows(next, std::slice::from_ref(&one), &users).await.users.is_empty());
    let gone = model.filling.fill(next, &batch(None, &[two], &more)).await;
    assert_eq!(gone, Err(ApplyError::Moved));
}

pub async fn the_live_generation_is_filled_by_nobody(model: Model, other: Model) {
    let of = service(1, "acme");
    model.write(std::slice::from_ref(&of), &[]).await;
    let live = model.live().await;
    assert_eq!(model.filling.fill(live, &batch(None, &[], &[user(1, &of)])).await, Err(ApplyError::Moved));
    let nowhere = Generation(live.0 + 7);
    assert_eq!(model.filling.fill(nowhere, &batch(None, &[], &[user(1, &of)])).await, Err(ApplyError::Moved));
    assert_eq!(listed(&other, of.id).await, (1, 0));
}

pub async fn one_rebuilds_at_a_time(model: Model, _: Model) {
    let claim = model.filling.claim_rebuild().await.expect("reachable");
    assert!(claim.is_some());
    assert!(model.filling.claim_rebuild().await.expect("reachable").is_none());
    drop(claim);
    // A server gives it back once it sees that the connection is closed.
    while model.filling.claim_rebuild().await.expect("reachable").is_none() {
        tokio::task::yield_now().await;
    }
}

pub async fn users_of_no_service_are_strays(model: Model, other: Model) {
    let (of, gone) = (service(1, "acme"), service(2, "acme"));
    assert_eq!(other.strays.strays(10).await, Ok(vec![]));
    let strays = [user(3, &gone), user(4, &gone)];
    model.write(std::slice::from_ref(&of), &[user(1, &of), strays[0].clone(), user(2, &of), strays[1].clone()]).await;
    assert_eq!(other.strays.strays(10).await, Ok(strays.map(|row| RowId::User(row.id)).to_vec()));
    assert_eq!(other.strays.strays(1).await.map(|some| some.len()), Ok(1));
    // Those of a generation that nobody looks up are nobody's.
    let next = model.generations.begin().await.expect("reachable");
    model.filling.fill(next, &batch(None, &[], &[user(5, &gone)])).await.expect("it is there");
    model.write(&[gone], &[]).await;
    assert_eq!(other.strays.strays(10).await, Ok(vec![]));
}
