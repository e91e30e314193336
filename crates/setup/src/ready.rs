//! The three confirmations that a stack works.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use testcelery_api::{ContainerState, Worker, shorten};
use testcelery_client as client;
use testcelery_worker::WorkerExt;

use crate::{Error, Result, Setup};

/// How long workers get for answering a control ping. They answer within milliseconds; a loaded machine may need more.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one ping waits for answers. Redis keeps no command for a worker that subscribes a moment later, so that it is asked again.
const PING_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a silent worker may take to say what its settings are.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

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
    let mut silent: Vec<&Arc<dyn Worker>> = setup.workers().iter().collect();
    if silent.is_empty() {
        return Err(Error::NotReady("there is no worker that could answer a control ping".to_owned()));
    }
    let begin = Instant::now();
    let (mut were_asked_why, mut away) = (false, None);
    while begin.elapsed() < CONTROL_TIMEOUT {
        let names = silent.iter().map(|worker| worker.hostname());
        let ping = setup.app().control().ping().destination(names).timeout(PING_TIMEOUT);
        let asked = Instant::now();
        let answers = match ping.send().await {
            Ok(answers) => answers,
            // A broker that is slow, or just coming back.
            Err(error @ client::Error::Connection { .. }) if asked.elapsed() >= PING_TIMEOUT => {
                away = Some(error);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        away = None;
        silent.retain(|worker| !answers.contains_key(&worker.hostname()));
        if silent.is_empty() {
            return Ok(());
        }
        if let Some(ended) = silent.iter().find(|worker| worker.logs().ended().is_some()) {
            return Err(Error::NotReady(problem(ended).await));
        }
        if !were_asked_why {
            were_asked_why = true;
            for worker in &silent {
                if is_deaf(worker.as_ref()).await {
                    return Err(Error::NotReady(format!(
                        "worker `{}` runs and answers no control ping, because `worker_enable_remote_control` is off in its settings; \
                         turn it on, or leave that confirmation out: `setup.confirm(Ready::none().containers().ping())`",
                        worker.name()
                    )));
                }
            }
        }
    }
    if let Some(error) = away {
        return Err(error.into());
    }
    let mut problems = Vec::new();
    for worker in silent {
        problems.push(problem(worker).await);
    }
    Err(Error::NotReady(problems.join("\n")))
}

/// What is known of a worker that does not answer.
async fn problem(worker: &Arc<dyn Worker>) -> String {
    let state = match worker.logs().ended() {
        Some(exit) => format!("cannot answer a control ping: it {exit}"),
        None => {
            let state = tokio::time::timeout(ASK_TIMEOUT, worker.container().state()).await;
            let what = match state {
                Ok(Ok(ContainerState::Paused)) => "is paused and",
                _ => "runs and",
            };
            let why = "it is busy (with the pool `solo` a worker answers nothing while it runs a task), or it hangs";
            format!("{what} has not answered a control ping within {CONTROL_TIMEOUT:?}: {why}")
        }
    };
    let mut text = format!("worker `{}` ({}) {state}", worker.name(), worker.hostname());
    for line in worker.logs().tail(5) {
        text.push_str(&format!("\n  {} | {}", worker.name(), shorten(&line.text)));
    }
    text
}

/// Whether a worker's settings say that it takes no commands. A worker that cannot be asked is taken for one that does.
async fn is_deaf(worker: &dyn Worker) -> bool {
    let asked = worker.python::<Option<bool>>("app.conf.worker_enable_remote_control");
    matches!(tokio::time::timeout(ASK_TIMEOUT, asked).await, Ok(Ok(Some(false))))
}
