//! Which processes belong to a container.
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

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process_group},
};
use testcelery_api::CONTAINER_VARIABLE;

use crate::{
    identity::{Environment, Process, Stat},
    leader::Leader,
};

/// The run of an engine that a process belongs to: what the guardian goes by.
pub(crate) const OWNER_VARIABLE: &str = "TESTCELERY_OWNER";

/// The file in a container's folder that names its main process. A program that changes its own title may lose its environment with it;
/// its group is known all the same.
pub(crate) const NOTE: &str = "pid";

/// Between two looks at processes that were sent a signal.
const PAUSE: Duration = Duration::from_millis(1);

/// How many looks before giving up, which takes some seconds. A process that does not even die of `SIGKILL` hangs in its kernel.
const LOOKS: usize = 3000;

/// A line of the table of processes.
struct Row {
    process: Process,
    stat: Stat,
    is_marked: bool,
}

/// The processes of a container: those with its mark, those that write to its log, their descendants, and the group of its main process.
fn members(container: &str, main: Option<Leader>) -> Vec<Process> {
    rows(container, main).into_iter().map(|row| row.process).collect()
}

fn rows(container: &str, main: Option<Leader>) -> Vec<Row> {
    // A number is not given out again as long as there is a group of it, even when its process is gone.
    let is_its_own = |main: &Process| main.has_number() || Stat::of(main.pid).is_none();
    let group = main.map(|main| main.process).filter(is_its_own).map(|main| main.pid);
    // Whatever belongs to it was started after its main process.
    let since = main.map_or(0, |main| main.process.start);
    let rows = table(since).map(|(process, stat)| row(process, stat, container, main));
    let mut others: BTreeMap<u32, Row> = rows.map(|row| (row.process.pid, row)).collect();
    let mut found: BTreeMap<u32, Row> = BTreeMap::new();
    loop {
        let next = others.values().find(|row| {
            row.is_marked || Some(row.stat.group) == group || found.contains_key(&row.stat.parent)
        });
        let Some(pid) = next.map(|row| row.process.pid) else { break };
        found.extend(others.remove(&pid).map(|row| (pid, row)));
    }
    found.into_values().collect()
}

/// All processes that live and were started since, but this one. On a system without `/proc` there are none to see.
fn table(since: u64) -> impl Iterator<Item = (Process, Stat)> {
    let own = std::process::id();
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let all = numbers.filter(move |pid| *pid != own).filter_map(|pid| Some((pid, Stat::of(pid)?)));
    let live = all.filter(move |(_, stat)| !['Z', 'X'].contains(&stat.state) && stat.start >= since);
    live.map(|(pid, stat)| (Process { pid, start: stat.start }, stat))
}

fn row(process: Process, stat: Stat, container: &str, main: Option<Leader>) -> Row {
    let environment = Environment::of(process.pid);
    let works_here =
        || working_folder(process.pid).is_some_and(|folder| folder.iter().any(|part| part == container));
    // Somebody else's shell may work there too, and has an environment without the mark.
    let is_marked = environment.has(CONTAINER_VARIABLE, container)
        || (environment.is_overwritten() && works_here())
        || main.is_some_and(|main| main.shares_output_with(process.pid));
    Row { process, stat, is_marked }
}

/// Where a process works.
fn working_folder(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// Processes of ours that work in a folder below this one, by their mark or by having no environment, with the name of the folder right
/// below it.
pub(crate) fn working_below(base: &Path) -> Vec<(Process, String)> {
    let below = |(process, _): (Process, Stat)| {
        let folder = working_folder(process.pid)?;
        let name = folder.strip_prefix(base).ok()?.iter().next()?.to_string_lossy().into_owned();
        let environment = Environment::of(process.pid);
        (environment.names(OWNER_VARIABLE) || environment.is_overwritten()).then_some((process, name))
    };
    table(0).filter_map(below).collect()
}

/// Kills the main process with its group and its descendants: what can be found without a look at every process. Its number has to be its
/// own for as long as this takes.
pub(crate) fn strike(main: Process) -> io::Result<()> {
    let mut family = vec![main];
    let mut known = 0;
    while let Some(parent) = family.get(known).copied() {
        family.extend(children(parent));
        known += 1;
    }
    // The main process last: until then all of the others are its descendants. One that may not be signalled keeps no other alive.
    let killed =
        family.into_iter().rev().map(|process| process.signal(Signal::KILL)).fold(Ok(()), io::Result::and);
    let group = i32::try_from(main.pid).ok().and_then(Pid::from_raw);
    match group.map(|group| kill_process_group(group, Signal::KILL)) {
        None | Some(Ok(()) | Err(Errno::SRCH)) => killed,
        Some(Err(error)) => killed.and(Err(error.into())),
    }
}

/// The children of a process, of all its threads. A kernel without the list (`CONFIG_PROC_CHILDREN`) tells none.
fn children(parent: Process) -> Vec<Process> {
    let threads = fs::read_dir(format!("/proc/{}/task", parent.pid)).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let children = lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>());
    let children = children.filter_map(|pid| Some((pid, Stat::of(pid)?)));
    // Unless the number went to another one meanwhile.
    let children = children.filter(|(_, stat)| stat.parent == parent.pid && stat.start >= parent.start);
    children.map(|(pid, stat)| Process { pid, start: stat.start }).collect()
}

/// Kills all of them, however fast they fork.
///
/// # Errors
/// When some do not die.
pub(crate) fn kill(container: &str, main: Option<Leader>) -> io::Result<()> {
    each(container, main, |row| {
        row.process.signal(Signal::KILL)?;
        Ok(false)
    })
}

/// Freezes all of them.
///
/// # Errors
/// When some do not stop.
pub(crate) fn freeze(container: &str, main: Option<Leader>) -> io::Result<()> {
    let mut told = Vec::new();
    each(container, main, |row| {
        // One that waits in the kernel (D) for a child that is frozen before its `exec`, as a shell does after `vfork`, does not come to
        // stop itself, and does not run either.
        let is_frozen = row.stat.state == 'T' || (row.stat.state == 'D' && told.contains(&row.process));
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
pub(crate) fn thaw(container: &str, main: Option<Leader>) -> io::Result<()> {
    members(container, main)
        .into_iter()
        .map(|process| process.signal(Signal::CONT))
        .fold(Ok(()), io::Result::and)
}

/// Does something to all of them until it is done with each. One that cannot be done with keeps it from no other.
fn each(
    container: &str,
    main: Option<Leader>,
    mut act: impl FnMut(&Row) -> io::Result<bool>,
) -> io::Result<()> {
    for _ in 0..LOOKS {
        let (mut is_done, mut refused) = (true, Ok(()));
        for row in rows(container, main) {
            match act(&row) {
                Ok(done) => is_done &= done,
                Err(error) => refused = Err(error),
            }
        }
        if is_done {
            return refused;
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
