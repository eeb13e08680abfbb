//! A browser that one person sits at.

use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

use thirtyfour::error::{WebDriverErrorInner, WebDriverResult};
use thirtyfour::{By, Key, TypingData, WebDriver, WebElement};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::accessible::{self, BUTTONS, FIELDS};
use crate::driver::Driver;
use crate::person::{self, Person};
use crate::until::until;
use crate::{axe, install, screenshot};

/// How many may be open at once in a test process: each takes some hundred MiB.
static SEATS: Semaphore = Semaphore::const_new(2);

/// A browser with a profile of its own, which ends with this value. Its functions panic where the page does not let a
/// person do what they ask, with a picture of the page.
#[derive(Debug)]
pub struct Browser {
    session: WebDriver,
    driver: Driver,
    scripts: bool,
    _seat: SemaphorePermit<'static>,
}

impl Browser {
    /// Opens one, on an empty page; waits while two others of this process are open. Who needs two takes
    /// [both](Browser::open_both) at once: two tests that have one each would wait for each other.
    ///
    /// # Panics
    /// When there is no browser to be had, or it does not start.
    pub async fn open(person: &Person) -> Self {
        Self::seated(person, SEATS.acquire().await.expect("it is never closed")).await
    }

    /// Opens two, each with a profile of its own.
    ///
    /// # Panics
    /// As [`Browser::open`].
    pub async fn open_both(one: &Person, other: &Person) -> (Self, Self) {
        let mut seats = SEATS.acquire_many(2).await.expect("it is never closed");
        let seat = seats.split(1).expect("two seats");
        (Self::seated(one, seats).await, Self::seated(other, seat).await)
    }

    async fn seated(person: &Person, seat: SemaphorePermit<'static>) -> Self {
        let programs = tokio::task::spawn_blocking(install::programs).await.unwrap_or_else(|error| {
            std::panic::resume_unwind(error.into_panic());
        });
        let driver = Driver::start(programs).await;
        let capabilities = person.capabilities(programs, driver.folder()).expect("they are JSON");
        let session = WebDriver::new(driver.url(), capabilities).await;
        let session = session.unwrap_or_else(|error| panic!("no session: {error}\n{}", driver.log()));
        // The session ends with the driver's process: nothing has to be asked for at its end.
        session.clone().leak().expect("it was not ended yet");
        let browser = Self { session, driver, scripts: person.scripts, _seat: seat };
        let settled = person.settle(&browser.session).await;
        browser.done("set", settled).await;
        browser
    }

    /// What WebDriver can do besides.
    pub fn driver(&self) -> &WebDriver {
        &self.session
    }

    /// Goes to an address, and waits until its page is loaded.
    ///
    /// # Panics
    /// When nobody answers there.
    pub async fn go(&self, url: &str) {
        let gone = self.session.goto(url).await;
        self.done(&format!("go to {url}"), gone).await;
    }

    /// Shows pages in dark or light colours from now on.
    ///
    /// # Panics
    /// When the browser is gone.
    pub async fn prefers_dark(&self, dark: bool) {
        let set = person::set_colours(&self.session, dark).await;
        self.done("set the colours", set).await;
    }

    /// The text that can be seen on the page.
    ///
    /// # Panics
    /// When there is no page.
    pub async fn text(&self) -> String {
        let text = self.visible().await;
        self.done("read", text).await
    }

    async fn visible(&self) -> WebDriverResult<String> {
        self.session.find(By::Tag("body")).await?.text().await
    }

    /// Waits until a text can be seen on the page.
    ///
    /// # Panics
    /// When it can't be after half a minute, with what can be.
    pub async fn shows(&self, text: &str) {
        let seen = until(async || self.visible().await.ok().filter(|page| page.contains(text)).map(drop)).await;
        if seen.is_none() {
            let page = self.visible().await.unwrap_or_else(|error| error.to_string());
            self.fail(&format!("the page does not show {text:?}, but:\n{page}")).await;
        }
    }

    /// Waits for the one field that is called this: by its label, or by what ARIA says in its place.
    ///
    /// # Panics
    /// When there is none after half a minute, or more than one, with the names of all fields.
    pub async fn field(&self, label: &str) -> WebElement {
        self.only(FIELDS, "field", label).await
    }

    async fn only(&self, kind: &str, what: &str, name: &str) -> WebElement {
        let mut names = Vec::new();
        let found = until(async || {
            let (mut elements, all) = accessible::named(&self.session, kind, name).await.ok()?;
            names = all;
            if elements.len() == 1 { elements.pop() } else { None }
        });
        match found.await {
            Some(element) => element,
            None => self.fail(&format!("not one {what} is called {name:?}, of {names:?}")).await,
        }
    }

    /// Whether a field, a button or a link that is called this is there now.
    ///
    /// # Panics
    /// When there is no page.
    pub async fn offers(&self, name: &str) -> bool {
        let named = accessible::named(&self.session, &format!("{FIELDS}, {BUTTONS}"), name).await;
        let (elements, _) = self.done("look for names", named).await;
        !elements.is_empty()
    }

