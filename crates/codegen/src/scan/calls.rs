//! Which functions are called when a module is imported: a function that makes an app registers its tasks then.

use std::collections::{BTreeSet, HashMap};

use ruff_python_ast::{self as ast, Expr};

/// The calls of a module, by the names of what is called.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// What is called outside of all functions.
    at_top: BTreeSet<String>,
    /// What each function calls.
    by_function: HashMap<String, BTreeSet<String>>,
    /// The names that imported functions have where they come from.
    originals: HashMap<String, String>,
}

impl Calls {
    /// `name` is what is called `original` in its own module.
    pub(super) fn alias(&mut self, name: &str, original: &str) {
        self.originals.insert(name.to_owned(), original.to_owned());
    }

    /// A call in functions, the outermost first. Of `a.b.f()` the name is `f`.
    pub(super) fn add(&mut self, call: &ast::ExprCall, within: &[String]) {
        let called = match call.func.as_ref() {
            Expr::Name(name) => self.originals.get(name.id.as_str()).map_or(name.id.as_str(), String::as_str),
            Expr::Attribute(attribute) => attribute.attr.as_str(),
            _ => return,
        };
        let calls = match within.first() {
            None => &mut self.at_top,
            Some(function) => self.by_function.entry(function.clone()).or_default(),
        };
        calls.insert(called.to_owned());
    }

    /// What is called when the module is imported, by itself or by functions that it calls.
    pub(super) fn at_import(mut self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut todo = Vec::from_iter(self.at_top);
        while let Some(name) = todo.pop() {
            todo.extend(self.by_function.remove(&name).into_iter().flatten());
            all.insert(name);
        }
        all
    }
}
