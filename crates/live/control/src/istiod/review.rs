//! Admission reviews: the injector of sidecars, and warnings at apply.
//!
//! Spec: `admission.k8s.io/v1` `AdmissionReview`.

use std::sync::PoisonError;

use base64::Engine as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use mesh::inject::{self, InjectConfig};
use mesh::model::extras::ANNOTATIONS;
use mesh::{Code, Finding, Key, Kind};
use serde_json::{Value, json};
use tonic::body::Body;

use super::{
    Shared,
    identity::roots,
    metrics::{Metrics, Verdict},
    serve::respond,
};

/// Larger than any object that an API server keeps.
const LARGEST: usize = 16 << 20;
/// Kubernetes shows warnings up to about this many characters.
const LONGEST_WARNING: usize = 256;

/// Answers a call of the API server.
pub(super) async fn call(shared: &Shared, request: Request<Incoming>) -> Response<Body> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    // Istio's path carries clusters and networks behind it: /inject/cluster/x/net/y.
    let injects = path == "/inject" || path.starts_with("/inject/");
    if head.method != Method::POST || !(injects || path == "/validate") {
        return respond(
            StatusCode::NOT_FOUND,
            TEXT,
            "POST an AdmissionReview to /inject or /validate\n",
        );
    }
    let review = match read(body).await {
        Ok(review) => review,
        Err(why) => {
            let count = if injects { Metrics::injection } else { Metrics::validation };
            count(&shared.metrics, Verdict::Failed);
            return respond(StatusCode::BAD_REQUEST, TEXT, format!("{why}\n"));
        }
    };
    let question = review.get("request").unwrap_or(&Value::Null);
    let mut answer =
        if injects { inject(shared, question).await } else { validate(shared, question) };
    answer["uid"] = question.get("uid").cloned().unwrap_or_default();
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer});
    respond(StatusCode::OK, "application/json", review.to_string())
}

async fn read(body: Incoming) -> Result<Value, String> {
    let bytes: Bytes =
        Limited::new(body, LARGEST).collect().await.map_err(|e| e.to_string())?.to_bytes();
    let review: Value = serde_json::from_slice(&bytes).map_err(|e| format!("not JSON: {e}"))?;
    if review.pointer("/request/uid").is_none() {
        return Err("not an AdmissionReview: it has no request.uid".to_owned());
    }
    Ok(review)
}

/// The sidecar, as a patch.
async fn inject(shared: &Shared, question: &Value) -> Value {
    let pod = question.get("object").unwrap_or(&Value::Null);
    let text = |pointer: &str| question.pointer(pointer).and_then(Value::as_str);
    let name =
        text("/namespace").or_else(|| text("/object/metadata/namespace")).unwrap_or("default");
    let (known, service, settings) = {
        let seen = shared.seen.read().unwrap_or_else(PoisonError::into_inner);
        let settings = inject::settings(&seen.world, name, pod);
        (seen.namespaces.get(name).cloned(), seen.service.clone(), settings)
    };
    let namespace = match known {
        Some(namespace) => namespace,
        None => fresh_namespace(shared, name).await,
    };
    let config = InjectConfig {
        discovery: shared.options.discovery(service.as_deref()),
        settings,
        ..shared.options.inject.clone()
    };
    let Some(patch) = inject::patch(pod, &namespace, &config) else {
        shared.metrics.injection(Verdict::Skipped);
        return json!({"allowed": true});
    };
    // The sidecar mounts the roots: without them its pod would wait.
    roots::ensure(shared, name).await;
    shared.metrics.injection(Verdict::Injected);
    let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
    json!({"allowed": true, "patchType": "JSONPatch", "patch": patch})
}

/// A namespace that the watch has not brought yet: pods may come right after it.
async fn fresh_namespace(shared: &Shared, name: &str) -> Value {
    let api: Api<Namespace> = Api::all(shared.client.clone());
    let found = match api.get_opt(name).await {
        Ok(found) => found.and_then(|namespace| serde_json::to_value(namespace).ok()),
        Err(error) => {
            tracing::warn!("namespace {name}: {error}; it counts as one without labels");
            None
        }
    };
    found.unwrap_or_else(
        || json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
    )
}

/// What the object alone, or an object that exists, proves wrong. It is told and never refused: what the API server's own
/// validation lets in harms only itself.
fn validate(shared: &Shared, question: &Value) -> Value {
    let object = question.get("object").unwrap_or(&Value::Null);
    let findings = {
        let seen = shared.seen.read().unwrap_or_else(PoisonError::into_inner);
        let world = seen.world.clone();
        drop(seen);
        mesh::admission(object, &world)
    };
    shared.metrics.validation(Verdict::Passed);
    let aside = left_aside(shared, object).into_iter().chain(template(shared, question));
    let warnings: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity() > mesh::Severity::Info)
        .map(Finding::at_apply)
        .chain(aside)
        .map(|text| text.chars().take(LONGEST_WARNING).collect())
        .collect();
    if warnings.is_empty() {
        json!({"allowed": true})
    } else {
        json!({"allowed": true, "warnings": warnings})
    }
}

/// The wishes of a workload's template that its sidecars do not grant.
fn template(shared: &Shared, question: &Value) -> Vec<String> {
    let namespace = question.get("namespace").and_then(Value::as_str).unwrap_or("default");
    let seen = shared.seen.read().unwrap_or_else(PoisonError::into_inner);
    let Some(namespace) = seen.namespaces.get(namespace) else { return Vec::new() };
    let object = question.get("object").unwrap_or(&Value::Null);
    mesh::admission_of_template(object, namespace, &shared.options.inject.revision)
}

/// The annotations of a rule that some connected proxy leaves aside, each as a finding: Envoy does not know them.
fn left_aside(shared: &Shared, object: &Value) -> Vec<String> {
    let Some(key) = Key::of(object).filter(|key| key.kind == Kind::DestinationRule) else {
        return Vec::new();
    };
    let annotations = &object["metadata"]["annotations"];
    let names: Vec<&str> =
        ANNOTATIONS.into_iter().filter(|name| !annotations[*name].is_null()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let proxies = shared.connections.all();
    let mut others = proxies.iter().filter(|proxy| !proxy.node.is_ours());
    let Some(first) = others.next() else { return Vec::new() };
    let agent = if first.node.agent.is_empty() { "a stranger" } else { &first.node.agent };
    let more = match others.count() {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    let finding = |name: &str| Finding {
        object: key.clone(),
        code: Code::FieldNotHonoured,
        path: format!("metadata.annotations[{name}]"),
        text: format!(
            "{}{more} is {agent} and leaves it aside; only lateen's proxy obeys",
            first.name()
        ),
    };
    names.into_iter().map(|name| finding(name).at_apply()).collect()
}
