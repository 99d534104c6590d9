//! Admission webhooks: asked over TLS, they change and refuse writes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::client::{Client, Home, serve};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// A webhook server with a certificate of its own.
struct Hook {
    address: SocketAddr,
    bundle: String,
    /// The requests that it got.
    asked: Arc<Mutex<Vec<Value>>>,
}

/// Starts a webhook server; `answer` makes the `response` (without uid) of each `request`.
async fn hook(answer: impl Fn(&Value) -> Value + Send + Sync + 'static) -> Hook {
    let names = ["127.0.0.1".to_owned(), "hook.default.svc".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (kept, answer) = (asked.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, kept, answer) = (tls.clone(), kept.clone(), answer.clone());
            tokio::spawn(async move {
                let Ok(stream) = tls.accept(stream).await else { return };
                let service = service_fn(move |request: Request<Incoming>| {
                    let (kept, answer) = (kept.clone(), answer.clone());
                    async move {
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        let review: Value = serde_json::from_slice(&body).unwrap();
                        let mut response = answer(&review["request"]);
                        response["uid"] = review["request"]["uid"].clone();
                        kept.lock().unwrap().push(review["request"].clone());
                        let review = json!({
                            "apiVersion": "admission.k8s.io/v1",
                            "kind": "AdmissionReview",
                            "response": response,
                        });
                        Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(
                            review.to_string(),
                        ))))
                    }
                });
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Hook { address, bundle: STANDARD.encode(certified.cert.pem()), asked }
}

impl Hook {
    fn url(&self) -> Value {
        json!({"url": format!("https://{}/check", self.address), "caBundle": self.bundle})
    }
}

fn configuration(kind: &str, name: &str, config: &Value, more: &Value) -> Value {
    let mut entry = json!({
        "name": format!("{name}.example.com"),
        "clientConfig": config,
        "rules": [{
            "operations": ["CREATE", "UPDATE", "DELETE"],
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["configmaps"],
        }],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    });
    for (field, value) in more.as_object().unwrap() {
        entry[field] = value.clone();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [entry],
    })
}

fn mutating(config: &Value, more: &Value) -> Value {
    configuration("MutatingWebhookConfiguration", "change", config, more)
}

fn validating(config: &Value, more: &Value) -> Value {
    configuration("ValidatingWebhookConfiguration", "check", config, more)
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn patch(operations: &Value) -> Value {
    json!({
        "allowed": true,
        "patchType": "JSONPatch",
        "patch": STANDARD.encode(operations.to_string()),
        "warnings": ["it was changed"],
    })
}

#[tokio::test]
async fn a_webhook_changes_what_is_stored() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let hook =
        hook(|_| patch(&json!([{"op": "add", "path": "/data", "value": {"added": "yes"}}]))).await;
    client.post(MUTATING, &mutating(&hook.url(), &json!({}))).await.expect(201);

    let answer = client.post(MAPS, &map("a")).await;
    assert_eq!(answer.expect(201)["data"]["added"], "yes");
    assert_eq!(answer.warnings(), ["299 - \"it was changed\""]);
    assert_eq!(client.get(&format!("{MAPS}/a")).await.expect(200)["data"]["added"], "yes");
    client
        .patch(&format!("{MAPS}/a"), "application/merge-patch+json", &json!({"data": {"b": "c"}}))
        .await
        .expect(200);
    client.delete(&format!("{MAPS}/a")).await.expect(200);

    let asked = std::mem::take(&mut *hook.asked.lock().unwrap());
    let said: Vec<_> = asked.iter().map(|request| request["operation"].as_str().unwrap()).collect();
    assert_eq!(said, ["CREATE", "UPDATE", "DELETE"]);
    assert_eq!(asked[0]["resource"]["resource"], "configmaps");
    assert_eq!(asked[0]["namespace"], "default");
    assert_eq!(asked[0]["userInfo"]["username"], "kubernetes-admin");
    assert_eq!(asked[0]["oldObject"], Value::Null);
    assert_eq!(asked[1]["object"]["data"]["b"], "c");
    assert_eq!(asked[1]["oldObject"]["data"].get("b"), None);
    assert_eq!(asked[2]["object"], Value::Null);
    assert_eq!(asked[2]["oldObject"]["metadata"]["name"], "a");
    server.stop().await;
}

