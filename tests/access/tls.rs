//! Who gets a connection at all: both sides show a certificate of the other's authority, and the client its nkey.

use std::error::Error as _;

use async_nats::{ConnectErrorKind, ConnectOptions};

use crate::site::{Identities, Site};

/// All that an error says, with what is behind it.
fn whole(error: &async_nats::ConnectError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

async fn refused(site: &Site, options: ConnectOptions) -> String {
    match site.try_connect(options).await {
        Ok(_) => panic!("it was let in"),
        Err(error) => whole(&error),
    }
}

#[tokio::test]
async fn only_certificates_of_our_authorities_and_our_nkeys_get_in() {
    let site = Site::start().await;
    let strangers = Identities::make();
    let ours = &site.identities;

    let without = refused(&site, ours.options_without_certificate("command-1")).await;
    assert!(without.contains("CertificateRequired"), "{without}");

    let file = |path: &str| strangers.file(path);
    let foreign = ours
        .options_without_certificate("command-1")
        .add_client_certificate(file("command-1/client.pem"), file("command-1/client.key"));
    let foreign = refused(&site, foreign).await;
    assert!(foreign.contains("UnknownCA") || foreign.contains("BadCertificate"), "{foreign}");

    // A server's certificate is none for a client.
    let server = ours
        .options_without_certificate("command-1")
        .add_client_certificate(ours.file("nats-1/server.pem"), ours.file("nats-1/server.key"));
    let server = refused(&site, server).await;
    assert!(server.contains("UnknownCA") || server.contains("BadCertificate"), "{server}");

    // Our certificate, and a key that nobody knows.
    let key = ConnectOptions::with_nkey(strangers.seed("command-1"))
        .add_root_certificates(ours.file("public/server-ca.pem"))
        .add_client_certificate(ours.file("command-1/client.pem"), ours.file("command-1/client.key"))
        .require_tls(true)
        .tls_first();
    let error = site.try_connect(key).await.err().unwrap();
    assert_eq!(error.kind(), ConnectErrorKind::AuthorizationViolation, "{error}");

    let nobody = ConnectOptions::new()
        .add_root_certificates(ours.file("public/server-ca.pem"))
        .add_client_certificate(ours.file("command-1/client.pem"), ours.file("command-1/client.key"))
        .require_tls(true)
        .tls_first();
    let error = site.try_connect(nobody).await.err().unwrap();
    assert_eq!(error.kind(), ConnectErrorKind::AuthorizationViolation, "{error}");

    // A server that shows a certificate of somebody else is not spoken to.
    let elsewhere = ConnectOptions::with_nkey(ours.seed("command-1"))
        .add_root_certificates(strangers.file("public/server-ca.pem"))
        .add_client_certificate(ours.file("command-1/client.pem"), ours.file("command-1/client.key"))
        .require_tls(true)
        .tls_first();
    let elsewhere = refused(&site, elsewhere).await;
    assert!(elsewhere.contains("UnknownIssuer") || elsewhere.contains("BadSignature"), "{elsewhere}");

    site.try_connect(ours.options("command-1")).await.unwrap();
}

#[tokio::test]
async fn what_is_there_is_not_made_again() {
    let identities = Identities::make();
    let offline = tempfile::tempdir().unwrap();
    let before = listing(&identities);
    assert_eq!(before.len(), 4 + 3 * 2 + 7 * 4 + 1, "two authorities, three servers, seven identities: {before:#?}");
    identities.make_again();
    assert_eq!(listing(&identities), before);

    // What is kept offline is not missing.
    for folder in ["ca", "admin", "system"] {
        std::fs::rename(identities.file(folder), offline.path().join(folder)).unwrap();
    }
    identities.make_again();
    for folder in ["ca", "admin", "system"] {
        let _ = std::fs::remove_dir(identities.file(folder));
        std::fs::rename(offline.path().join(folder), identities.file(folder)).unwrap();
    }
    assert_eq!(listing(&identities), before);

    // An identity that is revoked gets a new key, and nobody else does.
    std::fs::remove_dir_all(identities.file("auditor")).unwrap();
    std::fs::remove_file(identities.file("public/auditor.pub")).unwrap();
    identities.make_again();
    let after = listing(&identities);
    let changed = after.iter().zip(&before).filter(|(after, before)| after != before);
    let changed: Vec<_> = changed.map(|((path, ..), _)| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(changed, ["client.key", "client.pem", "nkey.seed", "auditor.pub", "public-keys.conf"]);
}

/// Every file: its path, what is in it, its mode; all but what is public are their owner's alone.
fn listing(identities: &Identities) -> Vec<(String, Vec<u8>, u32)> {
    use std::os::unix::fs::PermissionsExt;
    let mut files = Vec::new();
    for folder in std::fs::read_dir(identities.folder()).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mode = path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", path.display());
            files.push((path.display().to_string(), std::fs::read(&path).unwrap(), mode));
        }
    }
    files.sort();
    files
}
