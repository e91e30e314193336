//! Schedules of Celery beat that go by the clock.

use std::collections::BTreeMap;

use crate::PyValue;

/// Where Celery has it.
pub(crate) const PATH: &str = "celery.schedules.crontab";

/// Each field with its first value, its last one, and the names that some of its values have. A name counts by its first three letters.
const FIELDS: [(&str, u32, u32, &[&str]); 5] = [
    ("minute", 0, 59, &[]),
    ("hour", 0, 23, &[]),
    ("day_of_week", 0, 6, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"]),
    ("day_of_month", 1, 31, &[]),
    (
        "month_of_year",
        1,
        12,
        &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    ),
];

/// A schedule by the clock, as a `celery.schedules.crontab`: for an entry of
/// [`Config::beat_schedule`](crate::Config::beat_schedule).
///
/// Each field takes a number, a text such as `"*/15"`, `"8-17"` or `"0,30"`, or a list or set of numbers. What is not set is `"*"`, which
/// is any; nothing set is every minute. Numbers out of range and texts that Celery does not read are errors when it is rendered.
///
/// ```
/// use testcelery_codegen::{Crontab, PyValue};
///
/// let mornings = Crontab::new().minute([0, 30]).hour("6-9").day_of_week("mon-fri");
/// assert_eq!(
///     PyValue::from(mornings).to_literal()?,
///     "celery.schedules.crontab(day_of_week='mon-fri', hour='6-9', minute=[0, 30])"
/// );
/// let error = PyValue::from(Crontab::new().hour("8-24")).to_literal().unwrap_err();
/// assert_eq!(error.to_string(), "setting `value.hour`: \"8-24\" is no hour: 24 is not from 0 to 23");
/// # Ok::<(), testcelery_codegen::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Crontab {
    fields: BTreeMap<&'static str, PyValue>,
}

impl Crontab {
    /// Every minute.
    pub fn new() -> Self {
        Self::default()
    }

    /// The minutes of an hour, 0 to 59.
    #[must_use]
    pub fn minute(self, minute: impl Into<PyValue>) -> Self {
        self.field("minute", minute)
    }

    /// The hours of a day, 0 to 23, in the time zone of the app.
    #[must_use]
    pub fn hour(self, hour: impl Into<PyValue>) -> Self {
        self.field("hour", hour)
    }

    /// The days of a week, 0 (Sunday) to 6, or their English names.
    #[must_use]
    pub fn day_of_week(self, day: impl Into<PyValue>) -> Self {
        self.field("day_of_week", day)
    }

    /// The days of a month, 1 to 31.
    #[must_use]
    pub fn day_of_month(self, day: impl Into<PyValue>) -> Self {
        self.field("day_of_month", day)
    }

    /// The months of a year, 1 to 12, or from Celery 5.5 on their English names.
    #[must_use]
    pub fn month_of_year(self, month: impl Into<PyValue>) -> Self {
        self.field("month_of_year", month)
    }

    fn field(mut self, name: &'static str, value: impl Into<PyValue>) -> Self {
        self.fields.insert(name, value.into());
        self
    }
}

impl From<Crontab> for PyValue {
    fn from(crontab: Crontab) -> Self {
        Self::call(PATH, [], crontab.fields)
    }
}

/// Checks an argument of a crontab; one that is no field is left to Celery. The rules are those of `celery.schedules.crontab_parser`, but
/// for what only its patterns let pass: a rest behind a range, and the name of a day or a month in another field.
pub(crate) fn check(argument: &str, value: &PyValue) -> Result<(), String> {
    let Some((field, first, last, names)) = FIELDS.iter().find(|(field, ..)| *field == argument) else {
        return Ok(());
    };
    let in_range = |number: i128| {
        if (i128::from(*first)..=i128::from(*last)).contains(&number) {
            Ok(())
        } else {
            Err(format!("{number} is not from {first} to {last}"))
        }
    };
    let number = |text: &str| {
        let name = text.get(..3).map(str::to_lowercase);
        let named = name.is_some_and(|name| names.contains(&name.as_str()));
        if named { Ok(()) } else { digits(text).and_then(in_range) }
    };
    let whole = |value: &PyValue| match value {
        PyValue::Int(number) => in_range(*number),
        other => Err(format!("a list holds whole numbers, and not {}", shown(other))),
    };
    match value {
        PyValue::Int(value) => in_range(*value),
        PyValue::Str(text) => text.split(',').try_for_each(|part| check_part(part, number)),
        PyValue::List(items) | PyValue::Tuple(items) | PyValue::Set(items) => {
            items.iter().try_for_each(whole)
        }
        _ => Err("it takes a number, a text such as \"*/5\", or a list of numbers".to_owned()),
    }
    .map_err(|problem| format!("{} is no {}: {problem}", shown(value), field.replace('_', " ")))
}

