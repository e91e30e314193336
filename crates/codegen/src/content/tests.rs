use std::fs;

use tempfile::TempDir;

use super::*;

/// A folder with files in it.
fn project(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn error_of(content: &InitialContent, folder: &TempDir) -> String {
    let error = content.generate_in(folder.path()).unwrap_err();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause}").replace(&folder.path().display().to_string(), "/project")
}

fn with_file(path: &str) -> InitialContent {
    InitialContent::default().tasks(PyModule::file(path))
}

#[test]
fn the_whole_tree() {
    let folder = project(&[
        ("tests/__init__.py", b"VERSION = 1\n"),
        (
            "tests/tasks.py",
            b"from celery import shared_task\n\n\n@shared_task\ndef add(x, y):\n    return x + y\n",
        ),
        ("proj/deep/signals.py", b"pass\n"),
    ]);
    let content = InitialContent::new("o'shop")
        .module("signals", PyModule::file("proj/deep/signals.py"))
        .tasks(PyModule::file("tests/tasks.py"))
        .tasks(PyModule::file(folder.path().join("tests/tasks.py")))
        .tasks(PyModule::source("inline", "x = 1\n"))
        .config("task_routes", PyValue::dict([("tests.*", PyValue::dict([("queue", "fast")]))]))
        .config("task_acks_late", false)
        .config("task_acks_late", true)
        .config("result_expires", None::<i64>);
    let tree = content.generate_in(folder.path()).unwrap();
    assert_eq!(tree, content.generate_in(folder.path()).unwrap());
    let ours: Vec<String> =
        sources(&TEMPLATES).iter().map(|file| file.path().to_string_lossy().into_owned()).collect();
    let shown: String = tree
        .iter()
        .filter(|(path, _)| !ours.iter().any(|own| own == path))
        .map(|(path, _)| format!("== {path}\n{}", tree.text(path).unwrap()))
        .collect();
    insta::assert_snapshot!(shown);
}

#[test]
fn changing_it_after_generating_works() {
    let folder = project(&[]);
    let content = InitialContent::default();
    let first = content.generate_in(folder.path()).unwrap();
    let second = content.config("task_acks_late", true).app_name("x").generate_in(folder.path()).unwrap();
    assert_ne!(first, second);
    assert!(second.text("testcelery/settings.py").unwrap().contains("APP_NAME = 'x'"));
}

#[test]
fn our_own_python_is_python() {
    let tree =
        InitialContent::default().config("result_backend_max_retries", f64::INFINITY).generate().unwrap();
    for (path, _) in tree.iter() {
        crate::scan::scan(path, "x", tree.text(path).unwrap()).unwrap();
    }
    // Settings are rendered, and there is no app of the user's to enter.
    assert_eq!(tree.iter().count(), sources(&TEMPLATES).len());
    assert!(tree.text("testcelery/worker.py").unwrap().contains(READY_MARKER));
}

#[test]
fn files_that_cannot_be_read() {
    let folder = project(&[("tests/tasks.py", b""), ("latin.py", b"x = 1\ny = '\xe9'\n")]);
    assert_eq!(
        error_of(&with_file("tests/nowhere.py"), &folder),
        "could not read the Python module `tests/nowhere.py` (looked for in /project): No such file or directory (os error 2)"
    );
    assert_eq!(
        error_of(&with_file("tests"), &folder),
        "`tests` is a folder; name a Python file in it, or take all of it with `PyModule::package(..)`"
    );
    assert_eq!(
        error_of(&with_file("latin.py"), &folder),
        "latin.py:2: not UTF-8 from this line on; save the file as UTF-8"
    );
}

#[test]
fn syntax_errors_of_every_file_that_comes_along() {
    let folder =
        project(&[("tests/__init__.py", b"x ="), ("tests/tasks.py", b""), ("bad.py", b"\ndef f(:\n")]);
    assert!(error_of(&with_file("bad.py"), &folder).starts_with("bad.py:2:7: "));
    assert!(error_of(&with_file("tests/tasks.py"), &folder).starts_with("tests/__init__.py:1:4: "));
    let inline = InitialContent::default().tasks(PyModule::source("a.broken", "def f(:\n    pass\n"));
    let error = error_of(&inline, &folder);
    assert!(error.starts_with("a/broken.py:1:7: ") && error.ends_with("\n  | def f(:"), "{error}");
}

#[test]
fn names_of_modules() {
    let folder = project(&[("app.py", b""), ("my-tests/tasks.py", b"x = 1\n")]);
    assert!(error_of(&with_file("app.py"), &folder).starts_with("app.py: `app` would take the place of"));
    assert!(error_of(&with_file("my-tests/tasks.py"), &folder).contains(".named("));
    let renamed =
        InitialContent::default().module("x", PyModule::file("my-tests/tasks.py").named("mine.tasks"));
    let tree = renamed.generate_in(folder.path()).unwrap();
    assert_eq!((tree.text("mine/tasks.py"), tree.text("mine/__init__.py")), (Some("x = 1\n"), Some("")));
}

