//! Kills a test fifty times at moments that are spread over its life, and looks for what stays. Run by `cargo xtask test`.
//!
//! The program is its own test: with an argument it boots a stack, and pings it until it is killed.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use testcelery::{
    Engine,
    api::{self, Filter, SESSION_VARIABLE},
    prelude::*,
};

/// How often.
const KILLS: u32 = 50;

/// How many at a time.
const SIDE_BY_SIDE: u32 = 5;

/// Every tenth stack has the broker with the most helpers.
const RABBITMQ_EVERY: u32 = 10;

/// The last moment of a stack at which it is killed: behind its boot.
const LIFE: Duration = Duration::from_secs(4);
const RABBITMQ_LIFE: Duration = Duration::from_secs(12);

/// The signal of [`Child::kill`], as the kernel counts it.
const SIGKILL: i32 = 9;

/// By then everything has to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("rabbitmq") => live(Setup::builder().broker(RabbitMq::default())).await,
        Some(_) => live(Setup::builder().broker(Redis::default())).await,
        None => kill_all().await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:?}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report of a program")]
fn say(text: &str) {
    println!("{text}");
}

/// Boots and takes down for ever.
async fn live(builder: SetupBuilder) -> Result<()> {
    let setup = builder.backend(Redis::default()).start().await?;
    loop {
        setup.ping().await?;
    }
}

struct Victim {
    child: Child,
    session: String,
    at: Duration,
}

async fn kill_all() -> Result<()> {
    let engine = Engine::local()?;
    let begin = Instant::now();
    let (mut slowest, mut busy) = (Duration::ZERO, 0);
    for round in 0..KILLS / SIDE_BY_SIDE {
        let victims: Vec<Victim> =
            (0..SIDE_BY_SIDE).map(|place| start(round * SIDE_BY_SIDE + place)).collect::<Result<_>>()?;
        let ends = victims.into_iter().map(|victim| end(engine.as_ref(), victim));
        for took in futures_util::future::join_all(ends).await {
            let End { took, had_containers } = took?;
            slowest = slowest.max(took);
            busy += u32::from(had_containers);
        }
    }
    if busy < KILLS / 2 {
        let text =
            format!("of {KILLS} that were killed only {busy} had containers: do the stacks come up here?");
        return Err(testcelery::Error::Setup(text));
    }
    say(&format!(
        "{KILLS} kills in {:.0} s, {busy} of them with containers: nothing stays; the last thing was gone after {:.2} s at most",
        begin.elapsed().as_secs_f64(),
        slowest.as_secs_f64()
    ));
    Ok(())
}

fn start(number: u32) -> Result<Victim> {
    let is_rabbitmq = number % RABBITMQ_EVERY == RABBITMQ_EVERY - 1;
    let (broker, life) = if is_rabbitmq { ("rabbitmq", RABBITMQ_LIFE) } else { ("redis", LIFE) };
    let session = format!("kill-{number}-{}", std::process::id());
    let child = std::env::current_exe().and_then(|program| {
        let mut command = Command::new(program);
        command.arg(broker).env(SESSION_VARIABLE, &session).env(testcelery::ENGINE_VARIABLE, "local");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    });
    let child = child.map_err(|error| testcelery::Error::Setup(format!("no victim: {error}")))?;
    Ok(Victim { child, session, at: life * (number + 1) / KILLS })
}

/// How one ended.
struct End {
    /// How long it took until nothing was left.
    took: Duration,
    had_containers: bool,
}

/// Kills one that still runs, and waits until nothing is left of it.
async fn end(engine: &dyn api::Engine, victim: Victim) -> Result<End> {
    let Victim { mut child, session, at } = victim;
    let failed = |text: String| testcelery::Error::Setup(format!("{session}, killed after {at:?}: {text}"));
    tokio::time::sleep(at).await;
    let had_containers = !engine.leftovers(&Filter::Session(session.clone())).await?.is_empty();
    let status = child.kill().and_then(|()| child.wait()).map_err(|error| failed(error.to_string()))?;
    if status.signal() != Some(SIGKILL) {
        return Err(failed(format!("it had ended before: {status}")));
    }
    let begin = Instant::now();
    loop {
        let left = engine.leftovers(&Filter::Session(session.clone())).await?;
        let processes = processes(child.id());
        if left.is_empty() && processes.is_empty() {
            return Ok(End { took: begin.elapsed(), had_containers });
        }
        if begin.elapsed() > GONE_WITHIN {
            return Err(failed(format!(
                "{left:?} and processes {processes:?} are there after {GONE_WITHIN:?}"
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The processes of a run, by the mark of its owner and by where they work. Its name begins with the owner's number.
fn processes(owner: u32) -> Vec<String> {
    let mark = format!("TESTCELERY_OWNER={owner}-");
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
        let is_marked =
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(mark.as_bytes()));
        // Redis has no environment to read, and stays in its folder, which may be gone.
        let folder = std::fs::read_link(process.path().join("cwd")).unwrap_or_default();
        let is_there = folder.to_string_lossy().contains(&format!("/{owner}-"));
        if is_marked || is_there {
            found.push(process.file_name().to_string_lossy().into_owned());
        }
    }
    found
}
