//! The user's Python modules.

use std::path::PathBuf;

use include_dir::Dir;

use crate::{Error, TaskNames, assembly::Assembly, load, name::Role};

/// A Python module, or a package of them, that goes into a worker.
///
/// Files are read and parsed when the content is generated, so what runs is what is on the disk at that moment. What a module imports
/// from beside it comes along: siblings by relative imports, and whatever absolute imports find below the folder that imports start
/// from. That is the current folder (a package's own under `cargo test`) unless [`root`](Self::root) says otherwise.
///
/// ```
/// use testcelery_codegen::PyModule;
///
/// // `tests.tasks`, with `tests/__init__.py` if there is one.
/// let from_file = PyModule::file("tests/tasks.py");
/// // The same file by another name.
/// let renamed = PyModule::file("tests/tasks.py").named("proj.tasks");
/// // `shop.tasks`, of a project that keeps its packages in `src`.
/// let below = PyModule::file("src/shop/tasks.py").root("src");
/// let whole_package = PyModule::package("shop");
/// let inline = PyModule::source("quick", "from celery import shared_task\n");
/// // Not written anywhere: the worker's image, a mount or a requirement has it.
/// let there = PyModule::installed("shop.tasks");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PyModule {
    pub(crate) origin: Origin,
    pub(crate) name: Option<String>,
    pub(crate) root: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    File(PathBuf),
    Package(PathBuf),
    Source(String),
    Embedded(Dir<'static>),
    Installed,
}

impl PyModule {
    fn new(origin: Origin, name: Option<String>) -> Self {
        Self { origin, name, root: None }
    }

    /// A file. Its path says its dotted name: `tests/tasks.py` is `tests.tasks`, and the `__init__.py` of each folder on the way comes
    /// along.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Origin::File(path.into()), None)
    }

    /// A folder that is a package, with everything in it: modules, packages, other files. Hidden files and what Python compiled stay
    /// out.
    ///
    /// When the worker starts, it imports the package and, of a group of tasks, those of its modules that register tasks; of any other
    /// group all of its modules but `__main__`.
    pub fn package(folder: impl Into<PathBuf>) -> Self {
        Self::new(Origin::Package(folder.into()), None)
    }

    /// A dotted name and the text of the module.
    pub fn source(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(Origin::Source(text.into()), Some(name.into()))
    }

    /// A package of a dotted name, as [`package`](Self::package), out of a folder that `include_dir!` has embedded into the program.
    ///
    /// ```
    /// use include_dir::{Dir, include_dir};
    /// use testcelery_codegen::PyModule;
    ///
    /// static TASKS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tests/data/shop");
    /// let tasks = PyModule::embedded("shop", TASKS.clone()).task_names()?;
    /// assert_eq!(tasks.names(), ["shop.jobs.pay"]);
    /// # Ok::<(), testcelery_codegen::Error>(())
    /// ```
    pub fn embedded(name: impl Into<String>, folder: Dir<'static>) -> Self {
        Self::new(Origin::Embedded(folder), Some(name.into()))
    }

    /// A module that the worker can import by itself, because its image, a mount or a requirement has it. Nothing is read or written.
    pub fn installed(name: impl Into<String>) -> Self {
        Self::new(Origin::Installed, Some(name.into()))
    }

    /// Gives it another dotted name. The packages on the way to it are empty ones then.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the folder that imports start from, and that dotted names are counted from. A relative one starts from the current folder.
    #[must_use]
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.root = Some(folder.into());
        self
    }

    /// The names by which Celery knows the tasks that the module registers: of `@app.task`, `@shared_task` and `register_task`, with `name=`
    /// or without. Of a package those of all of its modules. Tasks of what is imported from beside it are included, and so are those in a
    /// function that makes an app, if a module calls that function when it is imported.
    ///
    /// No source is run. Places that may register tasks under names which only running them shows are in [`TaskNames::unseen`].
    ///
    /// ```
    /// use testcelery_codegen::PyModule;
    ///
    /// let module = PyModule::source("shop.jobs", "@app.task\ndef pay(): ...\n\n@app.task(name='post')\ndef send(): ...\n");
    /// assert_eq!(module.task_names()?.names(), ["post", "shop.jobs.pay"]);
    /// # Ok::<(), testcelery_codegen::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it, or what it imports from beside it, cannot be read, is not Python or cannot have its name.
    pub fn task_names(&self) -> Result<TaskNames, Error> {
        let mut assembly = Assembly::for_listing(load::current_folder()?);
        assembly.add(self, Role::Any)?;
        assembly.resolve()?;
        Ok(assembly.task_names())
    }
}
