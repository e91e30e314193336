//! Programs out of Debian's packages, unpacked into the cache: no installation, no root.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};
use testcelery_api::{BoxError, LOCK_TIMEOUT, LockFile, PrivateFolder, Program};

use super::{Installed, Nowhere, Sources, find, tool};
use crate::{cache, scan};

/// Where in the cache.
const KIND: &str = "debian";

/// Where in a folder of the cache the packages are unpacked.
const TREE: &str = "tree";

/// What was unpacked, with versions and hashes, for people.
const MANIFEST: &str = "manifest";

/// Scripts are smaller than this.
const LARGEST_SCRIPT: u64 = 1 << 20;

/// How much room the lists of packages may need. apt 2.6 does not fail when it finds none while it fetches them: it waits for ever.
const ROOM: u64 = 128 << 20;

/// One package of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    file: String,
}

impl Package {
    /// As apt takes it.
    fn exact(&self) -> String {
        format!("{}={}", self.name, self.version)
    }
}

/// The program, where its packages are unpacked already.
///
/// # Errors
/// When another user can change them.
pub(crate) fn cached(sources: &Sources, program: &Program) -> Result<Option<Installed>, BoxError> {
    let Some(package) = program.debian.as_deref() else { return Ok(None) };
    let folder = cache::complete(&sources.cache, KIND, &key(package))?;
    Ok(folder.and_then(|folder| installed(&folder, program)))
}

/// Whether this system has what fetches and unpacks packages.
pub(crate) fn can_fetch(sources: &Sources, program: &Program) -> bool {
    let has = |tool| find::look_up(sources, &[], tool).is_some();
    program.debian.is_some() && has("apt-get") && has("apt-cache") && has("dpkg")
}

/// Fetches and unpacks its packages; `None` where the system has no apt.
pub(crate) fn fetch(sources: &Sources, program: &Program) -> Result<Option<Installed>, BoxError> {
    let Some(package) = program.debian.as_deref().filter(|_| can_fetch(sources, program)) else {
        return Ok(None);
    };
    let apt = Apt { sources, private: sources.cache.join("apt") };
    let folder = cache::filled(&sources.cache, KIND, &key(package), |folder| apt.fill(folder, package))?;
    match installed(&folder, program) {
        Some(installed) => Ok(Some(installed)),
        None => Err(format!("the Debian package `{package}` holds no program `{}`", program.name).into()),
    }
}

/// A package of one distribution on one architecture.
fn key(package: &str) -> String {
    let [id, version] = ["ID", "VERSION_ID"].map(distribution);
    format!("{package}-{id}-{version}-{}", std::env::consts::ARCH)
}

/// Whether packages have the names here that they have in Debian.
pub(crate) fn is_here() -> bool {
    ["ID", "ID_LIKE"]
        .iter()
        .any(|field| distribution(field).split(' ').any(|id| ["debian", "ubuntu"].contains(&id)))
}

/// What this distribution says of itself, by the name of a field of os-release(5).
fn distribution(name: &str) -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or("unknown").trim_matches('"').to_owned()
}

fn installed(folder: &Path, program: &Program) -> Option<Installed> {
    let tree = folder.join(TREE);
    let own = program.folders.iter().map(|folder| tree.join(folder.trim_start_matches('/')));
    let usual = ["usr/sbin", "usr/bin", "sbin", "bin"].iter().map(|folder| tree.join(folder));
    let path: Vec<PathBuf> = own.chain(usual).filter(|folder| folder.is_dir()).collect();
    let found = path.iter().map(|folder| folder.join(&program.name)).find(|path| find::is_program(path))?;
    // Shared libraries are in folders that are named after the architecture, as `x86_64-linux-gnu`.
    let libraries =
        ["usr/lib", "lib"].iter().flat_map(|folder| fs::read_dir(tree.join(folder)).into_iter().flatten());
    let libraries = libraries.flatten().map(|entry| entry.path());
    let libraries = libraries.filter(|path| path.to_string_lossy().contains("-linux-gnu")).collect();
    let origin = format!("{} (Debian packages in the cache)", found.display());
    Some(Installed { path, libraries, origin, ..Installed::default() })
}

/// apt with the system's lists of packages, or with lists of its own where those are missing or name packages that are gone.
struct Apt<'a> {
    sources: &'a Sources,
    private: PathBuf,
}

