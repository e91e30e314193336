//! Modules as users have them on their disks: what comes along, and what is told of what cannot.

#![expect(clippy::unwrap_used, reason = "what the helpers here cannot do fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use testcelery_codegen::{Error, InitialContent, PyModule};

/// A folder with files in it.
struct Project(TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        files.iter().for_each(|(path, text)| project.write(path, text.as_bytes()));
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn file(&self, path: &str) -> PyModule {
        PyModule::file(self.path(path)).root(self.0.path())
    }

    fn package(&self, path: &str) -> PyModule {
        PyModule::package(self.path(path)).root(self.0.path())
    }

    /// An error, with the folder by a shorter name.
    fn shown(&self, error: &Error) -> String {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}").replace(&format!("{}/", self.0.path().display()), "")
    }

    fn refused(&self, module: PyModule) -> String {
        self.shown(&content(module).generate().unwrap_err())
    }
}

fn content(module: PyModule) -> InitialContent {
    InitialContent::default().module("modules", module)
}

/// What comes along, but for what is ours.
fn paths(module: PyModule) -> Vec<String> {
    let tree = content(module).generate().unwrap();
    let is_ours = |path: &str| path.starts_with("testcelery/") || ["app.py", "utils.py"].contains(&path);
    tree.iter().map(|(path, _)| path.to_owned()).filter(|path| !is_ours(path)).collect()
}

#[test]
fn siblings_come_along_by_every_kind_of_import() {
    let project = Project::new(&[
        (
            "shop/tasks.py",
            "import os, redis\nimport requests\nfrom . import relative\nfrom .pkg.deep import x\nimport shop.absolute\nfrom shop import by_name\n\
             from lib import beside\nfrom bare.inner import y\n",
        ),
        ("shop/__init__.py", "from .loaded_with_it import z\n"),
        ("shop/loaded_with_it.py", "z = 1\n"),
        ("shop/relative.py", "from ..lib import nothing_of_it\n"),
        ("shop/pkg/__init__.py", ""),
        ("shop/pkg/deep.py", "from ..absolute import a\nx = 1\n"),
        ("shop/absolute.py", "a = 1\n"),
        ("shop/by_name.py", ""),
        ("lib.py", "beside = 1\n"),
        ("bare/inner.py", "y = 1\n"),
        ("shop/not_imported.py", ""),
        ("redis/docker-compose.yml", ""),
        ("requests/readme.txt", ""),
    ]);
    // `..lib` leads out of the topmost package.
    let error = project.refused(project.file("shop/tasks.py"));
    assert_eq!(
        error,
        "shop/relative.py:1: cannot import `..lib`: it leads out of the topmost package\n  | from ..lib import nothing_of_it"
    );
    project.write("shop/relative.py", b"");
    assert_eq!(
        paths(project.file("shop/tasks.py")),
        [
            "bare/__init__.py",
            "bare/inner.py",
            "lib.py",
            "shop/__init__.py",
            "shop/absolute.py",
            "shop/by_name.py",
            "shop/loaded_with_it.py",
            "shop/pkg/__init__.py",
            "shop/pkg/deep.py",
            "shop/relative.py",
            "shop/tasks.py",
        ]
    );
}

#[test]
fn cyclic_imports_are_python_s_affair() {
    let project = Project::new(&[
        ("a.py", "import b\n"),
        ("b.py", "from a import *\nimport c\n"),
        ("c.py", "import a\n"),
    ]);
    assert_eq!(paths(project.file("a.py")), ["a.py", "b.py", "c.py"]);
}

