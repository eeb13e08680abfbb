//! Rows that are kept: how seldom they are read, and that none is ever older than the log allows.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;

impl Staged {
    fn reads(&self) -> u64 {
        self.rows.reads.load(Ordering::Relaxed)
    }

    fn live(&self, generation: i64) {
        self.progress.send_modify(|progress| progress.live = Some(Generation(generation)));
    }

    /// Whether the row of a user of this service was read for that, and its position.
    async fn asked(&self, service: u8) -> (Result<u64, NotFresh>, bool) {
        let before = self.reads();
        (self.ask(service).await.0, self.reads() > before)
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_is_read_once_as_long_as_the_log_does_not_grow() {
    let staged = staged(4, as_it_is).await;
    staged.live(1);
    staged.applied(4);
    assert_eq!(staged.asked(1).await, (Ok(4), true));
    for _ in 0..3 {
        assert_eq!(staged.asked(1).await, (Ok(4), false));
    }
    assert_eq!(staged.asked(2).await, (Ok(4), true), "another address's is another");
    staged.grows(2, 4).await;
    staged.applied(5);
    assert_eq!(staged.asked(1).await, (Ok(5), true), "whichever service the log has grown by");
    assert_eq!(staged.asked(1).await, (Ok(5), false));
    assert_eq!(staged.asked(2).await, (Ok(5), true));
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_read_before_the_log_grew_is_not_trusted_after() {
    let staged = staged(4, as_it_is).await;
    staged.live(1);
    staged.applied(4);
    assert_eq!(staged.asked(2).await, (Ok(4), true));
    staged.grows(2, 4).await;
    assert_eq!(staged.asked(2).await, (Err(NotFresh::CatchingUp), true));
    assert_eq!(staged.asked(1).await, (Ok(4), true), "the service has nothing newer, and the row is read");
}

#[tokio::test(start_paused = true)]
async fn rows_that_were_made_anew_are_read_anew() {
    let staged = staged(4, as_it_is).await;
    staged.live(1);
    staged.applied(4);
    assert_eq!(staged.asked(1).await, (Ok(4), true));
    staged.live(2);
    assert_eq!(staged.asked(1).await, (Ok(4), true));
    assert_eq!(staged.asked(1).await, (Ok(4), false));
}

#[tokio::test(start_paused = true)]
async fn before_the_projector_knows_the_generation_every_row_is_read() {
    let staged = staged(4, as_it_is).await;
    staged.applied(4);
    assert_eq!(staged.asked(1).await, (Ok(4), true));
    assert_eq!(staged.asked(1).await, (Ok(4), true));
}

#[tokio::test(start_paused = true)]
async fn without_the_log_every_row_is_read() {
    let staged = staged(4, unavailable_from(2)).await;
    staged.live(1);
    staged.applied(4);
    assert_eq!(staged.asked(1).await, (Ok(4), true));
    staged.applied(5);
    assert_eq!(staged.asked(1).await, (Ok(5), true), "what another process has applied meanwhile");
    staged.applied(3);
    assert_eq!(staged.asked(1).await, (Err(NotFresh::LogUnavailable), true));
}

#[tokio::test(start_paused = true)]
async fn a_read_model_that_went_back_changes_no_row_that_holds_all_of_the_log() {
    let staged = staged(4, as_it_is).await;
    staged.live(1);
    staged.applied(4);
    assert_eq!(staged.asked(1).await, (Ok(4), true));
    staged.applied(2);
    assert_eq!(staged.asked(1).await, (Ok(4), false));
    assert_eq!(staged.asked(2).await, (Err(NotFresh::CatchingUp), true), "one that was not kept is not trusted");
    staged.applied(4);
    assert_eq!(staged.asked(2).await, (Ok(4), true));
}

#[tokio::test(start_paused = true)]
async fn over_another_log_no_row_that_was_kept_is_trusted_either() {
    let staged = staged(4, as_it_is).await;
    staged.live(1);
    staged.applied(4);
    assert_eq!(staged.asked(1).await, (Ok(4), true));
    let foreign = Some(Broken::Foreign("it was rolled back".to_owned()));
    staged.progress.send_modify(|progress| progress.halted = foreign);
    assert_eq!(staged.asked(1).await, (Err(NotFresh::Corrupt), false));
}

#[derive(Clone, Debug)]
enum Step {
    Grows(u8),
    Applied(u64),
    Swapped,
    Asked(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        1 => (1..3u8).prop_map(Step::Grows),
        3 => (0..3u64).prop_map(Step::Applied),
        1 => Just(Step::Swapped),
        6 => (1..3u8).prop_map(Step::Asked),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_row_is_older_than_the_last_entry_of_its_service(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let staged = staged(2, as_it_is).await;
            let (mut last, mut head, mut generation) = ([1, 2], 2, 1);
            staged.live(generation);
            for step in steps {
                match step {
                    Step::Grows(service) => {
                        let at = &mut last[usize::from(service) - 1];
                        staged.grows(service, *at).await;
                        head += 1;
                        *at = head;
                    }
                    // Forwards and, as after a crash of its server, back.
                    Step::Applied(lacks) => {
                        staged.applied(head - lacks.min(head));
                        staged.progress.send_modify(|progress| progress.position = Position::new(head));
                    }
                    Step::Swapped => {
                        generation += 1;
                        staged.live(generation);
                    }
                    Step::Asked(service) => {
                        if let Ok(position) = staged.ask(service).await.0 {
                            assert!(position >= last[usize::from(service) - 1], "{position} of {last:?}");
                        }
                    }
                }
            }
        });
    }
}
