//! All of it goes by the keyboard.

use browsers::{Browser, By, Key, Person};

use crate::place::{ACCOUNT_PASSWORD, Place};
use crate::seen::no_errors_but;

/// More than any page has that can be focused.
const STEPS: usize = 40;

/// Presses Tab until this has the focus.
async fn tab_to(browser: &Browser, name: &str) {
    let mut passed = Vec::new();
    for _ in 0..STEPS {
        browser.keys(Key::Tab).await;
        let focused = browser.focused_name().await;
        if focused == name {
            return;
        }
        passed.push(focused);
    }
    panic!("Tab does not come to {name:?}, but to {passed:?}");
}

/// Waits until this has the focus.
async fn is_focused(browser: &Browser, name: &str) {
    stage::until(name, async || (browser.focused_name().await == name).then_some(())).await;
}

#[tokio::test]
async fn from_sign_in_to_the_open_dialog_and_back_by_tab_enter_and_escape() {
    let place = Place::new("keys").await;
    place.adds("zoe", "Zoe", "Young").await;
    let edit = format!("Edit: {}", place.address("zoe"));
    let browser = Browser::open(&Person::default()).await;
    browser.go(&place.url("/")).await;
    browser.keys(Key::Tab).await;
    assert_eq!(browser.focused_name().await, "Skip to content");
    tab_to(&browser, "User name").await;
    browser.keys("keys").await;
    tab_to(&browser, "Password").await;
    browser.keys(ACCOUNT_PASSWORD).await;
    browser.keys(Key::Enter).await;
    browser.shows("Email services").await;

    tab_to(&browser, "Services").await;
    browser.keys(Key::Enter).await;
    tab_to(&browser, "Email").await;
    browser.keys(Key::Escape).await;
    is_focused(&browser, "Services").await;
    browser.keys(Key::Enter).await;
    tab_to(&browser, "Email").await;
    browser.keys(Key::Enter).await;
    browser.shows("keys.example").await;
    tab_to(&browser, "Information about keys.example").await;
    browser.keys(Key::Enter).await;
    browser.shows("General information").await;
    tab_to(&browser, "Manage Users").await;
    browser.keys(Key::Enter).await;
    browser.shows("Zoe Young").await;

    tab_to(&browser, &edit).await;
    browser.keys(Key::Enter).await;
    is_focused(&browser, "First Name").await;
    stays_in_the_dialog(&browser).await;
    browser.keys(Key::Escape).await;
    is_focused(&browser, &edit).await;
    assert!(browser.driver().find(By::Css("dialog[open]")).await.is_err());

    browser.keys(Key::Enter).await;
    is_focused(&browser, "First Name").await;
    browser.keys(Key::Control + "a").await;
    browser.keys(Key::Delete).await;
    browser.keys(Key::Enter).await;
    is_focused(&browser, "There is a problem").await;
    stays_in_the_dialog(&browser).await;
    browser.keys(Key::Escape).await;
    is_focused(&browser, &edit).await;
    browser.keys(Key::Enter).await;
    is_focused(&browser, "First Name").await;
    tab_to(&browser, "Cancel").await;
    browser.keys(Key::Enter).await;
    is_focused(&browser, &edit).await;
    no_errors_but(&browser, &[422]).await;
}

/// Goes all around the dialog, both ways: what lies behind never has the focus.
async fn stays_in_the_dialog(browser: &Browser) {
    let behind = "const has = document.activeElement; return has !== document.body && !has.closest('dialog[open]')";
    for back in [false, true] {
        let mut names = Vec::new();
        for _ in 0..STEPS {
            if back {
                browser.keys(Key::Shift + Key::Tab).await;
            } else {
                browser.keys(Key::Tab).await;
            }
            let left: bool = browser.driver().execute(behind, Vec::new()).await.unwrap().convert().unwrap();
            names.push(browser.focused_name().await);
            assert!(!left, "the focus is behind the dialog: {names:?}");
        }
        for name in ["First Name", "Save", "Cancel"] {
            assert!(names.iter().filter(|focused| *focused == name).count() > 1, "it goes around: {names:?}");
        }
    }
}
