//! CPU time of processes and of the machine, and memory, from `/proc` (proc_pid_stat(5), proc_stat(5),
//! proc_pid_status(5)).

use std::collections::{BTreeMap, HashMap};
use std::fs;

use serde::Serialize;

use crate::failure::{Failure, Named};
use crate::tally::approximate;

/// Ticks a second in `/proc`: `USER_HZ`, 100 on every architecture that Rust's std runs on under Linux.
const TICKS: f64 = 100.0;

/// A process that is watched, with all its descendants, under a name for the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// What it is called in the table; several of one name are added up.
    pub name: String,
    /// Its process id.
    pub pid: u32,
}

impl Watched {
    /// A process and a name.
    pub fn new(name: &str, pid: u32) -> Self {
        Self { name: name.to_owned(), pid }
    }
}

/// What one line of `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// utime + stime.
    own: u64,
    /// cutime + cstime: of children that have ended and were waited for.
    ended: u64,
}

impl Stat {
    /// Reads a line. The second field is a name in parentheses, which may hold anything.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Fields count from 1 in the manual; the first after the name is the third.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(field(4)?).ok()?,
            own: field(14)? + field(15)?,
            ended: field(16)? + field(17)?,
        })
    }
}

/// Where the CPU's time has gone until now.
#[derive(Clone, Debug)]
pub struct Sample {
    watched: BTreeMap<String, u64>,
    driver: u64,
    driver_ended: u64,
    busy: u64,
    total: u64,
}

/// Where the CPU's time went between two samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Usage {
    /// CPU seconds of each watched process with its descendants.
    pub cpu_seconds: BTreeMap<String, f64>,
    /// What processes took that have nothing to do with the bench: a share of all cores' time, 0 to 1.
    pub others: f64,
}

impl Sample {
    /// Takes one. A watched process that is gone counts as nothing.
    ///
    /// # Errors
    /// Where `/proc` can't be read.
    pub fn take(watched: &[Watched]) -> Result<Self, Failure> {
        let mut stats = HashMap::new();
        for entry in fs::read_dir("/proc").named("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // One that ended between the two looks is no error.
            let Ok(line) = fs::read_to_string(entry.path().join("stat")) else { continue };
            stats.extend(Stat::parse(&line).map(|stat| (pid, stat)));
        }
        let mut by_name = BTreeMap::new();
        for process in watched {
            *by_name.entry(process.name.clone()).or_insert(0) += with_descendants(&stats, process.pid);
        }
        let driver = stats.get(&std::process::id());
        let (busy, total) = machine(&fs::read_to_string("/proc/stat").named("/proc/stat")?)
            .ok_or_else(|| Failure::new("/proc/stat", "its first line is not as expected"))?;
        Ok(Self {
            watched: by_name,
            driver: driver.map_or(0, |stat| stat.own),
            driver_ended: driver.map_or(0, |stat| stat.ended),
            busy,
            total,
        })
    }

    /// What happened until `later`.
    pub fn until(&self, later: &Self) -> Usage {
        let mut ours = later.driver.saturating_sub(self.driver);
        let mut cpu_seconds = BTreeMap::new();
        for (name, ticks) in &later.watched {
            let spent = ticks.saturating_sub(self.watched.get(name).copied().unwrap_or(0));
            ours += spent;
            cpu_seconds.insert(name.clone(), approximate(spent) / TICKS);
        }
        Usage { cpu_seconds, others: self.others(later, ours) }
    }

    /// The same where a process ran from beginning to end between the two, and was waited for: it is counted as `name`.
    pub fn until_with_ended(&self, later: &Self, name: &str) -> Usage {
        let mut usage = self.until(later);
        let ended = later.driver_ended.saturating_sub(self.driver_ended);
        let ours: f64 = usage.cpu_seconds.values().sum();
        let own = approximate(later.driver.saturating_sub(self.driver) + ended) / TICKS;
        usage.cpu_seconds.insert(name.to_owned(), approximate(ended) / TICKS);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive count of ticks")]
        let ticks = ((ours + own) * TICKS) as u64;
        usage.others = self.others(later, ticks);
        usage
    }

    fn others(&self, later: &Self, ours: u64) -> f64 {
        let total = later.total.saturating_sub(self.total);
        if total == 0 {
            return 0.0;
        }
        let busy = later.busy.saturating_sub(self.busy);
        approximate(busy.saturating_sub(ours)) / approximate(total)
    }
}

/// The ticks of a process, of its descendants, and of those of them that have ended.
fn with_descendants(stats: &HashMap<u32, Stat>, pid: u32) -> u64 {
    let Some(stat) = stats.get(&pid) else { return 0 };
    let children = stats.iter().filter(|(child, stat)| stat.parent == pid && **child != pid);
    stat.own + stat.ended + children.map(|(child, _)| with_descendants(stats, *child)).sum::<u64>()
}

/// Busy and total ticks of all cores, from the first line of `/proc/stat`: user, nice, system, idle, iowait, irq,
/// softirq, steal (what the guest columns count is in user already).
fn machine(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<u64> = text
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_ascii_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    let fields = fields.get(..8)?;
    let total: u64 = fields.iter().sum();
    Some((total - fields[3] - fields[4], total))
}

