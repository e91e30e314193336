use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> ConnectionUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn problem(text: &str) -> String {
    text.parse::<ConnectionUrl>().expect_err(text).to_string()
}

/// Scheme, host, port, user, password, path and options.
type Parts<'a> = (&'a str, &'a str, u16, &'a str, &'a str, &'a str, &'a [(&'a str, &'a str)]);

/// What `kombu.utils.url.url_to_parts` of Kombu 5.7.0 gives for these texts, with 0 and "" in the place of `None`.
const KOMBU: &[(&str, Parts)] = &[
    ("amqp://", ("amqp", "", 0, "", "", "", &[])),
    ("amqp://h", ("amqp", "h", 0, "", "", "", &[])),
    ("AMQP://h", ("amqp", "h", 0, "", "", "", &[])),
    ("redis://h:6379/1", ("redis", "h", 6379, "", "", "1", &[])),
    ("redis://:6379/0", ("redis", "", 6379, "", "", "0", &[])),
    ("redis:///3", ("redis", "", 0, "", "", "3", &[])),
    ("redis://h:/0", ("redis", "h", 0, "", "", "0", &[])),
    ("redis://:pw@h/1", ("redis", "h", 0, "", "pw", "1", &[])),
    ("redis://u:p%40w@h:1/", ("redis", "h", 1, "u", "p@w", "", &[])),
    ("redis://:@h", ("redis", "h", 0, "", "", "", &[])),
    ("amqp://user@host", ("amqp", "host", 0, "user", "", "", &[])),
    ("amqp://user:@host", ("amqp", "host", 0, "user", "", "", &[])),
    ("amqp://u:p:q@h", ("amqp", "h", 0, "u", "p:q", "", &[])),
    ("amqp://u:p@q@h", ("amqp", "h", 0, "u", "p@q", "", &[])),
    ("amqp://u:a+b@h/c+d", ("amqp", "h", 0, "u", "a+b", "c+d", &[])),
    ("amqp://caf%C3%A9:\u{e9}@h/\u{fc}", ("amqp", "h", 0, "caf\u{e9}", "\u{e9}", "\u{fc}", &[])),
    (
        "amqp://me%40work:p%2Fw@127.0.0.1:5672/my%20vhost",
        ("amqp", "127.0.0.1", 5672, "me@work", "p/w", "my vhost", &[]),
    ),
    ("amqp://h//", ("amqp", "h", 0, "", "", "/", &[])),
    ("amqp://h/%2F", ("amqp", "h", 0, "", "", "/", &[])),
    ("amqp://h/%2f%2f", ("amqp", "h", 0, "", "", "//", &[])),
    ("amqp://h/a/b", ("amqp", "h", 0, "", "", "a/b", &[])),
    ("amqp://h/vhost/", ("amqp", "h", 0, "", "", "vhost/", &[])),
    ("amqp://h/..", ("amqp", "h", 0, "", "", "..", &[])),
    ("amqp://h/a/../b", ("amqp", "h", 0, "", "", "a/../b", &[])),
    ("amqp://h/%2e", ("amqp", "h", 0, "", "", ".", &[])),
    ("amqp://h/me@work", ("amqp", "h", 0, "", "", "me@work", &[])),
    ("redis://[::1]:6379/0", ("redis", "::1", 6379, "", "", "0", &[])),
    ("redis://u@[::1]", ("redis", "::1", 0, "u", "", "", &[])),
    ("redis://[fe80::1%25eth0]/0", ("redis", "fe80::1%eth0", 0, "", "", "0", &[])),
    ("redis://h/0?db=3", ("redis", "h", 0, "", "", "0", &[("db", "3")])),
    ("redis://h/0?virtual_host=3", ("redis", "h", 0, "", "", "0", &[("virtual_host", "3")])),
    ("redis://h/0?", ("redis", "h", 0, "", "", "0", &[])),
    ("amqp://h?a=b+c%20d&e=%26", ("amqp", "h", 0, "", "", "", &[("a", "b c d"), ("e", "&")])),
    (
        "redis+socket:///tmp/r.sock?virtual_host=1",
        ("redis+socket", "", 0, "", "", "tmp/r.sock", &[("virtual_host", "1")]),
    ),
    ("cache+memcached://h:11211/", ("cache+memcached", "h", 11211, "", "", "", &[])),
    ("rpc://", ("rpc", "", 0, "", "", "", &[])),
];

