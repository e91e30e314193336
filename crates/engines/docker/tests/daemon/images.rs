//! Images: substitutes, builds, imports.

use std::{path::PathBuf, sync::Mutex, time::Instant};

use testcelery_api::{Build, Engine, Error, FileTree, Image, PullPolicy};
use testcelery_docker::Progress;

use crate::{docker, redis_present, unique};

/// The locks of builds that there are.
fn locks() -> Vec<PathBuf> {
    let temp = std::fs::read_dir(testcelery_api::temp_folder()).unwrap().flatten().map(|entry| entry.path());
    let folders = temp.filter(|path| path.to_string_lossy().contains("testcelery-"));
    let all = folders.flat_map(|path| match path.is_dir() {
        true => std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()).collect(),
        false => vec![path],
    });
    all.filter(|path| path.extension().is_some_and(|extension| extension == "lock")).collect()
}

fn context(dockerfile: &str) -> FileTree {
    let mut context = FileTree::new();
    context.insert("Dockerfile", dockerfile);
    context
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn what_is_absent_has_a_substitute_or_an_error_with_the_command() {
    let docker = docker().await;
    let absent = Image::reference(format!("127.0.0.1:1/{}:1", unique("absent")));
    let begin = Instant::now();
    docker.ensure_image(&absent.clone().substitute(redis_present(&docker).await)).await.unwrap();
    assert!(begin.elapsed().as_secs() < 5);
    for policy in [PullPolicy::Missing, PullPolicy::Never, PullPolicy::Always] {
        let error = docker.ensure_image(&absent.clone().pull(policy)).await.unwrap_err();
        assert!(matches!(error, Error::ImageMissing { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(absent.name()) && text.contains("cargo xtask images"), "{text}");
    }
    assert!(docker.pull(absent.name(), &|_| {}).await.is_err());
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn what_cannot_be_pulled_is_built() {
    let docker = docker().await;
    let tag = format!("testcelery-test/{}:1", unique("instead"));
    let dockerfile = format!("FROM {}\nRUN echo built > /tmp/word\n", redis_present(&docker).await);
    let absent = Image::reference(format!("127.0.0.1:1/{}:1", unique("absent")));
    let image = absent.or_build(Build::new(&tag, context(&dockerfile)));
    for policy in [PullPolicy::Never, PullPolicy::Always] {
        docker.ensure_image(&image.clone().pull(policy)).await.unwrap_err();
    }
    docker.ensure_image(&image).await.unwrap();
    let container = docker.create(testcelery_api::ContainerSpec::new("c", image)).await.unwrap();
    assert_eq!(container.download("/tmp/word").await.unwrap().text("/tmp/word"), Some("built\n"));
    container.remove().await.unwrap();
    docker.remove_image(&tag).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn one_tag_is_built_once_on_the_substitute_of_its_base() {
    let docker = docker().await;
    let tag = format!("testcelery-test/{}:1", unique("built"));
    let base = Image::reference("127.0.0.1:1/absent:1").substitute(redis_present(&docker).await);
    let dockerfile = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nARG WORD\nRUN echo $WORD $(cat /proc/sys/kernel/random/uuid) > /tmp/word\n";
    let build = Build::new(&tag, context(dockerfile)).base(base).arg("WORD", "hello");
    let image = Image::build(build);
    let builds = (0..3).map(|_| {
        let image = image.clone();
        // Three engines, as in three processes.
        async move { crate::docker().await.ensure_image(&image).await }
    });
    for result in futures_util::future::join_all(builds).await {
        result.unwrap();
    }
    assert!(docker.has_image(&tag).await.unwrap());
    let images = docker.images().await.unwrap();
    assert_eq!(images.iter().filter(|image| image.references.contains(&tag)).count(), 1);
    let container = docker.create(testcelery_api::ContainerSpec::new("c", image)).await.unwrap();
    let word = container.download("/tmp/word").await.unwrap();
    assert!(word.text("/tmp/word").unwrap().starts_with("hello "));
    container.remove().await.unwrap();
    docker.remove_image(&tag).await.unwrap();
    assert!(!docker.has_image(&tag).await.unwrap());
    docker.remove_image(&tag).await.unwrap();
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_build_ends_at_its_target() {
    let docker = docker().await;
    let redis = redis_present(&docker).await;
    let dockerfile = format!(
        "FROM {redis} AS first\nRUN echo first > /tmp/word\nFROM first AS second\nRUN echo second > /tmp/word\n\
         FROM second\nRUN echo last > /tmp/word\n"
    );
    for (target, word) in [(Some("first"), "first\n"), (Some("second"), "second\n"), (None, "last\n")] {
        let tag = format!("testcelery-test/{}:1", unique("target"));
        let build = Build::new(&tag, context(&dockerfile));
        let build = target.into_iter().fold(build, Build::target);
        docker.ensure_image(&Image::build(build.clone())).await.unwrap();
        let spec = testcelery_api::ContainerSpec::new("c", Image::build(build));
        let container = docker.create(spec).await.unwrap();
        let found = container.download("/tmp/word").await.unwrap();
        assert_eq!(found.text("/tmp/word"), Some(word), "{target:?}");
        container.remove().await.unwrap();
        docker.remove_image(&tag).await.unwrap();
    }
    let tag = format!("testcelery-test/{}:1", unique("target"));
    let build = Build::new(&tag, context(&dockerfile)).target("third");
    let error = docker.build(&build, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("third"), "{error}");
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_build_that_fails_says_where() {
    let docker = docker().await;
    let tag = format!("testcelery-test/{}:1", unique("broken"));
    let redis = redis_present(&docker).await;
    let build = Build::new(&tag, context(&format!("FROM {redis}\nRUN echo one && echo two >&2 && exit 4\n")));
    let steps = Mutex::new(Vec::new());
    let progress = |progress| {
        if let Progress::Step { number, total, .. } = progress {
            steps.lock().unwrap().push((number, total));
        }
    };
    let error = docker.build(&build, &progress).await.unwrap_err();
    let Error::ImageBuild { step, reason, last_lines, .. } = &error else {
        panic!("{error}");
    };
    assert!(step.starts_with("Step 2/2 : RUN echo one"), "{step}");
    assert!(reason.contains("non-zero code: 4"), "{reason}");
    assert!(last_lines.contains(&"two".to_owned()), "{last_lines:?}");
    assert_eq!(*steps.lock().unwrap(), [(1, 2), (2, 2)]);
}

/// A test waits for the build of another process, and builds by itself when that has failed.
#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_build_that_fails_leaves_no_lock() {
    let docker = docker().await;
    let tag = format!("testcelery-test/{}:1", unique("broken"));
    let redis = redis_present(&docker).await;
    let image = Image::build(Build::new(&tag, context(&format!("FROM {redis}\nRUN exit 4\n"))));
    // Those of other tests come and go.
    let mine = |before: &[PathBuf]| locks().into_iter().filter(|lock| !before.contains(lock)).count();
    let before = locks();
    let both = [docker.ensure_image(&image), docker.ensure_image(&image)];
    for result in futures_util::future::join_all(both).await {
        assert!(matches!(result, Err(Error::ImageBuild { .. })), "{result:?}");
    }
    let begin = Instant::now();
    while mine(&before) > 0 {
        assert!(begin.elapsed().as_secs() < 120, "{:?} stay", locks());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
#[ignore = "needs Docker and the images: cargo xtask e2e runs it"]
async fn a_root_file_system_becomes_an_image() {
    let docker = docker().await;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    archive.append_data(&mut header, "etc/word", &b"abc"[..]).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), archive.into_inner().unwrap()).unwrap();
    let reference = format!("testcelery-test/{}:1", unique("imported"));
    docker.import_image(file.path(), &reference).await.unwrap();
    let image = Image::reference(&reference).pull(PullPolicy::Never);
    let spec = testcelery_api::ContainerSpec::new("c", image).command(["/none"]);
    let container = docker.create(spec).await.unwrap();
    assert_eq!(container.download("/etc/word").await.unwrap().text("/etc/word"), Some("abc"));
    container.remove().await.unwrap();
    docker.remove_image(&reference).await.unwrap();
    assert!(docker.import_image(std::path::Path::new("/no/such.tar"), &reference).await.is_err());
}
