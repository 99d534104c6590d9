//! What our control plane makes of Istio's objects, served to both over our own ADS.

use mesh::{Node, NodeKind, World, publish, understand};
use prost::Message as _;
use serde_json::{Value, json};
use xds::{
    core::{address, socket_address},
    listener::Listener,
    snapshot::{LISTENER, Resource, Snapshot},
};

use crate::{
    ads,
    case::{Case, act, case},
    config,
    run::Area,
    upstream::Upstreams,
};

/// The listeners that are asked.
const GATEWAY: &str = "0.0.0.0_8080";
const OUTBOUND: &str = "0.0.0.0_80";

/// A gateway and a sidecar.
pub(crate) fn areas(upstreams: &Upstreams) -> Vec<Area> {
    let rules = rules();
    let mut objects = services(upstreams);
    // Each proxy's own output, since both are told the same.
    let log = json!({ "accessLogFile": "/dev/stdout", "accessLogEncoding": "JSON",
        "accessLogFormat": config::record().to_string() });
    objects.push(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "istio", "namespace": "istio-system" },
        "data": { "mesh": log.to_string() },
    }));
    objects.extend(rules.iter().flat_map(|rule| rule.objects.clone()));
    let (model, _) = understand(&World::new(&objects));
    [(NodeKind::Router, "gateway", GATEWAY), (NodeKind::Sidecar, "sidecar", OUTBOUND)]
        .into_iter()
        .map(|(kind, name, listener)| {
            let (address, refusals) = ads::serve(on_loopback(&publish(&model.view(&node(kind)))));
            let mut cases: Vec<Case> =
                rules.iter().map(|rule| case(rule.name, "", rule.asks).on(listener)).collect();
            cases.push(
                act("nothing is refused", "", move |eye| {
                    let said = refusals.lock().unwrap().clone();
                    eye.see(format!("{said:?}"));
                })
                .on(listener)
                .without_flags()
                .judged(|envoy, _| if envoy == ["[]"] { Ok(()) } else { Err(envoy.concat()) }),
            );
            Area::served(name, cases, bootstrap(kind, address.port()))
        })
        .collect()
}

fn node(kind: NodeKind) -> Node {
    Node {
        kind,
        id: id(kind).to_owned(),
        ip: "127.0.0.1".parse().ok(),
        namespace: if kind == NodeKind::Router { "istio-system" } else { "default" }.to_owned(),
        labels: if kind == NodeKind::Router {
            [("istio".to_owned(), "ingressgateway".to_owned())].into()
        } else {
            [("app".to_owned(), "me".to_owned())].into()
        },
        service_account: "default".to_owned(),
        workload: "me".to_owned(),
        locality: Default::default(),
        mark: None,
        // Both get the same.
        register: None,
        network: String::new(),
        checks_health: false,
        has_certificate: false,
        agent: "envoy".to_owned(),
    }
}

fn id(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Router => "router~127.0.0.1~gw.istio-system~istio-system.svc.cluster.local",
        NodeKind::Sidecar => "sidecar~127.0.0.1~me.default~default.svc.cluster.local",
    }
}

fn bootstrap(kind: NodeKind, ads: u16) -> Value {
    let http2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "node": { "id": id(kind), "cluster": "judge" },
        "admin": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } } },
        "layered_runtime": { "layers": [{ "name": "judge", "static_layer": {
            "re2.max_program_size.error_level": 32768,
        } }] },
        "dynamic_resources": {
            "ads_config": { "api_type": "DELTA_GRPC", "transport_api_version": "V3",
                "grpc_services": [{ "envoy_grpc": { "cluster_name": "ads" } }] },
            "cds_config": { "ads": {}, "resource_api_version": "V3" },
            "lds_config": { "ads": {}, "resource_api_version": "V3" },
        },
        "static_resources": { "clusters": [{
            "name": "ads", "connect_timeout": "1s",
            "load_assignment": { "cluster_name": "ads", "endpoints": [{ "lb_endpoints": [{
                "endpoint": { "address": { "socket_address": {
                    "address": "127.0.0.1", "port_value": ads } } } }] }] },
            "typed_extension_protocol_options": { http2: {
                "@type": format!("type.googleapis.com/{http2}"),
                "explicit_http_config": { "http2_protocol_options": {} } } },
        }] },
    })
}

