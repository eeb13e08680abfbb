//! Keys are destroyed by the projection that leads, and by the other once that one is gone.

use serde_json::json;
use stage::{Folder, MIB, PASSWORD, Scene, Separate, StoredKeys, new_user, run};

#[tokio::test]
async fn erasures_go_on_while_projections_are_killed_and_a_rebuild_beside_them_finds_the_same_rows() {
    let folder = Folder::new();
    let separate = Separate::on_servers(&folder).await;
    let mut services = separate.several(1, 2).await;
    let scene = Scene::on(services.stack(), folder).await;
    let keys = || StoredKeys::in_database(separate.keys_database());
    assert_eq!(keys(), StoredKeys { here: 3, destroyed: 0 });
    let operator = services.commands()[0].with("prefer", "wait=30");
    let mut bob = new_user("bob@acme.example");
    bob["quota_bytes"] = json!(MIB);
    for round in 0..4_usize {
        let added = operator.post(&scene.users(), &bob).await.receipt(201, &["UserAdded", "PasswordChanged"]);
        let path = scene.user(added["user"].as_str().unwrap());
        let save = json!({"first_name": "Bobby", "password": "Tundra-58-quiver"});
        operator.patch(&path, &save).await.receipt(200, &["UserEdited", "PasswordChanged"]);
        operator.delete(&path).await.receipt(200, &["UserRemoved"]);
        // One of the two leads, whichever it is by now.
        let dies = round % 2;
        services.projections[dies].process.kill();
        operator.post_nothing(&format!("{path}/erase")).await.receipt(200, &["UserErased"]);
        let destroyed = 3 * (i64::try_from(round).unwrap() + 1);
        assert_eq!(keys(), StoredKeys { here: 3, destroyed }, "of the service and of Ann are left");
        services.projection_again(dies).await;
    }
    let added = operator.post(&scene.users(), &bob).await.receipt(201, &["UserAdded", "PasswordChanged"]);
    let rebuilt = run(separate.rebuild()).await.worked();
    assert!(rebuilt.stdout.contains("as the log has them"), "{rebuilt:#?}");
    for webmail in services.webmails() {
        let login = json!({"address": "bob@acme.example", "password": PASSWORD});
        assert_eq!(webmail.post("/v1/auth/verify", &login).await.is(200)["user"], added["user"]);
    }
    services.are_well().await;
}
