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

/// The segments of a dotted name, once it is one that a module can have. `module` is what an error calls it.
pub(crate) fn segments(module: &str, name: &str) -> Result<Vec<String>, Error> {
    let refuse = |problem: String| Err(Error::ModuleName { module: module.to_owned(), problem });
    let segments: Vec<&str> = name.split('.').collect();
    if let Some(bad) = segments.iter().find(|segment| !is_identifier(segment)) {
        return refuse(format!(
            "`{name}` is no name for a Python module ({bad:?} is no identifier); give it one with `.named(\"package.module\")`"
        ));
    }
    let top = segments[0];
    for (names, owner) in
        [(OURS, "testcelery puts into the worker"), (CELERY, "Celery needs"), (STANDARD, "Python has")]
    {
        if has(names, top) {
            return refuse(format!(
                "`{name}` would take the place of the module `{top}` that {owner}; give it another name with `.named(\"package.module\")`"
            ));
        }
    }
    Ok(segments.into_iter().map(str::to_owned).collect())
}

/// The dotted name of a file by its path below the folder that imports start from: `tests/tasks.py` is `tests.tasks`.
pub(crate) fn of_path(path: &Path, root: &Path) -> Result<String, Error> {
    let refuse = |problem: &str| {
        let problem = format!("{problem}; give it a name with `.named(\"package.module\")`");
        Err(Error::ModuleName { module: path.display().to_string(), problem })
    };
    let Some(path_below) = (if path.is_absolute() { path.strip_prefix(root).ok() } else { Some(path) })
    else {
        return refuse(&format!(
            "the file is not below {}, so its place says nothing about its name",
            root.display()
        ));
    };
    let mut segments = Vec::new();
    for component in path_below.components() {
        match (component, component.as_os_str().to_str()) {
            (Component::CurDir, _) => {}
            (Component::Normal(_), Some(segment)) => segments.push(segment),
            (Component::ParentDir, _) => {
                return refuse("the path has `..` in it, so it says nothing about the module's name");
            }
            _ => return refuse("the path is not UTF-8"),
        }
    }
    let Some(stem) = segments.pop().and_then(|file| file.strip_suffix(".py")) else {
        return refuse("the file is no `.py` file");
    };
    if stem != "__init__" {
        segments.push(stem);
    }
    Ok(segments.join("."))
}

/// Whether a list of words has a word.
fn has(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known == word)
}

/// Python takes letters of any script; what `is_alphanumeric` lets through and Python does not is left to Python.
fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == '_' || c.is_alphabetic())
        && chars.all(|c| c == '_' || c.is_alphanumeric())
        && !has(KEYWORDS, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str) -> Result<String, String> {
        of_path(Path::new(path), Path::new("/home/me/project")).map_err(|error| error.to_string())
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
            assert!(error.contains(part) && error.contains(".named("), "{error}");
        }
    }

    #[test]
    fn names_that_python_refuses() {
        for name in ["", "a..b", "my-tests.tasks", "1st", "a.class", "a b"] {
            let error = segments("x", name).unwrap_err().to_string();
            assert!(error.contains("no name for a Python module"), "{error}");
        }
        assert_eq!(segments("x", "größe.tasks").unwrap(), ["größe", "tasks"]);
    }

    #[test]
    fn names_that_are_taken() {
        for (name, owner) in [
            ("app", "testcelery puts"),
            ("utils.x", "testcelery puts"),
            ("celery", "Celery needs"),
            ("json", "Python has"),
        ] {
            let error = segments("tests/x.py", name).unwrap_err().to_string();
            assert!(error.starts_with("tests/x.py: ") && error.contains(owner), "{error}");
        }
        assert!(segments("x", "tests.app").is_ok());
        assert!(segments("x", "test.tasks").is_ok());
    }
}
