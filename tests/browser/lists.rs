//! Searching and turning pages.

use browsers::{Browser, Person};
use futures::future::join_all;

use crate::place::Place;
use crate::seen::{no_errors_but, texts};

/// The local parts in the table, in its order.
async fn listed(browser: &Browser) -> Vec<String> {
    let addresses = texts(browser, "tbody td.address").await;
    addresses.iter().map(|address| address.split('@').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_search_finds_turkish_letters_whatever_their_case_and_says_when_it_finds_nobody() {
    let place = Place::new("search").await;
    for (local_part, first, last) in
        [("zeynep", "Zeynep", "Şahin"), ("isil", "Işıl", "Çağlar"), ("ann", "Ann", "Lee"), ("pct", "100%", "O'Brien")]
    {
        place.adds(local_part, first, last).await;
    }
    let browser = place.open(&Person { language: "tr", ..Person::default() }).await;
    browser.go(&place.users("")).await;
    for (typed, found) in [
        ("şah", &["zeynep"][..]),
        ("ŞAH", &["zeynep"]),
        ("ışıl", &["isil"]),
        ("çağ", &["isil"]),
        ("isil@search", &["isil"]),
        ("0%", &["pct"]),
        ("o'b", &["pct"]),
    ] {
        browser.fill("Ada veya adrese göre ara", typed).await;
        browser.press("Ara").await;
        browser.shows("Tümünü göster").await;
        assert_eq!(browser.value("Ada veya adrese göre ara").await, typed);
        assert_eq!(listed(&browser).await, found, "{typed}");
    }
    browser.fill("Ada veya adrese göre ara", "<yok>").await;
    browser.press("Ara").await;
    browser.shows("“<yok>” ile eşleşen kullanıcı yok.").await;
    browser.press("Tümünü göster").await;
    browser.shows("Lee").await;
    assert_eq!(listed(&browser).await.len(), 4);
    no_errors_but(&browser, &[]).await;
}

#[tokio::test]
async fn a_list_of_120_users_goes_on_page_by_page() {
    let place = Place::new("paging").await;
    let names: Vec<String> = (1..=120).map(|n| format!("user-{n:03}")).collect();
    for some in names.chunks(8) {
        join_all(some.iter().map(|name| place.adds(name, "Ann", "Lee"))).await;
    }
    let browser = place.open(&Person { scripts: false, ..Person::default() }).await;
    browser.go(&place.users("")).await;
    browser.shows("Users 1 to 50").await;
    let mut seen = listed(&browser).await;
    assert!(!browser.offers("First page").await);
    for shown in ["Users 51 to 100", "Users 101 to 120"] {
        browser.press("Next page").await;
        browser.shows(shown).await;
        seen.extend(listed(&browser).await);
    }
    assert!(!browser.offers("Next page").await);
    seen.sort();
    assert_eq!(seen, names, "each once");
    browser.press("First page").await;
    browser.shows("Users 1 to 50").await;

    browser.fill("Search by name or address", "user-1").await;
    browser.press("Search").await;
    browser.shows("Users 1 to 21").await;
    browser.fill("Search by name or address", "ann lee").await;
    browser.press("Search").await;
    browser.shows("Users 1 to 50").await;
    browser.press("Next page").await;
    browser.shows("Users 51 to 100").await;
    assert_eq!(browser.value("Search by name or address").await, "ann lee", "the search goes on with the pages");
    no_errors_but(&browser, &[]).await;
}
