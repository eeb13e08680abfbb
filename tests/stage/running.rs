//! A process that was started here, is watched here, and never outlives its owner.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::os::{self, text_of};
use crate::until::until;

static STARTED: AtomicU32 = AtomicU32::new(0);

/// A running process, its output caught in files. Dropped, it is killed; where the test fails, its output is shown.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// A process that has ended, and what it said.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Running {
    /// Starts a process; its output goes to files in `outputs`.
    pub fn start(mut command: Command, outputs: &Path) -> Self {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let (stdout, stderr) = (outputs.join(format!("{number}.stdout")), outputs.join(format!("{number}.stderr")));
        let file = |path| Stdio::from(File::create(path).unwrap());
        command.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr));
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, stdout, stderr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stdout so far.
    pub fn stdout(&self) -> String {
        text_of(&self.stdout)
    }

    /// What it has written to stderr so far.
    pub fn stderr(&self) -> String {
        text_of(&self.stderr)
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub async fn finished(mut self) -> Finished {
        let status = until("the process ends", async || self.ended()).await;
        Finished { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }

    /// Asks it to end, and expects that it does so in order.
    pub async fn stop(self) -> Finished {
        os::terminate(self.pid());
        let finished = self.finished().await;
        assert_eq!(finished.code, Some(0), "a stop in order: {finished:#?}");
        finished
    }

    /// Makes it stand still, as a machine does that is out of memory or cut off.
    pub fn pause(&self) {
        os::pause(self.pid());
    }

    /// Lets it go on.
    pub fn resume(&self) {
        os::resume(self.pid());
    }

    /// Ends it as a power cut would, as far as the process can tell.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "shown with a failure only")]
            {
                eprintln!("--- stdout of {}\n{}", self.pid(), self.stdout());
                eprintln!("--- stderr of {}\n{}", self.pid(), self.stderr());
            }
        }
    }
}

/// Runs a process to its end.
pub async fn run(command: Command) -> Finished {
    let outputs = tempfile::tempdir().unwrap();
    Running::start(command, outputs.path()).finished().await
}

impl Finished {
    /// Expects that it has worked.
    #[track_caller]
    pub fn worked(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Expects that it has failed with one line on stderr, and returns that line.
    #[track_caller]
    pub fn failed_in_one_line(self) -> String {
        assert!(matches!(self.code, Some(1 | 2)), "exit code 1 or 2: {self:#?}");
        // Lines of the log, which begin with their instant, are not what the person is told.
        let told: Vec<_> = self.stderr.lines().filter(|line| !line.starts_with("20")).collect();
        let [line] = told.as_slice() else { panic!("one line that says what to do: {self:#?}") };
        assert!(line.len() > 10 && line.len() < 500, "one line that says what to do: {self:#?}");
        assert!(!line.contains("panicked") && !line.contains("Error {"), "words for a person: {line}");
        (*line).to_owned()
    }
}
