//! What is known of the workers while a result is waited for.
//!
//! It holds logs and queues and no worker: an app that somebody keeps must not keep the containers of its setup.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use testcelery_api::{Cluster, EVIDENCE_LINES, Logs, Worker, shorten};

/// How long the last worker has to be gone before a wait for a result ends: long enough for a result that is on its way, and for a test
/// that starts a worker again.
const GRACE: Duration = Duration::from_secs(3);

/// The workers of a setup. Empty until they are up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watched(Arc<Mutex<Vec<One>>>);

#[derive(Debug, Clone)]
struct One {
    logs: Logs,
    queues: Vec<String>,
}

impl Watched {
    /// Adds the workers that are up.
    pub(crate) fn add(&self, workers: &Cluster<dyn Worker>) {
        let workers = workers.iter();
        self.lock().extend(
            workers.map(|worker| One { logs: worker.logs().clone(), queues: worker.queues().to_vec() }),
        );
    }

    /// What an unanswered result says of the workers: whether each still runs, and what it logged last.
    pub(crate) fn last_lines(&self) -> String {
        last_lines(self.lock().iter().map(|one| &one.logs))
    }

    /// Waits until no worker is left that could run tasks of a queue, and returns how each of them ended with its last lines. Forever
    /// where there never was one, because others than the setup's workers are at work then.
    pub(crate) fn gone(&self, queue: &str) -> impl Future<Output = String> + Send + use<> {
        let serving = serving(&self.lock(), queue);
        async move {
            if serving.is_empty() {
                return std::future::pending().await;
            }
            loop {
                for logs in &serving {
                    logs.wait_ended().await;
                }
                tokio::time::sleep(GRACE).await;
                if serving.iter().all(|logs| logs.ended().is_some() && !logs.is_restarting()) {
                    return last_lines(serving.iter());
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<One>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The workers that consume a queue, and those that do not say from which they do; all of them where the queue is nobody's.
fn serving(workers: &[One], queue: &str) -> Vec<Logs> {
    let consumes = |one: &&One| one.queues.iter().any(|own| own == queue);
    let may_consume = |one: &&One| one.queues.is_empty() || consumes(one);
    let is_known = workers.iter().any(|one| consumes(&one));
    workers.iter().filter(|one| !is_known || may_consume(one)).map(|one| one.logs.clone()).collect()
}

fn last_lines<'a>(logs: impl Iterator<Item = &'a Logs>) -> String {
    let mut text = String::new();
    for log in logs {
        let state = log.ended().map_or_else(|| "is running".to_owned(), |exit| exit.to_string());
        text.push_str(&format!("\n  {} {state}; last lines of {}:", log.container(), log.container()));
        for line in log.tail(EVIDENCE_LINES) {
            text.push_str(&format!("\n  | {}", shorten(&line.text)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use testcelery_api::{ExitStatus, Stream};
    use tokio::time::{Instant, timeout};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn watched(workers: &[(&str, &[&str])]) -> (Watched, Vec<Logs>) {
        let ones = workers.iter().map(|(name, queues)| One {
            logs: Logs::new(*name),
            queues: queues.iter().map(|queue| (*queue).to_owned()).collect(),
        });
        let ones: Vec<One> = ones.collect();
        let logs = ones.iter().map(|one| one.logs.clone()).collect();
        (Watched(Arc::new(Mutex::new(ones))), logs)
    }

    async fn is_gone(watched: &Watched, queue: &str) -> bool {
        timeout(LONG, watched.gone(queue)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_worker_of_a_queue_is_named_with_its_end_and_its_lines() {
        let (watched, logs) = watched(&[("a", &["fast"]), ("b", &["slow"])]);
        logs[0].push(Stream::Stdout, b"Task received\n");
        logs[0].end_run(ExitStatus::Code(137));
        let begin = Instant::now();
        let text = watched.gone("fast").await;
        assert!(begin.elapsed() <= GRACE * 2);
        assert!(text.contains("a exited with code 137") && text.contains("| Task received"), "{text}");
        assert!(!text.contains("b "), "{text}");
        assert!(!is_gone(&watched, "slow").await);
        assert!(!is_gone(&watched, "nobody's").await, "any worker may have been told to consume it");
        logs[1].end_run(ExitStatus::Code(0));
        assert!(is_gone(&watched, "slow").await && is_gone(&watched, "nobody's").await);
    }

    #[tokio::test(start_paused = true)]
    async fn another_worker_that_may_consume_the_queue_is_waited_for() {
        let (watched, logs) = watched(&[("a", &["fast"]), ("b", &[])]);
        logs[0].end_run(ExitStatus::Code(1));
        assert!(!is_gone(&watched, "fast").await);
        logs[1].end_run(ExitStatus::Code(1));
        assert!(is_gone(&watched, "fast").await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_is_started_again_is_not_gone() {
        let (watched, logs) = watched(&[("a", &["fast"])]);
        logs[0].end_run(ExitStatus::Code(137));
        let waiting = tokio::spawn(watched.gone("fast"));
        tokio::time::sleep(GRACE / 2).await;
        logs[0].begin_run();
        tokio::time::sleep(LONG).await;
        let restarting = logs[0].begin_restart();
        logs[0].end_run(ExitStatus::Code(0));
        tokio::time::sleep(LONG).await;
        assert!(!waiting.is_finished());
        drop(restarting);
        assert!(timeout(LONG, waiting).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_gone_where_there_was_nobody() {
        let (watched, _) = watched(&[]);
        assert!(!is_gone(&watched, "fast").await);
    }
}
