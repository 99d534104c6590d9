//! Gateways.

use serde_json::{Value, json};

use super::{Script, filter};

fn gateway(number: u16, protocol: &str, hosts: Value) -> Value {
    json!({"selector": {"istio": "ingressgateway"}, "servers": [
        {"port": {"number": number, "name": "x", "protocol": protocol}, "hosts": hosts}]})
}

fn routes(hosts: Value, gateways: Value, name: &str) -> Value {
    json!({"hosts": hosts, "gateways": gateways, "http": [{"name": name, "route": [{"destination": {"host": "web"}}]}]})
}

fn script() -> Script {
    let mut script = Script::default();
    script.app("web", 80, &["v1"]).ingress();
    script
}

#[test]
fn a_gateway_listens_on_the_target_port_and_routes_by_host() {
    let mut script = script();
    script.istio("Gateway", "gw", gateway(80, "HTTP", json!(["*"])));
    script.istio("VirtualService", "web", routes(json!(["web.example.com"]), json!(["gw"]), "web"));
    let told = script.gateway();
    let names: Vec<_> = told.listeners().into_keys().collect();
    assert_eq!(names, ["0.0.0.0_8080"]);
    let listener = told.listener("0.0.0.0_8080");
    assert!(listener.get("bindToPort").is_none());
    let manager = filter(&listener["filterChains"][0]);
    assert_eq!(manager["rds"]["routeConfigName"], "http.8080");
    assert_eq!(manager["useRemoteAddress"], true);
    assert_eq!(told.targets("http.8080", "web.example.com"), ["80||web"]);
    assert_eq!(told.tables()["http.8080"]["ignorePortInHostMatching"], true);
    assert_eq!(script.findings(), Vec::<String>::new());
    // Bound to the gateway only, so sidecars do not know the host.
    assert!(!script.sidecar().tables()["80"].to_string().contains("web.example.com"));
}

#[test]
fn port_80_and_8080_are_one_listener() {
    let mut script = script();
    script.istio("Gateway", "a", gateway(80, "HTTP", json!(["a.com"])));
    script.istio("Gateway", "b", gateway(8080, "HTTP", json!(["b.com"])));
    script.istio("VirtualService", "a", routes(json!(["a.com"]), json!(["a"]), "a"));
    script.istio("VirtualService", "b", routes(json!(["b.com"]), json!(["default/b"]), "b"));
    let told = script.gateway();
    assert_eq!(told.listeners().len(), 1);
    assert_eq!(told.routes("http.8080", "a.com")[0]["name"], "a");
    assert_eq!(told.routes("http.8080", "b.com")[0]["name"], "b");
}

#[test]
fn without_rules_a_gateway_answers_404() {
    let mut script = script();
    script.istio("Gateway", "gw", gateway(80, "HTTP", json!(["*"])));
    let told = script.gateway();
    let host = told.host("http.8080", "*");
    assert_eq!(host["name"], "blackhole:8080");
    assert!(host.get("routes").is_none());
}

#[test]
fn hosts_of_servers_and_rules_meet_in_the_narrower() {
    let table = [
        (json!(["*"]), json!(["a.com"]), Some("a.com")),
        (json!(["*.com"]), json!(["a.com"]), Some("a.com")),
        (json!(["a.com"]), json!(["*"]), Some("a.com")),
        (json!(["*/a.com"]), json!(["a.com"]), Some("a.com")),
        (json!(["./a.com"]), json!(["a.com"]), Some("a.com")),
        (json!(["default/*"]), json!(["a.com"]), Some("a.com")),
        (json!(["other/*"]), json!(["a.com"]), None),
        (json!(["b.com"]), json!(["a.com"]), None),
        (json!(["*"]), json!(["*"]), Some("*")),
    ];
    for (server, rule, expected) in table {
        let mut script = script();
        script.istio("Gateway", "gw", gateway(80, "HTTP", server.clone()));
        script.istio("VirtualService", "web", routes(rule.clone(), json!(["gw"]), "web"));
        let told = script.gateway();
        let table = told.tables()["http.8080"]["virtualHosts"].clone();
        let found: Vec<_> = table
            .as_array()
            .into_iter()
            .flatten()
            .filter(|host| !host["routes"].is_null())
            .filter_map(|host| host["domains"][0].as_str())
            .collect();
        assert_eq!(found.first().copied(), expected, "{server} {rule}");
        assert!(found.len() < 2);
    }
}

#[test]
fn rules_of_one_host_merge_by_age_with_catch_alls_last() {
    let mut script = script();
    script.istio("Gateway", "gw", gateway(80, "HTTP", json!(["*"])));
    script.istio("VirtualService", "z-old", routes(json!(["a.com"]), json!(["gw"]), "old-all"));
    script.istio("VirtualService", "a-new", json!({"hosts": ["a.com"], "gateways": ["gw"], "http": [
        {"name": "new-path", "match": [{"uri": {"prefix": "/x"}}], "route": [{"destination": {"host": "web"}}]},
        {"name": "new-all", "route": [{"destination": {"host": "web"}}]}]}));
    let routes = script.gateway().routes("http.8080", "a.com");
    let names: Vec<_> = routes.iter().map(|route| route["name"].as_str().unwrap_or("")).collect();
    assert_eq!(names, ["new-path", "old-all"]);
}

