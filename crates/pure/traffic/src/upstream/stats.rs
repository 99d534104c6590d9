//! Counters of one cluster, under Envoy's names.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that many threads add to.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes away, for numbers that go down again.
    pub(crate) fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The number now.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! stats {
    (counters { $($counter:ident $counter_name:literal,)* } gauges { $($gauge:ident $gauge_name:literal,)* }) => {
        /// What was counted for one cluster. Each field is a metric `cluster.<name>.<field>`: Envoy's, and ours behind `lateen.`.
        #[derive(Debug, Default)]
        pub struct Stats {
            $(#[doc = concat!("Counter `", $counter_name, "`.")] pub $counter: Counter,)*
            $(#[doc = concat!("Gauge `", $gauge_name, "`.")] pub $gauge: Counter,)*
        }

        impl Stats {
            /// Name and value of every counter.
            pub fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($counter_name, self.$counter.value()),)*].into_iter()
            }

            /// Name and value of every gauge.
            pub fn gauges(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($gauge_name, self.$gauge.value()),)*].into_iter()
            }
        }
    };
}

stats! {
    counters {
        upstream_cx_total "upstream_cx_total",
        upstream_cx_connect_fail "upstream_cx_connect_fail",
        upstream_cx_connect_timeout "upstream_cx_connect_timeout",
        upstream_cx_overflow "upstream_cx_overflow",
        upstream_cx_none_healthy "upstream_cx_none_healthy",
        upstream_cx_http1_total "upstream_cx_http1_total",
        upstream_cx_http2_total "upstream_cx_http2_total",
        upstream_cx_rx_bytes_total "upstream_cx_rx_bytes_total",
        upstream_cx_tx_bytes_total "upstream_cx_tx_bytes_total",
        upstream_rq_total "upstream_rq_total",
        upstream_rq_completed "upstream_rq_completed",
        upstream_rq_1xx "upstream_rq_1xx",
        upstream_rq_2xx "upstream_rq_2xx",
        upstream_rq_3xx "upstream_rq_3xx",
        upstream_rq_4xx "upstream_rq_4xx",
        upstream_rq_5xx "upstream_rq_5xx",
        upstream_rq_cancelled "upstream_rq_cancelled",
        upstream_rq_timeout "upstream_rq_timeout",
        upstream_rq_per_try_timeout "upstream_rq_per_try_timeout",
        upstream_rq_rx_reset "upstream_rq_rx_reset",
        upstream_rq_tx_reset "upstream_rq_tx_reset",
        upstream_rq_retry "upstream_rq_retry",
        upstream_rq_retry_success "upstream_rq_retry_success",
        upstream_rq_retry_overflow "upstream_rq_retry_overflow",
        upstream_rq_retry_limit_exceeded "upstream_rq_retry_limit_exceeded",
        upstream_rq_pending_total "upstream_rq_pending_total",
        upstream_rq_pending_overflow "upstream_rq_pending_overflow",
        membership_change "membership_change",
        lb_healthy_panic "lb_healthy_panic",
        ejections_overflow "outlier_detection.ejections_overflow",
        ejections_enforced_total "outlier_detection.ejections_enforced_total",
        ejections_detected_consecutive_5xx "outlier_detection.ejections_detected_consecutive_5xx",
        ejections_enforced_consecutive_5xx "outlier_detection.ejections_enforced_consecutive_5xx",
        ejections_detected_consecutive_gateway_failure
            "outlier_detection.ejections_detected_consecutive_gateway_failure",
        ejections_enforced_consecutive_gateway_failure
            "outlier_detection.ejections_enforced_consecutive_gateway_failure",
        ejections_detected_consecutive_local_origin_failure
            "outlier_detection.ejections_detected_consecutive_local_origin_failure",
        ejections_enforced_consecutive_local_origin_failure
            "outlier_detection.ejections_enforced_consecutive_local_origin_failure",
        ejections_detected_success_rate "outlier_detection.ejections_detected_success_rate",
        ejections_enforced_success_rate "outlier_detection.ejections_enforced_success_rate",
        ejections_detected_local_origin_success_rate
            "outlier_detection.ejections_detected_local_origin_success_rate",
        ejections_enforced_local_origin_success_rate
            "outlier_detection.ejections_enforced_local_origin_success_rate",
        ejections_detected_failure_percentage
            "outlier_detection.ejections_detected_failure_percentage",
        ejections_enforced_failure_percentage
            "outlier_detection.ejections_enforced_failure_percentage",
        ejections_detected_local_origin_failure_percentage
            "outlier_detection.ejections_detected_local_origin_failure_percentage",
        ejections_enforced_local_origin_failure_percentage
            "outlier_detection.ejections_enforced_local_origin_failure_percentage",
        breaker_opened "lateen.breaker.opened",
        breaker_closed "lateen.breaker.closed",
        breaker_refused "lateen.breaker.refused",
        breaker_trials "lateen.breaker.trials",
        fallback_answered "lateen.fallback.answered",
        fallback_forwarded "lateen.fallback.forwarded",
    }
    gauges {
        upstream_cx_active "upstream_cx_active",
        upstream_rq_active "upstream_rq_active",
        upstream_rq_pending_active "upstream_rq_pending_active",
        upstream_rq_retry_active "upstream_rq_retry_active",
        membership_total "membership_total",
        membership_healthy "membership_healthy",
        ejections_active "outlier_detection.ejections_active",
        breaker_open "lateen.breaker.open",
    }
}

impl Stats {
    /// Counts the class of a status.
    pub(crate) fn count_status(&self, status: u16) {
        match status / 100 {
            1 => self.upstream_rq_1xx.add(1),
            2 => self.upstream_rq_2xx.add(1),
            3 => self.upstream_rq_3xx.add(1),
            4 => self.upstream_rq_4xx.add(1),
            5 => self.upstream_rq_5xx.add(1),
            _ => {}
        }
    }
}
