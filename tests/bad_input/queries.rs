//! Parameters of lists that can't be read: each is named, and all of them at once.

use stage::Scene;

#[tokio::test]
async fn a_search_that_cannot_find_anything_is_refused() {
    let scene = Scene::set().await;
    let too_long = "a".repeat(256);
    for (search, wrong) in [
        ("", "search invalid"),
        ("%CC%81%CC%87", "search invalid"),
        ("a%00", "search invalid"),
        ("a%0Ab", "search invalid"),
        ("%C2%85", "search invalid"),
        (&too_long, "search invalid"),
        ("%ff", "search malformed"),
        ("%", "search malformed"),
        ("a&search=b", "search repeated"),
    ] {
        let refused = scene.queries().get(&format!("{}?search={search}", scene.users())).await;
        assert_eq!(refused.violations(422, "invalid_input"), [wrong], "{search:?}");
    }
    for search in ["a".repeat(255), "%C5%9F".repeat(255), "%F0%9F%A6%86".to_owned(), "%E0%A4%95".to_owned()] {
        scene.queries().get(&format!("{}?search={search}", scene.users())).await.is(200);
    }
}

#[tokio::test]
async fn parameters_of_events_that_cannot_be_read_are_named_at_once() {
    let scene = Scene::set().await;
    let panel = scene.stack.queries_as("panel");
    let actor = "a".repeat(129);
    for (query, wrong) in [
        ("service=acme.example", "service invalid"),
        ("service=", "service invalid"),
        ("user=0191d3a57c3e7000800000000000000a", "user invalid"),
        ("user=%7B0191d3a5-7c3e-7000-8000-00000000000a%7D", "user invalid"),
        ("type=LogCreated", "type invalid"),
        ("type=useradded", "type invalid"),
        ("type=", "type invalid"),
        ("actor=", "actor invalid"),
        ("actor=two%20words", "actor invalid"),
        (&format!("actor={actor}"), "actor invalid"),
        ("from=yesterday", "from invalid"),
        ("from=2026-11-24", "from invalid"),
        ("from=2026-11-24T08:00:00", "from invalid"),
        ("from=2026-11-24+08:00:00Z", "from invalid"),
        ("from=2026-11-24T08:00:00+01:00", "from invalid"),
        ("to=2026-13-24T08:00:00Z", "to invalid"),
        ("to=%00", "to invalid"),
        ("from=2026-11-24T08:00:00Z&to=2026-11-24T08:00:00Z", "to invalid"),
        ("from=2026-11-24T08:00:00Z&to=2026-11-24T08:30:00%2B01:00", "to invalid"),
        ("limit=0", "limit invalid"),
        ("limit=501", "limit invalid"),
        ("limit=1e2", "limit malformed"),
        ("after=%21", "after invalid"),
        ("after=AAAAAAAAAAAA", "after invalid"),
        ("after=", "after invalid"),
        ("reason=x", "reason unknown"),
        ("origin=192.0.2.1", "origin unknown"),
        ("user=%ff", "user malformed"),
        ("type=UserAdded&type=UserAdded", "type repeated"),
    ] {
        let refused = panel.get(&format!("/v1/audit/events?{query}")).await;
        assert_eq!(refused.violations(422, "invalid_input"), [wrong], "{query}");
    }
    let all = "service=x&user=x&type=x&actor=%20&from=x&to=x&after=%21&limit=x&color=red";
    let refused = panel.get(&format!("/v1/audit/events?{all}")).await.violations(422, "invalid_input");
    let expected = [
        "actor invalid",
        "after invalid",
        "color unknown",
        "from invalid",
        "limit malformed",
        "service invalid",
        "to invalid",
        "type invalid",
        "user invalid",
    ];
    assert_eq!(refused, expected);
    let unknown = panel.get("/v1/audit/events?type=PasswordGuessed").await.problem(422, "invalid_input");
    let hint = unknown["violations"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("PasswordChanged") && hint.contains("UserErased") && !hint.contains("Guessed"), "{hint}");
}

#[tokio::test]
async fn a_cursor_that_was_made_up_finds_nothing_and_breaks_nothing() {
    let scene = Scene::set().await;
    scene.added(&scene.service, &stage::new_user("bob@acme.example")).await;
    let panel = scene.stack.queries_as("panel");
    for path in ["/v1/audit/events", &scene.users()] {
        let next = panel.get(&format!("{path}?limit=1")).await.is(200)["next"].as_str().unwrap().to_owned();
        // Eight bytes say whose it is; whatever is put behind them is a place in the list, or none.
        for forged in ["___________________________w", "AAAAAAAAAAAAAAAAAAAAAAAAAAA", "_w", ""] {
            let (tag, rest) = next.split_at(11);
            let forged = &forged[..forged.len().min(rest.len())];
            let answer = panel.get(&format!("{path}?after={tag}{forged}")).await;
            assert!(matches!(answer.status, 200 | 422), "{answer:?}");
        }
    }
}
