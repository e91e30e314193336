//! Ctrl-C and `SIGTERM`: every stack of this process is removed, and the process ends by the signal.
//!
//! The runner registers each of its tests here. The work is done on threads of its own, since the body of a test may block its thread for as
//! long as it likes. The bound is shorter than the 10 s that nextest and `docker stop` wait before they kill.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use testcelery_api::{Engine, Filter, Owner};
use testcelery_interrupt::{Interrupt, Watch, first};
use tokio::sync::watch;

use crate::{Setup, evidence, say::say};

/// Time for the removal of everything after a first signal.
const REMOVAL: Duration = Duration::from_secs(8);

/// The part of it for the hooks before a stack goes down.
const HOOKS: Duration = Duration::from_secs(3);

/// Time for requests that a cancelled boot had under way.
const LAST_REQUESTS: Duration = Duration::from_millis(250);

static STACKS: Mutex<BTreeMap<usize, Stack>> = Mutex::new(BTreeMap::new());

static ARRIVED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// One test and what it has by now.
#[derive(Clone, Default)]
struct Stack {
    test: String,
    engine: Option<Arc<dyn Engine>>,
    setup: Option<Setup>,
}

/// A test that is run. Signals are watched as long as there is one.
#[derive(Debug)]
pub(crate) struct Running {
    number: usize,
    _watch: Watch,
}

impl Running {
    /// # Errors
    /// When signals cannot be watched.
    pub(crate) fn begin(test: &str) -> io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        stop_if_interrupted();
        let watch = Watch::begin(react)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        lock().insert(number, Stack { test: test.to_owned(), ..Stack::default() });
        Ok(Self { number, _watch: watch })
    }

    /// Where its stack is going to be started.
    pub(crate) fn on(&self, engine: &Arc<dyn Engine>) {
        self.change(|stack| stack.engine = Some(Arc::clone(engine)));
    }

    /// Its stack, which is up.
    pub(crate) fn has(&self, setup: &Setup) {
        self.change(|stack| stack.setup = Some(setup.clone()));
    }

    fn change(&self, change: impl FnOnce(&mut Stack)) {
        if let Some(stack) = lock().get_mut(&self.number) {
            change(stack);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        stop_if_interrupted();
        // Dropped without the lock: the last handle of a setup or an engine removes what is left, and waits for that.
        let stack = lock().remove(&self.number);
        drop(stack);
    }
}

/// Completes when a first signal has arrived.
pub(crate) async fn arrived() {
    // The sender is never dropped. The value that it lends is given back at once.
    drop(ARRIVED.subscribe().wait_for(|arrived| *arrived).await);
}

/// Stops this thread if a signal has arrived: the process is about to end, and no test is to report anything of the stacks that are removed.
fn stop_if_interrupted() {
    while first().is_some() {
        thread::park();
    }
}

/// Removes everything within [`REMOVAL`]. The process ends when it returns.
fn react(interrupt: Interrupt) {
    say(format_args!(
        "{interrupt}: removing the stacks of this process, {} s at most; another signal ends it at once",
        REMOVAL.as_secs()
    ));
    ARRIVED.send_replace(true);
    let (done, problems) = mpsc::channel();
    let removal = move || {
        let _ = done.send(remove_all(interrupt));
    };
    let thread = thread::Builder::new().name("testcelery-removal".to_owned()).spawn(removal);
    let problems = match thread {
        Ok(_) => problems
            .recv_timeout(REMOVAL)
            .unwrap_or_else(|_| vec![format!("not everything was removed within {} s", REMOVAL.as_secs())]),
        Err(error) => vec![format!("no thread to remove them: {error}")],
    };
    for problem in &problems {
        say(problem);
    }
    if !problems.is_empty() {
        say("what is left is removed in the background, or by the next run at the latest");
    }
}

/// Returns what could not be done.
fn remove_all(interrupt: Interrupt) -> Vec<String> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return vec![format!("no tokio runtime to remove them: {error}")],
    };
    runtime.block_on(async {
        let stacks: Vec<Stack> = lock().values().cloned().collect();
        let is_booting = stacks.iter().any(|stack| stack.setup.is_none());
        let mut problems: Vec<String> =
            join_all(stacks.iter().map(|stack| take_down(stack, interrupt))).await.concat();
        let mut engines: Vec<&Arc<dyn Engine>> = Vec::new();
        for engine in stacks.iter().filter_map(|stack| stack.engine.as_ref()) {
            if engines.iter().all(|known| known.description() != engine.description()) {
                engines.push(engine);
            }
        }
        let removals = engines.into_iter().map(|engine| remove_rest(engine.as_ref(), is_booting));
        problems.extend(join_all(removals).await.into_iter().flatten());
        problems
    })
}

async fn take_down(stack: &Stack, interrupt: Interrupt) -> Vec<String> {
    let Stack { test, setup, .. } = stack;
    let Some(setup) = setup else {
        say(format_args!("{test}: {interrupt} during the boot"));
        return Vec::new();
    };
    let logs = match evidence::keep(
        test,
        &format!("{interrupt} during the test"),
        setup.errors(),
        &setup.all_logs(),
    ) {
        Ok(folder) => format!("logs of every node: {}", folder.display()),
        Err(error) => format!("logs could not be kept: {error:?}"),
    };
    say(format_args!("{test}: {interrupt} during the test; {logs}"));
    // A hook may wait for what never comes; what was started goes all the same.
    let hooks = tokio::time::timeout(HOOKS, setup.before_down()).await.unwrap_or_default();
    let down = setup.down().await.err();
    hooks.into_iter().chain(down).map(|error| format!("{test}: {error}")).collect()
}

/// Removes what this process has on an engine apart from the stacks that are up: what a boot has made by now, and what a body has made by itself.
async fn remove_rest(engine: &dyn Engine, is_booting: bool) -> Option<String> {
    let own = Filter::Owner(Owner::of_this_process());
    loop {
        match engine.remove_leftovers(&own).await {
            Ok(removed) if removed.is_empty() || !is_booting => return None,
            Ok(_) => tokio::time::sleep(LAST_REQUESTS).await,
            Err(error) => return Some(format!("{error:?}")),
        }
    }
}

fn lock() -> MutexGuard<'static, BTreeMap<usize, Stack>> {
    STACKS.lock().unwrap_or_else(PoisonError::into_inner)
}
