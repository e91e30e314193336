//! What runs: an image, or a program.

use std::hash::{DefaultHasher, Hash, Hasher};

use testcelery_api::{Build, FileTree, Image, Program, Software};

/// The image that runs where it is present or can be pulled.
pub const DEFAULT_IMAGE: &str = "valkey/valkey:8.1";

/// Any Debian from 13 on would do. This one is on every machine with testcelery: its workers are built on it.
const BASE: &str = "python:3.13-slim-trixie";
const BASE_SUBSTITUTE: &str = "testcelery/python:3.13-debian-trixie";

/// [`DEFAULT_IMAGE`]; where no registry answers, one that is built of Debian's packages; and on an engine without images a program of the
/// machine.
pub fn image() -> Image {
    let program = Program::new("valkey-server").debian("valkey-server");
    Image::reference(DEFAULT_IMAGE)
        .or_build(from_debian())
        .software(Software::program(program).workdir("/data"))
}

fn from_debian() -> Build {
    let mut context = FileTree::new();
    context.insert("Dockerfile", include_str!("Dockerfile"));
    // A tag that exists is never built again, so it says what is in there.
    let mut hash = DefaultHasher::new();
    (BASE, &context).hash(&mut hash);
    let tag = format!("custom-vendor/valkey:debian-{:016x}", hash.finish());
    Build::new(tag, context).base(Image::reference(BASE).substitute(BASE_SUBSTITUTE))
}
