//! The tasks that sources show, and the places where they show none.

use std::{collections::BTreeSet, fmt};

/// The names of tasks, as far as they are known without running a source.
///
/// Decorators, and calls of `task(..)`, are seen, with the places that show no name. Not noticed at all are tasks that a source makes by other
/// ways, for example `exec(..)`, `getattr(app, "task")` or `app.tasks.register(..)`, and an app class with a `gen_task_name` of its own.
///
/// ```
/// use testcelery_codegen::PyModule;
///
/// let text = "@app.task\ndef pay(): ...\n\n@app.task(name=PREFIX + '.post')\ndef send(): ...\n";
/// let tasks = PyModule::source("shop.jobs", text).task_names()?;
/// assert_eq!(tasks.names(), ["shop.jobs.pay"]);
/// assert!(tasks.contains("shop.jobs.pay") && !tasks.is_complete());
/// assert_eq!(tasks.unseen()[0].to_string(), "shop/jobs.py (inline):4: the name of the task `send` is computed");
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskNames {
    names: Vec<String>,
    unseen: Vec<UnseenTasks>,
}

/// A place in a source that may register tasks whose names it does not show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct UnseenTasks {
    /// The file, or the module where there is no file.
    pub path: String,
    /// The line, from 1; `None` where there is no file.
    pub line: Option<usize>,
    /// Why the names are not known.
    pub reason: String,
}

impl TaskNames {
    pub(crate) fn new(names: BTreeSet<String>, mut unseen: Vec<UnseenTasks>) -> Self {
        unseen.sort();
        unseen.dedup();
        Self { names: names.into_iter().collect(), unseen }
    }

    /// Adds names.
    pub(crate) fn with(mut self, names: BTreeSet<String>) -> Self {
        self.names.extend(names);
        self.names.sort();
        self.names.dedup();
        self
    }

    /// The names that are known, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a name is among those that are known.
    pub fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// The places that may register further tasks, by file and line.
    pub fn unseen(&self) -> &[UnseenTasks] {
        &self.unseen
    }

    /// Whether there is no place that may register further tasks.
    pub fn is_complete(&self) -> bool {
        self.unseen.is_empty()
    }
}

impl UnseenTasks {
    pub(crate) fn new(path: String, line: Option<usize>, reason: String) -> Self {
        Self { path, line, reason }
    }
}

impl fmt::Display for UnseenTasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.reason),
            None => write!(f, "{}: {}", self.path, self.reason),
        }
    }
}

/// The names that are known.
impl IntoIterator for TaskNames {
    type Item = String;
    type IntoIter = std::vec::IntoIter<String>;

    fn into_iter(self) -> Self::IntoIter {
        self.names.into_iter()
    }
}
