//! What a browser shows, and what it logged.

use browsers::{Browser, By};

/// The texts of all elements of a kind, each in one line.
pub async fn texts(browser: &Browser, css: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for element in browser.driver().find_all(By::Css(css)).await.unwrap() {
        let text = element.text().await.unwrap();
        texts.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    texts
}

/// Holds that a browser logged no error but answers of these statuses, which is how it calls forms that come back.
pub async fn no_errors_but(browser: &Browser, statuses: &[u16]) {
    let mut errors = browser.console().await;
    errors.retain(|error| !statuses.iter().any(|status| error.contains(&format!("with a status of {status} "))));
    assert_eq!(errors, [""; 0]);
}
