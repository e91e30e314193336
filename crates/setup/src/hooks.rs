//! Code of the user's own at fixed points of a setup's life.

use std::{
    any::Any,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, PoisonError},
};

use futures_util::{FutureExt, future::BoxFuture};

use crate::{AppConfig, Error, Result, Setup, StartPlan};

/// The names of the hooks, as the builder has them.
pub(crate) const UPDATE_APP_CONFIG: &str = "update_app_config";
pub(crate) const BEFORE_START: &str = "before_start";
pub(crate) const AFTER_START: &str = "after_start";
pub(crate) const BEFORE_DOWN: &str = "before_down";

type UpdateAppConfig = Box<dyn FnOnce(&mut AppConfig) + Send>;
type BeforeStart = Box<dyn FnOnce(&mut StartPlan<'_>) -> Result<()> + Send>;
pub(crate) type OnSetup = Box<dyn FnOnce(Setup) -> BoxFuture<'static, Result<()>> + Send>;

/// All hooks of a setup.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) update_app_config: Chain<UpdateAppConfig>,
    pub(crate) before_start: Chain<BeforeStart>,
    pub(crate) after_start: Chain<OnSetup>,
    pub(crate) before_down: Chain<OnSetup>,
}

impl Hooks {
    pub(crate) fn update_app_config(&self, config: &mut AppConfig) -> Result<()> {
        for hook in self.update_app_config.take() {
            guarded(UPDATE_APP_CONFIG, || {
                hook(config);
                Ok(())
            })?;
        }
        Ok(())
    }

    pub(crate) fn before_start(&self, plan: &mut StartPlan<'_>) -> Result<()> {
        for hook in self.before_start.take() {
            guarded(BEFORE_START, || hook(plan))?;
        }
        plan.check()
    }
}

/// Hooks of one kind, in the order in which they were added. Each runs once.
pub(crate) struct Chain<H>(Mutex<Vec<H>>);

impl<H> Chain<H> {
    pub(crate) fn push(&mut self, hook: H) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).push(hook);
    }

    fn take(&self) -> Vec<H> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Chain<OnSetup> {
    pub(crate) fn push_async<Fut>(&mut self, hook: impl FnOnce(Setup) -> Fut + Send + 'static)
    where
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.push(Box::new(move |setup| hook(setup).boxed()));
    }

    /// Runs them up to the first that fails.
    pub(crate) async fn run(&self, name: &'static str, setup: &Setup) -> Result<()> {
        for hook in self.take() {
            run(name, hook, setup).await?;
        }
        Ok(())
    }

    /// Runs them all, whatever becomes of each.
    pub(crate) async fn run_all(&self, name: &'static str, setup: &Setup) -> Vec<Error> {
        let mut failures = Vec::new();
        for hook in self.take() {
            failures.extend(run(name, hook, setup).await.err());
        }
        failures
    }
}

async fn run(name: &'static str, hook: OnSetup, setup: &Setup) -> Result<()> {
    let setup = setup.clone();
    // What a hook does before its first await may panic too.
    let running = AssertUnwindSafe(async move { hook(setup).await });
    ended(name, running.catch_unwind().await)
}

fn guarded(name: &'static str, hook: impl FnOnce() -> Result<()>) -> Result<()> {
    ended(name, catch_unwind(AssertUnwindSafe(hook)))
}

fn ended(name: &'static str, outcome: std::thread::Result<Result<()>>) -> Result<()> {
    let source = match outcome {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.into(),
        Err(panic) => panic_text(panic.as_ref()).into(),
    };
    Err(Error::Hook { hook: name, source })
}

/// What somebody panicked with.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    format!("panicked: {}", text.unwrap_or_else(|| "with a value that is no text".to_owned()))
}

impl<H> Default for Chain<H> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<H> fmt::Debug for Chain<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hooks", self.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}
