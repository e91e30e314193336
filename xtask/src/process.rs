//! Child processes that end together with us, and with everything that they started.

use std::{
    fs::File,
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use testcelery_api::indent_lines;
use tokio::process::{Child, Command};

/// A child in a process group of its own. Dropped while it runs, the whole group is killed.
pub(crate) struct Group {
    child: Child,
    /// Present as long as the leader has not been waited for: only then is the number certainly ours.
    leader: Option<Pid>,
}

impl Group {
    /// Starts a command as the leader of a new group, with nothing to read.
    pub(crate) fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("could not start `{}`", shown(command)))?;
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, leader })
    }

    /// The process id, as long as it runs.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the leader. What it leaves in its group on purpose lives on.
    pub(crate) async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.leader = None;
        Ok(status)
    }

    /// Waits at most so long; `None` means that the group was killed.
    pub(crate) async fn wait_at_most(&mut self, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
        match tokio::time::timeout(limit, self.wait()).await {
            Ok(status) => status.map(Some),
            Err(_) => {
                self.kill();
                self.child.wait().await?;
                Ok(None)
            }
        }
    }

    fn kill(&mut self) {
        if let Some(leader) = self.leader.take() {
            // It may have ended a moment ago.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Output {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Both of its outputs, in the order in which they were written.
    pub(crate) text: String,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Runs a command and captures its output.
pub(crate) async fn capture(command: &mut Command) -> anyhow::Result<Output> {
    let started = Instant::now();
    let mut sink = Sink::new()?;
    sink.attach(command)?;
    let status = Group::spawn(command)?.wait().await?;
    Ok(Output { status, text: sink.text()?, took: started.elapsed() })
}

/// Runs a command that has to succeed, and gives its output.
pub(crate) async fn succeed(command: &mut Command) -> anyhow::Result<String> {
    let output = capture(command).await?;
    if !output.status.success() {
        bail!("`{}` failed ({}):{}", shown(command), output.status, indent_lines(output.text.trim_end()));
    }
    Ok(output.text)
}

/// Bytes of output that are read.
const KEPT: u64 = 64 << 20;

/// A file that takes both outputs of a child. Unlike a pipe it needs no reader, and a process that outlives the child does not
/// keep anybody waiting for its end.
pub(crate) struct Sink(File);

impl Sink {
    /// A new, empty one, without a name.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(tempfile::tempfile().context("could not create a temporary file")?))
    }

    /// Makes a command write into it.
    pub(crate) fn attach(&self, command: &mut Command) -> anyhow::Result<()> {
        command.stdout(self.0.try_clone()?).stderr(self.0.try_clone()?);
        Ok(())
    }

    /// What has been written: the last 64 MiB.
    pub(crate) fn text(&mut self) -> anyhow::Result<String> {
        use std::io::{Read as _, Seek as _};
        let length = self.0.metadata()?.len();
        let left_out = length.saturating_sub(KEPT);
        self.0.seek(std::io::SeekFrom::Start(left_out))?;
        let mut bytes = Vec::new();
        // What a process that lives on writes meanwhile is not waited for.
        (&mut self.0).take(KEPT).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(if left_out == 0 { text.into_owned() } else { format!("[{left_out} bytes left out]\n{text}") })
    }
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn both_outputs_are_captured_in_order() {
        let output = capture(&mut sh("echo one; echo two >&2; echo three; exit 3")).await.unwrap();
        assert_eq!(output.text, "one\ntwo\nthree\n");
        assert_eq!(output.status.code(), Some(3));
    }

    #[tokio::test]
    async fn a_command_that_has_to_succeed_says_how_it_failed() {
        let error = succeed(&mut sh("echo because; exit 4")).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 4") && error.contains("because"), "{error}");
    }

    #[tokio::test]
    async fn a_group_that_takes_too_long_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let mut group =
            Group::spawn(&mut sh(&format!("sleep 60 & echo $! >{}; wait", pid_file.display()))).unwrap();
        let ended = group.wait_at_most(Duration::from_millis(300)).await.unwrap();
        assert!(ended.is_none());
        let pid = std::fs::read_to_string(pid_file).unwrap();
        // A process that was killed ends when the system gets to it.
        let begin = Instant::now();
        while runs(pid.trim()) {
            assert!(begin.elapsed() < Duration::from_secs(10), "process {pid} still runs");
            tokio::task::yield_now().await;
        }
    }

    /// A zombie that nobody has collected yet does not run any more.
    fn runs(pid: &str) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z") && !stat.contains(") X"))
    }
}
