//! What a module imports.

use ruff_python_ast::{self as ast, CmpOp, ExceptHandler, Expr};
use ruff_text_size::Ranged as _;

use super::{dotted, literal};

/// One import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// How many dots stand before the name; 0 for an absolute one.
    pub(crate) level: usize,
    /// The dotted name; empty in `from . import x`.
    pub(crate) module: String,
    /// What is wanted of it.
    pub(crate) wanted: Wanted,
    /// Whether the module goes on without it.
    pub(crate) is_optional: bool,
    /// Whether it is imported for its tasks, by a text that names it.
    pub(crate) is_for_tasks: bool,
    /// Where in the text it stands, in bytes.
    pub(crate) offset: usize,
}

impl Import {
    /// A module that is named by a text, which may be something else.
    pub(crate) fn by_name(module: String, offset: usize) -> Self {
        Self { level: 0, module, wanted: Wanted::Module, is_optional: true, is_for_tasks: true, offset }
    }
}

/// What is wanted of an imported module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The module itself.
    Module,
    /// Names or submodules of it.
    Names(Vec<String>),
    /// All of its names.
    All,
}

/// Exceptions that a failed import is caught by.
const CATCHING: &[&str] = &["ImportError", "ModuleNotFoundError", "Exception", "BaseException"];

/// `import a.b, c`.
pub(super) fn of_import(import: &ast::StmtImport, is_optional: bool) -> impl Iterator<Item = Import> {
    let offset = import.range.start().to_usize();
    import.names.iter().map(move |alias| Import {
        level: 0,
        module: alias.name.to_string(),
        wanted: Wanted::Module,
        is_optional,
        is_for_tasks: false,
        offset,
    })
}

/// `from a import b, c`.
pub(super) fn of_import_from(import: &ast::StmtImportFrom, is_optional: bool) -> Import {
    let names: Vec<String> = import.names.iter().map(|alias| alias.name.to_string()).collect();
    Import {
        level: usize::try_from(import.level).unwrap_or(usize::MAX),
        module: import.module.as_ref().map(ToString::to_string).unwrap_or_default(),
        wanted: if names.iter().any(|name| name == "*") { Wanted::All } else { Wanted::Names(names) },
        is_optional,
        is_for_tasks: false,
        offset: import.range.start().to_usize(),
    }
}

/// The settings that name modules.
pub(crate) const MODULE_SETTINGS: [&str; 2] = ["imports", "include"];

/// Modules that a call names by their literal names: `Celery(include=[..])` and `imports`, `autodiscover_tasks([..])`,
/// `config_from_object("..")`, `import_module("..")`. What is not found may be installed, or not be meant at all.
pub(super) fn by_name(call: &ast::ExprCall) -> Vec<Import> {
    let offset = call.range_start.to_usize();
    let import = |module| Import::by_name(module, offset);
    let arguments = &call.arguments;
    match called(call) {
        "import_module" => {
            let name = arguments.args.first().and_then(literal).filter(|name| is_absolute(name));
            name.map(|name| import(name.to_owned())).into_iter().collect()
        }
        "autodiscover_tasks" => {
            let related = arguments.find_argument_value("related_name", 1);
            let is_none = related.is_some_and(Expr::is_none_literal_expr);
            let related = related.map_or(Some("tasks"), literal);
            let packages = list(arguments.find_argument_value("packages", 0));
            let modules = packages.into_iter().filter_map(|package| match related {
                Some(related) => Some(format!("{package}.{related}")),
                None => is_none.then_some(package),
            });
            modules.map(import).collect()
        }
        "config_from_object" => {
            let name = arguments.find_argument_value("obj", 0).and_then(literal).unwrap_or_default();
            let module = name.split(':').next().unwrap_or_default();
            // The last part may be an object in the module.
            let parent = module.rsplit_once('.').map(|(parent, _)| parent);
            [Some(module), parent]
                .into_iter()
                .flatten()
                .filter(|name| is_absolute(name))
                .map(|name| Import { is_for_tasks: false, ..import(name.to_owned()) })
                .collect()
        }
        _ => {
            let listed = MODULE_SETTINGS
                .into_iter()
                .flat_map(|keyword| list(arguments.find_keyword(keyword).map(|keyword| &keyword.value)));
            listed.filter(|name| is_absolute(name)).map(import).collect()
        }
    }
}

/// The last part of the name of what is called.
fn called(call: &ast::ExprCall) -> &str {
    match call.func.as_ref() {
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        Expr::Name(name) => name.id.as_str(),
        _ => "",
    }
}

/// What a call is called that imports modules under names which only running it shows.
pub(super) fn is_computed(call: &ast::ExprCall) -> Option<&str> {
    let arguments = &call.arguments;
    let called = called(call);
    let is_computed = match called {
        "import_module" => arguments.args.first().is_some_and(|name| literal(name).is_none()),
        "autodiscover_tasks" => match arguments.find_argument_value("packages", 0) {
            Some(Expr::List(list)) => list.elts.iter().any(|name| literal(name).is_none()),
            Some(Expr::Tuple(tuple)) => tuple.elts.iter().any(|name| literal(name).is_none()),
            _ => true,
        },
        _ => false,
    };
    is_computed.then_some(called)
}

