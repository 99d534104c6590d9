//! Sidecar objects, and the defaults of the mesh.

use serde_json::{Value, json};

use super::{Script, Told, filter, sidecar};
use crate::Node;

/// Three services: two in `default`, one in `far`, and an external host.
fn script() -> Script {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]).app("ratings", 9080, &["v1"]);
    script.add(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bank", "namespace": "far"},
        "spec": {"clusterIP": "10.96.7.7", "selector": {"app": "bank"}, "ports": [{"name": "http", "port": 80}, {"name": "http-b", "port": 81}]}}));
    script.istio_in(
        "far",
        "ServiceEntry",
        "api",
        json!({"hosts": ["api.example.com"], "resolution": "DNS",
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}]}),
    );
    script
}

/// Hosts of the outbound clusters, without their tails.
fn called(told: &Told) -> Vec<String> {
    let mut hosts: Vec<String> = told
        .clusters()
        .keys()
        .filter_map(|name| name.strip_prefix("outbound|"))
        .map(|name| name.replace(".svc.cluster.local", "").replace("||", " "))
        .collect();
    hosts.sort();
    hosts
}

fn egress(hosts: Value) -> Value {
    json!({"egress": [{"hosts": hosts}]})
}

#[test]
fn egress_hosts_replace_everything() {
    let table = [
        (json!(["./*"]), vec!["9080 ratings.default", "9080 reviews.default"]),
        (json!(["*/bank.far.svc.cluster.local"]), vec!["80 bank.far", "81 bank.far"]),
        (json!(["far/*"]), vec!["80 api.example.com", "80 bank.far", "81 bank.far"]),
        (
            json!(["far/*.example.com", "./ratings.default.svc.cluster.local"]),
            vec!["80 api.example.com", "9080 ratings.default"],
        ),
        (json!(["~/*"]), vec![]),
        (json!(["default/*.example.com"]), vec![]),
    ];
    for (hosts, expected) in table {
        let mut script = script();
        script.istio("Sidecar", "s", egress(hosts.clone()));
        assert_eq!(called(&script.sidecar()), expected, "{hosts}");
        let other = called(&script.snapshot(&sidecar("far", &[])));
        assert_eq!(other.len(), 5, "another namespace sees all: {other:?}");
    }
}

#[test]
fn the_nearest_sidecar_object_counts() {
    let mut script = script();
    script.istio_in("istio-system", "Sidecar", "all", egress(json!(["far/*"])));
    let seen = |script: &Script, node: &Node| called(&script.snapshot(node)).len();
    let (plain, chosen) = (sidecar("default", &[]), sidecar("default", &[("app", "x")]));
    assert_eq!(seen(&script, &plain), 3, "the root namespace's is for all");
    script.istio("Sidecar", "own", egress(json!(["./*"])));
    assert_eq!(seen(&script, &plain), 2);
    let mut selecting = egress(json!(["./ratings.default.svc.cluster.local"]));
    selecting["workloadSelector"] = json!({"labels": {"app": "x"}});
    script.istio("Sidecar", "selecting", selecting);
    assert_eq!((seen(&script, &plain), seen(&script, &chosen)), (2, 1));
    // A gateway takes no notice.
    script.ingress();
    assert!(called(&script.gateway()).len() > 5);
}

#[test]
fn of_two_for_the_same_workloads_the_older_is_used() {
    let mut script = script();
    script.istio("Sidecar", "one", egress(json!(["./*"])));
    script.istio("Sidecar", "two", egress(json!(["far/*"])));
    assert_eq!(called(&script.sidecar()).len(), 2);
    assert_eq!(script.findings(), ["IST0111 spec"]);
    for name in ["three", "four"] {
        let mut spec = egress(json!(["~/*"]));
        spec["workloadSelector"] = json!({"labels": {"app": "x"}});
        script.istio("Sidecar", name, spec);
    }
    assert_eq!(script.findings(), ["IST0110 spec.workloadSelector", "IST0111 spec"]);
}

#[test]
fn rules_are_seen_by_their_namespace_and_bring_their_destinations() {
    let mut script = script();
    let fq = "bank.far.svc.cluster.local";
    script.istio("VirtualService", "v", json!({"hosts": ["reviews"], "http": [{"route": [{"destination": {"host": fq, "port": {"number": 81}}}]}]}));
    script.istio_in(
        "far",
        "VirtualService",
        "w",
        json!({"hosts": ["ratings.default.svc.cluster.local"],
        "http": [{"directResponse": {"status": 418}}]}),
    );
    script.istio("Sidecar", "s", egress(json!(["./*"])));
    let told = script.sidecar();
    assert_eq!(told.targets("9080", "reviews"), ["81||bank.far.svc.cluster.local"]);
    assert_eq!(told.targets("9080", "ratings"), ["9080||ratings"], "the rule of `far` is not seen");
    // The destination is reached by the rule, and not by its own name.
    assert!(told.clusters().contains_key("outbound|81||bank.far.svc.cluster.local"));
    assert!(!told.tables().contains_key("81"));
}

