//! A server as a child process.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use libc::c_int;

use crate::children;
use crate::until::until;

/// How to start a server, and how to end it.
#[derive(Debug)]
pub struct Recipe {
    /// The program's file.
    pub program: PathBuf,
    /// What stands behind it on its command line.
    pub arguments: Vec<String>,
    /// What its environment has besides `LC_ALL` and `PATH`.
    pub environment: Vec<(&'static str, String)>,
    /// The user and group to run as, where it isn't ours.
    pub user: Option<u32>,
    /// Where standard output and error are appended.
    pub log: PathBuf,
    /// What asks it to stop in order.
    pub stop: c_int,
    /// What ends it at once, without order, so that it leaves nothing in the kernel.
    pub end: c_int,
}

/// A server as a child process; it ends with this value, and with this process.
#[derive(Debug)]
pub struct Process {
    recipe: Recipe,
    child: Option<Child>,
}

impl Process {
    /// One that isn't started.
    pub fn new(recipe: Recipe) -> Self {
        Self { recipe, child: None }
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it runs already, or can't be started.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.recipe.program.display());
        let mut command = Command::new(&self.recipe.program);
        // The environment says nothing to it: PGPORT and the like are for others.
        command.args(&self.recipe.arguments).env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin");
        command.envs(self.recipe.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::null()).stdout(self.log_file()).stderr(self.log_file());
        if let Some(user) = self.recipe.user {
            command.uid(user).gid(user);
        }
        let child = children::spawn(command, self.recipe.end);
        self.child = Some(child.unwrap_or_else(|error| panic!("{}: {error}", self.recipe.program.display())));
    }

    /// Whether it was started and has not ended.
    pub fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
    }

    /// SIGKILL, to it and to its children, all of which are gone on return.
    ///
    /// # Panics
    /// When children live on.
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // While it stands still it starts no child, and takes leave of none: their ids stay theirs.
        children::signal(child.id(), libc::SIGSTOP);
        let below = children::of(child.id());
        below.iter().for_each(|pid| children::signal(*pid, libc::SIGKILL));
        let gone = until(|| below.iter().all(|pid| matches!(children::state(*pid), None | Some('Z'))).then_some(()));
        let _ = child.kill();
        let _ = child.wait();
        assert!(gone.is_some() || std::thread::panicking(), "children of {} live on", self.recipe.program.display());
    }

    /// Asks it to stop in order, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.resume();
        assert!(self.ended_by(self.recipe.stop), "it does not stop:\n{}", self.log());
    }

    /// SIGSTOP, to it and to its children, all of which stand still on return.
    pub(crate) fn pause(&self) {
        let pid = self.pid();
        children::signal(pid, libc::SIGSTOP);
        let still = |pid: u32| matches!(children::state(pid), None | Some('T' | 'Z'));
        let stopped = until(|| still(pid).then_some(()));
        let below = children::of(pid);
        below.iter().for_each(|pid| children::signal(*pid, libc::SIGSTOP));
        let all = stopped.and_then(|()| until(|| below.iter().all(|pid| still(*pid)).then_some(())));
        assert!(all.is_some(), "{} does not stand still", self.recipe.program.display());
    }

    /// SIGHUP.
    pub(crate) fn reload(&self) {
        children::signal(self.pid(), libc::SIGHUP);
    }

    /// SIGCONT, to all that [`Process::pause`] stopped. One that isn't paused goes on.
    pub(crate) fn resume(&self) {
        let pid = self.pid();
        children::of(pid).into_iter().for_each(|pid| children::signal(pid, libc::SIGCONT));
        children::signal(pid, libc::SIGCONT);
    }

    /// Ends it at once, by its recipe's signal.
    pub(crate) fn end(&mut self) {
        if self.child.is_some() {
            self.resume();
            if !self.ended_by(self.recipe.end) {
                self.kill();
            }
        }
    }

    /// The last of what it wrote.
    pub fn log(&self) -> String {
        let text = std::fs::read(&self.recipe.log).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(8_000)..];
        String::from_utf8_lossy(tail).into_owned()
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().expect("it was started").id()
    }

    /// Sends a signal, and says whether it ended by it in time. One that was not started has ended.
    fn ended_by(&mut self, signal: c_int) -> bool {
        let Some(mut child) = self.child.take() else { return true };
        children::signal(child.id(), signal);
        let ended = until(|| child.try_wait().ok().flatten()).is_some();
        if !ended {
            self.child = Some(child);
        }
        ended
    }

    fn log_file(&self) -> File {
        let path = &self.recipe.log;
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
