//! What things of a page are called: the names that the browser tells a screen reader, from labels, texts and ARIA.

use reqwest::Method;
use thirtyfour::common::command::FormatRequestData;
use thirtyfour::error::WebDriverResult;
use thirtyfour::{By, RequestData, SessionId, WebDriver, WebElement};

/// What is filled in or ticked.
pub(crate) const FIELDS: &str = "input:not([type=hidden], [type=submit], [type=button], [type=reset], [type=image]), \
    select, textarea, [role=textbox], [role=combobox], [role=checkbox], [role=switch], [role=radio]";

/// What is pressed.
pub(crate) const BUTTONS: &str = "a[href], button, summary, input[type=submit], input[type=button], input[type=reset], \
    input[type=image], [role=button], [role=link], [role=tab], [role=menuitem]";

/// WebDriver's "Get Computed Label" of an element.
#[derive(Debug)]
struct ComputedLabel<'a>(&'a WebElement);

impl FormatRequestData for ComputedLabel<'_> {
    fn format_request(&self, session: &SessionId) -> RequestData {
        let element = self.0.element_id();
        RequestData::new(Method::GET, format!("session/{session}/element/{element}/computedlabel"))
    }
}

/// An element's name; empty where it has none, and where nobody is told of it.
pub(crate) async fn name(driver: &WebDriver, element: &WebElement) -> WebDriverResult<String> {
    let name: String = driver.cmd(ComputedLabel(element)).await?.value()?;
    Ok(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The elements of a kind that are called this, and the names of all of the kind.
pub(crate) async fn named(
    driver: &WebDriver,
    kind: &str,
    wanted: &str,
) -> WebDriverResult<(Vec<WebElement>, Vec<String>)> {
    let (mut elements, mut names) = (Vec::new(), Vec::new());
    for element in driver.find_all(By::Css(kind)).await? {
        let name = name(driver, &element).await?;
        if name == wanted {
            elements.push(element);
        }
        names.push(name);
    }
    Ok((elements, names))
}
