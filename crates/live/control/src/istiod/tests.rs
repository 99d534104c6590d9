//! The whole control plane against a Kubernetes API of a few lines: what proxies, the API server and people see.

mod api;
mod identity;
mod proxy;

use std::{net::IpAddr, net::Ipv4Addr, time::Duration};

use base64::Engine as _;
use serde_json::{Value, json};
use xds::snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE};

use self::{api::FakeApi, proxy::Proxy};
use super::{Options, Ports, Running};

/// Nothing here takes long; a test that waits for more has failed.
const PATIENCE: Duration = Duration::from_secs(10);

fn options() -> Options {
    Options {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        ports: Ports { xds: 0, secure: 0, debug: 0, webhook: 0, http: 0 },
        ..Options::default()
    }
}

fn pod(name: &str, ip: &str, app: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app, "version": name}},
        "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 8080}]}], "nodeName": "lateen"},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True"}]}})
}

fn service(name: &str, ip: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]}})
}

fn slice(service: &str, pods: &[(&str, &str)]) -> Value {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|(pod, ip)| {
            json!({"addresses": [ip], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "namespace": "default", "name": pod}})
        })
        .collect();
    json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("{service}-1"), "namespace": "default",
            "labels": {"kubernetes.io/service-name": service}},
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints})
}

fn weights(v1: u32, v2: u32) -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "staff", "namespace": "default"},
        "spec": {"hosts": ["staff"], "http": [{"route": [
            {"destination": {"host": "staff", "subset": "v1"}, "weight": v1},
            {"destination": {"host": "staff", "subset": "v2"}, "weight": v2}]}]}})
}

fn subsets() -> Value {
    json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": "staff", "namespace": "default"},
        "spec": {"host": "staff", "subsets": [
            {"name": "v1", "labels": {"version": "v1"}}, {"name": "v2", "labels": {"version": "v2"}}]}})
}

/// A mesh of one client and one service with two versions.
async fn mesh() -> (FakeApi, Running) {
    let api = FakeApi::default();
    for object in [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"istio-injection": "enabled"}}}),
        pod("client", "10.244.0.9", "client"),
        pod("v1", "10.244.0.11", "staff"),
        pod("v2", "10.244.0.12", "staff"),
        service("staff", "10.96.0.50"),
        slice("staff", &[("v1", "10.244.0.11"), ("v2", "10.244.0.12")]),
    ] {
        api.put(object);
    }
    let running = Running::start(options(), api.client()).unwrap();
    (api, running)
}

/// Asks until the answer is yes.
async fn until(what: &str, mut yes: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !yes().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, asked).await.is_ok(), "never: {what}");
}

const SIDECAR: &str = "sidecar~10.244.0.9~client.default~default.svc.cluster.local";
const STAFF: &str = "outbound|80||staff.default.svc.cluster.local";

