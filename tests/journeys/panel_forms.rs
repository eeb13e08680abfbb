//! What the panel's forms make of what is sent: twice, too late, by hand, or with something that is not there any more.

use serde_json::json;
use stage::{Folder, MIB, PASSWORD, Page, Running, Scene, Separate, Visitor};
use stage::{listening, new_account, new_user, postkey, run};

const NEW: &str = "Walnut-31-Fiddle";

/// Somebody of acme who has signed in, and where acme's users are.
async fn signed_in(scene: &Scene) -> (Visitor, String) {
    let password = new_account(&scene.folder, "demo", "acme").await;
    let mut visitor = Visitor::new(scene.stack.panel());
    assert_eq!(visitor.signs_in("demo", &password).await.leads_to(), "/");
    (visitor, format!("/services/email/{}/users", scene.service))
}

/// The fields of a form as the page filled them in, some of them changed.
fn filled<'a>(page: &'a Page, names: &[&'a str], changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let field = |name: &&'a str| {
        let set = changed.iter().find(|(changed, _)| changed == name);
        (*name, set.map_or_else(|| page.field(name), |(_, value)| value))
    };
    let mut fields: Vec<_> = names.iter().map(field).collect();
    fields.extend(changed.iter().filter(|(name, _)| !names.contains(name)));
    fields
}

const EDIT: &[&str] = &["first_name", "last_name", "quota", "revision", "password_set", "state", "key"];
const CONFIRM: &[&str] = &["revision", "key"];

fn edited<'a>(page: &'a Page, changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = filled(page, EDIT, changed);
    fields.extend([("unit", "MiB"), ("pressed", "save")]);
    fields
}

/// Where the log ends.
async fn head(scene: &Scene) -> u64 {
    scene.queries().get("/v1/position").await.is(200)["head"].as_u64().unwrap()
}

#[tokio::test]
async fn a_form_that_is_sent_twice_is_carried_out_once_also_where_it_took_all_that_was_left() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    let left = (100 * MIB - scene.ann_now().await["quota_bytes"].as_u64().unwrap()) / MIB;
    let left = left.to_string();
    let path = format!("{users}/add");
    let form = demo.opens(&path).await.is(200);
    let typed = [("first_name", "Bo"), ("last_name", "Li"), ("local_part", "bo"), ("new_password", NEW)];
    let mut fields = filled(&form, &["key"], &typed);
    fields.extend([("quota", left.as_str()), ("unit", "MiB"), ("pressed", "save")]);
    let first = demo.sends(&path, &fields).await;
    let again = demo.sends(&path, &fields).await;
    assert_eq!(first.leads_to(), again.leads_to());
    assert!(demo.follows(&again).await.is(200).text.contains("bo@acme.example was added."));
    // Another user finds no room, and is told so beside all else that is wrong.
    let form = demo.opens(&path).await.is(200);
    let mut fields = filled(&form, &["key"], &[("first_name", ""), ("last_name", "Li"), ("local_part", "cy")]);
    fields.extend([("new_password", "tram"), ("quota", "1"), ("unit", "MiB"), ("pressed", "save")]);
    let wrong = demo.sends(&path, &fields).await.is(422);
    for said in ["first name of 1 to 100", "at least 8 characters", "at most 0 MiB"] {
        assert!(wrong.text.contains(said), "{said}: {wrong:#?}");
    }
    assert!(!wrong.text.contains("tram"), "{wrong:#?}");

    let ann = format!("{users}/{}", scene.ann);
    let form = demo.opens(&format!("{ann}/edit")).await.is(200);
    let fields = edited(&form, &[("last_name", "Bell")]);
    let before = head(&scene).await;
    let first = demo.sends(&format!("{ann}/edit"), &fields).await;
    let again = demo.sends(&format!("{ann}/edit"), &fields).await;
    assert_eq!((first.leads_to(), head(&scene).await), (again.leads_to(), before + 1));
    for change in ["suspend", "reactivate", "remove"] {
        let form = demo.opens(&format!("{ann}/{change}")).await.is(200);
        let fields = filled(&form, CONFIRM, &[]);
        let first = demo.sends(&format!("{ann}/{change}"), &fields).await;
        let again = demo.sends(&format!("{ann}/{change}"), &fields).await;
        assert_eq!(first.leads_to(), again.leads_to(), "{change}");
        // What can't be done is not asked.
        demo.opens(&format!("{ann}/{change}")).await.is(404);
    }
    demo.opens(&format!("{ann}/edit")).await.is(404);
    assert_eq!(head(&scene).await, before + 4);
}

#[tokio::test]
async fn a_quota_that_may_mean_two_things_is_not_taken() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    let path = format!("{users}/{}/edit", scene.ann);
    let before = scene.ann_now().await;
    let form = demo.opens(&path).await.is(200);
    for (quota, unit) in
        [("10,000", "MiB"), ("1.000", "GiB"), ("1,0", "MiB"), ("0", "MiB"), ("1e3", "MiB"), ("9", "TiB")]
    {
        let mut fields = filled(&form, EDIT, &[("quota", quota)]);
        fields.extend([("unit", unit), ("pressed", "save")]);
        let page = demo.sends(&path, &fields).await.is(422);
        assert!(page.text.contains("in whole MiB"), "{quota} {unit}: {page:#?}");
    }
    assert_eq!(scene.ann_now().await, before);
}