    /// Types a text into the field that is called this, in place of what stands there.
    ///
    /// # Panics
    /// As [`Browser::field`], and when it can't be typed into.
    pub async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        let filled = async {
            field.clear().await?;
            field.send_keys(text).await
        };
        let filled = filled.await;
        self.done(&format!("fill in {label:?}"), filled).await;
    }

    /// Ticks the box, or takes the choice, that is called this. One that is ticked stays so.
    ///
    /// # Panics
    /// As [`Browser::field`], and when it is not ticked then.
    pub async fn tick(&self, label: &str) {
        let field = self.field(label).await;
        let ticked = async {
            if !field.is_selected().await? {
                field.click().await?;
            }
            field.is_selected().await
        };
        let ticked = ticked.await;
        if !self.done(&format!("tick {label:?}"), ticked).await {
            self.fail(&format!("{label:?} can't be ticked")).await;
        }
    }

    /// Takes the choice of this text in the list that is called this.
    ///
    /// # Panics
    /// As [`Browser::field`], and when it is not taken then.
    pub async fn choose(&self, label: &str, choice: &str) {
        let list = self.field(label).await;
        let typed = list.send_keys(choice).await;
        self.done(&format!("choose {choice:?}"), typed).await;
        let value = self.value(label).await;
        if value != choice {
            self.fail(&format!("{label:?} has {value:?} where {choice:?} was chosen")).await;
        }
    }

    /// What stands in the field that is called this.
    ///
    /// # Panics
    /// As [`Browser::field`].
    pub async fn value(&self, label: &str) -> String {
        let value = self.field(label).await.prop("value").await;
        self.done(&format!("read {label:?}"), value).await.unwrap_or_default()
    }

    /// Waits for the one button or link that is called this, and presses it. Where that leads to a page, it is loaded
    /// on return.
    ///
    /// # Panics
    /// When there is none after half a minute, or more than one; when something is in its way.
    pub async fn press(&self, name: &str) {
        let button = self.only(BUTTONS, "button or link", name).await;
        let pressed = button.click().await;
        self.done(&format!("press {name:?}"), pressed).await;
    }

    /// The same, pressed twice within the time of a double click.
    ///
    /// # Panics
    /// As [`Browser::press`].
    pub async fn press_twice(&self, name: &str) {
        let button = self.only(BUTTONS, "button or link", name).await;
        let pressed = self.session.action_chain().double_click_element(&button).perform().await;
        self.done(&format!("press {name:?} twice"), pressed).await;
    }

    /// Presses keys one after the other, or types a text, wherever the focus is. Shift and its like are held until the
    /// last: `Key::Shift + Key::Tab` goes back.
    ///
    /// # Panics
    /// When there is no page.
    pub async fn keys(&self, keys: impl Into<TypingData>) {
        let held = [Key::Shift, Key::Control, Key::Alt, Key::Meta].map(|key| key.value());
        let mut chain = self.session.action_chain();
        let mut down = Vec::new();
        for key in keys.into().as_vec() {
            if held.contains(&key) {
                chain = chain.key_down(key);
                down.push(key);
            } else {
                chain = chain.key_down(key).key_up(key);
            }
        }
        for key in down {
            chain = chain.key_up(key);
        }
        let pressed = chain.perform().await;
        self.done("press keys", pressed).await;
    }

    /// What that is called which has the focus. Empty where nothing has it, or what has it has no name.
    ///
    /// # Panics
    /// When there is no page.
    pub async fn focused_name(&self) -> String {
        // What has the focus may go while it is asked for its name.
        let mut name = self.name_in_focus().await;
        while matches!(&name, Err(error) if matches!(**error, WebDriverErrorInner::StaleElementReference(_))) {
            name = self.name_in_focus().await;
        }
        self.done("ask for the focus", name).await
    }

    async fn name_in_focus(&self) -> WebDriverResult<String> {
        let element = self.session.active_element().await?;
        if element.tag_name().await? == "body" {
            return Ok(String::new());
        }
        accessible::name(&self.session, &element).await
    }

    /// What axe-core finds wrong with the page as it is, each as `rule: target (help)`: WCAG 2.0 to 2.2, A and AA, and
    /// what is good practice. `None` where scripts are off: axe-core is one.
    ///
    /// # Panics
    /// When it can't be had, or can't run.
    pub async fn violations(&self) -> Option<Vec<String>> {
        if !self.scripts {
            return None;
        }
        let violations = axe::violations(&self.session).await;
        Some(self.done("ask axe", violations).await)
    }

    /// Writes a picture of the whole page to `<target>/screenshots/NAME.png`.
    ///
    /// # Panics
    /// When it can't be taken or written.
    pub async fn screenshot(&self, name: &str) {
        let taken = screenshot::take(&self.session, name).await;
        self.done("take a picture", taken).await;
    }

    /// The errors that the browser logged since it was last asked: scripts that failed, what a page's policy forbade, what
    /// could not be loaded.
    ///
    /// # Panics
    /// When the browser is gone.
    pub async fn console(&self) -> Vec<String> {
        let log = self.session.browser_log().await;
        let log = self.done("read the log", log).await;
        log.into_iter().filter(|entry| entry.level == "SEVERE").map(|entry| entry.message).collect()
    }

    async fn done<T, E: Debug>(&self, what: &str, result: Result<T, E>) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.fail(&format!("could not {what}: {error:?}")).await,
        }
    }

    /// Panics with the address of the page and a picture of it.
    async fn fail(&self, why: &str) -> ! {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let url = self.session.current_url().await.map_or_else(|_| "no page".to_owned(), |url| url.to_string());
        let name = format!("failed-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let picture = match screenshot::take(&self.session, &name).await {
            Ok(file) => file.display().to_string(),
            Err(error) => format!("no picture: {error}\n{}", self.driver.log()),
        };
        panic!("{url}: {why}\n({picture})");
    }
}
