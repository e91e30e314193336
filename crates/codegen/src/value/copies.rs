//! Copies, comparisons and debug texts of values of any depth.
//!
//! What a compiler derives recurses, and some ten thousand values within each other overflow the stack. Here every level asks for more of it.

use std::fmt;

use super::PyValue;

/// The stack that one level may need, and the stack that is added where less is left.
const RED_ZONE: usize = 64 * 1024;
const MORE_STACK: usize = 1024 * 1024;

fn with_stack<T>(level: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(RED_ZONE, MORE_STACK, level)
}

impl Clone for PyValue {
    fn clone(&self) -> Self {
        with_stack(|| match self {
            Self::None => Self::None,
            Self::Bool(value) => Self::Bool(*value),
            Self::Int(value) => Self::Int(*value),
            Self::BigInt(digits) => Self::BigInt(digits.clone()),
            Self::Float(value) => Self::Float(*value),
            Self::Str(text) => Self::Str(text.clone()),
            Self::Bytes(bytes) => Self::Bytes(bytes.clone()),
            Self::List(items) => Self::List(items.clone()),
            Self::Tuple(items) => Self::Tuple(items.clone()),
            Self::Set(members) => Self::Set(members.clone()),
            Self::Dict(items) => Self::Dict(items.clone()),
            Self::TimeDelta(nanoseconds) => Self::TimeDelta(*nanoseconds),
            Self::DateTime(at) => Self::DateTime(*at),
            Self::Timestamp(at) => Self::Timestamp(*at),
            Self::Call { path, args, kwargs } => {
                Self::Call { path: path.clone(), args: args.clone(), kwargs: kwargs.clone() }
            }
        })
    }
}

impl PartialEq for PyValue {
    fn eq(&self, other: &Self) -> bool {
        with_stack(|| match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Int(one), Self::Int(two)) | (Self::TimeDelta(one), Self::TimeDelta(two)) => one == two,
            (Self::BigInt(one), Self::BigInt(two)) | (Self::Str(one), Self::Str(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one == two,
            (Self::Bytes(one), Self::Bytes(two)) => one == two,
            (Self::List(one), Self::List(two))
            | (Self::Tuple(one), Self::Tuple(two))
            | (Self::Set(one), Self::Set(two)) => one == two,
            (Self::Dict(one), Self::Dict(two)) => one == two,
            (Self::DateTime(one), Self::DateTime(two)) => one == two,
            (Self::Timestamp(one), Self::Timestamp(two)) => one == two,
            (Self::Call { path, args, kwargs }, Self::Call { path: path2, args: args2, kwargs: kwargs2 }) => {
                path == path2 && args == args2 && kwargs == kwargs2
            }
            _ => false,
        })
    }
}

impl fmt::Debug for PyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_stack(|| match self {
            Self::None => f.write_str("None"),
            Self::Bool(value) => f.debug_tuple("Bool").field(value).finish(),
            Self::Int(value) => f.debug_tuple("Int").field(value).finish(),
            Self::BigInt(digits) => f.debug_tuple("BigInt").field(digits).finish(),
            Self::Float(value) => f.debug_tuple("Float").field(value).finish(),
            Self::Str(text) => f.debug_tuple("Str").field(text).finish(),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(bytes).finish(),
            Self::List(items) => f.debug_tuple("List").field(items).finish(),
            Self::Tuple(items) => f.debug_tuple("Tuple").field(items).finish(),
            Self::Set(members) => f.debug_tuple("Set").field(members).finish(),
            Self::Dict(items) => f.debug_tuple("Dict").field(items).finish(),
            Self::TimeDelta(nanoseconds) => f.debug_tuple("TimeDelta").field(nanoseconds).finish(),
            Self::DateTime(at) => f.debug_tuple("DateTime").field(at).finish(),
            Self::Timestamp(at) => f.debug_tuple("Timestamp").field(at).finish(),
            Self::Call { path, args, kwargs } => f
                .debug_struct("Call")
                .field("path", path)
                .field("args", args)
                .field("kwargs", kwargs)
                .finish(),
        })
    }
}
