//! Kombu's topic exchanges in Redis (`kombu.transport.virtual.exchange.TopicExchange`).
//!
//! Redis routes nothing: a publisher reads the bindings of an exchange and pushes to each queue whose binding matches.

/// Returns the regular expression that Kombu stores with a binding to a topic exchange.
pub(crate) fn pattern(binding_key: &str) -> String {
    let word = |word: &str| match word {
        "*" => r"[^\.]+".to_owned(),
        "#" => ".*?".to_owned(),
        word => word.chars().map(escaped).collect(),
    };
    let words: Vec<String> = binding_key.split('.').map(word).collect();
    format!("^{}$", words.join(r"\."))
}

/// `kombu.utils.text.escape_regex` with `.#*` left alone.
fn escaped(c: char) -> String {
    if c.is_alphanumeric() || "#*".contains(c) { c.to_string() } else { format!("\\{c}") }
}

/// Returns true if a routing key matches a binding key: `*` stands for one word, `#` for any number of words.
pub(crate) fn matches(binding_key: &str, routing_key: &str) -> bool {
    let binding: Vec<&str> = binding_key.split('.').collect();
    let words: Vec<&str> = routing_key.split('.').collect();
    words_match(&binding, &words)
}

fn words_match(binding: &[&str], words: &[&str]) -> bool {
    match (binding.split_first(), words.split_first()) {
        (None, None) => true,
        (Some((&"#", rest)), _) => (0..=words.len()).any(|skipped| words_match(rest, &words[skipped..])),
        (Some((&"*", rest)), Some((_, left))) => words_match(rest, left),
        (Some((word, rest)), Some((first, left))) => word == first && words_match(rest, left),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_spelled_as_kombu_spells_them() {
        assert_eq!(pattern("media.*.#"), r"^media\.[^\.]+\..*?$");
        assert_eq!(pattern("a-b"), r"^a\-b$");
    }

    #[test]
    fn keys_match_by_words() {
        for (binding, key, expected) in [
            ("media.*", "media.video", true),
            ("media.*", "media.video.hd", false),
            ("media.#", "media.video.hd", true),
            ("media.#", "media", true),
            ("#", "", true),
            // Celery sends to a queue with the key of its own binding.
            ("media.*", "media.*", true),
            ("media.#", "media.#", true),
            ("media.audio", "media.video", false),
        ] {
            assert_eq!(matches(binding, key), expected, "{binding} {key}");
        }
    }
}
