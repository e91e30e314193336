//! Texts that a module shows without being run: the names that tasks are given.

use std::collections::HashMap;

use ruff_python_ast::{ConversionFlag, Expr, ExprFString, FStringPart, InterpolatedStringElement, Operator};

use super::literal;

/// The name of a task.
#[derive(Debug, Clone)]
pub(super) enum Name {
    Known(String),
    /// It is computed.
    Unknown,
}

/// The texts of a module's own constants.
#[derive(Debug, Default)]
pub(super) struct Texts {
    module: String,
    constants: HashMap<String, String>,
}

impl Texts {
    /// Of a module of a dotted name.
    pub(super) fn new(module: &str) -> Self {
        Self { module: module.to_owned(), constants: HashMap::new() }
    }

    /// A constant has a value now. Returns whether it is a text that is known.
    pub(super) fn set(&mut self, name: &str, value: &Expr) -> bool {
        let text = self.text(value, true);
        self.forget(name);
        let is_known = text.is_some();
        self.constants.extend(text.map(|text| (name.to_owned(), text)));
        is_known
    }

    /// A constant is none, or was changed.
    pub(super) fn forget(&mut self, name: &str) {
        self.constants.remove(name);
    }

    /// The name that an expression gives at the top of the module.
    pub(super) fn name(&self, expr: &Expr) -> Name {
        self.text(expr, true).map_or(Name::Unknown, Name::Known)
    }

    /// The name that an expression gives in a function, where parameters and variables hide constants of the module. Those in capitals
    /// are taken for constants.
    pub(super) fn name_in_function(&self, expr: &Expr) -> Name {
        self.text(expr, false).map_or(Name::Unknown, Name::Known)
    }

    fn text(&self, expr: &Expr, is_top: bool) -> Option<String> {
        match expr {
            Expr::Name(name) if name.id.as_str() == "__name__" => Some(self.module.clone()),
            Expr::Name(name) if is_top || !name.id.chars().any(char::is_lowercase) => {
                self.constants.get(name.id.as_str()).cloned()
            }
            Expr::BinOp(sum) if sum.op == Operator::Add => {
                Some(self.text(&sum.left, is_top)? + &self.text(&sum.right, is_top)?)
            }
            Expr::FString(text) => self.f_string(text, is_top),
            other => literal(other).map(str::to_owned),
        }
    }

    fn f_string(&self, text: &ExprFString, is_top: bool) -> Option<String> {
        let mut whole = String::new();
        for part in &text.value {
            let elements = match part {
                FStringPart::Literal(literal) => {
                    whole.push_str(literal.as_str());
                    continue;
                }
                FStringPart::FString(part) => &part.elements,
            };
            for element in elements {
                match element {
                    InterpolatedStringElement::Literal(literal) => whole.push_str(&literal.value),
                    InterpolatedStringElement::Interpolation(inner)
                        if inner.conversion == ConversionFlag::None
                            && inner.format_spec.is_none()
                            && inner.debug_text.is_none() =>
                    {
                        whole.push_str(&self.text(&inner.expression, is_top)?);
                    }
                    InterpolatedStringElement::Interpolation(_) => return None,
                }
            }
        }
        Some(whole)
    }
}