#[test]
fn what_is_missing_is_told_with_its_line() {
    let project = Project::new(&[
        ("tests/__init__.py", "here = 1\n"),
        ("tests/relative.py", "import os\nfrom . import here, helper\n"),
        ("tests/absolute.py", "def f():\n    import tests.helper\n"),
        ("tests/from_there.py", "from .nowhere import x\n"),
        ("tests/optional.py", "try:\n    from . import helper\nexcept ImportError:\n    helper = None\n"),
        ("tests/installed.py", "import vendor.helper\nfrom vendor import x\n"),
        ("top.py", "from . import x\n"),
    ]);
    let refused = |path: &str| project.refused(project.file(path));
    assert_eq!(
        refused("tests/relative.py"),
        "tests/relative.py:2: cannot import `.helper`: there is no `tests/helper.py`, and `tests` has no such name\n  \
         | from . import here, helper"
    );
    assert_eq!(
        refused("tests/absolute.py"),
        "tests/absolute.py:2: cannot import `tests.helper`: there is no `tests/helper.py` and no `tests/helper/__init__.py`\n  \
         |     import tests.helper"
    );
    assert!(refused("tests/from_there.py").contains("cannot import `.nowhere`"));
    assert!(refused("top.py").contains("leads out of the topmost package"));
    for path in ["tests/optional.py", "tests/installed.py"] {
        assert_eq!(paths(project.file(path)), ["tests/__init__.py", path]);
    }
}

#[test]
fn inline_modules_import_each_other_and_nothing_from_the_disk() {
    let one = PyModule::source("shop.tasks", "from .helpers import x\nfrom shop import helpers\n");
    let alone = content(one.clone()).generate().unwrap_err().to_string();
    assert!(alone.starts_with("shop/tasks.py (inline):1: cannot import `.helpers`"), "{alone}");
    content(one).module("modules", PyModule::source("shop.helpers", "x = 1\n")).generate().unwrap();
}

#[test]
fn a_renamed_file_has_its_siblings_in_the_new_package() {
    let project = Project::new(&[
        ("my-tests/tasks.py", "from . import helpers\nimport proj.more\nimport lib\n"),
        ("my-tests/helpers.py", ""),
        ("my-tests/more.py", ""),
        ("lib.py", ""),
        ("proj/__init__.py", "not_this_one = 1\n"),
    ]);
    let renamed = project.file("my-tests/tasks.py").named("proj.tasks");
    assert_eq!(
        paths(renamed),
        ["lib.py", "proj/__init__.py", "proj/helpers.py", "proj/more.py", "proj/tasks.py"]
    );
}

#[test]
fn packages_come_whole() {
    let project = Project::new(&[
        ("shop/__init__.py", ""),
        ("shop/jobs/__init__.py", ""),
        ("shop/jobs/pay.py", "from celery import shared_task\n\n@shared_task\ndef pay(): ...\n"),
        ("shop/jobs/prices.py", "import lib\n"),
        ("shop/jobs/__main__.py", "1 / 0\n"),
        ("shop/jobs/data/prices.json", "{}"),
        ("shop/jobs/not-a-module.py", "1 +"),
        ("shop/jobs/.hidden.py", "1 +"),
        ("shop/jobs/__pycache__/pay.cpython-313.pyc", "?"),
        ("shop/elsewhere.py", ""),
        ("lib.py", ""),
    ]);
    let package = project.package("shop/jobs");
    assert_eq!(
        paths(package.clone()),
        [
            "lib.py",
            "shop/__init__.py",
            "shop/jobs/__init__.py",
            "shop/jobs/__main__.py",
            "shop/jobs/data/prices.json",
            "shop/jobs/not-a-module.py",
            "shop/jobs/pay.py",
            "shop/jobs/prices.py",
        ]
    );
    let settings = |content: &InitialContent| {
        content.generate().unwrap().text("testcelery/settings.py").unwrap().to_owned()
    };
    let tasks = settings(&InitialContent::default().tasks(package.clone()));
    assert!(tasks.contains("['testcelery.tasks', 'shop.jobs', 'shop.jobs.pay']"), "{tasks}");
    let others = settings(&content(package.clone()));
    assert!(others.contains("['shop.jobs', 'shop.jobs.pay', 'shop.jobs.prices']"), "{others}");
    assert_eq!(package.task_names().unwrap().names(), ["shop.jobs.pay.pay"]);
    let renamed = package.named("mine");
    assert_eq!(renamed.task_names().unwrap().names(), ["mine.pay.pay"]);
    assert!(paths(renamed).contains(&"mine/data/prices.json".to_owned()));
}

#[test]
fn packages_that_are_none() {
    let project = Project::new(&[("docs/readme.txt", ""), ("a.py", "")]);
    assert_eq!(
        project.refused(project.package("docs")),
        "`docs` holds no Python module; name the folder of a package"
    );
    assert_eq!(
        project.refused(project.package("a.py")),
        "`a.py` is no folder; a single module is `PyModule::file(..)`"
    );
    assert!(project.refused(project.package("nowhere")).contains("could not read"));
}

