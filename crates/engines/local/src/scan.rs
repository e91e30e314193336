//! What in a text is a URL, a path, an address or a number.
//!
//! By hand and not with patterns of `regex`: those take several milliseconds to be compiled in a program that is not optimised, as most test
//! programs are, and each process would pay for it before its first container starts.

use std::ops::Range;

/// A URL in a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// The scheme, and who asks where that is told: `redis://:password@`.
    pub(crate) before: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<&'a str>,
    /// Up to the next blank, quote or semicolon.
    pub(crate) rest: &'a str,
}

/// The first URL of a text, with what stands before and behind it.
pub(crate) fn url(text: &str) -> Option<(&str, Url<'_>, &str)> {
    for (colon, separator) in text.match_indices("://") {
        let head = &text[..colon];
        let scheme = &head[head.trim_end_matches(is_scheme).len()..];
        let scheme = scheme.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        if scheme.is_empty() {
            continue;
        }
        let start = colon - scheme.len();
        let authority = colon + separator.len();
        // Without a host behind the `@`, what stands before it is the host.
        let user = taken(&text[authority..], |c| !ends_url(c) && c != '/' && c != '@').len();
        let user = text[authority + user..].starts_with('@').then_some(authority + user + 1);
        for host_at in user.into_iter().chain([authority]) {
            if let Some((found, behind)) = host(&text[start..], host_at - start) {
                return Some((&text[..start], found, behind));
            }
        }
    }
    None
}

impl Url<'_> {
    /// The port that its scheme stands for, of the schemes that Celery and Kombu have URLs of.
    pub(crate) fn default_port(&self) -> Option<u16> {
        let (scheme, _) = self.before.split_once("://")?;
        match scheme.rsplit('+').next()? {
            "redis" | "rediss" | "valkey" => Some(6379),
            "amqp" | "pyamqp" | "librabbitmq" => Some(5672),
            "amqps" => Some(5671),
            "memcache" | "memcached" => Some(11211),
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        }
    }
}

/// One more host of a URL that ended at a semicolon, as in `cache+memcached://a:11211;b:11211/`, and what stands behind it.
pub(crate) fn next_host<'a>(url: &Url<'_>, behind: &'a str) -> Option<(Url<'a>, &'a str)> {
    let is_list = url.rest.is_empty() && behind.starts_with(';');
    host(behind, 1).filter(|(more, _)| is_list && !more.rest.starts_with("://"))
}

/// The part of a URL from a host on, with what stands before that, and what stands behind the URL.
fn host(text: &str, at: usize) -> Option<(Url<'_>, &str)> {
    let (before, behind) = text.split_at_checked(at)?;
    let host = taken(behind, |c| c.is_ascii_alphanumeric() || ['.', '-'].contains(&c));
    if host.is_empty() {
        return None;
    }
    let behind = &behind[host.len()..];
    let port = behind.strip_prefix(':').map(|behind| taken(behind, |c| c.is_ascii_digit()));
    let port = port.filter(|port| !port.is_empty());
    let behind = &behind[port.map_or(0, |port| 1 + port.len())..];
    let rest = taken(behind, |c| !ends_url(c));
    Some((Url { before, host, port, rest }, &behind[rest.len()..]))
}

fn is_scheme(c: char) -> bool {
    c.is_ascii_alphanumeric() || ['+', '.', '-'].contains(&c)
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || ['"', '\'', ';'].contains(&c)
}

/// A text with something else for each absolute path, where there is something else for it.
pub(crate) fn replace_paths(text: &str, with: impl Fn(&str) -> Option<String>) -> String {
    replace_paths_and_rest(text, with, str::to_owned)
}

/// As [`replace_paths`], with something else for all text that is no such path. What replaces a path is not looked at again.
pub(crate) fn replace_paths_and_rest(
    text: &str,
    with: impl Fn(&str) -> Option<String>,
    rest: impl Fn(&str) -> String,
) -> String {
    let stands_before = |c: char| c.is_whitespace() || "\"'`=:,;([{<>|&".contains(c);
    let found = text.match_indices('/').filter_map(|(start, _)| {
        let before = &text[..start];
        // As the URLs of Celery's file and database backends have it: `file:///a`, `db+sqlite:////a`.
        let is_in_url = before.ends_with("file://") || before.ends_with(":///");
        let is_absolute = is_in_url || before.chars().next_back().is_none_or(stands_before);
        let more = taken(&text[start + 1..], is_path);
        (is_absolute && !more.is_empty() && !more.starts_with('/')).then(|| start..start + 1 + more.len())
    });
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for Range { start, end } in found {
        let Some(other) = (start >= done).then(|| with(&text[start..end])).flatten() else { continue };
        out.push_str(&rest(&text[done..start]));
        out.push_str(&other);
        done = end;
    }
    out.push_str(&rest(&text[done..]));
    out
}

fn is_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./@%+-".contains(c)
}

