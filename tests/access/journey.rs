//! The main job with the accounts, roles and settings of production: from provisioning to a login with the changed
//! password, while a projection dies, and while a command service is shut out.

use serde_json::json;
use stage::{Folder, PASSWORD, Scene, until};

use crate::production::{Production, Service};

/// Ann, whose password is changed again and again.
struct Ann {
    production: Production,
    path: String,
    password: String,
    changes: usize,
}

impl Ann {
    async fn of(production: Production, command: &Service, projection: &Service) -> Self {
        let scene = Scene::on(production.stack(command, projection), Folder::new()).await;
        Self { production, path: scene.ann(), password: PASSWORD.to_owned(), changes: 0 }
    }

    /// "Save" at a command service: from its answer on every projection takes the new password, and none the old one.
    async fn saves(&mut self, command: &Service, projections: &[&Service]) {
        self.changes += 1;
        let changed = format!("Tundra-{}-quiver", self.changes);
        let operator = self.production.stack(command, projections[0]).commands_as("operator").with("prefer", "wait=30");
        let answer = operator.patch(&self.path, &json!({"password": changed})).await;
        assert_eq!(answer.receipt(200, &["PasswordChanged"])["effective"], true);
        let before = std::mem::replace(&mut self.password, changed);
        for projection in projections {
            let stack = self.production.stack(command, projection);
            // From elsewhere: what fails there counts elsewhere, and is refused unjudged at some time.
            let old = stack.login_from("198.51.100.7", "ann@acme.example", &before).await;
            assert!(matches!(old.status, 401 | 429), "{old:?}");
            stack.login_from("192.0.2.1", "ann@acme.example", &self.password).await.is(200);
        }
    }

    /// What came of it that is in no log of events, as an auditor finds it.
    async fn is_told_of(&self, command: &Service, projection: &Service) {
        let auditor = self.production.stack(command, projection).queries_as("auditor");
        until("sign-ins are kept, whichever projection was asked", async || {
            let kept = auditor.get("/v1/audit/activity?kind=sign_in&limit=500").await.is(200);
            let codes: Vec<_> = kept["activity"].as_array()?.iter().filter_map(|one| one["code"].as_str()).collect();
            (codes.contains(&"ok") && codes.contains(&"wrong")).then_some(())
        })
        .await;
    }

