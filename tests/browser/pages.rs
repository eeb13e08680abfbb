//! Everybody can use every page: axe-core finds nothing, in both languages, in light and dark, at a desk and on a phone; and a
//! picture of each.

use browsers::{Browser, Person, Window};
use serde_json::json;

use crate::place::Place;
use crate::seen::no_errors_but;
use crate::words::{Words, filled};

#[tokio::test]
async fn every_page_can_be_used_by_everybody() {
    every_page("pages", Person::default()).await;
}

#[tokio::test]
async fn every_page_can_be_used_by_everybody_on_a_phone() {
    every_page("pages-phone", Person { window: Window::PHONE, ..Person::default() }).await;
}

#[tokio::test]
async fn every_page_can_be_used_by_everybody_in_turkish() {
    every_page("pages-tr", Person { language: "tr", ..Person::default() }).await;
}

#[tokio::test]
async fn every_page_can_be_used_by_everybody_in_turkish_on_a_phone() {
    every_page("pages-tr-phone", Person { language: "tr", window: Window::PHONE, ..Person::default() }).await;
}

/// The pages that there are also Turkish and dark pictures of.
const MORE_PICTURES: [&str; 4] = ["users", "edit-dialog", "edit-errors", "saved"];

/// Somebody who looks at every page twice: in light and in dark colours.
struct Look {
    place: Place,
    browser: Browser,
    words: &'static Words,
    person: Person,
}

async fn every_page(name: &'static str, person: Person) {
    let place = Place::new(name).await;
    let browser = Browser::open(&person).await;
    let mut look = Look { place, browser, words: Words::of(&person), person };
    let users = Users::add(&look.place).await;
    for dark in [false, true] {
        look.person.dark = dark;
        look.browser.prefers_dark(dark).await;
        look.signed_out().await;
        look.plain_pages(&users).await;
        look.forms(&users).await;
        look.browser.press(look.words.sign_out).await;
        look.browser.shows(look.words.user_name).await;
    }
    no_errors_but(&look.browser, &[401, 404, 409, 422]).await;
}

/// Whom the pages are about.
struct Users {
    zoe: String,
    /// Suspended.
    ann: String,
}

impl Users {
    async fn add(place: &Place) -> Self {
        let zoe = place.adds("zoe", "Zoë", "Işık").await;
        let ann = place.adds("ann", "Ann", "Lee").await;
        let bob = place.adds("bob.with-a-long-address", "Bartholomew-Maximilian", "Featherstonehaugh").await;
        place.edits(&zoe, &json!({"last_name": "Şahin", "password": "Copper-Tulip-77-Boat"})).await;
        let operator = place.stack.commands_as("operator");
        let path = |user: &str| format!("/v1/services/{}/users/{user}", place.service);
        operator.post_nothing(&format!("{}/suspend", path(&ann))).await.is(200);
        operator.delete(&path(&bob)).await.is(200);
        Self { zoe, ann }
    }
}

impl Look {
    /// Goes to a page, waits for a text of it, and holds that everybody can use it.
    async fn at(&self, name: &str, url: &str, shows: &str) {
        self.browser.go(url).await;
        self.is_good(name, shows).await;
    }

    /// Holds that everybody can use what the browser shows, and takes the picture.
    async fn is_good(&self, name: &str, shows: &str) {
        self.browser.shows(shows).await;
        let violations = self.browser.violations().await;
        assert_eq!(violations, Some(Vec::new()), "{name} for {:?}", self.person);
        let Person { language, window, dark, .. } = self.person;
        let plain = language == "en" && !dark;
        if plain || MORE_PICTURES.contains(&name) && (dark != (language == "tr")) {
            let width = if window == Window::PHONE { "phone" } else { "desktop" };
            let marked = [(language == "tr", "-tr"), (dark, "-dark")];
            let marks: String = marked.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            self.browser.screenshot(&format!("{name}-{width}{marks}")).await;
        }
        self.is_no_wider_than_its_window(name).await;
    }

