//! The tasks that a module registers, and their names.

use std::collections::{BTreeSet, HashMap};

use ruff_python_ast::{self as ast, Expr, Operator, Stmt};

use super::{dotted, literal};
use crate::name;

/// The tasks of a module, as far as its source says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tasks {
    /// The names by which Celery knows them.
    pub(crate) names: BTreeSet<String>,
    /// It may register more, under names that only running it could tell.
    pub(crate) has_more: bool,
}

impl Tasks {
    /// Whether it registers none for certain.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.has_more
    }
}

/// Where Celery's decorators come from, besides the `task` of any app.
const FACTORIES: &[&str] =
    &["shared_task", "celery.shared_task", "celery.app.shared_task", "celery.task", "celery.task.task"];

/// Gathers the tasks of one module.
#[derive(Debug, Default)]
pub(super) struct Collector {
    module: String,
    /// What imported names stand for.
    imported: HashMap<String, String>,
    /// Modules at the top that were imported whole.
    libraries: BTreeSet<String>,
    /// Names out of modules that are neither Python's nor Celery's.
    foreign: BTreeSet<String>,
    /// Texts of the module's own constants.
    constants: HashMap<String, String>,
    /// Functions of the module.
    functions: BTreeSet<String>,
    /// Classes of the module, with the `name` that they give their task.
    classes: HashMap<String, Option<Name>>,
    tasks: Tasks,
}

/// The name of a task.
#[derive(Debug, Clone)]
enum Name {
    Known(String),
    /// It is computed.
    Unknown,
}

impl Collector {
    pub(super) fn new(module: &str) -> Self {
        Self { module: module.to_owned(), ..Self::default() }
    }

    pub(super) fn finish(self) -> Tasks {
        self.tasks
    }

    /// `name` stands for what is `qualified` elsewhere.
    pub(super) fn import(&mut self, name: &str, qualified: &str) {
        let top = qualified.split('.').next().unwrap_or_default();
        if top == "celery" {
            self.imported.insert(name.to_owned(), qualified.to_owned());
            return;
        }
        if qualified == top {
            self.libraries.insert(name.to_owned());
        } else if !name::is_installed(top) {
            self.foreign.insert(name.to_owned());
        }
        if qualified.to_ascii_lowercase().contains("task") {
            // Somebody else's module of tasks, or factory of tasks: it registers what it registers.
            self.tasks.has_more = true;
        }
    }

    /// `NAME = "text"` and `job = app.task`, of the module itself.
    pub(super) fn assignment(&mut self, target: &Expr, value: &Expr) {
        let Expr::Name(target) = target else { return };
        self.constants.remove(target.id.as_str());
        if let Some(Name::Known(text)) = self.text(value) {
            self.constants.insert(target.id.to_string(), text);
        } else if self.is_factory(value) {
            self.imported.insert(target.id.to_string(), FACTORIES[0].to_owned());
        }
    }

    /// `NAME += ..`: what it is then is not known.
    pub(super) fn changed(&mut self, target: &Expr) {
        if let Expr::Name(target) = target {
            self.constants.remove(target.id.as_str());
        }
    }

    /// A function with its decorators. One inside another function registers when that one is called.
    pub(super) fn function(&mut self, function: &ast::StmtFunctionDef, is_nested: bool) {
        if !is_nested {
            self.functions.insert(function.name.to_string());
        }
        for decorator in &function.decorator_list {
            let (factory, arguments) = match &decorator.expression {
                Expr::Call(call) => (call.func.as_ref(), Some(&call.arguments)),
                other => (other, None),
            };
            if self.is_factory(factory) && !is_nested {
                let name = arguments.and_then(|arguments| self.named(arguments));
                self.register(name, &function.name);
            } else if self.may_be_factory(factory) {
                self.tasks.has_more = true;
            }
        }
    }

    /// Whether a decorator may make tasks: by its name, or because somebody else's code has it.
    fn may_be_factory(&self, expr: &Expr) -> bool {
        let Some(name) = dotted(expr) else { return false };
        let first = name.split('.').next().unwrap_or_default();
        name.to_ascii_lowercase().contains("task") || self.foreign.contains(first)
    }

    /// A class, which may become a task by `register_task`. A name that a class of somebody else's may hand down is not known.
    pub(super) fn class(&mut self, class: &ast::StmtClassDef) {
        let is_name = |target: &Expr| matches!(target, Expr::Name(name) if name.id.as_str() == "name");
        let own = class.body.iter().find_map(|stmt| match stmt {
            Stmt::Assign(assign) if assign.targets.iter().any(is_name) => Some(assign.value.as_ref()),
            Stmt::AnnAssign(assign) if is_name(&assign.target) => assign.value.as_deref(),
            _ => None,
        });
        let bases = class.arguments.iter().flat_map(|arguments| arguments.args.iter());
        let inherited = bases.filter_map(dotted).find_map(|base| match self.classes.get(&base) {
            Some(name) => name.clone(),
            None if base.rsplit('.').next() == Some("Task") => None,
            None => Some(Name::Unknown),
        });
        let name = own.map_or(inherited, |value| Some(self.text(value).unwrap_or(Name::Unknown)));
        self.classes.insert(class.name.to_string(), name);
    }

