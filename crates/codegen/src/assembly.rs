//! All modules of a content, with what they import from beside them.

mod listing;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use crate::{
    ContentTree, Error, PyModule, UnseenTasks,
    finder::{Finder, Found},
    load::{self, Module, parent_of},
    merge::{Merge, SourceFile},
    name::{self, Role},
    scan::{Import, Names, Tasks, Wanted},
    source,
};

/// Modules that are gathered until nothing is missing.
#[derive(Debug)]
pub(crate) struct Assembly {
    /// The folder that relative paths start from.
    folder: PathBuf,
    finders: Vec<Finder>,
    modules: BTreeMap<String, Known>,
    merge: Merge,
    /// Modules whose imports have not been followed yet.
    todo: Vec<String>,
    /// What stands at the top in place of ours: `app` or `utils`, and the packages of such names.
    handed_over: Vec<Role>,
    /// Modules whose tasks cannot be read.
    unread: Vec<UnseenTasks>,
}

/// A module that is part of the content.
#[derive(Debug)]
struct Known {
    path: String,
    is_package: bool,
    imports: Vec<Import>,
    tasks: Tasks,
    names: Names,
    /// Which of the finders looks for what it imports.
    finder: Option<usize>,
    /// The modules of the content that it imports.
    uses: BTreeSet<String>,
}

/// A module, or a package, that was added.
#[derive(Debug)]
pub(crate) struct Added {
    /// Its dotted name.
    pub(crate) name: String,
    /// It and its modules, where it is a whole package.
    modules: Vec<String>,
    /// Whether it is there without us.
    is_installed: bool,
}

