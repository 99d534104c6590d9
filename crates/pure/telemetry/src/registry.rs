//! A registry: series by metric and label values, bounded, added up over threads at scrape.

use std::collections::BTreeMap;

use crate::metrics::{BUCKETS, Id, Kind, METRICS};

/// Series that one metric may have; a label that an attacker chooses cannot eat the memory.
pub const SERIES_PER_METRIC: usize = 20_000;

/// Between label values inside a key; cannot occur in a value, where it becomes a space.
pub(crate) const SEPARATOR: char = '\u{1f}';

/// A handle on one series: adding through it costs an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series(u32);

/// What a series holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sample {
    Counter(u64),
    Gauge(i64),
    Histogram(Box<Histogram>),
}

/// Observations by bucket; not cumulative until exposed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Histogram {
    pub(crate) buckets: [u64; BUCKETS.len() + 1],
    pub(crate) sum: f64,
}

/// All series of one thread, or the sum of several.
#[derive(Clone, Debug)]
pub struct Registry {
    names: Vec<BTreeMap<Box<str>, Series>>,
    samples: Vec<Sample>,
    key: String,
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Registry {
        Registry {
            names: METRICS.iter().map(|_| BTreeMap::new()).collect(),
            samples: Vec::new(),
            key: String::new(),
        }
    }

    /// The series of `id` with these label values, made when it is new. `None` at the bound of
    /// [`SERIES_PER_METRIC`]; the loss is counted in `lateen_series_dropped_total`.
    pub fn series(&mut self, id: Id, values: &[&str]) -> Option<Series> {
        debug_assert_eq!(values.len(), id.metric().labels.len(), "{}", id.metric().name);
        self.key.clear();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.key.push(SEPARATOR);
            }
            self.key.extend(value.chars().map(|c| if c == SEPARATOR { ' ' } else { c }));
        }
        if let Some(series) = self.names[id as usize].get(self.key.as_str()) {
            return Some(*series);
        }
        if self.names[id as usize].len() >= SERIES_PER_METRIC && id != Id::SeriesDropped {
            self.add(Id::SeriesDropped, &[id.metric().name], 1);
            return None;
        }
        let series = Series(u32::try_from(self.samples.len()).ok()?);
        self.samples.push(match id.metric().kind {
            Kind::Counter => Sample::Counter(0),
            Kind::Gauge => Sample::Gauge(0),
            Kind::Histogram => Sample::Histogram(Box::default()),
        });
        self.names[id as usize].insert(self.key.as_str().into(), series);
        Some(series)
    }

    /// Adds to a counter.
    pub fn add(&mut self, id: Id, values: &[&str], n: u64) {
        if let Some(series) = self.series(id, values) {
            self.add_to(series, n);
        }
    }

    /// Sets a gauge.
    pub fn set(&mut self, id: Id, values: &[&str], value: i64) {
        let series = self.series(id, values);
        if let Some(Sample::Gauge(gauge)) = series.and_then(|s| self.samples.get_mut(s.0 as usize))
        {
            *gauge = value;
        }
    }

    /// Adds to a counter by its handle; `n` is a count, or a change of a gauge.
    pub fn add_to(&mut self, series: Series, n: u64) {
        match self.samples.get_mut(series.0 as usize) {
            Some(Sample::Counter(counter)) => *counter = counter.wrapping_add(n),
            Some(Sample::Gauge(gauge)) => *gauge = gauge.saturating_add_unsigned(n),
            _ => {}
        }
    }

    /// Records one observation of a histogram by its handle.
    pub fn observe(&mut self, series: Series, value: f64) {
        if let Some(Sample::Histogram(histogram)) = self.samples.get_mut(series.0 as usize) {
            let bucket = BUCKETS.partition_point(|bound| *bound < value);
            histogram.buckets[bucket] += 1;
            histogram.sum += value;
        }
    }

    /// Adds all of `other` to this one: counters, gauges and histograms sum up.
    pub fn absorb(&mut self, other: &Registry) {
        for metric in METRICS {
            for (key, theirs) in &other.names[metric.id as usize] {
                let values: Vec<&str> = if metric.labels.is_empty() {
                    Vec::new()
                } else {
                    key.split(SEPARATOR).collect()
                };
                let Some(ours) = self.series(metric.id, &values) else { continue };
                match (&mut self.samples[ours.0 as usize], &other.samples[theirs.0 as usize]) {
                    (Sample::Counter(sum), Sample::Counter(n)) => *sum = sum.wrapping_add(*n),
                    (Sample::Gauge(sum), Sample::Gauge(n)) => *sum = sum.saturating_add(*n),
                    (Sample::Histogram(sum), Sample::Histogram(n)) => {
                        for (sum, n) in sum.buckets.iter_mut().zip(n.buckets) {
                            *sum += n;
                        }
                        sum.sum += n.sum;
                    }
                    _ => {}
                }
            }
        }
    }

    /// The value of a counter or gauge, if the series exists: for tests and summaries.
    #[must_use]
    pub fn value(&self, id: Id, values: &[&str]) -> Option<i64> {
        let key = values.join("\u{1f}");
        let series = self.names[id as usize].get(key.as_str())?;
        match self.samples.get(series.0 as usize)? {
            Sample::Counter(n) => i64::try_from(*n).ok(),
            Sample::Gauge(n) => Some(*n),
            Sample::Histogram(_) => None,
        }
    }

    /// The series of one metric, ordered by label values.
    pub(crate) fn rows(&self, id: Id) -> impl Iterator<Item = (&str, &Sample)> {
        self.names[id as usize]
            .iter()
            .filter_map(|(key, series)| Some((&**key, self.samples.get(series.0 as usize)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Registry, SERIES_PER_METRIC};
    use crate::metrics::Id;

    #[test]
    fn threads_add_up() {
        let (mut a, mut b) = (Registry::new(), Registry::new());
        a.add(Id::ClusterRequests, &["x"], 2);
        b.add(Id::ClusterRequests, &["x"], 3);
        b.add(Id::ClusterRequests, &["y"], 1);
        b.set(Id::ServerLive, &[], 1);
        a.absorb(&b);
        assert_eq!(a.value(Id::ClusterRequests, &["x"]), Some(5));
        assert_eq!(a.value(Id::ClusterRequests, &["y"]), Some(1));
        assert_eq!(a.value(Id::ServerLive, &[]), Some(1));
    }

    #[test]
    fn label_sets_are_bounded_and_the_loss_is_counted() {
        let mut registry = Registry::new();
        for i in 0..SERIES_PER_METRIC + 7 {
            registry.add(Id::ClusterRequests, &[&i.to_string()], 1);
        }
        let lost = registry.value(Id::SeriesDropped, &["envoy_cluster_upstream_rq_total"]);
        assert_eq!(lost, Some(7));
        registry.add(Id::ClusterRequests, &["1"], 1);
        assert_eq!(registry.value(Id::ClusterRequests, &["1"]), Some(2), "known series go on");
    }
}
