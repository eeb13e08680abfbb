//! Seats of streams: so many for panels, as many for auditors and operators, and a share of them for each client, so that nobody's
//! streams keep another's from theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use postkey_http::{Caller, Code, Problem, Role};

/// So many streams of one kind of client at a time; each looks at every entry that is applied.
const SEATS: usize = 32;
/// So many of them for one client, by its name.
const SHARE: usize = 8;

/// Whose streams are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Customers'.
    Panel,
    /// Of those who look after all customers.
    Watcher,
}

/// How many seats each client has, by its kind and name.
type Taken = HashMap<(Kind, String), usize>;

/// All seats. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Seats(Arc<Mutex<Taken>>);

/// One seat, until it is dropped.
#[derive(Debug)]
#[must_use = "dropped, the seat is free"]
pub struct Seat {
    seats: Seats,
    whose: (Kind, String),
}

impl Seats {
    /// A seat for a caller.
    ///
    /// # Errors
    /// 503 `overloaded`, where it has its share, or all callers of its kind together have as many as there are.
    pub fn take(&self, caller: &Caller) -> Result<Seat, Problem> {
        let kind = match caller.role {
            Role::Auditor | Role::Operator => Kind::Watcher,
            Role::Panel | Role::Webmail | Role::Service => Kind::Panel,
        };
        let whose = (kind, caller.name.clone());
        let mut taken = self.lock();
        let own = taken.get(&whose).copied().unwrap_or_default();
        let all: usize = taken.iter().filter(|((of, _), _)| *of == kind).map(|(_, seats)| seats).sum();
        if own >= SHARE || all >= SEATS {
            return Err(Problem::new(Code::Overloaded));
        }
        taken.insert(whose.clone(), own + 1);
        drop(taken);
        Ok(Seat { seats: self.clone(), whose })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        let Some(seats) = taken.get_mut(&self.whose) else { return };
        *seats -= 1;
        if *seats == 0 {
            taken.remove(&self.whose);
        }
    }
}

#[cfg(test)]
mod tests {
    use postkey_http::CustomerScope;

    use super::*;

    fn caller(name: &str, role: Role) -> Caller {
        Caller { name: name.to_owned(), role, customer: CustomerScope::Any, personal: false }
    }

    fn is_refused(taken: Result<Seat, Problem>) -> bool {
        matches!(taken, Err(problem) if problem.code == Code::Overloaded)
    }

    #[test]
    fn one_client_takes_its_share_and_leaves_the_others_theirs() {
        let seats = Seats::default();
        let mut held: Vec<_> = (0..SHARE).map(|_| seats.take(&caller("shop", Role::Panel)).unwrap()).collect();
        assert!(is_refused(seats.take(&caller("shop", Role::Panel))));
        held.push(seats.take(&caller("desk", Role::Panel)).unwrap());
        drop(held.swap_remove(0));
        held.push(seats.take(&caller("shop", Role::Panel)).unwrap());
        assert!(is_refused(seats.take(&caller("shop", Role::Panel))));
        drop(held);
        assert!(seats.lock().is_empty(), "nothing is kept of those who have gone");
    }

    #[test]
    fn panels_take_no_seat_of_auditors_and_operators_nor_these_of_theirs() {
        let seats = Seats::default();
        let all = |role: Role| -> Vec<_> {
            let names = (0..SEATS).map(|nth| format!("{role:?}-{}", nth / SHARE));
            names.map(|name| seats.take(&caller(&name, role)).unwrap()).collect()
        };
        let panels = all(Role::Panel);
        assert!(is_refused(seats.take(&caller("another panel", Role::Panel))));
        let auditors = all(Role::Auditor);
        assert!(is_refused(seats.take(&caller("operator", Role::Operator))));
        drop(auditors);
        assert!(seats.take(&caller("operator", Role::Operator)).is_ok());
        drop(panels);
    }
}