    /// An operator erases her: in force once the projection has destroyed her keys.
    async fn is_erased(&self, command: &Service, projection: &Service) {
        let stack = self.production.stack(command, projection);
        let operator = stack.commands_as("operator").with("prefer", "wait=30");
        operator.delete(&self.path).await.receipt(200, &["UserRemoved"]);
        operator.post_nothing(&format!("{}/erase", self.path)).await.receipt(200, &["UserErased"]);
        stack.login_from("192.0.2.1", "ann@acme.example", &self.password).await.problem(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn passwords_are_changed_through_either_command_service_and_whichever_projection_is_there() {
    let production = Production::set_up().await;
    let mut one = production.projection("projection-1", "127.0.0.1:0").await;
    let mut two = production.projection("projection-2", "127.0.0.1:0").await;
    let first = production.command("command-1", &[&one, &two]).await;
    let second = production.command("command-2", &[&one, &two]).await;
    for seat in [&one, &two, &first, &second] {
        seat.ready().await;
        assert_eq!(seat.health().await.is(200)["status"], "green", "nothing of production is worth a look");
    }
    let mut ann = Ann::of(production, &first, &one).await;
    ann.saves(&first, &[&one, &two]).await;
    ann.saves(&second, &[&one, &two]).await;

    // Whichever leads: each is killed once.
    one.process.kill();
    ann.saves(&first, &[&two]).await;
    ann.saves(&second, &[&two]).await;
    one = ann.production.projection("projection-1", one.url.trim_start_matches("http://")).await;
    one.ready().await;
    ann.saves(&second, &[&one, &two]).await;
    two.process.kill();
    ann.saves(&first, &[&one]).await;
    ann.is_erased(&second, &one).await;
    ann.is_told_of(&second, &one).await;
}

/// The command service asks one projection, which holds its answer back for up to 20 s until there is something new. Where
/// that one stands still, another one's wake-up over NATS is what makes it ask that other.
#[tokio::test]
async fn a_projection_that_stands_still_holds_no_save_back_where_another_one_wakes_the_command_service() {
    let production = Production::set_up().await;
    let one = production.projection("projection-1", "127.0.0.1:0").await;
    let two = production.projection("projection-2", "127.0.0.1:0").await;
    let command = production.command("command-1", &[&one, &two]).await;
    for seat in [&one, &two, &command] {
        seat.ready().await;
    }
    let mut ann = Ann::of(production, &command, &one).await;
    // Whichever is asked: each stands still once.
    for (still, goes_on) in [(&one, &two), (&two, &one)] {
        ann.saves(&command, &[&one, &two]).await;
        // Another question begins here, which nobody answers for longer than the next change waits.
        let operator = ann.production.stack(&command, goes_on).commands_as("operator").with("prefer", "wait=15");
        let edit = async |name: &str| operator.patch(&ann.path, &json!({"first_name": name})).await;
        edit("Before").await.receipt(200, &["UserEdited"]);
        still.process.pause();
        let edited = edit("Meanwhile").await.receipt(200, &["UserEdited"]);
        assert_eq!(edited["effective"], true, "{edited}");
        still.process.resume();
        still.ready().await;
    }
}

#[tokio::test]
async fn a_command_service_whose_key_is_revoked_is_shut_out_and_the_other_goes_on() {
    let production = Production::set_up().await;
    let projection = production.projection("projection-1", "127.0.0.1:0").await;
    let first = production.command("command-1", &[&projection]).await;
    let second = production.command("command-2", &[&projection]).await;
    for seat in [&first, &second] {
        seat.ready().await;
    }
    let mut ann = Ann::of(production, &first, &projection).await;
    ann.saves(&second, &[&projection]).await;

    let old = ann.production.site.identities.public("command-2");
    ann.production.site.revoke("command-2");
    is_shut_out(&ann, &second, &projection).await;
    ann.saves(&first, &[&projection]).await;
    assert_eq!(first.health().await.is(200)["status"], "green");

    // The old key is known again: the service, which has gone on trying, is let in.
    let new = ann.production.site.identities.public("command-2");
    ann.production.site.identities.set_public("command-2", &old);
    ann.production.site.reload();
    second.ready().await;
    ann.saves(&second, &[&projection]).await;

    // The new one is taken as soon as the service finds it where the old one was: it looks each time that it tries.
    ann.production.site.identities.set_public("command-2", &new);
    ann.production.site.reload();
    is_shut_out(&ann, &second, &projection).await;
    ann.production.give("command-2");
    second.ready().await;
    ann.saves(&second, &[&projection]).await;

    // Where it finds none, as in a container whose folder of keys was made anew beside it, it says so.
    std::fs::remove_dir_all(ann.production.machine("command-2")).unwrap();
    ann.production.site.revoke("command-2");
    let says = async || second.health().await.text.contains("machine-of-command-2/nkey.seed").then_some(());
    until("its health says what it can't read", says).await;
    ann.production.give("command-2");
    second.ready().await;
    ann.saves(&second, &[&projection]).await;
}

/// It says why it can't work, and changes nothing.
async fn is_shut_out(ann: &Ann, command: &Service, projection: &Service) {
    let says = async || command.health().await.text.contains("NATS refuses these credentials").then_some(());
    until("its health says that NATS refuses it", says).await;
    assert_eq!(command.health().await.status, 503, "nobody is to send it anything");
    let operator = ann.production.stack(command, projection).commands_as("operator");
    let refused = operator.patch(&ann.path, &json!({"password": "Never-41-stored"})).await;
    refused.problem(503, "log_unavailable");
}
