//! Results that have come and are waited for.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use testcelery_client::ResultMeta;
use tokio::sync::watch;

/// How many tasks without a handle are remembered: as many as Celery's own RPC backend buffers (`celery.backends.asynchronous`,
/// `BufferMap(8192)`).
pub(crate) const LIMIT: usize = 8192;

/// The last state of each task, for those who wait now and those who come later.
///
/// What came for a task is kept as long as there is a handle of it. Of the other tasks, the oldest that nobody waits for is forgotten when
/// there are more than [`LIMIT`].
#[derive(Debug, Default)]
pub(crate) struct Results {
    inner: Mutex<Inner>,
}

/// What came for a task: its state, or what is wrong with the message.
pub(crate) type Arrival = Result<ResultMeta, Unreadable>;

/// Why a message is no result for this client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unreadable {
    /// Another serializer than JSON wrote it.
    Serializer(&'static str),
    /// It is not what Celery writes.
    Malformed(String),
}

#[derive(Debug)]
struct Slot {
    state: watch::Sender<Option<Arrival>>,
    /// The number of handles of the task that are alive.
    handles: usize,
}

#[derive(Debug, Default)]
struct Inner {
    slots: HashMap<String, Slot>,
    /// The tasks without a handle, oldest first, and some that have one or were forgotten since.
    order: VecDeque<String>,
}

impl Results {
    /// Keeps what comes for a task until [`release`](Self::release) is called as often.
    pub(crate) fn hold(&self, task_id: &str) {
        let mut inner = self.lock();
        let slot = inner.slots.entry(task_id.to_owned()).or_insert_with(Slot::new);
        slot.handles += 1;
    }

    /// Gives up a handle of a task. With the last one, what came is forgotten unless somebody waits for it.
    pub(crate) fn release(&self, task_id: &str) {
        let mut inner = self.lock();
        let Some(slot) = inner.slots.get_mut(task_id) else { return };
        slot.handles = slot.handles.saturating_sub(1);
        match (slot.handles, slot.state.receiver_count()) {
            (0, 0) => drop(inner.slots.remove(task_id)),
            (0, _) => inner.order.push_back(task_id.to_owned()),
            _ => {}
        }
    }

    /// Takes in a state. A task that is done stays done, whatever comes late.
    pub(crate) fn put(&self, task_id: &str, arrival: Arrival) {
        let mut inner = self.lock();
        inner.state(task_id).send_if_modified(|current| {
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
        self.lock().slots.get(task_id).and_then(|slot| slot.state.borrow().clone())
    }

    /// The task's states from now on, beginning with the last one that came.
    pub(crate) fn follow(&self, task_id: &str) -> watch::Receiver<Option<Arrival>> {
        let mut inner = self.lock();
        let receiver = inner.state(task_id).subscribe();
        inner.shrink();
        receiver
    }

    /// Forgets what came for a task. Its handles stay.
    pub(crate) fn forget(&self, task_id: &str) {
        let mut inner = self.lock();
        match inner.slots.get_mut(task_id) {
            Some(slot) if slot.handles > 0 => slot.state = watch::Sender::new(None),
            _ => drop(inner.slots.remove(task_id)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nothing better can come: the task is in a ready state.
pub(crate) fn is_done(arrival: &Arrival) -> bool {
    arrival.as_ref().is_ok_and(|meta| meta.status.is_ready())
}

impl Slot {
    fn new() -> Self {
        Self { state: watch::Sender::new(None), handles: 0 }
    }
}

impl Inner {
    fn state(&mut self, task_id: &str) -> &watch::Sender<Option<Arrival>> {
        let Self { slots, order } = self;
        let slot = slots.entry(task_id.to_owned()).or_insert_with(|| {
            order.push_back(task_id.to_owned());
            Slot::new()
        });
        &slot.state
    }

    fn shrink(&mut self) {
        let mut kept = 0;
        while self.order.len() > LIMIT && kept < self.order.len() {
            let Some(id) = self.order.pop_front() else { return };
            match self.slots.get(&id) {
                Some(slot) if slot.handles > 0 => {}
                Some(slot) if slot.state.receiver_count() > 0 => {
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
        results.put("1", Err(Unreadable::Malformed("not JSON".to_owned())));
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
    fn results_with_handles_are_all_kept_and_go_with_their_handles() {
        let results = Results::default();
        for id in 0..LIMIT + 10 {
            results.hold(&id.to_string());
            put(&results, &id.to_string(), "SUCCESS");
        }
        for id in 0..LIMIT {
            put(&results, &format!("nobody's {id}"), "SUCCESS");
        }
        assert!((0..LIMIT + 10).all(|id| results.get(&id.to_string()).is_some()));
        results.hold("0");
        results.release("0");
        assert!(results.get("0").is_some(), "there is another handle");
        for id in 0..LIMIT + 10 {
            results.release(&id.to_string());
        }
        let inner = results.lock();
        assert!(inner.slots.len() <= LIMIT && inner.order.len() <= LIMIT);
        assert!(!inner.slots.contains_key("0"));
    }

    #[tokio::test]
    async fn what_is_forgotten_may_come_again() {
        let results = Results::default();
        results.hold("1");
        put(&results, "1", "SUCCESS");
        let mut waiting = results.follow("1");
        results.forget("1");
        assert!(results.get("1").is_none() && waiting.changed().await.is_err());
        put(&results, "1", "FAILURE");
        assert_eq!(status(results.get("1")), Some(State::Failure));
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
