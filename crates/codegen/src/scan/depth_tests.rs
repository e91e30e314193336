//! Sources as deep as they are let through, on the stack that they get.

use super::scan;
use crate::{
    Error,
    nesting::{self, MAX_OPERATORS},
};

#[test]
fn sources_at_the_limit_are_read() {
    for (name, before, middle, after) in [
        ("not", "not ", "x", ""),
        ("unary", "-", "x", ""),
        ("attribute", "", "x", ".b"),
        ("binary", "", "x", " + x"),
        ("power", "", "x", " ** x"),
        ("condition", "a if b else ", "x", ""),
        ("lambda", "lambda a, b=1: ", "x", ""),
        ("call", "", "x", "()"),
        ("index", "", "x", "[0]"),
        ("comparison", "", "x", " < x"),
        ("or", "", "x", " or x"),
        ("await", "await ", "x", ""),
        ("star", "*", "x", ""),
        ("yield", "yield ", "x", ""),
        ("walrus", "a := ", "x", ""),
        ("chained assignment", "a = ", "x", ""),
        ("one-line ifs", "if a: ", "x", ""),
        ("one-line classes", "class A: ", "x", ""),
        ("decorators", "@", "x", ""),
        ("match", "match x: case ", "x", ""),
        ("for", "x for ", "x", ""),
        ("elif", "if a: pass\n", "", "elif a: pass\n"),
        ("dots", "from ", ".", " import x"),
    ] {
        let nested = |n: usize| format!("{}{middle}{}\n", before.repeat(n), after.repeat(n));
        let text = (1..10).map(|part| nested(MAX_OPERATORS / part)).find(|text| nesting::check(text).is_ok());
        let text = text.unwrap();
        match scan("x.py", "x", &text) {
            Ok(_) | Err(Error::Syntax { .. }) => {}
            Err(error) => panic!("{name}: {error:?}"),
        }
    }
}
