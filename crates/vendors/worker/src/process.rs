//! The processes of a worker.

use std::{
    ops::Deref,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Deserializer};

/// A process in a worker's container.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Process {
    /// Its number, in the container.
    pub pid: u32,
    /// The number of its parent.
    #[serde(rename = "ppid")]
    pub parent: u32,
    /// Its name as the kernel has it, 15 bytes at most: `celery`, `python`.
    pub name: String,
    /// The user that it runs as; the number of one without a name.
    #[serde(rename = "username")]
    pub user: String,
    /// The program and its arguments; empty for one that has ended and was not waited for.
    #[serde(rename = "cmdline")]
    pub command: Vec<String>,
    /// The time that it has computed in percent of its life: of one CPU, so that it may be more than 100.
    pub cpu_percent: f64,
    /// What it has in memory, in percent of the machine's.
    pub memory_percent: f64,
    /// When it began, to about a hundredth of a second.
    #[serde(rename = "create_time", deserialize_with = "since_1970")]
    pub started: SystemTime,
}

fn since_1970<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)?;
    Ok(SystemTime::UNIX_EPOCH + duration)
}

/// The processes of a worker at one moment, by number. Filters take from what the filters before them have left.
///
/// ```
/// # fn example(processes: testcelery_worker::Processes) {
/// let main = &processes.containing("worker")[0];
/// let children = processes.children_of(main.pid);
/// let busy = children.matching(|process| process.cpu_percent > 50.0);
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Processes(Vec<Process>);

impl Processes {
    pub(crate) fn new(mut processes: Vec<Process>) -> Self {
        processes.sort_by_key(|process| process.pid);
        Self(processes)
    }

    /// Those of a name, as `celery`.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        self.matching(|process| process.name == name)
    }

    /// Those whose command line, its words joined by spaces, has a text in it.
    #[must_use]
    pub fn containing(&self, text: &str) -> Self {
        self.matching(|process| process.command.join(" ").contains(text))
    }

    /// Those that a process has started, and that it did not lose to another parent.
    #[must_use]
    pub fn children_of(&self, pid: u32) -> Self {
        self.matching(|process| process.parent == pid)
    }

    /// Those that are as told.
    #[must_use]
    pub fn matching(&self, matches: impl Fn(&Process) -> bool) -> Self {
        Self(self.0.iter().filter(|process| matches(process)).cloned().collect())
    }

    /// Their numbers.
    pub fn pids(&self) -> Vec<u32> {
        self.0.iter().map(|process| process.pid).collect()
    }
}

impl Deref for Processes {
    type Target = [Process];

    fn deref(&self) -> &[Process] {
        &self.0
    }
}

impl IntoIterator for Processes {
    type Item = Process;
    type IntoIter = std::vec::IntoIter<Process>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Processes {
    type Item = &'a Process;
    type IntoIter = std::slice::Iter<'a, Process>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
