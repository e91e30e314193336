//! `doctor`: can tests run here, and if not, what to do.

use std::process::ExitCode;

use testcelery::api::{Filter, Leftover};
use testcelery_docker::Docker;

use crate::{
    engines::{self, Used},
    images::{self, Wanted},
    ui,
};

/// A setup takes one network; with fewer than this, tests that run side by side may find none.
const FEW_NETWORKS: usize = 8;

/// One thing that was looked at.
struct Finding {
    subject: &'static str,
    text: String,
    /// What to do, when something is off.
    hint: Option<String>,
}

/// Looks at everything, and fails when anything is off.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    match engines::chosen(None).await {
        Ok(used) => findings.extend(used.iter().map(|used| finding("engine", used.to_string(), None))),
        Err(error) => {
            findings.push(finding("engine", format!("{error:#}"), Some("see the message".to_owned())))
        }
    }
    let daemon = Docker::connect().await;
    let has_daemon = daemon.is_ok();
    match daemon {
        Ok(docker) => findings.extend(examine(&docker).await?),
        // Nothing that has to be mended: the other engine does without.
        Err(error) => findings.push(finding("daemon", format!("none: {error}"), None)),
    }
    for (name, origin) in engines::programs().await? {
        findings.push(match origin {
            Ok(origin) => finding("program", format!("{name}: {origin}"), None),
            // Nor is a program that only the other engine would run.
            Err(error) => {
                let hint = (!has_daemon).then(|| "see the message".to_owned());
                finding("program", format!("{name}: {error}"), hint)
            }
        });
    }
    for Used { engine, .. } in engines::all().await? {
        findings.push(leftovers(engine.name(), &engine.leftovers(&Filter::All).await?));
    }
    for Finding { subject, text, hint } in &findings {
        ui::line(format_args!("{subject:9}  {text}"));
        if let Some(hint) = hint {
            ui::line(format_args!("{:9}  -> {hint}", ""));
        }
    }
    let well = findings.iter().all(|finding| finding.hint.is_none());
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(docker: &Docker) -> anyhow::Result<Vec<Finding>> {
    let daemon = docker.daemon();
    let mut findings = vec![
        finding("daemon", format!("{} ({})", daemon.address, daemon.rule), None),
        finding(
            "version",
            format!(
                "{} {}, API {}, {}/{}",
                daemon.server, daemon.server_version, daemon.api_version, daemon.os, daemon.arch
            ),
            None,
        ),
    ];
    for wanted in images::all()? {
        let present =
            (docker.has_image(&wanted.reference).await?, docker.has_image(&wanted.substitute).await?);
        findings.push(image(&wanted, present));
    }
    let worker = images::worker()?;
    let present = docker.has_image(worker.name()).await?;
    let text = format!("{} is {}", worker.name(), if present { "present" } else { "absent" });
    findings.push(finding("image", text, (!present).then(images_hint)));
    findings.push(networks(docker.free_networks().await?));
    Ok(findings)
}

fn finding(subject: &'static str, text: String, hint: Option<String>) -> Finding {
    Finding { subject, text, hint }
}

fn images_hint() -> String {
    "run `cargo xtask images`".to_owned()
}

fn image(wanted: &Wanted, present: (bool, bool)) -> Finding {
    let Wanted { reference, substitute, .. } = wanted;
    match present {
        (true, _) => finding("image", format!("{reference} is present"), None),
        (false, true) => {
            finding("image", format!("{reference} is absent, {substitute} is used instead"), None)
        }
        (false, false) => {
            finding("image", format!("{reference} is absent, and so is {substitute}"), Some(images_hint()))
        }
    }
}

fn leftovers(engine: &str, found: &[Leftover]) -> Finding {
    let (used, left): (Vec<_>, Vec<_>) =
        found.iter().partition(|thing| thing.owner.as_ref().is_some_and(|owner| !owner.is_dead()));
    let names: Vec<String> = left.iter().map(ToString::to_string).collect();
    let text = match (left.len(), used.len()) {
        (0, 0) => "none".to_owned(),
        (left, 0) => format!("{left}: {}", names.join(", ")),
        (left, used) => format!("{left}, and {used} in use by tests that run now"),
    };
    let hint = (!left.is_empty()).then(|| "run `cargo xtask clean`".to_owned());
    finding("leftovers", format!("{engine}: {text}"), hint)
}

fn networks(free: usize) -> Finding {
    let hint = (free < FEW_NETWORKS).then(|| {
        "remove networks that nobody uses (`docker network prune`), or set `default-address-pools` of the daemon to more and \
         smaller ones"
            .to_owned()
    });
    finding("networks", format!("about {free} more can be made"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_that_cannot_be_had_is_off() {
        let wanted = images::all().unwrap().remove(0);
        assert!(image(&wanted, (true, false)).hint.is_none());
        assert!(image(&wanted, (false, true)).hint.is_none());
        assert!(image(&wanted, (false, false)).hint.is_some());
    }

    #[test]
    fn few_networks_are_off() {
        assert!(networks(FEW_NETWORKS).hint.is_none());
        assert!(networks(0).hint.is_some());
        assert_eq!(leftovers("x", &[]).text, "x: none");
    }
}