impl Assembly {
    /// With relative paths below a folder.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            finders: Vec::new(),
            modules: BTreeMap::new(),
            merge: Merge::default(),
            todo: Vec::new(),
            handed_over: Vec::new(),
            unread: Vec::new(),
        }
    }

    /// For reading modules only: they may be called `app` or `utils`.
    pub(crate) fn for_listing(folder: PathBuf) -> Self {
        Self { handed_over: vec![Role::App, Role::Utils], ..Self::new(folder) }
    }

    /// Adds what a user named.
    pub(crate) fn add(&mut self, module: &PyModule, role: Role) -> Result<Added, Error> {
        let loaded = load::load(module, &self.folder)?;
        let is_installed = loaded.modules.is_empty();
        self.handed_over.push(role);
        if is_installed {
            let reason = "it is installed in the worker, and its source is not read".to_owned();
            self.unread.push(UnseenTasks::new(format!("the module `{}`", loaded.name), None, reason));
        }
        if let Some(first) = loaded.modules.first() {
            self.check_free(&first.file.origin(), &loaded.name)?;
        }
        let finder = loaded.finder.map(|finder| {
            self.finders.push(finder);
            self.finders.len() - 1
        });
        let mut modules = vec![loaded.name.clone()];
        if loaded.is_whole {
            modules.extend(loaded.modules.iter().map(|module| module.name.clone()));
        }
        for module in loaded.modules {
            self.insert(module, finder)?;
        }
        for file in loaded.files {
            self.merge.add(file)?;
        }
        Ok(Added { name: loaded.name, modules, is_installed })
    }

    /// Follows all imports, and what those import.
    pub(crate) fn resolve(&mut self) -> Result<(), Error> {
        while let Some(name) = self.todo.pop() {
            let Some(known) = self.modules.get_mut(&name) else { continue };
            for import in std::mem::take(&mut known.imports) {
                self.follow(&name, &import)?;
            }
        }
        Ok(())
    }

    /// Adds a module that a setting names, where it is on the disk.
    pub(crate) fn add_named(&mut self, name: &str, setting: &str) -> Result<(), Error> {
        let first = (!self.finders.is_empty()).then_some(0);
        if !self.want("", first, name)? {
            let reason = format!("it names the module `{name}`, whose source was not found");
            self.unread.push(UnseenTasks::new(format!("setting `{setting}`"), None, reason));
        }
        Ok(())
    }

    /// The modules to import for what was added, in order.
    pub(crate) fn imported(&self, added: &Added, keep: impl Fn(&Tasks) -> bool) -> Vec<String> {
        let mut names = vec![added.name.clone()];
        let rest: BTreeSet<&String> = added.modules.iter().filter(|name| **name != added.name).collect();
        let is_script = |name: &str| name.rsplit('.').next() == Some("__main__");
        let rest = rest.into_iter().filter(|name| !is_script(name));
        names.extend(rest.filter(|name| self.modules.get(*name).is_some_and(|it| keep(&it.tasks))).cloned());
        names
    }

    /// Whether what was added registers no task for certain, nor does what it imports.
    pub(crate) fn is_without_tasks(&self, added: &[Added]) -> bool {
        if added.iter().any(|added| added.is_installed) {
            return false;
        }
        let mut seen = BTreeSet::new();
        let mut todo: Vec<&String> = added.iter().flat_map(|added| &added.modules).collect();
        while let Some(name) = todo.pop() {
            let Some(known) = self.modules.get(name).filter(|_| seen.insert(name)) else { continue };
            if !known.tasks.is_empty() {
                return false;
            }
            todo.extend(&known.uses);
        }
        true
    }

    /// Writes all files into a tree.
    pub(crate) fn finish(self, tree: &mut ContentTree) -> Result<(), Error> {
        self.merge.finish(tree)
    }

    fn insert(&mut self, module: Module, finder: Option<usize>) -> Result<(), Error> {
        let Module { name, is_package, file, scan } = module;
        let path = file.path().to_owned();
        self.merge.add(file)?;
        self.packages(&name, finder)?;
        if !self.modules.contains_key(&name) {
            self.todo.push(name.clone());
            let known = Known {
                path,
                is_package,
                imports: scan.imports,
                tasks: scan.tasks,
                names: scan.names,
                finder,
                uses: BTreeSet::new(),
            };
            self.modules.insert(name, known);
        }
        Ok(())
    }

    /// The packages that a module is in: those of its place on the disk, else empty ones.
    fn packages(&mut self, name: &str, finder: Option<usize>) -> Result<(), Error> {
        let package = parent_of(name);
        if package.is_empty() || self.modules.contains_key(package) {
            return Ok(());
        }
        match self.find(finder, package) {
            Some(Found::Package(path)) => self.read(package, &path, finder),
            _ => {
                self.merge.add(SourceFile::package(&package.replace('.', "/")))?;
                self.packages(package, finder)
            }
        }
    }

    /// Whether a name may be taken, now that the user's own app and helpers are in place of ours.
    fn check_free(&self, module: &str, name: &str) -> Result<(), Error> {
        let mut result = name::check_free(module, name, Role::Any);
        for role in &self.handed_over {
            result = result.or_else(|_| name::check_free(module, name, *role));
        }
        result
    }

    fn find(&mut self, finder: Option<usize>, name: &str) -> Option<Found> {
        self.finders.get_mut(finder?)?.find(name)
    }

    /// Where a module is: for the importing one, else for any other, whose imports may start elsewhere.
    fn find_anywhere(&mut self, finder: Option<usize>, name: &str) -> (Option<Found>, Option<usize>) {
        let is_file = |found: &Option<Found>| matches!(found, Some(Found::Package(_) | Found::Module(_)));
        let own = self.find(finder, name);
        if is_file(&own) || finder.is_none() {
            return (own, finder);
        }
        let others = (0..self.finders.len()).map(|other| (self.find(Some(other), name), Some(other)));
        others.into_iter().find(|(found, _)| is_file(found)).unwrap_or((own, finder))
    }

    fn read(&mut self, name: &str, path: &Path, finder: Option<usize>) -> Result<(), Error> {
        if let Some(finder) = finder.and_then(|finder| self.finders.get(finder)) {
            finder.check_inside(path)?;
        }
        let shown = path.strip_prefix(&self.folder).unwrap_or(path);
        let module = Module::read(name.to_owned(), path, shown)?;
        self.check_free(&module.file.origin(), name)?;
        self.insert(module, finder)
    }

    fn follow(&mut self, importer: &str, import: &Import) -> Result<(), Error> {
        let Some(base) = self.absolute(importer, import) else {
            if import.is_optional {
                return Ok(());
            }
            let problem = "it leads out of the topmost package".to_owned();
            return Err(self.error(importer, import, "", problem));
        };
        let top = base.split('.').next().unwrap_or_default();
        if import.level == 0 && name::is_installed(top) {
            return Ok(());
        }
        let finder = self.modules.get(importer).and_then(|known| known.finder);
        let is_there = self.want(importer, finder, &base)?;
        // Python imports what it is in, too.
        for package in ancestors(&base).filter(|_| !is_there) {
            self.want(importer, finder, package)?;
        }
        // What is nobody's here may be installed in the worker.
        let is_ours = import.level > 0 || self.is_ours(finder, top);
        // A module may make up what is in it, as `six` does.
        let is_required = !import.is_optional && is_ours && !self.is_in_module(&base);
        if !is_there {
            if is_required {
                let path = base.replace('.', "/");
                let problem = format!("there is no `{path}.py` and no `{path}/__init__.py`");
                return Err(self.error(importer, import, "", problem));
            }
            if import.is_for_tasks && !is_ours {
                let reason = format!("it names the module `{base}`, whose source was not found");
                self.unread.push(self.unseen(importer, import.offset, reason));
            }
            return Ok(());
        }
        if let Wanted::Names(names) = &import.wanted {
            for wanted in names {
                let submodule = format!("{base}.{wanted}");
                let is_there = self.want(importer, finder, &submodule)? || self.may_have(&base, wanted);
                if !is_there && is_required {
                    let path = submodule.replace('.', "/");
                    let problem = format!("there is no `{path}.py`, and `{base}` has no such name");
                    return Err(self.error(importer, import, wanted, problem));
                }
            }
        }
        Ok(())
    }

    /// The absolute name of what is imported; `None` where it leads out of all packages.
    fn absolute(&self, importer: &str, import: &Import) -> Option<String> {
        if import.level == 0 {
            return Some(import.module.clone());
        }
        let is_package = self.modules.get(importer).is_some_and(|known| known.is_package);
        let mut package = if is_package { importer } else { parent_of(importer) };
        for _ in 1..import.level {
            package = parent_of(package);
        }
        match (package, import.module.as_str()) {
            ("", _) => None,
            (package, "") => Some(package.to_owned()),
            (package, module) => Some(format!("{package}.{module}")),
        }
    }

    /// Makes a module part of the content that another one imports. Whether it is there.
    fn want(&mut self, importer: &str, finder: Option<usize>, name: &str) -> Result<bool, Error> {
        let (found, finder) = self.find_anywhere(finder, name);
        if let Some(Found::Package(path) | Found::Module(path)) = &found
            && !self.is_read(name, path)
        {
            self.read(name, path, finder)?;
        }
        let is_module = self.modules.contains_key(name);
        if is_module && let Some(known) = self.modules.get_mut(importer) {
            known.uses.insert(name.to_owned());
        }
        let folder = name.replace('.', "/");
        if found == Some(Found::Folder) && !parent_of(name).is_empty() {
            // In a package of ours it is a package too, if it has nothing in it that is imported.
            let is_ours = self.modules.contains_key(parent_of(name));
            if is_ours {
                self.merge.add(SourceFile::package(&folder))?;
            }
        }
        let init = format!("{folder}/__init__.py");
        Ok(is_module || found == Some(Found::Folder) || self.merge.get(&init).is_some())
    }

    /// Whether a dotted name is in a module that is no package.
    fn is_in_module(&self, name: &str) -> bool {
        ancestors(name).any(|parent| self.modules.get(parent).is_some_and(|known| !known.is_package))
    }

    /// Whether a module is part of the content, from this very file.
    fn is_read(&self, name: &str, path: &Path) -> bool {
        let known = self.modules.get(name).and_then(|known| self.merge.get(&known.path));
        let shown = path.strip_prefix(&self.folder).unwrap_or(path).display().to_string();
        known.is_some_and(|file| file.origin() == shown)
    }

    /// Whether a name is one of the user's own packages, so that what is missing in it is missing.
    fn is_ours(&mut self, finder: Option<usize>, top: &str) -> bool {
        let is_package = matches!(self.find(finder, top), Some(Found::Package(_) | Found::Module(_)));
        is_package
            || self.modules.contains_key(top)
            || self.merge.get(&format!("{top}/__init__.py")).is_some()
    }

    /// Whether a package or module may have a name that is no module in it. Of a module Python finds it out.
    fn may_have(&self, module: &str, name: &str) -> bool {
        self.modules.get(module).is_some_and(|known| !known.is_package || known.names.may_have(name))
    }

    /// What errors call the file of a module, and its text.
    fn source(&self, module: &str) -> (String, &str) {
        let file = self.modules.get(module).and_then(|known| self.merge.get(&known.path));
        file.map_or_else(Default::default, |file| (file.origin(), file.text()))
    }

    fn error(&self, importer: &str, import: &Import, wanted: &str, problem: String) -> Error {
        let (path, text) = self.source(importer);
        let place = source::place(text, import.offset);
        let dots = ".".repeat(import.level);
        let between = if wanted.is_empty() || import.module.is_empty() { "" } else { "." };
        Error::Import {
            path,
            line: place.line,
            name: format!("{dots}{}{between}{wanted}", import.module),
            problem,
            text: place.shown(),
        }
    }
}

/// The packages that a dotted name is in, the innermost first.
fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| Some(parent_of(name)))
        .skip(1)
        .take_while(|name| !name.is_empty())
}
