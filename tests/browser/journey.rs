//! A password is changed as a customer does it, and webmail takes the new one and no other.

use browsers::{Browser, By, Key, Person, Window};
use serde_json::json;
use stage::PASSWORD;

use crate::place::Place;
use crate::seen::no_errors_but;
use crate::words::{EN, Words, filled};

const PLAIN: Person = Person { language: "en", scripts: true, window: Window::DESKTOP, dark: false };

#[tokio::test]
async fn a_password_that_was_suggested_in_the_panel_signs_in_to_webmail_and_the_old_one_does_not() {
    changes_a_password("journey-desk", PLAIN).await;
}

#[tokio::test]
async fn the_same_in_turkish_on_a_phone() {
    changes_a_password("journey-tr-phone", Person { language: "tr", window: Window::PHONE, ..PLAIN }).await;
}

#[tokio::test]
async fn the_same_on_a_phone_without_scripts() {
    changes_a_password("journey-bare-phone", Person { window: Window::PHONE, scripts: false, ..PLAIN }).await;
}

#[tokio::test]
async fn the_same_in_turkish_at_a_desk_without_scripts() {
    changes_a_password("journey-tr-bare", Person { language: "tr", scripts: false, ..PLAIN }).await;
}

#[tokio::test]
async fn the_same_on_a_phone() {
    changes_a_password("journey-phone", Person { window: Window::PHONE, ..PLAIN }).await;
}

#[tokio::test]
async fn the_same_at_a_desk_without_scripts() {
    changes_a_password("journey-bare", Person { scripts: false, ..PLAIN }).await;
}

#[tokio::test]
async fn the_same_in_turkish_at_a_desk() {
    changes_a_password("journey-tr", Person { language: "tr", ..PLAIN }).await;
}

#[tokio::test]
async fn the_same_in_turkish_on_a_phone_without_scripts() {
    let person = Person { language: "tr", window: Window::PHONE, scripts: false, ..PLAIN };
    changes_a_password("journey-tr-bare-phone", person).await;
}

async fn changes_a_password(name: &'static str, person: Person) {
    let place = Place::new(name).await;
    let user = place.adds("zoe", "Zoë", "Işık").await;
    let (words, zoe) = (Words::of(&person), place.address("zoe"));
    let browser = place.open(&person).await;

    browser.press(words.services).await;
    browser.press(words.email).await;
    browser.press(&filled(words.info_of, &[&format!("{name}.example")])).await;
    browser.shows(words.general).await;
    browser.press(words.manage_users).await;
    browser.press(&filled(words.edit, &[&zoe])).await;
    browser.shows(words.edit_title).await;
    browser.tick(words.change_password).await;
    browser.press(words.suggest).await;
    browser.shows(words.suggested).await;
    let suggested = browser.value(words.new_password).await;
    assert!(suggested.len() >= 12 && suggested != PASSWORD);
    copies(&browser, words, person.scripts).await;
    browser.press(words.save).await;

    let change = is_active(&browser, words).await;
    browser.shows(&filled(words.saved_password, &[&zoe])).await;
    assert_eq!(place.user(&user).await["revision"].to_string(), change);
    assert!(!browser.text().await.contains(&suggested), "it is not shown again");
    browser.press(words.go_to_webmail).await;
    browser.fill(words.webmail_address, &zoe).await;
    browser.fill(words.password, "").await;
    browser.keys(Key::Control + "v").await;
    assert_eq!(browser.value(words.password).await, suggested, "what was copied");
    browser.press(words.sign_in).await;
    browser.shows(&filled(words.webmail_with, &[&change])).await;

    browser.press(words.sign_out).await;
    place.webmail_sign_in(&browser, words, "zoe", PASSWORD).await;
    browser.shows(words.webmail_wrong).await;
    place.login("zoe", PASSWORD).await.problem(401, "invalid_credentials");
    place.login("zoe", &suggested).await.is(200);
    no_errors_but(&browser, &[401]).await;
    place.never_wrote(&[&suggested]);
}

/// Copies what stands in the field: by the button, else by the keys.
async fn copies(browser: &Browser, words: &Words, scripts: bool) {
    if scripts {
        browser.press(words.copy).await;
        browser.shows(words.copied).await;
        return;
    }
    assert!(!browser.offers(words.copy).await, "no button that does nothing");
    browser.field(words.new_password).await.focus().await.unwrap();
    browser.keys(Key::Control + "a").await;
    browser.keys(Key::Control + "c").await;
}

/// Waits until the page says since when a change is in force, to the second; the change's number.
async fn is_active(browser: &Browser, words: &Words) -> String {
    browser.shows(words.saved).await;
    let line = browser.driver().find(By::Css(".outcome.well .since")).await.unwrap().text().await.unwrap();
    let (_, change) = line.rsplit_once(' ').unwrap();
    let since = browser.driver().find(By::Css(".since time")).await.unwrap().text().await.unwrap();
    assert_eq!(line, filled(words.active_since, &[&since, change]));
    let clock = since.split(' ').next().unwrap();
    assert!(clock.len() == 8 && clock.split(':').all(|part| part.parse::<u8>().is_ok()), "{since}");
    assert!(change.parse::<u64>().is_ok(), "{line}");
    change.to_owned()
}

#[tokio::test]
async fn a_webmail_session_of_the_old_password_is_asked_again_at_the_next_click() {
    let place = Place::new("kicked").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let browser = Browser::open(&PLAIN).await;
    browser.go(&place.url("/webmail")).await;
    place.webmail_sign_in(&browser, EN, "zoe", PASSWORD).await;
    browser.shows("Welcome, Zoe Young").await;
    browser.press("Check again").await;
    browser.shows("Welcome, Zoe Young").await;
    place.edits(&user, &json!({"password": "Copper-Tulip-77-Boat"})).await;
    browser.press("Check again").await;
    browser.shows("This mailbox or its password was changed. Sign in again.").await;
    place.webmail_sign_in(&browser, EN, "zoe", "Copper-Tulip-77-Boat").await;
    browser.shows("Welcome, Zoe Young").await;
    no_errors_but(&browser, &[401]).await;
}

#[tokio::test]
async fn names_are_saved_and_the_password_is_left_alone_where_its_box_is_not_ticked() {
    for (name, scripts) in [("unticked", true), ("unticked-bare", false)] {
        let place = Place::new(name).await;
        let user = place.adds("zoe", "Zoe", "Young").await;
        let before = place.user(&user).await;
        let browser = place.open(&Person { scripts, ..PLAIN }).await;
        browser.go(&place.users(&format!("/{user}/edit"))).await;
        // A password that is typed and then given up.
        browser.tick("Change Password").await;
        browser.fill("New Password", "Copper-Tulip-77-Boat").await;
        browser.field("Change Password").await.click().await.unwrap();
        browser.fill("Last Name", "Yılmaz").await;
        browser.press("Save").await;
        browser.shows(&format!("{} was changed.", place.address("zoe"))).await;
        let after = place.user(&user).await;
        assert_eq!(after["last_name"], "Yılmaz");
        assert_eq!(after["credential_changed_at"], before["credential_changed_at"]);
        place.login("zoe", PASSWORD).await.is(200);
        no_errors_but(&browser, &[]).await;
    }
}
