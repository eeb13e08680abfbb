//! Searching for users: what is found, in which order, and what is never found again.

use domain::{Erasable, UserId};

use super::Model;
use super::sample::{batch, person, service, user, user_id};
use crate::read_model::{Batch, LiveRows, Needle, Page, ServiceRow, UserQuery, UserRow};

async fn search(model: &Model, of: &ServiceRow, needle: &str, after: Option<UserId>, limit: u32) -> Page<UserRow> {
    let search = Some(Needle::parse(needle).expect("a needle"));
    model.queries.users(&UserQuery { service: of.id, search, after, limit }).await.expect("reachable")
}

/// The numbers of those who are found.
async fn found(model: &Model, of: &ServiceRow, needle: &str) -> Vec<u128> {
    let page = search(model, of, needle, None, 500).await;
    assert!(!page.more);
    page.rows.iter().map(|row| row.id.uuid().as_u128() - user_id(0).uuid().as_u128()).collect()
}

fn named(n: u64, of: &ServiceRow, local: &str, first: &str, last: &str) -> UserRow {
    let mut row = user(n, of);
    row.user.person.value = person(&format!("{local}@{}", of.service.domain), first, last);
    row
}

pub async fn a_search_finds_literal_parts_of_names_and_addresses(model: Model, other: Model) {
    let (of, beside) = (service(1, "acme"), service(2, "acme"));
    let rows = [
        named(1, &of, "isil", "Işıl", "Çağlar"),
        named(2, &of, "a_b", "100%", "O'Brien; \\ [1,\"2\"] {} --"),
        named(3, &of, "axb", "100x", "Straße"),
        named(4, &of, "zoe", "Zoë", "İPEK"),
        named(5, &beside, "isil", "Işıl", "Çağlar"),
        named(6, &of, "lee", "李", "小龙"),
    ];
    model.write(&[of.clone(), beside.clone()], &rows).await;
    for (needle, expected) in [
        ("IŞIL", &[1][..]),
        ("ışıl çağ", &[1]),
        ("isil caglar", &[1]),
        ("caglar isil", &[]),
        ("ipek", &[4]),
        ("ıPEK", &[4]),
        ("zoe", &[4]),
        ("STRASSE", &[3]),
        ("100", &[2, 3]),
        ("100%", &[2]),
        ("%", &[2]),
        ("a_b", &[2]),
        ("_", &[2]),
        ("\\", &[2]),
        ("'", &[2]),
        ("--", &[2]),
        ("小", &[6]),
        ("@d001.EXAMPLE", &[1, 2, 3, 4, 6]),
        ("lee@d", &[6]),
        ("%@%", &[]),
        ("nobody", &[]),
        (" ", &[1, 2, 3, 4, 6]),
    ] {
        assert_eq!(found(&other, &of, needle).await, expected, "{needle:?}");
    }
    assert_eq!(found(&other, &beside, "isil").await, [5]);
    let page = search(&model, &of, "isil", None, 1).await;
    assert_eq!((page.rows, page.more), (vec![rows[0].clone()], false), "rows are found as they were written");
}

pub async fn what_is_found_comes_in_pages_that_writes_do_not_upset(model: Model, other: Model) {
    let of = service(1, "acme");
    let at = |n: u64| named(n, &of, &format!("u{n}"), if n.is_multiple_of(10) { "Found" } else { "Other" }, "Lee");
    let rows: Vec<_> = (1..=70).map(at).collect();
    model.write(std::slice::from_ref(&of), &rows).await;
    for (limit, pages) in [(1, 7), (3, 3), (7, 1), (8, 1)] {
        let (mut seen, mut after, mut turned) = (Vec::new(), None, 0);
        loop {
            let page = search(&other, &of, "found", after, limit).await;
            turned += 1;
            after = page.rows.last().map(|row| row.id);
            seen.extend(page.rows.into_iter().map(|row| row.id));
            if !page.more {
                break;
            }
        }
        assert_eq!((seen, turned), ((1..=7).map(|n| user_id(n * 10)).collect(), pages), "limit {limit}");
    }
    let first = search(&other, &of, "found", None, 2).await;
    // One of the first page is erased, another is renamed, and one behind it; others come to be what is searched for, before the
    // cursor and behind it.
    let from = model.applied(model.live().await).await;
    let renamed = |n: u64, first| named(n, &of, &format!("u{n}"), first, "Lee");
    let changed = [renamed(10, "Other"), renamed(30, "Other"), renamed(15, "Found"), renamed(41, "Found")];
    let erasing = Batch { erased: vec![user_id(20)], ..batch(from.as_ref(), &[], &changed) };
    model.apply(model.live().await, &erasing, from.as_ref()).await.expect("it follows");
    let second = search(&other, &of, "found", first.rows.last().map(|row| row.id), 3).await;
    let ids = |page: &Page<UserRow>| page.rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!((ids(&first), first.more), (vec![user_id(10), user_id(20)], true));
    assert_eq!((ids(&second), second.more), (vec![user_id(40), user_id(41), user_id(50)], true));
}

pub async fn nobody_is_found_by_what_was_erased_or_is_past(model: Model, other: Model) {
    let of = service(1, "acme");
    let (mut renamed, mut erased) = (named(1, &of, "ann", "Annika", "Lee"), named(2, &of, "bob", "Robert", "Lee"));
    let gone = named(3, &of, "eve", "Evelyn", "Lee");
    let from = model.write(std::slice::from_ref(&of), &[renamed.clone(), erased.clone(), gone.clone()]).await;
    assert_eq!(found(&other, &of, "lee").await, [1, 2, 3]);
    renamed.user.person.value = person("ann@d001.example", "Anneli", "Lee");
    erased.user.person.value = Erasable::Erased;
    let next = Batch { erased: vec![gone.id], ..batch(Some(&from), &[], &[renamed, erased]) };
    model.apply(model.live().await, &next, Some(&from)).await.expect("it follows");
    for (needle, expected) in
        [("lee", &[1][..]), ("annika", &[]), ("anneli", &[1]), ("robert", &[]), ("bob", &[]), ("evelyn", &[])]
    {
        assert_eq!(found(&other, &of, needle).await, expected, "{needle}");
    }
}

pub async fn the_rows_say_how_far_they_are_and_that_all_can_be_searched(model: Model, other: Model) {
    let stands = |applied| Ok(LiveRows { applied, searchable: true });
    assert_eq!(other.queries.live_rows().await, stands(domain::Position::START));
    let of = service(1, "acme");
    let rows = super::sample::every_user(&of);
    let to = model.write(std::slice::from_ref(&of), &rows).await;
    assert_eq!(other.queries.live_rows().await, stands(to.position));
    assert_eq!(model.writer.not_searchable(model.live().await, 10).await, Ok(vec![]));
}
