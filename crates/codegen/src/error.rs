//! The error of this crate.

use std::{io, path::PathBuf};

/// Why there is no content. Nothing was written anywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A source is not Python.
    #[error("{path}:{line}:{column}: {message}\n  | {text}")]
    Syntax {
        /// The file, or the path that an inline source gets.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What the parser says.
        message: String,
        /// The line itself.
        text: String,
    },

    /// A file cannot be read.
    #[error("could not read the Python module `{}` (looked for in {})", path.display(), folder.display())]
    Read {
        /// The file as it was given.
        path: PathBuf,
        /// The folder that a relative path starts from.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },

    /// A path is no regular file, for example a FIFO or a device, which may have no end.
    #[error("`{}` is {kind}, and only regular files are read; name a file", path.display())]
    NotAFile {
        /// The path as it was given.
        path: PathBuf,
        /// What it is, for example `a FIFO`.
        kind: &'static str,
    },

    /// The thread that reads a module could not be started.
    #[error(
        "could not start the thread that reads the Python module `{path}`; raise the limits of this process"
    )]
    Thread {
        /// The file, or the path that an inline source gets.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },

    /// A path is a folder where a file is expected.
    #[error("`{}` is a folder; name a Python file in it, or take all of it with `PyModule::package(..)`", path.display())]
    Folder {
        /// The path as it was given.
        path: PathBuf,
    },

    /// A path is no folder where a package is expected.
    #[error("`{}` is no folder; a single module is `PyModule::file(..)`", path.display())]
    NoFolder {
        /// The path as it was given.
        path: PathBuf,
    },

    /// A folder that is to be a package holds no module.
    #[error("`{}` holds no Python module; name the folder of a package", path.display())]
    NoModules {
        /// The path as it was given.
        path: PathBuf,
    },

    /// A link in a package leads somewhere else.
    #[error(
        "the link `{}` leads to `{}`, which is not inside of `{}`; put a copy in its place, or name the module there by itself",
        link.display(), target.display(), folder.display()
    )]
    Link {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// The folder that it may not leave.
        folder: PathBuf,
    },

    /// A package holds more files and folders than a worker is given.
    #[error("`{}` holds more than {most} files and folders; name the folder of a package, or mount it into the worker instead", path.display())]
    TooMany {
        /// The path as it was given.
        path: PathBuf,
        /// The limit.
        most: usize,
    },

    /// A file is too large to be meant.
    #[error("`{}` has {size} bytes, and at most {most} are taken; mount large files into the worker instead", path.display())]
    TooLarge {
        /// The file as it was given.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        most: u64,
    },

    /// A module imports something from beside it that is not there.
    #[error("{path}:{line}: cannot import `{name}`: {problem}\n  | {text}")]
    Import {
        /// The importing file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What it imports, with leading dots where it is relative.
        name: String,
        /// What is wrong and what to do.
        problem: String,
        /// The line itself.
        text: String,
    },

    /// Modules are there for their tasks, and register none.
    #[error(
        "the modules {modules} register no task; decorate a function with `@shared_task`, or add them to another group"
    )]
    NoTasks {
        /// The modules.
        modules: String,
    },

    /// A file is not UTF-8.
    #[error("{}:{line}: not UTF-8 from this line on; save the file as UTF-8", path.display())]
    NotUtf8 {
        /// The file as it was given.
        path: PathBuf,
        /// The first line that is not UTF-8, from 1.
        line: usize,
    },

    /// A module cannot have the name that it would get.
    #[error("{module}: {problem}")]
    ModuleName {
        /// The module: its file, or its name.
        module: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// Two modules would be written to one path.
    #[error(
        "two different sources for `{path}`: {first} and {second}; give one of them another name with `.named(..)`"
    )]
    Conflict {
        /// The path in the content.
        path: String,
        /// Where the first one comes from.
        first: String,
        /// Where the second one comes from.
        second: String,
    },

    /// A setting cannot be rendered.
    #[error("setting `{key}`: {problem}")]
    Setting {
        /// The key with the path into its value, as `task_routes['x'][0]`.
        key: String,
        /// What is wrong and what to do.
        problem: String,
    },

    /// The app has an empty name.
    #[error("the name of the Celery app is empty")]
    AppName,
}
