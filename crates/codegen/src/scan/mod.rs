//! What a module says about itself, read from its syntax tree in one pass.

mod calls;
mod imports;
mod tasks;
mod text;

use std::collections::HashSet;

use ruff_python_ast::{
    self as ast, Expr, ExprContext, Stmt,
    visitor::{self, Visitor},
};
use ruff_python_parser::parse_module;

pub(crate) use self::imports::{Import, MODULE_SETTINGS, Wanted};
pub(crate) use self::tasks::Tasks;
use crate::{Error, deep_stack, nesting, source};

/// What a module says about itself.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// What it imports, in order, but for what only a type checker imports.
    pub(crate) imports: Vec<Import>,
    /// The tasks that it registers.
    pub(crate) tasks: Tasks,
    /// The names that it has once it is imported.
    pub(crate) names: Names,
}

/// The names of a module.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashSet<String>,
    /// It may have more than its source shows: star imports, `__getattr__`, `globals()`, `sys.modules`.
    has_more: bool,
}

impl Names {
    /// Whether a module may have a name. Python itself gives it `__name__`, `__file__` and the like.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        let is_pythons = name.starts_with("__") && name.ends_with("__");
        self.has_more || is_pythons || self.known.contains(name)
    }
}

/// The depth of a source that every stack holds: it takes less than 2 KiB a level. Most sources are less deep than 40.
const SHALLOW: usize = 150;

/// Reads a module of a dotted name. `path` is what errors call it.
///
/// # Errors
/// [`Error::Syntax`], also for a text that is nested too deeply; [`Error::Thread`].
pub(crate) fn scan(path: &str, module: &str, text: &str) -> Result<Scan, Error> {
    let depth =
        nesting::check(text).map_err(|found| source::error_at(path, text, found.offset, found.problem))?;
    if depth <= SHALLOW {
        return scan_here(path, module, text);
    }
    // The tree is walked and freed by recursion, so it lives and ends there.
    deep_stack::run(|| scan_here(path, module, text))
        .map_err(|source| Error::Thread { path: path.to_owned(), source })?
}

fn scan_here(path: &str, module: &str, text: &str) -> Result<Scan, Error> {
    let parsed = parse_module(text).map_err(|error| source::syntax_error(path, text, &error))?;
    let mut scanner = Scanner { tasks: tasks::Collector::new(module), ..Scanner::default() };
    scanner.visit_body(parsed.suite());
    Ok(Scan { imports: scanner.imports, tasks: scanner.tasks.finish(), names: scanner.names })
}

/// Walks through a module and keeps track of where it is.
#[derive(Debug, Default)]
struct Scanner {
    imports: Vec<Import>,
    tasks: tasks::Collector,
    names: Names,
    /// The functions that it is in, the outermost first: what is in one does not happen when the module is imported.
    functions: Vec<String>,
    /// How many classes it is in.
    classes: usize,
    /// How many blocks it is in that catch a failed import.
    caught: usize,
}

impl Scanner {
    fn bind(&mut self, name: &str) {
        if self.functions.is_empty() {
            self.names.has_more |= name == "__getattr__";
            self.names.known.insert(name.to_owned());
        }
    }

    fn function(&mut self, function: &ast::StmtFunctionDef) {
        self.bind(&function.name);
        self.tasks.function(function, &self.functions);
        for decorator in &function.decorator_list {
            // Not the decorator itself: it is a call of a task's factory, which the function is registered by.
            match &decorator.expression {
                Expr::Call(call) => self.visit_arguments(&call.arguments),
                other => self.visit_expr(other),
            }
        }
        self.visit_parameters(&function.parameters);
        self.functions.push(function.name.to_string());
        self.visit_body(&function.body);
        self.functions.pop();
    }

    /// `target = value`, in whatever form.
    fn assigned(&mut self, target: &Expr, value: &Expr) {
        self.imports.extend(imports::by_setting(target, value));
        if self.functions.is_empty() && self.classes == 0 {
            self.tasks.assignment(target, value);
        }
    }

    /// A statement whose body is under a condition, or catches what fails in it.
    fn branches(&mut self, stmt: &Stmt) -> bool {
        match stmt {
            Stmt::If(branch) if imports::is_left_out(&branch.test) => {
                branch.elif_else_clauses.iter().for_each(|clause| self.visit_elif_else_clause(clause));
                true
            }
            Stmt::Try(attempt) if imports::catches_import_errors(&attempt.handlers) => {
                self.caught += 1;
                self.visit_body(&attempt.body);
                // It runs where nothing failed, so what it imports may be missing too.
                self.visit_body(&attempt.orelse);
                self.caught -= 1;
                attempt.handlers.iter().for_each(|handler| self.visit_except_handler(handler));
                self.visit_body(&attempt.finalbody);
                true
            }
            Stmt::With(with) if with.items.iter().any(imports::suppresses_import_errors) => {
                self.caught += 1;
                self.visit_body(&with.body);
                self.caught -= 1;
                true
            }
            _ => false,
        }
    }
}

