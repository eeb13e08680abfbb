//! Pictures of whole pages.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use thirtyfour::WebDriver;
use thirtyfour::error::WebDriverResult;

use crate::until::until;

/// Writes `<target>/screenshots/NAME.png`, all of the page and not only what a window shows of it, and says where that is.
///
/// A page that is still being loaded is waited for: Chromium may never answer while one page takes another's place.
pub(crate) async fn take(driver: &WebDriver, name: &str) -> WebDriverResult<PathBuf> {
    until(async || is_loaded(driver).await.then_some(())).await;
    let metrics = driver.cdp().send_raw("Page.getLayoutMetrics", json!({})).await?;
    let size = &metrics["cssContentSize"];
    let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1});
    let asked = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
    let picture = driver.cdp().send_raw("Page.captureScreenshot", asked).await?;
    let bytes = STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64");
    let folder = servers::target().join("screenshots");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.png"));
    std::fs::write(&file, bytes)?;
    Ok(file)
}

async fn is_loaded(driver: &WebDriver) -> bool {
    let state = driver.execute("return document.readyState", Vec::new()).await;
    state.and_then(|state| state.convert::<String>()).is_ok_and(|state| state == "complete")
}
