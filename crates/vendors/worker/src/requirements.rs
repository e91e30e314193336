//! What pip installs: Celery with what goes with it.

use std::collections::BTreeSet;

use crate::{answers::Answers, debugpy, image};

/// The version of Celery, unless a worker says otherwise.
pub const DEFAULT_CELERY: &str = "5.7.0";

/// The version of Python, unless a worker says otherwise.
pub const DEFAULT_PYTHON: &str = "3.13";

/// The clients of every broker and backend that a setup can have.
const EXTRAS: &[&str] = &["redis", "pymemcache"];

/// What goes with a minor version of Celery. Celery puts no upper bound on Kombu, and the newest Kombu wants a newer redis-py than
/// an old Celery allows: without these pins such a worker ends at its start.
const PINS: &[((u32, u32), &[&str])] = &[
    // Celery 5.2 imports pkg_resources, which setuptools 81 no longer has; Kombu 5.2 is older than redis-py 5.
    ((5, 2), &["kombu==5.2.4", "redis<5", "setuptools<81"]),
    ((5, 3), &["kombu==5.3.7"]),
    ((5, 4), &["kombu==5.4.2"]),
    ((5, 5), &["kombu==5.5.4"]),
    ((5, 6), &["kombu==5.6.2"]),
    ((5, 7), &["kombu==5.7.0"]),
];

/// The newest Python that Celery before 5.3 can run on: it calls `entry_points().get`, which Python 3.12 no longer has.
const NEWEST_FOR_5_2: (u32, u32) = (3, 11);

/// The oldest Python that a minor version of Celery runs on (`Requires-Python` of its packages), the newest Celery first.
const OLDEST_PYTHON: &[(Minor, Minor)] =
    &[((5, 7), (3, 10)), ((5, 6), (3, 9)), ((5, 3), (3, 8)), ((0, 0), (3, 7))];

/// Major and minor.
type Minor = (u32, u32);

/// The oldest and the newest Python for a worker's Celery.
pub(crate) fn pythons(answers: &Answers) -> (Minor, Option<Minor>) {
    let celery = minor_of(&answers.version).unwrap_or(OLDEST_PYTHON[0].0);
    let oldest =
        OLDEST_PYTHON.iter().find(|(from, _)| celery >= *from).map_or((3, 10), |(_, python)| *python);
    (oldest, (celery < (5, 3)).then_some(NEWEST_FOR_5_2))
}

/// `requirements.txt`.
pub(crate) fn render(answers: &Answers) -> String {
    let mut extras: BTreeSet<&str> = EXTRAS.iter().copied().collect();
    extras.extend(answers.extras.iter().map(String::as_str));
    extras.extend(answers.pool.as_deref().filter(|pool| ["gevent", "eventlet"].contains(pool)));
    let extras: Vec<&str> = extras.into_iter().collect();

    let mut lines = vec![format!("celery[{}]=={}", extras.join(","), answers.version)];
    let pins = PINS.iter().find(|(minor, _)| minor_of(&answers.version) == Some(*minor));
    lines.extend(pins.into_iter().flat_map(|(_, pins)| pins.iter().map(|pin| (*pin).to_owned())));
    lines.extend(answers.debugpy.map(|_| debugpy::NAME.to_owned()));
    lines.extend(answers.requirements.iter().cloned());
    lines.join("\n") + "\n"
}

/// What is wrong with what pip is to install.
pub(crate) fn check(answers: &Answers) -> Result<(), String> {
    if image::is_ours(answers) {
        check_versions(answers)?;
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

/// What is wrong with the versions of what we install.
fn check_versions(answers: &Answers) -> Result<(), String> {
    let version = |what: &str, text: &str| {
        let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || ".+!-".contains(c));
        minor_of(text).filter(|_| fits).ok_or_else(|| format!("{text:?} is no version of {what}"))
    };
    let celery = version("Celery", &answers.version)?;
    let python = answers.python.as_deref().unwrap_or(DEFAULT_PYTHON);
    let python_version = version("Python", python)?;
    // Whoever brings a base of their own knows its Python; we do not.
    if celery < (5, 3) && python_version > NEWEST_FOR_5_2 && answers.base.is_none() {
        return Err(format!(
            "Celery {} cannot run on Python {}; add `.python(\"3.11\")`",
            answers.version, python
        ));
    }
    Ok(())
}

/// Major and minor of a version.
fn minor_of(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    let digits = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    Some((digits(parts.next()?)?, digits(parts.next()?)?))
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
            "celery[pymemcache,redis]==5.2.7\nkombu==5.2.4\nredis<5\nsetuptools<81\n"
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
    fn versions_that_cannot_be() {
        for bad in ["", "latest", "5", "5.7.0; os_name", "5.7\n"] {
            assert!(problem(&Worker::default().celery(bad)).contains("no version of Celery"), "{bad}");
        }
        assert!(problem(&Worker::default().python("three")).contains("no version of Python"));
        assert_eq!(
            problem(&Worker::default().celery("5.2.7")),
            "Celery 5.2.7 cannot run on Python 3.13; add `.python(\"3.11\")`"
        );
        check(&Answers::of(&Worker::default().celery("5.2.7").python("3.11"))).unwrap();
    }

    #[test]
    fn requirements_that_are_none() {
        for bad in ["", "-e .", "a\nb"] {
            assert!(problem(&Worker::default().requirement(bad)).contains("no requirement"), "{bad}");
        }
        assert!(problem(&Worker::default().extras(["a]b"])).contains("no name of an extra"));
    }
}
