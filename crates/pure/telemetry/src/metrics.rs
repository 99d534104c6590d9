//! The one table of metrics: name, meaning, kind and labels; every reader derives from it.

/// How a metric's samples behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in [`BUCKETS`].
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Which one it is.
    pub id: Id,
    /// Name as scraped.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// How samples behave.
    pub kind: Kind,
    /// Label names, in the order in which values are given.
    pub labels: &'static [&'static str],
}

/// Upper bounds of histogram buckets, for milliseconds and bytes alike; `+Inf` follows.
///
/// Spec: Envoy's default histogram bounds, which Istio's dashboards expect.
pub const BUCKETS: [f64; 19] = [
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5,
    1.8e6, 3.6e6,
];

/// Labels of `istio_requests_total` and its kin, in Istio's order.
pub const REQUEST_LABELS: [&str; 24] = [
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_flags",
    "connection_security_policy",
    "response_code",
];

/// [`REQUEST_LABELS`] and the gRPC status.
pub const GRPC_LABELS: [&str; 25] = {
    let mut labels = ["grpc_response_status"; 25];
    let mut i = 0;
    while i < REQUEST_LABELS.len() {
        labels[i] = REQUEST_LABELS[i];
        i += 1;
    }
    labels
};

/// [`REQUEST_LABELS`] without the response code.
pub const TCP_LABELS: [&str; 23] = {
    let mut labels = [""; 23];
    let mut i = 0;
    while i < labels.len() {
        labels[i] = REQUEST_LABELS[i];
        i += 1;
    }
    labels
};

const CLUSTER: &[&str] = &["cluster_name"];
const CODE_CLASS: &[&str] = &["cluster_name", "response_code_class"];
const LISTENER: &[&str] = &["listener_address"];
const NONE: &[&str] = &[];

