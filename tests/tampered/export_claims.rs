//! What an export says of itself: its first record, and what it tells of what is sealed.

use audit::export::{ExportScope, Format};
use serde_json::{Value, json};
use stage::{Finished, postkey, run};

use crate::export_made::{FORMATS, Parts, exported, exported_under, log_of, scopes, tampered, verified};
use crate::looks::could_not_look;
use crate::site::{Site, found, sound};

/// The keys of a site, as arguments.
fn keys(site: &Site) -> [String; 4] {
    let path = |name: &str| site.folder.file(name).to_str().unwrap().to_owned();
    ["--keyring-file".to_owned(), path("keyring"), "--keys".to_owned(), format!("sqlite:{}", path("keys.db"))]
}

async fn verified_with_keys(site: &Site, parts: &Parts) -> Finished {
    let keys = keys(site);
    verified(site, &parts.ended(), &keys.each_ref().map(String::as_str)).await
}

/// An export with all that can be opened, as `postkey audit export` makes it.
async fn shown(site: &Site, format: &str) -> Vec<u8> {
    let data = site.folder.data();
    let data = data.to_str().unwrap();
    run(postkey(["audit", "export", "--data", data, "--format", format, "--out", "-"]))
        .await
        .worked()
        .stdout
        .into_bytes()
}

#[tokio::test]
async fn one_of_which_nothing_stands_under_its_checkpoint_is_not_sound() {
    let site = Site::new().await;
    let (service, user) = (site.acme.parse().unwrap(), site.ann.parse().unwrap());
    let last = site.last(&site.ann).await;
    for format in FORMATS {
        for (scope, size) in [
            (ExportScope::All, 0),
            (ExportScope::Service(service), 1),
            (ExportScope::User { service, user }, 1),
            (ExportScope::Entry(last as u64), last - 1),
        ] {
            let export = exported_under(&site, scope, format, size).await;
            could_not_look(verified(&site, &export, &[]).await, "nothing of the export is proved");
        }
        // Where something does, it is said what does not.
        for scope in [ExportScope::All, ExportScope::Service(service), ExportScope::User { service, user }] {
            let export = exported_under(&site, scope, format, last - 1).await;
            let report = sound(verified(&site, &export, &[]).await);
            assert!(report["after_checkpoint"].as_u64() > Some(0), "{report:#}");
        }
    }
}

#[tokio::test]
async fn what_is_told_of_a_person_is_what_can_be_opened() {
    let site = Site::new().await;
    for (format, name) in FORMATS.into_iter().zip(["jsonl", "csv"]) {
        let parts = Parts::of(&shown(&site, name).await, format);
        let report = sound(verified_with_keys(&site, &parts).await);
        assert!(!report["not_checked"].to_string().contains("word of who exported"), "{report:#}");
        let added =
            parts.positions()[parts.entries.iter().position(|entry| entry.contains("ann@acme.example")).unwrap()];
        for (told, instead) in [
            ("\"address\":\"ann@acme.example\"", "\"address\":null"),
            ("\"address\":\"ann@acme.example\"", "\"address\":\"eve@acme.example\""),
        ] {
            let altered = parts.replaced(told, instead);
            found(verified_with_keys(&site, &altered).await, "export", added);
            // Nobody without the keys can tell, and that is said.
            let report = sound(verified(&site, &altered.ended(), &[]).await);
            assert!(
                report["not_checked"].to_string().contains("names, origins and reasons: they are the word"),
                "{report:#}"
            );
        }
        // It says that nothing personal is in it.
        let redacted = parts.replaced("\"personal\":\"shown\"", "\"personal\":\"redacted\"");
        found(verified(&site, &redacted.ended(), &[]).await, "export", added);
        found(verified_with_keys(&site, &redacted).await, "export", added);
        // It says that all is told, and nothing is.
        let parts = Parts::of(&exported(&site, ExportScope::All, format).await, format);
        sound(verified_with_keys(&site, &parts).await);
        let hidden = parts.replaced("\"personal\":\"redacted\"", "\"personal\":\"shown\"");
        found(verified_with_keys(&site, &hidden).await, "export", added);
    }
}

#[tokio::test]
async fn what_is_told_of_somebody_who_was_erased_is_counted_as_nobodys_word_but_the_exporters() {
    let site = Site::with(async |scene, bob| {
        scene.operator().delete(&scene.user(bob)).await.is(200);
        scene.operator().post(&format!("{}/erase", scene.user(bob)), &json!({})).await.receipt(200, &["UserErased"]);
    })
    .await;
    for (format, name) in FORMATS.into_iter().zip(["jsonl", "csv"]) {
        let parts = Parts::of(&shown(&site, name).await, format);
        let told = parts.replaced("\"address\":null", "\"address\":\"bob@acme.example\"");
        let report = sound(verified_with_keys(&site, &told).await);
        assert!(
            report["not_checked"].to_string().contains("1 addresses, names, origins and reasons that nobody can open")
        );
        let report = sound(verified_with_keys(&site, &parts).await);
        assert!(!report["not_checked"].to_string().contains("nobody can open"), "{report:#}");
    }
}

