//! What is filled in wrongly is named all at once, and nothing that was typed is lost.

use browsers::{By, Key, Person, Window};
use serde_json::{Value, json};
use stage::{MIB, PASSWORD, until};

use crate::place::Place;
use crate::seen::{no_errors_but, texts};

/// Too short, no letter in upper case, no digit, no symbol, and the user's name.
const WEAK: &str = "young";

/// What a rule of the policy asks for, in the words that follow "The password must".
fn rule(code: &str, policy: &Value) -> String {
    let words = match code {
        "too_short" => return format!("have at least {} characters", policy["min_length"]),
        "missing_upper" => "have an upper-case letter",
        "missing_lower" => "have a lower-case letter",
        "missing_digit" => "have a digit",
        "missing_symbol" => "have a symbol, such as ! or -",
        "contains_personal" => "not contain the user's names, address or domain",
        "too_guessable" => "be hard to guess",
        "blocklisted" => "not be a common password",
        other => panic!("a rule that no page speaks of: {other}"),
    };
    words.to_owned()
}

/// The rules that the command service finds broken for Zoe Young, and how strong it finds the password, in words.
async fn judged(place: &Place, password: &str) -> (Vec<String>, &'static str) {
    let asked = json!({
        "password": password, "address": place.address("zoe"), "first_name": "Zoe", "last_name": "Young",
    });
    let api = place.stack.commands_as("panel");
    let policy = api.get("/v1/password-policy").await.is(200);
    let judged = api.post("/v1/passwords/check", &asked).await.is(200);
    let words = |violation: &Value| rule(violation["code"].as_str().unwrap(), &policy);
    let strengths = ["very weak", "weak", "fair", "strong", "very strong"];
    let strength = strengths[usize::try_from(judged["score"].as_u64().unwrap()).unwrap()];
    (judged["violations"].as_array().unwrap().iter().map(words).collect(), strength)
}

#[tokio::test]
async fn every_broken_rule_of_a_password_is_named_at_once_at_the_field_and_in_the_summary_and_nothing_typed_is_lost() {
    for (name, scripts) in [("weak", true), ("weak-bare", false)] {
        let place = Place::new(name).await;
        let user = place.adds("zoe", "Zoe", "Young").await;
        let browser = place.open(&Person { scripts, ..Person::default() }).await;
        browser.go(&place.users("")).await;
        browser.press(&format!("Edit: {}", place.address("zoe"))).await;
        browser.fill("First Name", "Zoë").await;
        browser.fill("Quota", "12").await;
        browser.tick("Change Password").await;
        browser.fill("New Password", WEAK).await;
        browser.press("Save").await;
        browser.shows("There is a problem").await;

        let expected: Vec<_> =
            judged(&place, WEAK).await.0.into_iter().map(|rule| format!("The password must {rule}")).collect();
        assert!(expected.len() >= 5, "{expected:?}");
        assert_eq!(texts(&browser, ".summary li").await, expected);
        let at_field = texts(&browser, ".password .error").await;
        let at_field: Vec<_> = at_field.iter().map(|text| text.trim_start_matches("Error:").trim()).collect();
        assert_eq!(at_field, expected);
        for (field, value) in [("First Name", "Zoë"), ("Quota", "12"), ("New Password", "")] {
            assert_eq!(browser.value(field).await, value, "{field}");
        }
        assert!(browser.field("Change Password").await.is_selected().await.unwrap());
        if scripts {
            assert_eq!(browser.focused_name().await, "There is a problem");
        }
        assert_eq!(place.changes(&user).await.len(), 1, "nothing was saved");

        browser.fill("New Password", "Copper-Tulip-77-Boat").await;
        browser.press("Save").await;
        browser.shows("has a new password").await;
        let now = place.user(&user).await;
        assert_eq!((now["first_name"].as_str(), now["quota_bytes"].as_u64()), (Some("Zoë"), Some(12 * MIB)));
        place.login("zoe", "Copper-Tulip-77-Boat").await.is(200);
        no_errors_but(&browser, &[422]).await;
        place.never_wrote(&["Copper-Tulip-77-Boat"]);
    }
}

#[tokio::test]
async fn the_checklist_and_the_strength_follow_what_is_typed() {
    checklist("checklist", Person::default()).await;
}

#[tokio::test]
async fn the_checklist_and_the_strength_follow_what_is_typed_on_a_phone() {
    checklist("checklist-phone", Person { window: Window::PHONE, ..Person::default() }).await;
}