/// Builds the enum and the table from one list, so that an id is always its row's index.
macro_rules! metrics {
    ($($id:ident $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        /// The metrics, each a row of [`METRICS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Id { $(#[doc = $help] $id,)* }

        /// Every metric of a proxy.
        pub static METRICS: &[Metric] = &[
            $(Metric { id: Id::$id, name: $name, help: $help, kind: Kind::$kind, labels: $labels },)*
        ];
    };
}

metrics! {
    Requests Counter "istio_requests_total" &GRPC_LABELS, "Requests handled.";
    RequestDuration Histogram "istio_request_duration_milliseconds" &GRPC_LABELS, "Time from a request's head to its response's last byte, in milliseconds.";
    RequestBytes Histogram "istio_request_bytes" &GRPC_LABELS, "Size of request bodies, in bytes.";
    ResponseBytes Histogram "istio_response_bytes" &GRPC_LABELS, "Size of response bodies, in bytes.";
    TcpOpened Counter "istio_tcp_connections_opened_total" &TCP_LABELS, "TCP connections opened.";
    TcpClosed Counter "istio_tcp_connections_closed_total" &TCP_LABELS, "TCP connections closed.";
    TcpSent Counter "istio_tcp_sent_bytes_total" &TCP_LABELS, "Bytes sent to the client of a TCP connection.";
    TcpReceived Counter "istio_tcp_received_bytes_total" &TCP_LABELS, "Bytes received from the client of a TCP connection.";
    Build Gauge "istio_build" &["component", "tag"], "Always 1; its labels say what runs.";
    ClusterRequests Counter "envoy_cluster_upstream_rq_total" CLUSTER, "Requests sent upstream, retries included.";
    ClusterRequestsByClass Counter "envoy_cluster_upstream_rq_xx" CODE_CLASS, "Responses from upstream by class of status.";
    ClusterRequestsActive Gauge "envoy_cluster_upstream_rq_active" CLUSTER, "Requests on their way upstream.";
    ClusterRequestsPending Gauge "envoy_cluster_upstream_rq_pending_active" CLUSTER, "Requests that wait for a connection.";
    ClusterOverflow Counter "envoy_cluster_upstream_rq_pending_overflow" CLUSTER, "Requests refused by a circuit breaker.";
    ClusterRetry Counter "envoy_cluster_upstream_rq_retry" CLUSTER, "Retries sent.";
    ClusterRetrySuccess Counter "envoy_cluster_upstream_rq_retry_success" CLUSTER, "Requests that a retry saved.";
    ClusterRetryOverflow Counter "envoy_cluster_upstream_rq_retry_overflow" CLUSTER, "Retries refused by the budget.";
    ClusterTimeout Counter "envoy_cluster_upstream_rq_timeout" CLUSTER, "Requests that ran out of time.";
    ClusterPerTryTimeout Counter "envoy_cluster_upstream_rq_per_try_timeout" CLUSTER, "Attempts that ran out of time.";
    ClusterConnects Counter "envoy_cluster_upstream_cx_total" CLUSTER, "Connections opened upstream.";
    ClusterConnectionsActive Gauge "envoy_cluster_upstream_cx_active" CLUSTER, "Connections open upstream.";
    ClusterConnectFail Counter "envoy_cluster_upstream_cx_connect_fail" CLUSTER, "Connections that could not be opened.";
    ClusterConnectTimeout Counter "envoy_cluster_upstream_cx_connect_timeout" CLUSTER, "Connections that did not open in time.";
    ClusterNoHost Counter "envoy_cluster_upstream_cx_none_healthy" CLUSTER, "Times that no healthy host was there.";
    ClusterMembers Gauge "envoy_cluster_membership_total" CLUSTER, "Hosts known.";
    ClusterHealthy Gauge "envoy_cluster_membership_healthy" CLUSTER, "Hosts that may be chosen.";
    ClusterEjected Gauge "envoy_cluster_outlier_detection_ejections_active" CLUSTER, "Hosts ejected now.";
    ClusterEjections Counter "envoy_cluster_outlier_detection_ejections_enforced_total" CLUSTER, "Ejections so far.";
    ClusterRequestsCompleted Counter "envoy_cluster_upstream_rq_completed" CLUSTER, "Requests that an upstream finished.";
    ClusterRequestsCancelled Counter "envoy_cluster_upstream_rq_cancelled" CLUSTER, "Requests given up before a connection was there.";
    ClusterPending Counter "envoy_cluster_upstream_rq_pending_total" CLUSTER, "Requests that had to wait for a connection.";
    ClusterRxReset Counter "envoy_cluster_upstream_rq_rx_reset" CLUSTER, "Requests that the upstream reset.";
    ClusterTxReset Counter "envoy_cluster_upstream_rq_tx_reset" CLUSTER, "Requests that were reset towards the upstream.";
    ClusterRetryLimit Counter "envoy_cluster_upstream_rq_retry_limit_exceeded" CLUSTER, "Requests that ran out of retries.";
    ClusterRetryActive Gauge "envoy_cluster_upstream_rq_retry_active" CLUSTER, "Retries under way.";
    ClusterConnectOverflow Counter "envoy_cluster_upstream_cx_overflow" CLUSTER, "Times that the limit of connections was reached.";
    ClusterHttp1Connects Counter "envoy_cluster_upstream_cx_http1_total" CLUSTER, "HTTP/1.1 connections opened upstream.";
    ClusterHttp2Connects Counter "envoy_cluster_upstream_cx_http2_total" CLUSTER, "HTTP/2 connections opened upstream.";
    ClusterReceived Counter "envoy_cluster_upstream_cx_rx_bytes_total" CLUSTER, "Bytes received from upstream.";
    ClusterSent Counter "envoy_cluster_upstream_cx_tx_bytes_total" CLUSTER, "Bytes sent upstream.";
    ClusterPanic Counter "envoy_cluster_lb_healthy_panic" CLUSTER, "Picks made among all hosts because too few were healthy.";
    ClusterMembershipChange Counter "envoy_cluster_membership_change" CLUSTER, "Changes of the set of hosts.";
    ClusterEjectionOverflow Counter "envoy_cluster_outlier_detection_ejections_overflow" CLUSTER, "Ejections that the limit forbade.";
    ListenerConnections Counter "envoy_listener_downstream_cx_total" LISTENER, "Connections accepted.";
    ListenerActive Gauge "envoy_listener_downstream_cx_active" LISTENER, "Connections open.";
    ListenerOverflow Counter "envoy_listener_downstream_cx_overflow" LISTENER, "Connections refused at the limit.";
    ListenerNoChain Counter "envoy_listener_no_filter_chain_match" LISTENER, "Connections that no filter chain wanted.";
    ServerLive Gauge "envoy_server_live" NONE, "1 while the proxy takes new work.";
    ServerUptime Gauge "envoy_server_uptime" NONE, "Seconds since the start.";
    ServerConcurrency Gauge "envoy_server_concurrency" NONE, "Worker threads.";
    ServerConnections Gauge "envoy_server_total_connections" NONE, "Downstream connections open.";
    UpdateSuccess Counter "envoy_cluster_manager_cds_update_success" NONE, "Cluster updates taken.";
    UpdateRejected Counter "envoy_cluster_manager_cds_update_rejected" NONE, "Cluster updates refused.";
    ListenerUpdateSuccess Counter "envoy_listener_manager_lds_update_success" NONE, "Listener updates taken.";
    ListenerUpdateRejected Counter "envoy_listener_manager_lds_update_rejected" NONE, "Listener updates refused.";
    ControlPlaneConnected Gauge "envoy_control_plane_connected_state" NONE, "1 while the control plane is connected.";
    SeriesDropped Counter "lateen_series_dropped_total" &["metric"], "Samples of label sets beyond the bound, not kept.";
}

/// The metric of a cluster statistic under Envoy's name, and the class of status for those that
/// Prometheus shows as a label: `upstream_rq_2xx`.
#[must_use]
pub fn cluster_metric(stat: &str) -> Option<(Id, Option<&str>)> {
    let class = stat.strip_prefix("upstream_rq_").and_then(|rest| rest.strip_suffix("xx"));
    if let Some(class) = class {
        return Some((Id::ClusterRequestsByClass, Some(class)));
    }
    let name = stat.replace('.', "_");
    let metric = METRICS.iter().find(|metric| {
        metric.name.strip_prefix("envoy_cluster_").is_some_and(|rest| *rest == name)
    })?;
    (metric.labels.len() == 1).then_some((metric.id, None))
}

impl Id {
    /// This metric's row.
    #[must_use]
    pub fn metric(self) -> &'static Metric {
        &METRICS[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::{GRPC_LABELS, Id, METRICS, TCP_LABELS, cluster_metric};

    #[test]
    fn names_are_unique_and_an_id_is_its_index() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert_eq!(metric.id as usize, index);
            let twins = METRICS.iter().filter(|other| other.name == metric.name).count();
            assert_eq!(twins, 1, "{}", metric.name);
        }
    }

    #[test]
    fn cluster_statistics_have_their_metric() {
        assert_eq!(cluster_metric("upstream_rq_total"), Some((Id::ClusterRequests, None)));
        assert_eq!(
            cluster_metric("upstream_rq_5xx"),
            Some((Id::ClusterRequestsByClass, Some("5")))
        );
        let ejections = cluster_metric("outlier_detection.ejections_active");
        assert_eq!(ejections, Some((Id::ClusterEjected, None)));
        assert_eq!(cluster_metric("nonsense"), None);
    }

    #[test]
    fn tcp_has_no_response_code_and_grpc_has_its_status() {
        assert!(!TCP_LABELS.contains(&"response_code"));
        assert_eq!(GRPC_LABELS[24], "grpc_response_status");
        assert_eq!(GRPC_LABELS[23], "response_code");
    }
}