#[tokio::test]
async fn a_webhook_refuses_and_nothing_is_stored() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let hook = hook(|request| {
        let fine = request["object"]["metadata"]["labels"]["fine"] == "yes";
        json!({"allowed": fine, "status": {"code": 400, "message": "it is not fine"}})
    })
    .await;
    client.post(VALIDATING, &validating(&hook.url(), &json!({}))).await.expect(201);
    let refused = client.post(MAPS, &map("a")).await.expect(400);
    assert_eq!(
        refused["message"],
        "admission webhook \"check.example.com\" denied the request: it is not fine"
    );
    client.get(&format!("{MAPS}/a")).await.expect(404);
    let mut fine = map("a");
    fine["metadata"]["labels"] = json!({"fine": "yes"});
    client.post(MAPS, &fine).await.expect(201);
    server.stop().await;
}

#[tokio::test]
async fn selectors_keep_a_webhook_out() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let hook = hook(|_| json!({"allowed": false})).await;
    let more = json!({
        "objectSelector": {"matchLabels": {"checked": "yes"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
    });
    client.post(VALIDATING, &validating(&hook.url(), &more)).await.expect(201);
    client.post(MAPS, &map("free")).await.expect(201);
    let mut checked = map("checked");
    checked["metadata"]["labels"] = json!({"checked": "yes"});
    assert!(hook.asked.lock().unwrap().is_empty());
    let refused = client.post(MAPS, &checked).await.expect(403);
    assert!(refused["message"].as_str().unwrap().ends_with("without explanation"));
    let elsewhere = "/api/v1/namespaces/kube-system/configmaps";
    client.post(elsewhere, &checked).await.expect(201);
    server.stop().await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_asked_refuses_unless_it_may_be_ignored() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let hook = hook(|_| json!({"allowed": true})).await;
    // Its certificate is not one of this bundle.
    let config = json!({
        "url": format!("https://{}/check", hook.address),
        "caBundle": STANDARD.encode(&server.admin.ca_pem),
    });
    let strict = client.post(VALIDATING, &validating(&config, &json!({}))).await.expect(201);
    let refused = client.post(MAPS, &map("a")).await.expect(500);
    let message = refused["message"].as_str().unwrap();
    let begin = "Internal error occurred: failed calling webhook \"check.example.com\": failed to \
                 call webhook: Post \"https://";
    assert!(message.starts_with(begin), "{message}");
    let mut lenient = strict;
    lenient["webhooks"][0]["failurePolicy"] = "Ignore".into();
    client.put(&format!("{VALIDATING}/check"), &lenient).await.expect(200);
    client.post(MAPS, &map("a")).await.expect(201);
    server.stop().await;
}

#[tokio::test]
async fn a_webhook_behind_a_service_is_found_by_its_ready_endpoints() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let hook = hook(|_| json!({"allowed": true, "warnings": ["asked"]})).await;
    let config = json!({
        "service": {"namespace": "default", "name": "hook", "path": "/check"},
        "caBundle": hook.bundle,
    });
    client.post(VALIDATING, &validating(&config, &json!({}))).await.expect(201);
    let refused = client.post(MAPS, &map("a")).await.expect(500);
    assert!(refused["message"].as_str().unwrap().contains("service \"hook\" not found"));

    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "hook"},
        "spec": {"ports": [{"name": "https", "port": 443, "targetPort": 9443}]},
    });
    client.post("/api/v1/namespaces/default/services", &service).await.expect(201);
    let refused = client.post(MAPS, &map("a")).await.expect(500);
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("no endpoints available for service \"hook\""), "{message}");

    let slice = |ready: bool| {
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}],
            "ports": [{"name": "https", "port": hook.address.port(), "protocol": "TCP"}],
        })
    };
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    client.post(slices, &slice(false)).await.expect(201);
    client.post(MAPS, &map("a")).await.expect(500);
    client.put(&format!("{slices}/hook-1"), &slice(true)).await.expect(200);
    let answer = client.post(MAPS, &map("a")).await;
    answer.expect(201);
    assert_eq!(answer.warnings(), ["299 - \"asked\""]);
    server.stop().await;
}

#[tokio::test]
async fn writes_that_race_through_a_webhook_are_all_done() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let hook = hook(|_| json!({"allowed": true})).await;
    client.post(VALIDATING, &validating(&hook.url(), &json!({}))).await.expect(201);
    client.post(MAPS, &map("a")).await.expect(201);
    let writes = (0..4).map(|index| {
        let client = client.clone();
        async move {
            let patch = json!({"data": {format!("key{index}"): "x"}});
            let path = format!("{MAPS}/a");
            client.patch(&path, "application/merge-patch+json", &patch).await.expect(200)
        }
    });
    futures_util::future::join_all(writes).await;
    let found = client.get(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!(found["data"].as_object().unwrap().len(), 4);
    server.stop().await;
}
