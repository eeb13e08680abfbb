//! Two people edit one user: the second sees both versions, and decides.

use browsers::{Browser, Person};
use serde_json::{Value, json};

use crate::place::Place;
use crate::seen::{no_errors_but, texts};
use crate::words::EN;

/// Opens the dialog of the one user.
async fn edits(place: &Place, browser: &Browser) {
    browser.go(&place.users("")).await;
    browser.press(&format!("Edit: {}", place.address("zoe"))).await;
    browser.shows("Edit user").await;
}

async fn saves(browser: &Browser, last_name: &str) {
    browser.fill("Last Name", last_name).await;
    browser.press("Save").await;
}

/// The lines of the table that sets what is saved now beside one's own.
async fn compared(browser: &Browser) -> Vec<String> {
    browser.shows("Somebody saved in between").await;
    texts(browser, ".notice tr").await
}

async fn last_name(place: &Place, user: &str) -> Value {
    place.user(user).await["last_name"].clone()
}

#[tokio::test]
async fn whoever_saves_second_sees_both_versions_and_keeps_one() {
    let place = Place::new("stale").await;
    place.add_account("stale-second").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let person = Person::default();
    let (first, second) = Browser::open_both(&person, &person).await;
    place.sign_in(&first, EN, "stale").await;
    place.sign_in(&second, EN, "stale-second").await;

    edits(&place, &first).await;
    edits(&place, &second).await;
    saves(&first, "Kaya").await;
    first.shows("was changed").await;
    second.fill("Quota", "20").await;
    saves(&second, "Demir").await;
    assert_eq!(compared(&second).await, ["Saved now Yours", "Last Name Kaya Demir", "Quota 10 MiB 20 MiB"]);
    assert_eq!(second.value("Last Name").await, "Demir", "it is not lost yet");
    assert_eq!(last_name(&place, &user).await, "Kaya", "nothing was saved over it");
    second.press("Keep what is saved").await;
    second.shows("Edit user").await;
    stage::until("the form shows what is saved", async || {
        let form = (second.value("Last Name").await, second.value("Quota").await);
        (form == ("Kaya".to_owned(), "10".to_owned())).then_some(())
    })
    .await;
    assert_eq!(last_name(&place, &user).await, "Kaya");

    edits(&place, &first).await;
    saves(&first, "Aydın").await;
    first.shows("was changed").await;
    saves(&second, "Demir").await;
    assert_eq!(compared(&second).await, ["Saved now Yours", "Last Name Aydın Demir"]);
    second.press("Save").await;
    second.shows("was changed").await;
    assert_eq!(last_name(&place, &user).await, "Demir");
    second.press("History").await;
    second.shows("Last name set to Aydın").await;
    let lines = texts(&second, "tbody tr").await;
    for (name, who) in [("Kaya", "stale"), ("Aydın", "stale"), ("Demir", "stale-second")] {
        let said = format!(" Last name set to {name} {who} (client “panel”) change ");
        assert_eq!(lines.iter().filter(|line| line.contains(&said)).count(), 1, "{lines:?}");
    }
    no_errors_but(&first, &[]).await;
    no_errors_but(&second, &[409]).await;
}

#[tokio::test]
async fn a_password_that_was_set_in_between_is_said_and_one_s_own_is_asked_for_again() {
    for (name, scripts) in [("stale-password", true), ("stale-bare", false)] {
        let place = Place::new(name).await;
        let user = place.adds("zoe", "Zoe", "Young").await;
        let browser = place.open(&Person { scripts, ..Person::default() }).await;
        edits(&place, &browser).await;
        browser.tick("Change Password").await;
        browser.fill("New Password", "Copper-Tulip-77-Boat").await;
        place.edits(&user, &json!({"password": "Tram-Lemon-42-River"})).await;
        browser.press("Save").await;
        browser.shows("A new password was set in between, too.").await;
        browser.shows("Enter the password again").await;
        assert_eq!(browser.value("New Password").await, "");
        place.login("zoe", "Tram-Lemon-42-River").await.is(200);
        browser.fill("New Password", "Copper-Tulip-77-Boat").await;
        browser.press("Save").await;
        browser.shows("has a new password").await;
        place.login("zoe", "Copper-Tulip-77-Boat").await.is(200);
        no_errors_but(&browser, &[409]).await;
    }
}