    /// What is wider scrolls within itself (WCAG 2.2, 1.4.10), and nothing that is pressed has to be looked for there.
    async fn is_no_wider_than_its_window(&self, name: &str) {
        let asked = "const out = [...document.querySelectorAll('main a, main button')].filter(it => \
                         it.getBoundingClientRect().right > document.documentElement.clientWidth); \
                     return [document.documentElement.scrollWidth > document.documentElement.clientWidth, \
                         out.map(it => it.textContent)]";
        let found = self.browser.driver().execute(asked, Vec::new()).await.unwrap();
        assert_eq!(found.json(), &json!([false, []]), "{name} is too wide for {:?}", self.person);
    }

    async fn signed_out(&self) {
        let (place, browser, words) = (&self.place, &self.browser, self.words);
        self.at("sign-in", &place.url("/sign-in"), words.user_name).await;
        browser.fill(words.user_name, &format!("not-{}", place.name)).await;
        browser.fill(words.password, "wrong").await;
        browser.press(words.sign_in).await;
        self.is_good("sign-in-errors", words.there_is_a_problem).await;
        self.at("webmail-sign-in", &place.url("/webmail"), words.webmail_sign_in).await;
        place.webmail_sign_in(browser, words, "zoe", "Copper-Tulip-77-Boat").await;
        self.is_good("webmail", &place.address("zoe")).await;
        browser.press(words.sign_out).await;
        browser.shows(words.webmail_sign_in).await;
        place.sign_in(browser, words, place.name).await;
    }

    async fn plain_pages(&self, users: &Users) {
        let (place, browser, words) = (&self.place, &self.browser, self.words);
        self.at("services", &place.url("/services/email"), words.services_title).await;
        browser.press(words.services).await;
        self.is_good("services-menu", words.email).await;
        self.at("service", &place.url(&format!("/services/email/{}", place.service)), words.general).await;
        self.at("users", &place.users(""), "Ann Lee").await;
        self.at("users-none", &place.users("?search=nobody"), "nobody").await;
        self.at("history", &place.users(&format!("/{}/history", users.zoe)), "Şahin").await;
        browser.go(&place.users(&format!("/{}/edit", users.ann))).await;
        browser.fill(words.quota, if self.person.dark { "12" } else { "11" }).await;
        browser.press(words.save).await;
        self.is_good("saved", &place.address("ann")).await;
        self.at("not-found", &place.url("/nowhere"), words.not_found).await;
    }

    async fn forms(&self, users: &Users) {
        let (place, browser, words) = (&self.place, &self.browser, self.words);
        let (zoe, ann) = (&users.zoe, &users.ann);
        self.at("add", &place.users("/add"), words.quota).await;
        self.at("edit", &place.users(&format!("/{zoe}/edit")), words.edit_title).await;
        for (page, user) in [("suspend", zoe), ("reactivate", ann), ("remove", zoe)] {
            let whom = place.address(if user == zoe { "zoe" } else { "ann" });
            self.at(page, &place.users(&format!("/{user}/{page}")), &whom).await;
        }
        browser.go(&place.users("")).await;
        browser.press(&filled(words.edit, &[&place.address("zoe")])).await;
        browser.tick(words.change_password).await;
        self.is_good("edit-dialog", words.suggest).await;
        browser.fill(words.new_password, "Sahin-1").await;
        self.is_good("edit-checklist", words.strength).await;
        browser.fill(words.first_name, "").await;
        browser.fill(words.quota, "20000").await;
        browser.press(words.save).await;
        self.is_good("edit-errors", words.there_is_a_problem).await;

        browser.go(&place.users(&format!("/{zoe}/edit"))).await;
        browser.tick(words.change_password).await;
        browser.press(words.suggest).await;
        self.is_good("edit-suggested", words.suggested).await;
        let other = if self.person.dark { "Şahin" } else { "Kaya" };
        place.edits(zoe, &json!({"last_name": other, "first_name": "Zeynep"})).await;
        browser.press(words.save).await;
        self.is_good("edit-stale", words.stale_title).await;
    }
}
