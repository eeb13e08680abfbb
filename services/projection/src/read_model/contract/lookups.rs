//! The login's port: what was committed is seen at once, by everybody, with the position at which it is so.

use domain::UserState;

use super::Model;
use super::sample::{batch, credential, every_user, service, user};

pub async fn a_commit_is_looked_up_at_once_from_everywhere(model: Model, other: Model) {
    let of = service(1, "acme");
    let mut row = user(1, &of);
    for round in 0..32 {
        row.user.credential = Some(credential(round));
        model.write(std::slice::from_ref(&of), std::slice::from_ref(&row)).await;
        let (here, there) = tokio::join!(model.login("user1@d001.example"), other.login("USER1@D001.example"));
        assert_eq!(here.user.as_ref(), Some(&row), "round {round}");
        assert_eq!(there.user.as_ref(), Some(&row), "round {round}");
    }
    row.user.state = UserState::Suspended;
    other.write(&[], std::slice::from_ref(&row)).await;
    assert_eq!(model.login("user1@d001.example").await.user, Some(row));
    assert_eq!(model.login("user2@d001.example").await.user, None);
}

pub async fn a_lookup_says_how_far_the_log_was_applied(model: Model, other: Model) {
    let of = service(1, "acme");
    let mut row = user(1, &of);
    let mut stands = model.write(std::slice::from_ref(&of), std::slice::from_ref(&row)).await;
    assert_eq!(other.login("user1@d001.example").await.applied, stands.position);
    assert_eq!(other.login("nobody@d001.example").await.applied, stands.position, "also for nobody");

    // The row and the position are of one snapshot: the revision written with a position is never read with another.
    let live = model.live().await;
    let writing = async {
        for _ in 0..64 {
            row.user.revision = stands.position.next();
            let next = batch(Some(&stands), &[], std::slice::from_ref(&row));
            model.apply(live, &next, Some(&stands)).await.expect("it follows");
            stands = next.to;
        }
    };
    let reading = async {
        let mut last = other.login("user1@d001.example").await.applied;
        for _ in 0..64 {
            let login = other.login("user1@d001.example").await;
            assert!(login.applied >= last, "a lookup goes back");
            last = login.applied;
            let revision = login.user.expect("it stands").user.revision;
            assert!(revision == login.applied || last.get() == 1, "{revision} was read with {}", login.applied);
        }
    };
    tokio::join!(writing, reading);

    let users = every_user(&of);
    model.write(&[], &users[1..]).await;
    for row in users.iter().skip(1) {
        if let Some(person) = row.user.person.value.known() {
            assert_eq!(other.login(person.address.as_str()).await.user.as_ref(), Some(row));
        }
    }
}
