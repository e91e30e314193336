//! How long it takes to generate the content of a large and of a small project, and how much memory. Prints one line of JSON, which
//! `cargo xtask bench codegen` reads.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures")]

use std::{fs, path::Path, time::Instant};

use testcelery_codegen::{InitialContent, PyModule};

/// Modules of the large project, and lines in each.
const MODULES: usize = 1_000;
const LINES: usize = 100;

/// Measured runs of each, after one that is not measured.
const RUNS: usize = 11;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    write_large(&large);
    let content = InitialContent::default().tasks(PyModule::package(large.join("shop")).root(&large));
    let generated = content.generate().unwrap();
    assert!(generated.iter().count() > MODULES);
    let large_ms = measure(&content);
    let peak_mib = peak_mib();

    let small = folder.path().join("small");
    write_small(&small);
    let content = InitialContent::default()
        .tasks(PyModule::file(small.join("tests/tasks.py")).root(&small))
        .module("signals", PyModule::file(small.join("tests/signals.py")).root(&small))
        .config("task_acks_late", true)
        .config("worker_prefetch_multiplier", 1);
    let small_ms = measure(&content);
    let peak = peak_mib.map_or_else(|| "null".to_owned(), |mib| format!("{mib:.1}"));
    println!("{{\"large_ms\":{large_ms:?},\"small_ms\":{small_ms:?},\"peak_mib\":{peak}}}");
}

fn measure(content: &InitialContent) -> Vec<f64> {
    content.generate().unwrap();
    let runs = (0..RUNS).map(|_| {
        let begin = Instant::now();
        content.generate().unwrap();
        begin.elapsed().as_secs_f64() * 1000.0
    });
    runs.collect()
}

/// The most memory that this process has held, where the system says so (`VmHWM` of `proc(5)`).
fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A package of packages. Each module imports others in every way and has tasks.
fn write_large(folder: &Path) {
    for number in 0..MODULES {
        let (package, previous) = (number / 20, number.saturating_sub(1));
        let mut text = format!(
            "import os\nfrom celery import shared_task\nfrom shop.p{}.m{previous} import task_{previous}\nfrom . import m{number}\n",
            previous / 20
        );
        for line in 0.. {
            if text.lines().count() >= LINES {
                break;
            }
            text.push_str(&format!("\n\ndef helper_{line}(x, y=({line}, 'text')):\n    return [x + i for i in y if i != {line}]\n"));
        }
        text.push_str(&format!("\n\n@shared_task(bind=True)\ndef task_{number}(self, x):\n    return x\n"));
        write(folder, &format!("shop/p{package}/m{number}.py"), &text);
        write(folder, &format!("shop/p{package}/__init__.py"), "");
    }
    write(folder, "shop/__init__.py", "");
}

fn write_small(folder: &Path) {
    write(folder, "tests/__init__.py", "");
    write(folder, "tests/helpers.py", "TAX = 1.19\n");
    write(
        folder,
        "tests/tasks.py",
        "from celery import shared_task\n\nfrom .helpers import TAX\n\n\n@shared_task\ndef pay(amount):\n    return amount * TAX\n",
    );
    write(
        folder,
        "tests/signals.py",
        "from celery.signals import worker_init\n\n\n@worker_init.connect\ndef handler(sender, **_):\n    print('worker_init_handler')\n",
    );
}
