//! The image of a worker: built once for all workers of the same versions and requirements.

use sha2::{Digest, Sha256};
use testcelery_api::{Build, FileTree, Image, PythonEnvironment, Software};

use crate::{
    DEFAULT_PYTHON,
    answers::Answers,
    requirements,
    versions::{self, Pythons},
};

const DOCKERFILE: &str = include_str!("../templates/Dockerfile");

/// What stands in for the official image of [`DEFAULT_PYTHON`] on a machine that reaches no registry.
const SUBSTITUTE: &str = "testcelery/python:3.13-debian-trixie";

/// How many hexadecimal digits of the hash are in the tag: 64 bits.
const TAG_DIGITS: usize = 16;

/// The image that runs a worker. `own_software` is asked what an image holds that is not ours, where it does not say so itself.
pub(crate) fn of(
    answers: &Answers,
    own_software: impl FnOnce(Software) -> Option<Software>,
) -> Result<Image, String> {
    let requirements = requirements::render(answers);
    let image = match (&answers.image, &answers.dockerfile) {
        (Some(_), Some(_)) => {
            return Err("has both an image and a Dockerfile; leave one of them out".to_owned());
        }
        (Some(_), _) if answers.base.is_some() => {
            return Err(
                "has an image, which is not built on the base that it is given; leave one of them out"
                    .to_owned(),
            );
        }
        (Some(_), _) if answers.python.is_some() => {
            return Err("has an image, whose Python is what it is; leave `.python(..)` out".to_owned());
        }
        (Some(image), None) => image.clone(),
        (None, Some(dockerfile)) => dockerfile.image(answers)?,
        (None, None) => Image::build(built_in(answers, &requirements)),
    };
    if image.software.is_some() {
        return Ok(image);
    }
    let built_in = software(answers, requirements);
    // What is in an image or a base of somebody's own is known to nobody else.
    let software =
        if is_ours(answers) && answers.base.is_none() { Some(built_in) } else { own_software(built_in) };
    let mut unheard = answers.extras.iter().chain(&answers.requirements);
    if let Some(package) = unheard.next().filter(|_| !is_ours(answers) && software.is_none()) {
        return Err(format!("has an image of its own, which is not told of `{package}`: install it there"));
    }
    Ok(software.into_iter().fold(image, Image::software))
}

/// Whether the image comes of our Dockerfile.
pub(crate) fn is_ours(answers: &Answers) -> bool {
    answers.image.is_none() && answers.dockerfile.is_none()
}

fn built_in(answers: &Answers, requirements: &str) -> Build {
    let mut context = FileTree::new();
    context.insert("Dockerfile", DOCKERFILE);
    context.insert("requirements.txt", requirements);
    let mut build = Build::new("", context).base(base(answers));
    build.tag = tag(&build);
    build
}

/// The image to start from.
pub(crate) fn base(answers: &Answers) -> Image {
    answers.base.clone().unwrap_or_else(|| python(&versions::python(answers)))
}

/// The same without an image: what the Dockerfile says, line for line.
fn software(answers: &Answers, requirements: String) -> Software {
    let Pythons { oldest, newest } = versions::pythons(&answers.version);
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
pub(crate) fn tag(build: &Build) -> String {
    let Build { base, context, dockerfile, args, target, .. } = build;
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        // With its length in front, so that no two lists of parts are the same bytes.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    for part in [base.as_deref().map_or("", Image::name), dockerfile, target.as_deref().unwrap_or_default()] {
        add(part.as_bytes());
    }
    // With their number in front, so that no file is taken for an argument.
    add(&args.len().to_le_bytes());
    for part in args.iter().flat_map(|(name, value)| [name, value]) {
        add(part.as_bytes());
    }
    for (path, file) in context.iter() {
        add(path.as_bytes());
        add(&file.mode.to_le_bytes());
        add(&file.content);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("testcelery/worker:{}", &digits[..TAG_DIGITS])
}

#[cfg(test)]
mod tests {
    use testcelery_api::ImageSource;

    use super::*;
    use crate::{Dockerfile, Worker, WorkerRecipe};

    fn image(worker: &Worker) -> Image {
        of(&Answers::of(worker), |built_in| worker.software(built_in)).unwrap()
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
        assert_eq!(
            base(&Worker::default().celery("5.2.7")),
            Some(("python:3.11-slim-trixie".to_owned(), None))
        );
        assert!(SUBSTITUTE.contains(DEFAULT_PYTHON));
    }

    #[test]
    fn what_a_base_of_ones_own_holds_is_asked() {
        let own = Worker::default().base(Image::reference("mine:1"));
        assert_eq!(image(&own).software, None);
        let built_in = image(&Worker::default()).software.unwrap();
        assert_eq!(image(&own.software(built_in.clone())).software, Some(built_in.clone()));
        let software = of(&Answers::default(), |_| panic!("it is ours")).unwrap().software;
        assert_eq!(software, Some(built_in.clone()));
        let says = Image::reference("mine:1").software(built_in);
        assert_eq!(image(&Worker::default().image(says.clone())), says);
    }

    #[test]
    fn what_an_image_of_ones_own_is_not_told() {
        let problem = |worker: Worker| {
            let software = |built_in| WorkerRecipe::software(&worker, built_in);
            of(&Answers::of(&worker), software).unwrap_err()
        };
        let own = || Worker::default().image(Image::reference("mine:1"));
        assert!(
            problem(own().dockerfile(Dockerfile::folder("."))).contains("both an image and a Dockerfile")
        );
        assert!(problem(own().base(Image::reference("base:1"))).contains("not built on the base"));
        assert!(problem(own().requirement("pydantic")).contains("not told of `pydantic`"));
        let built_in = image(&Worker::default()).software.unwrap();
        assert!(image(&own().requirement("pydantic").software(built_in)).software.is_some());
    }
}
