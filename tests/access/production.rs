//! The services as `infra/compose.yaml` starts them, on NATS with its accounts and PostgreSQL with its roles: each on a
//! machine of its own, with no more than its own keys.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use servers::{Postgres, PostgresOptions};
use stage::{Answer, Api, Folder, Running, Stack, listening, new_token, postkey, run, tokens, until};

use crate::site::Site;

/// What the services stand on, and whom they know.
pub struct Production {
    pub site: Site,
    postgres: Postgres,
    tokens: HashMap<&'static str, String>,
    folder: Folder,
}

/// A running service, and where it listens.
pub struct Service {
    pub process: Running,
    pub url: String,
}

impl Service {
    async fn started(mut process: Running) -> Self {
        let url = listening(&mut process).await;
        Self { process, url }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        let api = Api::new(&self.url);
        let ready = async || api.try_to_send(Method::GET, "/readyz", None).await.is_ok_and(|a| a.status == 200);
        until("the service is ready", async || ready().await.then_some(())).await;
    }

    /// How it says that it is, and whether it works.
    pub async fn health(&self) -> Answer {
        Api::new(&self.url).get("/readyz").await
    }
}

impl Production {
    /// Sets up all that the jobs of compose.yaml and `infra/secrets.sh` do. No service runs yet.
    pub async fn set_up() -> Self {
        let (site, folder) = (Site::set_up().await, Folder::new());
        let options = PostgresOptions { passwords: true, ..PostgresOptions::default() };
        let postgres = tokio::task::spawn_blocking(move || Postgres::with(options)).await.unwrap();
        let passwords = folder.beside("passwords");
        fs::create_dir(&passwords).unwrap();
        for role in ["superuser", "owner", "projector", "webmail", "keys", "activity"] {
            fs::write(passwords.join(role), format!("password-of-{role}\n")).unwrap();
        }
        let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/postgres/roles.sh").canonicalize().unwrap();
        postgres.administer(&roles, &passwords);
        run(postkey(["init", folder.data().to_str().unwrap()])).await.worked();
        let mut made = tokens(&folder.data());
        for role in ["operator", "webmail", "auditor"] {
            made.insert(role, new_token(&folder, role, role, None).await);
        }
        let production = Self { site, postgres, tokens: made, folder };
        for job in ["setup-read-model", "setup-keys", "setup-activity"] {
            run(production.call(job)).await.worked();
        }
        production
    }

    /// Starts a command service on a machine of its own, which asks these projections.
    pub async fn command(&self, name: &str, projections: &[&Service]) -> Service {
        self.give(name);
        let urls: Vec<_> = projections.iter().map(|seat| seat.url.as_str()).collect();
        let mut command = self.call(name);
        command.env("POSTKEY_PROJECTION_URL", urls.join(",")).env("POSTKEY_LISTEN", "127.0.0.1:0");
        Service::started(Running::start(command, &self.folder.beside("."))).await
    }

    /// Starts a projection on a machine of its own, there.
    pub async fn projection(&self, name: &str, listen: &str) -> Service {
        self.give(name);
        let mut command = self.call(name);
        command.env("POSTKEY_LISTEN", listen);
        Service::started(Running::start(command, &self.folder.beside("."))).await
    }

    /// Gives a machine the keys that its service has now.
    pub fn give(&self, name: &str) {
        fs::create_dir_all(self.machine(name)).unwrap();
        for file in fs::read_dir(self.site.identities.file(name)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), self.machine(name).join(file.file_name())).unwrap();
        }
    }

    /// Where a service's own keys are.
    pub fn machine(&self, name: &str) -> PathBuf {
        self.folder.beside(format!("machine-of-{name}"))
    }

    /// These two, as who speaks to them sees them.
    pub fn stack(&self, command: &Service, projection: &Service) -> Stack {
        Stack::of(Vec::new(), &command.url, &projection.url, self.tokens.clone())
    }

    fn call(&self, name: &str) -> Command {
        let path = |path: PathBuf| path.display().to_string();
        self.site.call(
            name,
            &[
                ("/run/identity", path(self.machine(name))),
                ("/run/nats", path(self.site.identities.file("public"))),
                ("/run/postkey", path(self.folder.data())),
                ("/run/postgres", path(self.folder.beside("passwords"))),
                ("@postgres:5432", format!("@{}", self.postgres.address())),
            ],
        )
    }
}
