//! Names of modules: what they are made of, and which ones are taken.

use std::path::{Component, Path};

use crate::Error;

/// What the worker's `/app` holds besides the user's modules.
const OURS: &str = "\
    app testcelery utils";

/// Celery and what it imports. `/app` comes first on Python's path, so a module of such a name would take the place of the package.
const CELERY: &str = "\
    amqp billiard celery click click_didyoumean click_plugins click_repl dateutil eventlet gevent \
    kombu memcache packaging pkg_resources prompt_toolkit pymemcache pytz redis setuptools six \
    typing_extensions tzdata tzlocal vine wcwidth";

/// `sys.stdlib_module_names` of Python 3.8 to 3.14, without those that nothing imports (`test`, `turtle`, `idlelib` ...).
const STANDARD: &str = "\
    abc aifc argparse array ast asynchat asyncio asyncore atexit audioop base64 bdb binascii bisect \
    builtins bz2 cProfile calendar cgi chunk cmath cmd code codecs codeop collections colorsys \
    compileall compression concurrent configparser contextlib contextvars copy copyreg csv ctypes \
    curses dataclasses datetime dbm decimal difflib dis distutils doctest email encodings enum errno \
    faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt \
    getpass gettext glob graphlib grp gzip hashlib heapq hmac html http imaplib imghdr imp importlib \
    inspect io ipaddress itertools json keyword linecache locale logging lzma mailbox marshal math \
    mimetypes mmap modulefinder multiprocessing netrc ntpath numbers opcode operator optparse os \
    pathlib pdb pickle pickletools pkgutil platform plistlib poplib posix posixpath pprint profile \
    pstats pty pwd py_compile pydoc pyexpat queue quopri random re readline reprlib resource runpy \
    sched secrets select selectors shelve shlex shutil signal site smtplib socket socketserver \
    sqlite3 ssl stat statistics string stringprep struct subprocess symtable sys sysconfig syslog \
    tarfile tempfile termios textwrap threading time timeit token tokenize tomllib trace traceback \
    tracemalloc tty types typing unicodedata unittest urllib uu uuid warnings wave weakref \
    webbrowser wsgiref xml xmlrpc zipapp zipfile zipimport zlib zoneinfo";

/// What Python does not take for a name.
const KEYWORDS: &str = "\
    False None True and as assert async await break class continue def del elif else except finally \
    for from global if import in is lambda nonlocal not or pass raise return try while with yield";

/// Who a module of a dotted name is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of a group: it may have any name that is not taken.
    Any,
    /// The app, which may be called `app`.
    App,
    /// The helpers, which may be called `utils`.
    Utils,
}

/// The longest dotted name that is taken, in bytes. It becomes a path, and Linux takes paths of 4,096 bytes.
pub(crate) const LONGEST: usize = 1_024;

/// The longest part of a dotted name that is taken, in bytes: with `.py` it is the name of a file, which takes 255 bytes.
const LONGEST_PART: usize = 250;

/// Whether a dotted name is one that a module can have. `module` is what an error calls it.
pub(crate) fn check_identifiers(module: &str, name: &str) -> Result<(), Error> {
    if name.len() > LONGEST || name.split('.').any(|segment| segment.len() > LONGEST_PART) {
        let start: String = name.chars().take(40).collect();
        let problem = format!(
            "the module name `{start}..` has {} bytes; at most {LONGEST} are taken, and {LONGEST_PART} between two dots",
            name.len()
        );
        return Err(Error::ModuleName { module: module.chars().take(LONGEST).collect(), problem });
    }
    match name.split('.').find(|segment| !is_identifier(segment)) {
        None => Ok(()),
        Some(bad) => Err(Error::ModuleName {
            module: module.to_owned(),
            problem: format!(
                "`{name}` is no name for a Python module ({bad:?} is no identifier); give it one with `.named(\"package.module\")`"
            ),
        }),
    }
}

/// Whether a dotted name is free for a module of a role. `module` is what an error calls it.
pub(crate) fn check_free(module: &str, name: &str, role: Role) -> Result<(), Error> {
    let top = name.split('.').next().unwrap_or(name);
    let Some(owner) = owner(top) else { return Ok(()) };
    let hint = match (role, top) {
        (Role::App, "app") | (Role::Utils, "utils") => return Ok(()),
        (_, "app") => {
            "hand it over with `.app(..)`, or give it another name with `.named(\"package.module\")`"
        }
        (_, "utils") => {
            "hand it over with `.utils(..)`, or give it another name with `.named(\"package.module\")`"
        }
        _ => "give it another name with `.named(\"package.module\")`",
    };
    let problem = format!("`{name}` would take the place of the module `{top}` that {owner}; {hint}");
    Err(Error::ModuleName { module: module.to_owned(), problem })
}

/// Who needs a module of such a name at the top.
fn owner(top: &str) -> Option<&'static str> {
    let owners =
        [(OURS, "testcelery puts into the worker"), (CELERY, "Celery needs"), (STANDARD, "Python has")];
    owners.into_iter().find_map(|(names, owner)| has(names, top).then_some(owner))
}