/// What processes hold in memory, without their descendants: in MB, 1,000,000 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Memory {
    /// Resident now.
    pub resident: f64,
    /// Resident at the most so far.
    pub most: f64,
}

impl Memory {
    /// Of all of these together.
    ///
    /// # Errors
    /// Where one is gone.
    pub fn of(processes: &[Watched]) -> Result<Self, Failure> {
        let mut sum = Self::default();
        for process in processes {
            let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).named(&process.name)?;
            let one = Self::parse(&status).ok_or_else(|| Failure::new(&process.name, "its /proc tells no memory"))?;
            (sum.resident, sum.most) = (sum.resident + one.resident, sum.most + one.most);
        }
        Ok(sum)
    }

    /// Reads `VmRSS` and `VmHWM`, which are in KiB.
    fn parse(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(approximate(kib * 1_024) / 1e6)
        };
        Some(Self { resident: field("VmRSS")?, most: field("VmHWM")? })
    }
}

/// The process that listens on a port of 127.0.0.1 or of every address: how servers that others started are found.
///
/// # Errors
/// Where there is none that this user may see.
pub fn listener(port: u16) -> Result<u32, Failure> {
    let nobody = || Failure::new(format!("port {port}"), "no process is seen to listen on it");
    let socket =
        format!("socket:[{}]", inode(&fs::read_to_string("/proc/net/tcp").named("/proc")?, port).ok_or_else(nobody)?);
    let mut holders = Vec::new();
    for process in fs::read_dir("/proc").named("/proc")?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Other users' processes are not ours to look into.
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let held =
            files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == socket.as_str()));
        holders.extend(held.then_some(pid));
    }
    // Children inherit the socket: the oldest of those that hold it made it.
    holders.into_iter().min().ok_or_else(nobody)
}

/// The inode of the socket that listens on a port, by `/proc/net/tcp`: local address in hex, state 0A (listening), inode in
/// the tenth field.
fn inode(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&format!(":{port:04X}")) && *fields.get(3)? == "0A";
        if listens { fields.get(9)?.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 50 60 700 800 20 0 3 0 100 0 0";
        assert_eq!(Stat::parse(line), Some(Stat { parent: 7, own: 110, ended: 1500 }));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn memory_is_what_is_resident() {
        let status = "Name:\tx\nVmPeak:\t 9000 kB\nVmHWM:\t 4000 kB\nVmRSS:\t 2000 kB\nThreads:\t3\n";
        assert_eq!(Memory::parse(status), Some(Memory { resident: 2.048, most: 4.096 }));
        assert_eq!(Memory::parse("Name:\tx\n"), None);
        let own = Memory::of(&[Watched::new("self", std::process::id())]).unwrap();
        assert!(own.resident > 1.0 && own.most >= own.resident, "{own:?}");
    }

    #[test]
    fn descendants_count_with_their_ancestor() {
        let stat = |parent, own, ended| Stat { parent, own, ended };
        let stats =
            HashMap::from([(1, stat(0, 1, 0)), (2, stat(1, 10, 5)), (3, stat(2, 100, 0)), (4, stat(1, 1000, 0))]);
        assert_eq!(with_descendants(&stats, 2), 115);
        assert_eq!(with_descendants(&stats, 1), 1116);
        assert_eq!(with_descendants(&stats, 9), 0);
    }

    #[test]
    fn a_listener_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(super::listener(port), Ok(std::process::id()));
        drop(listener);
        assert!(super::listener(port).is_err());
    }

    #[test]
    fn waiting_is_not_busy() {
        assert_eq!(machine("cpu  10 20 30 400 500 1 2 3 9 9\ncpu0 …"), Some((66, 966)));
        assert_eq!(machine("intr 5"), None);
    }

    #[test]
    fn what_is_not_ours_is_others() {
        let sample = |watched: u64, driver: u64, ended: u64, busy: u64, total: u64| Sample {
            watched: BTreeMap::from([("nats".to_owned(), watched)]),
            driver,
            driver_ended: ended,
            busy,
            total,
        };
        let (before, after) = (sample(0, 0, 0, 0, 0), sample(50, 10, 20, 160, 200));
        let usage = before.until(&after);
        assert_eq!(usage.cpu_seconds, BTreeMap::from([("nats".to_owned(), 0.5)]));
        assert!((usage.others - 0.5).abs() < 1e-9);
        let usage = before.until_with_ended(&after, "rebuild");
        assert_eq!(usage.cpu_seconds["rebuild"], 0.2);
        assert!((usage.others - 0.4).abs() < 1e-9);
    }

    #[test]
    fn this_process_takes_time() {
        let own = [Watched::new("self", std::process::id())];
        let before = Sample::take(&own).unwrap();
        let mut sum = 0_u64;
        while Sample::take(&own).unwrap().watched["self"] < before.watched["self"] + 3 {
            sum = (0..100_000).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        let usage = before.until(&Sample::take(&own).unwrap());
        assert!(usage.cpu_seconds["self"] >= 0.03, "{usage:?} {sum}");
    }
}