#[test]
fn names_that_are_taken_by_what_is_imported() {
    let project = Project::new(&[("tests/tasks.py", "from utils import x\n"), ("utils.py", "x = 1\n")]);
    let error = project.refused(project.file("tests/tasks.py"));
    assert!(error.contains("`utils` would take the place of") && error.contains("`.utils(..)`"), "{error}");
    let handed_over = content(project.file("tests/tasks.py")).utils(project.file("utils.py"));
    assert_eq!(handed_over.generate().unwrap().text("utils.py"), Some("x = 1\n"));
}

#[test]
fn an_app_in_a_package_called_app() {
    let project = Project::new(&[
        ("app/__init__.py", ""),
        ("app/celery_app.py", "from celery import Celery\n\ncelery = Celery('x', include=['app.tasks'])\n"),
        ("app/tasks.py", "from .celery_app import celery\n"),
    ]);
    let tree = InitialContent::default().app(project.file("app/celery_app.py")).generate().unwrap();
    for path in ["app/__init__.py", "app/celery_app.py", "app/tasks.py"] {
        assert!(tree.get(path).is_some(), "{path}");
    }
    assert_eq!(tree.get("app.py"), None);
}

#[test]
fn modules_that_settings_name_come_along() {
    let project = Project::new(&[
        ("proj/__init__.py", ""),
        ("proj/celery.py", "app = Celery('proj')\napp.config_from_object('proj.celeryconfig')\n"),
        ("proj/celeryconfig.py", "imports = ['proj.jobs']\n"),
        ("proj/jobs.py", ""),
        ("proj/more.py", ""),
    ]);
    let content = InitialContent::default()
        .app(project.file("proj/celery.py"))
        .config("include", vec!["proj.more", "vendor.jobs"]);
    let tree = content.generate().unwrap();
    for path in ["proj/celeryconfig.py", "proj/jobs.py", "proj/more.py"] {
        assert!(tree.get(path).is_some(), "{path}");
    }
}

#[test]
fn what_python_would_do_without() {
    let project = Project::new(&[
        ("top.py", "try:\n    from .x import y\nexcept ImportError:\n    from x import y\n"),
        ("x.py", "y = 1\n"),
        ("proj/__init__.py", ""),
        ("proj/user.py", "from proj.six.moves import urllib\nfrom . import data, __file__\n"),
        ("proj/six.py", ""),
        ("proj/data/table.csv", ""),
    ]);
    assert_eq!(paths(project.file("top.py")), ["top.py", "x.py"]);
    assert_eq!(
        paths(project.file("proj/user.py")),
        ["proj/__init__.py", "proj/data/__init__.py", "proj/six.py", "proj/user.py"]
    );
}

#[test]
fn modules_see_each_other_wherever_their_imports_start() {
    let project = Project::new(&[
        ("src/shop/__init__.py", ""),
        ("src/shop/tasks.py", ""),
        ("src/shop/models.py", ""),
        ("tests/tasks.py", "from shop import models\n"),
        ("tests/myutils.py", "import beside\nfrom tests.more import f\n"),
        ("tests/beside.py", ""),
        ("tests/more.py", "f = 1\n"),
    ]);
    let shop = PyModule::file(project.path("src/shop/tasks.py")).root(project.path("src"));
    let both = content(shop).module("modules", project.file("tests/tasks.py"));
    assert!(both.generate().unwrap().get("shop/models.py").is_some());
    let utils = InitialContent::default().utils(project.file("tests/myutils.py"));
    let tree = utils.generate().unwrap();
    assert!(tree.get("beside.py").is_some() && tree.get("tests/more.py").is_some());
}

#[test]
fn large_files_are_mistakes() {
    let project = Project::new(&[("tasks.py", "from . import x\n"), ("big/__init__.py", "")]);
    project.write("tasks.py", &vec![b'#'; 10 * 1024 * 1024]);
    let error = project.refused(project.file("tasks.py"));
    assert!(error.contains("`tasks.py` has 10485760 bytes, and at most 4194304 are taken"), "{error}");
    project.write("big/video.mp4", &vec![0; 17 * 1024 * 1024]);
    assert!(project.refused(project.package("big")).contains("big/video.mp4"));
}

