//! Child processes that die with this one, and signals to them and to what they started.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use libc::{c_int, pid_t};

/// Starts a command that gets the signal `at_our_end` when this process ends, even by SIGKILL.
///
/// Linux sends that signal when the THREAD ends that started the child (prctl(2), PR_SET_PDEATHSIG), and a test's thread ends
/// before a server that tests share: so one thread that never ends starts them all. The child has a process group of its
/// own: Ctrl-C at a terminal is for the tests, and reaches it through their end; and it is woken when it was stopped.
pub(crate) fn spawn(mut command: Command, at_our_end: c_int) -> io::Result<Child> {
    static KEEPER: OnceLock<Sender<(Command, Sender<io::Result<Child>>)>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (ask, asked) = channel::<(Command, Sender<io::Result<Child>>)>();
        std::thread::Builder::new()
            .name("servers".to_owned())
            .spawn(move || {
                for (mut command, answer) in asked {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("a thread");
        ask
    });
    let parent = std::process::id();
    command.process_group(0);
    let die_with_us = move || {
        // SAFETY: prctl and getppid touch no memory, and may be called between fork and exec.
        #[expect(unsafe_code, reason = "std can't bind a child's life to ours")]
        let (set, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, at_our_end), libc::getppid()) };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        // We may have ended before the child could ask for the signal.
        if u32::try_from(now) == Ok(parent) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    };
    // SAFETY: the closure allocates nothing and takes no lock. It runs after std changed the user, which clears the setting.
    #[expect(unsafe_code, reason = "std has no other way to run code in the child")]
    unsafe {
        command.pre_exec(die_with_us)
    };
    let (answer, answered) = channel();
    keeper.send((command, answer)).expect("the thread never ends");
    answered.recv().expect("the thread never ends")
}

/// Sends a signal. A process that is gone is no error: it may have ended by itself.
pub(crate) fn signal(pid: u32, signal: c_int) {
    let pid = pid_t::try_from(pid).expect("a process id");
    // SAFETY: touches no memory; the process is a child of ours that was not waited for, or a child of such a one.
    #[expect(unsafe_code, reason = "std can only kill")]
    let _ = unsafe { libc::kill(pid, signal) };
}

/// The user that this process acts as.
pub fn euid() -> u32 {
    // SAFETY: takes nothing, touches no memory and can't fail.
    #[expect(unsafe_code, reason = "std has no way to ask")]
    unsafe {
        libc::geteuid()
    }
}

/// The ids of a process's children (proc(5), /proc/PID/stat).
pub(crate) fn of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc");
    let pids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, its_parent)| its_parent == parent)).collect()
}

/// A process's state, as a letter of proc(5): `T` is stopped, `Z` has ended. `None` when it is gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    stat(pid).map(|(state, _)| state)
}

fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // PID (NAME) STATE PARENT …, where the name may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
