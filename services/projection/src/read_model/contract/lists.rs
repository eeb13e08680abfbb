//! The lists' port: order, pages, whose.

use domain::{Customer, UserId};

use super::Model;
use super::sample::{batch, customer, domain, every_user, service, user, user_id};
use crate::read_model::{Batch, Page, ServiceQuery, ServiceRow, UserQuery, UserRow};

async fn services(model: &Model, customer: Option<Customer>, after: Option<&str>, limit: u32) -> Page<ServiceRow> {
    let query = ServiceQuery { customer, after: after.map(str::to_owned), limit };
    model.queries.services(&query).await.expect("reachable")
}

async fn users(model: &Model, of: &ServiceRow, after: Option<UserId>, limit: u32) -> Page<UserRow> {
    model.queries.users(&UserQuery { service: of.id, search: None, after, limit }).await.expect("reachable")
}

pub async fn services_are_listed_by_domain_page_by_page(model: Model, other: Model) {
    assert!(services(&model, None, None, 10).await.rows.is_empty());
    // Written out of order.
    let all: Vec<_> = (1..=7).map(|n| service(n, "acme")).collect();
    for n in [4, 0, 6, 2, 1, 5, 3] {
        model.write(&all[n..=n], &[]).await;
    }
    for (limit, pages) in [(1, 7), (3, 3), (6, 2), (7, 1), (500, 1)] {
        let (mut found, mut after, mut seen) = (Vec::new(), None::<String>, 0);
        loop {
            let page = services(&other, None, after.as_deref(), limit).await;
            seen += 1;
            assert!(page.rows.len() <= limit as usize);
            after = page.rows.last().map(|row| row.service.domain.to_string());
            found.extend(page.rows);
            if !page.more {
                break;
            }
        }
        assert_eq!(found, all, "limit {limit}");
        assert_eq!(seen, pages, "`more` is true only where there are more: limit {limit}");
    }
    let beyond = services(&model, None, Some("zzz.example"), 3).await;
    assert!(beyond.rows.is_empty() && !beyond.more);
    let between = services(&model, None, Some("d003.exampl"), 1).await;
    assert_eq!(between.rows[0].service.domain, domain(3), "a cursor need not be there any more");
}

pub async fn a_customer_sees_its_own_services_only(model: Model, other: Model) {
    let rows = [service(1, "acme"), service(2, "ACME"), service(3, "acme"), service(4, "acme.eu"), service(5, "acme")];
    model.write(&rows, &[]).await;
    let page = services(&other, Some(customer("acme")), None, 2).await;
    assert_eq!((page.rows, page.more), (vec![rows[0].clone(), rows[2].clone()], true));
    let page = services(&other, Some(customer("acme")), Some("d003.example"), 2).await;
    assert_eq!((page.rows, page.more), (vec![rows[4].clone()], false));
    let page = services(&other, Some(customer("ACME")), None, 2).await;
    assert_eq!((page.rows, page.more), (vec![rows[1].clone()], false), "case matters");
    assert!(services(&other, Some(customer("nobody")), None, 2).await.rows.is_empty());
    assert_eq!(services(&other, None, None, 5).await.rows, rows);
}

pub async fn users_are_listed_in_the_order_of_their_ids(model: Model, other: Model) {
    let (of, beside) = (service(1, "acme"), service(2, "acme"));
    assert!(users(&model, &of, None, 10).await.rows.is_empty());
    let all = every_user(&of);
    let mut mixed = all.clone();
    mixed.reverse();
    mixed.insert(3, user(50, &beside));
    model.write(&[of.clone(), beside.clone()], &mixed).await;
    for limit in [1, 4, 10, 11, 12] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = users(&other, &of, after, limit).await;
            assert!(page.rows.len() <= limit as usize && !page.rows.is_empty());
            after = page.rows.last().map(|row| row.id);
            found.extend(page.rows);
            assert_eq!(page.more, found.len() < all.len(), "limit {limit}");
            if !page.more {
                break;
            }
        }
        assert_eq!(found, all, "limit {limit}: suspended, removed and erased ones too");
    }
    assert_eq!(users(&other, &beside, None, 5).await.rows, [user(50, &beside)]);
    assert!(users(&other, &beside, Some(user_id(50)), 5).await.rows.is_empty());
}

pub async fn a_page_stays_where_it_is_while_rows_are_added(model: Model, other: Model) {
    let of = service(1, "acme");
    let at = |n| user(n, &of);
    model.write(&[of.clone(), service(10, "acme"), service(20, "acme")], &[at(10), at(20), at(30)]).await;
    let first = users(&other, &of, None, 2).await;
    let services_before = services(&other, None, None, 2).await;
    // One before (an id may be drawn long before its user stands in the log), one between, one behind; and a row of the first
    // page changes.
    let mut changed = at(10);
    changed.user.quota = at(77).user.quota;
    model.write(&[service(0, "acme"), service(15, "acme")], &[at(5), at(25), at(40), changed]).await;
    let second = users(&other, &of, first.rows.last().map(|row| row.id), 2).await;
    assert_eq!((first.rows, first.more), (vec![at(10), at(20)], true));
    assert_eq!((second.rows, second.more), (vec![at(25), at(30)], true), "nobody twice, nobody left out who was there");
    let after = services_before.rows.last().map(|row| row.service.domain.to_string());
    let second = services(&other, None, after.as_deref(), 2).await;
    assert_eq!((second.rows, second.more), (vec![service(15, "acme"), service(20, "acme")], false));
}

pub async fn a_page_stays_where_it_is_while_users_are_erased(model: Model, other: Model) {
    let of = service(1, "acme");
    let rows: Vec<_> = (1..=6).map(|n| user(n, &of)).collect();
    let from = model.write(std::slice::from_ref(&of), &rows).await;
    let first = users(&other, &of, None, 2).await;
    // The one that the next page begins behind, and one of that page.
    let erasing = Batch { erased: vec![rows[1].id, rows[3].id], ..batch(Some(&from), &[], &[]) };
    model.apply(model.live().await, &erasing, Some(&from)).await.expect("it follows");
    let second = users(&other, &of, first.rows.last().map(|row| row.id), 2).await;
    assert_eq!((second.rows, second.more), (vec![rows[2].clone(), rows[4].clone()], true));
}

pub async fn one_row_is_found_by_its_ids(model: Model, other: Model) {
    let (of, beside) = (service(1, "acme"), service(2, "acme"));
    let rows = every_user(&of);
    model.write(&[of.clone(), beside.clone()], &rows).await;
    assert_eq!(other.queries.service(of.id).await, Ok(Some(of.clone())));
    assert_eq!(other.queries.service(service(3, "acme").id).await, Ok(None));
    for row in &rows {
        assert_eq!(other.queries.user(of.id, row.id).await.as_ref(), Ok(&Some(row.clone())));
    }
    assert_eq!(other.queries.user(beside.id, rows[0].id).await, Ok(None), "another service's user");
    assert_eq!(other.queries.user(of.id, user_id(999)).await, Ok(None));
}