#[test]
fn packages() {
    let folder = project(&[("proj/__init__.py", b"x = 1\n"), ("proj/tasks.py", b"")]);
    // A package as a module, and a module that brings the same package along.
    let tree = InitialContent::default()
        .module("x", PyModule::file("proj/tasks.py"))
        .module("x", PyModule::file("proj/__init__.py"))
        .generate_in(folder.path())
        .unwrap();
    assert_eq!(tree.text("proj/__init__.py"), Some("x = 1\n"));
    assert!(tree.text("testcelery/settings.py").unwrap().contains("'x': ['proj.tasks', 'proj']"));
    // An empty package yields to a real one, whichever comes first.
    for order in [["other.x", "proj.x"], ["proj.x", "other.x"]] {
        let inline = order
            .into_iter()
            .fold(InitialContent::default(), |content, name| content.module("x", PyModule::source(name, "")));
        let tree = inline.module("x", PyModule::file("proj/__init__.py")).generate_in(folder.path()).unwrap();
        assert_eq!(tree.text("proj/__init__.py"), Some("x = 1\n"));
    }
}

#[test]
fn two_sources_for_one_path() {
    let folder = project(&[("a/tasks.py", b"x = 1\n"), ("b/tasks.py", b"x = 2\n")]);
    let content = with_file("a/tasks.py").tasks(PyModule::file("b/tasks.py").named("a.tasks"));
    assert_eq!(
        error_of(&content, &folder),
        "two different sources for `a/tasks.py`: a/tasks.py and b/tasks.py; give one of them another name with `.named(..)`"
    );
    let content = InitialContent::default()
        .module("x", PyModule::file("a/tasks.py"))
        .module("x", PyModule::source("a", ""));
    assert!(error_of(&content, &folder).contains("`a.py`: a.py (inline) and the package of `a/__init__.py`"));
}

#[test]
fn tasks_without_a_task() {
    let folder = project(&[("tests/tasks.py", b"from . import helpers\n"), ("tests/helpers.py", b"")]);
    assert_eq!(
        error_of(&with_file("tests/tasks.py"), &folder),
        "the modules `tests.tasks` register no task; decorate a function with `@shared_task`, or add them to another group"
    );
    // One that comes along is enough.
    std::fs::write(folder.path().join("tests/helpers.py"), "@shared_task\ndef f(): ...\n").unwrap();
    with_file("tests/tasks.py").generate_in(folder.path()).unwrap();
    with_file("tests/tasks.py").tasks(PyModule::installed("vendor")).generate_in(folder.path()).unwrap();
}

#[test]
fn contents_are_what_they_generate() {
    let inline = |name: &str| PyModule::source(name, "@shared_task\ndef f(): ...\n");
    let one = InitialContent::default().tasks(inline("a")).tasks(inline("a"));
    assert_eq!(one, InitialContent::default().tasks(inline("a")));
    assert_ne!(one, InitialContent::default().tasks(inline("b")));
    assert_ne!(InitialContent::new(" "), InitialContent::new(" "), "neither generates anything");
}

#[test]
fn an_app_and_helpers_of_ones_own() {
    let folder = project(&[
        ("proj/__init__.py", b""),
        ("proj/celery.py", b"app = Celery('proj', include=['proj.tasks'])\n"),
        ("proj/tasks.py", b"from .celery import app\n"),
        ("tests/myutils.py", b"from .more import f\n"),
        ("tests/more.py", b"def f(): ...\n"),
        ("app.py", b"app = Celery('mine')\n"),
    ]);
    let content = InitialContent::default()
        .app(PyModule::file("proj/celery.py"))
        .utils(PyModule::file("tests/myutils.py"));
    // Its folder is where the imports of `utils` start from, so that its sibling is at the top too.
    let error = error_of(&content, &folder);
    assert!(error.contains("tests/myutils.py:1") || error.starts_with("tests/myutils.py"), "{error}");
    std::fs::write(folder.path().join("tests/myutils.py"), "from more import f\n").unwrap();
    let tree = content.generate_in(folder.path()).unwrap();
    let paths: Vec<&str> =
        tree.iter().map(|(path, _)| path).filter(|path| !path.starts_with("testcelery/")).collect();
    assert_eq!(paths, ["more.py", "proj/__init__.py", "proj/celery.py", "proj/tasks.py", "utils.py"]);
    assert!(tree.text("testcelery/settings.py").unwrap().contains("APP_MODULE = 'proj.celery'"));
    assert_eq!(content.command_app(), "testcelery.entry");
    assert!(tree.get("testcelery/entry.py").is_some());

    let own = InitialContent::default().app(PyModule::file("app.py"));
    let tree = own.generate_in(folder.path()).unwrap();
    assert_eq!(tree.text("app.py"), Some("app = Celery('mine')\n"));
    let installed = InitialContent::default().app(PyModule::installed("proj"));
    let tree = installed.generate_in(folder.path()).unwrap();
    assert!(tree.text("testcelery/settings.py").unwrap().contains("APP_MODULE = 'proj'"));
    assert_eq!(tree.get("proj/__init__.py"), None);
}

#[test]
fn settings_that_are_refused() {
    let folder = project(&[]);
    let refused = |key: &str| error_of(&InitialContent::default().config(key, 1), &folder);
    assert_eq!(refused("broker_url"), "setting `broker_url`: its value comes from the brokers of the setup");
    assert!(refused("CELERY_ACKS_LATE").ends_with("Celery's name for it is `task_acks_late`"));
    assert!(refused("task-routes").contains("did you mean `task_routes`?"));
    let deep = PyValue::dict([("x", PyValue::list([PyValue::dict([(PyValue::list([1]), 1)])]))]);
    let error = error_of(&InitialContent::default().config("task_routes", deep), &folder);
    assert!(error.starts_with("setting `task_routes['x'][0]`: key 1"), "{error}");
    assert_eq!(error_of(&InitialContent::new(" "), &folder), "the name of the Celery app is empty");
}
