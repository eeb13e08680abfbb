//! Which services are at hand, in the order in which they were asked for, and what they take of memory: a sum that is kept,
//! so that a miss costs the same however many there are.

use std::collections::HashMap;
use std::sync::Arc;

use domain::ServiceId;
use lru::LruCache;

/// What is at hand of each service. What is being loaded stands apart and weighs nothing: whoever names services that do
/// not exist pushes nobody out.
pub struct AtHand<T> {
    loading: HashMap<ServiceId, Arc<T>>,
    kept: LruCache<ServiceId, Kept<T>>,
    /// What all that is kept weighs together; at most `most`, unless one alone weighs more.
    weight: usize,
    most: usize,
}

struct Kept<T> {
    it: Arc<T>,
    weight: usize,
}

impl<T> AtHand<T> {
    /// Nothing yet; what is kept will weigh `most`.
    pub fn new(most: usize) -> Self {
        Self { loading: HashMap::new(), kept: LruCache::unbounded(), weight: 0, most }
    }

    /// What is at hand of a service, as the one that was asked for last; else what `fresh` makes, which is being loaded from
    /// then on.
    pub fn get(&mut self, id: ServiceId, fresh: impl FnOnce() -> T) -> Arc<T> {
        if let Some(kept) = self.kept.get(&id) {
            return Arc::clone(&kept.it);
        }
        Arc::clone(self.loading.entry(id).or_insert_with(|| Arc::new(fresh())))
    }

    /// Keeps what is loaded, as the one that was asked for last, at the cost of those that were asked for longest ago. Where
    /// another of the same service is kept, that one stays.
    pub fn keep(&mut self, id: ServiceId, it: &Arc<T>, weight: usize) {
        self.no_longer_loading(id, it);
        if !self.kept.contains(&id) {
            self.kept.push(id, Kept { it: Arc::clone(it), weight: 0 });
        }
        self.weigh(id, it, weight);
    }

    /// Takes note of what one that is kept weighs by now, at the cost of those that were asked for longest ago. Nothing
    /// comes of it where it is not kept, or another in its place.
    pub fn weigh(&mut self, id: ServiceId, it: &T, weight: usize) {
        let Some(kept) = self.kept.peek_mut(&id).filter(|kept| std::ptr::eq(&*kept.it, it)) else { return };
        self.weight = self.weight - kept.weight + weight;
        kept.weight = weight;
        while self.weight > self.most && self.kept.len() > 1 {
            let Some((_, shed)) = self.kept.pop_lru() else { break };
            self.weight -= shed.weight;
        }
    }

    /// Forgets it, loaded or not, unless there is another in its place by now.
    pub fn forget(&mut self, id: ServiceId, it: &Arc<T>) {
        self.no_longer_loading(id, it);
        if self.kept.peek(&id).is_some_and(|kept| Arc::ptr_eq(&kept.it, it))
            && let Some(kept) = self.kept.pop(&id)
        {
            self.weight -= kept.weight;
        }
    }

    fn no_longer_loading(&mut self, id: ServiceId, it: &Arc<T>) {
        if self.loading.get(&id).is_some_and(|loading| Arc::ptr_eq(loading, it)) {
            self.loading.remove(&id);
        }
    }

    /// What is kept, from the one that was asked for last on, with what it weighs.
    #[cfg(test)]
    pub fn kept(&self) -> Vec<(ServiceId, usize)> {
        self.kept.iter().map(|(id, kept)| (*id, kept.weight)).collect()
    }

    /// Whether nothing is kept, nor being loaded.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.loading.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    /// What happens to one of a few services.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Get(u128),
        Keep(u128, usize),
        Weigh(u128, usize),
        Forget(u128),
        /// Another of the same service is weighed, and forgotten: one that was at hand before.
        Stale(u128, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let (service, weight) = (0_u128..6, 1_usize..9);
        let step = prop_oneof![
            service.clone().prop_map(Step::Get),
            (service.clone(), weight.clone()).prop_map(|(service, weight)| Step::Keep(service, weight)),
            (service.clone(), weight.clone()).prop_map(|(service, weight)| Step::Weigh(service, weight)),
            service.clone().prop_map(Step::Forget),
            (service, weight).prop_map(|(service, weight)| Step::Stale(service, weight)),
        ];
        proptest::collection::vec(step, 0..60)
    }

    /// The same by the letter: a list, the one that was asked for last first, and a sum over all of it.
    #[derive(Default)]
    struct Model(Vec<(u128, usize)>);

    impl Model {
        fn get(&mut self, service: u128) {
            if let Some(at) = self.0.iter().position(|(kept, _)| *kept == service) {
                let kept = self.0.remove(at);
                self.0.insert(0, kept);
            }
        }

        fn weigh(&mut self, service: u128, weight: usize, most: usize) {
            let Some(kept) = self.0.iter_mut().find(|(kept, _)| *kept == service) else { return };
            kept.1 = weight;
            while self.0.iter().map(|(_, weight)| weight).sum::<usize>() > most && self.0.len() > 1 {
                self.0.pop();
            }
        }

        fn forget(&mut self, service: u128) {
            self.0.retain(|(kept, _)| *kept != service);
        }
    }

    proptest! {
        #[test]
        fn the_sum_that_is_kept_is_the_sum_and_the_bound_holds_after_every_step(steps in steps(), most in 1_usize..30) {
            let (mut at_hand, mut model) = (AtHand::new(most), Model::default());
            for step in steps {
                let id = |service| ServiceId::new(Uuid::from_u128(service));
                match step {
                    Step::Get(service) => {
                        at_hand.get(id(service), || service);
                        model.get(service);
                    }
                    Step::Keep(service, weight) => {
                        let it = at_hand.get(id(service), || service);
                        at_hand.keep(id(service), &it, weight);
                        model.get(service);
                        if !model.0.iter().any(|(kept, _)| *kept == service) {
                            model.0.insert(0, (service, 0));
                        }
                        model.weigh(service, weight, most);
                    }
                    Step::Weigh(service, weight) => {
                        let it = at_hand.get(id(service), || service);
                        at_hand.weigh(id(service), &it, weight);
                        model.get(service);
                        model.weigh(service, weight, most);
                    }
                    Step::Forget(service) => {
                        let it = at_hand.get(id(service), || service);
                        at_hand.forget(id(service), &it);
                        model.forget(service);
                    }
                    Step::Stale(service, weight) => {
                        let stale = Arc::new(service);
                        at_hand.weigh(id(service), &stale, weight);
                        at_hand.forget(id(service), &stale);
                    }
                }
                let expected: Vec<_> = model.0.iter().map(|&(service, weight)| (id(service), weight)).collect();
                let kept = at_hand.kept();
                prop_assert_eq!(at_hand.weight, kept.iter().map(|(_, weight)| weight).sum::<usize>());
                prop_assert!(at_hand.weight <= most || kept.len() == 1);
                prop_assert_eq!(kept, expected);
            }
        }
    }

    #[test]
    fn of_two_that_were_loaded_at_once_the_first_that_is_kept_stays() {
        let (mut at_hand, id) = (AtHand::new(9), ServiceId::new(Uuid::from_u128(1)));
        let one = at_hand.get(id, || 1);
        at_hand.forget(id, &one);
        let two = at_hand.get(id, || 2);
        at_hand.keep(id, &one, 3);
        at_hand.keep(id, &two, 5);
        assert_eq!((at_hand.kept(), *at_hand.get(id, || 3)), (vec![(id, 3)], 1));
        assert!(at_hand.loading.is_empty());
    }
}
