//! The main process of a container, and how what it has started is known from it.

use std::{fs, io, os::fd::AsFd, path::Path, process::Child};

use crate::identity::Process;

/// A container's main process with the pipes that it writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Leader {
    pub(crate) process: Process,
    /// The inodes of its standard output and standard error. Nobody but the container has them, and as long as one of its processes does the
    /// log does not end.
    pipes: [u64; 2],
}

impl Leader {
    pub(crate) fn of(child: &Child) -> Self {
        let pipes = [child.stdout.as_ref().map(inode), child.stderr.as_ref().map(inode)];
        Self { process: Process::of(child.id()), pipes: pipes.map(Option::unwrap_or_default) }
    }

    /// Whether a process writes to where the main process writes: a child that has a session and an environment of its own is known by
    /// this alone.
    pub(crate) fn shares_output_with(self, pid: u32) -> bool {
        // Not its other files: between `fork` and `exec` a child of the test has all pipes there are.
        ["1", "2"].iter().any(|file| {
            let target = fs::read_link(format!("/proc/{pid}/fd/{file}")).unwrap_or_default();
            self.pipes
                .iter()
                .any(|pipe| *pipe != 0 && target.as_os_str() == format!("pipe:[{pipe}]").as_str())
        })
    }

    /// Writes it down, for those who come after us.
    pub(crate) fn note(self, path: &Path) -> io::Result<()> {
        let Self { process: Process { pid, start }, pipes: [stdout, stderr] } = self;
        fs::write(path, format!("{pid} {start} {stdout} {stderr}\n"))
    }

    /// What was written down.
    pub(crate) fn noted(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().ok());
        let mut number = || numbers.next().flatten();
        let process = Process { pid: number()?.try_into().ok()?, start: number()? };
        Some(Self { process, pipes: [number()?, number()?] })
    }
}

fn inode(pipe: &impl AsFd) -> u64 {
    rustix::fs::fstat(pipe).map_or(0, |stat| stat.st_ino)
}
