//! What a worker's `/app` holds before it starts.

use std::path::Path;

use include_dir::{Dir, File, include_dir};

use crate::{
    Config, ContentTree, Error, PyModule, PyValue, TaskNames,
    assembly::Assembly,
    load,
    name::Role,
    scan::{MODULE_SETTINGS, scan},
};

/// The name of the Celery app, unless it is given another: as pytest-celery's `DEFAULT_WORKER_APP_NAME`.
pub const DEFAULT_APP_NAME: &str = "celery_test_app";

/// What the generated app writes to standard output when Celery's `worker_ready` fires, before the worker's name: on file
/// descriptor 1, so it depends on no log level and on no `worker_redirect_stdouts`.
pub const READY_MARKER: &str = "testcelery: worker ready";

/// The generated file with the configuration, by its path in the tree.
pub const SETTINGS_FILE: &str = "testcelery/settings.py";

/// Files that are the same for every worker. Python that is ours is in these, and nowhere else.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// The group of the modules with tasks.
const TASKS: &str = "tasks";

/// The module of the default tasks.
const DEFAULT_TASKS: &str = "testcelery.tasks";

/// The file of the default tasks, by its path in the tree.
const DEFAULT_TASKS_FILE: &str = "testcelery/tasks.py";

/// The recipe for what a worker's `/app` holds: the app, the default tasks, the user's modules and settings.
///
/// ```
/// use testcelery_codegen::{InitialContent, PyModule};
///
/// let text = "from celery import shared_task\n\n@shared_task\ndef pay(): ...\n";
/// let content = InitialContent::new("shop")
///     .tasks(PyModule::source("tests.tasks", text))
///     .config("task_acks_late", true);
/// let tree = content.generate()?;
/// assert_eq!(tree.text("tests/tasks.py"), Some(text));
/// assert!(tree.text("testcelery/settings.py").unwrap().contains("'task_acks_late': True"));
/// assert!(content.task_names()?.contains("tests.tasks.pay"));
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
///
/// Two contents are equal when what they generate is.
#[derive(Debug, Clone)]
pub struct InitialContent {
    app_name: String,
    app: Option<PyModule>,
    utils: Option<PyModule>,
    groups: Vec<(String, Vec<PyModule>)>,
    config: Config,
}

impl InitialContent {
    /// The app with the default tasks and nothing else.
    pub fn new(app_name: impl Into<String>) -> Self {
        Self {
            app_name: app_name.into(),
            app: None,
            utils: None,
            groups: vec![(TASKS.to_owned(), Vec::new())],
            config: Config::default(),
        }
    }

    /// Sets the name of the Celery app. An [`app`](Self::app) of your own keeps the name that it has.
    #[must_use]
    pub fn app_name(mut self, app_name: impl Into<String>) -> Self {
        self.app_name = app_name.into();
        self
    }

    /// Takes a module that builds a `Celery(..)` of its own in place of our `app.py`. The app in it is found by Celery's own rules
    /// (`celery -A`): an attribute `app` or `celery`, the module `celery` of a package, any other `Celery` in it. It is used as it is,
    /// and gets the settings, the URLs of broker and result backend, the modules and the ready marker on top.
    ///
    /// The module keeps its dotted name, and may be called `app`. One that the worker has by itself is
    /// [`PyModule::installed`].
    #[must_use]
    pub fn app(mut self, module: PyModule) -> Self {
        self.app = Some(module);
        self
    }

    /// Takes a module in place of our `utils.py`. In the worker it is `utils`, whatever it is called here.
    #[must_use]
    pub fn utils(mut self, module: PyModule) -> Self {
        self.utils = Some(module.named("utils"));
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
        self.config = self.config.set(key, value);
        self
    }

    /// Adds all settings of a configuration, whose values replace earlier ones.
    #[must_use]
    pub fn configure(mut self, config: Config) -> Self {
        self.config = self.config.merge(config);
        self
    }

    /// One of the settings so far, by its name.
    pub fn setting(&self, key: &str) -> Option<&PyValue> {
        self.config.get(key)
    }

    /// Whether an [`app`](Self::app) of your own takes the place of ours.
    pub fn has_own_app(&self) -> bool {
        self.app.is_some()
    }

