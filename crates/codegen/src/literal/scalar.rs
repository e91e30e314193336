//! Values without others in them.

use std::fmt::Write;

use jiff::{Timestamp, civil, tz::Offset};

use super::Problem;

/// How many digits of a number Python reads, by default: `sys.int_info.default_max_str_digits`.
const MAX_DIGITS: usize = 4_300;

/// A day in microseconds.
const DAY: i128 = 86_400_000_000;

/// `datetime.timedelta.max.days`.
const MAX_DAYS: i128 = 999_999_999;

/// The digits as Python writes them: without a plus and without zeros in front.
pub(super) fn big_int(text: &str) -> Result<String, Problem> {
    let (minus, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::new(format!(
            "{text:?} is no whole number; it is written in decimal digits, as -123"
        )));
    }
    match digits.trim_start_matches('0') {
        "" => Ok("0".to_owned()),
        digits if digits.len() > MAX_DIGITS => Err(Problem::new(format!(
            "a number of {} digits; Python reads no more than {MAX_DIGITS}",
            digits.len()
        ))),
        digits => Ok(format!("{minus}{digits}")),
    }
}

pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        "float('nan')".to_owned()
    } else if value.is_infinite() {
        format!("float('{}inf')", if value < 0.0 { "-" } else { "" })
    } else {
        // The shortest digits that read back as the same number, in a notation that Python shares.
        format!("{value:?}")
    }
}

/// As `repr` has it: what is zero is left out, and only days are negative.
pub(super) fn timedelta(nanoseconds: i128) -> Result<String, Problem> {
    let microseconds = whole_microseconds(nanoseconds)?;
    let days = microseconds.div_euclid(DAY);
    let within = microseconds.rem_euclid(DAY);
    if days.abs() > MAX_DAYS {
        return Err(Problem::new(format!("{days} days; Python's timedelta has no more than {MAX_DAYS}")));
    }
    let parts: Vec<String> =
        [("days", days), ("seconds", within / 1_000_000), ("microseconds", within % 1_000_000)]
            .into_iter()
            .filter(|(_, amount)| *amount != 0)
            .map(|(unit, amount)| format!("{unit}={amount}"))
            .collect();
    Ok(format!("datetime.timedelta({})", if parts.is_empty() { "0".to_owned() } else { parts.join(", ") }))
}

pub(super) fn timestamp(moment: Timestamp) -> Result<String, Problem> {
    datetime(Offset::UTC.to_datetime(moment), ", tzinfo=datetime.timezone.utc")
}

/// As `repr` has it: seconds and microseconds are left out where they and what follows is zero.
pub(super) fn datetime(moment: civil::DateTime, zone: &str) -> Result<String, Problem> {
    let microsecond = whole_microseconds(i128::from(moment.subsec_nanosecond()))?;
    if moment.year() < 1 {
        return Err(Problem::new(format!(
            "the year {}; Python's datetime begins with the year 1",
            moment.year()
        )));
    }
    let mut out = format!(
        "datetime.datetime({}, {}, {}, {}, {}",
        moment.year(),
        moment.month(),
        moment.day(),
        moment.hour(),
        moment.minute()
    );
    if (i128::from(moment.second()), microsecond) != (0, 0) {
        out.push_str(&format!(", {}", moment.second()));
    }
    if microsecond != 0 {
        out.push_str(&format!(", {microsecond}"));
    }
    Ok(format!("{out}{zone})"))
}

fn whole_microseconds(nanoseconds: i128) -> Result<i128, Problem> {
    match nanoseconds % 1_000 {
        0 => Ok(nanoseconds / 1_000),
        rest => Err(Problem::new(format!(
            "a time with {} ns beyond its microseconds; Python's datetime has no nanoseconds, so round it first",
            rest.abs()
        ))),
    }
}

/// Letters and digits of any script stay readable; whatever may be invisible or have a meaning of its own is escaped.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => push_escape(out, u32::from(c)),
        }
    }
    out.push('\'');
}

pub(super) fn push_bytes(out: &mut String, bytes: &[u8]) {
    out.push_str("b'");
    for byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => out.push(char::from(*byte)),
            byte => push_escape(out, u32::from(*byte)),
        }
    }
    out.push('\'');
}

fn push_escape(out: &mut String, code: u32) {
    let written = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
    debug_assert!(written.is_ok(), "writing to a String does not fail");
}
