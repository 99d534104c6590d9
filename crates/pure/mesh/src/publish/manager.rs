//! The HTTP connection manager, as Istio sets it up in each of its places.

use std::time::Duration;

use xds::Named;
use xds::filters::http_connection_manager::{
    CodecType, ForwardClientCertDetails, RouteSpecifier, ServerHeaderTransformation,
    SetCurrentClientCertDetails, UpgradeConfig,
};
use xds::filters::{Cors, HttpConnectionManager, HttpFault, HttpFilter, Rds, Router, http_filter};
use xds::listener::Filter;
use xds::route::RouteConfiguration;
use xds::wkt::Any;

use super::Sight;
use super::action::{CORS, FAULT};
use super::dynamic::{self, NAMES};
use super::wire::{ads, network_filter, span};

/// Where a connection manager stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Before the application.
    Inbound,
    /// Behind the application.
    Outbound,
    /// At the edge of the mesh.
    Gateway,
}

/// A connection manager whose routes come by name.
pub(super) fn by_name(view: &Sight<'_>, side: Side, stat_prefix: &str, routes: &str) -> Filter {
    let routes =
        RouteSpecifier::Rds(Rds { config_source: ads(), route_config_name: routes.to_owned() });
    let mut filters = filters(side);
    if view.looks_up {
        // Before the router, which ends the list.
        let names = filter(NAMES, &dynamic::http_filter(&view.mesh));
        filters.insert(filters.len() - 1, names);
    }
    manager(side, stat_prefix, routes, filters)
}

/// A connection manager with its routes in it.
pub(super) fn with_routes(side: Side, stat_prefix: &str, routes: RouteConfiguration) -> Filter {
    manager(side, stat_prefix, RouteSpecifier::RouteConfig(routes), filters(side))
}

fn manager(
    side: Side,
    stat_prefix: &str,
    routes: RouteSpecifier,
    http_filters: Vec<HttpFilter>,
) -> Filter {
    let details = SetCurrentClientCertDetails {
        subject: Some(true),
        dns: true,
        uri: true,
        ..SetCurrentClientCertDetails::default()
    };
    let mut manager = HttpConnectionManager {
        codec_type: CodecType::Auto as i32,
        stat_prefix: stat_prefix.to_owned(),
        route_specifier: Some(routes),
        http_filters,
        server_header_transformation: ServerHeaderTransformation::Overwrite as i32,
        stream_idle_timeout: span(Duration::ZERO),
        use_remote_address: Some(side == Side::Gateway),
        generate_request_id: Some(true),
        normalize_path: Some(true),
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..UpgradeConfig::default()
        }],
        ..HttpConnectionManager::default()
    };
    // Towards the client the proxy is `istio-envoy`; towards its own application, `envoy`.
    if side != Side::Outbound {
        manager.server_name = "istio-envoy".to_owned();
        manager.set_current_client_cert_details = Some(details);
        manager.forward_client_cert_details = match side {
            Side::Inbound => ForwardClientCertDetails::AppendForward as i32,
            _ => ForwardClientCertDetails::SanitizeSet as i32,
        };
    }
    network_filter("envoy.filters.network.http_connection_manager", &manager)
}

fn filters(side: Side) -> Vec<HttpFilter> {
    let router = filter("envoy.filters.http.router", &Router::default());
    if side == Side::Inbound {
        return vec![router];
    }
    vec![filter(FAULT, &HttpFault::default()), filter(CORS, &Cors::default()), router]
}

fn filter<M: Named>(name: &str, config: &M) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(Any::pack(config))),
        ..HttpFilter::default()
    }
}