impl<'a> Visitor<'a> for Scanner {
    fn visit_stmt(&mut self, stmt: &'a Stmt) {
        match stmt {
            Stmt::Import(import) => {
                for alias in &import.names {
                    let whole = alias.asname.as_ref().map(|name| name.as_str());
                    let bound = whole.or_else(|| alias.name.split('.').next()).unwrap_or_default();
                    self.bind(bound);
                    let qualified = if whole.is_some() { &alias.name } else { bound };
                    self.tasks.import(bound, qualified, import.range.start().to_usize());
                }
                self.imports.extend(imports::of_import(import, self.caught > 0));
            }
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    let bound = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.names.has_more |= bound == "*";
                    self.bind(bound);
                    let module = import.module.as_ref().map(|module| module.as_str()).unwrap_or_default();
                    self.tasks.alias(bound, &alias.name);
                    if import.level == 0 {
                        let offset = import.range.start().to_usize();
                        self.tasks.import(bound, &format!("{module}.{}", alias.name), offset);
                    }
                }
                self.imports.push(imports::of_import_from(import, self.caught > 0));
            }
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => {
                self.bind(&class.name);
                self.tasks.class(class);
                self.classes += 1;
                visitor::walk_stmt(self, stmt);
                self.classes -= 1;
            }
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.assigned(target, &assign.value);
                }
                visitor::walk_stmt(self, stmt);
            }
            Stmt::AnnAssign(ast::StmtAnnAssign { target, value: Some(value), .. }) => {
                self.assigned(target, value);
                visitor::walk_stmt(self, stmt);
            }
            Stmt::AugAssign(change) => {
                self.tasks.changed(&change.target);
                visitor::walk_stmt(self, stmt);
            }
            Stmt::Global(global) => {
                self.names.known.extend(global.names.iter().map(ToString::to_string));
            }
            Stmt::Match(_) => {
                // Its patterns bind names, too.
                self.names.has_more |= self.functions.is_empty();
                visitor::walk_stmt(self, stmt);
            }
            _ if self.branches(stmt) => {}
            _ => visitor::walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if matches!(name.ctx, ExprContext::Store) => self.bind(&name.id),
            Expr::Name(name) => {
                let reaches_all = ["globals", "locals", "exec", "setattr", "vars"];
                self.names.has_more |= reaches_all.contains(&name.id.as_str());
            }
            Expr::Attribute(attribute) if attribute.attr.as_str() == "modules" => {
                self.names.has_more |= dotted(expr).as_deref() == Some("sys.modules");
            }
            Expr::Call(call) => {
                self.imports.extend(imports::by_name(call));
                if let Some(called) = imports::is_computed(call) {
                    self.tasks.computed_import(call, called);
                }
                self.tasks.called(call, &self.functions);
                if self.tasks.call(call, &self.functions) {
                    // What is registered by it was seen; its arguments may be calls of their own.
                    self.visit_arguments(&call.arguments);
                    return;
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expr);
    }
}

/// `a.b.c` of names and attributes; `None` for any other expression.
fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => Some(format!("{}.{}", dotted(&attribute.value)?, attribute.attr)),
        _ => None,
    }
}

/// The text of a string literal.
fn literal(expr: &Expr) -> Option<&str> {
    expr.as_string_literal_expr().map(|literal| literal.value.to_str())
}

#[cfg(test)]
mod depth_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_module_has() {
        let text = "import a.b, c as d\nfrom e import f as g\nh: int = 1\n(i, [*j]) = k()\ndef l():\n    m = 1\n\
                    class N: pass\nfor o in p: pass\nif (q := r): pass\ndef s():\n    global t\n    t = 1\n";
        let names = scan("x.py", "x", text).unwrap().names;
        for name in ["a", "d", "g", "h", "i", "j", "l", "N", "o", "q", "t", "__file__"] {
            assert!(names.may_have(name), "{name}");
        }
        for name in ["b", "c", "e", "f", "k", "m", "p", "r", "nothing"] {
            assert!(!names.may_have(name), "{name}");
        }
    }

    #[test]
    fn modules_that_may_have_any_name() {
        for text in [
            "from a import *",
            "def __getattr__(name): ...",
            "__getattr__, __dir__, __all__ = attach(__name__)",
            "globals()['x'] = 1",
            "import sys\nsys.modules[__name__] = x",
            "match x:\n    case [y]: pass",
        ] {
            assert!(scan("x.py", "x", text).unwrap().names.may_have("anything"), "{text}");
        }
    }
}
