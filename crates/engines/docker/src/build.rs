//! Image builds by the daemon's classic builder.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    time::Duration,
};

use bollard::query_parameters::BuildImageOptionsBuilder;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use testcelery_api::{Build, Error, FileTree, LockFile, PrivateFolder, Result, shorten};

use crate::{
    archive,
    connect::Inner,
    error::{chain, failed},
    images::{ensure, has},
};

/// How long the daemon may take to begin the answer to a request with a large body.
pub(crate) const LONG: Duration = Duration::from_secs(1800);

/// How many lines of the output an error carries.
const LAST_LINES: usize = 20;

/// What lines begin with that the builder writes of itself.
const BUILDERS_OWN: &[&str] = &[" ---> ", "Removing intermediate container "];

/// What a long operation on an image is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A pull went on.
    Layer {
        /// The layer; empty for a message about the whole image.
        id: String,
        /// What is happening, as `Downloading`.
        status: String,
        /// How many bytes are done.
        current: Option<u64>,
        /// How many bytes there are.
        total: Option<u64>,
    },
    /// A build came to a step of its Dockerfile.
    Step {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// The instruction.
        text: String,
    },
    /// A build wrote a line.
    Line(String),
}

/// Builds a tag that is not there. Whoever wants the same tag at the same time, in this process or another one, waits and finds it.
pub(crate) async fn ensure_built(inner: &Inner, image: &Build) -> Result<()> {
    if has(inner, &image.tag).await? {
        return Ok(());
    }
    // It ends with this call, however that ends: whoever waits for it looks for the image again.
    let _lock = lock(&image.tag, LONG).await.map_err(failed("lock the build of", &image.tag))?;
    if has(inner, &image.tag).await? {
        return Ok(());
    }
    build(inner, image, &|progress| {
        if let Progress::Step { number, total, text } = progress {
            tracing::info!(tag = %image.tag, "step {number}/{total}: {text}");
        }
    })
    .await
}

