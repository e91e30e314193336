//! How deep values of a call may be nested.

use std::{cell::Cell, io};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The most arrays and objects within each other. A Python worker ends at some hundred of them (its recursion limit), and so does a test
/// thread with its stack of 2 MiB.
pub(crate) const MAX_DEPTH: usize = 128;

/// Fails for a value that is nested more than [`MAX_DEPTH`] levels deep, before anything walks through all of it.
pub(crate) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), String> {
    let too_deep = Cell::new(false);
    let formatter = Levels { open: 0, too_deep: &too_deep };
    // What else is wrong with the value is for others to say.
    let _ = value.serialize(&mut Serializer::with_formatter(io::sink(), formatter));
    match too_deep.get() {
        false => Ok(()),
        true => {
            Err(format!("it is nested more than {MAX_DEPTH} levels deep, and Python workers cannot read it"))
        }
    }
}

/// Counts the open arrays and objects.
struct Levels<'a> {
    open: usize,
    too_deep: &'a Cell<bool>,
}

impl Levels<'_> {
    fn enter(&mut self) -> io::Result<()> {
        self.open += 1;
        if self.open <= MAX_DEPTH {
            return Ok(());
        }
        self.too_deep.set(true);
        Err(io::ErrorKind::InvalidInput.into())
    }

    fn leave(&mut self) -> io::Result<()> {
        self.open = self.open.saturating_sub(1);
        Ok(())
    }
}

impl Formatter for Levels<'_> {
    fn begin_array<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.enter()
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.leave()
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.enter()
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.leave()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn nested(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
        (0..levels).fold(json!(1), |value, _| wrap(value))
    }

    #[test]
    fn a_value_has_a_depth_and_any_width() {
        // Not by `json!`, which walks through all of the value for every level.
        let object = |value| Value::Object([("a".to_owned(), value)].into_iter().collect());
        for wrap in [|value| Value::Array(vec![value]), object] {
            assert_eq!(check(&nested(MAX_DEPTH, wrap)), Ok(()));
            assert!(check(&nested(MAX_DEPTH + 1, wrap)).is_err());
            let deep = nested(3000, wrap);
            assert!(check(&deep).unwrap_err().contains("more than 128 levels deep"));
        }
        assert_eq!(check(&vec![vec![(); 2]; 1000]), Ok(()));
    }
}