/// The same snapshot with the listener that is asked on a free port of loopback, and no other: two proxies
/// share this machine, and nobody redirects connections to them.
fn on_loopback(snapshot: &Snapshot) -> Snapshot {
    let mut out = Snapshot::new();
    for (type_url, resources) in snapshot.types() {
        for (name, resource) in resources {
            if type_url != LISTENER {
                out.put(type_url, name, resource.clone());
                continue;
            }
            if name != GATEWAY && name != OUTBOUND {
                continue;
            }
            let mut listener = Listener::decode(resource.body.as_ref()).unwrap();
            listener.bind_to_port = None;
            let address = listener.address.as_mut().and_then(|it| it.address.as_mut());
            if let Some(address::Address::SocketAddress(socket)) = address {
                socket.address = "127.0.0.1".to_owned();
                socket.port_specifier = Some(socket_address::PortSpecifier::PortValue(0));
            }
            out.put(type_url, name, Resource::of(&listener).into());
        }
    }
    out
}

/// Services `a`, `b` and `c`, of which `b` has versions: their pods are upstreams of the judge.
fn services(upstreams: &Upstreams) -> Vec<Value> {
    let mut objects = Vec::new();
    for (at, (service, pods)) in
        [("a", &["a"][..]), ("b", &["b", "b2"]), ("c", &["c"])].into_iter().enumerate()
    {
        objects.push(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": service, "namespace": "default" },
            "spec": { "clusterIP": format!("10.96.0.{}", at + 1), "selector": { "app": service },
                "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }] },
        }));
        for (version, pod) in pods.iter().enumerate() {
            let address = upstreams.host(pod);
            objects.push(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": { "name": pod, "namespace": "default",
                    "labels": { "app": service, "version": format!("v{}", version + 1) } },
                "spec": { "containers": [] },
                "status": { "podIP": address.ip().to_string(), "phase": "Running" },
            }));
            objects.push(json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": { "name": format!("{pod}-x"), "namespace": "default",
                    "labels": { "kubernetes.io/service-name": service } },
                "ports": [{ "name": "http", "port": address.port(), "protocol": "TCP" }],
                "endpoints": [{ "addresses": [address.ip().to_string()],
                    "conditions": { "ready": true }, "targetRef": { "kind": "Pod", "name": pod } }],
            }));
        }
    }
    objects.push(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": "istio-ingressgateway", "namespace": "istio-system" },
        "spec": { "clusterIP": "10.96.1.1", "selector": { "istio": "ingressgateway" }, "ports": [
            { "name": "http2", "port": 8080, "targetPort": 8080 },
            { "name": "http", "port": 80, "targetPort": 8080 } ] },
    }));
    objects.push(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "gw", "namespace": "istio-system", "labels": { "istio": "ingressgateway" } },
        "spec": { "containers": [] }, "status": { "podIP": "127.0.0.1" },
    }));
    objects.push(json!({
        "apiVersion": "networking.istio.io/v1", "kind": "Gateway",
        "metadata": { "name": "all", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "selector": { "istio": "ingressgateway" }, "servers": [
            { "port": { "number": 80, "name": "http", "protocol": "HTTP" }, "hosts": ["*"] }] },
    }));
    let rule = json!({ "host": "b", "subsets": [
        { "name": "v1", "labels": { "version": "v1" } }, { "name": "v2", "labels": { "version": "v2" } }] });
    objects.push(json!({
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": { "name": "b", "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": rule,
    }));
    objects
}

/// A VirtualService of its own host, and requests.
struct Rule {
    name: &'static str,
    objects: Vec<Value>,
    asks: &'static [&'static str],
}

