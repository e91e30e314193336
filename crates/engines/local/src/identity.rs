//! One process: which it is, and signals that reach no other.

use std::{
    fs,
    io::{self, Read},
};

use rustix::process::{Pid, Signal};
use testcelery_api::start_time;

/// A process number with the time at which it started, so that a recycled number is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start: u64,
}

impl Process {
    /// The process of that number now.
    pub(crate) fn of(pid: u32) -> Self {
        // Also of one that has ended already and was not waited for.
        Self { pid, start: Stat::of(pid).map_or(0, |stat| stat.start) }
    }

    /// Whether the number still is its own: it lives, or nobody has asked yet how it ended.
    pub(crate) fn has_number(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.start == self.start)
    }

    fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    /// Kills all that is left of its process group, which it leads. A process that has ended is left alone, and with it what it started.
    pub(crate) fn kill_group(self) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
        // Its number belongs to its group as long as somebody has not asked how it ended.
        if self.is_alive() {
            match rustix::process::kill_process_group(pid, Signal::KILL) {
                Err(rustix::io::Errno::SRCH) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends a signal. A process that has ended gets none, and that is no error.
    pub(crate) fn signal(self, signal: Signal) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
        match send(pid, signal, || self.is_alive()) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(()),
            result => result,
        }
    }
}

/// Through a handle of the process, which is checked after it was opened: nothing else can get the signal.
#[cfg(target_os = "linux")]
fn send(pid: Pid, signal: Signal, is_it: impl Fn() -> bool) -> io::Result<()> {
    use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    if is_it() {
        pidfd_send_signal(&handle, signal)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn send(pid: Pid, signal: Signal, _: impl Fn() -> bool) -> io::Result<()> {
    Ok(rustix::process::kill_process(pid, signal)?)
}

/// What the kernel says of a process (`/proc/<pid>/stat`, proc(5)).
#[derive(Debug)]
pub(crate) struct Stat {
    /// One letter: `T` for stopped, `Z` for a zombie.
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) start: u64,
}

impl Stat {
    /// `None` where there is no such process, and on a system without `/proc`.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        // The kernel gives all of it at once. Every look reads this of every process, so that more calls than needed would be felt.
        let mut buffer = [0; 1024];
        let length = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut buffer).ok()?;
        let stat = &buffer[..length];
        // The second field is the program's name in parentheses and may hold anything: count from behind the last one.
        let behind = stat.iter().rposition(|byte| *byte == b')')? + 1;
        let mut fields = std::str::from_utf8(&stat[behind..]).ok()?.split_ascii_whitespace();
        Some(Self {
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            start: fields.nth(16)?.parse().ok()?,
        })
    }
}

/// The environment that a process was started with, unless it has overwritten it.
pub(crate) struct Environment(Vec<u8>);

impl Environment {
    /// Empty for a process of another user.
    pub(crate) fn of(pid: u32) -> Self {
        Self(fs::read(format!("/proc/{pid}/environ")).unwrap_or_default())
    }

    /// Whether it has a variable with this value.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.variables().any(|(seen, it)| seen == name.as_bytes() && it == value.as_bytes())
    }

    /// Whether it has a variable of this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.variables().any(|(seen, _)| seen == name.as_bytes())
    }

    /// Whether it holds no variables: it was overwritten by the process's title, or given none.
    pub(crate) fn is_overwritten(&self) -> bool {
        self.variables().next().is_none()
    }

    fn variables(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        self.0.split(|byte| *byte == 0).filter_map(move |variable| {
            let equals = variable.iter().position(|byte| *byte == b'=')?;
            let (name, value) = (&variable[..equals], &variable[equals + 1..]);
            (!name.is_empty() && name.iter().all(is_name)).then_some((name, value))
        })
    }
}
