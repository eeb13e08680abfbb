//! What may be done with two logs, from what each says of itself. Whatever can be refused is refused here, before
//! anything is closed.

use domain::Position;
use event_log::{CopyId, Standing};

use crate::failure::Failure;

/// What is left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Close the source for this copy, fill its target, compare and open it.
    Copy(CopyId),
    /// The copy is finished. Only to compare is left.
    Compare,
}

/// The copy to make a target for, where there is none: a fresh one, unless the source was closed for one before.
pub fn copy_to_begin(source: &Standing, lost: Option<CopyId>, fresh: CopyId) -> Result<CopyId, Failure> {
    if source.unfinished {
        return Err(unfinished());
    }
    match (source.closed_for, lost) {
        (None, None) => Ok(fresh),
        (None, Some(_)) => Err(Failure::usage("--lost: --from was closed for no copy, so none can be lost")),
        (Some(copy), Some(lost)) if copy == lost => Ok(copy),
        (Some(copy), _) => Err(Failure::failed(format!(
            "--from was closed for the copy {copy}, and --to has nothing of it: name that copy's place with --to; only if \
             what was there is lost and was never opened, begin again with --lost {copy}"
        ))),
    }
}

/// What is left to do between two logs.
pub fn next_step(source: &Standing, target: &Standing) -> Result<Step, Failure> {
    if source.unfinished {
        return Err(unfinished());
    }
    if source.log != target.log {
        return Err(Failure::failed(format!(
            "--to holds another log, {}, and --from holds {}: name a place without a log",
            target.log, source.log
        )));
    }
    let Some(made_by) = target.made_by else {
        return Err(Failure::failed("--to holds this log already, and not as a copy: is it --from itself?"));
    };
    match source.closed_for {
        Some(copy) if copy != made_by => Err(Failure::failed(format!(
            "--from was closed for the copy {copy}, and --to is that of another copy, {made_by}: of two copies one goes on"
        ))),
        Some(_) if !target.unfinished => Ok(Step::Compare),
        Some(copy) => Ok(Step::Copy(copy)),
        None if target.unfinished && target.head == Position::START => Ok(Step::Copy(made_by)),
        None => Err(Failure::failed(
            "--to is a copy of this log that --from knows nothing of: is --from an older backup of the log that was copied?",
        )),
    }
}

fn unfinished() -> Failure {
    Failure::failed("--from is itself a copy that has not come to its end: run `postkey copy` into it again first")
}

#[cfg(test)]
mod tests {
    use event_log::CopyId;
    use wire::LogId;

    use super::*;

    fn id(text: &str) -> CopyId {
        format!("00000000-0000-4000-8000-0000000000{text}").parse().unwrap()
    }

    fn log() -> Standing {
        let log = LogId::new(id("01").uuid());
        Standing { log, head: Position::new(9), made_by: None, unfinished: false, closed: false, closed_for: None }
    }

    fn target(made_by: CopyId, unfinished: bool, head: u64) -> Standing {
        Standing { made_by: Some(made_by), unfinished, head: Position::new(head), ..log() }
    }

    fn closed_for(copy: CopyId) -> Standing {
        Standing { closed: true, closed_for: Some(copy), ..log() }
    }

    #[test]
    fn a_copy_is_begun_gone_on_with_and_looked_at_again() {
        let (a, b) = (id("0a"), id("0b"));
        assert_eq!(next_step(&log(), &target(a, true, 0)).unwrap(), Step::Copy(a));
        assert_eq!(next_step(&closed_for(a), &target(a, true, 5)).unwrap(), Step::Copy(a));
        assert_eq!(next_step(&closed_for(a), &target(a, false, 12)).unwrap(), Step::Compare);
        // A log that was copied before is copied on.
        let on = Standing { made_by: Some(a), ..log() };
        assert_eq!(next_step(&on, &target(b, true, 0)).unwrap(), Step::Copy(b));
        // One that was closed by hand has been closed for nobody.
        let by_hand = Standing { closed: true, ..log() };
        assert_eq!(next_step(&by_hand, &target(a, true, 0)).unwrap(), Step::Copy(a));
    }

    #[test]
    fn what_would_fork_the_log_is_refused() {
        let (a, b) = (id("0a"), id("0b"));
        let another = Standing { log: LogId::new(id("02").uuid()), ..target(a, true, 0) };
        let refused = [
            (log(), another),
            (log(), log()),
            (closed_for(a), log()),
            (closed_for(a), target(b, true, 0)),
            (closed_for(a), target(b, false, 9)),
            (log(), target(a, true, 3)),
            (log(), target(a, false, 0)),
            (target(b, true, 0), target(a, true, 0)),
        ];
        for (source, target) in refused {
            assert!(next_step(&source, &target).is_err(), "{source:?} to {target:?}");
        }
    }

    #[test]
    fn a_second_target_is_made_only_where_the_first_is_said_to_be_lost() {
        let (a, b) = (id("0a"), id("0b"));
        assert_eq!(copy_to_begin(&log(), None, b).unwrap(), b);
        assert_eq!(copy_to_begin(&closed_for(a), Some(a), b).unwrap(), a);
        for (source, lost) in [(closed_for(a), None), (closed_for(a), Some(b)), (log(), Some(a))] {
            assert!(copy_to_begin(&source, lost, b).is_err());
        }
        assert!(copy_to_begin(&target(a, true, 0), None, b).is_err());
    }
}
