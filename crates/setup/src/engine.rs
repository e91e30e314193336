//! Which engine runs the stack: the one place outside the engines that names them.

use std::{
    ffi::{OsStr, OsString},
    sync::{Arc, Once},
};

use testcelery_api as api;

use crate::{Error, Result, say::say};

#[cfg(feature = "docker")]
pub use testcelery_docker::{self as docker, Docker};
#[cfg(feature = "local")]
pub use testcelery_local::{self as local, Local};

/// The variable that chooses.
pub const ENGINE_VARIABLE: &str = "TESTCELERY_ENGINE";

/// The engines of this build. Each is a Cargo feature: `docker` and `local`, both on by default.
///
/// ```no_run
/// # async fn example() -> testcelery::Result<()> {
/// let engine = testcelery::Engine::auto().await?;
/// println!("stacks run on {}", engine.description());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Engine;

/// An engine and why it was taken.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The engine.
    pub engine: Arc<dyn api::Engine>,
    /// Why, as the end of a sentence: `because TESTCELERY_ENGINE says so`.
    pub why: String,
}

impl Engine {
    /// The engine that `TESTCELERY_ENGINE` names (`docker` or `local`). Without it Docker where a daemon is asked for (`DOCKER_HOST`, a
    /// context and so on, see [`Docker::asked_for`](docker::Docker::asked_for)) or answers, else local processes.
    ///
    /// Which one it is and why is said once in a process, on standard error.
    ///
    /// # Errors
    /// When the variable names no engine of this build, or what is asked for cannot be reached; without a wish when there is no engine.
    pub async fn auto() -> Result<Arc<dyn api::Engine>> {
        static SAID: Once = Once::new();
        let Choice { engine, why } = Self::choose().await?;
        SAID.call_once(|| say(format_args!("stacks run on {}, {why}", engine.description())));
        Ok(engine)
    }

    /// As [`auto`](Self::auto), with the reason and without saying it.
    ///
    /// # Errors
    /// As [`auto`](Self::auto).
    pub async fn choose() -> Result<Choice> {
        let wishes = Wishes { engine: std::env::var_os(ENGINE_VARIABLE), daemon: daemon_asked_for() };
        choose(wishes, Self::docker(), Self::local).await
    }

    /// The Docker daemon that the `docker` program would use.
    ///
    /// # Errors
    /// When none answers, or this build is without the feature `docker`.
    #[cfg(feature = "docker")]
    pub async fn docker() -> Result<Arc<dyn api::Engine>> {
        Ok(Arc::new(Docker::connect().await?))
    }

    /// The engine of that name and address in another process: see [`Engine::address`](api::Engine::address).
    pub(crate) async fn at(name: &str, address: &str) -> Result<Arc<dyn api::Engine>> {
        #[cfg(feature = "docker")]
        if name == docker::ENGINE {
            return Ok(Arc::new(Docker::at(address).await?));
        }
        Err(Error::Setup(format!(
            "no engine of this build is named `{name}` and reached at an address ({address})"
        )))
    }

    /// Always an error: this build is without the feature `docker`.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "docker"))]
    #[expect(clippy::unused_async, reason = "as with the feature")]
    pub async fn docker() -> Result<Arc<dyn api::Engine>> {
        Err(without("docker"))
    }

    /// Processes of this machine.
    ///
    /// # Errors
    /// When this build is without the feature `local`.
    #[cfg(feature = "local")]
    pub fn local() -> Result<Arc<dyn api::Engine>> {
        Ok(Arc::new(Local::open()))
    }

    /// Always an error: this build is without the feature `local`.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "local"))]
    pub fn local() -> Result<Arc<dyn api::Engine>> {
        Err(without("local"))
    }
}

/// What the user has set.
#[derive(Debug, Default)]
struct Wishes {
    /// The value of [`ENGINE_VARIABLE`].
    engine: Option<OsString>,
    /// The setting that asks for a certain Docker daemon.
    daemon: Option<String>,
}

#[cfg(feature = "docker")]
fn daemon_asked_for() -> Option<String> {
    Docker::asked_for()
}

/// A build without the engine has nobody to ask.
#[cfg(not(feature = "docker"))]
fn daemon_asked_for() -> Option<String> {
    None
}

