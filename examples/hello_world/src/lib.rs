//! The README as a package.
