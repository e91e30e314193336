//! Medians of a few runs.

use std::time::Duration;

/// Measured values of one kind.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// Adds one in seconds.
    pub(super) fn time(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64());
    }

    /// Adds one in whatever unit the others have.
    pub(super) fn value(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The middle one, or the mean of the two in the middle.
    pub(super) fn median(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        if sorted.len() % 2 == 1 {
            return Some(upper);
        }
        Some(f64::midpoint(*sorted.get(middle.checked_sub(1)?)?, upper))
    }

    /// Median, smallest and largest, as `1.52 (1.40..1.71)`.
    pub(super) fn shown(&self) -> String {
        let Some(median) = self.median() else {
            return "-".to_owned();
        };
        let smallest = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{median:.2} ({smallest:.2}..{largest:.2})")
    }
}

/// One median as a share of another.
pub(super) fn ratio(ours: &Samples, theirs: &Samples) -> Option<f64> {
    let (ours, theirs) = (ours.median()?, theirs.median()?);
    (theirs > 0.0).then(|| ours / theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples(values.to_vec())
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(samples(&[3.0, 1.0, 2.0]).median(), Some(2.0));
        assert_eq!(samples(&[4.0, 1.0, 2.0, 3.0]).median(), Some(2.5));
        assert_eq!(samples(&[]).median(), None);
    }

    #[test]
    fn a_ratio_needs_both() {
        assert_eq!(ratio(&samples(&[1.0]), &samples(&[4.0])), Some(0.25));
        assert_eq!(ratio(&samples(&[1.0]), &samples(&[])), None);
        assert_eq!(samples(&[2.0, 1.0, 4.0]).shown(), "2.00 (1.00..4.00)");
    }
}