#[test]
fn a_text_is_read_as_kombu_reads_it() {
    for (text, expected) in KOMBU {
        let url = parse(text);
        let options: Vec<_> = url.options().collect();
        let password = url.password().map(Secret::reveal).unwrap_or_default();
        let (port, path) = (url.port_number().unwrap_or(0), url.path_text().unwrap_or_default());
        let seen = (url.scheme(), url.host(), port, url.username(), password, path, options.as_slice());
        assert_eq!(seen, *expected, "{text}");
        assert_eq!(parse(&url.reveal()), url, "{text}");
    }
}

/// None of these is taken in part. Kombu drops the fragment, an option without a value and the first of two; takes `%zz` as it is, and `%ff`
/// for U+FFFD; and asks a name server for `h1,h2`.
#[test]
fn what_cannot_be_taken_whole_is_refused() {
    for (text, part) in [
        ("redis://a#b@host", "%23"),
        ("redis://h/0#x", "a `#` begins a fragment"),
        ("redis://:a/b@h", "`/` is written %2F"),
        ("redis://:a?b@h", "`?` %3F"),
        ("redis://h/0?x", "not of the form `name=value`"),
        ("redis://h/0?x=", "not of the form `name=value`"),
        ("redis://h/0?=x", "not of the form `name=value`"),
        ("redis://h/0?a=1&a=2", "option `a` is set twice"),
        ("redis://:p%zz@h", "a `%` without two hexadecimal digits in the password"),
        ("redis://:p%1@h", "`%` itself is written %25"),
        ("amqp://h/%", "in the path"),
        ("redis://:p%ff@h", "the percent escapes in the password are not UTF-8"),
        ("redis://h1,h2/0", "it names several servers"),
        ("redis://h1:1,h2:2/0", "it names several servers"),
        ("cache+memcached://h1;h2/", "it names several servers"),
        ("amqp://h1/a;;amqp://h2/", "a second `://`"),
        ("amqp://h1/a,amqp://h2/", "one `;` between them"),
        ("amqp://h1/a;", "written %3B"),
        ("redis://h/0?a=redis://h", "a second `://`"),
        ("redis://u:p@h/w@h/0", "another one in it"),
        ("redis://::1/0", "put in brackets"),
        ("redis://[::1", "there is a `[` and no `]`"),
        ("redis://[::1]6379", "behind the brackets"),
        ("redis://[h]/0", "no IPv6 address between the brackets"),
        ("redis://my host/0", "a character in its host that no host name has"),
        ("redis://a%2Fb/0", "a character in its host that no host name has"),
        ("redis://h:0/0", "a number from 1 to 65535"),
        ("redis://h:65536", "a number from 1 to 65535"),
        ("redis://h:-1", "a number from 1 to 65535"),
        ("redis://h:+1", "a number from 1 to 65535"),
        ("redis://h:x", "a number from 1 to 65535"),
        (" amqp://h", "a space before or after it"),
        ("amqp://h\n", "a control character"),
        ("amqp://h/a\tb", "a control character"),
        ("my_scheme://h", "a scheme begins with a letter"),
        ("://h", "a scheme begins with a letter"),
        ("amqp:/h", "there is no `://` in it"),
        ("h:5672", "there is no `://` in it"),
    ] {
        let seen = problem(text);
        assert!(seen.contains(part), "{text}: {seen}");
    }
}

#[test]
fn a_refused_text_is_not_repeated() {
    for text in [
        "redis://:hunter2@:x",
        "redis://a:hunter2#b@host",
        "redis://:hunter2/b@host",
        "redis://u?hunter2@host",
        "redis://a/0;;redis://:hunter2@b/0",
        "redis://a/0,redis://:hunter2@b/0",
        "redis://a/0?x=1,redis://:hunter2@b/0",
        "redis://u:p@q/hunter2@host/0",
        "redis://:hunter2%zz@h",
        "hunter2",
        "hunter2://h_\n",
    ] {
        let seen = problem(text);
        assert!(!seen.contains("hunter2"), "{text}: {seen}");
    }
}

