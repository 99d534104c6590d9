//! Objects that people apply: good ones, careless ones and bad ones, by chance.

use serde_json::{Value, json};
use traffic::Dice;

/// The services of the mesh; each has a `v1` and a `v2`.
pub(crate) const SERVICES: [&str; 4] = ["alpha", "beta", "gamma", "delta"];
/// No rule asks for more.
pub(crate) const MOST_RETRIES: u32 = 4;
/// The header that is hashed.
pub(crate) const USER: &str = "x-user";

pub(crate) fn of<'a, T: ?Sized>(all: &[&'a T], dice: &mut Dice) -> &'a T {
    let at = dice.below(u64::try_from(all.len()).expect("lists are short"));
    all[usize::try_from(at).expect("an index of a list")]
}

fn istio(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": {"name": name, "namespace": "default"}, "spec": spec})
}

/// What is there before anybody changes anything.
pub(crate) fn foundation() -> Vec<Value> {
    let plain = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let mut objects = vec![
        plain("Namespace", "default"),
        plain("Namespace", "istio-system"),
        plain("Node", "node"),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
            "spec": {"clusterIP": "10.96.0.2", "selector": {"istio": "ingressgateway"},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
        istio(
            "Gateway",
            "edge",
            json!({"selector": {"istio": "ingressgateway"},
            "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}),
        ),
    ];
    for (number, name) in (10..).zip(SERVICES) {
        objects.push(json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"clusterIP": format!("10.96.0.{number}"), "selector": {"app": name},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}));
        for (version, place) in [("v1", "r1.z1"), ("v2", "r1.z2")] {
            objects.push(deployment(name, version, place, 2, 0));
        }
    }
    objects
}

/// A Deployment; another `round` is another template, which rolls it.
pub(crate) fn deployment(
    app: &str,
    version: &str,
    place: &str,
    replicas: u64,
    round: u64,
) -> Value {
    let labels = json!({"app": app, "version": version});
    let mut of_pod = labels.clone();
    of_pod["istio-locality"] = place.into();
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": format!("{app}-{version}"), "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": of_pod},
                "spec": {"containers": [{"name": "app", "image": "lateen/service",
                    "env": [{"name": "ROUND", "value": round.to_string()}]}]}}}})
}

/// Routes for a service, in the mesh and at the gateway.
pub(crate) fn virtual_service(name: &str, dice: &mut Dice) -> Value {
    let to = |host: &str, subset: Option<&str>| match subset {
        Some(subset) => json!({"host": host, "subset": subset}),
        None => json!({"host": host}),
    };
    let weight = *[0, 1, 10, 50, 90, 100]
        .get(usize::try_from(dice.below(6)).expect("below six"))
        .expect("there are six");
    let mut route = match dice.below(4) {
        0 => json!([{"destination": to(name, None)}]),
        1 => json!([{"destination": to(name, Some(of(&["v1", "v2"], dice)))}]),
        _ => json!([{"destination": to(name, Some("v1")), "weight": weight},
                    {"destination": to(name, Some("v2")), "weight": 100 - weight}]),
    };
    if dice.happens(1, 8) {
        route = json!([{"destination": to(of(&SERVICES, dice), None)}]);
    }
    let mut rule = json!({"name": "main", "route": route});
    if dice.happens(1, 2) {
        let attempts = dice.below(u64::from(MOST_RETRIES) + 1);
        rule["retries"] = json!({"attempts": attempts});
        if attempts > 0 {
            rule["retries"]["retryOn"] = of(
                &["5xx", "gateway-error,connect-failure", "reset,unavailable,retriable-4xx"],
                dice,
            )
            .into();
        }
        if attempts > 0 && dice.happens(1, 2) {
            rule["retries"]["perTryTimeout"] = format!("{}ms", 20 + dice.below(400)).into();
        }
    }
    if dice.happens(1, 2) {
        rule["timeout"] = format!("{}ms", 50 + dice.below(3000)).into();
    }
    if dice.happens(1, 4) {
        rule["fault"] = json!({"abort": {"httpStatus": 418, "percentage": {"value": 10}},
            "delay": {"fixedDelay": "200ms", "percentage": {"value": 20}}});
    }
    if dice.happens(1, 3) {
        rule["mirrors"] = json!([{"destination": to(of(&SERVICES, dice), None),
            "percentage": {"value": 50}}]);
    }
    let mut rules = vec![rule];
    match dice.below(4) {
        0 => rules.insert(
            0,
            json!({"name": "canary", "match": [{"headers": {"x-canary": {"exact": "yes"}}}],
            "route": [{"destination": to(name, Some("v2"))}]}),
        ),
        1 => rules.insert(
            0,
            json!({"name": "away", "match": [{"uri": {"prefix": "/away"}}],
            "redirect": {"uri": "/"}}),
        ),
        2 => rules.insert(
            0,
            json!({"name": "still", "match": [{"uri": {"exact": "/still"}}],
            "directResponse": {"status": 503, "body": {"string": "still"}}}),
        ),
        _ => {}
    }
    istio(
        "VirtualService",
        name,
        json!({"hosts": [name, format!("{name}.example")],
        "gateways": ["mesh", "edge"], "http": rules}),
    )
}

