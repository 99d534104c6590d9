//! Istio's labels of one exchange: who called, who answered, how it ended.

use crate::metrics::GRPC_LABELS;

/// The word for what is not known, in every label of Istio.
pub const UNKNOWN: &str = "unknown";

/// Which side of the connection counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// The caller's proxy.
    Source,
    /// The answering side's proxy.
    Destination,
}

/// A workload as metrics name it. An unknown field is [`UNKNOWN`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Name of the Deployment or bare Pod.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Canonical service: label `service.istio.io/canonical-name`, else `app.kubernetes.io/name`,
    /// else `app`, else the workload's name.
    pub canonical_service: String,
    /// Canonical revision: label `service.istio.io/canonical-revision`, else
    /// `app.kubernetes.io/version`, else `version`, else `latest`.
    pub canonical_revision: String,
    /// Label `app`.
    pub app: String,
    /// Label `version`.
    pub version: String,
    /// SPIFFE id, when the peer proved one.
    pub principal: String,
    /// Cluster id.
    pub cluster: String,
}

impl Workload {
    /// A workload of which nothing is known.
    #[must_use]
    pub fn unknown() -> Workload {
        let unknown = || UNKNOWN.to_owned();
        Workload {
            name: unknown(),
            namespace: unknown(),
            canonical_service: unknown(),
            canonical_revision: "latest".to_owned(),
            app: unknown(),
            version: unknown(),
            principal: unknown(),
            cluster: unknown(),
        }
    }

    /// A workload from its name, namespace, cluster and a look-up of its pod labels.
    #[must_use]
    pub fn from_labels<'a>(
        name: Option<&str>,
        namespace: Option<&str>,
        cluster: Option<&str>,
        label: impl Fn(&str) -> Option<&'a str>,
    ) -> Workload {
        let first = |names: &[&str]| names.iter().find_map(|name| label(name)).map(str::to_owned);
        let or = |value: Option<&str>| value.unwrap_or(UNKNOWN).to_owned();
        let service = first(&["service.istio.io/canonical-name", "app.kubernetes.io/name", "app"]);
        let revision =
            first(&["service.istio.io/canonical-revision", "app.kubernetes.io/version", "version"]);
        Workload {
            name: or(name),
            namespace: or(namespace),
            canonical_service: service.unwrap_or_else(|| or(name)),
            canonical_revision: revision.unwrap_or_else(|| "latest".to_owned()),
            app: or(label("app")),
            version: or(label("version")),
            principal: UNKNOWN.to_owned(),
            cluster: or(cluster),
        }
    }
}

/// One finished request, or one TCP connection (which has no code and no gRPC status).
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Which side counted.
    pub reporter: Reporter,
    /// The caller.
    pub source: &'a Workload,
    /// The answering workload.
    pub destination: &'a Workload,
    /// Host of the service, `reviews.default.svc.cluster.local`.
    pub service: &'a str,
    /// Short name of the service, or the name of the cluster for pass-through traffic.
    pub service_name: &'a str,
    /// Namespace of the service.
    pub service_namespace: &'a str,
    /// `http`, `grpc` or `tcp`.
    pub protocol: &'a str,
    /// Status; `0` when the client left before there was one.
    pub code: &'a str,
    /// gRPC status, empty when this was no gRPC.
    pub grpc_status: &'a str,
    /// Envoy's response flags, `-` when there is none.
    pub flags: &'a str,
    /// `none`, `mutual_tls` or `unknown` (which is what the source side says).
    pub security: &'a str,
}

impl<'a> Exchange<'a> {
    /// Values for [`GRPC_LABELS`], in order. The first 24 are those of HTTP, the first 23 of TCP.
    #[must_use]
    pub fn labels(&self) -> [&'a str; GRPC_LABELS.len()] {
        let (source, destination) = (self.source, self.destination);
        [
            match self.reporter {
                Reporter::Source => "source",
                Reporter::Destination => "destination",
            },
            &source.name,
            &source.canonical_service,
            &source.canonical_revision,
            &source.namespace,
            &source.principal,
            &source.app,
            &source.version,
            &source.cluster,
            &destination.name,
            &destination.namespace,
            &destination.principal,
            &destination.app,
            &destination.version,
            self.service,
            &destination.canonical_service,
            &destination.canonical_revision,
            self.service_name,
            self.service_namespace,
            &destination.cluster,
            self.protocol,
            self.flags,
            self.security,
            self.code,
            self.grpc_status,
        ]
    }
}

/// Splits an Istio cluster name, `outbound|80|v1|reviews.default.svc.cluster.local`, into service
/// host, short name and namespace. Other clusters name themselves, as Istio does for pass-through.
#[must_use]
pub fn service_of(cluster: &str) -> (&str, &str, &str) {
    let mut parts = cluster.splitn(4, '|');
    let (_, _, _, host) = (parts.next(), parts.next(), parts.next(), parts.next());
    match host {
        Some(host) if !host.is_empty() => match host.split_once(".svc.") {
            Some((front, _)) => match front.split_once('.') {
                Some((name, namespace)) => (host, name, namespace),
                None => (host, host, UNKNOWN),
            },
            None => (host, host, UNKNOWN),
        },
        _ => (UNKNOWN, if cluster.is_empty() { UNKNOWN } else { cluster }, UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    use super::{Workload, service_of};

    #[test]
    fn cluster_names_tell_the_service() {
        for (cluster, expected) in [
            ("outbound|80|v1|a.b.svc.cluster.local", ("a.b.svc.cluster.local", "a", "b")),
            ("outbound|443||example.org", ("example.org", "example.org", "unknown")),
            ("PassthroughCluster", ("unknown", "PassthroughCluster", "unknown")),
            ("inbound|8080||", ("unknown", "inbound|8080||", "unknown")),
            ("", ("unknown", "unknown", "unknown")),
        ] {
            assert_eq!(service_of(cluster), expected, "{cluster}");
        }
    }

    #[test]
    fn the_canonical_service_falls_back_to_the_workload() {
        let labels = [("version", "v2")];
        let label = |name: &str| labels.iter().find(|(n, _)| *n == name).map(|(_, v)| *v);
        let workload = Workload::from_labels(Some("w"), None, None, label);
        assert_eq!(workload.canonical_service, "w");
        assert_eq!(
            (workload.canonical_revision.as_str(), workload.app.as_str()),
            ("v2", "unknown")
        );
    }
}
