//! How a page is looked for, the same in both databases: so far and no further.

use async_trait::async_trait;

use crate::conditions::Conditions;
use crate::{Filter, Kept, Page, Unavailable};

/// What a database is asked for a page.
#[async_trait]
pub trait Look: Sync {
    /// The first and the last place of all records with these conditions; none where there is none.
    async fn span(&self, of: Conditions) -> Result<Option<(i64, i64)>, Unavailable>;

    /// The last place of the first [`LOOKED_AT`](crate::LOOKED_AT) records with these conditions, if there are so many.
    async fn looked_up_to(&self, of: Conditions) -> Result<Option<i64>, Unavailable>;

    /// The first `limit` records with these conditions, in their order.
    async fn records(&self, of: Conditions, limit: i64) -> Result<Vec<Kept>, Unavailable>;
}

/// Looks for a page: see [`ActivityStore::page`](crate::ActivityStore::page).
pub async fn page(store: &impl Look, filter: &Filter, after: u64, limit: u32) -> Result<Page, Unavailable> {
    // No place is so far that a database could not count to it.
    let mut after = i64::try_from(after).unwrap_or(i64::MAX);
    let mut up_to = i64::MAX;
    if let Some(of_time) = Conditions::of_time(filter) {
        // Instants are nearly in order, and may be out of it: clocks differ, and are set.
        let Some((first, last)) = store.span(of_time).await? else {
            return Ok(Page { records: Vec::new(), next: None });
        };
        after = after.max(first - 1);
        up_to = last;
    }
    let looked = Conditions::of_places(after, up_to).found_by_index(filter);
    let ends = store.looked_up_to(looked).await?;
    let wanted = Conditions::of_places(after, ends.unwrap_or(up_to)).filtered_by(filter);
    // One more than asked for tells whether there are more.
    let mut records = store.records(wanted, i64::from(limit) + 1).await?;
    let next = if records.len() > limit as usize {
        records.truncate(limit as usize);
        records.last().map(|record| record.id)
    } else {
        ends.and_then(|ends| u64::try_from(ends).ok())
    };
    Ok(Page { records, next })
}
