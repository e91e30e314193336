//! Results that have come and are waited for.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use testcelery_client::ResultMeta;
use tokio::sync::watch;

/// How many tasks are remembered: as many as Celery's own RPC backend buffers (`celery.backends.asynchronous`, `BufferMap(8192)`).
pub(crate) const LIMIT: usize = 8192;

/// The last state of each task, for those who wait now and those who come later.
///
/// When there are more than [`LIMIT`] tasks, the oldest that nobody waits for is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Results {
    inner: Mutex<Inner>,
}

/// What came for a task: its state, or what is wrong with the message.
pub(crate) type Arrival = Result<ResultMeta, String>;

type Slot = watch::Sender<Option<Arrival>>;

#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<String, Slot>,
    /// Every key of `slots`, oldest first, and some that were forgotten since.
    order: VecDeque<String>,
}

impl Results {
    /// Takes in a state. A task that is done stays done, whatever comes late.
    pub(crate) fn put(&self, task_id: &str, arrival: Arrival) {
        let mut inner = self.lock();
        inner.slot(task_id).send_if_modified(|current| {
            if current.as_ref().is_some_and(is_done) && !is_done(&arrival) {
                return false;
            }
            *current = Some(arrival);
            true
        });
        inner.shrink();
    }

    /// The last state that came.
    pub(crate) fn get(&self, task_id: &str) -> Option<Arrival> {
        self.lock().slots.get(task_id).and_then(|slot| slot.borrow().clone())
    }

    /// The task's states from now on, beginning with the last one that came.
    pub(crate) fn follow(&self, task_id: &str) -> watch::Receiver<Option<Arrival>> {
        let mut inner = self.lock();
        let receiver = inner.slot(task_id).subscribe();
        inner.shrink();
        receiver
    }

    pub(crate) fn forget(&self, task_id: &str) {
        self.lock().slots.remove(task_id);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing better can come: the task is in a ready state.
pub(crate) fn is_done(arrival: &Arrival) -> bool {
    arrival.as_ref().is_ok_and(|meta| meta.status.is_ready())
}

impl Inner {
    fn slot(&mut self, task_id: &str) -> &Slot {
        if !self.slots.contains_key(task_id) {
            self.order.push_back(task_id.to_owned());
        }
        self.slots.entry(task_id.to_owned()).or_insert_with(|| watch::Sender::new(None))
    }

    fn shrink(&mut self) {
        let mut kept = 0;
        while self.order.len() > LIMIT && kept < self.order.len() {
            let Some(id) = self.order.pop_front() else { return };
            match self.slots.get(&id) {
                Some(slot) if slot.receiver_count() > 0 => {
                    self.order.push_back(id);
                    kept += 1;
                }
                _ => drop(self.slots.remove(&id)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testcelery_client::State;

    use super::*;

    fn put(results: &Results, id: &str, status: &str) {
        let json = json!({"task_id": id, "status": status, "result": 1});
        results.put(id, Ok(ResultMeta::decode(json.to_string().as_bytes()).unwrap()));
    }

    fn status(arrival: Option<Arrival>) -> Option<State> {
        Some(arrival?.unwrap().status)
    }

    #[test]
    fn the_latest_state_is_kept_and_done_stays_done() {
        let results = Results::default();
        assert_eq!(results.get("1"), None);
        for (came, expected) in [
            ("STARTED", State::Started),
            ("RETRY", State::Retry),
            ("SUCCESS", State::Success),
            ("STARTED", State::Success),
        ] {
            put(&results, "1", came);
            assert_eq!(status(results.get("1")), Some(expected));
        }
        results.put("1", Err("not JSON".to_owned()));
        assert_eq!(status(results.get("1")), Some(State::Success));
        results.forget("1");
        assert_eq!(results.get("1"), None);
    }

    #[tokio::test]
    async fn early_and_late_waiters_get_the_result() {
        let results = Results::default();
        let mut early = results.follow("1");
        put(&results, "1", "SUCCESS");
        let late = results.follow("1");
        early.changed().await.unwrap();
        assert_eq!(status(early.borrow().clone()), Some(State::Success));
        assert_eq!(status(late.borrow().clone()), Some(State::Success));
    }

    #[test]
    fn the_oldest_that_nobody_waits_for_is_dropped() {
        let results = Results::default();
        let waited = results.follow("0");
        for id in 0..LIMIT + 10 {
            put(&results, &id.to_string(), "SUCCESS");
        }
        assert!(waited.borrow().is_some());
        assert!(results.get("0").is_some(), "somebody waits for it");
        assert!(results.get("1").is_none() && results.get("10").is_none());
        assert!(results.get(&(LIMIT + 9).to_string()).is_some());
        let inner = results.lock();
        assert!(inner.slots.len() <= LIMIT && inner.order.len() <= LIMIT);
    }
}
