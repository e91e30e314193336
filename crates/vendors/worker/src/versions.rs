//! Which Celery runs on which Python.

use crate::answers::Answers;

/// The version of Celery, unless a worker says otherwise.
pub const DEFAULT_CELERY: &str = "5.7.0";

/// The version of Python, unless a worker says otherwise or its Celery is too old for it.
pub const DEFAULT_PYTHON: &str = "3.13";

/// Major and minor.
pub(crate) type Minor = (u32, u32);

/// The Pythons that a Celery runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pythons {
    pub(crate) oldest: Minor,
    /// `None` where none is known that is too new.
    pub(crate) newest: Option<Minor>,
}

/// From which Celery on it is which Pythons, the newest first. The oldest are what pip takes (`Requires-Python`). The newest were found by
/// starting a worker: on Python 3.12 there is no `entry_points().get` that Celery calls before 5.3, and on 3.11 no `inspect.formatargspec`, for
/// the `vine` of Celery 4.
const TABLE: &[(Minor, Pythons)] = &[
    ((5, 7), Pythons { oldest: (3, 10), newest: None }),
    ((5, 6), Pythons { oldest: (3, 9), newest: None }),
    ((5, 3), Pythons { oldest: (3, 8), newest: None }),
    ((5, 2), Pythons { oldest: (3, 7), newest: Some((3, 11)) }),
    ((5, 0), Pythons { oldest: (3, 6), newest: Some((3, 11)) }),
    ((0, 0), Pythons { oldest: (3, 6), newest: Some((3, 10)) }),
];

/// The Pythons for a version of Celery; for a text that is none those of the newest Celery.
pub(crate) fn pythons(celery: &str) -> Pythons {
    let row = minor(celery).and_then(|celery| TABLE.iter().find(|(from, _)| celery >= *from));
    row.unwrap_or(&TABLE[0]).1
}

/// The version of Python for a worker's image: the one that it names, else the newest of ours that its Celery runs on.
pub(crate) fn python(answers: &Answers) -> String {
    let named = answers.python.clone();
    named.unwrap_or_else(|| match pythons(&answers.version).newest {
        Some((major, minor)) => format!("{major}.{minor}"),
        None => DEFAULT_PYTHON.to_owned(),
    })
}

/// What is wrong with the versions of what we install.
pub(crate) fn check(answers: &Answers) -> Result<(), String> {
    version("Celery", &answers.version)?;
    let Some(python) = &answers.python else { return Ok(()) };
    let asked = version("Python", python)?;
    // Whoever brings a base of their own knows its Python; we do not.
    if answers.base.is_some() {
        return Ok(());
    }
    let Pythons { oldest, newest } = pythons(&answers.version);
    let too_new = newest.is_some_and(|newest| asked > newest);
    if asked >= oldest && !too_new {
        return Ok(());
    }
    let range = match newest {
        Some((major, minor)) => format!("Python {}.{} to {major}.{minor}", oldest.0, oldest.1),
        None => format!("Python {}.{} or newer", oldest.0, oldest.1),
    };
    Err(format!("Celery {} cannot run on Python {python}: it needs {range}", answers.version))
}

fn version(what: &str, text: &str) -> Result<Minor, String> {
    let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || ".+!-".contains(c));
    minor(text).filter(|_| fits).ok_or_else(|| format!("{text:?} is no version of {what}"))
}

/// Major and minor of a version.
pub(crate) fn minor(version: &str) -> Option<Minor> {
    let mut parts = version.split('.');
    let digits = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    Some((digits(parts.next()?)?, digits(parts.next()?)?))
}

#[cfg(test)]
mod tests {
    use testcelery_api::Image;

    use super::*;
    use crate::Worker;

    fn checked(worker: &Worker) -> Result<(), String> {
        check(&Answers::of(worker))
    }

    #[test]
    fn texts_that_are_no_versions() {
        for bad in ["", "latest", "5", "5.7.0; os_name", "5.7\n"] {
            let problem = checked(&Worker::default().celery(bad)).unwrap_err();
            assert!(problem.contains("no version of Celery"), "{bad}");
        }
        assert!(checked(&Worker::default().python("three")).unwrap_err().contains("no version of Python"));
    }

    #[test]
    fn pairs_that_cannot_be() {
        for (celery, python, problem) in [
            ("5.7.0", "3.9", "Celery 5.7.0 cannot run on Python 3.9: it needs Python 3.10 or newer"),
            ("5.6.2", "3.8.18", "Celery 5.6.2 cannot run on Python 3.8.18: it needs Python 3.9 or newer"),
            ("5.4.0", "3.7", "Celery 5.4.0 cannot run on Python 3.7: it needs Python 3.8 or newer"),
            ("5.2.7", "3.12", "Celery 5.2.7 cannot run on Python 3.12: it needs Python 3.7 to 3.11"),
            ("5.2.7", "3.6", "Celery 5.2.7 cannot run on Python 3.6: it needs Python 3.7 to 3.11"),
            ("4.4.7", "3.11", "Celery 4.4.7 cannot run on Python 3.11: it needs Python 3.6 to 3.10"),
        ] {
            let worker = Worker::default().celery(celery).python(python);
            assert_eq!(checked(&worker).unwrap_err(), problem);
            // What a base of somebody's own has is not known.
            checked(&worker.base(Image::reference("mine:1"))).unwrap();
        }
        for (celery, python) in [("5.7.0", "3.10"), ("5.6.2", "3.14"), ("5.2.7", "3.11.2"), ("5.1.2", "3.6")]
        {
            checked(&Worker::default().celery(celery).python(python)).unwrap();
        }
    }

    #[test]
    fn the_default_python_follows_celery() {
        for (celery, meant) in [
            ("5.7.0", DEFAULT_PYTHON),
            ("5.3.6", DEFAULT_PYTHON),
            ("5.2.7", "3.11"),
            ("4.4.7", "3.10"),
            ("9.9", DEFAULT_PYTHON),
        ] {
            let worker = Worker::default().celery(celery);
            checked(&worker).unwrap();
            assert_eq!(python(&Answers::of(&worker)), meant, "{celery}");
            assert_eq!(python(&Answers::of(&worker.python("3.9"))), "3.9");
        }
    }
}
