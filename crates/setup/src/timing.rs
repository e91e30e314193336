//! What of a boot is the components' own: the time in which a container boots by itself.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use testcelery_api::{Container, Wait};

/// Intervals in which containers booted.
#[derive(Debug, Default)]
pub(crate) struct Boots(Mutex<Vec<(Instant, Instant)>>);

impl Boots {
    /// Waits for the first line that says that a container is up, and notes how long that took from its start. Whether it came at all
    /// is for the wait beside this one to say, and a container that logs nothing is not counted.
    pub(crate) async fn watch(&self, container: &dyn Container, started: Instant) {
        let spec = container.spec();
        if let Some(Wait::Log(pattern)) = spec.waits.first() {
            let line = container.logs().wait(pattern.clone()).timeout(spec.ready_timeout);
            if line.await.is_ok() {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).push((started, Instant::now()));
            }
        }
    }

    /// How long any container booted: their intervals together, what they share counted once.
    pub(crate) fn total(&self) -> Duration {
        let mut intervals = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        intervals.sort();
        let mut total = Duration::ZERO;
        let mut until = None;
        for (from, to) in intervals {
            let from = until.map_or(from, |until| from.max(until));
            total += to.saturating_duration_since(from);
            until = Some(until.map_or(to, |until: Instant| until.max(to)));
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_intervals_share_counts_once() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let boots =
            Boots(Mutex::new(vec![(at(30), at(40)), (at(0), at(10)), (at(5), at(20)), (at(6), at(7))]));
        assert_eq!(boots.total(), Duration::from_millis(30));
        assert_eq!(Boots::default().total(), Duration::ZERO);
    }
}