#[tokio::test]
async fn what_was_saved_is_said_of_what_was_saved_only() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    let other = scene.provisioned("other.example", "other", 10, 100 * MIB).await;
    let eve = scene.added(&other, &new_user("eve@other.example")).await;
    let ann = format!("{users}/{}", scene.ann);
    let form = demo.opens(&format!("{ann}/edit")).await.is(200);
    let fields = edited(&form, &[("change_password", "yes"), ("new_password", NEW)]);
    let saved = demo.sends(&format!("{ann}/edit"), &fields).await;
    let page = demo.follows(&saved).await.is(200);
    let since = page.text.split("Active since").nth(1).unwrap().split("</p>").next().unwrap().to_owned();
    assert!(page.text.contains("The old one is no longer taken."), "{page:#?}");
    assert!(demo.follows(&saved).await.text.contains(&since), "since when does not move");
    // Of somebody else's change, and of one that there is not, nothing is claimed.
    let history = format!("{ann}/history");
    for position in ["1", "99999999"] {
        assert_eq!(demo.opens(&format!("{ann}/saved/{position}")).await.leads_to(), history);
    }
    for user in [eve.as_str(), "0190b0a0-0000-7000-8000-000000000000"] {
        demo.opens(&format!("{users}/{user}/saved/2")).await.is(404);
    }
    demo.opens(&format!("{ann}/saved/abc")).await.is(404);

    // After a restart, since when is not known any more, and not made up.
    let position = saved.leads_to().rsplit('/').next().unwrap().to_owned();
    let scene = scene.restarted().await.with_panel().await;
    let password = run({
        let mut command = postkey(["panel", "account", "passwd", "demo", "--data"]);
        command.arg(scene.folder.data());
        command
    });
    let password = password.await.worked().stdout.trim().to_owned();
    let mut demo = Visitor::new(scene.stack.panel());
    demo.signs_in("demo", &password).await.leads_to();
    let page = demo.opens(&format!("{ann}/saved/{position}")).await.is(200);
    assert!(
        page.text.contains(&format!("Active · change {position}")) && !page.text.contains("Active since"),
        "{page:#?}"
    );
}

#[tokio::test]
async fn what_is_sent_without_a_session_is_said_to_be_lost() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    let path = format!("{users}/{}/edit", scene.ann);
    let form = demo.opens(&path).await.is(200);
    let out = demo.sends("/sign-out", &[]).await;
    assert_eq!(out.header("clear-site-data"), "\"cache\"");
    let lost = demo.sends(&path, &edited(&form, &[("last_name", "Bell")])).await;
    assert!(lost.leads_to().ends_with("&ended=unsaved"), "{lost:#?}");
    assert!(demo.follows(&lost).await.text.contains("was not saved"));
    assert_eq!(scene.ann_now().await["last_name"], "Lee");
    // From where no page can be come back to, the first one is.
    let lost = demo.sends("/passwords/check", &[("password", "x")]).await;
    assert_eq!(lost.leads_to(), "/sign-in?back=%2F&ended=unsaved");
}

#[tokio::test]
async fn whoever_signs_in_again_leaves_no_session_behind() {
    let scene = Scene::set().await.with_panel().await;
    let password = new_account(&scene.folder, "demo", "acme").await;
    let mut demo = Visitor::new(scene.stack.panel());
    demo.signs_in("demo", &password).await.leads_to();
    let mut before = demo.with("accept-language", "en");
    demo.signs_in("demo", &password).await.leads_to();
    assert!(before.opens("/services/email").await.leads_to().starts_with("/sign-in?"));
    demo.opens("/services/email").await.is(200);
}

#[tokio::test]
async fn sessions_that_a_reset_has_ended_are_not_counted_against_who_signs_in_with_the_new_password() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    let mut devices = Vec::new();
    for _ in 0..8 {
        let mut device = Visitor::new(scene.stack.panel());
        let signed_in = device.sends("/webmail", &[("address", "ann@acme.example"), ("password", PASSWORD)]).await;
        assert_eq!(signed_in.leads_to(), "/webmail");
        devices.push(device);
    }
    let path = format!("{users}/{}/edit", scene.ann);
    let form = demo.opens(&path).await.is(200);
    let fields = edited(&form, &[("change_password", "yes"), ("new_password", NEW)]);
    demo.sends(&path, &fields).await.leads_to();
    let first = devices[0].opens("/webmail").await.is(401);
    assert!(first.text.contains("Sign in again") && first.text.contains("type=\"password\""), "{first:#?}");
    for device in &mut devices[1..] {
        let asked = device.opens("/webmail").await.is(200);
        assert!(asked.text.contains("Sign in again") && asked.text.contains("type=\"password\""), "{asked:#?}");
    }
    let mut ann = Visitor::new(scene.stack.panel());
    let signed_in = ann.sends("/webmail", &[("address", "ann@acme.example"), ("password", NEW)]).await;
    assert_eq!(signed_in.leads_to(), "/webmail");
}