fn rule(name: &'static str, http: &str, asks: &'static [&'static str]) -> Rule {
    let host = crate::case::domain(name);
    let spec = json!({ "hosts": [host], "gateways": ["mesh", "all"], "http": config::yaml(http) });
    let object = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": { "name": crate::case::slug(name), "namespace": "default", "creationTimestamp": "2026-01-01T00:01:00Z" },
        "spec": spec,
    });
    // A host of a sidecar's rule has to be somebody's.
    let entry = json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": { "name": crate::case::slug(name), "namespace": "default", "creationTimestamp": "2026-01-01T00:00:30Z" },
        "spec": { "hosts": [host], "resolution": "STATIC", "location": "MESH_INTERNAL",
            "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }] },
    });
    Rule { name, objects: vec![object, entry], asks }
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rules() -> Vec<Rule> {
    vec![
        rule(
            "to a service",
            "[{route: [{destination: {host: a}}]}]",
            &["GET /", "POST /x?y || body"],
        ),
        rule(
            "to a subset",
            "[{match: [{headers: {x-v: {exact: '2'}}}], route: [{destination: {host: b, subset: v2}}]}, {route: [{destination: {host: b, subset: v1}}]}]",
            &["GET / | x-v: 2", "GET /"],
        ),
        rule(
            "to a subset that is not there",
            "[{route: [{destination: {host: b, subset: v9}}]}]",
            &["GET /"],
        ),
        rule(
            "to a service that is not there",
            "[{route: [{destination: {host: nobody}}]}]",
            &["GET /"],
        ),
        rule(
            "matches of the uri",
            "[{match: [{uri: {exact: /e}}, {uri: {prefix: /p}}], route: [{destination: {host: a}}]}, {match: [{uri: {regex: '/r[0-9]+'}}], route: [{destination: {host: b, subset: v1}}]}, {match: [{uri: {prefix: /I}, ignoreUriCase: true}], route: [{destination: {host: c}}]}]",
            &[
                "GET /e",
                "GET /e/",
                "GET /p",
                "GET /px",
                "GET /r12",
                "GET /r",
                "GET /i",
                "GET /none",
            ],
        ),
        rule(
            "matches of the rest",
            "[{match: [{method: {exact: PUT}}], route: [{destination: {host: a}}]}, {match: [{queryParams: {q: {exact: v}}}], route: [{destination: {host: b, subset: v1}}]}, {match: [{withoutHeaders: {x-a: {exact: v}}, headers: {x-b: {prefix: w}}}], route: [{destination: {host: c}}]}, {match: [{authority: {prefix: matches}, scheme: {exact: http}, headers: {x-c: {regex: '.+'}}}], directResponse: {status: 222}}]",
            &[
                "PUT / || b",
                "GET /?q=v",
                "GET / | x-b: www",
                "GET / | x-a: v | x-b: www",
                "GET / | x-c: x",
                "GET /",
            ],
        ),
        rule(
            "a header that is there",
            "[{match: [{headers: {x-a: {}}}], route: [{destination: {host: a}}]}, {match: [{headers: {x-b: {regex: '*'}}}], route: [{destination: {host: b, subset: v1}}]}, {route: [{destination: {host: c}}]}]",
            &["GET / | x-a: v", "GET / | x-b: v", "GET /"],
        ),
        rule(
            "a rewrite",
            "[{match: [{uri: {prefix: /a}}], rewrite: {uri: /b, authority: new.host}, route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /r}}], rewrite: {uriRegexRewrite: {match: '^/r/(.*)$', rewrite: '/\\1/x'}}, route: [{destination: {host: a}}]}]",
            &["GET /a", "GET /a/c?d", "GET /r/one?q"],
        ),
        rule(
            "a redirect",
            "[{match: [{uri: {prefix: /a}}], redirect: {uri: /b, authority: new.host, redirectCode: 302}}, {match: [{uri: {prefix: /s}}], redirect: {scheme: https, port: 8443}}, {redirect: {derivePort: FROM_PROTOCOL_DEFAULT, authority: p.host}}]",
            &["GET /a/x?y", "GET /s", "GET /z"],
        ),
        rule(
            "a direct answer",
            "[{directResponse: {status: 503, body: {string: busy}}, headers: {response: {set: {x-a: v}}}}]",
            &["GET /"],
        ),
        rule(
            "headers",
            "[{headers: {request: {set: {x-set: s}, add: {x-add: a}, remove: [x-gone]}, response: {set: {x-set: s}, add: {x-add: a}, remove: [x-gone]}}, route: [{destination: {host: a}, headers: {request: {set: {x-set: d}, add: {x-add: d}}, response: {add: {x-add: d}}}}]}]",
            &[
                "GET / | x-gone: 1 | x-add: own | x-set: own | x-say: x-gone: 1|x-add: own|x-set: own",
            ],
        ),
        rule(
            "the host by headers",
            "[{headers: {request: {set: {Host: by.headers}}}, route: [{destination: {host: a}}]}]",
            &["GET /"],
        ),
        rule(
            "retries",
            "[{retries: {attempts: 2, perTryTimeout: 2s, retryOn: '5xx,418', backoff: 1ms}, route: [{destination: {host: a}}]}]",
            &["GET / | x-do: 503,503,200", "GET / | x-do: 418,200", "GET / | x-do: 503"],
        ),
        rule(
            "retries by default",
            "[{route: [{destination: {host: a}}]}]",
            &["GET / | x-do: 503,200", "GET / | x-do: close,200", "GET / | x-do: 500,200"],
        ),
        rule(
            "no retries of the rule",
            "[{retries: {attempts: 0}, route: [{destination: {host: a}}]}]",
            &["GET / | x-do: 503,200"],
        ),
        rule(
            "a timeout of the rule",
            "[{timeout: 100ms, route: [{destination: {host: a}}]}]",
            &["GET / | x-do: 200/600"],
        ),
        rule(
            "an abort",
            "[{fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, route: [{destination: {host: a}}]}]",
            &["GET /"],
        ),
        rule(
            "an abort of gRPC",
            "[{fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}, route: [{destination: {host: a}}]}]",
            &["POST /s/m | content-type: application/grpc || x"],
        ),
        rule(
            "a delay",
            "[{fault: {delay: {fixedDelay: 50ms, percentage: {value: 100}}}, route: [{destination: {host: a}}]}]",
            &["GET /"],
        ),
        rule(
            "cors",
            "[{corsPolicy: {allowOrigins: [{exact: 'http://one'}], allowMethods: [GET, PUT], allowHeaders: [x-a], exposeHeaders: [x-b], maxAge: 1h, allowCredentials: true}, route: [{destination: {host: a}}]}]",
            &[
                "OPTIONS / | origin: http://one | access-control-request-method: GET",
                "GET / | origin: http://one",
                "GET / | origin: http://two",
            ],
        ),
        rule(
            "weights of all and none",
            "[{route: [{destination: {host: a}, weight: 100}, {destination: {host: c}, weight: 0}]}]",
            &["GET /"; 10],
        ),
        rule(
            "no such route",
            "[{match: [{uri: {exact: /only}}], route: [{destination: {host: a}}]}]",
            &["GET /other"],
        ),
        rule(
            "a websocket of the mesh",
            "[{route: [{destination: {host: a}}]}]",
            &["GET / | connection: upgrade | upgrade: websocket | x-do: 403"],
        ),
        rule(
            "who forwards",
            "[{route: [{destination: {host: a}}]}]",
            &[
                "GET / | x-forwarded-for: 1.2.3.4 | x-forwarded-proto: https | x-request-id: mine | x-envoy-internal: true",
                "GET /a/../b//c%2fd",
            ],
        ),
        rule(
            "another host",
            "[{route: [{destination: {host: a}}]}]",
            &[
                "GET / | host: nobody.at.all",
                "GET / | host: a",
                "GET / | host: a.default.svc.cluster.local:80",
                "GET / | host: c | x-do: 200",
            ],
        ),
    ]
}
