//! Which processes belong to a container, and signals to no others.
//!
//! Every process of a container has the container's identifier in its environment, and works in its folder. The first survives what process
//! groups and sessions do not: daemons, Erlang's helpers, a worker whose parent was killed. The second is for programs that change their own
//! title and lose the environment with it, as Redis does.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal};
use testcelery_api::{CONTAINER_VARIABLE, start_time};

/// The run of an engine that a process belongs to: what the guardian goes by.
pub(crate) const OWNER_VARIABLE: &str = "TESTCELERY_OWNER";

/// The file in a container's folder that names its main process. A program that changes its own title may lose its environment with it;
/// its group is known all the same.
pub(crate) const NOTE: &str = "pid";

/// Between two looks at processes that were sent a signal.
const PAUSE: Duration = Duration::from_millis(1);

/// How many looks before giving up, which takes some seconds. A process that does not even die of `SIGKILL` hangs in its kernel.
const LOOKS: usize = 3000;

/// A process number with the time at which it started, so that a recycled number is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start: u64,
}

impl Process {
    /// The process of that number now.
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, start: start_time(pid).unwrap_or(0) }
    }

    /// Whether the number still is its own: it lives, or nobody has asked yet how it ended.
    fn has_number(self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        let start = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)?.parse().ok());
        start == Some(self.start)
    }

    /// Writes it down.
    pub(crate) fn note(self, path: &Path) -> io::Result<()> {
        fs::write(path, format!("{} {}\n", self.pid, self.start))
    }

    /// What was written down.
    pub(crate) fn noted(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, start) = text.trim_end().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, start: start.parse().ok()? })
    }

    pub(crate) fn is_alive(self) -> bool {
        start_time(self.pid) == Some(self.start)
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

/// A line of the table of processes.
struct Row {
    process: Process,
    parent: u32,
    group: u32,
    state: String,
    is_marked: bool,
}

/// The processes of a container: those with its mark, their descendants, and the group of its main process.
pub(crate) fn members(container: &str, main: Option<Process>) -> Vec<Process> {
    rows(container, main).into_iter().map(|row| row.process).collect()
}

fn rows(container: &str, main: Option<Process>) -> Vec<Row> {
    let mark = format!("{CONTAINER_VARIABLE}={container}");
    let group = main.filter(|main| main.has_number()).map(|main| main.pid);
    // Whatever belongs to it was started after its main process.
    let since = main.map_or(0, |main| main.start);
    let mut others: BTreeMap<u32, Row> = table(&mark, since).map(|row| (row.process.pid, row)).collect();
    let mut found: BTreeMap<u32, Row> = BTreeMap::new();
    loop {
        let next = others
            .values()
            .find(|row| row.is_marked || Some(row.group) == group || found.contains_key(&row.parent));
        let Some(pid) = next.map(|row| row.process.pid) else { break };
        found.extend(others.remove(&pid).map(|row| (pid, row)));
    }
    found.into_values().collect()
}

/// All processes that live and were started since, but this one. On a system without `/proc` there are none to see.
fn table(mark: &str, since: u64) -> impl Iterator<Item = Row> {
    let own = std::process::id();
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter(move |pid| *pid != own).filter_map(move |pid| row(pid, mark, since))
}

fn row(pid: u32, mark: &str, since: u64) -> Option<Row> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything: count from behind the last one.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let state = (*fields.first()?).to_owned();
    let start = fields.get(19)?.parse().ok()?;
    if state == "Z" || state == "X" || start < since {
        return None;
    }
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let has_mark = || environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes());
    let works_here = || {
        let container = mark.split_once('=').map_or(mark, |(_, container)| container);
        working_folder(pid).is_some_and(|folder| folder.iter().any(|part| part == container))
    };
    // Somebody else's shell may work there too, and has an environment without the mark.
    let is_unnamed = || is_overwritten(&environment);
    Some(Row {
        process: Process { pid, start },
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        state,
        is_marked: has_mark() || (is_unnamed() && works_here()),
    })
}

/// Whether an environment holds no variables: it was overwritten by the process's title, or given none.
fn is_overwritten(environment: &[u8]) -> bool {
    !environment.split(|byte| *byte == 0).any(|variable| {
        let name = variable.split(|byte| *byte == b'=').next().unwrap_or_default();
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        !name.is_empty() && name.len() < variable.len() && name.iter().all(is_name)
    })
}

/// Where a process works.
fn working_folder(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// Processes of ours that work in a folder below this one, by their mark or by having no environment, with the name of the folder right below it.
pub(crate) fn working_below(base: &Path) -> Vec<(Process, String)> {
    let below = |pid| {
        let folder = working_folder(pid)?;
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let has_mark =
            environment.split(|byte| *byte == 0).any(|set| set.starts_with(OWNER_VARIABLE.as_bytes()));
        (has_mark || is_overwritten(&environment)).then_some(())?;
        let name = folder.strip_prefix(base).ok()?.iter().next()?.to_string_lossy().into_owned();
        Some((Process::of(pid), name))
    };
    table("", 0).filter_map(|row| below(row.process.pid)).collect()
}

/// Kills all of them, however fast they fork.
///
/// # Errors
/// When some do not die.
pub(crate) fn kill(container: &str, main: Option<Process>) -> io::Result<()> {
    each(container, main, |row| {
        row.process.signal(Signal::KILL)?;
        Ok(false)
    })
}

/// Freezes all of them.
///
/// # Errors
/// When some do not stop.
pub(crate) fn freeze(container: &str, main: Option<Process>) -> io::Result<()> {
    let mut told = Vec::new();
    each(container, main, |row| {
        // One that waits in the kernel (D) for a child that is frozen before its `exec`, as a shell does after `vfork`, does not come to
        // stop itself, and does not run either.
        let is_frozen = row.state == "T" || (row.state == "D" && told.contains(&row.process));
        if !is_frozen {
            row.process.signal(Signal::STOP)?;
            told.push(row.process);
        }
        Ok(is_frozen)
    })
}

/// Lets all of them go on.
///
/// # Errors
/// When one cannot be sent the signal.
pub(crate) fn thaw(container: &str, main: Option<Process>) -> io::Result<()> {
    members(container, main).into_iter().try_for_each(|process| process.signal(Signal::CONT))
}

/// Does something to all of them until it is done with each.
fn each(
    container: &str,
    main: Option<Process>,
    mut act: impl FnMut(&Row) -> io::Result<bool>,
) -> io::Result<()> {
    for _ in 0..LOOKS {
        let mut is_done = true;
        for row in rows(container, main) {
            is_done &= act(&row)?;
        }
        if is_done {
            return Ok(());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "nothing tells when a process that is not our child obeys"
        )]
        thread::sleep(PAUSE);
    }
    let left: Vec<String> = members(container, main).iter().map(|process| process.pid.to_string()).collect();
    Err(io::Error::other(format!("processes {} do not obey", left.join(", "))))
}
