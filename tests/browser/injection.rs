//! What people type is text, in every field and wherever it is shown again.

use browsers::{Browser, Person};
use serde_json::json;
use stage::{MIB, PASSWORD};

use crate::place::Place;
use crate::seen::no_errors_but;
use crate::words::EN;

/// Breaks out of attributes and elements, and runs, where anything lets it.
const EVIL: &str = r#"'"><img src=x onerror=window.pwned=1><script>window.pwned=1</script>{{7*7}}"#;

/// Holds that nothing of it ran, and that it is shown as it was typed.
async fn is_text(browser: &Browser, shown: &str) {
    browser.shows(shown).await;
    ran_nothing(browser).await;
}

async fn ran_nothing(browser: &Browser) {
    let made = "return [typeof window.pwned, document.images.length, document.querySelectorAll('body script').length]";
    let found = browser.driver().execute(made, Vec::new()).await.unwrap();
    assert_eq!(found.json(), &json!(["undefined", 0, 0]));
    assert!(browser.driver().get_alert_text().await.is_err(), "no dialog opened");
}

/// Holds that a field shows it as it was typed.
async fn is_value(browser: &Browser, field: &str) {
    assert_eq!(browser.value(field).await, EVIL, "{field}");
    ran_nothing(browser).await;
}

#[tokio::test]
async fn names_that_are_markup_are_shown_as_text_on_every_page() {
    let place = Place::new("markup").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let browser = place.open(&Person::default()).await;
    browser.go(&place.users("")).await;
    browser.press(&format!("Edit: {}", place.address("zoe"))).await;
    browser.fill("First Name", EVIL).await;
    browser.fill("Last Name", EVIL).await;
    browser.press("Save").await;
    browser.shows("was changed").await;
    ran_nothing(&browser).await;
    assert_eq!(place.user(&user).await["first_name"], EVIL);

    browser.press("History").await;
    is_text(&browser, &format!("First name set to {EVIL}")).await;
    browser.press("Manage Users").await;
    is_text(&browser, &format!("{EVIL} {EVIL}")).await;
    browser.press(&format!("Suspend: {}", place.address("zoe"))).await;
    browser.shows("you can reactivate it at any time").await;
    is_text(&browser, &format!("{EVIL} {EVIL}")).await;
    browser.press("Cancel").await;
    browser.press(&format!("Edit: {}", place.address("zoe"))).await;
    is_value(&browser, "First Name").await;
    is_value(&browser, "Last Name").await;

    // Beside what somebody else saved.
    place.edits(&user, &json!({"first_name": "<b>bold</b>", "last_name": "<i>", "quota_bytes": 11 * MIB})).await;
    browser.press("Save").await;
    browser.shows("Somebody saved in between").await;
    is_text(&browser, &format!("First Name <b>bold</b> {EVIL}")).await;
    place.edits(&user, &json!({"first_name": EVIL, "last_name": EVIL})).await;
    browser.go(&place.url("/webmail")).await;
    place.webmail_sign_in(&browser, EN, "zoe", PASSWORD).await;
    is_text(&browser, &format!("Welcome, {EVIL} {EVIL}")).await;
    no_errors_but(&browser, &[409]).await;
}

#[tokio::test]
async fn markup_in_any_other_field_comes_back_as_text() {
    let place = Place::new("fields").await;
    place.adds("zoe", "Zoe", "Young").await;
    let browser = Browser::open(&Person::default()).await;
    browser.go(&place.url(&format!("/sign-in?back={}", "%22%3E%3Cscript%3Ewindow.pwned=1%3C/script%3E"))).await;
    ran_nothing(&browser).await;
    browser.fill("User name", EVIL).await;
    browser.fill("Password", EVIL).await;
    browser.press("Sign in").await;
    browser.shows("The user name or the password is wrong.").await;
    is_value(&browser, "User name").await;
    place.type_in(&browser, EN, "fields").await;
    browser.shows("Email services").await;

    browser.go(&place.users("")).await;
    browser.fill("Search by name or address", EVIL).await;
    browser.press("Search").await;
    is_text(&browser, &format!("No user matches “{EVIL}”.")).await;
    is_value(&browser, "Search by name or address").await;

    browser.go(&place.users("")).await;
    browser.press(&format!("Edit: {}", place.address("zoe"))).await;
    browser.fill("Quota", EVIL).await;
    browser.press("Save").await;
    browser.shows("Enter a quota of at least 1 MiB").await;
    is_value(&browser, "Quota").await;
    browser.go(&place.users("")).await;
    browser.press("Add user").await;
    browser.fill("First Name", EVIL).await;
    browser.fill("Last Name", EVIL).await;
    browser.fill("Address", EVIL).await;
    browser.fill("New Password", EVIL).await;
    browser.fill("Quota", EVIL).await;
    browser.press("Save").await;
    browser.shows("Enter the part before the @").await;
    for field in ["First Name", "Last Name", "Address", "Quota"] {
        is_value(&browser, field).await;
    }
    assert_eq!(browser.value("New Password").await, "");

    browser.go(&place.url("/webmail")).await;
    browser.fill("Email address", EVIL).await;
    browser.fill("Password", EVIL).await;
    browser.press("Sign in").await;
    browser.shows("The address or the password is wrong.").await;
    is_value(&browser, "Email address").await;
    browser.go(&place.url("/%22%3E%3Cscript%3Ewindow.pwned=1%3C/script%3E")).await;
    browser.shows("Page not found").await;
    ran_nothing(&browser).await;
    no_errors_but(&browser, &[401, 404, 422]).await;
    place.never_wrote(&[EVIL]);
}