#[tokio::test]
async fn a_sidecar_gets_clusters_endpoints_listeners_and_routes() {
    let (_api, running) = mesh().await;
    let mut proxy = Proxy::delta(running.addresses.xds, SIDECAR).await;
    proxy.until(|has| has.contains(CLUSTER, STAFF)).await;
    proxy.until(|has| has.endpoints(STAFF) == ["10.244.0.11:8080", "10.244.0.12:8080"]).await;
    proxy
        .until(|has| {
            has.contains(LISTENER, "virtualOutbound") && has.contains(LISTENER, "virtualInbound")
        })
        .await;
    proxy.until(|has| has.contains(ROUTE, "80")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_new_route_and_a_changed_weight_reach_both_protocols() {
    let (api, running) = mesh().await;
    for mut proxy in [
        Proxy::delta(running.addresses.xds, SIDECAR).await,
        Proxy::sotw(running.addresses.xds, SIDECAR).await,
    ] {
        proxy.until(|has| has.contains(ROUTE, "80")).await;
        api.put(subsets());
        api.put(weights(90, 10));
        proxy.until(|has| has.weights("80") == [90, 10]).await;
        proxy
            .until(|has| has.contains(CLUSTER, "outbound|80|v1|staff.default.svc.cluster.local"))
            .await;
        api.put(weights(50, 50));
        proxy.until(|has| has.weights("80") == [50, 50]).await;
        api.delete(&weights(0, 0));
        api.delete(&subsets());
        proxy
            .until(|has| !has.contains(CLUSTER, "outbound|80|v1|staff.default.svc.cluster.local"))
            .await;
        assert!(proxy.has().weights("80").is_empty(), "the route goes before its clusters");
    }
    running.stop().await;
}

#[tokio::test]
async fn routes_come_after_the_clusters_that_they_lead_to() {
    let (api, running) = mesh().await;
    let mut proxy = Proxy::delta(running.addresses.xds, SIDECAR).await;
    proxy.until(|has| has.contains(ROUTE, "80")).await;
    api.put(subsets());
    api.put(weights(90, 10));
    proxy.until(|has| has.weights("80") == [90, 10]).await;
    let order = proxy.order();
    let last = |type_url: &str| order.iter().rposition(|told| told == type_url).unwrap();
    assert!(last(CLUSTER) < last(ROUTE) && last(ENDPOINT) < last(ROUTE), "{order:?}");
    running.stop().await;
}

#[tokio::test]
async fn proxies_that_see_the_same_share_a_snapshot() {
    let (_api, running) = mesh().await;
    let mut proxies = Vec::new();
    for number in 0..5 {
        let id =
            format!("sidecar~10.244.1.{number}~load-{number}.default~default.svc.cluster.local");
        let mut proxy = Proxy::delta(running.addresses.xds, &id).await;
        proxy.until(|has| has.contains(CLUSTER, STAFF)).await;
        proxies.push(proxy);
    }
    assert_eq!(running.shared.plans.kept(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_refusal_is_seen_in_syncz_and_counted() {
    let (_api, running) = mesh().await;
    let mut proxy = Proxy::delta(running.addresses.xds, SIDECAR).await;
    proxy.refuse(LISTENER, "no such filter");
    proxy.until(|has| has.refused > 0).await;
    until("the refusal is in syncz", async || {
        proxy.turn().await;
        let rows: Value = serde_json::from_str(&get(&running, "/debug/syncz").await.1).unwrap();
        assert_eq!(rows[0]["proxy"], "client.default");
        rows[0]["types"]["lds"]["error"] == "no such filter"
    })
    .await;
    let (_, metrics) = get(&running, "/metrics").await;
    assert!(metrics.contains("pilot_total_xds_rejects{type=\"lds\"}"), "{metrics}");
    assert!(metrics.contains("pilot_xds{version="), "{metrics}");
    let (_, dump) = get(&running, "/debug/config_dump?proxyID=client.default").await;
    let dump: Value = serde_json::from_str(&dump).unwrap();
    let clusters = &dump["configs"][0]["dynamicActiveClusters"];
    assert!(
        clusters.as_array().unwrap().iter().any(|row| row["cluster"]["name"] == STAFF),
        "{dump:#}"
    );
    assert_eq!(get(&running, "/debug/config_dump?proxyID=nobody").await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn ready_means_synced_and_that_the_webhooks_carry_the_ca() {
    let (api, running) = mesh().await;
    until("ready", async || get(&running, "/ready").await.0 == 200).await;
    let bundle = |kind: &str, name: &str| {
        let object = api.object(kind, "", name).unwrap();
        object
            .pointer("/webhooks/0/clientConfig/caBundle")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let mutating = bundle("mutatingwebhookconfigurations", "istio-sidecar-injector").unwrap();
    assert_eq!(
        bundle("validatingwebhookconfigurations", "istio-validator-istio-system").as_ref(),
        Some(&mutating)
    );
    // Who applies it again without a CA gets it back.
    let mut object =
        api.object("mutatingwebhookconfigurations", "", "istio-sidecar-injector").unwrap();
    object["webhooks"][0]["clientConfig"]["caBundle"] = Value::Null;
    api.put(object);
    until("mended", async || {
        bundle("mutatingwebhookconfigurations", "istio-sidecar-injector").as_ref()
            == Some(&mutating)
    })
    .await;
    running.stop().await;
    let again = Running::start(options(), api.client()).unwrap();
    until("ready again", async || get(&again, "/ready").await.0 == 200).await;
    assert_eq!(
        bundle("mutatingwebhookconfigurations", "istio-sidecar-injector"),
        Some(mutating),
        "the CA is kept"
    );
    again.stop().await;
}

#[tokio::test]
async fn the_injector_adds_a_sidecar_where_one_is_wanted() {
    let (api, running) = mesh().await;
    until("ready", async || get(&running, "/ready").await.0 == 200).await;
    let bundle = api.object("mutatingwebhookconfigurations", "", "istio-sidecar-injector").unwrap();
    let pem = bundle
        .pointer("/webhooks/0/clientConfig/caBundle")
        .and_then(Value::as_str)
        .unwrap()
        .to_owned();
    let review = |namespace: &str| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {"uid": "1-2", "namespace": namespace, "operation": "CREATE", "object": pod("new", "", "new")}})
    };
    let answer = proxy::post(running.addresses.webhook, &pem, "/inject", &review("default")).await;
    assert_eq!(
        (&answer["response"]["uid"], &answer["response"]["allowed"]),
        (&json!("1-2"), &json!(true))
    );
    let patch = base64::engine::general_purpose::STANDARD
        .decode(answer["response"]["patch"].as_str().unwrap())
        .unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert!(
        patch.as_array().unwrap().iter().any(|op| op["value"]["name"] == "istio-proxy"),
        "{patch:#}"
    );
    // A namespace that no watch has brought yet is asked for.
    api.put_silently(json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "fresh", "labels": {"istio-injection": "enabled"}}}));
    let answer = proxy::post(running.addresses.webhook, &pem, "/inject", &review("fresh")).await;
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let answer =
        proxy::post(running.addresses.webhook, &pem, "/inject", &review("elsewhere")).await;
    assert!(answer["response"]["patch"].is_null(), "{answer:#}");
    let mut object = weights(90, 10);
    object["spec"]["http"][0]["route"][0]["weight"] = json!(-5);
    let question = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "3", "namespace": "default", "operation": "CREATE", "object": object}});
    let answer = proxy::post(running.addresses.webhook, &pem, "/validate", &question).await;
    assert_eq!(answer["response"]["allowed"], true);
    assert!(!answer["response"]["warnings"].as_array().unwrap().is_empty(), "{answer:#}");
    running.stop().await;
}

