//! What every read model has to pass. Each function takes a store of its own, fresh and empty, and the same store as
//! another process sees it, and panics where the contract is broken;
//! [`read_model_contract_tests!`](crate::read_model_contract_tests) makes a test of each.

#![allow(missing_docs, reason = "the name of a test says what it asks")]

mod generations;
mod ledger;
mod lists;
mod lookups;
pub(crate) mod sample;
mod search;
mod writing;

use std::sync::Arc;

use domain::Address;

pub use generations::*;
pub use ledger::*;
pub use lists::*;
pub use lookups::*;
pub use search::*;
pub use writing::*;

use crate::read_model::{
    Applied, ApplyError, Batch, Filling, Generation, Generations, LedgerRows, LoginRow, Lookups, Queries,
    ReadModelWriter, Rows, ServiceRow, Strays, Touched, UserRow,
};

/// Makes the contract's tests for one kind of read model. The argument is a function that gives a future of two
/// [`Model`]s over one fresh, empty store, as two processes see it, and of something that has to live as long as they
/// are used, such as their folder.
#[macro_export]
macro_rules! read_model_contract_tests {
    ($make:path) => {
        $crate::read_model_contract_tests! { $make =>
            nothing_is_applied_at_first, a_batch_moves_the_applied_position, a_batch_from_elsewhere_writes_nothing,
            rows_read_back_as_they_were_written, a_row_is_replaced_whole, forgetting_changes_no_row,
            an_erased_user_is_gone_and_its_address_free_in_the_same_batch, an_address_twice_writes_nothing,
            of_two_writers_one_moves_the_position,
            a_commit_is_looked_up_at_once_from_everywhere, a_lookup_says_how_far_the_log_was_applied,
            a_generation_beside_the_live_one_is_not_looked_up, rows_that_differ_are_named_from_both_sides,
            a_swap_shows_the_next_generation_and_drops_the_old, a_swap_needs_one_position_unless_forced,
            a_swap_to_what_is_not_there_changes_nothing, a_new_generation_drops_an_unfinished_one,
            rows_of_a_part_are_compared_by_themselves, a_generation_is_filled_in_portions, the_live_generation_is_filled_by_nobody,
            one_rebuilds_at_a_time, nothing_is_forgotten_while_a_rebuild_holds_it, users_of_no_service_are_strays,
            services_are_listed_by_domain_page_by_page, a_customer_sees_its_own_services_only,
            users_are_listed_in_the_order_of_their_ids, a_page_stays_where_it_is_while_rows_are_added, a_page_stays_where_it_is_while_users_are_erased,
            one_row_is_found_by_its_ids, a_search_finds_literal_parts_of_names_and_addresses,
            what_is_found_comes_in_pages_that_writes_do_not_upset, nobody_is_found_by_what_was_erased_or_is_past,
            the_rows_say_how_far_they_are_and_that_all_can_be_searched,
            the_ledger_grows_with_the_live_generation, its_nodes_are_read_by_level_and_index,
            a_batch_that_is_refused_adds_no_leaf, a_rebuild_leaves_the_ledger_alone,
            what_the_ledger_lacks_is_added_behind, of_two_who_extend_the_ledger_one_does,
            entries_about_a_user_come_in_their_order,
            each_leaf_says_whom_its_entry_is_about,
        }
    };
    ($make:path => $($test:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let (model, other, kept) = $make().await;
                $crate::read_model::contract::$test(model, other).await;
                drop(kept);
            }
        )*
    };
}

/// The ports of one read model.
#[derive(Clone)]
pub struct Model {
    writer: Arc<dyn ReadModelWriter>,
    generations: Arc<dyn Generations>,
    filling: Arc<dyn Filling>,
    strays: Arc<dyn Strays>,
    lookups: Arc<dyn Lookups>,
    queries: Arc<dyn Queries>,
    ledger: Arc<dyn LedgerRows>,
}

impl Model {
    /// The ports of a store that has them all.
    pub fn new<T>(store: &Arc<T>) -> Self
    where
        T: ReadModelWriter + Generations + Filling + Strays + Lookups + Queries + LedgerRows + 'static,
    {
        Self {
            writer: Arc::clone(store) as Arc<dyn ReadModelWriter>,
            generations: Arc::clone(store) as Arc<dyn Generations>,
            filling: Arc::clone(store) as Arc<dyn Filling>,
            strays: Arc::clone(store) as Arc<dyn Strays>,
            lookups: Arc::clone(store) as Arc<dyn Lookups>,
            queries: Arc::clone(store) as Arc<dyn Queries>,
            ledger: Arc::clone(store) as Arc<dyn LedgerRows>,
        }
    }

    async fn live(&self) -> Generation {
        self.generations.live().await.expect("reachable")
    }

    async fn applied(&self, generation: Generation) -> Option<Applied> {
        self.writer.applied(generation).await.expect("reachable")
    }

    async fn apply(&self, generation: Generation, batch: &Batch, from: Option<&Applied>) -> Result<(), ApplyError> {
        self.writer.apply(generation, batch, from).await
    }

    /// Applies rows to the live generation, after whatever it stands at, and says where it stands now.
    async fn write(&self, services: &[ServiceRow], users: &[UserRow]) -> Applied {
        let live = self.live().await;
        let from = self.applied(live).await;
        let batch = sample::batch(from.as_ref(), services, users);
        self.apply(live, &batch, from.as_ref()).await.expect("a batch that follows");
        batch.to
    }

    async fn login(&self, address: &str) -> LoginRow {
        self.lookups.login(&Address::parse(address).expect("an address")).await.expect("reachable")
    }

    /// The rows of a generation with these ids, in the order asked for.
    async fn rows(&self, generation: Generation, services: &[ServiceRow], users: &[UserRow]) -> Rows {
        let touched = Touched {
            services: services.iter().map(|row| row.id).collect(),
            users: users.iter().map(|row| row.id).collect(),
        };
        self.writer.touched(generation, &touched).await.expect("reachable")
    }
}
