//! Every crate has a README, and the README is its documentation.

use cargo_metadata::Metadata;

use super::{Violation, shown};

const INCLUDE: &str = "#![doc = include_str!(\"../README.md\")]";

/// Checks every member but the examples, which the README of the repository explains.
pub(super) fn check(metadata: &Metadata) -> Vec<Violation> {
    let mut found = Vec::new();
    for member in metadata.workspace_packages() {
        let Some(folder) = member.manifest_path.parent() else {
            continue;
        };
        if shown(folder).starts_with("examples/") {
            continue;
        }
        let root = member.targets.iter().find(|target| target.is_lib() || target.is_proc_macro());
        let Some(root) = root.or_else(|| member.targets.iter().find(|target| target.is_bin())) else {
            continue;
        };
        let source = std::fs::read_to_string(&root.src_path).unwrap_or_default();
        if let Some(advice) = problem(folder.join("README.md").is_file(), &source) {
            found.push(Violation { path: shown(&root.src_path), line: 0, rule: "readme", advice });
        }
    }
    found
}

fn problem(has_readme: bool, source: &str) -> Option<String> {
    if !has_readme {
        return Some(
            "the crate has no README.md; say what it is, with an example, and what it does not do".to_owned(),
        );
    }
    (!source.lines().any(|line| line == INCLUDE))
        .then(|| format!("the README is not the crate's documentation; begin with `{INCLUDE}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_has_to_be_there_and_to_be_included() {
        assert_eq!(problem(true, &format!("{INCLUDE}\nmod a;\n")), None);
        assert!(problem(true, "//! Docs.\n").unwrap().contains(INCLUDE));
        assert!(problem(false, INCLUDE).unwrap().contains("README.md"));
    }
}
