//! Hosts that requests name, and hosts behind unix sockets.

use crate::{
    case::{Case, Eye, act, case},
    run::Area,
};

/// A connection manager that looks up what requests name.
const LOOKS_UP: &str = "http_filters: [
  {name: envoy.filters.http.dynamic_forward_proxy, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig, dns_cache_config: {name: names, dns_lookup_family: V4_ONLY}}},
  {name: envoy.filters.http.router, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]";

/// A cluster whose hosts are the names of requests.
const BY_NAME: &str = "[{name: CASE, lb_policy: CLUSTER_PROVIDED, cluster_type: {name: envoy.clusters.dynamic_forward_proxy, typed_config: {'@type': type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig, dns_cache_config: {name: names, dns_lookup_family: V4_ONLY}}}}]";

/// The cases.
pub(crate) fn areas() -> Vec<Area> {
    let names = Area::new("names", vec![by_host(), by_edited_host().on("edited")]);
    let names = names.main(LOOKS_UP).listener("edited", LOOKS_UP);
    vec![names, Area::new("pipes", pipes())]
}

/// The port of an upstream is only known when it is there.
fn at(eye: &Eye<'_>, name: &str, host: &str) -> String {
    format!("{host}:{}", eye.upstreams.host(name).port())
}

fn by_host() -> Case {
    let routes = "{domains: ['*'], routes: [{match: {prefix: /}, route: {cluster: CASE}}]}";
    act("by the host of the request", routes, |eye| {
        let (a, b) = (at(eye, "a", "localhost"), at(eye, "b", "localhost"));
        let (upper, ip) = (at(eye, "a", "LocalHost"), at(eye, "b", "127.0.0.1"));
        let closed = at(eye, "x-closed", "127.0.0.1");
        for host in [&a, &b, &a, &upper, &ip, &closed] {
            eye.ask(&format!("GET /x | host: {host}"));
        }
        // On one connection, too: the name counts for each request.
        let mut connection = eye.open();
        for host in [&a, &b, &ip, &a] {
            eye.ask_on(&mut connection, &format!("POST /y | host: {host} || body"));
        }
        eye.ask(&format!("GET http://{b}/absolute | host: other.judge"));
        eye.upstream();
    })
    .clusters(BY_NAME)
}

fn by_edited_host() -> Case {
    let instead = |header: &str| {
        format!(
            "{{envoy.filters.http.dynamic_forward_proxy: {{'@type': type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig, host_rewrite_header: {header}}}}}"
        )
    };
    let routes = format!(
        "{{domains: ['*'], routes: [{{match: {{prefix: /named}}, route: {{cluster: CASE}}, typed_per_filter_config: {}}}, {{match: {{prefix: /}}, route: {{cluster: CASE, host_rewrite_header: x-go-to}}}}]}}",
        instead("x-go-to")
    );
    act("by another header, and with a host that is rewritten", &routes, |eye| {
        let (a, b) = (at(eye, "a", "localhost"), at(eye, "b", "127.0.0.1"));
        eye.ask(&format!("GET /named | host: own.judge | x-go-to: {b}"));
        eye.ask(&format!("GET /named | host: {a}"));
        eye.ask(&format!("GET /named | host: {a} | x-go-to: {b}"));
        eye.ask(&format!("GET / | host: {a}"));
        eye.ask(&format!("GET / | host: {a} | x-go-to: {b}"));
        eye.upstream();
    })
    .clusters(BY_NAME)
}

fn pipes() -> Vec<Case> {
    let to = "[{match: {prefix: /}, route: {cluster: CASE}}]";
    let own = |name: &str, hosts: &str, asks: &[&str]| {
        case(name, to, asks).clusters(&format!("[{{name: CASE, hosts: [{hosts}]}}]"))
    };
    vec![
        own("a unix socket", "u-pipe", &["GET /a", "POST /b | x-do: 200 || body", "HEAD /c"]),
        // Where the turn begins is left to chance.
        act("sockets of both families take turns", to, |eye| {
            let mut connection = eye.open();
            for _ in 0..10 {
                if let Ok(reply) = eye.quietly(&mut connection, "GET /") {
                    eye.see(String::from_utf8_lossy(&reply.body));
                }
            }
            eye.seen.sort();
        })
        .clusters("[{name: CASE, hosts: [u-pipe, a]}]")
        .without_flags(),
        own("a unix socket that is not there", "u-gone-pipe", &["GET /"]),
        own("a reset on a unix socket", "u-pipe", &["GET / | x-do: reset", "GET /"]),
        case("a unix socket by hash", "[{match: {prefix: /}, route: {cluster: CASE, hash_policy: [{header: {header_name: x-key}}]}}]",
            &["GET / | x-key: 1", "GET / | x-key: 2", "GET / | x-key: 3", "GET / | x-key: 4", "GET / | x-key: 5"])
            .clusters("[{name: CASE, lb_policy: MAGLEV, hosts: [u-pipe, v-pipe]}]"),
    ]
}