/// Whether it is Python's, or Celery's, or of what Celery needs: never looked for beside a user's module.
pub(crate) fn is_installed(top: &str) -> bool {
    has(CELERY, top) || has(STANDARD, top) || top == "__future__"
}

/// The dotted name of a file or a package's folder, by its path below the folder that imports start from: `tests/tasks.py` is
/// `tests.tasks`. Relative paths start from `folder`.
pub(crate) fn of_path(path: &Path, folder: &Path, root: &Path) -> Result<String, Error> {
    let refuse = |problem: &str| {
        let problem = format!("{problem}; give it a name with `.named(\"package.module\")`");
        Err(Error::ModuleName { module: path.display().to_string(), problem })
    };
    let full = folder.join(path);
    let Ok(below) = full.strip_prefix(root) else {
        let problem = format!(
            "it is not below {}, so its place says nothing about its name; say where imports start from with `.root(..)`",
            root.display()
        );
        return Err(Error::ModuleName { module: path.display().to_string(), problem });
    };
    let mut segments = Vec::new();
    for component in below.components() {
        match (component, component.as_os_str().to_str()) {
            (Component::CurDir, _) => {}
            (Component::Normal(_), Some(segment)) => segments.push(segment),
            (Component::ParentDir, _) => {
                return refuse("the path has `..` in it, so it says nothing about the module's name");
            }
            _ => return refuse("the path is not UTF-8"),
        }
    }
    if !full.is_dir() {
        let Some(stem) = segments.pop().and_then(|file| file.strip_suffix(".py")) else {
            return refuse("the file is no `.py` file");
        };
        if stem != "__init__" {
            segments.push(stem);
        }
    }
    if segments.is_empty() {
        return refuse("imports start from this very folder, so it has no name");
    }
    Ok(segments.join("."))
}

/// Whether a list of words has a word.
fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known == word)
}

/// Python takes letters of any script; what `is_alphanumeric` lets through and Python does not is left to Python.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && chars.all(|c| c == '_' || c.is_alphanumeric())
        && !has(KEYWORDS, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_to_fit_into_a_path() {
        assert!(check_identifiers("x", &["a"; LONGEST / 2].join(".")).is_ok());
        for name in [["a"; 30_000].join("."), "a".repeat(LONGEST_PART + 1)] {
            let error = check_identifiers("an inline module", &name).unwrap_err().to_string();
            assert!(error.contains("at most 1024 are taken") && error.len() < 300, "{error}");
        }
    }

    fn named(path: &str) -> Result<String, String> {
        let folder = Path::new("/home/me/project");
        of_path(Path::new(path), folder, folder).map_err(|error| error.to_string())
    }

    #[test]
    fn a_path_gives_the_name() {
        for (path, name) in [
            ("tests/tasks.py", "tests.tasks"),
            ("./tasks.py", "tasks"),
            ("/home/me/project/a/b/c.py", "a.b.c"),
            ("proj/__init__.py", "proj"),
        ] {
            assert_eq!(named(path).unwrap(), name);
        }
    }

    #[test]
    fn a_path_that_gives_none_asks_for_one() {
        for (path, part) in [
            ("../tasks.py", "`..`"),
            ("/elsewhere/tasks.py", "not below /home/me/project"),
            ("tests/tasks.txt", "no `.py` file"),
        ] {
            let error = named(path).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn imports_may_start_below() {
        let name = |path, root| of_path(Path::new(path), Path::new("/me"), &Path::new("/me").join(root));
        assert_eq!(name("src/shop/tasks.py", "src").unwrap(), "shop.tasks");
        assert_eq!(name("../lib/shop.py", "../lib").unwrap(), "shop");
        assert!(name("shop/tasks.py", "src").unwrap_err().to_string().contains(".root("));
    }

    #[test]
    fn names_that_python_refuses() {
        for name in ["", "a..b", "my-tests.tasks", "1st", "a.class", "a b"] {
            let error = check_identifiers("x", name).unwrap_err().to_string();
            assert!(error.contains("no name for a Python module"), "{error}");
        }
        check_identifiers("x", "größe.tasks").unwrap();
    }

    #[test]
    fn names_that_are_taken() {
        for (name, owner) in [
            ("app", "testcelery puts"),
            ("utils.x", "testcelery puts"),
            ("celery", "Celery needs"),
            ("json", "Python has"),
        ] {
            let error = check_free("tests/x.py", name, Role::Any).unwrap_err().to_string();
            assert!(error.starts_with("tests/x.py: ") && error.contains(owner), "{error}");
        }
        assert!(check_free("x", "tests.app", Role::Any).is_ok());
        assert!(check_free("x", "test.tasks", Role::Any).is_ok());
        assert!(check_free("x", "app", Role::App).is_ok() && check_free("x", "utils", Role::Utils).is_ok());
        assert!(check_free("x", "celery", Role::App).is_err());
    }
}
