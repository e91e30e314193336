//! What pip installs: Celery with what goes with it.

use std::collections::BTreeSet;

use crate::{
    answers::Answers,
    debugpy, image,
    versions::{self, Minor, minor},
};

/// The clients of every broker and backend that a setup can have.
const EXTRAS: &[&str] = &["redis", "pymemcache"];

const OLD_REDIS: &str = "redis<5";
const OLD_SETUPTOOLS: &str = "setuptools<81";
const OLD_METADATA: &str = "importlib-metadata<5; python_version < '3.8'";

/// What goes with a minor version of Celery. Celery puts no upper bound on Kombu, and the newest Kombu wants a newer redis-py than
/// an old Celery allows: without these pins such a worker ends at its start.
///
/// Celery before 5.3 imports pkg_resources, which setuptools 81 no longer has; its Kombu is older than redis-py 5 and, on Python 3.7, than
/// importlib-metadata 5.
const PINS: &[(Minor, &[&str])] = &[
    ((4, 4), &["kombu==4.6.11", OLD_REDIS, OLD_SETUPTOOLS, OLD_METADATA]),
    ((5, 0), &["kombu==5.0.2", OLD_REDIS, OLD_SETUPTOOLS, OLD_METADATA]),
    ((5, 1), &["kombu==5.1.0", OLD_REDIS, OLD_SETUPTOOLS, OLD_METADATA]),
    ((5, 2), &["kombu==5.2.4", OLD_REDIS, OLD_SETUPTOOLS, OLD_METADATA]),
    ((5, 3), &["kombu==5.3.7"]),
    ((5, 4), &["kombu==5.4.2"]),
    ((5, 5), &["kombu==5.5.4"]),
    ((5, 6), &["kombu==5.6.2"]),
    ((5, 7), &["kombu==5.7.0"]),
];

/// `requirements.txt`.
pub(crate) fn render(answers: &Answers) -> String {
    let mut extras: BTreeSet<&str> = EXTRAS.iter().copied().collect();
    extras.extend(answers.extras.iter().map(String::as_str));
    extras.extend(answers.pool.as_deref().filter(|pool| *pool == "gevent"));
    let extras: Vec<&str> = extras.into_iter().collect();

    let mut lines = vec![format!("celery[{}]=={}", extras.join(","), answers.version)];
    let pins = PINS.iter().find(|(known, _)| minor(&answers.version) == Some(*known));
    // Who names a package pins it, or not.
    let is_named =
        |pin: &str| answers.requirements.iter().any(|requirement| package(requirement) == package(pin));
    let pins = pins.into_iter().flat_map(|(_, pins)| pins.iter()).filter(|pin| !is_named(pin));
    lines.extend(pins.map(|pin| (*pin).to_owned()));
    // Celery's extra of that name installs nothing for Python 3.10 and newer.
    lines.extend(answers.pool.as_deref().filter(|pool| *pool == "eventlet").map(str::to_owned));
    lines.extend(answers.debugpy.map(|_| debugpy::NAME.to_owned()));
    lines.extend(answers.requirements.iter().cloned());
    lines.join("\n") + "\n"
}

/// The package that a requirement is of, as pip compares them (PEP 503).
fn package(requirement: &str) -> String {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = requirement.trim().chars().take_while(|c| is_name(*c)).collect();
    name.to_ascii_lowercase().replace(['_', '.'], "-")
}

/// What is wrong with what pip is to install.
pub(crate) fn check(answers: &Answers) -> Result<(), String> {
    if image::is_ours(answers) {
        versions::check(answers)?;
    }
    for extra in &answers.extras {
        if extra.is_empty() || !extra.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(format!("{extra:?} is no name of an extra of Celery"));
        }
    }
    for requirement in &answers.requirements {
        if requirement.trim().is_empty() || requirement.starts_with('-') || requirement.contains(['\n', '\r'])
        {
            return Err(format!(
                "{requirement:?} is no requirement; it is one package, as `pydantic==2.11.7`"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Debugpy, Worker};

    fn problem(worker: &Worker) -> String {
        check(&Answers::of(worker)).unwrap_err()
    }

    fn rendered(worker: &Worker) -> String {
        render(&Answers::of(worker))
    }

    #[test]
    fn old_versions_are_pinned() {
        assert_eq!(rendered(&Worker::default()), "celery[pymemcache,redis]==5.7.0\nkombu==5.7.0\n");
        assert_eq!(
            rendered(&Worker::default().celery("5.2.7")),
            "celery[pymemcache,redis]==5.2.7\nkombu==5.2.4\nredis<5\nsetuptools<81\nimportlib-metadata<5; python_version < '3.8'\n"
        );
        assert_eq!(
            rendered(&Worker::default().celery("5.5.0rc1")),
            "celery[pymemcache,redis]==5.5.0rc1\nkombu==5.5.4\n"
        );
        assert_eq!(rendered(&Worker::default().celery("9.9")), "celery[pymemcache,redis]==9.9\n");
    }

    #[test]
    fn what_is_asked_for_comes_along() {
        let worker = Worker::default().pool("gevent").extras(["msgpack"]).requirement("pydantic==2.11.7");
        assert_eq!(
            rendered(&worker.debugpy(Debugpy::default())),
            "celery[gevent,msgpack,pymemcache,redis]==5.7.0\nkombu==5.7.0\ndebugpy\npydantic==2.11.7\n"
        );
    }

    #[test]
    fn who_names_a_package_pins_it() {
        let text = rendered(&Worker::default().requirement("Kombu[redis] == 5.6.2"));
        assert_eq!(text, "celery[pymemcache,redis]==5.7.0\nKombu[redis] == 5.6.2\n");
    }

    #[test]
    fn eventlet_is_installed_by_its_own_name() {
        let text = rendered(&Worker::default().pool("eventlet"));
        assert_eq!(text, "celery[pymemcache,redis]==5.7.0\nkombu==5.7.0\neventlet\n");
    }

    #[test]
    fn requirements_that_are_none() {
        for bad in ["", "-e .", "a\nb"] {
            assert!(problem(&Worker::default().requirement(bad)).contains("no requirement"), "{bad}");
        }
        assert!(problem(&Worker::default().extras(["a]b"])).contains("no name of an extra"));
    }
}
