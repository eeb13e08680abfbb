//! Laws that hold for every sequence of commands.

use std::collections::{HashMap, HashSet};

use chrono::DateTime;
use domain::{
    AddUser, Address, ChangeOwnPassword, ChangePassword, ChangePlan, Command, CredentialHash, Customer, DomainName,
    EditUser, EmailService, EraseUser, Event, KeyId, Moment, Name, NewCredential, Person, Plan, PolicyVersion,
    Position, Proof, ProvisionService, Quota, ReactivateUser, Rejection, RemoveUser, SuspendUser, Usage, User, UserId,
    UserKeys, evolve, replay,
};
use proptest::prelude::*;
use uuid::Uuid;

/// A command as a strategy draws it: small pools of users, names and quotas, so that histories collide.
#[derive(Clone, Debug)]
enum Draw {
    Provision(u64, u64),
    Plan(u64, u64),
    Add(u128, u8, u64),
    Edit(u128, Option<u8>, Option<u64>, bool, Option<u64>),
    Password(u128),
    Own(u128, u64, bool),
    Suspend(u128),
    Reactivate(u128),
    Remove(u128),
    Erase(u128),
}

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    let user = 1..6_u128;
    let one = prop_oneof![
        1 => (1..5_u64, 1..40_u64).prop_map(|(m, p)| Draw::Provision(m, p)),
        2 => (1..5_u64, 1..40_u64).prop_map(|(m, p)| Draw::Plan(m, p)),
        6 => (user.clone(), 0..4_u8, 1..20_u64).prop_map(|(u, a, q)| Draw::Add(u, a, q)),
        4 => (user.clone(), prop::option::of(0..3_u8), prop::option::of(1..20_u64), any::<bool>(), prop::option::of(0..30_u64))
            .prop_map(|(u, n, q, p, e)| Draw::Edit(u, n, q, p, e)),
        2 => user.clone().prop_map(Draw::Password),
        2 => (user.clone(), 0..30_u64, any::<bool>()).prop_map(|(u, c, s)| Draw::Own(u, c, s)),
        2 => user.clone().prop_map(Draw::Suspend),
        2 => user.clone().prop_map(Draw::Reactivate),
        2 => user.clone().prop_map(Draw::Remove),
        1 => user.prop_map(Draw::Erase),
    ];
    prop::collection::vec(one, 0..60)
}

fn user(n: u128) -> UserId {
    UserId::new(Uuid::from_u128(n))
}

fn name(n: u8) -> Name {
    Name::parse(&format!("Name{n}")).expect("a name")
}

fn plan(mailboxes: u64, pool_mib: u64) -> Plan {
    Plan::new(mailboxes, pool_mib * domain::MIB).expect("a plan")
}

fn quota(mib: u64) -> Quota {
    Quota::from_mib(mib).expect("a quota")
}

fn person(address: u8) -> Person {
    let address = Address::parse(&format!("user{address}@acme.example")).expect("an address");
    Person { address, first_name: name(0), last_name: name(1) }
}

fn credential(key: u128, judged_for: Person) -> NewCredential {
    NewCredential {
        key: KeyId::new(Uuid::from_u128(key)),
        hash: CredentialHash::parse(format!("$argon2id$v=19${key}")).expect("a hash"),
        policy: PolicyVersion::parse("standard-1").expect("a version"),
        judged_for,
    }
}

fn now(state: &EmailService, id: UserId) -> Person {
    state
        .provisioned()
        .and_then(|provisioned| provisioned.user(id))
        .ok()
        .and_then(|user| user.person.value.known().cloned())
        .unwrap_or_else(|| person(0))
}

impl Draw {
    fn decide(&self, state: &EmailService, step: u128) -> Result<Vec<Event>, Rejection> {
        match *self {
            Self::Provision(mailboxes, pool) => ProvisionService {
                domain: DomainName::parse("acme.example").expect("a domain"),
                customer: Customer::parse("acme").expect("a customer"),
                plan: plan(mailboxes, pool),
                key: KeyId::new(Uuid::from_u128(1000)),
            }
            .decide(state),
            Self::Plan(mailboxes, pool) => ChangePlan { plan: plan(mailboxes, pool), expected: None }.decide(state),
            Self::Add(id, address, mib) => AddUser {
                user: user(id),
                person: person(address),
                profile_key: KeyId::new(Uuid::from_u128(2000 + step)),
                quota: quota(mib),
                credential: credential(3000 + step, person(address)),
            }
            .decide(state),
            Self::Edit(id, first, mib, password, expected) => {
                let mut edit = EditUser {
                    user: user(id),
                    first_name: first.map(name),
                    last_name: None,
                    quota: mib.map(quota),
                    credential: None,
                    expected: expected.map(Position::new),
                };
                edit.credential = password.then(|| credential(3000 + step, edit.person(&now(state, user(id)))));
                edit.decide(state)
            }
            Self::Password(id) => ChangePassword {
                user: user(id),
                credential: credential(3000 + step, now(state, user(id))),
                expected: None,
            }
            .decide(state),
            Self::Own(id, proved, same) => ChangeOwnPassword {
                user: user(id),
                proof: Proof { credential: Position::new(proved), same },
                credential: credential(3000 + step, now(state, user(id))),
                expected: None,
            }
            .decide(state),
            Self::Suspend(id) => SuspendUser { user: user(id), expected: None }.decide(state),
            Self::Reactivate(id) => ReactivateUser { user: user(id), expected: None }.decide(state),
            Self::Remove(id) => RemoveUser { user: user(id), expected: None }.decide(state),
            Self::Erase(id) => EraseUser { user: user(id), expected: None }.decide(state),
        }
    }
}