/// `app.conf.imports = [..]`, and `imports = (..)` in a module of settings.
pub(super) fn by_setting(target: &Expr, value: &Expr) -> Vec<Import> {
    let name = dotted(target).unwrap_or_default();
    if !name.rsplit('.').next().is_some_and(|name| MODULE_SETTINGS.contains(&name)) {
        return Vec::new();
    }
    let offset = value.range().start().to_usize();
    let names = list(Some(value)).into_iter().filter(|name| is_absolute(name));
    names.map(|name| Import::by_name(name, offset)).collect()
}

/// The texts in a literal list or tuple.
fn list(expr: Option<&Expr>) -> Vec<String> {
    let items = match expr {
        Some(Expr::List(list)) => list.elts.iter(),
        Some(Expr::Tuple(tuple)) => tuple.elts.iter(),
        _ => return Vec::new(),
    };
    items.filter_map(literal).map(str::to_owned).collect()
}

fn is_absolute(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.')
}

/// Whether a block is not run when the module is imported: it is for type checkers, or for scripts.
pub(super) fn is_left_out(test: &Expr) -> bool {
    if let Expr::Compare(compare) = test {
        let is_main = compare.comparators.first().and_then(literal) == Some("__main__");
        let is_equal = *compare.ops == [CmpOp::Eq];
        return is_equal && is_main && dotted(&compare.left).as_deref() == Some("__name__");
    }
    dotted(test).is_some_and(|name| name.rsplit('.').next() == Some("TYPE_CHECKING"))
}

/// Whether one of some handlers catches a failed import.
pub(super) fn catches_import_errors(handlers: &[ExceptHandler]) -> bool {
    handlers.iter().any(|ExceptHandler::ExceptHandler(handler)| match handler.type_.as_deref() {
        None => true,
        Some(Expr::Tuple(types)) => types.elts.iter().any(is_catching),
        Some(other) => is_catching(other),
    })
}

/// Whether it is `suppress(ImportError)`.
pub(super) fn suppresses_import_errors(item: &ast::WithItem) -> bool {
    let Expr::Call(call) = &item.context_expr else { return false };
    let is_suppress = dotted(&call.func).is_some_and(|name| name.rsplit('.').next() == Some("suppress"));
    is_suppress && call.arguments.args.iter().any(is_catching)
}

fn is_catching(expr: &Expr) -> bool {
    dotted(expr).is_some_and(|name| CATCHING.contains(&name.rsplit('.').next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn imports(text: &str) -> Vec<String> {
        let shown = |import: Import| {
            let wanted = match import.wanted {
                Wanted::Module => String::new(),
                Wanted::All => ":*".to_owned(),
                Wanted::Names(names) => format!(":{}", names.join(",")),
            };
            let optional = if import.is_optional { "?" } else { "" };
            format!("{}{}{wanted}{optional}", ".".repeat(import.level), import.module)
        };
        scan("x.py", "x", text).unwrap().imports.into_iter().map(shown).collect()
    }

    #[test]
    fn every_form() {
        assert_eq!(imports("import a.b, c as d"), ["a.b", "c"]);
        assert_eq!(imports("from a.b import c as d, e"), ["a.b:c,e"]);
        assert_eq!(imports("from .. import a\nfrom .b import *"), ["..:a", ".b:*"]);
        assert_eq!(imports("def f():\n    import a"), ["a"], "a function may be called");
    }

    #[test]
    fn what_may_be_missing() {
        assert_eq!(imports("try:\n    import a\nexcept ImportError:\n    import b"), ["a?", "b"]);
        assert_eq!(imports("try:\n    import a\nexcept (KeyError, x.ModuleNotFoundError): ..."), ["a?"]);
        assert_eq!(imports("try:\n    import a\nexcept KeyError: ..."), ["a"]);
        assert_eq!(imports("try:\n    import a\nexcept ImportError: ...\nelse:\n    import b"), ["a?", "b?"]);
        assert_eq!(imports("with contextlib.suppress(ImportError):\n    import a"), ["a?"]);
    }

    #[test]
    fn what_the_worker_never_imports() {
        assert_eq!(imports("if TYPE_CHECKING:\n    import a\nelse:\n    import b"), ["b"]);
        assert_eq!(imports("if typing.TYPE_CHECKING:\n    import a"), [""; 0]);
        assert_eq!(imports("if __name__ == '__main__':\n    import a"), [""; 0]);
        assert_eq!(imports("if __name__ != '__main__':\n    import a"), ["a"]);
    }

    #[test]
    fn modules_by_their_names() {
        assert_eq!(imports("app = Celery('x', include=['proj.tasks', name])"), ["proj.tasks?"]);
        assert_eq!(imports("app.conf.update(imports=('a', 'b'))"), ["a?", "b?"]);
        assert_eq!(imports("app.autodiscover_tasks(['proj', 'shop'])"), ["proj.tasks?", "shop.tasks?"]);
        assert_eq!(imports("app.autodiscover_tasks(['proj'], related_name='jobs')"), ["proj.jobs?"]);
        assert_eq!(imports("app.autodiscover_tasks(['proj'], related_name=None)"), ["proj?"]);
        assert_eq!(imports("app.autodiscover_tasks()"), [""; 0]);
        assert_eq!(imports("app.config_from_object('proj.celeryconfig')"), ["proj.celeryconfig?", "proj?"]);
        assert_eq!(imports("app.config_from_object('conf:settings', namespace='C')"), ["conf?"]);
        assert_eq!(imports("app.conf.imports = ['a']\ninclude = ('b',)"), ["a?", "b?"]);
        assert_eq!(imports("importlib.import_module('a.b')\nimport_module('.c', 'd')"), ["a.b?"]);
    }
}
