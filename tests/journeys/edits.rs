//! "Save" in the edit dialog.

use serde_json::json;
use stage::{MIB, PASSWORD, Scene};

#[tokio::test]
async fn a_save_of_names_and_password_is_one_entry_with_one_revision() {
    let scene = Scene::set().await;
    let before = scene.stack.head().await;
    let save = json!({"first_name": "Annie", "last_name": "Leigh", "password": "Tundra-58-quiver"});
    let receipt = scene.operator().patch(&scene.ann(), &save).await.receipt(200, &["UserEdited", "PasswordChanged"]);
    assert_eq!(receipt["position"], before + 1);
    assert_eq!(receipt["revision"], before + 1);
    assert_eq!(scene.stack.head().await, before + 1);
    let ann = scene.ann_signs_in("Tundra-58-quiver").await.is(200);
    assert_eq!((&ann["first_name"], &ann["last_name"]), (&json!("Annie"), &json!("Leigh")));
}

#[tokio::test]
async fn an_edit_leaves_alone_what_it_does_not_name() {
    let scene = Scene::set().await;
    let before = scene.ann_now().await;
    let receipt = scene.operator().patch(&scene.ann(), &json!({"last_name": "Leigh"})).await;
    let receipt = receipt.receipt(200, &["UserEdited"]);
    let mut expected = before;
    expected["last_name"] = "Leigh".into();
    expected["revision"] = receipt["revision"].clone();
    assert_eq!(scene.ann_now().await, expected);
    scene.ann_signs_in(PASSWORD).await.is(200);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_answered_with_the_present_revision_and_writes_nothing() {
    let scene = Scene::set().await;
    let ann = scene.ann_now().await;
    scene.added(&scene.service, &stage::new_user("bob@acme.example")).await;
    let head = scene.stack.head().await;
    for save in [
        json!({}),
        json!({"first_name": "Ann"}),
        json!({"first_name": " Ann ", "last_name": "Lee", "quota_bytes": 10 * MIB}),
    ] {
        let receipt = scene.operator().patch(&scene.ann(), &save).await.receipt(200, &[]);
        assert_eq!(receipt["position"], head, "{save}");
        assert_eq!(receipt["revision"], ann["revision"], "{save}");
        assert_eq!((&receipt["effective"], &receipt["repeated"]), (&json!(true), &json!(false)), "{save}");
        assert_eq!(receipt["user"], json!(scene.ann), "{save}");
    }
    assert_eq!(scene.stack.head().await, head);
    assert_eq!(scene.ann_now().await, ann);
}

#[tokio::test]
async fn a_password_that_a_panel_sets_is_always_a_change() {
    let scene = Scene::set().await;
    let path = format!("{}/password", scene.ann());
    let first = scene.operator().put(&path, &json!({"password": PASSWORD})).await.receipt(200, &["PasswordChanged"]);
    let save = json!({"first_name": "Ann", "password": PASSWORD});
    let second = scene.operator().patch(&scene.ann(), &save).await.receipt(200, &["PasswordChanged"]);
    assert_eq!(second["revision"].as_u64(), first["revision"].as_u64().map(|revision| revision + 1));
    let ann = scene.ann_signs_in(PASSWORD).await.is(200);
    assert_eq!(ann["credential_revision"], second["revision"]);
}

#[tokio::test]
async fn an_edit_of_names_moves_the_revision_but_not_that_of_the_credential() {
    let scene = Scene::set().await;
    let before = scene.ann_signs_in(PASSWORD).await.is(200);
    let receipt = scene.operator().patch(&scene.ann(), &json!({"first_name": "Annie"})).await;
    let receipt = receipt.receipt(200, &["UserEdited"]);
    let after = scene.ann_signs_in(PASSWORD).await.is(200);
    assert_eq!(after["revision"], receipt["revision"]);
    assert_eq!(after["credential_revision"], before["credential_revision"]);
}

#[tokio::test]
async fn the_receipt_of_every_command_names_what_happened_where() {
    let scene = Scene::set().await;
    let (operator, ann, head) = (scene.operator(), scene.ann(), scene.stack.head().await);
    let plan = json!({"mailboxes": 20, "pool_bytes": 200 * MIB});
    let plan_path = format!("/v1/services/{}/plan", scene.service);
    let receipts = [
        operator.put(&plan_path, &plan).await.receipt(200, &["PlanChanged"]),
        operator.patch(&ann, &json!({"quota_bytes": 11 * MIB})).await.receipt(200, &["UserEdited"]),
        operator
            .put(&format!("{ann}/password"), &json!({"password": "Tundra-58-quiver"}))
            .await
            .receipt(200, &["PasswordChanged"]),
        operator.post_nothing(&format!("{ann}/suspend")).await.receipt(200, &["UserSuspended"]),
        operator.post(&format!("{ann}/reactivate"), &json!({})).await.receipt(200, &["UserReactivated"]),
        operator.delete(&ann).await.receipt(200, &["UserRemoved"]),
    ];
    for (receipt, position) in receipts.iter().zip(head + 1..) {
        assert_eq!((&receipt["position"], &receipt["revision"]), (&json!(position), &json!(position)), "{receipt}");
        assert_eq!(receipt["effective"], true, "{receipt}");
        assert_eq!(receipt["repeated"], false, "{receipt}");
        assert_eq!(receipt["service"], json!(scene.service), "{receipt}");
        let about_ann = receipt.get("user") == Some(&json!(scene.ann));
        assert_eq!(about_ann, position != head + 1, "{receipt}");
    }
}

#[tokio::test]
async fn nobody_edits_a_user_that_does_not_exist() {
    let scene = Scene::set().await;
    let head = scene.stack.head().await;
    let (operator, stranger) = (scene.operator(), scene.user("01997b5c-0000-7000-8000-000000000000"));
    let elsewhere = format!("/v1/services/01997b5c-0000-5000-8000-000000000000/users/{}", scene.ann);
    for user in [stranger, elsewhere] {
        operator.patch(&user, &json!({"first_name": "Annie"})).await.problem(404, "not_found");
        operator.patch(&user, &json!({"password": "Tundra-58-quiver"})).await.problem(404, "not_found");
        let password = json!({"password": "Tundra-58-quiver"});
        operator.put(&format!("{user}/password"), &password).await.problem(404, "not_found");
        operator.post_nothing(&format!("{user}/suspend")).await.problem(404, "not_found");
        operator.post_nothing(&format!("{user}/reactivate")).await.problem(404, "not_found");
        operator.delete(&user).await.problem(404, "not_found");
    }
    assert_eq!(scene.stack.head().await, head);
}
