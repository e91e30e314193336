use super::*;

/// A Docker configuration folder with one context in use.
fn config(name: &str, host: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let hash: String = Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = dir.path().join("contexts/meta").join(hash);
    fs::create_dir_all(&meta).unwrap();
    let endpoint = serde_json::json!({"Name": name, "Endpoints": {"docker": {"Host": host}}});
    fs::write(meta.join("meta.json"), endpoint.to_string()).unwrap();
    let current = serde_json::json!({ "currentContext": name });
    fs::write(dir.path().join("config.json"), current.to_string()).unwrap();
    dir
}

fn only(variables: &[(&str, &str)]) -> Candidate {
    let mut found = candidates(&Environment::of(variables.iter().copied()));
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn what_is_set_comes_before_what_is_configured() {
    let dir = config("remote", "tcp://10.0.0.7:2375");
    let folder = dir.path().to_str().unwrap();
    let mut variables = vec![
        (OVERRIDE_VARIABLE, "unix:///a.sock"),
        ("DOCKER_HOST", "unix:///b.sock"),
        ("DOCKER_CONTEXT", "remote"),
        ("DOCKER_CONFIG", folder),
    ];
    let mut rules = Vec::new();
    while !variables.is_empty() {
        let found = candidates(&Environment::of(variables.iter().copied()));
        rules.push((found[0].rule.clone(), found[0].text.clone()));
        variables.remove(0);
    }
    let current = format!("context `remote`, by currentContext in {folder}/config.json");
    let expected = [
        (OVERRIDE_VARIABLE, "unix:///a.sock"),
        ("DOCKER_HOST", "unix:///b.sock"),
        ("context `remote`, by DOCKER_CONTEXT", "tcp://10.0.0.7:2375"),
        (&current, "tcp://10.0.0.7:2375"),
    ];
    let rules: Vec<_> = rules.iter().map(|(rule, text)| (rule.as_str(), text.as_str())).collect();
    assert_eq!(rules, expected);
}

#[test]
fn the_default_context_and_empty_variables_are_nothing_explicit() {
    let dir = config("default", "unix:///never.sock");
    let found = candidates(&Environment::of([
        ("DOCKER_HOST", ""),
        ("DOCKER_CONFIG", dir.path().to_str().unwrap()),
        ("HOME", "/home/me"),
        ("XDG_RUNTIME_DIR", "/run/user/1000"),
    ]));
    let texts: Vec<&str> = found.iter().map(|candidate| candidate.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "unix:///var/run/docker.sock",
            "unix:///run/user/1000/docker.sock",
            "unix:///home/me/.docker/run/docker.sock",
            "unix:///home/me/.docker/desktop/docker.sock",
            "unix:///run/user/1000/podman/podman.sock",
            "unix:///run/podman/podman.sock",
        ]
    );
}

#[test]
fn a_context_is_looked_up_in_the_home_folder() {
    let home = tempfile::tempdir().unwrap();
    let dir = config("colima", "unix:///colima.sock");
    std::fs::rename(dir.path(), home.path().join(".docker")).unwrap();
    let found = only(&[("HOME", home.path().to_str().unwrap())]);
    assert_eq!(found.address, Ok(Address::Unix("/colima.sock".into())));
}

#[test]
fn an_unknown_context_is_an_error_and_not_skipped() {
    let dir = config("known", "unix:///a.sock");
    let found = only(&[("DOCKER_CONTEXT", "unknown"), ("DOCKER_CONFIG", dir.path().to_str().unwrap())]);
    assert!(found.text.ends_with("meta.json"), "{found:?}");
    assert!(found.address.unwrap_err().contains("there is no such context"));
}