#[tokio::test]
async fn whose_log_and_how_much_of_it_a_first_record_says_is_held_against_the_entries() {
    let site = Site::new().await;
    let entries = site.entries().await;
    let (log, size) = (log_of(&entries).to_string(), entries.len());
    let other = format!("{}0", &log[..35]);
    let other = if other == log { format!("{}1", &log[..35]) } else { other };
    let keyring = site.folder.file("keyring");
    for scope in scopes(&site) {
        for format in FORMATS {
            let whole = scope == ExportScope::All;
            let parts = Parts::of(&exported(&site, scope, format).await, format);
            let first = parts.positions()[0];
            let mut lies = parts.clone();
            lies.header = parts.header.replacen(&log, &other, 1);
            let finished = verified(&site, &lies.ended(), &[]).await;
            if whole {
                found(finished, "order", 1);
            } else {
                // Without keys nothing of a part says it.
                let report = sound(finished);
                assert!(
                    report["not_checked"].to_string().contains(&format!("whether the log is {other}")),
                    "{report:#}"
                );
            }
            let with_keyring = ["--keyring-file", keyring.to_str().unwrap()];
            found(verified(&site, &lies.ended(), &with_keyring).await, "mac", first);
            let to = format!("\"to\":{size}");
            let lies = parts.replaced(&to, &format!("\"to\":{}", size - 1));
            found(verified(&site, &lies.ended(), &[]).await, "export", size);
            if whole {
                let lies = parts.replaced(&to, &format!("\"to\":{}", size + 1));
                found(verified(&site, &lies.ended(), &[]).await, "export", size + 1);
            }
            for no_log in [0, u64::MAX] {
                let lies = parts.replaced(&to, &format!("\"to\":{no_log}"));
                let finished = verified(&site, &lies.ended(), &[]).await;
                tampered(&finished);
                assert_eq!(finished.stdout, "");
            }
        }
    }
}

#[tokio::test]
async fn an_export_is_of_what_its_scope_says() {
    let site = Site::new().await;
    let [all, service, user] = scopes(&site).map(|scope| serde_json::to_string(&scope).unwrap());
    let strange = json!({"service": site.ann}).to_string();
    let bob = user.replace(&site.ann, &site.bob);
    for format in FORMATS {
        let exports = scopes(&site);
        for (scope, own, others) in [
            (exports[0], &all, [&service, &user, &strange]),
            (exports[1], &service, [&all, &user, &strange]),
            (exports[2], &user, [&all, &service, &bob]),
        ] {
            let parts = Parts::of(&exported(&site, scope, format).await, format);
            for other in others {
                let lies = parts.replaced(&format!("\"scope\":{own}"), &format!("\"scope\":{other}"));
                let finished = verified(&site, &lies.ended(), &[]).await;
                tampered(&finished);
                let report: Value = serde_json::from_str(&finished.stdout).unwrap();
                assert!(report["findings_in_all"].as_u64() > Some(0), "{report:#}");
            }
            let lies = parts.replaced(&format!("\"scope\":{own}"), "\"scope\":{\"entry\":1}");
            tampered(&verified(&site, &lies.ended(), &[]).await);
        }
    }
}

#[tokio::test]
async fn a_checkpoint_of_before_of_nobody_or_that_can_not_be_read_is_told() {
    let (site, stranger) = (Site::new().await, Site::new().await);
    let note = |export: &[u8]| -> String {
        let header: Value = serde_json::from_slice(export.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        header["checkpoint"].to_string()
    };
    for scope in scopes(&site) {
        let whole = scope == ExportScope::All;
        let export = exported(&site, scope, Format::Jsonl).await;
        let (parts, own) = (Parts::of(&export, Format::Jsonl), note(&export));
        // One that is ours, and older: whoever has the whole log sees that it goes on from it.
        let before = note(&exported_under(&site, scope, Format::Jsonl, 3).await);
        let finished = verified(&site, &parts.replaced(&own, &before).ended(), &[]).await;
        if whole {
            assert!(sound(finished)["after_checkpoint"].as_u64() > Some(0));
        } else {
            found(finished, "proof", parts.positions().into_iter().rfind(|position| *position <= 3).unwrap());
        }
        let others = note(&exported(&stranger, ExportScope::All, Format::Jsonl).await);
        let finished = verified(&site, &parts.replaced(&own, &others).ended(), &[]).await;
        found(finished, "signature", stranger.entries().await.len());
        // Its signature line is none.
        for (from, damaged) in [("— postkey/", "- postkey/"), ("\\n\"", "\""), ("\\n\\n", "\\n")] {
            let finished = verified(&site, &parts.replaced(&own, &own.replace(from, damaged)).ended(), &[]).await;
            tampered(&finished);
            assert!(finished.stderr.contains("checkpoint") && finished.stdout.is_empty(), "{finished:#?}");
        }
        could_not_look(verified(&site, &parts.replaced(&own, "null").ended(), &[]).await, "has no checkpoint");
        let crossing = "\"crossings\":[{\"note\":\"x\",\"old\":\"x\",\"new\":\"x\"}]";
        let finished = verified(&site, &parts.replaced("\"crossings\":[]", crossing).ended(), &[]).await;
        tampered(&finished);
        assert!(finished.stderr.contains("crossing"), "{finished:#?}");
    }
}

#[tokio::test]
async fn a_first_record_that_was_cut_or_flipped_is_one_that_was_tampered_with() {
    let site = Site::new().await;
    for format in FORMATS {
        let export = exported(&site, ExportScope::All, format).await;
        let header = Parts::of(&export, format).header;
        let at = header.find("scope").unwrap();
        tampered(&verified(&site, &export[..at], &[]).await);
        let mut flipped = export.clone();
        flipped[at] ^= 1;
        tampered(&verified(&site, &flipped, &[]).await);
        could_not_look(verified(&site, &export[..5], &[]).await, "not an export");
    }
    // Nothing of it is looked at by an older postkey.
    let export = String::from_utf8(exported(&site, ExportScope::All, Format::Jsonl).await).unwrap();
    let newer = export.replacen("\"postkey_export\":1", "\"postkey_export\":2", 1);
    could_not_look(verified(&site, newer.as_bytes(), &[]).await, "version 2");
    could_not_look(verified(&site, b"[1, 2, 3]\n", &[]).await, "not an export");
}
