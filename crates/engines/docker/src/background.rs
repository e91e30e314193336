//! One thread per connected engine: it creates, follows logs, removes what was dropped, and what dead owners have left.
//!
//! It has a runtime of its own, so that removal works from any `Drop`: without a runtime, during a panic, and on a runtime with
//! one thread that is busy. Nothing that runs on it keeps the engine alive.

use std::{
    collections::HashSet,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use bollard::Docker as Client;
use testcelery_api::spawn_thread;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    task::{JoinHandle, JoinSet},
};

use testcelery_api::{BoxError, Filter};

use crate::{
    labels::Labels,
    lease, leftovers,
    removal::{remove_container, remove_network_by_force},
};

/// The daemons on which this process has removed what dead owners have left, by their addresses.
static SWEPT: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// How long the last drop of an engine waits for removals. A daemon that needs longer than this is not going to answer.
const LAST_DROP: Duration = Duration::from_secs(30);

/// What has to go, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doomed {
    Container(String),
    Network(String),
    /// Everything of owners that have ended.
    OfDeadOwners,
}

/// Removes what it names when it is dropped, unless it was disarmed.
#[derive(Debug)]
pub(crate) struct Guard {
    doomed: Doomed,
    armed: AtomicBool,
    janitor: UnboundedSender<Doomed>,
}

impl Guard {
    /// For what was removed already.
    pub(crate) fn disarm(&self) {
        self.armed.store(false, Ordering::Release);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.armed.load(Ordering::Acquire) {
            // Fails only when the thread has ended, which it does not while there is a guard.
            let _ = self.janitor.send(self.doomed.clone());
        }
    }
}

/// The thread. Dropping it waits until all that was dropped before is removed.
#[derive(Debug)]
pub(crate) struct Background {
    handle: Handle,
    janitor: Option<UnboundedSender<Doomed>>,
    ended: Mutex<mpsc::Receiver<()>>,
    is_used: Arc<AtomicBool>,
}

impl Background {
    /// Starts the thread with a client of its own.
    pub(crate) fn start(client: Client, labels: Arc<Labels>) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (janitor, doomed) = unbounded_channel();
        let (alive, ended) = mpsc::channel();
        let is_used = Arc::new(AtomicBool::new(false));
        let lease = Lease { labels, is_used: Arc::clone(&is_used) };
        spawn_thread("testcelery-docker", move || {
            work(runtime, &client, lease, doomed);
            drop(alive);
        })?;
        Ok(Self { handle, janitor: Some(janitor), ended: Mutex::new(ended), is_used })
    }

    /// Begins to renew the lease, and removes what dead owners have left on the daemon of that address, once in a process. Waits for neither.
    pub(crate) fn begin(&self, address: &str) {
        if self.is_used.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = swept.get_or_insert_default().insert(address.to_owned());
        if let Some(janitor) = self.janitor.as_ref().filter(|_| is_first) {
            let _ = janitor.send(Doomed::OfDeadOwners);
        }
    }

    /// A guard for something that is about to be made.
    pub(crate) fn guard(&self, doomed: Doomed) -> Option<Guard> {
        let janitor = self.janitor.clone()?;
        Some(Guard { doomed, armed: AtomicBool::new(true), janitor })
    }

    /// Runs something to its end, whether or not the caller still waits for it.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn(future)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // The thread ends when every sender is gone: this one, and those of guards inside requests that are still running.
        self.janitor = None;
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(LAST_DROP) == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("containers may be left behind: the daemon did not remove them in {LAST_DROP:?}");
        }
    }
}

struct Lease {
    labels: Arc<Labels>,
    is_used: Arc<AtomicBool>,
}

fn work(runtime: Runtime, client: &Client, lease: Lease, mut doomed: UnboundedReceiver<Doomed>) {
    runtime.block_on(async {
        let mut removals = JoinSet::new();
        let (end, ends) = oneshot::channel();
        removals.spawn(lease::keep(client.clone(), lease.labels, lease.is_used, ends, lease::PERIOD));
        loop {
            tokio::select! {
                next = doomed.recv() => match next {
                    Some(next) => drop(removals.spawn(remove(client.clone(), next))),
                    None => break,
                },
                Some(_) = removals.join_next() => {}
            }
        }
        drop(end);
        removals.join_all().await;
    });
    // Log followers end with it.
    drop(runtime);
}

async fn remove(client: Client, doomed: Doomed) {
    // A daemon under load may fail to unmount a container's file system once; the next attempt finds it free.
    for pause in [Some(100), Some(500), None] {
        let result: Result<(), BoxError> = match &doomed {
            Doomed::Container(name) => remove_container(&client, name).await.map_err(Into::into),
            Doomed::Network(name) => remove_network_by_force(&client, name).await.map_err(Into::into),
            Doomed::OfDeadOwners => {
                leftovers::remove(&client, &Filter::DeadOwner).await.map(drop).map_err(Into::into)
            }
        };
        match (result, pause) {
            (Ok(()), _) => return,
            (Err(_), Some(pause)) => tokio::time::sleep(Duration::from_millis(pause)).await,
            (Err(error), None) => tracing::warn!(?doomed, %error, "could not be removed"),
        }
    }
}
