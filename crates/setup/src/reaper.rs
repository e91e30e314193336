//! A process that outlives the tests and takes away what they leave when they are killed.
//!
//! It is the test program itself, started once more for one test that finds the variable [`REAPER`] set and becomes the reaper instead of
//! running. Its standard input is a pipe that nobody writes to: it ends when the owner ends, in whatever way. No image, no mounted socket
//! and no installed program is needed for it.

use std::{
    env,
    io::{Read, Write},
    process::{ChildStdin, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use testcelery_api::Filter;

use crate::{Engine, Result};

/// Set in the reaper's environment; nobody else sets it.
const REAPER: &str = "TESTCELERY_REAPER";

/// How long the reaper looks for things of its dead owner: a request that the owner had under way may still create one.
const WATCH: Duration = Duration::from_secs(3);

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(250);

/// What the pipe carries: a stack is about to be started, and a stack is gone. At its end, one too many begun means there is work.
const BEGUN: u8 = b'+';
const GONE: u8 = b'-';

/// The pipe to this process's reaper, open as long as the process lives. `None` where none could be started.
static PIPE: OnceLock<Option<ChildStdin>> = OnceLock::new();

/// Whether this process was started to be a reaper.
pub(crate) fn is_reaper() -> bool {
    env::var_os(REAPER).is_some()
}

/// Tells the reaper that a stack is about to be started. Starts the reaper first, unless this process has one. `test` is the path of a test of
/// this program that calls the runner.
pub(crate) fn begun(test: &str) {
    let pipe = PIPE.get_or_init(|| {
        let started = start(test);
        if let Err(error) = &started {
            tracing::warn!(%error, "no reaper: a test that is killed may leave containers, which `cargo xtask clean` removes");
        }
        started.ok()
    });
    tell(pipe.as_ref(), BEGUN);
}

/// Tells the reaper that a stack is gone, with everything that belonged to it.
pub(crate) fn gone() {
    tell(PIPE.get().and_then(Option::as_ref), GONE);
}

fn tell(pipe: Option<&ChildStdin>, what: u8) {
    let Some(mut pipe) = pipe else { return };
    if let Err(error) = pipe.write_all(&[what]) {
        tracing::warn!(%error, "the reaper is gone");
    }
}

fn start(test: &str) -> std::io::Result<ChildStdin> {
    // libtest names tests without the crate.
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    let mut command = Command::new(env::current_exe()?);
    command.args([name, "--exact", "--include-ignored", "--nocapture"]).env(REAPER, "1");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C goes to the whole process group of a terminal; the reaper has to survive it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    child.stdin.take().ok_or_else(|| std::io::Error::other("the reaper has no standard input"))
}

/// Waits for the owner's end, then takes away what it left.
pub(crate) async fn reap() -> Result<()> {
    // Blocking is right here: until the pipe ends there is nothing else to do, and afterwards nothing more to read.
    if !owes(std::io::stdin().lock()) {
        return Ok(());
    }
    let engine = Engine::auto().await?;
    let begin = Instant::now();
    while begin.elapsed() < WATCH {
        engine.remove_leftovers(&Filter::DeadOwner).await?;
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

/// Reads the pipe to its end: whether the owner ended with a stack of its own.
fn owes(mut pipe: impl Read) -> bool {
    let mut told = Vec::new();
    let complete = pipe.read_to_end(&mut told).is_ok();
    let count = |what| told.iter().filter(|byte| **byte == what).count();
    !complete || count(BEGUN) > count(GONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_owner_that_was_killed_owes_something() {
        assert!(!owes(&b""[..]));
        assert!(!owes(&b"+-+-"[..]));
        assert!(!owes(&b"++--"[..]));
        assert!(owes(&b"+-+"[..]));
    }
}
