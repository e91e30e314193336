//! The three confirmations that a stack works.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use testcelery_api::shorten;

use crate::{Error, Result, Setup};

/// How long workers get for answering a control ping. They answer within milliseconds; a loaded machine may need more.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one ping waits for answers. Redis keeps no command for a worker that subscribes a moment later, so that it is asked again.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// Which confirmations to ask for; [`Ready::all`] or some of them.
///
/// ```
/// use testcelery::Ready;
///
/// let ready = Ready::none().control();
/// assert_ne!(ready, Ready::all());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    containers: bool,
    control: bool,
    ping: bool,
}

impl Ready {
    /// All three.
    pub fn all() -> Self {
        Self { containers: true, control: true, ping: true }
    }

    /// None yet.
    pub fn none() -> Self {
        Self { containers: false, control: false, ping: false }
    }

    /// Every container fulfils its own conditions.
    #[must_use]
    pub fn containers(mut self) -> Self {
        self.containers = true;
        self
    }

    /// Every worker answers a control ping.
    #[must_use]
    pub fn control(mut self) -> Self {
        self.control = true;
        self
    }

    /// The ping task comes back from every queue of every worker.
    #[must_use]
    pub fn ping(mut self) -> Self {
        self.ping = true;
        self
    }
}

pub(crate) async fn confirm(setup: &Setup, ready: Ready) -> Result<()> {
    if ready.containers {
        let brokers = setup.brokers().ready();
        let backends = setup.backends().ready();
        futures_util::future::try_join3(brokers, backends, setup.workers().ready()).await?;
    }
    if ready.control {
        control(setup).await?;
    }
    if ready.ping {
        let queues: BTreeSet<&String> = setup.workers().iter().flat_map(|worker| worker.queues()).collect();
        for answer in
            futures_util::future::try_join_all(queues.iter().map(|queue| setup.ping_queue(queue))).await?
        {
            if answer != "pong" {
                return Err(Error::NotReady(format!(
                    "the ping task answered `{}` instead of `pong`",
                    shorten(&answer)
                )));
            }
        }
    }
    Ok(())
}

async fn control(setup: &Setup) -> Result<()> {
    let expected: BTreeSet<String> = setup.workers().iter().map(|worker| worker.hostname()).collect();
    if expected.is_empty() {
        return Err(Error::NotReady("there is no worker that could answer a control ping".to_owned()));
    }
    let begin = Instant::now();
    let mut silent = expected;
    while !silent.is_empty() && begin.elapsed() < CONTROL_TIMEOUT {
        let ping = setup.app().control().ping().destination(silent.iter().cloned()).timeout(PING_TIMEOUT);
        let sent = Instant::now();
        let answers = match ping.send().await {
            Ok(answers) => answers,
            // The broker may be on its way back.
            Err(_) if sent.elapsed() >= PING_TIMEOUT && begin.elapsed() < CONTROL_TIMEOUT => continue,
            Err(error) => return Err(error.into()),
        };
        silent.retain(|hostname| !answers.contains_key(hostname));
    }
    if silent.is_empty() {
        return Ok(());
    }
    let mut problem = format!("no answer to a control ping within {CONTROL_TIMEOUT:?} from {silent:?}");
    for worker in setup.workers().iter().filter(|worker| silent.contains(&worker.hostname())) {
        for line in worker.logs().tail(5) {
            problem.push_str(&format!("\n  {} | {}", worker.name(), shorten(&line.text)));
        }
    }
    Err(Error::NotReady(problem))
}
