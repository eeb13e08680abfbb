//! A user is erased: then no file of the folder holds its address, its names, or why anything was done to it.

use std::fs;
use std::path::Path;

use serde_json::json;
use stage::{Folder, MIB, Scene, new_user};

/// What stands nowhere else: of the one who is erased.
const PERSONAL: [&str; 6] = [
    "hortensia.vandermolen",
    "Hortensia",
    "Vandermolen",
    "Philippina",
    "mislaid-on-the-ferry",
    "asked-to-be-forgotten",
];
/// And of another one, who stays.
const STAYS: [&str; 3] = ["gwendolyn.quackenbush", "Gwendolyn", "Quackenbush"];

/// The files below a folder that hold a word, in whatever case.
fn holders(folder: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, word));
        } else if let Ok(bytes) = fs::read(&path) {
            let (bytes, word) = (bytes.to_ascii_lowercase(), word.to_ascii_lowercase());
            if bytes.windows(word.len()).any(|window| window == word.as_bytes()) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn nothing_is_left(folder: &Folder) {
    for word in PERSONAL {
        assert_eq!(holders(&folder.data(), word), [""; 0], "{word}");
    }
    for word in STAYS {
        assert!(!holders(&folder.data(), word).is_empty(), "the search finds what there is: {word}");
    }
}

#[tokio::test]
async fn of_an_erased_user_nothing_is_left_in_any_file_while_the_service_runs_and_after_it() {
    let scene = Scene::set().await;
    let operator = scene.operator().with("postkey-reason", "mislaid%2Don%2Dthe%2Dferry").with("prefer", "wait=30");
    let person = |address: &str, first: &str, last: &str| {
        json!({
            "address": address, "first_name": first, "last_name": last, "quota_bytes": MIB,
            "password": "Ocelot-58-Wigwam",
        })
    };
    // Others come before and after, so that pages are shared, filled and split.
    let service = scene.provisioned("many.example", "acme", 1_000, 1_000 * MIB).await;
    let users = format!("/v1/services/{service}/users");
    let add = async |user| operator.post(&users, &user).await.receipt(201, &["UserAdded", "PasswordChanged"]);
    let other = |n: u32| {
        let mut other = new_user(&format!("u{n}@many.example"));
        other["quota_bytes"] = json!(MIB);
        other
    };
    for n in 0..20 {
        add(other(n)).await;
    }
    let user = add(person("hortensia.vandermolen@many.example", "Hortensia", "Vandermolen")).await;
    add(person("gwendolyn.quackenbush@many.example", "Gwendolyn", "Quackenbush")).await;
    let user = format!("{users}/{}", user["user"].as_str().unwrap());
    for n in 20..40 {
        add(other(n)).await;
    }
    operator.patch(&user, &json!({"first_name": "Philippina", "password": "Narwhal-63-Bungee"})).await.is(200);
    operator.post_nothing(&format!("{user}/suspend")).await.is(200);
    operator.delete(&user).await.is(200);
    assert!(!holders(&scene.folder.data(), "Philippina").is_empty(), "she is there until she is erased");
    let forgotten = json!({"reason": "asked-to-be-forgotten"});
    let erased = operator.post(&format!("{user}/erase"), &forgotten).await.receipt(200, &["UserErased"]);
    assert_eq!(erased["effective"], json!(true));
    nothing_is_left(&scene.folder);

    add(other(40)).await;
    nothing_is_left(&scene.folder);
    let stopped = scene.stopped().await;
    nothing_is_left(&stopped.folder);
    let scene = stopped.up().await;
    nothing_is_left(&scene.folder);
    let folder = scene.stopped().await.folder;
    let data = folder.data();
    stage::run(stage::postkey(["rebuild", "--data", data.to_str().unwrap()])).await.worked();
    nothing_is_left(&folder);
}
