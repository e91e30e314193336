//! Where programs come from.