#[test]
fn addresses() {
    let tcp = |host: &str, port| Ok(Address::Tcp { host: host.to_owned(), port });
    assert_eq!(Address::parse("tcp://10.0.0.7"), tcp("10.0.0.7", 2375));
    assert_eq!(Address::parse("http://docker:2376/"), tcp("docker", 2376));
    assert_eq!(Address::parse("tcp://[::1]:99"), tcp("::1", 99));
    assert_eq!(Address::parse("tcp://[::1]"), tcp("::1", 2375));
    assert_eq!(tcp("::1", 99).unwrap().to_string(), "tcp://[::1]:99");
    for (text, part) in [
        ("/var/run/docker.sock", "expected `unix:///path`"),
        ("unix://docker.sock", "must be absolute"),
        ("ssh://me@host:22/run/docker.sock", "ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock me@host:22"),
        ("https://host:2376", "TLS is not supported"),
        ("npipe:////./pipe/docker_engine", "`npipe://` is not supported"),
        ("tcp://host:http", "`http` is not a port number"),
        ("tcp://", "there is no host"),
    ] {
        let reason = Address::parse(text).unwrap_err();
        assert!(reason.contains(part), "{text}: {reason}");
    }
}

#[test]
fn tls_is_refused_and_not_ignored() {
    for variable in TLS_VARIABLES {
        let found = only(&[("DOCKER_HOST", "tcp://h:2376"), (variable, "1")]);
        assert!(
            found.address.unwrap_err().starts_with(&format!("{variable} is set, and TLS is not supported"))
        );
    }
    for variable in ["DOCKER_TLS_VERIFY", "DOCKER_TLS"] {
        let found = only(&[(variable, "1")]);
        assert_eq!((found.rule.as_str(), found.text.as_str()), (variable, "tcp://localhost:2376"));
        assert!(found.address.unwrap_err().contains(variable));
    }
    let socket = only(&[("DOCKER_HOST", "unix:///a.sock"), ("DOCKER_TLS_VERIFY", "1")]);
    assert!(socket.address.is_ok());

    let dir = config("secure", "tcp://h:2376");
    let hash: String = Sha256::digest("secure").iter().map(|byte| format!("{byte:02x}")).collect();
    fs::create_dir_all(dir.path().join("contexts/tls").join(hash).join("docker")).unwrap();
    let found = only(&[("DOCKER_CONFIG", dir.path().to_str().unwrap())]);
    assert!(found.address.unwrap_err().contains("TLS keys"));
}

#[test]
fn what_asks_for_a_daemon() {
    let dir = config("remote", "tcp://10.0.0.7:2375");
    let folder = dir.path().to_str().unwrap();
    let wish = |variables: &[(&str, &str)]| asked_for(&Environment::of(variables.iter().copied()));
    assert_eq!(wish(&[(OVERRIDE_VARIABLE, "unix:///a.sock")]).as_deref(), Some(OVERRIDE_VARIABLE));
    assert_eq!(wish(&[("DOCKER_HOST", "ssh://me@host")]).as_deref(), Some("DOCKER_HOST"));
    assert_eq!(wish(&[("DOCKER_TLS_VERIFY", "1")]).as_deref(), Some("DOCKER_TLS_VERIFY"));
    let current = format!("context `remote`, by currentContext in {folder}/config.json");
    assert_eq!(wish(&[("DOCKER_CONFIG", folder)]), Some(current));
    let default = wish(&[("DOCKER_CONFIG", folder), ("DOCKER_CONTEXT", "default")]);
    assert_eq!(default.as_deref(), Some("DOCKER_CONTEXT"));
    assert_eq!(wish(&[("HOME", "/nowhere"), ("DOCKER_CONTEXT", "")]), None);
    assert_eq!(wish(&[("HOME", "/nowhere"), ("DOCKER_HOST", "")]), None);
    assert_eq!(
        wish(&[("HOME", "/nowhere"), (PORTS_HOST_VARIABLE, "h")]).as_deref(),
        Some(PORTS_HOST_VARIABLE)
    );
}

#[test]
fn the_host_of_published_ports_is_a_host_alone() {
    let host = |text: &str| Environment::of([(PORTS_HOST_VARIABLE, text)]).ports_host();
    assert_eq!(host(""), Ok(None));
    for (text, expected) in [
        ("docker.example.org", "docker.example.org"),
        ("10.0.0.7", "10.0.0.7"),
        ("[::1]", "::1"),
        ("::1", "::1"),
    ] {
        assert_eq!(host(text), Ok(Some(expected.to_owned())));
    }
    for text in ["tcp://docker", "docker:2375", "me@docker", "a b"] {
        assert!(host(text).unwrap_err().address.unwrap_err().contains("no host name"), "{text}");
    }
}
