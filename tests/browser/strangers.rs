//! What is not one's own is not there, and a page that fails says whom to ask.

use browsers::{Browser, By, Person};

use crate::place::Place;
use crate::seen::no_errors_but;

const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// Goes to a page that is not there, and holds that it says whom to ask, and what to quote: what the log has, too.
async fn is_not_found(place: &Place, browser: &Browser, url: &str) {
    browser.go(url).await;
    browser.shows("Page not found").await;
    browser.shows("There is no such page, or it is not yours.").await;
    let id = browser.driver().find(By::Css("main code")).await.unwrap().text().await.unwrap();
    let entry = format!("request_id=\"{id}\"");
    stage::until("the log has the id", async || place.house.process.stderr().contains(&entry).then_some(())).await;
    browser.shows(&format!("Quote this number to support: {id}")).await;
    let support = browser.driver().find(By::Css("main .options a")).await.unwrap();
    assert_eq!(support.text().await.unwrap(), "Support");
    assert_eq!(support.attr("href").await.unwrap().as_deref(), Some("mailto:postmaster@localhost"));
}

#[tokio::test]
async fn another_customers_service_and_users_that_nobody_has_are_not_found() {
    let place = Place::new("own").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let other = Place::new("other").await;
    let others = other.adds("ann", "Ann", "Lee").await;
    let browser = place.open(&Person::default()).await;
    assert!(!browser.text().await.contains("other.example"));
    browser.go(&place.users(&format!("/{user}/edit"))).await;
    browser.shows("Edit user").await;
    is_not_found(&place, &browser, &other.url(&format!("/services/email/{}", other.service))).await;
    for page in ["", "/add"] {
        is_not_found(&place, &browser, &other.users(page)).await;
    }
    for page in ["edit", "history", "suspend", "remove", "saved/1?what=added"] {
        is_not_found(&place, &browser, &other.users(&format!("/{others}/{page}"))).await;
        if !page.starts_with("saved") {
            is_not_found(&place, &browser, &place.users(&format!("/{others}/{page}"))).await;
            is_not_found(&place, &browser, &place.users(&format!("/{NOBODY}/{page}"))).await;
        }
    }
    is_not_found(&place, &browser, &place.users(&format!("/{user}/promote"))).await;
    is_not_found(&place, &browser, &place.url("/nowhere")).await;
    browser.press("Back to your services").await;
    browser.shows("own.example").await;
    no_errors_but(&browser, &[404]).await;
}

#[tokio::test]
async fn the_language_of_the_pages_can_be_chosen_and_is_kept() {
    let place = Place::new("language").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let browser = place.open(&Person { scripts: false, ..Person::default() }).await;
    browser.go(&place.users(&format!("/{user}/edit"))).await;
    browser.press("Türkçe").await;
    browser.shows("Kullanıcıyı düzenle").await;
    assert_eq!(browser.driver().current_url().await.unwrap().as_str(), place.users(&format!("/{user}/edit")));
    browser.press("Çıkış yap").await;
    browser.shows("Çıkış yaptınız.").await;
    browser.press("English").await;
    browser.shows("Manage your email services and mailboxes.").await;
    no_errors_but(&browser, &[]).await;
}
