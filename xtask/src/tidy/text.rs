//! Rules about the text of one file.

use std::sync::LazyLock;

use regex::Regex;

use super::Violation;

/// The most lines of a source file.
const MOST_LINES: usize = 600;

/// Who may name a library: its crate name in Rust, and the folders.
const ONLY: [(&str, &[&str]); 6] = [
    ("bollard", &["crates/engines/docker/"]),
    // Who else needs an engine takes it from the facade, as `dyn Engine`; tasks that build images speak to a daemon.
    ("testcelery_docker", &["crates/engines/docker/", "crates/setup/src/engine.rs", "xtask/"]),
    ("testcelery_local", &["crates/engines/local/", "crates/setup/src/engine.rs"]),
    ("lapin", &["crates/vendors/"]),
    ("fred", &["crates/vendors/"]),
    ("memcache_async", &["crates/vendors/"]),
];

/// A pattern that may not stand in any line of Rust.
struct Forbidden {
    rule: &'static str,
    pattern: &'static str,
    advice: &'static str,
}

const FORBIDDEN: [Forbidden; 3] = [
    Forbidden {
        rule: "allow",
        pattern: r"^\s*#!?\[allow\(",
        advice: "use `#[expect(.., reason = \"..\")]`: it says why, and goes away when it is not needed any more",
    },
    Forbidden {
        rule: "ignore",
        pattern: r"^\s*#\[ignore\s*\]",
        advice: "say why: `#[ignore = \"..\"]`; the reason is printed for every skipped test",
    },
    Forbidden {
        rule: "unfinished",
        pattern: r"\b(todo|unimplemented|dbg)!\s*[(\[{]",
        advice: "finish it, or return an error that says what is not supported",
    },
];

static PATTERNS: LazyLock<Vec<(&'static Forbidden, Regex)>> = LazyLock::new(|| {
    let compiled = FORBIDDEN.iter().filter_map(|rule| Some((rule, Regex::new(rule.pattern).ok()?)));
    compiled.collect()
});

static LIBRARIES: LazyLock<Vec<(&'static str, &'static [&'static str], Regex)>> = LazyLock::new(|| {
    let compiled = ONLY.iter().filter_map(|(name, folders)| {
        let pattern = Regex::new(&format!(r"\b{name}\s*::|\b(use|extern crate)\s+{name}\b")).ok()?;
        Some((*name, *folders, pattern))
    });
    compiled.collect()
});

/// Every rule on one file, by its path relative to the root.
pub(super) fn check(path: &str, content: &str) -> Vec<Violation> {
    let kind = path.rsplit('/').next().unwrap_or(path);
    let kind = kind.rsplit('.').next().unwrap_or(kind);
    let rust = kind == "rs";
    let source = rust || matches!(kind, "py" | "sh" | "Dockerfile");
    let text = source || matches!(kind, "toml" | "md" | "yml" | "yaml" | "run");
    let mut found = Vec::new();
    let mut add = |line: usize, rule, advice: String| {
        found.push(Violation { path: path.to_owned(), line, rule, advice });
    };
    let lines = content.lines().count();
    if source && lines > MOST_LINES {
        let advice = format!("{lines} lines; split it by idea, {MOST_LINES} is the end");
        add(0, "length", advice);
    }
    for (index, line) in content.lines().enumerate() {
        let number = index + 1;
        if text && line.ends_with([' ', '\t']) {
            add(number, "whitespace", "remove the spaces at the end of the line".to_owned());
        }
        if !rust {
            continue;
        }
        for (rule, pattern) in PATTERNS.iter() {
            if pattern.is_match(line) {
                add(number, rule.rule, rule.advice.to_owned());
            }
        }
        for (name, folders, pattern) in LIBRARIES.iter() {
            if pattern.is_match(line) && !folders.iter().any(|folder| path.starts_with(folder)) {
                let advice =
                    format!("only {} may name `{name}`; use what that crate offers", folders.join(", "));
                add(number, "library", advice);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, content: &str) -> Vec<(usize, &'static str)> {
        check(path, content).into_iter().map(|found| (found.line, found.rule)).collect()
    }

    #[test]
    fn clean_source_passes() {
        let source = "#[expect(dead_code, reason = \"x\")]\n#[ignore = \"needs a daemon\"]\nfn todo() {}\n";
        assert_eq!(rules("crates/api/src/a.rs", source), []);
    }

    #[test]
    fn attributes_and_unfinished_code_are_found_with_their_line() {
        let unfinished = ["todo", "unimplemented", "dbg"].map(|name| format!("    {name}!()\n")).concat();
        let source = format!("#[{}(dead_code)]\n#![{}(x)]\n#[{}]\n{unfinished}", "allow", "allow", "ignore");
        let expected = [
            (1, "allow"),
            (2, "allow"),
            (3, "ignore"),
            (4, "unfinished"),
            (5, "unfinished"),
            (6, "unfinished"),
        ];
        assert_eq!(rules("crates/api/src/a.rs", &source), expected);
        assert_eq!(rules("docs/page.md", &source), [], "only Rust is checked");
    }

    #[test]
    fn libraries_belong_to_their_folders() {
        for (name, folders) in ONLY {
            for source in
                [format!("let x = {name}::Y;"), format!("use {name}::Y;"), format!("use {name} as z;")]
            {
                assert!(rules("crates/setup/src/a.rs", &source).contains(&(1, "library")), "{source}");
                for folder in folders {
                    assert_eq!(rules(&format!("{folder}x/src/a.rs"), &source), []);
                }
            }
            assert_eq!(rules("crates/setup/src/a.rs", &format!("// as {name} does")), []);
        }
    }

    #[test]
    fn long_files_and_trailing_spaces_are_found() {
        assert_eq!(rules("a.py", &"x\n".repeat(MOST_LINES)), []);
        assert_eq!(rules("a.py", &"x\n".repeat(MOST_LINES + 1)), [(0, "length")]);
        assert_eq!(rules("Cargo.lock", &"x\n".repeat(MOST_LINES + 1)), []);
        assert_eq!(rules("docs/a.md", "a\nb \nc\t\n"), [(2, "whitespace"), (3, "whitespace")]);
        assert_eq!(rules("templates/images/redis/Dockerfile", "FROM x \n"), [(1, "whitespace")]);
        assert_eq!(rules("a.snap", "x \n"), []);
    }
}
