//! A Kubernetes API of a few lines: list, watch, get, create, replace and merge-patch of any kind.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

type Key = (String, String, String);

#[derive(Clone, Debug, Default)]
pub(super) struct FakeApi(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    revision: u64,
    objects: BTreeMap<Key, Value>,
    /// Plural, and the line of the watch.
    events: broadcast::Sender<(String, Value)>,
    /// All events so far, by their revision: a watch begins where its list ended.
    log: Vec<(u64, (String, Value))>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            revision: 1,
            objects: BTreeMap::new(),
            events: broadcast::Sender::new(1024),
            log: Vec::new(),
        }
    }
}

impl FakeApi {
    pub(super) fn client(&self) -> kube::Client {
        kube::Client::new(self.clone(), "default")
    }

    pub(super) fn put(&self, object: Value) {
        self.0.lock().unwrap().put(object, true);
    }

    /// As if the watch were late.
    pub(super) fn put_silently(&self, object: Value) {
        self.0.lock().unwrap().put(object, false);
    }

    pub(super) fn delete(&self, object: &Value) {
        let mut state = self.0.lock().unwrap();
        let key = key_of(object);
        if let Some(gone) = state.objects.remove(&key) {
            state.revision += 1;
            state.tell((key.0, json!({"type": "DELETED", "object": gone})));
        }
    }

    pub(super) fn object(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = (plural.to_owned(), namespace.to_owned(), name.to_owned());
        self.0.lock().unwrap().objects.get(&key).cloned()
    }
}

impl State {
    fn tell(&mut self, event: (String, Value)) {
        self.log.push((self.revision, event.clone()));
        let _ = self.events.send(event);
    }

    fn put(&mut self, mut object: Value, told: bool) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let key = key_of(&object);
        let kind = if self.objects.insert(key.clone(), object.clone()).is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        if told {
            self.tell((key.0, json!({"type": kind, "object": object})));
        }
        object
    }
}

fn key_of(object: &Value) -> Key {
    let text = |pointer: &str| {
        object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let kind = text("/kind").to_lowercase();
    (format!("{kind}s"), text("/metadata/namespace"), text("/metadata/name"))
}

impl tower_service::Service<Request<Body>> for FakeApi {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let api = self.clone();
        async move { Ok(api.answer(request).await) }.boxed()
    }
}

impl FakeApi {
    async fn answer(&self, request: Request<Body>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let query = head.uri.query().unwrap_or_default().to_owned();
        // /api/v1/… and /apis/GROUP/VERSION/…
        let parts: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
        let parts = if parts[0] == "api" { &parts[2..] } else { &parts[3..] };
        let (namespace, parts) = if parts[0] == "namespaces" && parts.len() > 2 {
            (parts[1], &parts[2..])
        } else {
            ("", parts)
        };
        let (plural, name) = (parts[0].to_owned(), parts.get(1).copied().unwrap_or_default());
        let mut state = self.0.lock().unwrap();
        let key = (plural.clone(), namespace.to_owned(), name.to_owned());
        match head.method {
            Method::GET if query.contains("watch=true") => {
                let since = query.split('&').find_map(|it| it.strip_prefix("resourceVersion="));
                let since: u64 = since.and_then(|it| it.parse().ok()).unwrap_or(u64::MAX);
                let missed = state.log.iter().filter(|(revision, _)| *revision > since);
                let missed: Vec<_> = missed.map(|(_, event)| Ok(event.clone())).collect();
                let events = futures_util::stream::iter(missed)
                    .chain(BroadcastStream::new(state.events.subscribe()));
                let only = field(&query);
                let lines = events.filter_map(move |event| {
                    ready(event.ok().and_then(|event| line(&plural, &only, event)))
                });
                Response::new(StreamBody::new(lines).boxed_unsync())
            }
            Method::GET if name.is_empty() => {
                let only = field(&query);
                let of_kind = state.objects.iter().filter(|(key, _)| key.0 == plural);
                let items: Vec<&Value> = of_kind
                    .map(|(_, object)| object)
                    .filter(|object| {
                        only.as_ref().is_none_or(|name| object["metadata"]["name"] == **name)
                    })
                    .collect();
                whole(
                    200,
                    &json!({"metadata": {"resourceVersion": state.revision.to_string()}, "items": items}),
                )
            }
            Method::GET => {
                state.objects.get(&key).map_or_else(|| failure(404), |object| whole(200, object))
            }
            Method::POST => {
                let mut object: Value = serde_json::from_slice(&body).unwrap();
                if plural == "tokenreviews" {
                    object["status"] = review(&object["spec"]);
                    return whole(201, &object);
                }
                // Typed objects come with their kind, and their namespace is in the path.
                if !namespace.is_empty() {
                    object["metadata"]["namespace"] = json!(namespace);
                }
                if state.objects.contains_key(&key_of(&object)) {
                    return failure(409);
                }
                whole(201, &state.put(object, true))
            }
            Method::PUT => {
                let mut object: Value = serde_json::from_slice(&body).unwrap();
                object["metadata"]["namespace"] = json!(namespace);
                let known = state.objects.get(&key).map(|it| &it["metadata"]["resourceVersion"]);
                if known != Some(&object["metadata"]["resourceVersion"]) {
                    return failure(409);
                }
                whole(200, &state.put(object, true))
            }
            Method::PATCH => {
                let Some(mut object) = state.objects.get(&key).cloned() else {
                    return failure(404);
                };
                let patch: Value = serde_json::from_slice(&body).unwrap();
                if patch["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
                    return failure(409);
                }
                json_patch::merge(&mut object, &patch);
                whole(200, &state.put(object, true))
            }
            _ => failure(405),
        }
    }
}

/// What a token is: `WORD:NAMESPACE:ACCOUNT`, where the word says what is wrong with it.
fn review(spec: &Value) -> Value {
    assert_eq!(spec["audiences"], json!(["istio-ca"]));
    let token = spec["token"].as_str().unwrap();
    let (word, account) = token.split_once(':').unwrap();
    let user = json!({"username": format!("system:serviceaccount:{account}")});
    match word {
        "good" => json!({"authenticated": true, "user": user, "audiences": ["istio-ca"]}),
        // An API server that knows nothing of audiences.
        "blind" => json!({"authenticated": true, "user": user}),
        "person" => json!({"authenticated": true, "audiences": ["istio-ca"],
            "user": {"username": "kubernetes-admin", "groups": ["system:masters"]}}),
        "expired" => json!({"authenticated": false, "error": "service account token has expired"}),
        _ => json!({"authenticated": false}),
    }
}

/// The name that a field selector asks for.
fn field(query: &str) -> Option<String> {
    let selector = query.split('&').find_map(|pair| pair.strip_prefix("fieldSelector="))?;
    Some(
        selector
            .rsplit_once("%3D")
            .map_or_else(|| selector.rsplit('=').next().unwrap(), |(_, name)| name)
            .to_owned(),
    )
}

fn line(
    plural: &str,
    only: &Option<String>,
    event: (String, Value),
) -> Option<Result<Frame<Bytes>, Infallible>> {
    let (kind, event) = event;
    let wanted = only.as_ref().is_none_or(|name| event["object"]["metadata"]["name"] == **name);
    (kind == plural && wanted).then(|| Ok(Frame::data(Bytes::from(format!("{event}\n")))))
}

fn whole(status: u16, body: &Value) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let body = http_body_util::Full::new(Bytes::from(body.to_string())).boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

fn failure(code: u16) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let reason = match code {
        404 => "NotFound",
        409 => "Conflict",
        _ => "MethodNotAllowed",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason,
        "reason": reason, "code": code});
    whole(code, &status)
}
