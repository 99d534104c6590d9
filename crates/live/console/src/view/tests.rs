//! The overview of a small shop, fact by fact.

use serde_json::{Value, json};

use super::{Count, Overview, Then};
use crate::scene::Scene;

fn named(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"namespace": namespace, "name": name}})
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn service(name: &str, selector: Value) -> Value {
    let mut service = named("v1", "Service", "shop", name);
    service["spec"] = json!({"clusterIP": "10.96.0.9", "selector": selector,
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]});
    service
}

fn pod(name: &str, version: &str, ready: bool, restarts: u64, sidecar: bool) -> Value {
    let mut pod = named("v1", "Pod", "shop", name);
    pod["metadata"]["labels"] = json!({"app": "cart", "version": version});
    pod["spec"] = json!({"containers": [{"name": "cart"}]});
    if sidecar {
        pod["spec"]["containers"] = json!([{"name": "cart"}, {"name": "istio-proxy"}]);
    }
    pod["status"] = json!({"phase": "Running",
        "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
        "containerStatuses": [{"restartCount": restarts}, {"restartCount": 1}]});
    pod
}

fn rule(spec: Value) -> Value {
    let mut rule = named("networking.istio.io/v1", "VirtualService", "shop", "cart");
    rule["spec"] = spec;
    rule
}

fn scene(objects: Vec<Value>) -> Scene {
    Scene::new("1".to_owned(), Vec::new(), objects)
}

#[test]
fn system_namespaces_come_last_and_not_when_empty() {
    let mut objects: Vec<_> =
        ["zoo", "kube-system", "istio-system", "default", "kube-public"].map(namespace).into();
    objects.push(named("v1", "Service", "kube-system", "kube-dns"));
    objects.push(named("apps/v1", "Deployment", "istio-system", "istiod"));
    objects.push(named("v1", "Pod", "unread", "early"));
    let scene = scene(objects);
    let view = Overview::of(&scene);
    let names: Vec<_> = view.namespaces.iter().map(|it| it.id.name.as_str()).collect();
    assert_eq!(names, ["default", "unread", "zoo", "istio-system", "kube-system"]);
}

#[test]
fn a_service_counts_its_pods() {
    let mut crashed = pod("c", "v2", false, 7, false);
    crashed["status"]["containerStatuses"][0]["state"] =
        json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let mut leaving = pod("d", "v1", true, 0, true);
    leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let mut done = pod("e", "v1", false, 0, true);
    done["status"]["phase"] = json!("Succeeded");
    let mut other = pod("f", "v1", true, 0, true);
    other["metadata"]["labels"]["app"] = json!("other");
    let scene = scene(vec![
        namespace("shop"),
        service("cart", json!({"app": "cart"})),
        service("outside", json!({})),
        pod("a", "v1", true, 2, true),
        crashed,
        leaving,
        done,
        other,
    ]);
    let view = Overview::of(&scene);
    let [space] = &view.namespaces[..] else { panic!("{view:?}") };
    let [cart, outside] = &space.services[..] else { panic!("{space:?}") };
    assert_eq!(cart.ready, Count { some: 1, all: 3 });
    assert_eq!(cart.sidecars, Count { some: 2, all: 3 });
    assert_eq!(cart.versions.iter().copied().collect::<Vec<_>>(), ["v1", "v2"]);
    assert_eq!(cart.restarts, 2 + 7 + 3);
    assert_eq!(cart.ports, ["http 80"]);
    let states: Vec<_> = cart.pods.iter().map(|it| (it.ready, it.state)).collect();
    assert_eq!(states, [(true, "Running"), (false, "CrashLoopBackOff"), (false, "Terminating")]);
    assert!(outside.pods.is_empty() && outside.note.is_some());
    let loose: Vec<_> = space.loose.iter().map(|it| (it.id.name.as_str(), it.state)).collect();
    assert_eq!(loose, [("e", "Completed"), ("f", "Running")]);
}