impl Apt<'_> {
    fn fill(&self, folder: &Path, package: &str) -> Result<(), BoxError> {
        let packages = match self.fetch(folder, package, false) {
            Ok(packages) => packages,
            Err(error) if cache::tells_of_a_full_disk(&*error) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, "the system's lists of packages do not serve; fetching lists of our own");
                let private = PrivateFolder::create(&self.private)?;
                // The lists are one for all packages, and apt's own lock is for root.
                let _lock = LockFile::take(&private, "lock", "lists of packages", LOCK_TIMEOUT)?;
                match self.update() {
                    Err(error) if error.is::<io::Error>() => return Err(error),
                    // A list that is missing may be one that nobody needs; otherwise it is the reason.
                    Err(reason) => self
                        .fetch(folder, package, true)
                        .map_err(|error| BoxError::from(format!("{error}\n{reason}")))?,
                    Ok(()) if !self.knows(package)? => return Err(unknown(package)),
                    Ok(()) => self.fetch(folder, package, true)?,
                }
            }
        };
        let tree = folder.join(TREE);
        for package in &packages {
            let file = folder.join(&package.file);
            tool::run(self.tool("dpkg").arg("-x").arg(&file).arg(&tree))?;
            fs::remove_file(file)?;
        }
        relocate(&tree, &tree)?;
        Ok(())
    }

    /// Resolves, downloads and verifies the packages that the system does not have.
    fn fetch(&self, folder: &Path, package: &str, private: bool) -> Result<Vec<Package>, BoxError> {
        let arguments = ["install", "--print-uris", "-qq", "-y", "--no-install-recommends", package];
        let listed = tool::run(self.apt("apt-get", private).args(arguments))?;
        let packages: Vec<Package> = listed.lines().filter_map(parse).collect();
        if packages.is_empty() {
            return Err(format!(
                "`{package}` is installed, but its programs are not on PATH; add their folder"
            )
            .into());
        }
        let exact: Vec<String> = packages.iter().map(Package::exact).collect();
        let known = hashes(&tool::ask(self.apt("apt-cache", private).arg("show").args(&exact))?);
        tool::run(self.apt("apt-get", private).arg("download").args(&exact).current_dir(folder))?;
        let mut manifest = String::new();
        for package in &packages {
            let expected = known.get(&(package.name.clone(), package.version.clone()));
            let expected =
                expected.ok_or_else(|| format!("apt-cache knows no SHA256 of `{}`", package.exact()))?;
            verify(&folder.join(&package.file), expected)?;
            manifest.push_str(&format!("{expected}  {}\n", package.exact()));
        }
        fs::write(folder.join(MANIFEST), manifest)?;
        Ok(packages)
    }

    /// Whether our own lists have the package.
    fn knows(&self, package: &str) -> Result<bool, BoxError> {
        let told = tool::ask(self.apt("apt-cache", true).args(["policy", package]))?;
        Ok(told.contains("Candidate:") && !told.contains("Candidate: (none)"))
    }

    fn update(&self) -> Result<(), BoxError> {
        let disk = rustix::fs::statvfs(&self.private)?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        for folder in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(self.private.join(folder))?;
        }
        // By itself apt only warns of what it could not fetch or write.
        tool::run(self.apt("apt-get", true).args(["-o", "APT::Update::Error-Mode=any", "update"])).map(drop)
    }

    fn apt(&self, name: &str, private: bool) -> Command {
        let mut command = self.tool(name);
        // We neither install nor are we `_apt`, the user that downloads would else run as.
        command.args(["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]);
        if private {
            for (setting, folder) in [("Dir::State", "state"), ("Dir::Cache", "cache")] {
                command.arg("-o").arg(format!("{setting}={}", self.private.join(folder).display()));
            }
            command.args(["-o", "Dir::State::status=/var/lib/dpkg/status"]);
        } else {
            // Its index of the lists is the system's to write.
            command.args(["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]);
        }
        command
    }

    fn tool(&self, name: &str) -> Command {
        let path = find::look_up(self.sources, &[], name).unwrap_or_else(|| PathBuf::from(name));
        let mut command = Command::new(path);
        command.env("PATH", self.sources.safe_path()).env("DEBIAN_FRONTEND", "noninteractive");
        command
    }
}

fn unknown(package: &str) -> BoxError {
    Nowhere(format!("{} has no package `{package}`", distribution("PRETTY_NAME"))).into()
}

/// A line of `--print-uris`: `'<uri>' <name>_<version>_<architecture>.deb <size> <hash>`.
fn parse(line: &str) -> Option<Package> {
    let file = line.strip_prefix('\'')?.split_once("' ")?.1.split(' ').next()?.to_owned();
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version) = (parts.next()?.to_owned(), parts.next()?.replace("%3a", ":"));
    Some(Package { name, version, file })
}

/// The SHA256 of packages by name and version, from `apt-cache show`.
fn hashes(shown: &str) -> BTreeMap<(String, String), String> {
    let field = |stanza: &str, name: &str| {
        stanza.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim().to_owned()))
    };
    let of = |stanza: &str| {
        Some(((field(stanza, "Package")?, field(stanza, "Version")?), field(stanza, "SHA256")?))
    };
    shown.split("\n\n").filter_map(of).collect()
}