    /// A call that may register a task: `app.task(f)`, `shared_task(name="x")(f)`, `app.register_task(Task())`. Whether it was one.
    pub(super) fn call(&mut self, call: &ast::ExprCall, is_nested: bool) -> bool {
        let is_registration =
            dotted(&call.func).is_some_and(|name| name.rsplit('.').next() == Some("register_task"));
        let (options, registered) = match call.func.as_ref() {
            Expr::Call(factory) if self.is_factory(&factory.func) => {
                (Some(&factory.arguments), call.arguments.args.first())
            }
            func if is_registration || self.is_factory(func) => (None, call.arguments.args.first()),
            _ => return false,
        };
        let name = options.and_then(|options| self.named(options)).or_else(|| self.named(&call.arguments));
        match registered {
            _ if is_nested => self.tasks.has_more = true,
            Some(Expr::Name(function))
                if !is_registration && self.functions.contains(function.id.as_str()) =>
            {
                self.register(name, &function.id);
            }
            Some(expr) if is_registration => self.register_class(expr),
            _ => self.tasks.has_more = true,
        }
        true
    }

    /// `register_task(Class())` or `register_task(Class)`.
    fn register_class(&mut self, expr: &Expr) {
        let class = match expr {
            Expr::Call(call) => dotted(&call.func),
            other => dotted(other),
        };
        match class.and_then(|class| Some((self.classes.get(&class)?.clone(), class))) {
            Some((name, class)) => self.register(name, &class),
            None => self.tasks.has_more = true,
        }
    }

    /// Without a name it is that of the module and the function (`celery.utils.imports.gen_task_name`).
    fn register(&mut self, name: Option<Name>, function: &str) {
        match name {
            None => drop(self.tasks.names.insert(format!("{}.{function}", self.module))),
            Some(Name::Known(name)) => drop(self.tasks.names.insert(name)),
            Some(Name::Unknown) => self.tasks.has_more = true,
        }
    }

    /// Whether it is what makes a task of a function: `shared_task`, or `task` of any app.
    fn is_factory(&self, expr: &Expr) -> bool {
        if let Expr::Attribute(attribute) = expr
            && attribute.attr.as_str() == "task"
        {
            // `module.task` of a library is not Celery's.
            let owner = dotted(&attribute.value);
            return !owner.is_some_and(|owner| self.libraries.contains(&owner));
        }
        let Some(name) = dotted(expr) else { return false };
        let (first, rest) = name.split_once('.').map_or((name.as_str(), ""), |(first, rest)| (first, rest));
        let qualified = match self.imported.get(first) {
            Some(module) if rest.is_empty() => module.clone(),
            Some(module) => format!("{module}.{rest}"),
            None => name.clone(),
        };
        FACTORIES.contains(&qualified.as_str())
    }

    /// The argument `name=`.
    fn named(&self, arguments: &ast::Arguments) -> Option<Name> {
        let value = &arguments.find_keyword("name")?.value;
        match self.text(value) {
            // As Celery: no name at all.
            Some(Name::Known(name)) if name.is_empty() => None,
            _ if value.is_none_literal_expr() => None,
            name => Some(name.unwrap_or(Name::Unknown)),
        }
    }

    /// A text that is known without running anything.
    fn text(&self, expr: &Expr) -> Option<Name> {
        let known = |expr| match self.text(expr) {
            Some(Name::Known(text)) => Some(text),
            _ => None,
        };
        match expr {
            Expr::Name(name) => self.constants.get(name.id.as_str()).cloned().map(Name::Known),
            Expr::BinOp(sum) if sum.op == Operator::Add => {
                let (left, right) = (known(&sum.left)?, known(&sum.right)?);
                Some(Name::Known(left + &right))
            }
            other => literal(other).map(|text| Name::Known(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn tasks(text: &str) -> Tasks {
        scan("x.py", "shop.jobs", text).unwrap().tasks
    }

    fn names(text: &str) -> Vec<String> {
        let tasks = tasks(text);
        assert!(!tasks.has_more, "{text}");
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
        assert_eq!(
            names("@property\ndef pay(): ...\n@app.on_after_configure.connect\ndef x(): ..."),
            [""; 0]
        );
    }

    #[test]
    fn names_of_their_own() {
        assert_eq!(names("@app.task(name='pay')\ndef f(): ..."), ["pay"]);
        assert_eq!(names("P = 'shop'\n@app.task(name=P + '.pay')\ndef f(): ..."), ["shop.pay"]);
        assert_eq!(names("@app.task(name='')\ndef f(): ..."), ["shop.jobs.f"]);
        assert_eq!(names("N = 'x'\nclass C:\n    N = 'y'\n@app.task(name=N)\ndef f(): ..."), ["x"]);
        assert_eq!(names("N: Final = 'x'\n@app.task(name=N)\ndef f(): ..."), ["x"]);
        assert!(tasks("N = 'x'\nN += 'y'\n@app.task(name=N)\ndef f(): ...").has_more);
        let computed = tasks("@app.task(name=f'{P}.pay')\ndef f(): ...");
        assert!(computed.has_more && computed.names.is_empty());
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
            "def make():\n    @shared_task\n    def f(): ...",
            "app.register_task(other.Task())",
            "@my_task\ndef f(): ...",
            "from ourlib import job\n@job\ndef f(): ...",
            "import invoke\n@invoke.task\ndef f(): ...",
            "class A(Task):\n    name = make()\napp.register_task(A())",
            "from base import Base\nclass A(Base): ...\napp.register_task(A())",
            "from vendor.tasks import *",
        ] {
            assert!(tasks(text).has_more, "{text}");
        }
        assert!(tasks("import os\ndef f(): ...\n").is_empty());
    }
}
