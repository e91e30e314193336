//! What is known of the results that somebody watches.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// What is known of one result.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// Nothing yet.
    Empty,
    /// The document that came last.
    Document(Arc<[u8]>),
    /// The server went away and did not come back: why.
    Lost(Arc<str>),
}

/// The watched results by task id. The subscriber writes them, callers wait for them to change.
#[derive(Debug, Default)]
pub(crate) struct Board {
    tasks: Mutex<HashMap<String, Watched>>,
}

#[derive(Debug)]
struct Watched {
    slot: watch::Sender<Slot>,
    /// The number of handles of the task that are alive: two calls may have one id.
    handles: usize,
}

impl Board {
    /// Adds a handle of a task. What is known of the task stays, a loss is taken back.
    pub(crate) fn hold(&self, task_id: &str) {
        self.add(task_id, 1);
    }

    /// Adds a task without a handle, unless it is there. What is known of it stays, a loss is taken back.
    pub(crate) fn listen(&self, task_id: &str) {
        self.add(task_id, 0);
    }

    fn add(&self, task_id: &str, handles: usize) {
        let mut tasks = self.tasks();
        let new = || Watched { slot: watch::Sender::new(Slot::Empty), handles: 0 };
        let task = tasks.entry(task_id.to_owned()).or_insert_with(new);
        task.handles += handles;
        task.slot.send_if_modified(|slot| {
            let lost = matches!(slot, Slot::Lost(_));
            if lost {
                *slot = Slot::Empty;
            }
            lost
        });
    }

    /// Drops a handle of a task. Returns whether it was the last one, which removes the task.
    pub(crate) fn release(&self, task_id: &str) -> bool {
        let mut tasks = self.tasks();
        let Some(task) = tasks.get_mut(task_id) else { return false };
        task.handles = task.handles.saturating_sub(1);
        let is_last = task.handles == 0;
        if is_last {
            tasks.remove(task_id);
        }
        is_last
    }

    /// Follows a task; `None` for one that is not watched, or that was lost.
    pub(crate) fn follow(&self, task_id: &str) -> Option<watch::Receiver<Slot>> {
        let tasks = self.tasks();
        let slot = &tasks.get(task_id)?.slot;
        let lost = matches!(&*slot.borrow(), Slot::Lost(_));
        (!lost).then(|| slot.subscribe())
    }

    /// Takes a document for a task; nobody's is dropped.
    pub(crate) fn deliver(&self, task_id: &str, document: &[u8]) {
        if let Some(task) = self.tasks().get(task_id) {
            task.slot.send_replace(Slot::Document(document.into()));
        }
    }

    /// Tells all who wait that there is nothing to wait for any more.
    pub(crate) fn lose(&self, reason: &str) {
        let reason: Arc<str> = reason.into();
        for task in self.tasks().values() {
            task.slot.send_replace(Slot::Lost(reason.clone()));
        }
    }

    /// All watched tasks.
    pub(crate) fn task_ids(&self) -> Vec<String> {
        self.tasks().keys().cloned().collect()
    }

    /// Whether a task is watched.
    pub(crate) fn contains(&self, task_id: &str) -> bool {
        self.tasks().contains_key(task_id)
    }

    /// Whether no task is watched.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks().is_empty()
    }

    /// Removes a task with all its handles.
    pub(crate) fn remove(&self, task_id: &str) {
        self.tasks().remove(task_id);
    }

    /// Removes all tasks.
    pub(crate) fn clear(&self) {
        self.tasks().clear();
    }

    fn tasks(&self) -> MutexGuard<'_, HashMap<String, Watched>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reaches_its_follower_and_nobody_else() {
        let board = Board::default();
        board.hold("a");
        board.hold("b");
        let (a, b) = (board.follow("a").unwrap(), board.follow("b").unwrap());
        board.deliver("a", b"{}");
        board.deliver("nobody", b"{}");
        assert!(matches!(&*a.borrow(), Slot::Document(text) if **text == *b"{}"));
        assert!(matches!(&*b.borrow(), Slot::Empty));
    }

    #[test]
    fn watching_again_keeps_what_is_known_and_takes_a_loss_back() {
        let board = Board::default();
        board.hold("a");
        board.deliver("a", b"{}");
        board.hold("a");
        assert!(matches!(&*board.follow("a").unwrap().borrow(), Slot::Document(_)));
        board.lose("gone");
        assert!(board.follow("a").is_none());
        board.hold("a");
        assert!(matches!(&*board.follow("a").unwrap().borrow(), Slot::Empty));
    }

    #[test]
    fn a_task_with_two_handles_is_there_until_the_second_one_goes() {
        let board = Board::default();
        board.hold("a");
        board.hold("a");
        board.listen("a");
        let slot = board.follow("a").unwrap();
        assert!(!board.release("a"));
        board.deliver("a", b"{}");
        assert!(matches!(&*slot.borrow(), Slot::Document(_)));
        assert!(board.release("a"));
        assert!(!board.contains("a") && !board.release("a"));
    }

    #[test]
    fn what_is_removed_is_no_longer_followed() {
        let board = Board::default();
        board.hold("a");
        let slot = board.follow("a").unwrap();
        board.remove("a");
        assert!(slot.has_changed().is_err());
        assert!(!board.contains("a"));
    }
}