/// Takes the lock of a tag, for the processes of this user.
async fn lock(tag: &str, timeout: Duration) -> io::Result<LockFile> {
    let digest: String =
        Sha256::digest(tag.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = PrivateFolder::in_temp("locks")?;
    let name = format!("build-{digest}.lock");
    LockFile::take_async(&folder, &name, &format!("the build of image `{tag}`"), timeout).await
}

/// Builds a tag, after its base.
pub(crate) async fn build(
    inner: &Inner,
    image: &Build,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<()> {
    let mut args: HashMap<String, String> = image.args.clone().into_iter().collect();
    if let Some(base) = &image.base {
        let reference = Box::pin(ensure(inner, base)).await?;
        args.insert("BASE_IMAGE".into(), reference);
    }
    let dockerfile = image.context.text(&image.dockerfile).unwrap_or_default();
    if let Some(index) = set("PIP_INDEX_URL").filter(|_| declares(dockerfile, "PIP_INDEX_URL")) {
        args.entry("PIP_INDEX_URL".into()).or_insert(index);
    }
    let context = with_ca_bundle(&image.context, dockerfile, host_ca_bundle());
    let context = archive::of_context(&context).map_err(failed("pack the context of", &image.tag))?;
    let options =
        BuildImageOptionsBuilder::new().t(&image.tag).dockerfile(&image.dockerfile).buildargs(&args);
    let options = options.rm(true).forcerm(true);
    let options = image.target.iter().fold(options, |options, stage| options.target(stage)).build();
    let client = inner.client.clone().with_timeout(LONG);
    let mut events = client.build_image(options, None, Some(bollard::body_full(context.into())));
    let mut output = Output::default();
    loop {
        let event = match tokio::time::timeout(LONG, events.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(()),
            Err(_) => return Err(output.error(&image.tag, &format!("no sign of progress for {LONG:?}"))),
        };
        match event {
            Ok(event) => output.push(event.stream.as_deref().unwrap_or_default(), progress),
            Err(error) => return Err(output.error(&image.tag, &chain(&error))),
        }
    }
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn declares(dockerfile: &str, arg: &str) -> bool {
    dockerfile
        .lines()
        .filter_map(|line| line.trim().strip_prefix("ARG "))
        .any(|line| line.split('=').next().map(str::trim) == Some(arg))
}

/// The certificates that this machine trusts, where it says so in one of the usual variables.
fn host_ca_bundle() -> Option<Vec<u8>> {
    ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"]
        .into_iter()
        .filter_map(set)
        .find_map(|path| fs::read(path).ok())
}

/// Gives a Dockerfile that copies `ca/` something to copy: the machine's certificates as `ca/ca-bundle.crt`, if there are any. A context
/// with a folder of that name has its own.
fn with_ca_bundle(context: &FileTree, dockerfile: &str, bundle: Option<Vec<u8>>) -> FileTree {
    let mut context = context.clone();
    let copies = dockerfile.lines().any(|line| line.split_whitespace().any(|word| word == "ca/"));
    if copies && !context.iter().any(|(path, _)| path.starts_with("ca/")) {
        context.insert("ca/.keep", "");
        if let Some(bundle) = bundle {
            context.insert("ca/ca-bundle.crt", bundle);
        }
    }
    context
}

/// What a build wrote so far: the step that it is at, and what that wrote last.
#[derive(Debug, Default)]
struct Output {
    step: String,
    partial: String,
    lines: VecDeque<String>,
}

impl Output {
    fn push(&mut self, text: &str, progress: &(dyn Fn(Progress) + Send + Sync)) {
        self.partial.push_str(text);
        while let Some((line, rest)) = self.partial.split_once('\n') {
            // The builder prints standard error in light red.
            let line = line.replace("\u{1b}[91m", "").replace("\u{1b}[0m", "");
            let line = line.trim_end().to_owned();
            self.partial = rest.to_owned();
            self.line(line, progress);
        }
    }

    fn line(&mut self, line: String, progress: &(dyn Fn(Progress) + Send + Sync)) {
        if line.is_empty() {
            return;
        }
        if let Some((number, total, text)) = step(&line) {
            progress(Progress::Step { number, total, text: text.to_owned() });
            self.step = line;
            self.lines.clear();
            return;
        }
        if !BUILDERS_OWN.iter().any(|own| line.starts_with(own)) {
            if self.lines.len() == LAST_LINES {
                self.lines.pop_front();
            }
            self.lines.push_back(shorten(&line).into_owned());
        }
        progress(Progress::Line(line));
    }

    fn error(mut self, tag: &str, reason: &str) -> Error {
        self.push("\n", &|_| {});
        let reason = reason.trim_start_matches("Docker stream error: ");
        // `The command '/bin/sh -c ..' returned a non-zero code: 1`: the step says the command already.
        let code = reason.rfind("' returned a non-zero code").map(|at| format!("it{}", &reason[at + 1..]));
        Error::ImageBuild {
            tag: tag.to_owned(),
            step: if self.step.is_empty() { "the start".into() } else { shorten(&self.step).into_owned() },
            reason: shorten(&code.unwrap_or_else(|| reason.to_owned())).into_owned(),
            last_lines: self.lines.into(),
        }
    }
}

/// The classic builder announces `Step 3/7 : RUN something`.
fn step(line: &str) -> Option<(usize, usize, &str)> {
    let (count, text) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, total) = count.split_once('/')?;
    Some((number.parse().ok()?, total.parse().ok()?, text))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn an_error_has_the_step_and_the_last_lines_only() {
        let mut output = Output::default();
        let seen = Mutex::new(Vec::new());
        let see = |progress| seen.lock().unwrap().push(progress);
        output.push("Step 1/2 : FROM x\n ---> 0123\nStatus: Downloaded\nStep 2/2 : RUN pip ", &see);
        output.push("install nothing\n", &see);
        assert!(output.lines.is_empty(), "those of the step before it");
        for number in 0..30 {
            output.push(&format!("line {number}\n"), &see);
        }
        output.push(" ---> Running in 4567\nRemoving intermediate container 4567\n", &see);
        output.push("\u{1b}[91mred\n\u{1b}[0mhalf a line", &see);
        let Error::ImageBuild { step, reason, last_lines, .. } = output.error(
            "t:1",
            "Docker stream error: The command '/bin/sh -c pip install nothing' returned a non-zero code: 1",
        ) else {
            panic!("another error");
        };
        assert_eq!(step, "Step 2/2 : RUN pip install nothing");
        assert_eq!(reason, "it returned a non-zero code: 1");
        assert_eq!(last_lines.len(), LAST_LINES);
        assert_eq!(last_lines[LAST_LINES - 2..], ["red", "half a line"]);
        let second = Progress::Step { number: 2, total: 2, text: "RUN pip install nothing".into() };
        assert!(seen.lock().unwrap().contains(&second));
    }

    #[test]
    fn certificates_go_to_dockerfiles_that_copy_them_only() {
        let mut context = FileTree::new();
        let copies = "FROM x\nCOPY ca/ /ca/\n";
        let pem = || Some(b"pem".to_vec());
        let with = with_ca_bundle(&context, copies, pem());
        assert_eq!(with.text("ca/ca-bundle.crt"), Some("pem"));
        let without = with_ca_bundle(&context, copies, None);
        assert_eq!((without.get("ca/ca-bundle.crt"), without.text("ca/.keep")), (None, Some("")));
        assert!(with_ca_bundle(&context, "FROM x\nCOPY africa/ /x/\n", pem()).is_empty());
        context.insert("ca/own.crt", "own");
        assert_eq!(with_ca_bundle(&context, copies, pem()), context);
    }

    #[test]
    fn declared_arguments() {
        let dockerfile = "ARG BASE_IMAGE\nFROM x\n  ARG PIP_INDEX_URL=https://x\n";
        assert!(declares(dockerfile, "PIP_INDEX_URL") && declares(dockerfile, "BASE_IMAGE"));
        assert!(!declares("# ARG PIP_INDEX_URL\nRUN ARG", "PIP_INDEX_URL"));
    }

    #[tokio::test]
    async fn one_lock_per_tag() {
        let tag = uuid::Uuid::new_v4().to_string();
        let first = lock(&tag, LONG).await.unwrap();
        let _other = lock(&format!("{tag}-other"), LONG).await.unwrap();
        let text = lock(&tag, Duration::ZERO).await.unwrap_err().to_string();
        assert!(text.contains(&format!("the build of image `{tag}` is not done")), "{text}");
        drop(first);
        lock(&tag, LONG).await.unwrap();
    }
}
