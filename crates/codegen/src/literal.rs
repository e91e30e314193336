//! Python values as Python source.

mod identity;
mod scalar;

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt::Display,
};

use crate::{Error, PyValue, crontab, name};

impl PyValue {
    /// The value as one line of Python, which evaluates to exactly this value once its [`imports`](Self::imports) are there.
    ///
    /// # Errors
    /// [`Error::Setting`], with the path to the place, for
    /// - a key or a set's member that Python cannot hash, or that is there twice: `1`, `1.0` and `True` are one key;
    /// - a big int that is none;
    /// - a time that is no whole number of microseconds, or further away than Python's `datetime` goes;
    /// - a call of something that is no module's, or with an argument that is no name;
    /// - a field of a [`Crontab`](crate::Crontab) that is out of its range;
    /// - brackets within each other 64 times.
    pub fn to_literal(&self) -> Result<String, Error> {
        self.render("value")
    }

    /// As [`to_literal`](Self::to_literal); `key` is where the path in an error begins.
    pub(crate) fn render(&self, key: &str) -> Result<String, Error> {
        // What follows is recursive, and is so for values of this depth only.
        self.check_depth().map_err(|problem| Error::Setting { key: key.to_owned(), problem })?;
        let mut out = String::new();
        self.write(&mut out).map_err(|found| Error::Setting {
            key: format!("{key}{}", found.place),
            problem: found.problem,
        })?;
        Ok(out)
    }

    fn write(&self, out: &mut String) -> Result<(), Problem> {
        match self {
            Self::None => out.push_str("None"),
            Self::Bool(true) => out.push_str("True"),
            Self::Bool(false) => out.push_str("False"),
            Self::Int(value) => out.push_str(&value.to_string()),
            Self::BigInt(digits) => out.push_str(&scalar::big_int(digits)?),
            Self::Float(value) => out.push_str(&scalar::float(*value)),
            Self::Str(text) => scalar::push_string(out, text),
            Self::Bytes(bytes) => scalar::push_bytes(out, bytes),
            Self::TimeDelta(nanoseconds) => out.push_str(&scalar::timedelta(*nanoseconds)?),
            Self::DateTime(moment) => out.push_str(&scalar::datetime(*moment, "")?),
            Self::Timestamp(moment) => out.push_str(&scalar::timestamp(*moment)?),
            Self::List(items) => {
                out.push('[');
                write_items(items, out)?;
                out.push(']');
            }
            Self::Tuple(items) => {
                out.push('(');
                write_items(items, out)?;
                out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Self::Set(members) if members.is_empty() => out.push_str("set()"),
            Self::Set(members) => {
                let mut members = hashed(members.iter(), "member", "set")?;
                members.sort_unstable();
                out.push('{');
                out.push_str(&members.join(", "));
                out.push('}');
            }
            Self::Dict(items) => {
                let keys = hashed(items.iter().map(|(key, _)| key), "key", "dict")?;
                out.push('{');
                for (place, (key, (_, value))) in keys.iter().zip(items).enumerate() {
                    out.push_str(if place == 0 { "" } else { ", " });
                    out.push_str(key);
                    out.push_str(": ");
                    value.write(out).map_err(|found| found.within(format!("[{key}]")))?;
                }
                out.push('}');
            }
            Self::Call { path, args, kwargs } => write_call(path, args, kwargs, out)?,
        }
        Ok(())
    }
}

/// What is wrong with a value, and where in it.
#[derive(Debug)]
struct Problem {
    /// The steps from the value to the place, as `['x'][0]`.
    place: String,
    problem: String,
}

impl Problem {
    fn new(problem: String) -> Self {
        Self { place: String::new(), problem }
    }

    /// The same one, seen from a step further out.
    fn within(self, step: impl Display) -> Self {
        Self { place: format!("{step}{}", self.place), ..self }
    }
}

fn write_items(items: &[PyValue], out: &mut String) -> Result<(), Problem> {
    for (place, item) in items.iter().enumerate() {
        out.push_str(if place == 0 { "" } else { ", " });
        item.write(out).map_err(|found| found.within(format!("[{place}]")))?;
    }
    Ok(())
}

/// The keys of a dict or the members of a set, each rendered, once Python can hash them and they are different ones.
fn hashed<'a>(
    values: impl Iterator<Item = &'a PyValue>,
    what: &str,
    of: &str,
) -> Result<Vec<String>, Problem> {
    let mut rendered: Vec<String> = Vec::new();
    let mut places = HashMap::new();
    for (place, value) in values.enumerate() {
        let number = place + 1;
        if let Some(kind) = value.unhashable() {
            return Err(Problem::new(format!(
                "{what} {number} of the {of} is or holds a {kind}, which Python cannot hash"
            )));
        }
        let mut text = String::new();
        value
            .write(&mut text)
            .map_err(|found| Problem::new(format!("{what} {number} of the {of}: {}", found.problem)))?;
        match value.identity().map(|identity| places.entry(identity)) {
            Some(Entry::Occupied(first)) => {
                let first: usize = *first.get();
                let first_text = &rendered[first];
                return Err(Problem::new(if *first_text == text {
                    format!("the {of} has the {what} {text} twice")
                } else {
                    format!("for Python the {what}s {first_text} and {text} of the {of} are the same")
                }));
            }
            Some(Entry::Vacant(entry)) => {
                entry.insert(place);
            }
            None => {}
        }
        rendered.push(text);
    }
    Ok(rendered)
}

fn write_call(
    path: &str,
    args: &[PyValue],
    kwargs: &[(String, PyValue)],
    out: &mut String,
) -> Result<(), Problem> {
    if !path.contains('.') || !path.split('.').all(name::is_identifier) {
        return Err(Problem::new(format!(
            "`{path}` is no module and a name in it, as `kombu.Queue` is; for what needs no module there is `builtins`"
        )));
    }
    out.push_str(path);
    out.push('(');
    write_items(args, out).map_err(|found| found.within(".args"))?;
    for (place, (argument, value)) in kwargs.iter().enumerate() {
        if !name::is_identifier(argument) {
            return Err(Problem::new(format!("`{argument}` is no name of an argument of `{path}`")));
        }
        if kwargs[..place].iter().any(|(earlier, _)| earlier == argument) {
            return Err(Problem::new(format!("`{path}` gets the argument `{argument}` twice")));
        }
        out.push_str(if place == 0 && args.is_empty() { "" } else { ", " });
        out.push_str(argument);
        out.push('=');
        let known = if path == crontab::PATH { crontab::check(argument, value) } else { Ok(()) };
        known
            .map_err(Problem::new)
            .and_then(|()| value.write(out))
            .map_err(|found| found.within(format!(".{argument}")))?;
    }
    out.push(')');
    Ok(())
}

#[cfg(test)]
mod tests;
