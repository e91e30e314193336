//! The tasks of all modules of a content, and the places that may register more.

use std::collections::BTreeSet;

use super::{Assembly, Known};
use crate::{TaskNames, UnseenTasks, load::parent_of, source};

impl Assembly {
    /// The tasks of all modules.
    pub(crate) fn task_names(&self) -> TaskNames {
        let mut names = BTreeSet::new();
        let mut unseen = self.unread.clone();
        for (module, known) in &self.modules {
            names.extend(known.tasks.names.iter().cloned());
            let is_read =
                |name: &str| self.modules.contains_key(name) || self.modules.contains_key(parent_of(name));
            for place in &known.tasks.unseen {
                if !place.module.as_deref().is_some_and(is_read) {
                    unseen.push(self.unseen(module, place.offset, place.reason.clone()));
                }
            }
            for task in &known.tasks.in_functions {
                let calls =
                    |other: &Known| other.uses.contains(module) && other.tasks.calls.contains(&task.function);
                if self.modules.values().any(calls) {
                    names.insert(task.name.clone());
                } else {
                    let reason = format!(
                        "`{}` is registered when `{}` is called, which no module that was read does on import",
                        task.name, task.function
                    );
                    unseen.push(self.unseen(module, task.offset, reason));
                }
            }
        }
        TaskNames::new(names, unseen)
    }

    /// A place in the source of a module.
    pub(super) fn unseen(&self, module: &str, offset: usize, reason: String) -> UnseenTasks {
        let (path, text) = self.source(module);
        UnseenTasks::new(path, Some(source::place(text, offset).line), reason)
    }
}
