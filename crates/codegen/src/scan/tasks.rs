//! The tasks that a module registers, and their names.

use std::collections::{BTreeSet, HashMap};

use ruff_python_ast::{self as ast, Expr, Stmt};
use ruff_text_size::Ranged as _;

use super::{
    calls::Calls,
    dotted,
    text::{Name, Texts},
};
use crate::name;

/// The tasks of a module, as far as its source shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tasks {
    /// The names by which Celery knows them.
    pub(crate) names: BTreeSet<String>,
    /// Places that may register more, under names that only running them shows.
    pub(crate) unseen: Vec<Unseen>,
    /// Those that a function registers which the module itself does not call.
    pub(crate) in_functions: Vec<InFunction>,
    /// The names of the functions that are called when the module is imported.
    pub(crate) calls: BTreeSet<String>,
}

/// A place that may register tasks which the source does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unseen {
    /// Where in the text it is, in bytes.
    pub(crate) offset: usize,
    /// Why the names are not known.
    pub(crate) reason: String,
    /// The module that registers them. If its source is read, nothing is missing.
    pub(crate) module: Option<String>,
}

/// A task that is registered when a function is called, for example one that makes an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InFunction {
    /// The function.
    pub(crate) function: String,
    /// The name of the task.
    pub(crate) name: String,
    /// Where in the text it is, in bytes.
    pub(crate) offset: usize,
}

impl Tasks {
    /// Whether it registers none for certain.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.unseen.is_empty() && self.in_functions.is_empty()
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
    texts: Texts,
    calls: Calls,
    /// Functions of the module.
    functions: BTreeSet<String>,
    /// Classes of the module, with the `name` that they give their task.
    classes: HashMap<String, Option<Name>>,
    tasks: Tasks,
}

impl Collector {
    pub(super) fn new(module: &str) -> Self {
        Self { module: module.to_owned(), texts: Texts::new(module), ..Self::default() }
    }

    pub(super) fn finish(mut self) -> Tasks {
        self.tasks.calls = self.calls.at_import();
        let (called, others): (Vec<_>, Vec<_>) =
            self.tasks.in_functions.into_iter().partition(|task| self.tasks.calls.contains(&task.function));
        self.tasks.names.extend(called.into_iter().map(|task| task.name));
        self.tasks.in_functions = others;
        self.tasks
    }

    fn unseen(&mut self, offset: usize, reason: impl Into<String>) {
        self.tasks.unseen.push(Unseen { offset, reason: reason.into(), module: None });
    }

    /// Modules are searched or imported under names that are computed.
    pub(super) fn computed_import(&mut self, call: &ast::ExprCall, called: &str) {
        self.unseen(
            call.range().start().to_usize(),
            format!("`{called}` imports modules whose names are computed"),
        );
    }

    /// `name` is what is called `original` where it comes from.
    pub(super) fn alias(&mut self, name: &str, original: &str) {
        self.calls.alias(name, original);
    }

    /// A call, in the functions `within`.
    pub(super) fn called(&mut self, call: &ast::ExprCall, within: &[String]) {
        self.calls.add(call, within);
    }

