//! Users are added, suspended, reactivated and removed: each is asked first, and the history tells all of it.

use browsers::{Browser, Person};
use stage::PASSWORD;

use crate::place::Place;
use crate::seen::{no_errors_but, texts};
use crate::words::EN;

#[tokio::test]
async fn a_double_click_on_save_saves_once() {
    for (name, scripts) in [("double", true), ("double-bare", false)] {
        let place = Place::new(name).await;
        let user = place.adds("zoe", "Zoe", "Young").await;
        let browser = place.open(&Person { scripts, ..Person::default() }).await;
        browser.go(&place.users("")).await;
        browser.press(&format!("Edit: {}", place.address("zoe"))).await;
        browser.fill("Last Name", "Yılmaz").await;
        browser.press_twice("Save").await;
        browser.shows("Active since").await;
        let changes = place.changes(&user).await;
        assert_eq!(changes.len(), 2, "it was added, and edited once");
        browser.shows(&format!("change {}", changes[1])).await;
        browser.press("History").await;
        browser.shows("Last name set to Yılmaz").await;
        assert_eq!(browser.text().await.matches("Last name set to").count(), 1);
        no_errors_but(&browser, &[]).await;
    }
}

#[tokio::test]
async fn whoever_goes_back_after_save_is_asked_and_can_save_again() {
    for (name, scripts) in [("back", true), ("back-bare", false)] {
        let place = Place::new(name).await;
        let user = place.adds("zoe", "Zoe", "Young").await;
        let browser = place.open(&Person { scripts, ..Person::default() }).await;
        browser.go(&place.users(&format!("/{user}/edit"))).await;
        browser.fill("Last Name", "Yılmaz").await;
        browser.press("Save").await;
        browser.shows("Active since").await;
        browser.driver().back().await.unwrap();
        browser.shows("Edit user").await;
        browser.fill("Last Name", "Kaya").await;
        browser.press("Save").await;
        // It is the form of before: it was carried out with other content, and the user is another since.
        for asked in ["Look at it once more and press Save again", "Somebody saved in between"] {
            browser.shows(asked).await;
            assert_eq!(browser.value("Last Name").await, "Kaya");
            assert_eq!(place.user(&user).await["last_name"], "Yılmaz");
            browser.press("Save").await;
        }
        browser.shows("Active since").await;
        assert_eq!(place.user(&user).await["last_name"], "Kaya");
        no_errors_but(&browser, &[409, 422]).await;
    }
}

#[tokio::test]
async fn a_user_is_added_and_signs_in_and_the_form_is_carried_out_once() {
    for (name, scripts) in [("added", true), ("added-bare", false)] {
        let place = Place::new(name).await;
        let browser = place.open(&Person { scripts, ..Person::default() }).await;
        browser.go(&place.users("")).await;
        browser.shows("There are no users yet.").await;
        browser.press("Add user").await;
        browser.fill("First Name", "Işıl").await;
        browser.fill("Last Name", "Çağlar").await;
        browser.fill("Address", "Isil").await;
        browser.fill("New Password", "Copper-Tulip-77-Boat").await;
        browser.fill("Quota", "1.5").await;
        browser.press_twice("Save").await;
        browser.shows(&format!("{} was added.", place.address("isil"))).await;
        let signed_in = place.login("isil", "Copper-Tulip-77-Boat").await.is(200);
        assert_eq!((&signed_in["first_name"], &signed_in["last_name"]), (&"Işıl".into(), &"Çağlar".into()));
        assert_eq!(signed_in["quota_bytes"], 1_536 * stage::MIB);
        let user = signed_in["user"].as_str().unwrap();
        assert_eq!(place.changes(user).await.len(), 1);

        browser.go(&place.users("")).await;
        browser.press("Add user").await;
        browser.fill("First Name", "Işıl").await;
        browser.fill("Last Name", "Çağlar").await;
        browser.fill("Address", "isil").await;
        browser.fill("New Password", "Tram-Lemon-42-River").await;
        browser.press("Save").await;
        browser.shows("This address is taken. Choose another one").await;
        assert_eq!(browser.value("Address").await, "isil");
        no_errors_but(&browser, &[422]).await;
        place.never_wrote(&["Copper-Tulip-77-Boat", "Tram-Lemon-42-River"]);
    }
}

/// Presses a link in the user's row, and then the button of the same name once it was asked.
async fn confirms(place: &Place, browser: &Browser, act: &str, asked: &str, done: &str) {
    let zoe = place.address("zoe");
    browser.go(&place.users("")).await;
    browser.press(&format!("{act}: {zoe}")).await;
    browser.shows(&format!("{act} {zoe}?")).await;
    browser.shows(asked).await;
    browser.press(act).await;
    browser.shows(&format!("{zoe} was {done}.")).await;
    browser.shows("Active since").await;
}

/// Tries webmail as the user.
async fn tries_webmail(place: &Place, browser: &Browser, shows: &str) {
    browser.go(&place.url("/webmail")).await;
    place.webmail_sign_in(browser, EN, "zoe", PASSWORD).await;
    browser.shows(shows).await;
}

#[tokio::test]
async fn suspend_reactivate_and_remove_each_ask_first_and_the_history_tells_who_did_it() {
    for (name, scripts) in [("states", true), ("states-bare", false)] {
        let place = Place::new(name).await;
        let user = place.adds("zoe", "Zoe", "Young").await;
        let browser = place.open(&Person { scripts, ..Person::default() }).await;

        browser.go(&place.users("")).await;
        browser.press(&format!("Suspend: {}", place.address("zoe"))).await;
        browser.shows("nobody can sign in to this mailbox").await;
        browser.press("Cancel").await;
        browser.shows("Manage Users").await;
        assert_eq!(place.user(&user).await["state"], "active", "who cancels changes nothing");

        confirms(&place, &browser, "Suspend", "you can reactivate it at any time", "suspended").await;
        tries_webmail(&place, &browser, "The address or the password is wrong.").await;
        confirms(&place, &browser, "Reactivate", "with the password that was last set", "reactivated").await;
        tries_webmail(&place, &browser, "Welcome, Zoe Young").await;
        confirms(&place, &browser, "Remove", "This can't be undone.", "removed").await;
        browser.go(&place.url("/webmail")).await;
        browser.shows("This mailbox or its password was changed. Sign in again.").await;
        tries_webmail(&place, &browser, "The address or the password is wrong.").await;

        browser.go(&place.users(&format!("/{user}/history"))).await;
        let lines = texts(&browser, "tbody tr").await;
        let told = [
            format!("Added as {} (Zoe Young), quota 10 MiB New password set client “operator”", place.address("zoe")),
            format!("Suspended {name} (client “panel”)"),
            format!("Reactivated {name} (client “panel”)"),
            format!("Removed {name} (client “panel”)"),
        ];
        assert_eq!(lines.len(), told.len(), "{lines:?}");
        for ((line, told), position) in lines.iter().zip(told).zip(place.changes(&user).await) {
            assert!(line.ends_with(&format!(" {told} change {position}")), "{told}: {lines:?}");
        }
        browser.go(&place.users("")).await;
        browser.shows("Removed").await;
        assert!(!browser.offers(&format!("Edit: {}", place.address("zoe"))).await);
        assert_eq!(texts(&browser, "tbody .state").await, ["Removed"]);
        no_errors_but(&browser, &[401]).await;
    }
}