#[test]
fn the_root_virtual_host_is_encoded() {
    assert_eq!(ConnectionUrl::new("amqp", "h").path("/").reveal(), "amqp://h/%2F");
}

#[test]
fn no_credentials_no_at_sign() {
    assert_eq!(ConnectionUrl::new("redis", "h").port(6379).path("0").reveal(), "redis://h:6379/0");
    let none = ConnectionUrl::new("redis", "h").credentials("", Secret::new("")).path("");
    assert_eq!(none, ConnectionUrl::new("redis", "h"));
    let user = ConnectionUrl::new("amqp", "h").credentials("jo", Secret::new(""));
    assert_eq!(user.reveal(), "amqp://jo@h/");
}

#[test]
fn an_ipv6_address_is_in_brackets() {
    for host in ["::1", "[::1]"] {
        let url = ConnectionUrl::new("amqp", host).port(5672);
        assert_eq!((url.host(), url.reveal().as_str()), ("::1", "amqp://[::1]:5672/"));
        let moved = ConnectionUrl::new("amqp", "h").at(host, 1);
        assert_eq!((moved.host(), moved.to_string().as_str()), ("::1", "amqp://[::1]:1/"));
        assert_eq!(moved.bracketed_host(), "[::1]");
    }
    assert_eq!(ConnectionUrl::new("amqp", "fe80::1%eth0").reveal(), "amqp://[fe80::1%25eth0]/");
    assert_eq!(ConnectionUrl::new("amqp", "h").bracketed_host(), "h");
}

#[test]
fn options_that_sound_like_secrets_are_not_shown() {
    let url = parse("redis://h/0?ssl_keyfile_password=hunter2&Token=hunter2&heartbeat=10");
    let shown = "redis://h/0?ssl_keyfile_password=**&Token=**&heartbeat=10";
    assert_eq!((url.to_string().as_str(), format!("{url:?}").as_str()), (shown, shown));
    assert_eq!(url.reveal(), "redis://h/0?ssl_keyfile_password=hunter2&Token=hunter2&heartbeat=10");
}

fn urls() -> impl Strategy<Value = ConnectionUrl> {
    let host = prop_oneof![
        "[a-zA-Z0-9._-]{0,12}",
        "[a-z]{1,4}\u{e9}[a-z]{1,4}",
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
    ];
    let text = || prop_oneof!["\\PC{0,12}", "[/?#@:;%.&=+ \\[\\]]{0,6}"];
    let options = prop::collection::vec((text(), text()), 0..3);
    let parts =
        ("[a-z][a-z0-9+.-]{0,8}", host, prop::option::of(1..=u16::MAX), text(), text(), text(), options);
    parts.prop_map(|(scheme, host, port, user, password, path, options)| {
        let mut url = ConnectionUrl::new(scheme, host).credentials(user, Secret::new(&password)).path(path);
        if let Some(port) = port {
            url = url.port(port);
        }
        let some = options.into_iter().filter(|(name, value)| !name.is_empty() && !value.is_empty());
        some.fold(url, |url, (name, value)| url.option(name, value))
    })
}

proptest! {
    #[test]
    fn what_is_rendered_is_parsed_again(url in urls()) {
        let text = url.reveal();
        prop_assert_eq!(text.parse::<ConnectionUrl>().map(|url| url.reveal()), Ok(text));
        prop_assert_eq!(url.reveal().parse::<ConnectionUrl>(), Ok(url));
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,40}", scheme in "(redis://|amqp://)?") {
        if let Ok(url) = format!("{scheme}{text}").parse::<ConnectionUrl>() {
            prop_assert_eq!(url.reveal().parse::<ConnectionUrl>(), Ok(url));
        }
    }

    #[test]
    fn a_password_is_never_displayed(password in "[a-z]{8,20}") {
        let url = ConnectionUrl::new("redis", "h").credentials("", Secret::new(&password));
        let shown = format!("{url} {url:?}");
        prop_assert!(!shown.contains(&password));
    }
}
