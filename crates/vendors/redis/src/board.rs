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
    slots: Mutex<HashMap<String, watch::Sender<Slot>>>,
}

impl Board {
    /// Adds a task; what is known of it stays, a loss is taken back.
    pub(crate) fn add(&self, task_id: &str) {
        let mut slots = self.slots();
        let slot = slots.entry(task_id.to_owned()).or_insert_with(|| watch::Sender::new(Slot::Empty));
        slot.send_if_modified(|slot| {
            let lost = matches!(slot, Slot::Lost(_));
            if lost {
                *slot = Slot::Empty;
            }
            lost
        });
    }

    /// Follows a task; `None` for one that is not watched, or that was lost.
    pub(crate) fn follow(&self, task_id: &str) -> Option<watch::Receiver<Slot>> {
        let slots = self.slots();
        let slot = slots.get(task_id)?;
        let lost = matches!(&*slot.borrow(), Slot::Lost(_));
        (!lost).then(|| slot.subscribe())
    }

    /// Takes a document for a task; nobody's is dropped.
    pub(crate) fn deliver(&self, task_id: &str, document: &[u8]) {
        if let Some(slot) = self.slots().get(task_id) {
            slot.send_replace(Slot::Document(document.into()));
        }
    }

    /// Tells all who wait that there is nothing to wait for any more.
    pub(crate) fn lose(&self, reason: &str) {
        let reason: Arc<str> = reason.into();
        for slot in self.slots().values() {
            slot.send_replace(Slot::Lost(reason.clone()));
        }
    }

    /// All watched tasks.
    pub(crate) fn task_ids(&self) -> Vec<String> {
        self.slots().keys().cloned().collect()
    }

    /// Whether a task is watched.
    pub(crate) fn contains(&self, task_id: &str) -> bool {
        self.slots().contains_key(task_id)
    }

    /// Whether no task is watched.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots().is_empty()
    }

    /// Removes a task.
    pub(crate) fn remove(&self, task_id: &str) {
        self.slots().remove(task_id);
    }

    /// Removes all tasks.
    pub(crate) fn clear(&self) {
        self.slots().clear();
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reaches_its_follower_and_nobody_else() {
        let board = Board::default();
        board.add("a");
        board.add("b");
        let (a, b) = (board.follow("a").unwrap(), board.follow("b").unwrap());
        board.deliver("a", b"{}");
        board.deliver("nobody", b"{}");
        assert!(matches!(&*a.borrow(), Slot::Document(text) if **text == *b"{}"));
        assert!(matches!(&*b.borrow(), Slot::Empty));
    }

    #[test]
    fn watching_again_keeps_what_is_known_and_takes_a_loss_back() {
        let board = Board::default();
        board.add("a");
        board.deliver("a", b"{}");
        board.add("a");
        assert!(matches!(&*board.follow("a").unwrap().borrow(), Slot::Document(_)));
        board.lose("gone");
        assert!(board.follow("a").is_none());
        board.add("a");
        assert!(matches!(&*board.follow("a").unwrap().borrow(), Slot::Empty));
    }

    #[test]
    fn what_is_removed_is_no_longer_followed() {
        let board = Board::default();
        board.add("a");
        let slot = board.follow("a").unwrap();
        board.remove("a");
        assert!(slot.has_changed().is_err());
        assert!(!board.contains("a"));
    }
}