/// A text with something else for each `0.0.0.0`, and for what stands for it in Erlang: `{0,0,0,0}`.
pub(crate) fn replace_any_address(text: &str, with: &str, in_erlang: &str) -> String {
    let found = text.match_indices("0.0.0.0").map(|(start, found)| start..start + found.len());
    let text = replace(text, found.filter(|range| stands_alone(text, range)), |_| with.to_owned());
    let tuples = text.match_indices('{').filter_map(|(start, _)| {
        let (inside, _) = text[start + 1..].split_once('}')?;
        inside.split(',').map(str::trim).eq(["0"; 4]).then(|| start..start + inside.len() + 2)
    });
    replace(&text, tuples, |_| in_erlang.to_owned())
}

/// A text with something else for each number that may be a port, where there is something else for it.
pub(crate) fn replace_ports(text: &str, with: impl Fn(u16) -> Option<u16>) -> String {
    let digits = |start: usize| start..start + taken(&text[start..], |c| c.is_ascii_digit()).len();
    let found = text.match_indices(|c: char| c.is_ascii_digit()).map(|(start, _)| digits(start));
    replace(text, found.filter(|range| stands_alone(text, range)), |number| {
        let other = number.parse().ok().and_then(&with);
        other.map_or_else(|| number.to_owned(), |other| other.to_string())
    })
}

/// Whether it is no part of a longer word or number.
fn stands_alone(text: &str, range: &Range<usize>) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !text[..range.start].ends_with(is_word) && !text[range.end..].starts_with(is_word)
}

/// The beginning of a text, as long as its characters are of a kind.
fn taken(text: &str, is_it: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !is_it(c)).unwrap_or(text.len())]
}

/// A text with something else in some places. A place that begins in the one before is none.
fn replace(text: &str, places: impl Iterator<Item = Range<usize>>, with: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for Range { start, end } in places.filter(|place| !place.is_empty()) {
        if start >= done {
            out.push_str(&text[done..start]);
            out.push_str(&with(&text[start..end]));
            done = end;
        }
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<[&str; 4]> {
        url(text).map(|(_, url, _)| [url.before, url.host, url.port.unwrap_or(""), url.rest])
    }

    #[test]
    fn urls_have_parts() {
        for (text, seen) in [
            ("x=redis://:pw@broker:6379/0; y", ["redis://:pw@", "broker", "6379", "/0"]),
            ("amqp://u:p@h//", ["amqp://u:p@", "h", "", "//"]),
            ("'cache+memcached://h:11211/'", ["cache+memcached://", "h", "11211", "/"]),
            ("9http://h?x=1", ["http://", "h", "", "?x=1"]),
            ("sqs://user@", ["sqs://", "user", "", "@"]),
            (":// http://h:x", ["http://", "h", "", ":x"]),
        ] {
            assert_eq!(parts(text), Some(seen), "{text}");
        }
        for text in ["", "://host", "redis://", "redis:// host", "a/b", "redis://:p@/0"] {
            assert_eq!(parts(text), None, "{text}");
        }
        let (before, found, behind) = url("a redis://h/1 b").unwrap();
        assert_eq!((before, found.host, behind), ("a ", "h", " b"));
    }

    #[test]
    fn urls_have_more_hosts() {
        let hosts = |text: &'static str| {
            let (_, mut last, mut behind) = url(text).unwrap();
            let mut hosts = vec![last.host];
            while let Some((more, left)) = next_host(&last, behind) {
                hosts.push(more.host);
                (last, behind) = (more, left);
            }
            hosts
        };
        assert_eq!(hosts("cache+memcached://a:1;b;c:3/ d"), ["a", "b", "c"]);
        for alone in ["redis://a/0;b", "amqp://a;amqp://b", "redis://a; b", "redis://a"] {
            assert_eq!(hosts(alone), ["a"], "{alone}");
        }
    }

    #[test]
    fn paths_begin_where_a_word_does() {
        let seen = replace_paths("/a b/c \"/d/e\" x=/f: //g >/h-1@%+/ /", |path| Some(format!("<{path}>")));
        assert_eq!(seen, "</a> b/c \"</d/e>\" x=</f>: //g ></h-1@%+/> /");
        assert_eq!(replace_paths("/ä /b", |_| None), "/ä /b");
        let seen = replace_paths("file:///a db+sqlite:////a sqlite:///a http://h/a", |path| {
            Some(format!("<{path}>"))
        });
        assert_eq!(seen, "file://</a> db+sqlite:///</a> sqlite:///a http://h/a");
    }

    #[test]
    fn all_addresses_stand_alone() {
        let seen =
            replace_any_address("0.0.0.0:1 10.0.0.0 x0.0.0.0 {0, 0,0 ,0} {0,0,0} {{0,0,0,0},1}", "A", "{E}");
        assert_eq!(seen, "A:1 10.0.0.0 x0.0.0.0 {E} {0,0,0} {{E},1}");
    }

    #[test]
    fn ports_stand_alone() {
        let seen =
            replace_ports("80 180 a80 80,x=80: 80.0 800000000080 é80", |port| (port == 80).then_some(9));
        assert_eq!(seen, "9 180 a80 9,x=9: 9.0 800000000080 é80");
    }
}
