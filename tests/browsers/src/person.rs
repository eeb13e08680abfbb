//! Who sits at a browser, and how it is set for them.

use std::path::Path;

use serde_json::json;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{Capabilities, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};

use crate::install::Programs;

/// Below this width, in CSS pixels, a window is a phone's: a page's own `viewport` counts, as it does there.
const PHONE: u32 = 500;

/// The size of what a page is shown in, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How wide it is.
    pub width: u32,
    /// How high it is.
    pub height: u32,
}

impl Window {
    /// A window on a desk.
    pub const DESKTOP: Self = Self { width: 1280, height: 900 };
    /// The whole of a small phone.
    pub const PHONE: Self = Self { width: 360, height: 780 };
}

/// Who sits at a browser.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// The language that pages are asked for in, `en` or `tr`.
    pub language: &'static str,
    /// Whether pages may run scripts.
    pub scripts: bool,
    /// What pages are shown in.
    pub window: Window,
    /// Whether they prefer dark colours.
    pub dark: bool,
}

impl Default for Person {
    /// Reads English at a desk, with scripts and light colours.
    fn default() -> Self {
        Self { language: "en", scripts: true, window: Window::DESKTOP, dark: false }
    }
}

impl Person {
    /// What a session is asked for with; its profile is a new folder in `folder`.
    pub(crate) fn capabilities(&self, programs: &Programs, folder: &Path) -> WebDriverResult<Capabilities> {
        let Window { width, height } = self.window;
        let mut capabilities = DesiredCapabilities::chrome();
        capabilities.set_binary(&programs.chromium.display().to_string())?;
        for argument in [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            &format!("--user-data-dir={}", folder.join("profile").display()),
            &format!("--window-size={width},{height}"),
            &format!("--lang={}", self.language),
            &format!("--accept-lang={}", self.language),
        ] {
            capabilities.add_arg(argument)?;
        }
        let mut preferences = json!({
            "intl.accept_languages": self.language,
            // Nothing may stand in front of a page and ask whether to keep a password.
            "credentials_enable_service": false,
            "profile.password_manager_leak_detection": false,
        });
        if !self.scripts {
            preferences["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        capabilities.add_experimental_option("prefs", preferences)?;
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        Ok(capabilities.into())
    }

    /// Sets what can only be set once the browser runs: a width that no window has, and the colours.
    pub(crate) async fn settle(&self, driver: &WebDriver) -> WebDriverResult<()> {
        let Window { width, height } = self.window;
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < PHONE});
        driver.cdp().send_raw("Emulation.setDeviceMetricsOverride", size).await?;
        set_colours(driver, self.dark).await
    }
}

/// Sets which colours pages are asked for in.
pub(crate) async fn set_colours(driver: &WebDriver, dark: bool) -> WebDriverResult<()> {
    let colours = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
    driver.cdp().send_raw("Emulation.setEmulatedMedia", json!({"features": [colours]})).await?;
    Ok(())
}
