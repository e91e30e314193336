//! Celery's settings.

mod setters;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use crate::{Error, PyValue, settings};

/// Settings of a Celery app, by the lower-case names that Celery gives them.
///
/// The common ones have methods of their own; [`set`](Self::set) is for all of Celery's others, and [`custom`](Self::custom) for those of the
/// project itself. Mistakes are found when the content is generated. What is not set has Celery's default.
///
/// ```
/// use std::time::Duration;
///
/// use testcelery_codegen::{Config, Crontab, InitialContent, PyValue, Queue};
///
/// let nightly = [("task", PyValue::from("shop.clean")), ("schedule", Crontab::new().minute(0).hour(3).into())];
/// let config = Config::new()
///     .task_acks_late(true)
///     .task_time_limit(Duration::from_secs(30))
///     .task_queues([Queue::new("fast").max_priority(9), Queue::new("slow")])
///     .beat_schedule([("nightly", PyValue::dict(nightly))])
///     .set("worker_timer_precision", 0.5)
///     .custom("SHOP_CURRENCY", "EUR");
/// let tree = InitialContent::default().configure(config).generate()?;
/// let settings = tree.text("testcelery/settings.py").unwrap();
/// assert!(settings.contains("import celery.schedules\nimport kombu\n"));
/// assert!(settings.contains("'task_queues': [kombu.Queue('fast', max_priority=9), kombu.Queue('slow')],"));
///
/// // Old names and slips of the pen are found here, not in a worker that ignores them.
/// let error = InitialContent::default().configure(Config::new().set("CELERY_ACKS_LATE", true)).generate().unwrap_err();
/// assert_eq!(error.to_string(), "setting `CELERY_ACKS_LATE`: an old name; Celery's name for it is `task_acks_late`");
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
pub struct Config {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, PartialEq)]
struct Entry {
    /// Or why it is none: what is too deep is not kept, for copying it would overflow the stack.
    value: Result<PyValue, String>,
    /// Whether it is meant to be none of Celery's.
    custom: bool,
}

impl Config {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one of Celery's settings by its lower-case name; a later value for a key replaces the earlier one.
    ///
    /// It is an error, when the content is generated, if no Celery from 5.2 to 5.7 has the setting, or if the setup is what sets it: the
    /// addresses of brokers and result backend.
    #[must_use]
    pub fn set(self, key: impl Into<String>, value: impl Into<PyValue>) -> Self {
        self.insert(key.into(), value.into(), false)
    }

    /// Sets something that is none of Celery's settings: one that the project's own code reads from `app.conf`, or that comes with another
    /// library or with a Celery newer than 5.7.
    ///
    /// It is an error, when the content is generated, if the name is one of Celery's, today's or an old one.
    #[must_use]
    pub fn custom(self, key: impl Into<String>, value: impl Into<PyValue>) -> Self {
        self.insert(key.into(), value.into(), true)
    }

    /// Adds all settings of another one, whose values win.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self
    }

    /// Returns what is set for a key, unless its value is nested too deeply to be rendered.
    pub fn get(&self, key: &str) -> Option<&PyValue> {
        self.entries.get(key).and_then(|entry| entry.value.as_ref().ok())
    }

    /// All keys with their values, by key. Values that are nested too deeply to be rendered are left out.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &PyValue)> {
        self.entries.iter().filter_map(|(key, entry)| Some((key.as_str(), entry.value.as_ref().ok()?)))
    }

    fn insert(mut self, key: String, value: PyValue, custom: bool) -> Self {
        let value = value.check_depth().map(|()| value);
        self.entries.insert(key, Entry { value, custom });
        self
    }

    /// Checks all keys and renders all values.
    pub(crate) fn render(&self) -> Result<Rendered, Error> {
        let mut rendered = Rendered::default();
        for (key, Entry { value, custom }) in &self.entries {
            let checked = if *custom { check_custom(key) } else { check_known(key) };
            let value = checked.and(value.as_ref().map_err(Clone::clone));
            let value = value.map_err(|problem| Error::Setting { key: key.clone(), problem })?;
            rendered.entries.push((key.clone(), value.render(key)?));
            rendered.imports.extend(value.imports());
        }
        Ok(rendered)
    }
}

/// What is named after a secret is not shown, and neither is what a value holds, which may be one.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in self.iter() {
            let name = key.to_lowercase();
            let is_secret = ["password", "secret", "credential"].iter().any(|word| name.contains(word));
            match value {
                PyValue::None | PyValue::Bool(_) | PyValue::Int(_) | PyValue::Float(_) if !is_secret => {
                    map.entry(&key, value)
                }
                PyValue::Str(text) if !is_secret && !text.contains("://") => map.entry(&key, text),
                _ => map.entry(&key, &format_args!("**")),
            };
        }
        map.finish()
    }
}

/// Settings as Python source.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// The modules that the values need, by their full names.
    pub(crate) imports: BTreeSet<String>,
    /// Keys with their values, by key.
    pub(crate) entries: Vec<(String, String)>,
}

/// A time in seconds, as Celery and Kombu take it: whole ones as an `int`.
pub(crate) fn seconds(time: Duration) -> PyValue {
    if time.subsec_nanos() == 0 { time.as_secs().into() } else { time.as_secs_f64().into() }
}

fn check_known(key: &str) -> Result<(), String> {
    if settings::is_known(key) {
        return match settings::from_setup(key) {
            Some(source) => Err(format!("its value comes from {source}")),
            None => Ok(()),
        };
    }
    check_renamed(key)?;
    let advice =
        "a setting of your own, of another library or of a newer Celery goes through `Config::custom`";
    Err(match settings::closest(key) {
        Some(name) => format!("Celery has no such setting; did you mean `{name}`? {advice}"),
        None => format!("Celery has no such setting; {advice}"),
    })
}

fn check_custom(key: &str) -> Result<(), String> {
    if settings::is_known(key) {
        return Err("a setting of Celery's; set it with `Config::set`".to_owned());
    }
    check_renamed(key)?;
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    if key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) || !key.chars().all(word) {
        return Err("no name for a setting; it has letters, digits and `_`, and no digit in front".to_owned());
    }
    Ok(())
}

fn check_renamed(key: &str) -> Result<(), String> {
    let Some(name) = settings::renamed(key) else {
        return Ok(());
    };
    Err(match settings::from_setup(name) {
        Some(source) => format!("an old name of `{name}`, whose value comes from {source}"),
        None => format!("an old name; Celery's name for it is `{name}`"),
    })
}

#[cfg(test)]
mod tests;
