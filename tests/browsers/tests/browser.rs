//! A browser is used as a person uses one.

#![allow(clippy::unwrap_used, reason = "a test that can't go on says where")]

mod site;

use std::panic::AssertUnwindSafe;

use browsers::{Browser, By, Cookie, Key, Person, Window};
use futures::FutureExt as _;

#[tokio::test]
async fn a_form_is_filled_in_by_the_names_of_its_fields() {
    let site = site::start().await;
    let browser = Browser::open(&Person::default()).await;
    browser.go(&site).await;
    assert!(browser.offers("First name").await && browser.offers("Leave").await);
    assert!(!browser.offers("Old name").await, "nobody sees it");
    assert_eq!(browser.value("First name").await, "Ada");
    browser.fill("First name", "Zoë Işık").await;
    assert_eq!(browser.value("First name").await, "Zoë Işık");
    assert_eq!(browser.value("Unit").await, "MB");
    browser.choose("Unit", "GB").await;
    browser.fill("Quota in GB", "5").await;
    browser.tick("I agree").await;
    browser.tick("I agree").await;
    browser.tick("Large").await;
    assert!(!browser.field("Small").await.is_selected().await.unwrap());
    browser.press("Save").await;
    browser.shows("first is Zoë Işık").await;
    let text = browser.text().await;
    for said in ["quota is 5", "unit is GB", "agreed is yes", "plan is large", "old is"] {
        assert!(text.contains(said), "{text}");
    }
    assert_eq!(browser.console().await, [""; 0]);
}

#[tokio::test]
async fn what_comes_later_is_waited_for_and_links_and_double_clicks_work() {
    let site = site::start().await;
    let browser = Browser::open(&Person::default()).await;
    browser.go(&site).await;
    browser.shows("It came later.").await;
    browser.press_twice("Count").await;
    browser.shows("2 clicks, 2 at once").await;
    browser.press("Count").await;
    browser.shows("3 clicks").await;
    browser.press("Leave").await;
    browser.shows("The end.").await;
    assert_eq!(browser.driver().current_url().await.unwrap().path(), "/plain");
}

#[tokio::test]
async fn the_keyboard_goes_through_a_page_and_says_where_it_is() {
    let site = site::start().await;
    let browser = Browser::open(&Person::default()).await;
    browser.go(&site).await;
    assert_eq!(browser.focused_name().await, "");
    let mut names = Vec::new();
    for _ in 0..6 {
        browser.keys(Key::Tab).await;
        names.push(browser.focused_name().await);
    }
    assert_eq!(names, ["First name", "Quota in GB", "I agree", "Small", "Unit", "Save"]);
    for _ in 0..5 {
        browser.keys(Key::Shift + Key::Tab).await;
    }
    assert_eq!(browser.focused_name().await, "First name");
    browser.keys("Grace Hopper").await;
    browser.keys(Key::Enter).await;
    browser.shows("first is Grace Hopper").await;
}

#[tokio::test]
async fn violations_are_found_on_pages_that_allow_no_script_but_their_own() {
    let site = site::start().await;
    let browser = Browser::open(&Person::default()).await;
    browser.go(&site).await;
    assert_eq!(browser.violations().await, Some(Vec::new()));
    browser.go(&format!("{site}/bad")).await;
    let found = browser.violations().await.unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().any(|it| it.starts_with("label: input (")), "{found:?}");
    assert!(found.iter().any(|it| it.starts_with("color-contrast: p (")), "{found:?}");
    browser.go(&format!("{site}/small")).await;
    let found = browser.violations().await.unwrap();
    assert!(found.iter().any(|it| it.starts_with("target-size: ")), "{found:?}");
    assert_eq!(browser.console().await, [""; 0], "axe broke no policy");
}

#[tokio::test]
async fn what_a_policy_forbids_and_what_can_t_be_loaded_stands_in_the_log_once() {
    let site = site::start().await;
    let browser = Browser::open(&Person::default()).await;
    browser.go(&format!("{site}/forbidden")).await;
    browser.shows("Something is forbidden.").await;
    assert_eq!(browser.driver().title().await.unwrap(), "Forbidden");
    let log = browser.console().await;
    assert!(log.len() == 1 && log[0].contains("Content Security Policy"), "{log:?}");
    browser.go(&format!("{site}/nowhere")).await;
    let log = browser.console().await;
    assert!(log.len() == 1 && log[0].contains("404"), "{log:?}");
}

#[tokio::test]
async fn without_scripts_none_runs_and_everything_else_works() {
    let site = site::start().await;
    let browser = Browser::open(&Person { scripts: false, ..Person::default() }).await;
    browser.go(&format!("{site}/plain")).await;
    browser.shows("No script ran.").await;
    browser.go(&site).await;
    browser.fill("First name", "Grace").await;
    browser.press("Save").await;
    browser.shows("first is Grace").await;
    assert_eq!(browser.violations().await, None, "axe is a script");
}

#[tokio::test]
async fn two_people_are_strangers_each_with_their_language_and_colours() {
    let site = site::start().await;
    let english = Person::default();
    let turkish = Person { language: "tr", dark: true, ..english };
    let (english, turkish) = Browser::open_both(&english, &turkish).await;
    for (browser, language, background) in [(&english, "en", "255, 255, 255"), (&turkish, "tr", "17, 17, 17")] {
        browser.go(&format!("{site}/language")).await;
        browser.shows(&format!("asked for {language}.")).await;
        let body = browser.driver().find(By::Tag("body")).await.unwrap();
        let colour = body.css_value("background-color").await.unwrap();
        assert!(colour.contains(background), "{colour}");
        browser.prefers_dark(language == "en").await;
        assert_ne!(body.css_value("background-color").await.unwrap(), colour, "the other's colours");
    }
    english.driver().add_cookie(Cookie::new("known", "yes")).await.unwrap();
    assert!(turkish.driver().get_all_cookies().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_phone_is_360_wide_and_a_picture_has_all_of_the_page() {
    let site = site::start().await;
    let browser = Browser::open(&Person { window: Window::PHONE, ..Person::default() }).await;
    browser.go(&format!("{site}/plain")).await;
    let inner = browser.driver().execute("return [innerWidth, innerHeight]", Vec::new()).await.unwrap();
    assert_eq!(inner.convert::<[u32; 2]>().unwrap(), [360, 780]);
    browser.screenshot("phone").await;
    let picture = std::fs::read(servers::target().join("screenshots/phone.png")).unwrap();
    // A PNG's width and height stand behind its signature and the header's length and name.
    let number = |at: usize| u32::from_be_bytes(picture[at..at + 4].try_into().unwrap());
    assert_eq!(number(16), 360);
    assert!(number(20) > 3000, "{}", number(20));
}

#[tokio::test]
async fn what_is_not_there_is_told_with_the_address_and_a_picture() {
    let site = site::start().await;
    let browser = Browser::open(&Person::default()).await;
    browser.go(&site).await;
    let failed = AssertUnwindSafe(browser.tick("First name")).catch_unwind().await.unwrap_err();
    let why = failed.downcast_ref::<String>().unwrap();
    assert!(why.starts_with(&format!("{site}/: ")) && why.contains(r#""First name""#), "{why}");
    let picture = why.rsplit_once('(').unwrap().1.trim_end_matches(')');
    assert!(std::fs::read(picture).unwrap().starts_with(b"\x89PNG"));
    std::fs::remove_file(picture).unwrap();
}
