//! What each test has for itself: a customer with an account, a service and users.

use std::sync::Arc;

use browsers::{Browser, Person};
use serde_json::{Value, json};
use stage::{Answer, MIB, PASSWORD, Stack, Visitor};

use crate::house::House;
use crate::words::{Words, filled};

/// The password of the account.
pub const ACCOUNT_PASSWORD: &str = "Plum-Ferry-31-Kite";

/// `NAME.example`, a service of the customer `NAME` with 200 mailboxes and 10 GiB, and the account `NAME`.
#[derive(Debug)]
pub struct Place {
    pub house: Arc<House>,
    /// The services, asked by connections of this test's own: those of others end with their tests.
    pub stack: Stack,
    pub name: &'static str,
    pub service: String,
}

impl Place {
    /// In the process that the tests share.
    pub async fn new(name: &'static str) -> Self {
        Self::of(House::shared().await, name).await
    }

    /// In a process.
    pub async fn of(house: Arc<House>, name: &'static str) -> Self {
        let at = &house.endpoints;
        let stack = Stack::of(Vec::new(), &at.command, &at.projection, stage::tokens(&house.folder.data()));
        stack.ready().await;
        Visitor::new(&at.panel).ready().await;
        let plan = json!({"mailboxes": 200, "pool_bytes": 10_240 * MIB});
        let body = json!({"domain": format!("{name}.example"), "customer": name, "plan": plan});
        let receipt = stack.commands_as("operator").post("/v1/services", &body).await;
        let service = receipt.receipt(201, &["ServiceProvisioned"])["service"].as_str().unwrap().to_owned();
        let place = Self { house, stack, name, service };
        place.add_account(name).await;
        place
    }

    /// Adds an account of the customer.
    pub async fn add_account(&self, account: &str) {
        let file = self.house.folder.beside(format!("{account}.password"));
        std::fs::write(&file, ACCOUNT_PASSWORD).unwrap();
        let file = file.to_str().unwrap();
        self.house.account(&["add", account, "--customer", self.name, "--password-file", file]).await;
    }

    /// Lets an account that was disabled sign in again.
    pub async fn let_in(&self, account: &str) {
        let file = self.house.folder.beside(format!("{account}.password"));
        self.house.account(&["passwd", account, "--password-file", file.to_str().unwrap()]).await;
    }

    /// The address of a user.
    pub fn address(&self, local_part: &str) -> String {
        format!("{local_part}@{}.example", self.name)
    }

    /// Adds a user with 10 MiB and [`PASSWORD`]; its id.
    pub async fn adds(&self, local_part: &str, first_name: &str, last_name: &str) -> String {
        let user = json!({
            "address": self.address(local_part), "first_name": first_name, "last_name": last_name,
            "quota_bytes": 10 * MIB, "password": PASSWORD,
        });
        let path = format!("/v1/services/{}/users", self.service);
        let receipt = self.stack.commands_as("operator").post(&path, &user).await;
        let receipt = receipt.receipt(201, &["UserAdded", "PasswordChanged"]);
        receipt["user"].as_str().unwrap().to_owned()
    }

    /// Changes a user behind the panel's back.
    pub async fn edits(&self, user: &str, change: &Value) {
        self.stack.commands_as("operator").patch(&self.user_path(user), change).await.is(200);
    }

    /// A user as the projection shows it.
    pub async fn user(&self, user: &str) -> Value {
        self.stack.queries_as("operator").get(&self.user_path(user)).await.is(200)
    }

    fn user_path(&self, user: &str) -> String {
        format!("/v1/services/{}/users/{user}", self.service)
    }

    /// The positions of the log at which something happened to a user, in order.
    pub async fn changes(&self, user: &str) -> Vec<u64> {
        let path = format!("/v1/audit/events?service={}&user={user}", self.service);
        let panel = self.stack.projection().bearing(self.stack.token("panel")).with("postkey-customer", self.name);
        let events = panel.get(&path).await.is(200);
        let position = |event: &Value| event["position"].as_u64().unwrap();
        let mut positions: Vec<_> = events["events"].as_array().unwrap().iter().map(position).collect();
        positions.sort_unstable();
        positions.dedup();
        positions
    }

    /// A login, as a webmail server asks for it.
    pub async fn login(&self, local_part: &str, password: &str) -> Answer {
        self.stack.login(&self.address(local_part), password).await
    }

    /// Where a page of the panel is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.house.endpoints.panel)
    }

    /// Where a page of the service's users is.
    pub fn users(&self, page: &str) -> String {
        self.url(&format!("/services/email/{}/users{page}", self.service))
    }

    /// Opens a browser in which the customer has signed in.
    pub async fn open(&self, person: &Person) -> Browser {
        let browser = Browser::open(person).await;
        self.sign_in(&browser, Words::of(person), self.name).await;
        browser
    }

    /// An account signs in, from the first page.
    pub async fn sign_in(&self, browser: &Browser, words: &Words, account: &str) {
        browser.go(&self.url("/")).await;
        self.type_in(browser, words, account).await;
        browser.shows(words.services_title).await;
        browser.shows(&filled(words.signed_in_as, &[account])).await;
    }

    /// An account signs in where the browser stands.
    pub async fn type_in(&self, browser: &Browser, words: &Words, account: &str) {
        browser.fill(words.user_name, account).await;
        browser.fill(words.password, ACCOUNT_PASSWORD).await;
        browser.press(words.sign_in).await;
    }

    /// A user signs in to webmail where the browser stands.
    pub async fn webmail_sign_in(&self, browser: &Browser, words: &Words, local_part: &str, password: &str) {
        browser.fill(words.webmail_address, &self.address(local_part)).await;
        browser.fill(words.password, password).await;
        browser.press(words.sign_in).await;
    }

    /// Holds that the shared process wrote none of these, and not the account's password.
    pub fn never_wrote(&self, secrets: &[&str]) {
        let written = format!("{}{}", self.house.process.stdout(), self.house.process.stderr());
        for secret in secrets.iter().chain(&[ACCOUNT_PASSWORD, PASSWORD]) {
            assert!(!written.contains(secret), "a password stands in the log");
        }
    }
}
