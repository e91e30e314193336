//! `.dockerignore`: what of a folder does not go into a build.

use std::iter::Peekable;

use regex::Regex;

/// The patterns of a `.dockerignore`, with Docker's meaning (<https://docs.docker.com/build/concepts/context/#dockerignore-files>): they
/// start at the root of the folder, `**` is any number of folders, what is below a folder that matches matches too, `!` takes back, and the
/// last pattern that matches decides.
#[derive(Debug, Default)]
pub(super) struct Ignore(Vec<Pattern>);

#[derive(Debug)]
struct Pattern {
    is_exception: bool,
    /// Cleaned, for [`Ignore::takes_back_below`].
    text: String,
    regex: Regex,
}

impl Ignore {
    /// Reads the lines of a file. An error begins with the number of the line.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (number, line) in text.lines().enumerate() {
            // A `#` with spaces before it is a name.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let pattern =
                Pattern::parse(line.trim()).map_err(|problem| format!("{}: {problem}", number + 1))?;
            patterns.extend(pattern);
        }
        Ok(Self(patterns))
    }

    /// Whether a path below the folder stays out.
    pub(super) fn ignores(&self, path: &str) -> bool {
        let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
        let all: Vec<&str> = parents.chain([path]).collect();
        let matching =
            self.0.iter().rev().find(|pattern| all.iter().any(|path| pattern.regex.is_match(path)));
        matching.is_some_and(|pattern| !pattern.is_exception)
    }

    /// Whether an exception may bring back something below a folder.
    pub(super) fn takes_back_below(&self, folder: &str) -> bool {
        self.0.iter().filter(|pattern| pattern.is_exception).any(|pattern| {
            for (part, name) in pattern.text.split('/').zip(folder.split('/')) {
                if part.contains(['*', '?', '[', '\\']) {
                    return true;
                }
                if part != name {
                    return false;
                }
            }
            true
        })
    }
}

impl Pattern {
    /// `None` for one that matches nothing, as `/`.
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let (is_exception, text) = match line.strip_prefix('!') {
            Some(text) => (true, text.trim()),
            None => (false, line),
        };
        if text.is_empty() {
            return Err("`!` takes back nothing".to_owned());
        }
        let text = clean(text);
        if text.is_empty() {
            return Ok(None);
        }
        let regex = translate(&text).ok_or_else(|| format!("`{line}` is no pattern"))?;
        let regex = Regex::new(&regex).map_err(|_| format!("`{line}` is no pattern"))?;
        Ok(Some(Self { is_exception, text, regex }))
    }
}

/// A path without what changes nothing, and without `/` at its ends: Go's `filepath.Clean`, which Docker uses.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The regular expression that Docker makes of a pattern (github.com/moby/patternmatcher). `None` for one that Go's `filepath.Match` refuses.
fn translate(pattern: &str) -> Option<String> {
    let mut out = String::from("(?s)^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                let is_folder = chars.next_if_eq(&'/').is_some();
                let is_first = out == "(?s)^";
                let is_last = chars.peek().is_none();
                out.push_str(if is_last || (is_first && !is_folder) { ".*" } else { "(?:.*/)?" });
            }
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' => class(&mut chars, &mut out)?,
            '\\' => literal(chars.next()?, &mut out),
            c => literal(c, &mut out),
        }
    }
    out.push('$');
    Some(out)
}

/// What stands between brackets: single characters and ranges, of all others behind a `^`.
fn class(chars: &mut Peekable<impl Iterator<Item = char>>, out: &mut String) -> Option<()> {
    out.push('[');
    out.extend(chars.next_if_eq(&'^'));
    // One member at least, so that a bracket that closes at once is none.
    loop {
        literal(member(chars)?, out);
        if chars.next_if_eq(&'-').is_some() {
            out.push('-');
            literal(member(chars)?, out);
        }
        if chars.next_if_eq(&']').is_some() {
            out.push(']');
            return Some(());
        }
    }
}

fn member(chars: &mut impl Iterator<Item = char>) -> Option<char> {
    match chars.next()? {
        '\\' => chars.next(),
        '-' | ']' => None,
        c => Some(c),
    }
}

