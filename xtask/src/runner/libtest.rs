//! What the test harness of rustc prints.
//!
//! The formats are those of `libtest` in `--format terse --list` and in the default (pretty) format, which are the stable ones.

use std::sync::LazyLock;

use regex::Regex;

/// The names in the output of `--list --format terse`: lines such as `ping::redis_redis: test`.
pub(crate) fn names(listed: &str) -> Vec<String> {
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    names.map(str::to_owned).collect()
}

/// The numbers of one or several runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The sum of all `test result:` lines; `None` where there is none, as after a crash or a build that failed.
pub(crate) fn counts(output: &str) -> Option<Counts> {
    results(output).reduce(|mut sum, counts| {
        sum += counts;
        sum
    })
}

/// The last `test result:` line. A test that runs its own binary again prints those of its children first.
pub(crate) fn last_counts(output: &str) -> Option<Counts> {
    results(output).last()
}

fn results(output: &str) -> impl Iterator<Item = Counts> {
    static RESULT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?m)^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;").ok()
    });
    let found = RESULT.as_ref().map(|result| result.captures_iter(output));
    found.into_iter().flatten().map(|found| {
        let number = |index| found.get(index).and_then(|digits| digits.as_str().parse().ok());
        let number = |index| number(index).unwrap_or(0);
        Counts { passed: number(1), failed: number(2), ignored: number(3) }
    })
}

/// Why a test was ignored: the rest of the line `test NAME ... ignored, REASON`.
pub(crate) fn ignored_because<'a>(output: &'a str, test: &str) -> Option<&'a str> {
    let start = format!("test {test} ... ignored, ");
    output.lines().find_map(|line| line.strip_prefix(start.as_str()))
}

/// The names of the tests that failed, from the summary at the end of a run.
pub(crate) fn failed_names(output: &str) -> Vec<&str> {
    let failed = output.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
    failed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_listed_and_benchmarks_are_not() {
        let listed =
            "ping::redis_redis: test\nsrc/lib.rs - a (line 3): test\nspeed: bench\n\n2 tests, 1 benchmarks\n";
        assert_eq!(names(listed), ["ping::redis_redis", "src/lib.rs - a (line 3)"]);
    }

    #[test]
    fn results_of_several_binaries_are_added_up() {
        let output = "test a ... ok\n\
            test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
            test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.01s\n";
        assert_eq!(counts(output), Some(Counts { passed: 7, failed: 2, ignored: 1 }));
        assert_eq!(last_counts(output), Some(Counts { passed: 4, failed: 2, ignored: 0 }));
    }

    #[test]
    fn no_result_is_not_zero_failures() {
        assert_eq!(counts("error: could not compile `x`\n"), None);
        assert_eq!(counts("a line that quotes test result: ok. 3 passed; 0 failed; 0 ignored;"), None);
    }

    #[test]
    fn reasons_and_failures_are_read_by_name() {
        let output =
            "test a::b ... ignored, left out by TESTCELERY_BROKERS=redis\ntest c ... FAILED\ntest d ... ok\n";
        assert_eq!(ignored_because(output, "a::b"), Some("left out by TESTCELERY_BROKERS=redis"));
        assert_eq!(ignored_because(output, "b"), None);
        assert_eq!(failed_names(output), ["c"]);
    }
}
