//! `include_dir!` does not tell Cargo what it reads.

fn main() {
    println!("cargo::rerun-if-changed=templates");
}