fn literal(c: char, out: &mut String) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignores(patterns: &[&str], path: &str) -> bool {
        Ignore::parse(&patterns.join("\n")).unwrap().ignores(path)
    }

    /// Pattern, paths that it matches, and paths that it does not.
    const TABLE: &[(&str, &[&str], &[&str])] = &[
        ("docs", &["docs", "docs/a", "docs/a/b"], &["docs.md", "src/docs", "doc"]),
        ("/docs/", &["docs", "docs/a"], &["src/docs"]),
        ("./a//b/../c", &["a/c"], &["a/b/c", "a/b"]),
        ("*.py", &["a.py", ".py"], &["src/a.py", "a.pyc", "apy"]),
        ("*/temp*", &["a/temp", "a/temporary.txt", "a/temp/b"], &["temp", "a/b/temp"]),
        ("temp?", &["tempa", "tempé"], &["temp", "tempab", "temp/"]),
        ("**", &["a", "a/b"], &[]),
        ("**/", &["a", "a/b"], &[]),
        ("**/*.py", &["a.py", "a/b/c.py"], &["a.pyc"]),
        ("**/.git", &[".git", "a/.git", "a/.git/config"], &["a.git"]),
        ("**.log", &["a.log", "a/b.log"], &["a.logs"]),
        ("a/**", &["a/b", "a/b/c"], &["a", "ab"]),
        ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb"]),
        ("a**/*.txt", &["a/f.txt", "a/b/c/f.txt"], &["b/f.txt"]),
        ("[a-c]x", &["ax", "cx"], &["dx", "-x"]),
        ("[^a-c]x", &["dx"], &["ax"]),
        ("[!a]x", &["!x", "ax"], &["bx"]),
        ("[a&&b~]x", &["&x", "~x"], &["cx"]),
        (r"[\]]x", &["]x"], &["x"]),
        (r"a\*b", &["a*b"], &["axb"]),
        (r"\#a", &["#a"], &[]),
        ("a{b,c}.(d)+$|^", &["a{b,c}.(d)+$|^"], &["ab"]),
        ("..", &[], &["a", "."]),
        ("/", &[], &["a"]),
        ("[α-ω]", &["β"], &["b"]),
    ];

    #[test]
    fn patterns_mean_what_they_mean_to_docker() {
        for (pattern, yes, no) in TABLE {
            for path in *yes {
                assert!(ignores(&[pattern], path), "{pattern} does not match {path}");
            }
            for path in *no {
                assert!(!ignores(&[pattern], path), "{pattern} matches {path}");
            }
        }
    }

    #[test]
    fn the_last_match_decides() {
        assert!(!ignores(&["*.md", "!README.md"], "README.md"));
        assert!(ignores(&["!README.md", "*.md"], "README.md"));
        assert!(ignores(&["*.md", "!README*.md", "README-secret.md"], "README-secret.md"));
        assert!(!ignores(&["docs", "!docs/README.md"], "docs/README.md"));
        assert!(ignores(&["docs", "!docs/README.md"], "docs/other.md"));
        assert!(!ignores(&["**", "! src"], "src/deep/file"));
    }

    #[test]
    fn lines_that_are_no_patterns() {
        assert!(Ignore::parse("\u{feff}# a comment\n\n   \n").unwrap().0.is_empty());
        assert!(ignores(&["  #a"], "#a"));
        for (text, error) in [
            ("a\n!", "2: `!` takes back nothing"),
            ("[", "1: `[` is no pattern"),
            ("[]a]", "1: `[]a]` is no pattern"),
            ("[a-]", "1: `[a-]` is no pattern"),
            ("[z-a]", "1: `[z-a]` is no pattern"),
            ("a\\", "1: `a\\` is no pattern"),
        ] {
            assert_eq!(Ignore::parse(text).unwrap_err(), error);
        }
    }

    #[test]
    fn folders_with_nothing_to_take_back_need_not_be_looked_into() {
        let ignore = Ignore::parse("**\n!docs/api/README.md\n!src/*/keep\n").unwrap();
        for (folder, may) in [
            ("docs", true),
            ("docs/api", true),
            ("docs/api/README.md", true),
            ("docs/other", false),
            ("target", false),
            ("src/any", true),
            ("src/any/deep", true),
        ] {
            assert_eq!(ignore.takes_back_below(folder), may, "{folder}");
        }
        assert!(Ignore::parse("!**/*.py").unwrap().takes_back_below("any/thing"));
    }
}
