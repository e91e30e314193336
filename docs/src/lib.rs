#![doc = include_str!("../README.md")]

/// Code of the pages and of the repository's README, compiled as documentation tests.
macro_rules! page {
    ($name:ident, $path:literal) => {
        #[cfg(doctest)]
        #[doc = include_str!($path)]
        mod $name {}
    };
}

page!(readme, "../../README.md");
page!(code_generation, "../code-generation.md");
page!(settings, "../settings.md");
page!(signals, "../signals.md");
page!(workers, "../workers.md");
page!(servers, "../servers.md");
page!(architecture_injection, "../architecture-injection.md");
