//! What of a Dockerfile has to be known before it is built.

/// An `ARG` of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) default: Option<String>,
}

/// Every `ARG`, those before the first `FROM` included.
pub(super) fn declared(text: &str) -> Vec<Declared> {
    let is_comment = |line: &&str| line.trim_start().starts_with('#');
    let mut all = Vec::new();
    let mut instruction = String::new();
    for line in text.lines().filter(|line| !is_comment(line)) {
        match line.trim_end().strip_suffix('\\') {
            Some(begun) => {
                instruction.push_str(begun);
                instruction.push(' ');
            }
            None => {
                instruction.push_str(line);
                all.extend(args(&instruction));
                instruction.clear();
            }
        }
    }
    all
}

fn args(instruction: &str) -> Vec<Declared> {
    let mut words = instruction.split_whitespace();
    if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("ARG")) {
        return Vec::new();
    }
    let declared = words.map(|word| match word.split_once('=') {
        Some((name, value)) => {
            let value = value.trim_matches(['"', '\'']).to_owned();
            Declared { name: name.to_owned(), default: Some(value) }
        }
        None => Declared { name: word.to_owned(), default: None },
    });
    declared.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_in_every_spelling() {
        let text = "# ARG NO\nARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n  arg A=1 B\nRUN echo ARG C\nARG \\\n  # why\n  D=\"x\" \\\n  E\nRUN x \\\n  ARG F\n";
        let declared = declared(text);
        let seen: Vec<(&str, Option<&str>)> =
            declared.iter().map(|arg| (arg.name.as_str(), arg.default.as_deref())).collect();
        let expected = [("BASE_IMAGE", None), ("A", Some("1")), ("B", None), ("D", Some("x")), ("E", None)];
        assert_eq!(seen, expected);
    }
}