#[tokio::test]
async fn a_link_that_was_made_by_hand_gets_a_page_that_says_so() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    for (path, status) in [
        (format!("{users}?after=x&before=4294967295"), 404),
        (format!("{users}?before=x"), 400),
        (format!("{users}?search=a&search=b"), 400),
        (format!("{users}/%ff/edit"), 404),
        (format!("{users}/{}/saved/-1", scene.ann), 404),
        ("/sign-in?back=a&back=b".to_owned(), 400),
        ("/language/de?back=/".to_owned(), 404),
    ] {
        let page = demo.opens(&path).await.is(status);
        assert!(page.text.contains("Quote this number to support:"), "{page:#?}");
        assert!(page.text.contains(page.header("x-request-id")), "{page:#?}");
    }
}

#[tokio::test]
async fn a_history_names_the_client_beside_whom_it_names() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    let ann = format!("{users}/{}", scene.ann);
    let form = demo.opens(&format!("{ann}/edit")).await.is(200);
    demo.sends(&format!("{ann}/edit"), &edited(&form, &[("last_name", "Bell")])).await.leads_to();
    let history = demo.opens(&format!("{ann}/history")).await.is(200);
    assert!(history.text.contains("demo (client “panel”)"), "{history:#?}");
    assert!(history.text.contains("client “operator”"), "{history:#?}");
    assert!(history.text.contains("Last name set to Bell"), "{history:#?}");
}

#[tokio::test]
async fn whoever_edits_what_somebody_has_suspended_meanwhile_is_told_of_that() {
    let scene = Scene::set().await.with_panel().await;
    let (mut demo, users) = signed_in(&scene).await;
    let path = format!("{users}/{}/edit", scene.ann);
    let form = demo.opens(&path).await.is(200);
    scene.operator().post(&format!("{}/suspend", scene.ann()), &json!({})).await.is(200);
    let stale = demo.sends(&path, &edited(&form, &[])).await.is(409);
    for said in ["Somebody saved in between", "Suspended", "Active"] {
        assert!(stale.text.contains(said), "{said}: {stale:#?}");
    }
    // What was shown is what is confirmed.
    demo.sends(&path, &edited(&stale, &[("last_name", "Bell")])).await.leads_to();
    let now = scene.ann_now().await;
    assert_eq!((&now["last_name"], &now["state"]), (&json!("Bell"), &json!("suspended")));
}

/// A panel over services that go away: a form keeps what was typed, and nothing is claimed that is not known.
#[tokio::test]
async fn a_panel_whose_services_are_away_says_so_and_claims_nothing() {
    let folder = Folder::new();
    let stack = Separate::init(&folder).await.start().await;
    let scene = Scene::on(stack, folder).await;
    let url = |service: &stage::Api| format!("http://{}", service.address());
    let token = scene.folder.beside("panel.token");
    std::fs::write(&token, scene.stack.token("panel")).unwrap();
    let accounts = scene.folder.beside("accounts.db");
    let mut add = postkey(["panel", "account", "add", "demo", "--customer", "acme", "--accounts"]);
    add.arg(&accounts);
    let password = run(add).await.worked().stdout.trim().to_owned();
    let mut command = postkey(["panel", "--listen", "127.0.0.1:0", "--command-url", &url(scene.stack.command())]);
    command.args(["--projection-url", &url(scene.stack.projection())]);
    command.arg("--token-file").arg(&token).arg("--accounts").arg(&accounts);
    let mut process = Running::start(command, &scene.folder.beside("."));
    let mut demo = Visitor::new(&listening(&mut process).await);
    demo.ready().await;
    demo.signs_in("demo", &password).await.leads_to();
    let ann = format!("/services/email/{}/users/{}", scene.service, scene.ann);
    let form = demo.opens(&format!("{ann}/edit")).await.is(200);
    let fields = edited(&form, &[("change_password", "yes"), ("new_password", NEW)]);
    let saved = demo.sends(&format!("{ann}/edit"), &fields).await;
    demo.follows(&saved).await.is(200);

    let stopped = scene.stopped().await;
    let page = demo.follows(&saved).await.is(200);
    assert!(page.text.contains("is stored") && page.text.contains("http-equiv=\"refresh\""), "{page:#?}");
    for path in [format!("{ann}/edit"), "/services/email".to_owned()] {
        let away = demo.opens(&path).await.is(503);
        assert!(away.text.contains("is away") && !away.text.contains("Nothing was changed"), "{away:#?}");
    }
    demo.sends(&format!("{ann}/edit"), &fields).await.is(503);
    let health = stage::until("the panel says that it is not well", async || {
        let page = demo.opens("/readyz").await;
        (page.status == 503).then_some(page.text)
    });
    let health = health.await;
    assert!(health.contains("nothing can be shown") && health.contains("nothing can be changed"), "{health}");
    process.stop().await;
    drop(stopped);
}
