//! A crew at work while something goes wrong.

use std::time::{Duration, Instant};

use stage::{Crew, Random, Several, Stack, Working};

/// How long nothing may be answered after a fault that the rest makes up for. NATS servers take some 5 s to elect a leader, and
/// who asked a service that was cut off has to give that up first, up to 10 s each. What is promised is 10 s for a killed
/// leader, and `make bench` measures it on a machine that does nothing else; a busy one keeps to this.
const SILENCE: Duration = Duration::from_secs(28);

/// Services on the stores under test, and a crew that changes users through all of them.
pub struct Weather {
    /// The services.
    pub services: Several,
    /// The first of each.
    pub stack: Stack,
    working: Working,
    first: u64,
}

impl Weather {
    /// Begins: the crew is at work when this returns.
    pub async fn fair(services: Several) -> Self {
        let stack = services.stack();
        let crew = Crew::hired(&stack, 4, &mut Random::seeded()).await;
        let first = stack.head().await;
        let working = crew.works(services.commands(), services.webmails());
        working.goes_on_for(8).await;
        Self { services, stack, working, first }
    }

    /// Waits until the crew has got further by some changes.
    pub async fn work_goes_on(&self) {
        self.working.goes_on_for(12).await;
    }

    /// The same after a fault at this moment, and expects that work did not rest for long.
    pub async fn work_resumes(&self, fault: Instant) {
        self.work_goes_on().await;
        let silent = self.working.silent_after(fault);
        assert!(silent < SILENCE, "no change was answered for {silent:?} after the fault");
    }

    /// Ends: all services are well by themselves, every change that was answered stands, once, and each user is as it was
    /// left.
    pub async fn clears(self) {
        self.services.ready().await;
        self.work_goes_on().await;
        self.services.are_well().await;
        let mut crew = self.working.stops().await;
        crew.settles(&self.stack).await;
        self.stack.caught_up().await;
        assert_eq!(self.stack.head().await, self.first + crew.changes(), "one entry a change, no more and no less");
        crew.finds_its_users_whole(&self.stack).await;
    }
}
