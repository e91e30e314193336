use super::*;
use crate::scan::scan;

fn tasks(text: &str) -> Tasks {
    scan("x.py", "shop.jobs", text).unwrap().tasks
}

fn names(text: &str) -> Vec<String> {
    let tasks = tasks(text);
    assert_eq!(tasks.unseen, [], "{text}");
    assert_eq!(tasks.in_functions, [], "{text}");
    tasks.names.into_iter().collect()
}

#[test]
fn decorators() {
    for decorator in [
        "@shared_task",
        "@shared_task()",
        "@shared_task(bind=True)",
        "@app.task",
        "@proj.celery.app.task(acks_late=True)",
        "@app.task(name=None)",
    ] {
        let text = format!("from celery import shared_task\n{decorator}\ndef pay(): ...\n");
        assert_eq!(names(&text), ["shop.jobs.pay"], "{decorator}");
    }
    assert_eq!(
        names(
            "import celery as c\n@c.shared_task\nasync def pay(): ...\nclass X:\n    @app.task\n    def post(): ..."
        ),
        ["shop.jobs.pay", "shop.jobs.post"]
    );
    assert_eq!(names("from celery import shared_task as job\n@job\ndef pay(): ..."), ["shop.jobs.pay"]);
    assert_eq!(names("@property\ndef pay(): ...\n@app.on_after_configure.connect\ndef x(): ..."), [""; 0]);
}

#[test]
fn names_of_their_own() {
    assert_eq!(names("@app.task(name='pay')\ndef f(): ..."), ["pay"]);
    assert_eq!(names("P = 'shop'\n@app.task(name=P + '.pay')\ndef f(): ..."), ["shop.pay"]);
    assert_eq!(names("@app.task(name='')\ndef f(): ..."), ["shop.jobs.f"]);
    assert_eq!(names("N = 'x'\nclass C:\n    N = 'y'\n@app.task(name=N)\ndef f(): ..."), ["x"]);
    assert_eq!(names("N: Final = 'x'\n@app.task(name=N)\ndef f(): ..."), ["x"]);
    assert_eq!(names("@app.task(name=__name__ + '.pay')\ndef f(): ..."), ["shop.jobs.pay"]);
    for computed in [
        "N = 'x'\nN += 'y'\n@app.task(name=N)\ndef f(): ...",
        "@app.task(name=make())\ndef f(): ...",
        "@app.task(**OPTIONS)\ndef f(): ...",
    ] {
        let tasks = tasks(computed);
        assert!(tasks.names.is_empty());
        assert_eq!(tasks.unseen[0].reason, "the name of the task `f` is computed");
        assert!(computed[tasks.unseen[0].offset..].starts_with("@app.task"));
    }
}

#[test]
fn names_of_f_strings() {
    for name in ["f'{P}.pay'", "f'{P}' '.pay'", "'' f'{P + \".\"}{PAY}'", "f'shop.{\"pay\"}'", "f'{A}.pay'"] {
        let text = format!("P = 'shop'\nPAY = f'pay'\nA = f'{{P}}'\n@app.task(name={name})\ndef f(): ...");
        assert_eq!(names(&text), ["shop.pay"], "{name}");
    }
    assert_eq!(names("@app.task(name=f'{__name__}.pay')\ndef f(): ..."), ["shop.jobs.pay"]);
    for name in ["f'{P!r}.pay'", "f'{P:>9}.pay'", "f'{P=}'", "f'{Q}.pay'", "f'{P.lower()}'"] {
        let text = format!("P = 'shop'\n@app.task(name={name})\ndef f(): ...");
        assert_eq!(tasks(&text).unseen.len(), 1, "{name}");
    }
}

#[test]
fn app_factories() {
    let factory = "from celery import Celery\nN = 'own'\ndef make(name):\n    app = Celery('x')\n    @app.task\n    def f(): ...\n    \
                   @app.task(name=N)\n    def g(): ...\n    @app.task(name='h')\n    def h(): ...\n    return app\n";
    for call in [
        "app = make('x')",
        "def create(): return make('x')\napp = create()",
        "if True:\n    app = configured(make('x'))",
        "again = make\napp = module.make()",
    ] {
        assert_eq!(names(&format!("{factory}{call}\n")), ["h", "own", "shop.jobs.f"], "{call}");
    }
    assert_eq!(
        names(
            "class Factory:\n    def make(self):\n        @self.app.task\n        def f(): ...\nFactory().make()\n"
        ),
        ["shop.jobs.f"]
    );
    for call in ["", "def never(): make()", "if __name__ == '__main__':\n    make('x')"] {
        let tasks = tasks(&format!("{factory}{call}\n"));
        assert!(tasks.names.is_empty() && !tasks.is_empty(), "{call}");
        assert_eq!(tasks.in_functions.len(), 3);
        assert_eq!(tasks.in_functions[0].function, "make");
    }
    // A parameter may have the name of a constant of the module.
    let shadowed =
        tasks("name = 'x'\ndef make(name):\n    @app.task(name=name)\n    def f(): ...\nmake('y')\n");
    assert!(shadowed.names.is_empty() && shadowed.unseen.len() == 1);
}

#[test]
fn calls() {
    assert_eq!(names("def f(): ...\nf = app.task(f)"), ["shop.jobs.f"]);
    assert_eq!(names("def f(): ...\nshared_task(f, name='x')"), ["x"]);
    assert_eq!(names("def f(): ...\nshared_task(name='x')(f)"), ["x"]);
    assert_eq!(names("class A(Task):\n    name = 'x'\napp.register_task(A())"), ["x"]);
    assert_eq!(names("class A(Task):\n    name: str = 'x'\napp.register_task(A)"), ["x"]);
    assert_eq!(
        names("class A(Task):\n    name = 'x'\nclass B(A): ...\napp.register_task(B)"),
        ["x"],
        "as its base"
    );
    assert_eq!(names("job = app.task\n@job\ndef f(): ..."), ["shop.jobs.f"]);
    assert_eq!(names("@get().task\ndef f(): ..."), ["shop.jobs.f"]);
    assert_eq!(names("class A(Task): ...\nA = app.register_task(A)"), ["shop.jobs.A"]);
}

#[test]
fn what_only_running_it_could_tell() {
    for text in [
        "for f in fs: app.task(f)",
        "def make():\n    def inner():\n        @app.task\n        def f(): ...\n    inner()\nmake()",
        "app.autodiscover_tasks()",
        "app.autodiscover_tasks(packages)",
        "import importlib\nimportlib.import_module(name)",
        "app.register_task(other.Task())",
        "@my_task\ndef f(): ...",
        "from ourlib import job\n@job\ndef f(): ...",
        "import invoke\n@invoke.task\ndef f(): ...",
        "class A(Task):\n    name = make()\napp.register_task(A())",
        "from base import Base\nclass A(Base): ...\napp.register_task(A())",
        "from vendor.tasks import *",
    ] {
        assert_eq!(tasks(text).unseen.len(), 1, "{text}");
    }
    assert!(tasks("import os\ndef f(): ...\n").is_empty());
}