/// One of the parts between commas: `*`, `*/5`, `3`, `1-5` or `1-5/2`. A range may go on from the last value to the first.
fn check_part(part: &str, number: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    match (range, range.split_once('-'), step) {
        ("*", ..) => {}
        (_, Some((from, to)), _) => {
            number(from)?;
            number(to)?;
        }
        // What is no range may have blanks around it.
        (single, None, None) => number(single.trim())?,
        (_, None, Some(_)) => return Err(format!("{part:?} has a step, but no range and no `*` before it")),
    }
    match step.map(digits) {
        Some(Ok(0)) => Err("a step of 0".to_owned()),
        Some(Err(problem)) => Err(problem),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn digits(text: &str) -> Result<i128, String> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten().ok_or_else(|| format!("{text:?} is no number"))
}

fn shown(value: &PyValue) -> String {
    match value {
        PyValue::Str(text) => format!("{text:?}"),
        other => other.to_literal().unwrap_or_else(|_| format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(field: &str, value: impl Into<PyValue>) -> String {
        check(field, &value.into()).unwrap_err()
    }

    #[test]
    fn what_celery_reads() {
        for text in ["*", "*/15", "0,30", "8-17", "8-17/2,20", "50-10", "5, 7"] {
            check("minute", &text.into()).unwrap();
        }
        for text in ["sun", "Monday-fri", "sat-mon/2", "0,6"] {
            check("day_of_week", &text.into()).unwrap();
        }
        check("month_of_year", &"jan,Dec".into()).unwrap();
        check("day_of_month", &PyValue::set([1, 31])).unwrap();
        check("nowfun", &PyValue::None).unwrap();
    }

    #[test]
    fn what_it_does_not() {
        for (field, text, part) in [
            ("minute", "60", "60 is not from 0 to 59"),
            ("minute", "", "\"\" is no number"),
            ("minute", "1,", "\"\" is no number"),
            ("minute", "-1", "\"\" is no number"),
            ("minute", "5/2", "has a step, but no range"),
            ("minute", "*/", "\"\" is no number"),
            ("minute", "*/0", "a step of 0"),
            ("minute", "0,1-2 /3", "\"2 \" is no number"),
            ("hour", "mon", "\"mon\" is no number"),
            ("day_of_month", "0-3", "\"0-3\" is no day of month: 0 is not from 1 to 31"),
            ("day_of_week", "7", "7 is not from 0 to 6"),
        ] {
            let problem = problem(field, text);
            assert!(problem.contains(part), "{text}: {problem}");
        }
    }

    #[test]
    fn numbers_and_lists() {
        assert_eq!(problem("minute", -1), "-1 is no minute: -1 is not from 0 to 59");
        assert_eq!(problem("minute", ["1"]), "['1'] is no minute: a list holds whole numbers, and not \"1\"");
        assert!(problem("hour", 1.5).contains("takes a number, a text"));
    }

    #[test]
    fn the_last_one_counts() {
        let daily = Crontab::new().minute(5).hour(1).hour(2);
        assert_eq!(PyValue::from(daily).to_literal().unwrap(), "celery.schedules.crontab(hour=2, minute=5)");
        assert_eq!(PyValue::from(Crontab::new()).to_literal().unwrap(), "celery.schedules.crontab()");
    }
}