#[test]
fn tasks_of_what_is_imported_are_listed() {
    let project = Project::new(&[
        ("shop/__init__.py", ""),
        (
            "shop/tasks.py",
            "from .more_tasks import x\nfrom shop.plain import y\nimport shop.other_tasks\n@app.task\ndef own(): ...\n",
        ),
        ("shop/more_tasks.py", "@app.task(name=f'{__name__}.more')\ndef f(): ...\nx = 1\n"),
        ("shop/other_tasks.py", "@app.task\ndef other(): ...\n"),
        ("shop/plain.py", "y = 1\n"),
        (
            "shop/factory.py",
            "def create_app():\n    app = Celery('x')\n    @app.task\n    def made(): ...\n    return app\n",
        ),
        ("shop/celery_app.py", "from shop.factory import create_app as new\napp = new()\n"),
        (
            "shop/named.py",
            "from celery import Celery\napp = Celery('x', include=['shop.other_tasks', 'vendor.jobs'])\n",
        ),
    ]);
    let listed = |path: &str| project.file(path).task_names().unwrap();
    let tasks = listed("shop/tasks.py");
    assert_eq!(tasks.names(), ["shop.more_tasks.more", "shop.other_tasks.other", "shop.tasks.own"]);
    assert!(tasks.is_complete(), "{:?}", tasks.unseen());

    let tasks = listed("shop/celery_app.py");
    assert_eq!(tasks.names(), ["shop.factory.made"]);
    assert!(tasks.is_complete(), "{:?}", tasks.unseen());
    let alone = listed("shop/factory.py");
    assert_eq!(alone.names(), [""; 0]);
    let place = format!("{}:3: ", project.path("shop/factory.py").display());
    assert_eq!(
        alone.unseen()[0].to_string(),
        place
            + "`shop.factory.made` is registered when `create_app` is called, which no module that was read does on import"
    );

    let named = listed("shop/named.py");
    assert_eq!(named.names(), ["shop.other_tasks.other"]);
    let place = format!("{}:2: ", project.path("shop/named.py").display());
    assert_eq!(
        named.unseen()[0].to_string(),
        place + "it names the module `vendor.jobs`, whose source was not found"
    );

    let installed = PyModule::installed("vendor.jobs").task_names().unwrap();
    assert_eq!(
        installed.unseen()[0].to_string(),
        "the module `vendor.jobs`: it is installed in the worker, and its source is not read"
    );
    let content =
        InitialContent::default().tasks(project.file("shop/tasks.py")).config("include", vec!["vendor.x"]);
    let tasks = content.task_names().unwrap();
    assert!(tasks.contains("shop.tasks.own") && tasks.contains("testcelery.tasks.add"));
    assert_eq!(
        tasks.unseen()[0].to_string(),
        "setting `include`: it names the module `vendor.x`, whose source was not found"
    );
}