/// A policy for a service.
pub(crate) fn destination_rule(name: &str, dice: &mut Dice) -> Value {
    let mut policy = json!({});
    let hash = json!({"httpHeaderName": USER});
    policy["loadBalancer"] = match dice.below(7) {
        0 => json!({"simple": "ROUND_ROBIN"}),
        1 => json!({"simple": "RANDOM"}),
        2 => json!({"consistentHash": hash}),
        3 => json!({"consistentHash": {"httpHeaderName": USER, "maglev": {"tableSize": 251}}}),
        4 => json!({"simple": "LEAST_REQUEST", "warmup": {"duration": "10s"}}),
        5 => json!({"simple": "ROUND_ROBIN", "localityLbSetting": {"enabled": true,
            "distribute": [{"from": "r1/*", "to": {"r1/z1/*": 80, "r1/z2/*": 20}}]}}),
        _ => json!({"simple": "LEAST_REQUEST"}),
    };
    if dice.happens(2, 3) {
        policy["outlierDetection"] = json!({"consecutive5xxErrors": 1 + dice.below(4),
            "interval": format!("{}ms", 500 + dice.below(4000)),
            "baseEjectionTime": format!("{}ms", 500 + dice.below(6000)),
            "maxEjectionPercent": dice.below(101),
            "minHealthPercent": *[0, 30, 50].get(usize::try_from(dice.below(3)).expect("below three")).expect("three")});
    }
    if dice.happens(1, 2) {
        policy["connectionPool"] = json!({
            "tcp": {"maxConnections": 1 + dice.below(6), "connectTimeout": "500ms"},
            "http": {"http1MaxPendingRequests": 1 + dice.below(4), "http2MaxRequests": 1 + dice.below(6),
                "maxRetries": dice.below(4)}});
    }
    let subset = |name: &str| json!({"name": name, "labels": {"version": name}});
    let subsets = match dice.below(6) {
        0 => json!([subset("v1")]),
        1 => json!([]),
        _ => json!([subset("v1"), subset("v2")]),
    };
    istio(
        "DestinationRule",
        name,
        json!({"host": name, "trafficPolicy": policy, "subsets": subsets}),
    )
}

/// A release in one go: subsets, and a split between them.
pub(crate) fn release(name: &str) -> [Value; 2] {
    let subset = |name: &str| json!({"name": name, "labels": {"version": name}});
    let to = |subset: &str| json!({"destination": {"host": name, "subset": subset}, "weight": 50});
    [
        istio(
            "DestinationRule",
            name,
            json!({"host": name, "subsets": [subset("v1"), subset("v2")]}),
        ),
        istio(
            "VirtualService",
            name,
            json!({"hosts": [name, format!("{name}.example")],
            "gateways": ["mesh", "edge"], "http": [{"route": [to("v1"), to("v2")]}]}),
        ),
    ]
}

/// The rule after which nobody needs the subsets any more.
pub(crate) fn whole(name: &str) -> Value {
    istio(
        "VirtualService",
        name,
        json!({"hosts": [name, format!("{name}.example")],
        "gateways": ["mesh", "edge"], "http": [{"route": [{"destination": {"host": name}}]}]}),
    )
}

/// What a proxy may know of.
pub(crate) fn sidecar(dice: &mut Dice) -> Value {
    let hosts: Vec<String> = SERVICES
        .iter()
        .filter(|_| dice.happens(2, 3))
        .map(|name| format!("./{name}.default.svc.cluster.local"))
        .collect();
    let hosts = if hosts.is_empty() { vec!["istio-system/*".to_owned()] } else { hosts };
    istio("Sidecar", "default", json!({"egress": [{"hosts": hosts}]}))
}

/// A host outside, at addresses of pods that may be there or not.
pub(crate) fn service_entry(dice: &mut Dice) -> Value {
    let n = 1 + dice.below(4);
    let endpoints: Vec<Value> = (0..n)
        .map(|_| json!({"address": format!("10.244.0.{}", 1 + dice.below(40)), "ports": {"http": 8080}}))
        .collect();
    istio(
        "ServiceEntry",
        "outside",
        json!({"hosts": ["outside.example"], "addresses": ["240.1.1.1"],
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "STATIC",
        "location": "MESH_EXTERNAL", "endpoints": endpoints}),
    )
}

/// An object with something wrong in it, of which it is said so.
pub(crate) fn bad(name: &str, dice: &mut Dice) -> Value {
    let route = json!([{"destination": {"host": name}}]);
    let hosts = json!([name]);
    match dice.below(7) {
        0 => istio(
            "VirtualService",
            name,
            json!({"hosts": hosts, "http": [
            {"match": [{"uri": {"regex": "a(b"}}], "route": route}]}),
        ),
        1 => istio(
            "VirtualService",
            name,
            json!({"hosts": hosts, "http": [
            {"route": [{"destination": {"host": "nobody"}}]}]}),
        ),
        2 => istio(
            "VirtualService",
            name,
            json!({"hosts": hosts, "http": [
            {"route": [{"destination": {"host": name, "subset": "none"}}]}]}),
        ),
        3 => istio("VirtualService", name, json!({"hosts": hosts, "http": "nonsense"})),
        4 => istio(
            "DestinationRule",
            name,
            json!({"host": name, "trafficPolicy": {
            "outlierDetection": {"interval": "soon"}}}),
        ),
        5 => istio(
            "DestinationRule",
            name,
            json!({"host": name, "subsets": [
            {"name": "v1", "labels": {"version": "v1"}}, {"name": "v1", "labels": {"version": "v2"}}]}),
        ),
        _ => istio(
            "DestinationRule",
            name,
            json!({"host": name, "trafficPolicy": {
            "loadBalancer": {"consistentHash": {"maglev": {"tableSize": 10}, "httpHeaderName": USER}}}}),
        ),
    }
}