#[test]
fn matches_name_the_gateways_they_are_for() {
    let mut script = script();
    script.istio("Gateway", "gw", gateway(80, "HTTP", json!(["*"])));
    script.istio("VirtualService", "web", json!({"hosts": ["web", "a.com"], "gateways": ["mesh", "gw"], "http": [
        {"name": "edge", "match": [{"gateways": ["gw"]}], "route": [{"destination": {"host": "web"}}]},
        {"name": "in", "match": [{"gateways": ["mesh"]}], "route": [{"destination": {"host": "web"}}]},
        {"name": "both", "match": [{"uri": {"prefix": "/b"}}], "route": [{"destination": {"host": "web"}}]}]}));
    let names = |routes: Vec<Value>| {
        routes.iter().map(|one| one["name"].as_str().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(script.gateway().routes("http.8080", "a.com")), ["edge"]);
    assert_eq!(names(script.sidecar().routes("80", "web")), ["in"]);
}

#[test]
fn a_server_may_listen_on_a_unix_socket() {
    let mut script = script();
    let server = |number: u16, bind: &str| {
        json!({"selector": {"istio": "ingressgateway"}, "servers": [
        {"port": {"number": number, "name": "http", "protocol": "HTTP"}, "bind": bind, "hosts": ["*"]}]})
    };
    script.istio("Gateway", "shop", server(0, "unix:///run/shop"));
    script.istio("VirtualService", "shop", routes(json!(["*"]), json!(["shop"]), "reviews"));
    assert_eq!(script.findings(), Vec::<String>::new());
    let told = script.gateway();
    assert_eq!(told.listener("/run/shop_0")["address"], json!({"pipe": {"path": "/run/shop"}}));
    assert_eq!(told.targets("http.0./run/shop", "*").len(), 1);
    for (number, bind, path) in [
        (8080, "unix:///run/shop", "spec.servers[0].port.number"),
        (8080, "unix:run", "spec.servers[0].bind"),
        (0, "", "spec.servers[0].port.number"),
    ] {
        script.istio("Gateway", "shop", server(number, bind));
        assert_eq!(script.findings()[0], format!("IST0106 {path}"), "{number} {bind}");
    }
}

#[test]
fn plain_requests_are_sent_to_https() {
    let mut script = script();
    let mut spec = gateway(80, "HTTP", json!(["a.com"]));
    spec["servers"][0]["tls"] = json!({"httpsRedirect": true});
    script.istio("Gateway", "gw", spec);
    let told = script.gateway();
    assert_eq!(told.host("http.8080", "a.com")["requireTls"], "ALL");
    script.istio("VirtualService", "web", routes(json!(["a.com"]), json!(["gw"]), "web"));
    let host = script.gateway().host("http.8080", "a.com");
    assert_eq!(host["requireTls"], "ALL");
    assert_eq!(host["routes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_server_that_opens_tls_waits_for_the_next_version() {
    let mut script = script();
    let mut spec = gateway(443, "HTTPS", json!(["a.com"]));
    spec["servers"][0]["tls"] = json!({"mode": "SIMPLE", "credentialName": "cert"});
    script.istio("Gateway", "gw", spec);
    assert!(script.gateway().listeners().is_empty());
    assert_eq!(script.findings(), ["LAT0003 spec.servers[0].tls.mode"]);
}

#[test]
fn tls_passes_through_by_name_and_bytes_by_port() {
    let mut script = script();
    let mut spec = gateway(443, "TLS", json!(["*.a.com"]));
    spec["servers"][0]["tls"] = json!({"mode": "PASSTHROUGH"});
    spec["servers"].as_array_mut().expect("a list").push(json!(
        {"port": {"number": 31400, "name": "tcp", "protocol": "TCP"}, "hosts": ["*"]}));
    script.istio("Gateway", "gw", spec);
    script.istio("VirtualService", "tls", json!({"hosts": ["x.a.com"], "gateways": ["gw"], "tls": [
        {"match": [{"port": 443, "sniHosts": ["x.a.com"]}], "route": [{"destination": {"host": "web"}}]}]}));
    script.istio(
        "VirtualService",
        "tcp",
        json!({"hosts": ["*"], "gateways": ["gw"], "tcp": [
        {"match": [{"port": 31400}], "route": [{"destination": {"host": "web"}}]}]}),
    );
    let told = script.gateway();
    let tls = told.listener("0.0.0.0_8443");
    assert_eq!(tls["filterChains"][0]["filterChainMatch"]["serverNames"], json!(["x.a.com"]));
    assert_eq!(tls["filterChains"].as_array().map(Vec::len), Some(1));
    let tcp = told.listener("0.0.0.0_31400");
    assert_eq!(
        filter(&tcp["filterChains"][0])["cluster"],
        "outbound|80||web.default.svc.cluster.local"
    );
}

#[test]
fn a_gateway_of_other_pods_does_nothing_here() {
    let mut script = script();
    let mut spec = gateway(80, "HTTP", json!(["*"]));
    spec["selector"] = json!({"istio": "egressgateway"});
    script.istio("Gateway", "gw", spec);
    assert!(script.gateway().listeners().is_empty());
    assert_eq!(script.findings(), ["IST0101 spec.selector"]);
}
