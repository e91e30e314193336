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

    /// A path is a folder where a file is expected.
    #[error("`{}` is a folder; name a Python file in it", path.display())]
    Folder {
        /// The path as it was given.
        path: PathBuf,
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
