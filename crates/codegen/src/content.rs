//! What a worker's `/app` holds before it starts.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
};

use include_dir::{Dir, File, include_dir};

use crate::{ContentTree, Error, PyModule, PyValue, merge::Merge};

/// The name of the Celery app, unless it is given another: as pytest-celery's `DEFAULT_WORKER_APP_NAME`.
pub const DEFAULT_APP_NAME: &str = "celery_test_app";

/// What the generated app writes to standard output when Celery's `worker_ready` fires, before the worker's name: on file
/// descriptor 1, so it depends on no log level and on no `worker_redirect_stdouts`.
pub const READY_MARKER: &str = "testcelery: worker ready";

/// Files that are the same for every worker. Python that is ours is in these, and nowhere else.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The group of the modules with tasks.
const TASKS: &str = "tasks";

/// Settings that come from the environment of the worker. Celery lets the environment win, so a value here would be a lie.
const FROM_ENVIRONMENT: &[(&str, &str)] =
    &[("broker_url", "the brokers of the setup"), ("result_backend", "the result backend of the setup")];

/// The recipe for what a worker's `/app` holds: the app, the default tasks, the user's modules and settings.
///
/// ```
/// use testcelery_codegen::{InitialContent, PyModule};
///
/// let tree = InitialContent::new("shop")
///     .tasks(PyModule::source("tests.tasks", "from celery import shared_task\n"))
///     .config("task_acks_late", true)
///     .generate()?;
/// let paths: Vec<&str> = tree.iter().map(|(path, _)| path).collect();
/// assert_eq!(paths, [
///     "app.py", "testcelery/__init__.py", "testcelery/boot.py", "testcelery/settings.py", "testcelery/tasks.py",
///     "tests/__init__.py", "tests/tasks.py", "utils.py",
/// ]);
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct InitialContent {
    app_name: String,
    groups: Vec<(String, Vec<PyModule>)>,
    config: BTreeMap<String, PyValue>,
}

impl InitialContent {
    /// The app with the default tasks and nothing else.
    pub fn new(app_name: impl Into<String>) -> Self {
        Self {
            app_name: app_name.into(),
            groups: vec![(TASKS.to_owned(), Vec::new())],
            config: BTreeMap::new(),
        }
    }

    /// Sets the name of the Celery app.
    #[must_use]
    pub fn app_name(mut self, app_name: impl Into<String>) -> Self {
        self.app_name = app_name.into();
        self
    }

    /// Adds a module with tasks.
    #[must_use]
    pub fn tasks(self, module: PyModule) -> Self {
        self.module(TASKS, module)
    }

    /// Adds a module to a group, as `signals`. All modules are imported when the worker starts: group after group, the tasks
    /// first, and in a group in the order in which they were added.
    #[must_use]
    pub fn module(mut self, group: impl Into<String>, module: PyModule) -> Self {
        let group = group.into();
        match self.groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, modules)) => modules.push(module),
            None => self.groups.push((group, vec![module])),
        }
        self
    }

    /// Sets one of Celery's settings by its lower-case name; a later value for a key replaces the earlier one.
    #[must_use]
    pub fn config(mut self, key: impl Into<String>, value: impl Into<PyValue>) -> Self {
        self.config.insert(key.into(), value.into());
        self
    }

    /// Reads and checks all modules and renders the files. The same content gives the same bytes.
    ///
    /// # Errors
    /// When a module cannot be read, is not Python or cannot have its name, or a setting cannot be rendered.
    pub fn generate(&self) -> Result<ContentTree, Error> {
        let dot = Path::new(".");
        let root = env::current_dir().map_err(|source| Error::Read {
            path: PathBuf::from(dot),
            folder: PathBuf::from(dot),
            source,
        })?;
        self.generate_in(&root)
    }

    fn generate_in(&self, root: &Path) -> Result<ContentTree, Error> {
        let mut merge = Merge::default();
        let mut groups = Vec::new();
        for (group, modules) in &self.groups {
            let mut names = if group == TASKS { vec!["testcelery.tasks".to_owned()] } else { Vec::new() };
            for module in modules {
                let loaded = module.load(root)?;
                loaded.files.into_iter().try_for_each(|file| merge.add(file))?;
                if !names.contains(&loaded.name) {
                    names.push(loaded.name);
                }
            }
            groups.push((group.clone(), PyValue::from(names)));
        }
        let mut tree = ContentTree::default();
        for file in sources(&TEMPLATES) {
            tree.insert(file.path().to_string_lossy(), file.contents());
        }
        tree.insert("testcelery/settings.py", self.settings(&groups)?);
        for (path, text) in merge.finish()? {
            tree.insert(path, text);
        }
        Ok(tree)
    }

    fn settings(&self, groups: &[(String, PyValue)]) -> Result<String, Error> {
        if self.app_name.trim().is_empty() {
            return Err(Error::AppName);
        }
        let mut config = Vec::new();
        for (key, value) in &self.config {
            check_key(key)?;
            config.push((key.clone(), value.render(key)?));
        }
        let mut modules = Vec::new();
        for (group, names) in groups {
            modules.push((group.clone(), names.render(group)?));
        }
        Ok(format!(
            "\"\"\"What testcelery was told about this worker.\"\"\"\n\n\
             APP_NAME = {}\n\n\
             # By group, in the order of their import.\n\
             MODULES = {}\n\n\
             # By the names that Celery gives them.\n\
             CONFIG = {}\n",
            PyValue::from(self.app_name.as_str()).render("app name")?,
            block(&modules)?,
            block(&config)?,
        ))
    }
}

impl Default for InitialContent {
    fn default() -> Self {
        Self::new(DEFAULT_APP_NAME)
    }
}

/// The Python files of a folder and of those in it; whatever else a Python on the developer's machine left there stays out.
fn sources<'a>(dir: &'a Dir<'a>) -> Vec<&'a File<'a>> {
    let is_source = |file: &&File<'_>| file.path().extension().is_some_and(|extension| extension == "py");
    let mut files: Vec<&File<'_>> = dir.files().filter(is_source).collect();
    files.extend(dir.dirs().flat_map(sources));
    files
}

/// A dict of text keys and rendered values, one item a line.
fn block(items: &[(String, String)]) -> Result<String, Error> {
    let mut out = String::from("{");
    for (key, value) in items {
        out.push_str(&format!("\n    {}: {value},", PyValue::from(key.as_str()).render(key)?));
    }
    out.push_str(if items.is_empty() { "}" } else { "\n}" });
    Ok(out)
}

fn check_key(key: &str) -> Result<(), Error> {
    let refuse = |problem: String| Err(Error::Setting { key: key.to_owned(), problem });
    let lower = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    if !key.starts_with(|c: char| c.is_ascii_lowercase()) || !key.chars().all(lower) {
        return refuse("no name of a Celery setting; they are lower-case, as `task_acks_late`".to_owned());
    }
    match FROM_ENVIRONMENT.iter().find(|(name, _)| *name == key) {
        Some((_, source)) => refuse(format!("its value comes from {source}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
