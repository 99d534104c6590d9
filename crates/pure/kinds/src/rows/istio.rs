//! Istio's kinds. Those that the mesh does not act on yet are stored as they are.

use objects::{Column, Resource};

use crate::{checks, columns, istio, schema};

/// Three versions of one schema; the first is the stored one.
const ALL: &[&str] = &["v1", "v1beta1", "v1alpha3"];

const NETWORKING: Resource = Resource {
    group: "networking.istio.io",
    versions: ALL,
    categories: &["istio-io", "networking-istio-io"],
    subresources: &["status"],
    strategic: false,
    generation: true,
    ..Resource::BLANK
};

/// A kind that is stored as it is.
const fn stored(
    base: Resource,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
) -> Resource {
    Resource { kind, plural, singular, short_names, schema: schema::open, acted_on: false, ..base }
}

const fn of_versions(base: Resource, versions: &'static [&'static str]) -> Resource {
    Resource { versions, ..base }
}

const fn with_columns(base: Resource, columns: &'static [Column]) -> Resource {
    Resource { columns, ..base }
}

const SECURITY: Resource = Resource {
    group: "security.istio.io",
    versions: &["v1", "v1beta1"],
    categories: &["istio-io", "security-istio-io"],
    ..NETWORKING
};

const TELEMETRY: Resource = Resource {
    group: "telemetry.istio.io",
    versions: &["v1", "v1alpha1"],
    categories: &["istio-io", "telemetry-istio-io"],
    ..NETWORKING
};

const EXTENSIONS: Resource = Resource {
    group: "extensions.istio.io",
    versions: &["v1alpha1"],
    categories: &["istio-io", "extensions-istio-io"],
    ..NETWORKING
};

pub(super) const ISTIO: &[Resource] = &[
    Resource {
        kind: "VirtualService",
        plural: "virtualservices",
        singular: "virtualservice",
        short_names: &["vs"],
        columns: columns::istio::VIRTUAL_SERVICE,
        schema: schema::of::<istio::VirtualService>,
        check: checks::istio::virtual_service,
        ..NETWORKING
    },
    Resource {
        kind: "DestinationRule",
        plural: "destinationrules",
        singular: "destinationrule",
        short_names: &["dr"],
        columns: columns::istio::DESTINATION_RULE,
        schema: schema::of::<istio::DestinationRule>,
        check: checks::istio::destination_rule,
        ..NETWORKING
    },
    Resource {
        kind: "Gateway",
        plural: "gateways",
        singular: "gateway",
        short_names: &["gw"],
        schema: schema::of::<istio::Gateway>,
        check: checks::istio::gateway,
        ..NETWORKING
    },
    Resource {
        kind: "ServiceEntry",
        plural: "serviceentries",
        singular: "serviceentry",
        short_names: &["se"],
        columns: columns::istio::SERVICE_ENTRY,
        schema: schema::of::<istio::ServiceEntry>,
        check: checks::istio::service_entry,
        ..NETWORKING
    },
    Resource {
        kind: "Sidecar",
        plural: "sidecars",
        singular: "sidecar",
        schema: schema::of::<istio::Sidecar>,
        check: checks::istio::sidecar,
        ..NETWORKING
    },
    Resource {
        kind: "WorkloadEntry",
        plural: "workloadentries",
        singular: "workloadentry",
        short_names: &["we"],
        columns: columns::istio::WORKLOAD_ENTRY,
        schema: schema::of::<istio::WorkloadEntry>,
        check: checks::istio::workload_entry,
        ..NETWORKING
    },
    Resource {
        kind: "WorkloadGroup",
        plural: "workloadgroups",
        singular: "workloadgroup",
        short_names: &["wg"],
        schema: schema::of::<istio::WorkloadGroup>,
        check: checks::istio::workload_group,
        ..NETWORKING
    },
    Resource {
        kind: "ProxyConfig",
        plural: "proxyconfigs",
        singular: "proxyconfig",
        versions: &["v1beta1"],
        schema: schema::of::<istio::ProxyConfig>,
        check: checks::istio::proxy_config,
        ..NETWORKING
    },
    of_versions(
        stored(NETWORKING, "EnvoyFilter", "envoyfilters", "envoyfilter", &[]),
        &["v1alpha3"],
    ),
    Resource {
        kind: "PeerAuthentication",
        plural: "peerauthentications",
        singular: "peerauthentication",
        short_names: &["pa"],
        columns: columns::istio::PEER_AUTHENTICATION,
        schema: schema::of::<istio::PeerAuthentication>,
        ..SECURITY
    },
    with_columns(
        stored(
            SECURITY,
            "AuthorizationPolicy",
            "authorizationpolicies",
            "authorizationpolicy",
            &["ap"],
        ),
        columns::istio::AUTHORIZATION_POLICY,
    ),
    stored(
        SECURITY,
        "RequestAuthentication",
        "requestauthentications",
        "requestauthentication",
        &["ra"],
    ),
    stored(TELEMETRY, "Telemetry", "telemetries", "telemetry", &["telemetry"]),
    stored(EXTENSIONS, "WasmPlugin", "wasmplugins", "wasmplugin", &[]),
];