#[test]
fn a_list_for_one_port_is_for_that_port_alone() {
    let mut script = script();
    script.istio("Sidecar", "s", json!({"egress": [
        {"port": {"number": 80, "protocol": "HTTP", "name": "e"}, "hosts": ["far/bank.far.svc.cluster.local"]},
        {"hosts": ["*/*"]}]}));
    let told = script.sidecar();
    let hosts = |table: &str| -> Vec<String> {
        let all = told.tables()[table]["virtualHosts"].as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(
        hosts("80"),
        ["bank.far.svc.cluster.local:80", "allow_any"],
        "api.example.com is not on this list"
    );
    assert_eq!(hosts("81"), ["bank.far.svc.cluster.local:81", "allow_any"]);
    assert_eq!(hosts("9080").len(), 3);
}

#[test]
fn unknown_hosts_pass_are_refused_or_go_to_one_place() {
    let fallback = |script: &Script| {
        let told = script.sidecar();
        let listener = told.listener("virtualOutbound");
        let host = told.host("9080", "*");
        let route = &host["routes"][0];
        (
            filter(&listener["filterChains"][1])["cluster"].as_str().unwrap_or_default().to_owned(),
            route["directResponse"]["status"].as_u64().unwrap_or_default(),
            route["route"]["cluster"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let with = |policy: Value| {
        let mut script = script();
        script.istio("Sidecar", "s", json!({"outboundTrafficPolicy": policy}));
        fallback(&script)
    };
    let pass = ("PassthroughCluster".to_owned(), 0, "PassthroughCluster".to_owned());
    let refuse = ("BlackHoleCluster".to_owned(), 502, String::new());
    assert_eq!(fallback(&script()), pass);
    assert_eq!(with(json!({"mode": "REGISTRY_ONLY"})), refuse);
    assert_eq!(with(json!({})), refuse, "the enum's zero");
    assert_eq!(with(json!({"mode": "ALLOW_ANY"})), pass);
    let proxy = "outbound|80||bank.far.svc.cluster.local".to_owned();
    let to = json!({"mode": "ALLOW_ANY", "egressProxy": {"host": "bank.far.svc.cluster.local", "port": {"number": 80}}});
    assert_eq!(with(to), (proxy.clone(), 0, proxy));
    // The mesh's own default, and a Sidecar that says nothing of it.
    let mut meshwide = script();
    meshwide.mesh_config("outboundTrafficPolicy: { mode: REGISTRY_ONLY }");
    assert_eq!(fallback(&meshwide), refuse);
    meshwide.istio("Sidecar", "s", egress(json!(["./*"])));
    assert_eq!(fallback(&meshwide), refuse);
}

#[test]
fn ingress_listeners_replace_what_services_tell() {
    let mut script = Script::default();
    script.app("me", 8080, &["v1"]);
    script.istio("Sidecar", "s", json!({"workloadSelector": {"labels": {"app": "me"}},
        "inboundConnectionPool": {"http": {"http2MaxRequests": 9}},
        "ingress": [
            {"port": {"number": 8080, "protocol": "HTTP", "name": "a"}, "defaultEndpoint": "127.0.0.1:3000"},
            {"port": {"number": 9999, "protocol": "TCP", "name": "b"}, "connectionPool": {"tcp": {"maxConnections": 2}}}]}));
    let told = script.snapshot(&sidecar("default", &[("app", "me")]));
    let clusters = told.clusters();
    let inbound: Vec<_> = clusters.keys().filter(|name| name.starts_with("inbound|")).collect();
    assert_eq!(inbound, ["inbound|8080||", "inbound|9999||"]);
    let at = |name: &str| {
        clusters[name]["loadAssignment"]["endpoints"][0]["lbEndpoints"][0]["endpoint"]["address"]["socketAddress"]["portValue"].clone()
    };
    assert_eq!((at("inbound|8080||"), at("inbound|9999||")), (json!(3000), json!(9999)));
    let limit =
        |name: &str, field: &str| clusters[name]["circuitBreakers"]["thresholds"][0][field].clone();
    assert_eq!(limit("inbound|8080||", "maxRequests"), 9);
    assert_eq!(limit("inbound|9999||", "maxConnections"), 2);
    assert_eq!(
        limit("inbound|9999||", "maxRequests"),
        u32::MAX,
        "a pool of its own replaces the whole"
    );
    assert_eq!(
        clusters["inbound|8080||"]["metadata"]["filterMetadata"]["istio"]["services"][0]["name"],
        "me"
    );
    // A sidecar that it does not select has what services tell.
    let other = script.snapshot(&sidecar("default", &[("app", "other")]));
    assert!(!other.clusters().contains_key("inbound|9999||"));
}

#[test]
fn a_server_takes_what_its_callers_may_send() {
    let mut script = Script::default();
    script.app("me", 8080, &["v1"]);
    script.istio("DestinationRule", "d", json!({"host": "me", "trafficPolicy": {
        "loadBalancer": {"simple": "RANDOM"}, "connectionPool": {"http": {"http1MaxPendingRequests": 7}}}}));
    let cluster = script.snapshot(&sidecar("default", &[("app", "me")])).cluster("inbound|8080||");
    assert_eq!(cluster["circuitBreakers"]["thresholds"][0]["maxPendingRequests"], 7);
    assert_eq!(cluster["lbPolicy"], "LEAST_REQUEST", "only the pool is the server's business");
}

#[test]
fn fields_of_a_sidecar_that_do_nothing_say_so() {
    let mut script = script();
    let port = json!({"number": 8080, "protocol": "HTTP", "name": "a"});
    script.istio("Sidecar", "s", json!({
        "ingress": [{"port": port, "bind": "10.0.0.1", "captureMode": "NONE", "tls": {"mode": "SIMPLE"}},
            {"port": {"number": 1, "protocol": "TCP", "name": "u"}, "defaultEndpoint": "unix://run/a"}],
        "egress": [{"port": port, "bind": "127.0.0.1", "captureMode": "NONE", "hosts": ["./*"]}]}));
    assert_eq!(
        script.findings(),
        [
            "IST0106 spec.ingress[1].defaultEndpoint",
            "LAT0001 spec.egress[0].bind",
            "LAT0001 spec.egress[0].captureMode",
            "LAT0001 spec.ingress[0].bind",
            "LAT0001 spec.ingress[0].captureMode",
            "LAT0001 spec.ingress[0].tls",
        ]
    );
}

#[test]
fn the_mesh_has_defaults_for_what_rules_leave_out() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]).app("ratings", 9080, &["v1"]);
    script.mesh_config(
        "connectTimeout: 3s
tcpKeepalive: { probes: 5, time: 100s }
defaultHttpRetryPolicy: { attempts: 7, retryOn: 5xx }
h2UpgradePolicy: UPGRADE
protocolDetectionTimeout: 250ms
rootNamespace: istio-system
enableAutoMtls: true
ingressClass: other
",
    );
    script.istio(
        "DestinationRule",
        "d",
        json!({"host": "ratings", "trafficPolicy": {"connectionPool": {
        "tcp": {"connectTimeout": "1s"}, "http": {"h2UpgradePolicy": "DO_NOT_UPGRADE"}}}}),
    );
    script.istio(
        "VirtualService",
        "v",
        json!({"hosts": ["ratings"], "http": [
        {"retries": {"attempts": 1}, "route": [{"destination": {"host": "ratings"}}]}]}),
    );
    let told = script.sidecar();
    let cluster =
        |name: &str| told.cluster(&format!("outbound|9080||{name}.default.svc.cluster.local"));
    assert_eq!(cluster("reviews")["connectTimeout"], "3s");
    assert_eq!(cluster("ratings")["connectTimeout"], "1s");
    let keepalive = &cluster("reviews")["upstreamConnectionOptions"]["tcpKeepalive"];
    assert_eq!(*keepalive, json!({"keepaliveProbes": 5, "keepaliveTime": 100}));
    let speaks_2 = |name: &str| {
        cluster(name)["typedExtensionProtocolOptions"].to_string().contains("http2ProtocolOptions")
    };
    assert!(speaks_2("reviews") && !speaks_2("ratings"));
    let retries =
        |name: &str| told.routes("9080", name)[0]["route"]["retryPolicy"]["numRetries"].clone();
    assert_eq!((retries("reviews"), retries("ratings")), (json!(7), json!(1)));
    assert_eq!(told.listener("virtualInbound")["listenerFiltersTimeout"], "0.250s");
    assert_eq!(script.findings(), ["LAT0001 data.mesh: ingressClass"]);
}

#[test]
fn the_mesh_says_who_sees_what_says_nothing() {
    let mut script = script();
    script.istio(
        "VirtualService",
        "v",
        json!({"hosts": ["reviews"], "http": [{"directResponse": {"status": 418}}]}),
    );
    script.mesh_config("defaultServiceExportTo: [ '.' ]\ndefaultVirtualServiceExportTo: [ '~' ]");
    assert_eq!(called(&script.sidecar()), ["9080 ratings.default", "9080 reviews.default"]);
    assert_eq!(script.sidecar().targets("9080", "reviews"), ["9080||reviews"]);
}

#[test]
fn a_bad_document_leaves_the_built_in_defaults() {
    for bad in ["- a\n- b", "a: [", "outboundTrafficPolicy: { mode: SOMETIMES }"] {
        let mut script = script();
        script.mesh_config(bad);
        let findings = script.findings();
        assert!(
            findings.len() == 1 && findings[0].starts_with("IST0106 data.mesh"),
            "{findings:?}"
        );
        assert_eq!(script.sidecar().targets("9080", "*"), ["PassthroughCluster"]);
    }
}

#[test]
fn an_application_may_listen_on_a_unix_socket() {
    let mut script = script();
    script.istio("Sidecar", "s", json!({"ingress": [
        {"port": {"number": 9080, "protocol": "HTTP", "name": "a"}, "defaultEndpoint": "unix://@app"}]}));
    assert_eq!(script.findings(), Vec::<String>::new());
    let told = script.sidecar();
    let hosts = &told.cluster("inbound|9080||")["loadAssignment"]["endpoints"][0]["lbEndpoints"];
    assert_eq!(hosts[0]["endpoint"]["address"], json!({"pipe": {"path": "@app"}}));
}
