//! Kills tests at moments that are spread over their lives, some together with what watches over them, and looks for what stays. Run by
//! `cargo xtask test`.
//!
//! The program is its own test: with an argument it boots a stack, and pings it until it is killed. On Docker it is a test of the runner, whose
//! reaper is this program once more. On local processes it is a program without the runner, which the engine's guardian watches.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use testcelery::{
    ENGINE_VARIABLE, Engine, Error,
    api::{self, Filter, SESSION_VARIABLE},
    prelude::*,
    runner,
};

/// How many at a time.
const SIDE_BY_SIDE: u32 = 5;

/// The signal of [`Child::kill`], as the kernel counts it.
const SIGKILL: i32 = 9;

/// What is killed on an engine, and when.
struct Plan {
    engine: &'static str,
    /// The argument of a victim.
    kind: &'static str,
    kills: u32,
    /// The last moment of a stack at which it is killed: behind its boot.
    life: Duration,
    /// The same for the broker with the most helpers, which every tenth stack has.
    rabbitmq_life: Duration,
    /// One of so many is killed together with its reaper or guardian. The next run removes what those leave.
    pair_every: u32,
    /// By then everything has to be gone.
    gone_within: Duration,
}

const LOCAL: Plan = Plan {
    engine: "local",
    kind: "program",
    kills: 25,
    life: Duration::from_secs(4),
    rabbitmq_life: Duration::from_secs(12),
    pair_every: 5,
    gone_within: Duration::from_secs(10),
};

const DOCKER: Plan = Plan {
    engine: "docker",
    kind: "victim",
    kills: 15,
    life: Duration::from_secs(8),
    rabbitmq_life: Duration::from_secs(12),
    pair_every: 3,
    gone_within: Duration::from_secs(30),
};

fn main() -> ExitCode {
    let word = |place| std::env::args().nth(place).unwrap_or_default();
    // The reaper gets the name of the test as its first argument.
    match word(1).as_str() {
        "victim" => return exit_code(runner::run("kills::victim", builder(&word(2)), &[], ping_for_ever)),
        "next" => return exit_code(runner::run("kills::next", redis, &[], ping_once)),
        _ => {}
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return exit_code(Err(error)),
    };
    runtime.block_on(async {
        match word(1).as_str() {
            "program" => exit_code(live(builder(&word(2))()).await),
            _ => exit_code(kill_all().await),
        }
    })
}