fn verify(file: &Path, expected: &str) -> Result<(), BoxError> {
    let seen: String = Sha256::digest(fs::read(file)?).iter().map(|byte| format!("{byte:02x}")).collect();
    if seen == expected {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    Err(format!(
        "the package {name} is not what the distribution signed: its SHA256 is {seen}, and {expected} was expected; it is thrown away, \
         and the next run fetches it again"
    )
    .into())
}

/// Corrects scripts that name paths which are in the tree and not on this system.
fn relocate(tree: &Path, folder: &Path) -> Result<(), BoxError> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            relocate(tree, &path)?;
        } else if kind.is_file() && path.metadata()?.len() <= LARGEST_SCRIPT && find::is_script(&path)? {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let corrected = correct(tree, &text);
            if corrected != text {
                check_path(tree, &path)?;
                let mode = path.metadata()?.permissions().mode();
                fs::write(&path, corrected)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}

/// Checks that a script that is run can carry the path of the tree: it may have it without quotes.
fn check_path(tree: &Path, script: &Path) -> Result<(), BoxError> {
    let is_usual = |c: char| c.is_alphanumeric() || "_./@%+-".contains(c);
    let is_run = || script.parent().is_some_and(|folder| folder.ends_with("bin") || folder.ends_with("sbin"));
    if tree.to_str().is_some_and(|tree| tree.chars().all(is_usual)) || !is_run() {
        return Ok(());
    }
    let (tree, script) = (tree.display(), script.file_name().unwrap_or_default().display());
    Err(format!(
        "the script `{script}` cannot carry the path {tree}: name a folder without blanks, quotes and other special characters with {}",
        cache::CACHE_VARIABLE
    )
    .into())
}

fn correct(tree: &Path, text: &str) -> String {
    // Paths that a script puts together by itself begin with something else.
    scan::replace_paths(text, |path| {
        let own = tree.join(path.trim_start_matches('/'));
        (own.exists() && !Path::new(path).exists()).then(|| own.to_string_lossy().into_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn packages_are_read_from_their_file_names() {
        let line = "'http://mirror.example/e/erlang-base_25.2.3%2bdfsg-1_amd64.deb' erlang-base_1%3a25.2.3+dfsg-1_amd64.deb 9697280 MD5Sum:36";
        let package = parse(line).unwrap();
        assert_eq!(package.exact(), "erlang-base=1:25.2.3+dfsg-1");
        assert_eq!(package.file, "erlang-base_1%3a25.2.3+dfsg-1_amd64.deb");
        assert_eq!(parse("Reading package lists..."), None);
    }

    #[test]
    fn hashes_are_read_from_stanzas() {
        let shown = "Package: a\nVersion: 1\nSHA256: aa\n\nPackage: b\nVersion: 2\nDescription: x\n y\nSHA256: bb\n\n";
        assert_eq!(hashes(shown).len(), 2);
        assert_eq!(hashes(shown)[&("b".to_owned(), "2".to_owned())], "bb");
    }

    #[test]
    fn scripts_find_what_lies_in_the_tree() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path();
        fs::create_dir_all(tree.join("opt/nowhere-else/bin")).unwrap();
        let text = "#!/bin/sh\nROOTDIR=/opt/nowhere-else\nexec \"$ROOTDIR\"/bin/x /usr/bin \"/opt/nowhere-else/bin\"\n";
        let root = tree.display();
        assert_eq!(
            correct(tree, text),
            format!(
                "#!/bin/sh\nROOTDIR={root}/opt/nowhere-else\nexec \"$ROOTDIR\"/bin/x /usr/bin \"{root}/opt/nowhere-else/bin\"\n"
            )
        );
    }

    #[test]
    fn a_script_that_is_run_has_a_plain_path() {
        let folder = tempfile::tempdir().unwrap();
        for (name, is_fine) in [("plain-\u{e4}", true), ("a b", false), ("a'b", false)] {
            let tree = folder.path().join(name);
            for (path, is_run) in [("opt/nowhere-else/bin/x", true), ("etc/init.d/x", false)] {
                fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
                fs::write(tree.join(path), "#!/bin/sh\nROOT=/opt/nowhere-else\n").unwrap();
                match relocate(&tree, &tree) {
                    Ok(()) => assert!(is_fine || !is_run, "{name} {path}"),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(!is_fine && is_run && text.contains("TESTCELERY_CACHE"), "{text}");
                    }
                }
                fs::remove_file(tree.join(path)).unwrap();
            }
        }
    }

    fn tool(folder: &Path, name: &str, body: &str) {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// An apt that has one package with the text `content`, and the hash of the text "good".
    fn fake_apt(folder: &Path, content: &str) -> Sources {
        let good: String = Sha256::digest(b"good").iter().map(|byte| format!("{byte:02x}")).collect();
        let listed = "'http://mirror.example/server_1_all.deb' server_1_all.deb 4 MD5Sum:0";
        tool(
            folder,
            "apt-get",
            &format!(
                "case \"$*\" in *download*) printf {content} > server_1_all.deb;; *install*) echo \"{listed}\";; esac"
            ),
        );
        let stanza = format!("Package: server\\nVersion: 1\\nSHA256: {good}\\n");
        tool(
            folder,
            "apt-cache",
            &format!("case \"$*\" in *policy*) echo '  Candidate: 1';; *) printf '{stanza}';; esac"),
        );
        tool(
            folder,
            "dpkg",
            "mkdir -p \"$3/usr/bin\" && cp \"$2\" \"$3/usr/bin/server\" && chmod +x \"$3/usr/bin/server\"",
        );
        let path: OsString =
            std::env::join_paths([folder, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        Sources { cache: folder.join("cache"), explicit: BTreeMap::new(), path }
    }

    #[test]
    fn a_package_is_unpacked_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let sources = fake_apt(folder.path(), "good");
        let program = Program::new("server").debian("server");
        assert_eq!(cached(&sources, &program).unwrap(), None);
        let installed = fetch(&sources, &program).unwrap().unwrap();
        assert_eq!(cached(&sources, &program).unwrap(), Some(installed));
    }

    #[test]
    fn a_package_that_the_distribution_does_not_have() {
        let folder = tempfile::tempdir().unwrap();
        let sources = fake_apt(folder.path(), "good");
        let program = Program::new("server").debian("server");
        let refuses =
            "case \"$*\" in *install*) echo 'E: Unable to locate package server' >&2; exit 100;; esac";
        tool(folder.path(), "apt-get", refuses);
        assert!(!fetch(&sources, &program).unwrap_err().is::<Nowhere>(), "its lists have it");
        for told in ["", "echo '  Candidate: (none)'"] {
            tool(folder.path(), "apt-cache", told);
            let error = fetch(&sources, &program).unwrap_err();
            assert!(
                error.is::<Nowhere>() && error.to_string().ends_with("has no package `server`"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_package_with_another_hash_is_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        let sources = fake_apt(folder.path(), "evil");
        let program = Program::new("server").debian("server");
        let error = fetch(&sources, &program).unwrap_err().to_string();
        assert!(error.contains("server_1_all.deb is not what the distribution signed"), "{error}");
        assert_eq!(cached(&sources, &program).unwrap(), None);
        assert!(!sources.cache.join(KIND).exists());
        fake_apt(folder.path(), "good");
        assert!(fetch(&sources, &program).unwrap().is_some());
    }
}
