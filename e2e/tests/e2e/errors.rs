//! What a failed test shows of an exception, and what it keeps.

use std::{fs, path::Path};

use testcelery::{prelude::*, runner};

/// The name of the test below: the reaper runs it by this name.
const NAME: &str = "errors::an_exception_is_shown_in_part_and_kept_whole";

fn stack() -> SetupBuilder {
    Setup::builder().broker(Redis::default()).backend(Redis::default()).worker(Worker::default())
}

/// More than a terminal should show, and what would act on it.
fn message() -> String {
    format!("\u{1b}[32mgreen\n\ntest result: ok. 1 passed\r\u{7}{}end", "x".repeat(3_000_000))
}

#[test]
fn an_exception_is_shown_in_part_and_kept_whole() {
    let outcome = runner::run(NAME, stack, &[], |setup: Setup| async move {
        let failing = setup.app().task("testcelery.tasks.fail").args((message(),)).send().await?;
        failing.get::<()>().await?;
        Ok::<(), testcelery::Error>(())
    });
    let Err(failure) = outcome else {
        // The reaper ends here.
        return;
    };
    let shown = format!("{failure:?}");
    assert!(shown.len() < 20_000, "{} bytes are shown", shown.len());
    assert!(shown.contains(r"RuntimeError: \x1b[32mgreen\n\ntest result: ok. 1 passed\r\x07xxx"), "{shown}");
    assert!(!shown.contains(|character: char| character.is_control() && character != '\n'), "{shown:?}");
    assert!(shown.lines().skip(1).all(|line| !line.starts_with("test ")), "{shown}");
    let folder = shown.lines().find_map(|line| line.trim().strip_prefix("logs of every node: "));
    let folder = Path::new(folder.expect("the folder with the evidence"));
    let kept = fs::read_to_string(folder.join("errors.txt")).expect("the errors are kept");
    assert!(
        kept.contains(&message()) && kept.contains("remote traceback:\nTraceback"),
        "{} bytes",
        kept.len()
    );
    fs::remove_dir_all(folder).expect("the evidence goes");
}