fn exit_code<E: std::fmt::Debug>(outcome: Result<(), E>) -> ExitCode {
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

fn builder(broker: &str) -> fn() -> SetupBuilder {
    match broker {
        "rabbitmq" => || Setup::builder().broker(RabbitMq::default()).backend(Redis::default()),
        _ => redis,
    }
}

fn redis() -> SetupBuilder {
    Setup::builder().broker(Redis::default()).backend(Redis::default())
}

async fn live(builder: SetupBuilder) -> Result<()> {
    ping_for_ever(builder.start().await?).await
}

async fn ping_for_ever(setup: Setup) -> Result<()> {
    loop {
        setup.ping().await?;
    }
}

async fn ping_once(setup: Setup) -> Result<()> {
    setup.ping().await.map(drop)
}

async fn kill_all() -> Result<()> {
    kill_on(&LOCAL, Engine::local()?.as_ref()).await?;
    match Engine::docker().await {
        Ok(docker) => kill_on(&DOCKER, docker.as_ref()).await,
        Err(error) => {
            say(&format!("no kills on Docker: {error}"));
            Ok(())
        }
    }
}

async fn kill_on(plan: &Plan, engine: &dyn api::Engine) -> Result<()> {
    let begin = Instant::now();
    let (mut slowest, mut busy, mut pairs) = (Duration::ZERO, 0, Vec::new());
    for round in 0..plan.kills / SIDE_BY_SIDE {
        let victims: Vec<Victim> = (0..SIDE_BY_SIDE)
            .map(|place| start(plan, round * SIDE_BY_SIDE + place))
            .collect::<Result<_>>()?;
        let ends = victims.into_iter().map(|victim| end(plan, engine, victim));
        for end in futures_util::future::join_all(ends).await {
            let End { took, had_containers, pair } = end?;
            slowest = slowest.max(took);
            busy += u32::from(had_containers);
            pairs.extend(pair);
        }
    }
    let kills = plan.kills;
    if busy < kills / 2 {
        return Err(failed(format!(
            "of {kills} that were killed only {busy} had containers: do the stacks come up here?"
        )));
    }
    let next =
        command(plan, "next", "")?.status().map_err(|error| failed(format!("no next run: {error}")))?;
    if !next.success() {
        return Err(failed(format!("the next run on {} failed: {next}", plan.engine)));
    }
    for Left { session, owner } in &pairs {
        until_gone(plan, engine, session, *owner).await?;
    }
    say(&format!(
        "{kills} kills on {} in {:.0} s, {busy} of them with containers, {} of them with what watched over them: nothing stays; without those \
         the last thing was gone after {:.2} s at most",
        plan.engine,
        begin.elapsed().as_secs_f64(),
        pairs.len(),
        slowest.as_secs_f64()
    ));
    Ok(())
}

fn failed(text: String) -> Error {
    Error::Setup(text)
}

fn command(plan: &Plan, kind: &str, broker: &str) -> Result<Command> {
    let program = std::env::current_exe().map_err(|error| failed(format!("no victim: {error}")))?;
    let mut command = Command::new(program);
    command.args([kind, broker]).env(ENGINE_VARIABLE, plan.engine);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

struct Victim {
    child: Child,
    session: String,
    at: Duration,
    is_pair: bool,
}

fn start(plan: &Plan, number: u32) -> Result<Victim> {
    let (broker, life) =
        if number % 10 == 9 { ("rabbitmq", plan.rabbitmq_life) } else { ("redis", plan.life) };
    let session = format!("kill-{}-{number}-{}", plan.engine, std::process::id());
    let child = command(plan, plan.kind, broker)?.env(SESSION_VARIABLE, &session).spawn();
    let child = child.map_err(|error| failed(format!("no victim: {error}")))?;
    let is_pair = number % plan.pair_every == plan.pair_every - 1;
    Ok(Victim { child, session, at: life * (number + 1) / plan.kills, is_pair })
}

/// How one ended.
struct End {
    /// How long it took until nothing was left.
    took: Duration,
    had_containers: bool,
    /// What the next run has to remove.
    pair: Option<Left>,
}

struct Left {
    session: String,
    owner: u32,
}

/// Kills one that still runs. Waits until nothing is left of it, unless what watches over it is killed too.
async fn end(plan: &Plan, engine: &dyn api::Engine, victim: Victim) -> Result<End> {
    let Victim { mut child, session, at, is_pair } = victim;
    let failed = |text: String| failed(format!("{session}, killed after {at:?}: {text}"));
    tokio::time::sleep(at).await;
    let had_containers = !engine.leftovers(&Filter::Session(session.clone())).await?.is_empty();
    let watcher = watcher(child.id()).filter(|_| is_pair);
    let pids: Vec<String> = watcher.into_iter().chain([child.id()]).map(|pid| pid.to_string()).collect();
    let killed = Command::new("kill").arg("-KILL").args(&pids).status().and_then(|_| child.wait());
    let status = killed.map_err(|error| failed(error.to_string()))?;
    if status.signal() != Some(SIGKILL) {
        return Err(failed(format!("it had ended before: {status}")));
    }
    if watcher.is_some() {
        let pair = Left { session, owner: child.id() };
        return Ok(End { took: Duration::ZERO, had_containers, pair: Some(pair) });
    }
    let took =
        until_gone(plan, engine, &session, child.id()).await.map_err(|error| failed(error.to_string()))?;
    Ok(End { took, had_containers, pair: None })
}

async fn until_gone(plan: &Plan, engine: &dyn api::Engine, session: &str, owner: u32) -> Result<Duration> {
    let begin = Instant::now();
    loop {
        let left = engine.leftovers(&Filter::Session(session.to_owned())).await?;
        let processes = processes(owner);
        if left.is_empty() && processes.is_empty() {
            return Ok(begin.elapsed());
        }
        if begin.elapsed() > plan.gone_within {
            return Err(failed(format!(
                "{left:?} and processes {processes:?} of {session} are there after {:?}",
                plan.gone_within
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The reaper or the guardian of a process: its child with the variable of the one, or the name of the other.
fn watcher(owner: u32) -> Option<u32> {
    let is_it = |pid: &u32| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1));
        let has = |file, word: &str| read(file).split(|byte| *byte == 0).any(|it| it == word.as_bytes());
        parent == Some(owner.to_string().as_str())
            && (has("environ", "TESTCELERY_REAPER=1") || has("cmdline", "guardian"))
    };
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(is_it)
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
