//! Prometheus text format of a registry.
//!
//! Spec: the text exposition format 0.0.4.

use std::fmt::Write;

use crate::metrics::{BUCKETS, Kind, METRICS, Metric};
use crate::registry::{Registry, SEPARATOR, Sample};

/// Content type of [`render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Writes every metric that has a series, in the order of the table.
#[must_use]
pub fn render(registry: &Registry) -> String {
    let mut out = String::new();
    for metric in METRICS {
        let mut rows = registry.rows(metric.id).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {} {}", metric.name, metric.help);
        let _ = writeln!(out, "# TYPE {} {kind}", metric.name);
        for (key, sample) in rows {
            row(&mut out, metric, &labels(metric, key), sample);
        }
    }
    out
}

fn row(out: &mut String, metric: &Metric, labels: &str, sample: &Sample) {
    let name = metric.name;
    let _ = match sample {
        Sample::Counter(n) => writeln!(out, "{name}{} {n}", braced(labels)),
        Sample::Gauge(n) => writeln!(out, "{name}{} {n}", braced(labels)),
        Sample::Histogram(histogram) => {
            let comma = if labels.is_empty() { "" } else { "," };
            let mut count = 0;
            for (index, n) in histogram.buckets.iter().enumerate() {
                count += n;
                let _ = match BUCKETS.get(index) {
                    Some(bound) => {
                        writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}")
                    }
                    None => writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}"),
                };
            }
            let _ = writeln!(out, "{name}_sum{} {}", braced(labels), histogram.sum);
            writeln!(out, "{name}_count{} {count}", braced(labels))
        }
    };
}

fn braced(labels: &str) -> String {
    if labels.is_empty() { String::new() } else { format!("{{{labels}}}") }
}

fn labels(metric: &Metric, key: &str) -> String {
    let mut out = String::new();
    for (name, value) in metric.labels.iter().zip(key.split(SEPARATOR)) {
        if !out.is_empty() {
            out.push(',');
        }
        let _ = write!(out, "{name}=\"");
        for c in value.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::metrics::{GRPC_LABELS, Id};
    use crate::registry::Registry;

    #[test]
    fn counters_and_gauges_are_lines_with_escaped_labels() {
        let mut registry = Registry::new();
        registry.add(Id::ClusterRequests, &["a\"b\\c\nd"], 2);
        registry.set(Id::ServerLive, &[], 1);
        assert_eq!(
            render(&registry),
            "# HELP envoy_cluster_upstream_rq_total Requests sent upstream, retries included.\n\
             # TYPE envoy_cluster_upstream_rq_total counter\n\
             envoy_cluster_upstream_rq_total{cluster_name=\"a\\\"b\\\\c\\nd\"} 2\n\
             # HELP envoy_server_live 1 while the proxy takes new work.\n\
             # TYPE envoy_server_live gauge\n\
             envoy_server_live 1\n"
        );
    }

    #[test]
    fn histogram_buckets_are_cumulative_and_inclusive() {
        let mut registry = Registry::new();
        let series = registry.series(Id::RequestDuration, &["x"; GRPC_LABELS.len()]).unwrap();
        for value in [0.5, 0.6, 5.0, 4e6] {
            registry.observe(series, value);
        }
        let text = render(&registry);
        let count = |le: &str| {
            let line = text.lines().find(|line| line.contains(&format!("le=\"{le}\""))).unwrap();
            line.rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!((count("0.5"), count("1"), count("5")), ("1".into(), "2".into(), "3".into()));
        assert_eq!((count("3600000"), count("+Inf")), ("3".into(), "4".into()));
        assert!(text.contains("_count{"));
    }
}
