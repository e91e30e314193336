//! The image of a worker: built once for all workers of the same versions and requirements.

use sha2::{Digest, Sha256};
use testcelery_api::{Build, FileTree, Image, PythonEnvironment, Software};

use crate::{DEFAULT_PYTHON, answers::Answers, requirements};

const DOCKERFILE: &str = include_str!("../templates/Dockerfile");

/// What stands in for the official image of [`DEFAULT_PYTHON`] on a machine that reaches no registry.
const SUBSTITUTE: &str = "testcelery/python:3.13-debian-trixie";

/// How many hexadecimal digits of the hash are in the tag: 64 bits.
const TAG_DIGITS: usize = 16;

/// The image that runs a worker. `own_software` is asked what an image holds that is not ours.
pub(crate) fn of(answers: &Answers, own_software: impl FnOnce(Software) -> Option<Software>) -> Image {
    let version = answers.python.as_deref().unwrap_or(DEFAULT_PYTHON);
    let base = answers.base.clone().unwrap_or_else(|| python(version));
    let requirements = requirements::render(answers);
    let mut context = FileTree::new();
    context.insert("Dockerfile", DOCKERFILE);
    context.insert("requirements.txt", requirements.as_str());
    let image = Image::build(Build::new(tag(base.name(), &context), context).base(base));
    let built_in = software(answers, requirements);
    // What is in a base of somebody's own is known to nobody else.
    let software = if answers.base.is_none() { Some(built_in) } else { own_software(built_in) };
    software.into_iter().fold(image, Image::software)
}

/// The same without an image: what the Dockerfile says, line for line.
fn software(answers: &Answers, requirements: String) -> Software {
    let (oldest, newest) = requirements::pythons(answers);
    let purpose = format!("Celery {}", answers.version);
    let python = PythonEnvironment::new(purpose, requirements, oldest);
    let python = newest.into_iter().fold(python, |python, (major, minor)| python.at_most(major, minor));
    let python = answers.python.iter().fold(python, PythonEnvironment::version);
    Software::python(python).workdir("/app")
}

/// The official image on the Debian that it is built on at the time of writing.
fn python(version: &str) -> Image {
    let image = Image::reference(format!("python:{version}-slim-trixie"));
    if version == DEFAULT_PYTHON { image.substitute(SUBSTITUTE) } else { image }
}

/// A hash of everything that the image is made of. The machine's certificates, which an engine may add, are not part of it: they
/// say how the build reaches pip's index, not what comes out.
fn tag(base: &str, context: &FileTree) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        // With its length in front, so that no two lists of parts are the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    add(base.as_bytes());
    for (path, file) in context.iter() {
        add(path.as_bytes());
        add(&file.content);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("testcelery/worker:{}", &digits[..TAG_DIGITS])
}

#[cfg(test)]
mod tests {
    use testcelery_api::ImageSource;

    use super::*;
    use crate::{Worker, WorkerRecipe as _};

    fn image(worker: &Worker) -> Image {
        of(&Answers::of(worker), |built_in| worker.software(built_in))
    }

    fn tag_of(worker: &Worker) -> String {
        image(worker).name().to_owned()
    }

    #[test]
    fn what_only_runs_never_rebuilds() {
        let plain = tag_of(&Worker::default());
        assert_eq!(plain.len(), "testcelery/worker:".len() + TAG_DIGITS);
        let other = Worker::default()
            .named("x")
            .queue("fast")
            .log_level("DEBUG")
            .concurrency(4)
            .pool("solo")
            .arg("-E")
            .env("A", "b")
            .config("task_acks_late", true);
        assert_eq!(tag_of(&other), plain);
    }

    #[test]
    fn what_is_installed_does() {
        let tags: std::collections::BTreeSet<String> = [
            Worker::default(),
            Worker::default().celery("5.6.2"),
            Worker::default().python("3.12"),
            Worker::default().pool("gevent"),
            Worker::default().extras(["msgpack"]),
            Worker::default().requirement("pydantic==2.11.7"),
            Worker::default().base(Image::reference("mine:1")),
        ]
        .iter()
        .map(tag_of)
        .collect();
        assert_eq!(tags.len(), 7);
    }

    #[test]
    fn the_base_is_official_where_it_can_be() {
        let base = |worker: &Worker| match image(worker).source {
            ImageSource::Build(build) => build.base.map(|base| (base.name().to_owned(), base.substitute)),
            _ => None,
        };
        assert_eq!(
            base(&Worker::default()),
            Some(("python:3.13-slim-trixie".to_owned(), Some(SUBSTITUTE.to_owned())))
        );
        assert_eq!(
            base(&Worker::default().python("3.10")),
            Some(("python:3.10-slim-trixie".to_owned(), None))
        );
        assert!(SUBSTITUTE.contains(DEFAULT_PYTHON));
    }

    #[test]
    fn what_a_base_of_ones_own_holds_is_asked() {
        let own = Worker::default().base(Image::reference("mine:1"));
        assert_eq!(image(&own).software, None);
        let built_in = image(&Worker::default()).software.unwrap();
        assert_eq!(image(&own.software(built_in.clone())).software, Some(built_in.clone()));
        let software = of(&Answers::default(), |_| panic!("it is ours")).software;
        assert_eq!(software, Some(built_in));
    }
}
