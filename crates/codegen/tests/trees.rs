//! Random trees of modules that import each other, through a real Python: what comes along is what is needed, and it works.

#![expect(clippy::unwrap_used, reason = "what the helpers here cannot do fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use proptest::{prelude::*, sample::Index};
use testcelery_codegen::{InitialContent, PyModule};

/// Imports the last module of each line's folder and compares what the modules have come to.
const COMPARE: &str = r#"
import importlib, sys
sys.dont_write_bytecode = True
installed = set(sys.modules)
for line in sys.stdin:
    folder, module, meant = line.rstrip("\n").split("\t")
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        importlib.import_module(module)
        found = {n: m.SUM for n, m in sorted(sys.modules.items()) if n not in installed and hasattr(m, "SUM")}
    except Exception as error:
        found = error
    if repr(found) != meant:
        print(f"{folder} {module}: meant {meant}, found {found!r}")
    sys.path.pop(0)
    for name in set(sys.modules) - installed:
        del sys.modules[name]
"#;

/// Packages that modules may be in.
const PACKAGES: &[&str] = &["", "p0", "p0.p1", "p2"];

/// One module: its package, its value, and how it imports others before it.
#[derive(Debug, Clone)]
struct Plan {
    package: Index,
    value: i32,
    imports: Vec<(Index, Form)>,
    /// Any of them, which a function imports that nobody calls. It may import this one back.
    cycle: Option<Index>,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Absolute,
    From,
    Relative,
    Value,
    InFunction,
}

fn plan() -> impl Strategy<Value = Plan> {
    let form = prop_oneof![
        Just(Form::Absolute),
        Just(Form::From),
        Just(Form::Relative),
        Just(Form::Value),
        Just(Form::InFunction)
    ];
    let imports = prop::collection::vec((any::<Index>(), form), 0..3);
    (any::<Index>(), any::<i32>(), imports, prop::option::weighted(0.2, any::<Index>()))
        .prop_map(|(package, value, imports, cycle)| Plan { package, value, imports, cycle })
}

/// A tree of modules, as it is meant.
#[derive(Debug, Default)]
struct Tree {
    texts: BTreeMap<String, String>,
    sums: BTreeMap<String, i64>,
    uses: BTreeMap<String, BTreeSet<String>>,
    /// What is not imported when the module is.
    later: BTreeMap<String, BTreeSet<String>>,
    /// Packages with an `__init__.py` of their own.
    packages: BTreeSet<String>,
}

fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

fn tree(plans: &[Plan], with_init: [bool; 3]) -> Tree {
    let mut tree = Tree::default();
    for (package, _) in PACKAGES[1..].iter().zip(with_init).filter(|(_, with)| *with) {
        tree.packages.insert((*package).to_owned());
        tree.texts.insert((*package).to_owned(), "SUM = 7\n".to_owned());
        tree.sums.insert((*package).to_owned(), 7);
    }
    let names: Vec<String> = plans
        .iter()
        .enumerate()
        .map(|(number, plan)| {
            let package = plan.package.get(PACKAGES);
            if package.is_empty() { format!("m{number}") } else { format!("{package}.m{number}") }
        })
        .collect();
    for (number, plan) in plans.iter().enumerate() {
        let name = &names[number];
        let (mut text, mut sum) = (String::from("import os\n"), i64::from(plan.value));
        let mut terms = vec![plan.value.to_string()];
        for (place, (target, form)) in plan.imports.iter().enumerate().filter(|_| number > 0) {
            let target = &names[target.index(number)];
            let (package, last) = (parent(target), target.rsplit('.').next().unwrap());
            let is_neighbour = !package.is_empty() && package == parent(name);
            let line = match form {
                Form::From if !package.is_empty() => format!("from {package} import {last} as i{place}"),
                Form::Relative if is_neighbour => format!("from . import {last} as i{place}"),
                Form::Relative if parent(name) == "p0.p1" && package == "p0" => {
                    format!("from .. import {last} as i{place}")
                }
                Form::Value if is_neighbour => format!("from .{last} import SUM as i{place}"),
                Form::Value => format!("from {target} import SUM as i{place}"),
                Form::InFunction => format!("def f{place}():\n    import {target} as it\n    return it.SUM"),
                _ => format!("import {target} as i{place}"),
            };
            text.push_str(&line);
            text.push('\n');
            terms.push(match form {
                Form::Value => format!("i{place}"),
                Form::InFunction => format!("f{place}()"),
                _ => format!("i{place}.SUM"),
            });
            sum += tree.sums[target];
            tree.uses.entry(name.clone()).or_default().insert(target.clone());
        }
        text.push_str(&format!("SUM = {}\n", terms.join(" + ")));
        if let Some(cycle) = plan.cycle {
            let target = cycle.get(&names);
            text.push_str(&format!("def later():\n    import {target}\n"));
            tree.later.entry(name.clone()).or_default().insert(target.clone());
        }
        tree.texts.insert(name.clone(), text);
        tree.sums.insert(name.clone(), sum);
    }
    tree
}

impl Tree {
    /// The module with all that it imports.
    fn reachable(&self, from: &str, with_later: bool) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![from.to_owned()];
        while let Some(name) = todo.pop() {
            if name.is_empty() || !seen.insert(name.clone()) {
                continue;
            }
            todo.push(parent(&name).to_owned());
            todo.extend(self.uses.get(&name).into_iter().flatten().cloned());
            let later = self.later.get(&name).filter(|_| with_later);
            todo.extend(later.into_iter().flatten().cloned());
        }
        seen
    }

    fn write(&self, folder: &Path) {
        for (name, text) in &self.texts {
            let path = name.replace('.', "/");
            let is_package = self.packages.contains(name);
            write(
                folder,
                &if is_package { format!("{path}/__init__.py") } else { format!("{path}.py") },
                text,
            );
        }
    }
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn trees_arrive_as_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let lines = std::cell::RefCell::new(Vec::new());
    let config = ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(plans in prop::collection::vec(plan(), 1..7), with_init in any::<[bool; 3]>())| {
        let tree = tree(&plans, with_init);
        let number = lines.borrow().len();
        let (disk, app) = (folder.path().join(format!("{number}-disk")), folder.path().join(format!("{number}-app")));
        tree.write(&disk);
        let last = tree.sums.keys().rfind(|name| !tree.packages.contains(*name)).unwrap();
        let path = disk.join(format!("{}.py", last.replace('.', "/")));
        let content = InitialContent::default().module("x", PyModule::file(path).root(&disk));
        let generated = content.generate().unwrap();
        prop_assert_eq!(&content.generate().unwrap(), &generated);

        let needed = tree.reachable(last, true);
        let is_ours = |path: &str| path.starts_with("testcelery/") || ["app.py", "utils.py"].contains(&path);
        let mut found = BTreeSet::new();
        for (path, _) in generated.iter().filter(|(path, _)| !is_ours(path)) {
            write(&app, path, generated.text(path).unwrap());
            found.insert(path.trim_end_matches(".py").trim_end_matches("/__init__").replace('/', "."));
        }
        prop_assert_eq!(&found, &needed);
        let sums = tree.reachable(last, false);
        let sums = sums.iter().filter_map(|name| Some(format!("'{name}': {}", tree.sums.get(name)?)));
        let meant = format!("{{{}}}", sums.collect::<Vec<_>>().join(", "));
        lines.borrow_mut().push(format!("{}\t{last}\t{meant}\n", app.display()));
    });
    let mut python = Command::new("python3")
        .args(["-I", "-X", "utf8", "-c", COMPARE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3 on PATH");
    python.stdin.take().unwrap().write_all(lines.into_inner().concat().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}
