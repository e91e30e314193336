//! A process that outlives the test and takes away what it leaves when it is killed.
//!
//! It is a shell, because a shell is on every system that this engine runs on, and a program of our own would have to be built and found.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

const SCRIPT: &str = include_str!("guardian.sh");

/// The guardian of one run. Its pipe ends with this process, in whatever way that ends.
#[derive(Debug)]
pub(crate) struct Guardian {
    shell: Child,
    is_done: bool,
}

impl Guardian {
    /// Starts it for what carries the run's name, and for the run's folder.
    pub(crate) fn start(run: &str, folder: &Path) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "guardian", run]).arg(folder);
        // Its own environment must not have the mark that it looks for. Its working folder keeps no file system busy.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
        // Ctrl-C goes to the whole process group of a terminal.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { shell: command.spawn().map_err(testcelery_api::explain_limit)?, is_done: true })
    }

    /// Leaves to it what could not be taken away.
    pub(crate) fn take_over(&mut self) {
        self.is_done = false;
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        let pipe = self.shell.stdin.take();
        if !self.is_done {
            // Its pipe ends, and it begins.
            return;
        }
        let told = pipe.map(|mut pipe| pipe.write_all(b"done\n"));
        if let Some(Err(error)) = told {
            tracing::debug!(%error, "the guardian has ended before");
        }
        let _ = self.shell.wait();
    }
}