#[tokio::test]
async fn what_envoy_leaves_aside_is_said_at_apply_and_in_syncz() {
    let (api, running) = mesh().await;
    let mut rule = subsets();
    rule["metadata"]["annotations"] = json!({"lateen/breaker": "{errors: 5, within: 10s}"});
    let question = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "4", "namespace": "default", "operation": "CREATE", "object": rule}});
    until("ready", async || get(&running, "/ready").await.0 == 200).await;
    let bundle = api.object("mutatingwebhookconfigurations", "", "istio-sidecar-injector").unwrap();
    let pem = bundle
        .pointer("/webhooks/0/clientConfig/caBundle")
        .and_then(Value::as_str)
        .unwrap()
        .to_owned();
    let warnings = async || {
        let answer = proxy::post(running.addresses.webhook, &pem, "/validate", &question).await;
        answer["response"]["warnings"].as_array().cloned().unwrap_or_default()
    };
    let mut ours = Proxy::delta(running.addresses.xds, SIDECAR).await;
    ours.until(|has| has.contains(CLUSTER, STAFF)).await;
    assert!(warnings().await.is_empty(), "our proxy obeys");
    let mut envoy = Proxy::sotw(running.addresses.xds, &SIDECAR.replace("client", "other")).await;
    envoy.until(|has| has.contains(CLUSTER, STAFF)).await;
    let said = warnings().await;
    let expected = "[LAT0001] (DestinationRule default/staff) metadata.annotations[lateen/breaker]: \
        other.default is envoy/1.40.0 and leaves it aside; only lateen's proxy obeys";
    assert_eq!(said, [expected]);
    api.put(rule);
    until("both rows say how it is", async || {
        tokio::join!(ours.turn(), envoy.turn());
        let rows: Value = serde_json::from_str(&get(&running, "/debug/syncz").await.1).unwrap();
        rows[0]["leaves_aside"].is_null()
            && rows[1]["leaves_aside"] == json!(["DestinationRule default/staff"])
    })
    .await;
    running.stop().await;
}

#[tokio::test]
async fn an_address_is_withdrawn_when_every_proxy_has_said_so() {
    let (api, running) = mesh().await;
    let mut proxy = Proxy::delta(running.addresses.xds, SIDECAR).await;
    proxy.until(|has| has.endpoints(STAFF).len() == 2).await;
    until("settled", async || {
        proxy.turn().await;
        running.shared.connections.settled(1)
    })
    .await;
    assert_eq!(
        get(&running, "/debug/withdrawn?address=10.244.0.12").await.0,
        503,
        "it still gets requests"
    );
    api.put(slice("staff", &[("v1", "10.244.0.11")]));
    let asked = get(&running, "/debug/withdrawn?address=10.244.0.12");
    let ((status, _), ()) =
        tokio::join!(asked, proxy.until(|has| has.endpoints(STAFF) == ["10.244.0.11:8080"]));
    assert_eq!(status, 200);
    running.stop().await;
}

#[tokio::test]
async fn a_stream_without_a_node_is_refused() {
    let (_api, running) = mesh().await;
    let status = Proxy::refused(running.addresses.xds, "nonsense").await;
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("four parts"), "{}", status.message());
    running.stop().await;
}

async fn get(running: &Running, path: &str) -> (u16, String) {
    proxy::get(running.addresses.debug, path).await
}