#[test]
fn a_proxy_alone_in_its_pod_is_no_sidecar() {
    let table = [
        (json!({"containers": [{"name": "app"}, {"name": "istio-proxy"}]}), true),
        (
            json!({"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]}),
            true,
        ),
        (json!({"containers": [{"name": "app"}]}), false),
        (json!({"containers": [{"name": "istio-proxy"}]}), false),
    ];
    for (spec, expected) in table {
        let mut pod = named("v1", "Pod", "shop", "a");
        pod["spec"] = spec.clone();
        let scene = scene(vec![pod]);
        assert_eq!(Overview::of(&scene).namespaces[0].loose[0].sidecar, expected, "{spec}");
    }
}

#[test]
fn a_deployment_desires_one_pod_unless_it_says_so() {
    let mut three = named("apps/v1", "Deployment", "shop", "b");
    three["spec"] = json!({"replicas": 3});
    three["status"] = json!({"readyReplicas": 2});
    let scene = scene(vec![named("apps/v1", "Deployment", "shop", "a"), three]);
    let view = Overview::of(&scene);
    let ready: Vec<_> = view.namespaces[0].deployments.iter().map(|it| it.ready).collect();
    assert_eq!(ready, [Count { some: 0, all: 1 }, Count { some: 2, all: 3 }]);
}

#[test]
fn a_match_reads_as_a_sentence() {
    let table = [
        (json!({"uri": {"exact": "/a"}}), "the path is `/a`"),
        (
            json!({"uri": {"prefix": "/a"}, "ignoreUriCase": true}),
            "the path begins with `/a` (in any case)",
        ),
        (
            json!({"uri": {"regex": "/a.*"}, "port": 80}),
            "the path matches `/a.*` and the port is `80`",
        ),
        (
            json!({"method": {"exact": "GET"}, "authority": {"prefix": "x"}}),
            "the method is `GET` and the host begins with `x`",
        ),
        (json!({"headers": {"end-user": {"exact": "jason"}}}), "the header `end-user` is `jason`"),
        (json!({"headers": {"cookie": {}}}), "the header `cookie` is there"),
        (
            json!({"withoutHeaders": {"a": {}, "b": {"exact": "c"}}}),
            "the header `a` is not there and the header `b` is not `c`",
        ),
        (json!({"queryParams": {"q": {"exact": "1"}}}), "the query parameter `q` is `1`"),
        (
            json!({"sourceLabels": {"app": "web"}, "sourceNamespace": "shop"}),
            "the caller has the label `app=web` and the caller is in namespace `shop`",
        ),
        (json!({"gateways": ["mesh", "gw"]}), "the request comes through `mesh, gw`"),
        (json!({}), ""),
    ];
    for (written, expected) in table {
        let scene = scene(vec![rule(json!({"hosts": ["cart"],
            "http": [{"match": [written], "route": [{"destination": {"host": "cart"}}]}]}))]);
        let view = Overview::of(&scene);
        let when = &view.namespaces[0].virtuals[0].routes[0].when;
        let text: Vec<_> = when.iter().map(ToString::to_string).collect();
        assert_eq!(text.join("; "), expected, "{written}");
    }
}

#[test]
fn what_a_rule_does_reads_as_sentences() {
    let table = [
        (json!({"timeout": "10s"}), "given up after `10s`"),
        (
            json!({"retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx"}}),
            "retried at most `3` times each given up after `2s` on `5xx`",
        ),
        (
            json!({"fault": {"delay": {"fixedDelay": "7s", "percentage": {"value": 100.0}},
            "abort": {"httpStatus": 500, "percentage": {"value": 0.5}}}}),
            "`100 %` wait `7s`; `0.5 %` are answered with `500`",
        ),
        (json!({"fault": {"abort": {"httpStatus": 500}}}), "`0 %` are answered with `500`"),
        (
            json!({"mirror": {"host": "cart", "subset": "v2"}}),
            "a copy of `100 %` goes to `cart` subset `v2`",
        ),
        (
            json!({"mirrors": [{"destination": {"host": "cart", "port": {"number": 80}},
            "percentage": {"value": 5.0}}]}),
            "a copy of `5 %` goes to `cart:80`",
        ),
        (
            json!({"rewrite": {"uri": "/b", "authority": "c"}}),
            "the matched path becomes `/b`; the host becomes `c`",
        ),
    ];
    for (mut written, expected) in table {
        written["route"] = json!([{"destination": {"host": "cart"}}]);
        let scene = scene(vec![rule(json!({"hosts": ["cart"], "http": [written]}))]);
        let view = Overview::of(&scene);
        let extras = &view.namespaces[0].virtuals[0].routes[0].extras;
        let text: Vec<_> = extras.iter().map(ToString::to_string).collect();
        assert_eq!(text.join("; "), expected, "{written}");
    }
}

#[test]
fn rules_stand_in_order_and_lead_where_they_say() {
    let scene = scene(vec![
        service("cart", json!({"app": "cart"})),
        rule(json!({"hosts": ["cart"],
            "http": [
                {"match": [{"uri": {"exact": "/old"}}], "redirect": {"uri": "/new", "redirectCode": 302}},
                {"match": [{"uri": {"exact": "/x"}}, {}], "directResponse": {"status": 418}},
                {"delegate": {"name": "more"}},
                {"route": [{"destination": {"host": "cart", "subset": "v1"}, "weight": 3},
                    {"destination": {"host": "cart.else", "subset": "v2"}, "weight": 1}]},
            ],
            "tls": [{"match": [{"sniHosts": ["a.b"]}], "route": [{"destination": {"host": "cart"}}]}],
            "tcp": [{"match": [{"port": 9}], "route": [{"destination": {"host": "cart"}}]}]})),
    ]);
    let view = Overview::of(&scene);
    let virtuals = &view.namespaces[0].virtuals[0];
    assert_eq!(virtuals.gateways, ["mesh"]);
    let said: Vec<_> = virtuals
        .routes
        .iter()
        .map(|route| {
            let when: Vec<_> = route.when.iter().map(ToString::to_string).collect();
            let then = match &route.then {
                Then::Does(does) => does.to_string(),
                Then::Routes(shares) => shares
                    .iter()
                    .map(|it| {
                        format!("{} {} {:?} {}", it.to, it.subset, it.share, it.service.is_some())
                    })
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            format!("{} {} -> {then}", route.protocol, when.join(" or "))
        })
        .collect();
    assert_eq!(
        said,
        [
            "HTTP the path is `/old` -> redirect with `302` to `/new`",
            // One of two alternatives always holds.
            "HTTP  -> answer at once with `418`",
            "HTTP  -> go on with the rules of VirtualService `shop/more`",
            "HTTP  -> cart v1 Some(750) true, cart.else v2 Some(250) false",
            "TLS the server name is one of `a.b` -> cart  Some(1000) true",
            "TCP the port is `9` -> cart  Some(1000) true",
        ]
    );
}

#[test]
fn subsets_count_the_ready_pods_behind_them() {
    let mut policy = named("networking.istio.io/v1", "DestinationRule", "shop", "cart");
    policy["spec"] = json!({"host": "cart",
        "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}, "tls": {"mode": "ISTIO_MUTUAL"}},
        "subsets": [{"name": "v1", "labels": {"version": "v1"}},
            {"name": "v9", "labels": {"version": "v9"}}]});
    let mut outside = policy.clone();
    outside["metadata"]["name"] = json!("outside");
    outside["spec"]["host"] = json!("*.example.com");
    let scene = scene(vec![
        service("cart", json!({"app": "cart"})),
        pod("a", "v1", true, 0, true),
        pod("b", "v1", false, 0, true),
        policy,
        outside,
    ]);
    let view = Overview::of(&scene);
    let [cart, outside] = &view.namespaces[0].rules[..] else { panic!("{view:?}") };
    assert_eq!(cart.policy, ["balance RANDOM", "TLS ISTIO_MUTUAL"]);
    let ready: Vec<_> = cart.subsets.iter().map(|it| it.ready).collect();
    assert_eq!(ready, [Some(Count { some: 1, all: 2 }), Some(Count { some: 0, all: 0 })]);
    assert!(outside.service.is_none() && outside.subsets.iter().all(|it| it.ready.is_none()));
}

#[test]
fn a_gateway_shows_its_ports_and_its_pods_of_any_namespace() {
    let mut gateway = named("networking.istio.io/v1", "Gateway", "edge", "gw");
    gateway["spec"] = json!({"selector": {"app": "cart"}, "servers": [
        {"port": {"number": 8080, "name": "http", "protocol": "HTTP"}, "hosts": ["*"],
            "tls": {"httpsRedirect": true}},
        {"port": {"number": 8443, "name": "tls", "protocol": "TLS"}, "hosts": ["a.b", "c.d"],
            "tls": {"mode": "PASSTHROUGH"}}]});
    let scene = scene(vec![pod("a", "v1", true, 0, false), gateway]);
    let view = Overview::of(&scene);
    let gateway = &view.namespaces[0].gateways[0];
    assert_eq!(gateway.ready, Count { some: 1, all: 1 });
    let servers: Vec<_> = gateway
        .servers
        .iter()
        .map(|it| format!("{} {} {} {}", it.port, it.protocol, it.hosts.join(","), it.tls))
        .collect();
    assert_eq!(servers, ["8080 HTTP * redirects to https", "8443 TLS a.b,c.d PASSTHROUGH"]);
}

#[test]
fn findings_stand_beside_their_object_and_above_all() {
    let scene = scene(vec![rule(json!({"hosts": ["cart"],
        "http": [{"route": [{"destination": {"host": "nowhere"}}]}]}))]);
    let view = Overview::of(&scene);
    assert_eq!(view.findings.len(), 1);
    assert_eq!(view.namespaces[0].virtuals[0].findings, view.findings);
    assert_eq!(view.findings[0].path, "spec.http[0].route[0].destination.host");
}

#[test]
fn an_object_that_cannot_be_read_is_shown_with_the_reason() {
    let scene = scene(vec![rule(json!({"hosts": "cart"}))]);
    let view = Overview::of(&scene);
    let virtuals = &view.namespaces[0].virtuals[0];
    assert!(virtuals.routes.is_empty());
    assert_eq!(virtuals.findings.len(), 1, "{:?}", virtuals.findings);
}