    /// What stands behind `celery -A` for this content: `app`, or the module of ours that finds an app of your own.
    pub fn command_app(&self) -> &'static str {
        if self.has_own_app() { "testcelery.entry" } else { "app" }
    }

    /// Reads and checks all modules and renders the files. The same content gives the same bytes.
    ///
    /// # Errors
    /// When a module cannot be read, is not Python, cannot have its name or imports something from beside it that is not there; when
    /// the modules of the group `tasks` register no task; when a setting cannot be rendered.
    pub fn generate(&self) -> Result<ContentTree, Error> {
        self.generate_in(&load::current_folder()?)
    }

    /// The names by which Celery knows the tasks of this content: the default ones, and those of [`PyModule::task_names`] of every module
    /// that is or comes along.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn task_names(&self) -> Result<TaskNames, Error> {
        let gathered = self.gather(&load::current_folder()?)?;
        let defaults = scan(DEFAULT_TASKS_FILE, DEFAULT_TASKS, template(DEFAULT_TASKS_FILE))?.tasks.names;
        Ok(gathered.assembly.task_names().with(defaults))
    }

    fn gather(&self, folder: &Path) -> Result<Gathered, Error> {
        let mut assembly = Assembly::new(folder.to_owned());
        let app = self.app.as_ref().map(|app| assembly.add(app, Role::App)).transpose()?;
        if let Some(utils) = &self.utils {
            assembly.add(utils, Role::Utils)?;
        }
        let mut added = Vec::new();
        for (group, modules) in &self.groups {
            let modules = modules.iter().map(|module| assembly.add(module, Role::Any));
            added.push((group.as_str(), modules.collect::<Result<Vec<_>, _>>()?));
        }
        for setting in MODULE_SETTINGS {
            for name in texts(self.config.get(setting)) {
                assembly.add_named(&name, setting)?;
            }
        }
        assembly.resolve()?;
        let mut groups = Vec::new();
        for (group, added) in added {
            let is_tasks = group == TASKS;
            if is_tasks && !added.is_empty() && assembly.is_without_tasks(&added) {
                let modules: Vec<String> = added.iter().map(|added| format!("`{}`", added.name)).collect();
                return Err(Error::NoTasks { modules: modules.join(", ") });
            }
            let mut names = if is_tasks { vec![DEFAULT_TASKS.to_owned()] } else { Vec::new() };
            for added in &added {
                let imported = assembly.imported(added, |tasks| !is_tasks || !tasks.is_empty());
                names.extend(imported.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
            }
            groups.push((group.to_owned(), names));
        }
        Ok(Gathered { assembly, app: app.map(|app| app.name), groups })
    }

    fn generate_in(&self, folder: &Path) -> Result<ContentTree, Error> {
        let Gathered { assembly, app, groups } = self.gather(folder)?;
        let mut tree = ContentTree::default();
        let is_replaced = |path: &str| match path {
            "app.py" => self.app.is_some(),
            "testcelery/entry.py" => self.app.is_none(),
            "utils.py" => self.utils.is_some(),
            _ => false,
        };
        for file in sources(&TEMPLATES) {
            let path = file.path().to_string_lossy();
            if !is_replaced(&path) {
                tree.insert(path, file.contents(), 0o644);
            }
        }
        tree.insert(SETTINGS_FILE, self.settings(app.as_deref(), &groups)?, 0o644);
        assembly.finish(&mut tree)?;
        Ok(tree)
    }

    fn settings(&self, app: Option<&str>, groups: &[(String, Vec<String>)]) -> Result<String, Error> {
        if self.app_name.trim().is_empty() {
            return Err(Error::AppName);
        }
        let config = self.config.render()?;
        let mut imports: String = config.imports.iter().map(|module| format!("import {module}\n")).collect();
        if !imports.is_empty() {
            imports.push('\n');
        }
        let mut modules = Vec::new();
        for (group, names) in groups {
            modules.push((group.clone(), PyValue::from(names.clone()).render(group)?));
        }
        Ok(format!(
            "\"\"\"What testcelery was told about this worker.\"\"\"\n\n\
             {imports}\
             APP_NAME = {}\n\n\
             # The module of the user's own app.\n\
             APP_MODULE = {}\n\n\
             # By group, in the order of their import.\n\
             MODULES = {}\n\n\
             # By the names that Celery gives them.\n\
             CONFIG = {}\n",
            PyValue::from(self.app_name.as_str()).render("app name")?,
            PyValue::from(app).render("app")?,
            block(&modules)?,
            block(&config.entries)?,
        ))
    }
}

/// Modules that were gathered, with what is to be imported of them.
struct Gathered {
    assembly: Assembly,
    /// The dotted name of the user's own app.
    app: Option<String>,
    groups: Vec<(String, Vec<String>)>,
}

/// A content is what it generates: the recipe may differ, and files on the disk count. One that cannot be generated is equal to none.
impl PartialEq for InitialContent {
    fn eq(&self, other: &Self) -> bool {
        self.generate().is_ok_and(|own| other.generate().is_ok_and(|other| own == other))
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

/// The texts in a list or tuple.
fn texts(value: Option<&PyValue>) -> Vec<String> {
    let items = match value {
        Some(PyValue::List(items) | PyValue::Tuple(items)) => items.as_slice(),
        _ => &[],
    };
    let text = |item: &PyValue| if let PyValue::Str(text) = item { Some(text.clone()) } else { None };
    items.iter().filter_map(text).collect()
}

/// The text of a file that is the same for every worker.
fn template(path: &str) -> &'static str {
    TEMPLATES.get_file(path).and_then(File::contents_utf8).unwrap_or_default()
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

#[cfg(test)]
mod tests;
