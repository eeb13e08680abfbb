//! Sessions end: the next click says so, and leads back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use browsers::{Browser, Person};
use stage::until;

use crate::house::House;
use crate::place::Place;
use crate::seen::no_errors_but;
use crate::words::EN;

#[tokio::test]
async fn after_its_session_has_ended_the_next_click_says_so_and_leads_back_after_sign_in() {
    for (name, scripts) in [("ended", true), ("ended-bare", false)] {
        let place = Place::new(name).await;
        let user = place.adds("zoe", "Zoe", "Young").await;
        let browser = place.open(&Person { scripts, ..Person::default() }).await;
        browser.go(&place.url(&format!("/services/email/{}", place.service))).await;
        signed_out_elsewhere(&place).await;
        browser.press("Manage Users").await;
        browser.shows("Your session has ended. Sign in again.").await;
        place.type_in(&browser, EN, name).await;
        browser.shows(&place.address("zoe")).await;
        assert_eq!(browser.driver().current_url().await.unwrap().as_str(), place.users(""), "where the click led");

        // A link that opens a dialog, where scripts are on.
        signed_out_elsewhere(&place).await;
        browser.press(&format!("Edit: {}", place.address("zoe"))).await;
        browser.shows("Your session has ended. Sign in again.").await;
        place.type_in(&browser, EN, name).await;
        browser.shows("Edit user").await;

        browser.fill("Last Name", "Yılmaz").await;
        signed_out_elsewhere(&place).await;
        browser.press("Save").await;
        browser.shows("Your session has ended, and what you sent last was not saved. Sign in again.").await;
        assert_eq!(place.user(&user).await["last_name"], "Young");
        place.type_in(&browser, EN, name).await;
        browser.shows("Edit user").await;
        assert_eq!(browser.value("Last Name").await, "Young");
        no_errors_but(&browser, &[401]).await;
    }
}

/// Ends the sessions of the account; it may sign in again.
async fn signed_out_elsewhere(place: &Place) {
    place.house.account(&["disable", place.name]).await;
    place.let_in(place.name).await;
}

#[tokio::test]
async fn whoever_was_disabled_is_out_at_the_next_click_and_can_t_sign_in() {
    let place = Place::new("disabled").await;
    let browser = place.open(&Person::default()).await;
    place.house.account(&["disable", "disabled"]).await;
    browser.press("Information about disabled.example").await;
    browser.shows("Your session has ended. Sign in again.").await;
    place.type_in(&browser, EN, "disabled").await;
    browser.shows("The user name or the password is wrong.").await;
    assert_eq!(browser.value("User name").await, "disabled");
    no_errors_but(&browser, &[401]).await;
}

#[tokio::test]
async fn whoever_signs_out_is_out() {
    let place = Place::new("out").await;
    let browser = place.open(&Person::default()).await;
    browser.press("Sign out").await;
    browser.shows("You have signed out.").await;
    browser.go(&place.users("")).await;
    browser.shows("Manage your email services and mailboxes.").await;
    assert!(!browser.text().await.contains("session has ended"), "there is none that could have");
    no_errors_but(&browser, &[]).await;
}

#[tokio::test]
async fn a_session_ends_where_nobody_clicks_for_as_long_as_the_panel_was_told() {
    const IDLE: Duration = Duration::from_secs(5);
    let house = House::started(&["--session-idle", "5"]).await;
    let place = Place::of(Arc::new(house), "idle").await;
    let browser = Browser::open(&Person::default()).await;
    place.sign_in(&browser, EN, "idle").await;
    let clicked = Instant::now();
    until("nobody clicked for so long", async || (clicked.elapsed() > IDLE).then_some(())).await;
    browser.press("Information about idle.example").await;
    browser.shows("Your session has ended. Sign in again.").await;
    place.type_in(&browser, EN, "idle").await;
    browser.shows("General information").await;
    no_errors_but(&browser, &[]).await;
}
