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
    time::Duration,
};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use testcelery_api::Filter;
use tokio::time::{Instant, sleep, timeout};

use crate::{Engine, Result};

/// Set in the reaper's environment; nobody else sets it.
const REAPER: &str = "TESTCELERY_REAPER";

/// Time for which the reaper goes on after a first complete look: a request that the owner had under way may still create something.
const WATCH: Duration = Duration::from_secs(3);

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(250);

/// Time for which the reaper waits for a daemon that is away or fails. The next run removes what is left then.
const PATIENCE: Duration = Duration::from_secs(600);

/// Time between two attempts to reach such a daemon.
const PAUSE: Duration = Duration::from_secs(1);

/// Timeout of one look. A daemon that accepts connections and answers nothing gets another one.
const LOOK: Duration = Duration::from_secs(60);

/// A line of the pipe, as JSON. At the end of the pipe, one `Begun` too many means that there is work.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    /// A stack is about to be started.
    Begun(Place),
    /// A stack was removed, with everything that belonged to it.
    Gone,
}

/// Where a stack is. The reaper goes to the same place, whatever its environment names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    engine: String,
    address: String,
}

/// The pipe to this process's reaper, open as long as the process lives. `None` where none could be started.
static PIPE: OnceLock<Option<ChildStdin>> = OnceLock::new();

/// Whether this process was started to be a reaper.
pub(crate) fn is_reaper() -> bool {
    env::var_os(REAPER).is_some()
}

/// Tells the reaper that a stack is about to be started on the engine of that name and address. Starts the reaper first, unless this process has
/// one. `test` is the path of a test of this program that calls the runner.
pub(crate) fn begun(test: &str, engine: &str, address: &str) {
    let pipe = PIPE.get_or_init(|| {
        let started = start(test);
        if let Err(error) = &started {
            tracing::warn!(%error, "no reaper: what this process leaves when it is killed is removed by the next run");
        }
        started.ok()
    });
    let place = Place { engine: engine.to_owned(), address: address.to_owned() };
    tell(pipe.as_ref(), &Told::Begun(place));
}

/// Tells the reaper that a stack is gone, with everything that belonged to it.
pub(crate) fn gone() {
    tell(PIPE.get().and_then(Option::as_ref), &Told::Gone);
}

fn tell(pipe: Option<&ChildStdin>, told: &Told) {
    let Some(mut pipe) = pipe else { return };
    let line = serde_json::to_string(told).map_err(std::io::Error::other);
    // One write call: lines of concurrent tests do not mix.
    let written = line.and_then(|line| pipe.write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = written {
        tracing::warn!(%error, "the reaper is gone: what this process leaves when it is killed is removed by the next run");
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

/// Waits for the owner's end, then removes what it left.
pub(crate) async fn reap() -> Result<()> {
    // Blocking is right here: until the pipe ends there is nothing else to do, and afterwards nothing more to read.
    let places = owed(std::io::stdin().lock());
    join_all(places.iter().map(reap_in)).await.into_iter().collect()
}

/// Goes on after every error until the time is up: the daemon may be away, and come back.
async fn reap_in(place: &Place) -> Result<()> {
    let open = || Engine::at(&place.engine, &place.address);
    let end = Instant::now() + PATIENCE;
    let mut complete_since: Option<Instant> = None;
    loop {
        let look = async { Ok(open().await?.remove_leftovers(&Filter::DeadOwner).await?) };
        let looked = timeout(LOOK, look).await;
        match looked {
            Ok(Ok(_)) => {
                let since = *complete_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= WATCH {
                    return Ok(());
                }
                sleep(INTERVAL).await;
            }
            Ok(Err(error)) if Instant::now() >= end => return Err(error),
            Err(_) if Instant::now() >= end => return Ok(()),
            Ok(Err(_)) | Err(_) => {
                complete_since = None;
                sleep(PAUSE).await;
            }
        }
    }
}

/// Reads the pipe to its end. Returns where the owner had stacks, if it ended with one of its own.
fn owed(mut pipe: impl Read) -> Vec<Place> {
    let mut told = Vec::new();
    let mut is_complete = pipe.read_to_end(&mut told).is_ok();
    let (mut places, mut begun, mut gone) = (Vec::new(), 0, 0);
    for line in told.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(Told::Begun(place)) => {
                begun += 1;
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            Ok(Told::Gone) => gone += 1,
            // Cut off in the middle.
            Err(_) => is_complete = false,
        }
    }
    if is_complete && begun <= gone { Vec::new() } else { places }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_owner_that_was_killed_owes_something() {
        let place = |address: &str| Place { engine: "docker".into(), address: address.into() };
        let text = |told: &[Told]| {
            told.iter().map(|told| serde_json::to_string(told).unwrap() + "\n").collect::<String>()
        };
        let begun = |address| Told::Begun(place(address));
        assert!(owed(&b""[..]).is_empty());
        assert!(owed(text(&[begun("a"), Told::Gone, begun("b"), Told::Gone]).as_bytes()).is_empty());
        assert!(owed(text(&[begun("a"), begun("a"), Told::Gone, Told::Gone]).as_bytes()).is_empty());
        assert_eq!(owed(text(&[begun("a"), Told::Gone, begun("a")]).as_bytes()), [place("a")]);
        assert_eq!(
            owed(text(&[begun("a"), begun("b\n"), Told::Gone]).as_bytes()),
            [place("a"), place("b\n")]
        );
        let cut = text(&[begun("a"), Told::Gone]);
        assert_eq!(owed(&cut.as_bytes()[..cut.len() - 3]), [place("a")]);
    }
}