fn at(position: u64) -> Moment {
    Moment { position: Position::new(position), at: DateTime::UNIX_EPOCH }
}

/// Runs the commands; what is decided is what happens. An entry's events share its position.
fn run(draws: &[Draw]) -> (EmailService, Vec<(Event, Moment)>) {
    let mut state = EmailService::Unprovisioned;
    let mut history = Vec::new();
    let mut position = 0;
    for (step, draw) in (0..).zip(draws) {
        let Ok(events) = draw.decide(&state, step) else { continue };
        position += u64::from(!events.is_empty());
        for event in events {
            state = evolve(state, &event, at(position)).expect("what decide emits, evolve accepts");
            history.push((event, at(position)));
        }
        keeps_within_its_plan(&state);
    }
    (state, history)
}

fn keeps_within_its_plan(state: &EmailService) {
    let Ok(provisioned) = state.provisioned() else { return };
    let usage = provisioned.users.values().map(User::usage).fold(Usage::default(), |sum, one| Usage {
        mailboxes: sum.mailboxes + one.mailboxes,
        allotted_bytes: sum.allotted_bytes + one.allotted_bytes,
    });
    assert_eq!(usage, provisioned.service.usage, "usage is the sum over the users");
    assert!(provisioned.service.plan.covers(usage), "the plan is never exceeded");
    for (id, user) in &provisioned.users {
        let address = &user.person.value.known().expect("nothing erased stands").address;
        assert_eq!(provisioned.by_address(address), Some(*id), "an address has one user");
    }
}

proptest! {
    #[test]
    fn whatever_decide_emits_evolve_accepts_within_the_plan(draws in draws()) {
        run(&draws);
    }

    #[test]
    fn replay_of_a_prefix_and_then_the_rest_is_replay_of_the_whole(draws in draws(), cut in 0..60_usize) {
        let (state, history) = run(&draws);
        let cut = cut.min(history.len());
        let fold = |state, part: &[(Event, Moment)]| replay(state, part.iter().map(|(event, at)| (event, *at)));
        let prefix = fold(EmailService::Unprovisioned, &history[..cut]).expect("a prefix is possible");
        prop_assert_eq!(fold(prefix, &history[cut..]), Ok(state.clone()));
        prop_assert_eq!(fold(EmailService::Unprovisioned, &history), Ok(state));
    }

    #[test]
    fn the_keys_that_stand_are_those_of_the_state_and_every_other_was_doomed(draws in draws()) {
        let (state, history) = run(&draws);
        let (mut keys, mut doomed, mut all) = (HashMap::new(), HashSet::new(), HashSet::new());
        for (event, moment) in &history {
            let Event::User(id, user_event) = event else { continue };
            let before = keys.remove(id);
            let after = UserKeys::evolve(before, user_event, *moment).expect("what decide emits, this folds");
            let now: Vec<_> = UserKeys::doomed(before, after).collect();
            prop_assert!(UserKeys::may_be_doomed_by(std::slice::from_ref(event)) || now.is_empty());
            doomed.extend(now);
            all.extend(after.iter().flat_map(|keys| [Some(keys.profile), keys.credential]).flatten());
            keys.extend(after.map(|after| (*id, after)));
        }
        let users = state.provisioned().map(|found| found.users.clone()).unwrap_or_default();
        let stand: HashMap<_, _> = users.iter().map(|(id, user)| (*id, UserKeys::of(user))).collect();
        let standing: HashSet<_> =
            stand.values().flat_map(|keys| [Some(keys.profile), keys.credential]).flatten().collect();
        prop_assert_eq!(keys, stand);
        prop_assert!(doomed.is_disjoint(&standing));
        prop_assert_eq!(&all - &doomed, standing);
    }

    #[test]
    fn every_part_is_the_fold_of_the_events_that_touch_it(draws in draws()) {
        let (state, history) = run(&draws);
        let Ok(provisioned) = state.provisioned() else { return Ok(()) };
        for id in (1..6).map(user) {
            let alone = history.iter().try_fold(None, |before, (event, moment)| match event {
                Event::User(of, event) if *of == id => User::evolve(before, event, *moment),
                _ => Ok(before),
            });
            prop_assert_eq!(alone, Ok(provisioned.user(id).ok().cloned()));
        }
    }
}
