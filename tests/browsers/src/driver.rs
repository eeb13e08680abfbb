//! chromedriver as a child process, with the browsers that it starts.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};

use servers::{Process, Recipe};

use crate::install::Programs;
use crate::until::until;

/// A chromedriver, on a port of 127.0.0.1. Its browsers end with it, and it with this value and with this process.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Process,
    port: u16,
    folder: PathBuf,
}

impl Driver {
    /// Starts one. On return it listens.
    ///
    /// It is the first process of a namespace: the kernel kills all that it started when it is killed, as it does not a
    /// browser, which outlives its driver. `unshare` dies with us, and the driver with `unshare`.
    pub(crate) async fn start(programs: &Programs) -> Self {
        let folder = servers::folder("browser");
        let port = servers::free_port();
        let here = folder.display().to_string();
        // Whoever is not root becomes root of a namespace of users.
        let user = if servers::euid() == 0 { &[][..] } else { &["--user", "--map-root-user"] };
        let mut arguments: Vec<String> = user.iter().map(|&argument| argument.to_owned()).collect();
        arguments.extend(["--pid", "--mount-proc", "--kill-child=SIGKILL", "--"].map(str::to_owned));
        arguments.extend([programs.driver.display().to_string(), format!("--port={port}")]);
        let process = Process::new(Recipe {
            program: PathBuf::from("unshare"),
            arguments,
            environment: vec![("HOME", here.clone()), ("TMPDIR", here)],
            user: None,
            log: folder.join("log"),
            stop: libc::SIGKILL,
            end: libc::SIGKILL,
        });
        let mut driver = Self { process, port, folder };
        driver.process.start();
        let listens = until(async || {
            let runs = driver.process.runs();
            let listens = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
            (listens || !runs).then_some(listens)
        });
        let listens = listens.await;
        assert_eq!(listens, Some(true), "chromedriver does not start:\n{}", driver.process.log());
        driver
    }

    /// Where it is spoken to.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What its browser may write in. It goes with this value.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last of what it wrote.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.process.kill();
        // What is left goes with the process's own folder.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
