//! The README, run as it stands: what a new user reads is what happens, with `make run` and with `make up`.

#![allow(clippy::unwrap_used, reason = "a walk that can't be set up says where it broke")]

mod cluster;
mod readme;

use stage::{Running, endpoints, until, up};

#[tokio::test]
async fn the_walk_leads_to_a_login_with_the_changed_password() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("postkey-data");
    let mut postkey = Running::start(up(&data, &["--demo"]), folder.path());
    endpoints(&mut postkey, &data).await;
    until("the demo is there", async || postkey.stdout().contains("chen@acme.example").then_some(())).await;
    readme::walked_in(folder.path()).await;
    readme::proved_in(folder.path()).await;
    postkey.stop().await;
}

#[test]
fn every_make_target_that_the_readme_names_is_there() {
    let (makefile, readme) = (readme::text_of("Makefile"), readme::text_of("README.md"));
    let named: Vec<_> = readme.split("make ").skip(1).filter_map(|rest| rest.split([' ', '`', '\n']).next()).collect();
    for target in ["run", "test", "soak", "bench", "lint", "up", "down"] {
        assert!(named.contains(&target), "the README does not name make {target}");
        assert!(makefile.contains(&format!("\n{target}:")), "there is no make {target}");
    }
}