/// A wish is followed or is an error. Only where there is none, the second engine may take the place of the first.
async fn choose(
    wishes: Wishes,
    docker: impl Future<Output = Result<Arc<dyn api::Engine>>>,
    local: impl FnOnce() -> Result<Arc<dyn api::Engine>>,
) -> Result<Choice> {
    let because = || format!("because {ENGINE_VARIABLE} says so");
    match wishes.engine.as_deref().map(OsStr::as_encoded_bytes) {
        Some(b"docker") => return Ok(Choice { engine: docker.await?, why: because() }),
        Some(b"local") => return Ok(Choice { engine: local()?, why: because() }),
        Some(b"") | None => {}
        Some(_) => {
            let value = wishes.engine.unwrap_or_default();
            return Err(Error::Setup(format!(
                "{ENGINE_VARIABLE} is {value:?}; known are `docker` and `local`"
            )));
        }
    }
    let refused = match (docker.await, wishes.daemon) {
        (Ok(engine), Some(rule)) => return Ok(Choice { engine, why: format!("because {rule} asks for it") }),
        (Ok(engine), None) => return Ok(Choice { engine, why: "because its daemon answers".to_owned() }),
        (Err(error), Some(_)) => return Err(with_other_engine(error)),
        (Err(error), None) => error,
    };
    match local() {
        Ok(engine) if cfg!(feature = "docker") => {
            let why = format!("because no Docker daemon answers: {}", one_line(&refused));
            Ok(Choice { engine, why })
        }
        Ok(engine) => Ok(Choice { engine, why: "because this build has no other".to_owned() }),
        // The error of the one that this build has.
        Err(_) if cfg!(feature = "docker") => Err(refused),
        Err(_) => Err(Error::Setup(
            "this build has no engine: turn on the feature `docker` or `local` of testcelery, or name an engine of your own with \
             `SetupBuilder::engine`"
                .to_owned(),
        )),
    }
}

/// Adds how to do without the daemon that is asked for.
fn with_other_engine(error: Error) -> Error {
    match error {
        Error::Stack(api::Error::NoEngine { engine, tried, hint }) if cfg!(feature = "local") => {
            let hint = format!("{hint}; {ENGINE_VARIABLE}=local runs stacks as processes of this machine");
            Error::Stack(api::Error::NoEngine { engine, tried, hint })
        }
        other => other,
    }
}

#[cfg(not(all(feature = "docker", feature = "local")))]
fn without(feature: &str) -> Error {
    Error::Setup(format!("this build is without the engine `{feature}`: turn on that feature of testcelery"))
}

/// An error in one line, for a sentence.
fn one_line(error: &Error) -> String {
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

#[cfg(all(test, feature = "docker", feature = "local"))]
mod tests {
    use super::*;

    fn no_daemon() -> Error {
        let tried = vec![("DOCKER_HOST".to_owned(), "ssh://me@host".to_owned(), "not supported".to_owned())];
        Error::Stack(api::Error::NoEngine { engine: "docker", tried, hint: "change it".to_owned() })
    }

    /// Why an engine is taken, or the error; `answers` is for the daemon. Both engines are the same: the reason tells them apart.
    async fn chosen(engine: Option<&str>, daemon: Option<&str>, answers: bool) -> Result<String, String> {
        let wishes = Wishes { engine: engine.map(OsString::from), daemon: daemon.map(str::to_owned) };
        let docker = async {
            match answers {
                true => Engine::local(),
                false => Err(no_daemon()),
            }
        };
        let choice = choose(wishes, docker, Engine::local).await;
        choice.map(|choice| choice.why).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_is_asked_for_is_taken() {
        let because = Ok("because TESTCELERY_ENGINE says so".to_owned());
        assert_eq!(chosen(Some("docker"), None, true).await, because);
        assert_eq!(chosen(Some("local"), Some("DOCKER_HOST"), true).await, because);
        let context = "context `remote`, by DOCKER_CONTEXT";
        assert_eq!(chosen(None, Some(context), true).await, Ok(format!("because {context} asks for it")));
        assert_eq!(chosen(Some(""), None, true).await, Ok("because its daemon answers".to_owned()));
    }

    #[tokio::test]
    async fn what_is_asked_for_is_never_replaced() {
        for (engine, daemon) in
            [(Some("docker"), None), (None, Some("DOCKER_HOST")), (Some(""), Some("DOCKER_HOST"))]
        {
            let error = chosen(engine, daemon, false).await.unwrap_err();
            assert!(error.contains("ssh://me@host (DOCKER_HOST): not supported"), "{error}");
            let other = error
                .ends_with("change it; TESTCELERY_ENGINE=local runs stacks as processes of this machine");
            assert_eq!(other, daemon.is_some(), "{error}");
        }
        let error = chosen(Some("podman"), None, true).await.unwrap_err();
        assert!(error.contains("TESTCELERY_ENGINE is \"podman\"; known are `docker` and `local`"), "{error}");
    }

    #[tokio::test]
    async fn a_value_that_is_no_text_is_a_wish_too() {
        use std::os::unix::ffi::OsStringExt as _;

        let wishes = Wishes { engine: Some(OsString::from_vec(vec![b'l', 0xff])), daemon: None };
        let error = choose(wishes, async { Engine::local() }, Engine::local).await.unwrap_err().to_string();
        assert!(error.contains("TESTCELERY_ENGINE is"), "{error}");
    }

    #[tokio::test]
    async fn without_a_wish_local_processes_take_the_place_of_docker() {
        let why = chosen(None, None, false).await.unwrap();
        assert!(
            why.starts_with("because no Docker daemon answers: ") && why.contains("not supported"),
            "{why}"
        );
    }
}