    /// `name` stands for what is `qualified` elsewhere.
    pub(super) fn import(&mut self, name: &str, qualified: &str, offset: usize) {
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
            // A module of tasks, or a factory of tasks, which registers what it registers.
            let reason =
                format!("`{qualified}` may register tasks, and its source is not among what was read");
            self.tasks.unseen.push(Unseen { offset, reason, module: Some(qualified.to_owned()) });
        }
    }

    /// `NAME = "text"` and `job = app.task`, of the module itself.
    pub(super) fn assignment(&mut self, target: &Expr, value: &Expr) {
        let Expr::Name(target) = target else { return };
        if !self.texts.set(&target.id, value) && self.is_factory(value) {
            self.imported.insert(target.id.to_string(), FACTORIES[0].to_owned());
        }
    }

    /// `NAME += ..`: what it is then is not known.
    pub(super) fn changed(&mut self, target: &Expr) {
        if let Expr::Name(target) = target {
            self.texts.forget(&target.id);
        }
    }

    /// A function with its decorators, in the functions `within`. One inside another function registers when that one is called.
    pub(super) fn function(&mut self, function: &ast::StmtFunctionDef, within: &[String]) {
        if within.is_empty() {
            self.functions.insert(function.name.to_string());
        }
        for decorator in &function.decorator_list {
            let (factory, arguments) = match &decorator.expression {
                Expr::Call(call) => (call.func.as_ref(), Some(&call.arguments)),
                other => (other, None),
            };
            let offset = decorator.range.start().to_usize();
            if self.is_factory(factory) {
                let name = arguments.and_then(|arguments| self.named(arguments, within));
                self.register(name, &function.name, offset, within);
            } else if let Some(decorator) = self.may_be_factory(factory) {
                self.unseen(offset, format!("the decorator `{decorator}` may register a task"));
            }
        }
    }

    /// The name of a decorator that may make tasks: by that name, or because it comes from another library.
    fn may_be_factory(&self, expr: &Expr) -> Option<String> {
        let name = dotted(expr)?;
        let first = name.split('.').next().unwrap_or_default();
        (name.to_ascii_lowercase().contains("task") || self.foreign.contains(first)).then_some(name)
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
        let name = own.map_or(inherited, |value| Some(self.texts.name(value)));
        self.classes.insert(class.name.to_string(), name);
    }

    /// A call that may register a task: `app.task(f)`, `shared_task(name="x")(f)`, `app.register_task(Task())`. Whether it was one.
    pub(super) fn call(&mut self, call: &ast::ExprCall, within: &[String]) -> bool {
        let is_registration =
            dotted(&call.func).is_some_and(|name| name.rsplit('.').next() == Some("register_task"));
        let (options, registered) = match call.func.as_ref() {
            Expr::Call(factory) if self.is_factory(&factory.func) => {
                (Some(&factory.arguments), call.arguments.args.first())
            }
            func if is_registration || self.is_factory(func) => (None, call.arguments.args.first()),
            _ => return false,
        };
        let named = |options| self.named(options, within);
        let name = options.and_then(named).or_else(|| named(&call.arguments));
        let offset = call.range().start().to_usize();
        match registered {
            Some(Expr::Name(function))
                if !is_registration && self.functions.contains(function.id.as_str()) =>
            {
                self.register(name, &function.id, offset, within);
            }
            Some(expr) if is_registration => self.register_class(expr, offset, within),
            _ => self.unseen(offset, "the function that becomes a task is computed"),
        }
        true
    }

    /// `register_task(Class())` or `register_task(Class)`.
    fn register_class(&mut self, expr: &Expr, offset: usize, within: &[String]) {
        let class = match expr {
            Expr::Call(call) => dotted(&call.func),
            other => dotted(other),
        };
        match class.and_then(|class| Some((self.classes.get(&class)?.clone(), class))) {
            Some((name, class)) => self.register(name, &class, offset, within),
            None => self.unseen(offset, "the class of the task is none of this module's"),
        }
    }

    /// Without a name it is that of the module and the function (`celery.utils.imports.gen_task_name`).
    fn register(&mut self, name: Option<Name>, function: &str, offset: usize, within: &[String]) {
        let name = match name {
            None => format!("{}.{function}", self.module),
            Some(Name::Known(name)) => name,
            Some(Name::Unknown) => {
                return self.unseen(offset, format!("the name of the task `{function}` is computed"));
            }
        };
        match within {
            [] => drop(self.tasks.names.insert(name)),
            [outer] => {
                self.tasks.in_functions.push(InFunction { function: outer.clone(), name, offset });
            }
            [.., inner] => {
                self.unseen(
                    offset,
                    format!("`{name}` is registered when the inner function `{inner}` is called"),
                );
            }
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

    /// The argument `name=`, in the functions `within`. `**options` may hold it.
    fn named(&self, arguments: &ast::Arguments, within: &[String]) -> Option<Name> {
        let Some(keyword) = arguments.find_keyword("name") else {
            return arguments.keywords.iter().any(|keyword| keyword.arg.is_none()).then_some(Name::Unknown);
        };
        let value = &keyword.value;
        let name =
            if within.is_empty() { self.texts.name(value) } else { self.texts.name_in_function(value) };
        match name {
            // As Celery: no name at all.
            Name::Known(name) if name.is_empty() => None,
            _ if value.is_none_literal_expr() => None,
            name => Some(name),
        }
    }
}

#[cfg(test)]
mod tests;
