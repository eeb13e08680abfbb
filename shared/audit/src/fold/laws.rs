//! Laws that hold for every history of several services, however it is cut into batches.

use proptest::prelude::*;

use super::*;
use crate::staged::{Act, Author, LOG, leaf};

/// Rows as a read model would hold them.
#[derive(Debug, Default, PartialEq)]
struct Table {
    services: HashMap<ServiceId, ServiceRow>,
    users: HashMap<UserId, UserRow>,
    applied: Option<Applied>,
}

impl Table {
    fn apply(&mut self, entries: &[Opened]) -> Result<(), Corrupt> {
        let touched = touched(entries);
        let rows = Rows {
            services: touched.services.iter().filter_map(|id| Some((*id, self.services.get(id)?.clone()))).collect(),
            users: touched.users.iter().filter_map(|id| Some((*id, self.users.get(id)?.clone()))).collect(),
        };
        let batch = fold(LOG, self.applied.as_ref(), entries, rows)?;
        for id in &batch.erased {
            self.users.remove(id);
        }
        assert!(batch.users.iter().all(|row| !batch.erased.contains(&row.id)), "written and erased at once");
        self.services.extend(batch.services.into_iter().map(|row| (row.id, row)));
        self.users.extend(batch.users.into_iter().map(|row| (row.id, row)));
        self.applied = Some(batch.to);
        Ok(())
    }
}

fn acts() -> impl Strategy<Value = Vec<(u8, Act)>> {
    let user = 1..5_u64;
    let act = prop_oneof![
        2 => Just(Act::Provision),
        1 => (1..6_u64).prop_map(Act::Plan),
        8 => (user.clone(), user.clone()).prop_map(|(user, address)| Act::Add(user, address)),
        4 => (user.clone(), "[A-C]", 1..9_u64).prop_map(|(user, first, mib)| Act::Edit(user, first, mib)),
        3 => user.clone().prop_map(Act::Password),
        2 => user.clone().prop_map(Act::Suspend),
        2 => user.clone().prop_map(Act::Reactivate),
        4 => user.clone().prop_map(Act::Remove),
        4 => user.prop_map(Act::Erase),
    ];
    let first = (1..4_u8).prop_map(|service| (service, Act::Provision));
    (prop::collection::vec(first, 0..4), prop::collection::vec((1..4_u8, act), 0..80))
        .prop_map(|(first, then)| [first, then].concat())
}

/// The log that these acts make, and who made it.
fn written(acts: &[(u8, Act)]) -> (Author, Vec<Opened>) {
    let mut author = Author::default();
    let first = author.first();
    let mut log = vec![author.stands(first, leaf(Position::new(1)))];
    for (service, act) in acts {
        if let Some(change) = author.change(*service, act) {
            let position = author.position().next();
            log.push(author.stands(change, leaf(position)));
        }
    }
    (author, log)
}

proptest! {
    #[test]
    fn every_row_is_the_fold_of_its_history(acts in acts()) {
        let (author, log) = written(&acts);
        let mut table = Table::default();
        prop_assert_eq!(table.apply(&log), Ok(()));
        let (services, users) = author.rows();
        prop_assert_eq!(table.services, services.into_iter().map(|row| (row.id, row)).collect());
        prop_assert_eq!(table.users, users.into_iter().map(|row| (row.id, row)).collect());
    }

    #[test]
    fn however_a_log_is_cut_into_batches_the_rows_are_the_same(
        acts in acts(),
        cuts in prop::collection::vec(1..12_usize, 0..90),
    ) {
        let (_, log) = written(&acts);
        let mut whole = Table::default();
        prop_assert_eq!(whole.apply(&log), Ok(()));
        let (mut cut, mut rest) = (Table::default(), &log[..]);
        for length in cuts.into_iter().chain([log.len()]) {
            let (batch, later) = rest.split_at(length.min(rest.len()));
            if !batch.is_empty() {
                prop_assert_eq!(cut.apply(batch), Ok(()));
            }
            rest = later;
        }
        prop_assert_eq!(cut, whole);
    }

    #[test]
    fn the_applied_position_carries_the_frontier_of_all_that_was_applied(acts in acts()) {
        let (_, log) = written(&acts);
        let mut table = Table::default();
        prop_assert_eq!(table.apply(&log), Ok(()));
        let mut frontier = ledger::Frontier::default();
        log.iter().for_each(|opened| frontier.push(opened.link.leaf));
        let last = log.last().map(|opened| opened.link).expect("the first entry at least");
        let expected = Applied { log: LOG, position: last.position, leaf: Some(last.leaf), frontier };
        prop_assert_eq!(table.applied, Some(expected));
    }

    #[test]
    fn two_entries_of_a_service_do_not_change_places(acts in acts(), at in any::<prop::sample::Index>()) {
        let (_, mut log) = written(&acts);
        let pairs: Vec<_> = (1..log.len())
            .flat_map(|one| (one + 1..log.len()).map(move |other| (one, other)))
            .filter(|(one, other)| log[*one].change.subject() == log[*other].change.subject())
            .collect();
        prop_assume!(!pairs.is_empty());
        let (one, other) = pairs[at.index(pairs.len())];
        // What stood at one position now stands at the other, with the position and leaf that are really there.
        let (first, second) = (log[one].change.clone(), log[other].change.clone());
        (log[one].change, log[other].change) = (second, first);
        let corrupt = Table::default().apply(&log).map_err(|corrupt| corrupt.position);
        prop_assert_eq!(corrupt, Err(log[one].link.position));
    }

    #[test]
    fn an_entry_left_out_is_missed(acts in acts(), at in any::<prop::sample::Index>()) {
        let (_, mut log) = written(&acts);
        prop_assume!(log.len() > 1);
        let gone = at.index(log.len() - 1);
        log.remove(gone);
        let corrupt = Table::default().apply(&log).map_err(|corrupt| corrupt.position);
        prop_assert_eq!(corrupt, Err(log[gone].link.position), "at the entry behind the gap");
    }
}