#[test]
fn a_source_that_is_nested_too_deeply_is_refused_with_its_place() {
    let project = Project::new(&[("tasks.py", "import nested\n"), ("nested.py", "")]);
    project.write("nested.py", format!("x = 1\ny = {}\n", "[".repeat(2_000)).as_bytes());
    let error = project.refused(project.file("tasks.py"));
    assert!(error.starts_with("nested.py:2:205: more than 200 brackets within each other"), "{error}");
    for deep in ["-", "not ", "a if b else ", "lambda: ", "f'{", "{1: ", "(lambda a, b: "] {
        project.write("nested.py", format!("x = {}\n", deep.repeat(50_000)).as_bytes());
        let error = project.refused(project.file("tasks.py"));
        assert!(error.starts_with("nested.py:1:") && error.contains("within each other"), "{deep}: {error}");
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn fifo(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
        assert!(made.success());
    }

    #[test]
    fn only_regular_files_are_read() {
        let project = Project::new(&[("shop/__init__.py", ""), ("tasks.py", "import pipe\n")]);
        fifo(&project.path("pipe.py"));
        let error = project.refused(project.file("pipe.py"));
        assert_eq!(error, "`pipe.py` is a FIFO, and only regular files are read; name a file");
        let _socket = std::os::unix::net::UnixListener::bind(project.path("socket.py")).unwrap();
        assert!(project.refused(project.file("socket.py")).contains("is a socket"));
        let zeros = PyModule::file("/dev/zero").named("zeros");
        assert!(project.refused(zeros).contains("`/dev/zero` is a device"));
        assert_eq!(paths(project.file("tasks.py")), ["tasks.py"], "a FIFO is no module that an import finds");

        fifo(&project.path("shop/pipe.py"));
        assert!(project.refused(project.package("shop")).contains("`shop/pipe.py` is a FIFO"));
        fs::rename(project.path("shop/pipe.py"), project.path("shop/pipe")).unwrap();
        assert_eq!(paths(project.package("shop")), ["shop/__init__.py"], "what has no content stays out");
    }

    #[test]
    fn links_that_multiply_have_an_end() {
        let project = Project::new(&[("shop/__init__.py", "")]);
        // Each folder has eight links to the next one: 8^9 paths.
        for level in 0..10 {
            fs::create_dir(project.path(&format!("shop/d{level}"))).unwrap();
            for link in 0..8 {
                let link = project.path(&format!("shop/d{level}/l{link}"));
                if level < 9 {
                    symlink(project.path(&format!("shop/d{}", level + 1)), link).unwrap();
                }
            }
        }
        let error = project.refused(project.package("shop"));
        assert!(error.contains("`shop` holds more than 20000 files and folders"), "{error}");
    }

    #[test]
    fn folders_that_link_to_each_other_are_refused() {
        let project = Project::new(&[("shop/__init__.py", ""), ("shop/a/x.txt", ""), ("shop/b/x.txt", "")]);
        symlink(project.path("shop/b"), project.path("shop/a/to_b")).unwrap();
        symlink(project.path("shop/a"), project.path("shop/b/to_a")).unwrap();
        assert!(project.refused(project.package("shop")).contains("the link `"));
    }

    #[test]
    fn deep_folders_are_read() {
        let project = Project::new(&[("shop/__init__.py", "")]);
        let deep = format!("shop/{}", "d/".repeat(1_500));
        fs::create_dir_all(project.path(&deep)).unwrap();
        assert_eq!(paths(project.package("shop")), ["shop/__init__.py"]);
    }

    #[test]
    fn a_link_may_not_lead_out() {
        let outside = Project::new(&[("secret.py", "x = 1\n")]);
        let project =
            Project::new(&[("shop/__init__.py", ""), ("shop/real.py", ""), ("tasks.py", "import linked\n")]);
        symlink(project.path("shop/real.py"), project.path("shop/inside.py")).unwrap();
        assert!(paths(project.package("shop")).contains(&"shop/inside.py".to_owned()));

        symlink(outside.path("secret.py"), project.path("shop/outside.py")).unwrap();
        let error = project.refused(project.package("shop"));
        assert!(error.contains("shop/outside.py") && error.contains("secret.py"), "{error}");
        fs::remove_file(project.path("shop/outside.py")).unwrap();

        symlink(project.path("shop"), project.path("shop/circle")).unwrap();
        assert!(project.refused(project.package("shop")).contains("shop/circle"));

        symlink(outside.path("secret.py"), project.path("linked.py")).unwrap();
        let error = project.refused(project.file("tasks.py"));
        assert!(error.contains("linked.py") && error.contains("secret.py"), "{error}");
    }

    #[test]
    fn what_may_be_executed_stays_so() {
        let project = Project::new(&[("shop/__init__.py", ""), ("shop/run.sh", "#!/bin/sh\n")]);
        fs::set_permissions(project.path("shop/run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
        let tree = content(project.package("shop")).generate().unwrap();
        assert_eq!((tree.mode("shop/run.sh"), tree.mode("shop/__init__.py")), (Some(0o755), Some(0o644)));
    }
}

#[test]
fn the_current_folder_is_where_relative_paths_start() {
    let module = PyModule::package("tests/data/shop").root("tests/data");
    let whole = paths(module);
    assert_eq!(whole, ["shop/__init__.py", "shop/jobs.py", "shop/prices.py", "shop/shop.json"]);
    assert!(Path::new("tests/data/shop").is_dir());
}
