//! axe-core: what of a page some people can't use.

use std::sync::OnceLock;

use thirtyfour::WebDriver;
use thirtyfour::error::WebDriverResult;

/// The Python package that brings axe-core 4.12.1, and its file in it.
const PACKAGE: (&str, &str) = ("axe-playwright-python", "0.1.8");
const FILE: &str = "axe_playwright_python/axe.min.js";

/// WCAG 2.0 to 2.2, A and AA, and what is good practice. The size of targets is AA of 2.2, and off unless it is asked for.
const RUN: &str = "
return axe.run(document, {
  runOnly: {type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']},
  rules: {'target-size': {enabled: true}},
  resultTypes: ['violations'],
}).then(found => found.violations.flatMap(violation => violation.nodes.map(node =>
  violation.id + ': ' + node.target.flat().join(' ') + ' (' + violation.help + ')')));";

/// What is wrong with the page as it is, each as `rule: target (help)`.
///
/// The driver evaluates in the page's world what the page's own policy for scripts does not bind.
pub(crate) async fn violations(driver: &WebDriver) -> WebDriverResult<Vec<String>> {
    driver.execute(format!("{};\n{RUN}", source()), Vec::new()).await?.convert()
}

fn source() -> &'static str {
    static SOURCE: OnceLock<String> = OnceLock::new();
    SOURCE.get_or_init(|| {
        let package = servers::package(PACKAGE.0, PACKAGE.1).unwrap_or_else(|error| panic!("no axe-core: {error}"));
        let file = package.join(FILE);
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    })
}
