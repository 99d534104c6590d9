//! Slow start: a host that is new gets less than its share at first. Spec: Envoy, "Slow start mode".

use std::time::Duration;

use xds::{core::RuntimeDouble, kind::Percent, wkt};

use crate::compile::{Bad, duration};

/// How the share of a new host grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct SlowStart {
    window: Duration,
    /// 1 is a straight line; above 1 the share grows faster at first.
    aggression: f64,
    /// The least share, from 0 to 1.
    least: f64,
}

impl SlowStart {
    /// `None` when there is no window, which switches it off.
    pub(crate) fn compile(
        window: Option<&wkt::Duration>,
        aggression: Option<&RuntimeDouble>,
        least: Option<&Percent>,
    ) -> Result<Option<Self>, Bad> {
        let window = duration(window, "slow_start_window")?.unwrap_or_default();
        // A curve that makes no sense is a straight line, as in Envoy.
        let aggression = aggression.map_or(1.0, |value| value.default_value);
        let aggression = if aggression > 0.0 { aggression } else { 1.0 };
        let least = least.map_or(10.0, |percent| percent.value);
        if !(0.0..=100.0).contains(&least) {
            return Err(Bad::new("min_weight_percent", "is not between 0 and 100"));
        }
        let slow_start = Self { window, aggression, least: least / 100.0 };
        Ok((!window.is_zero()).then_some(slow_start))
    }

    /// Whether a host that has been there for this long is still new.
    pub(crate) fn covers(&self, age: Duration) -> bool {
        age < self.window
    }

    /// The part of its weight that a host of this age gets: above 0, at most 1.
    pub(crate) fn factor(&self, age: Duration) -> f64 {
        if !self.covers(age) {
            return 1.0;
        }
        let passed = age.max(Duration::from_millis(1)).as_secs_f64() / self.window.as_secs_f64();
        passed.min(1.0).powf(1.0 / self.aggression).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow_start(seconds: i64, aggression: f64, least: f64) -> SlowStart {
        let window = wkt::Duration { seconds, nanos: 0 };
        let aggression =
            RuntimeDouble { default_value: aggression, runtime_key: "a.key".to_owned() };
        let least = Percent { value: least };
        SlowStart::compile(Some(&window), Some(&aggression), Some(&least)).unwrap().unwrap()
    }

    #[test]
    fn the_share_grows_along_its_curve_and_never_below_the_least() {
        let table = [
            (1.0, 10.0, 0, 0.1),
            (1.0, 10.0, 5, 0.1),
            (1.0, 10.0, 30, 0.5),
            (1.0, 10.0, 59, 59.0 / 60.0),
            (1.0, 10.0, 60, 1.0),
            (1.0, 10.0, 600, 1.0),
            (2.0, 10.0, 15, 0.5),
            (0.5, 10.0, 30, 0.25),
            (0.0, 10.0, 30, 0.5),
            (1.0, 40.0, 15, 0.4),
            (1.0, 0.0, 6, 0.1),
        ];
        for (aggression, least, seconds, expected) in table {
            let factor = slow_start(60, aggression, least).factor(Duration::from_secs(seconds));
            assert!((factor - expected).abs() < 1e-9, "{aggression} {least} {seconds}: {factor}");
        }
    }

    #[test]
    fn envoys_defaults_and_what_is_refused() {
        let window = wkt::Duration { seconds: 100, nanos: 0 };
        let plain = SlowStart::compile(Some(&window), None, None).unwrap().unwrap();
        assert!((plain.factor(Duration::ZERO) - 0.1).abs() < 1e-9);
        assert!((plain.factor(Duration::from_secs(20)) - 0.2).abs() < 1e-9);
        assert_eq!(SlowStart::compile(None, None, None).unwrap(), None);
        let least = Percent { value: 101.0 };
        assert!(SlowStart::compile(Some(&window), None, Some(&least)).is_err());
    }
}