async fn checklist(name: &'static str, person: Person) {
    let place = Place::new(name).await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let browser = place.open(&person).await;
    browser.go(&place.users(&format!("/{user}/edit"))).await;
    browser.tick("Change Password").await;
    assert_eq!(browser.focused_name().await, "New Password");
    let all = texts(&browser, ".rules li").await;
    assert!(all.len() >= 8, "{all:?}");
    let save_at = async || {
        // The form's first button is another, which nobody sees: it is what Enter presses.
        let save = browser.driver().find(By::Css(".buttons button.main")).await.unwrap();
        save.rect().await.unwrap().y
    };
    let stood = save_at().await;

    for typed in [WEAK, "zzzz", "Young-Kite-1", "Vkd9-mnRtq7w", "Vkd9-mnRtq7w-Copper-Tulip"] {
        browser.fill("New Password", typed).await;
        let (open, strength) = judged(&place, typed).await;
        until("the checklist says what is left", async || {
            let unmet = texts(&browser, ".live .rules li:not(.met)").await;
            let met = texts(&browser, ".live .rules li.met").await;
            let words = texts(&browser, ".strength-words").await;
            (unmet == open && met.len() == all.len() - open.len() && words == [strength]).then_some(())
        })
        .await;
        let said =
            browser.driver().find(By::Css("[data-rules-said]")).await.unwrap().prop("textContent").await.unwrap();
        let left = match open.len() {
            0 => "All rules are met".to_owned(),
            left => format!("Rules not met yet: {left}"),
        };
        assert_eq!(said.as_deref(), Some(left.as_str()), "what is said to who can't see");
        assert!((save_at().await - stood).abs() < 1.0, "Save moved away from under the pointer");
    }
    // The names count as they stand in the form.
    browser.fill("New Password", "Kestrel-Vkd9-mnR").await;
    browser.shows("All rules are met").await;
    browser.fill("Last Name", "Kestrel").await;
    until("the new name counts", async || {
        let open = texts(&browser, ".live .rules li:not(.met)").await;
        (open == ["not contain the user's names, address or domain"]).then_some(())
    })
    .await;
    no_errors_but(&browser, &[]).await;
}

#[tokio::test]
async fn wrong_names_and_quota_are_named_together_and_the_summary_leads_to_each_field() {
    let place = Place::new("summary").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let browser = place.open(&Person::default()).await;
    let problems = [
        ("Enter a first name of 1 to 100 characters", "First Name"),
        ("Enter a last name of 1 to 100 characters", "Last Name"),
        ("Enter a new password, or untick Change Password", "New Password"),
        ("Enter a quota of at least 1 MiB, in whole MiB", "Quota"),
    ];
    for in_dialog in [true, false] {
        if in_dialog {
            browser.go(&place.users("")).await;
            browser.press(&format!("Edit: {}", place.address("zoe"))).await;
        } else {
            browser.go(&place.users(&format!("/{user}/edit"))).await;
        }
        browser.fill("First Name", " ").await;
        browser.fill("Last Name", "").await;
        browser.tick("Change Password").await;
        browser.fill("Quota", "1.5").await;
        browser.choose("Unit", "MiB").await;
        browser.press("Save").await;
        browser.shows("There is a problem").await;
        assert_eq!(texts(&browser, ".summary li").await, problems.map(|(text, _)| text));
        assert_eq!(browser.focused_name().await, "There is a problem");
        for (text, field) in problems {
            browser.press(text).await;
            assert_eq!(browser.focused_name().await, field, "in a dialog: {in_dialog}");
            let wrong = browser.field(field).await;
            assert_eq!(wrong.attr("aria-invalid").await.unwrap().as_deref(), Some("true"), "{field}");
        }
    }

    browser.go(&place.users(&format!("/{user}/edit"))).await;
    browser.fill("Quota", "11").await;
    browser.choose("Unit", "GiB").await;
    browser.press("Save").await;
    browser.shows("The quota is more than is left: at most 10 GiB").await;
    assert_eq!((browser.value("Quota").await, browser.value("Unit").await), ("11".to_owned(), "GiB".to_owned()));
    browser.fill("Quota", "0,5").await;
    browser.press("Save").await;
    browser.shows("was changed").await;
    assert_eq!(place.user(&user).await["quota_bytes"], 512 * MIB);
    place.login("zoe", PASSWORD).await.is(200);
    no_errors_but(&browser, &[422]).await;
}

#[tokio::test]
async fn a_save_that_changes_nothing_says_so() {
    let place = Place::new("nothing").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let browser = place.open(&Person::default()).await;
    browser.go(&place.users("")).await;
    browser.press(&format!("Edit: {}", place.address("zoe"))).await;
    browser.press("Save").await;
    browser.shows("Nothing was changed: everything is as it was before.").await;
    assert_eq!(place.changes(&user).await.len(), 1);
    no_errors_but(&browser, &[]).await;
}

#[tokio::test]
async fn what_can_t_be_taken_at_all_is_said_where_it_was_sent_from() {
    let place = Place::new("too-much").await;
    let user = place.adds("zoe", "Zoe", "Young").await;
    let browser = place.open(&Person::default()).await;
    browser.go(&place.users("")).await;
    browser.press(&format!("Edit: {}", place.address("zoe"))).await;
    let field = browser.field("First Name").await.to_json().unwrap();
    browser.driver().execute("arguments[0].value = 'x'.repeat(70000)", vec![field]).await.unwrap();
    browser.press("Save").await;
    browser.shows("What was sent is larger than is taken here.").await;
    assert_eq!(browser.focused_name().await, "That is too much");
    browser.keys(Key::Escape).await;
    until("the dialog is closed", async || {
        (browser.focused_name().await == format!("Edit: {}", place.address("zoe"))).then_some(())
    })
    .await;
    assert_eq!(place.user(&user).await["first_name"], "Zoe");
    no_errors_but(&browser, &[413]).await;
}
