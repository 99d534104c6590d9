//! Keeps the webhook configurations of the API server such that it trusts our webhooks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::Engine as _;
use futures_util::StreamExt as _;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
    runtime::watcher,
};
use serde_json::{Value, json};

use super::{Options, Shared, stopped, watch::Pause};

/// Keeps both configurations until the control plane stops, with the roots of the day; ready when both carry them.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut authority = shared.identities.authority.subscribe();
    let mut stop = shared.stop.clone();
    loop {
        let roots = authority.borrow_and_update().as_ref().map(|it| it.roots_pem());
        let kept = async {
            match &roots {
                Some(roots) => carrying(&shared, roots).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = kept => return, // both watches have ended, which they do with the client only
            changed = authority.changed() => if changed.is_err() { return },
            () = stopped(&mut stop) => return,
        }
    }
}

/// Keeps both configurations such that they carry these roots.
async fn carrying(shared: &Shared, roots: &str) {
    let bundle = base64::engine::general_purpose::STANDARD.encode(roots);
    let waiting = AtomicUsize::new(2);
    let keepers = [
        (
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            injector(&shared.options),
        ),
        (
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            validator(&shared.options),
        ),
    ]
    .map(|(kind, plural, initial)| {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, plural);
        Keeper {
            shared,
            api: Api::all_with(shared.client.clone(), &resource),
            initial,
            bundle: &bundle,
            waiting: Some(&waiting),
        }
    });
    let [mutating, validating] = keepers;
    tokio::join!(mutating.run(), validating.run());
}

/// Keeps one configuration.
struct Keeper<'a> {
    shared: &'a Shared,
    api: Api<DynamicObject>,
    /// What is created when there is none at start.
    initial: Value,
    bundle: &'a str,
    /// Configurations that are not right yet, until this one is.
    waiting: Option<&'a AtomicUsize>,
}

impl Keeper<'_> {
    fn name(&self) -> &str {
        self.initial.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    async fn run(mut self) {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.name()));
        let mut events = watcher(self.api.clone(), only.clone()).boxed();
        let mut pause = Pause::default();
        let mut found = false;
        while let Some(event) = events.next().await {
            let result = match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    found = true;
                    self.mend(object).await
                }
                // Who deletes it later means it: it is not made again before the next start.
                Ok(watcher::Event::InitDone) if !found => {
                    found = true;
                    self.create().await
                }
                Ok(_) => Ok(()),
                Err(error) => {
                    tracing::warn!("watch of {}: {error}; it is tried again", self.name());
                    tokio::time::sleep(pause.next()).await;
                    continue;
                }
            };
            match result {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!("{}: {error}; it is tried again", self.name());
                    tokio::time::sleep(pause.next()).await;
                    // A new list brings the object again, and another attempt.
                    found = false;
                    events = watcher(self.api.clone(), only.clone()).boxed();
                }
            }
        }
    }

    async fn create(&mut self) -> kube::Result<()> {
        let mut object = self.initial.clone();
        carry(&mut object, self.bundle);
        let object: DynamicObject =
            serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
        match self.api.create(&PostParams::default(), &object).await {
            // Somebody was faster; the watch brings what they made.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            result => result.map(|_| self.done()),
        }
    }

    /// Puts the CA into a configuration that does not carry it.
    async fn mend(&mut self, object: DynamicObject) -> kube::Result<()> {
        let mut document = object.data;
        if !carry(&mut document, self.bundle) {
            self.done();
            return Ok(());
        }
        let patch = json!({
            "metadata": {"resourceVersion": object.metadata.resource_version},
            "webhooks": document.get("webhooks"),
        });
        match self.api.patch(self.name(), &PatchParams::default(), &Patch::Merge(patch)).await {
            // It changed meanwhile, or is gone: the watch says how.
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
            result => result.map(|_| self.done()),
        }
    }

    fn done(&mut self) {
        if let Some(waiting) = self.waiting.take()
            && waiting.fetch_sub(1, Ordering::AcqRel) == 1
        {
            self.shared.ready.webhooks.store(true, Ordering::Release);
        }
    }
}

/// Puts the CA into every webhook; whether that changed anything.
fn carry(document: &mut Value, bundle: &str) -> bool {
    let mut changed = false;
    for webhook in document.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let client = &mut webhook["clientConfig"];
        if client.get("caBundle").and_then(Value::as_str) != Some(bundle) {
            client["caBundle"] = Value::from(bundle);
            changed = true;
        }
    }
    changed
}

fn client(options: &Options, path: &str) -> Value {
    json!({"service": {"name": options.service, "namespace": options.namespace, "path": path, "port": 443}})
}

/// The configuration that has pods injected.
fn injector(options: &Options) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "istio-sidecar-injector", "labels": {"app": "sidecar-injector"}},
        "webhooks": [{
            "name": "namespace.sidecar-injector.istio.io",
            "clientConfig": client(options, "/inject"),
            "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
            // Its own pods come up without it, and so do those that it cannot do without.
            "namespaceSelector": {"matchExpressions": [{
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": ["kube-system", options.namespace],
            }]},
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "reinvocationPolicy": "Never",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 10,
        }],
    })
}

/// The configuration that has objects of the mesh looked at when they are applied.
fn validator(options: &Options) -> Value {
    let groups =
        ["networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io"];
    let mut mesh_config =
        looked_at(options, "meshconfig.validation.istio.io", &[""], &["configmaps"]);
    mesh_config["namespaceSelector"] =
        json!({"matchLabels": {"kubernetes.io/metadata.name": options.namespace}});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {
            "name": format!("istio-validator-{}", options.namespace),
            "labels": {"app": "istiod"},
        },
        "webhooks": [
            looked_at(options, "rev.validation.istio.io", &groups, &["*"]),
            // Their templates say how sidecars are to run.
            looked_at(
                options,
                "templates.validation.istio.io",
                &["apps"],
                &["deployments", "statefulsets", "daemonsets"],
            ),
            mesh_config,
        ],
    })
}

/// A webhook for some kinds. It only warns: without it, everything can still be applied.
fn looked_at(options: &Options, name: &str, groups: &[&str], resources: &[&str]) -> Value {
    json!({
        "name": name,
        "clientConfig": client(options, "/validate"),
        "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": groups, "apiVersions": ["*"], "resources": resources}],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ca_is_put_into_every_webhook_once() {
        for mut document in [injector(&Options::default()), validator(&Options::default())] {
            assert!(carry(&mut document, "Q0E="));
            assert!(!carry(&mut document, "Q0E="));
            assert_eq!(document.pointer("/webhooks/0/clientConfig/caBundle"), Some(&json!("Q0E=")));
            assert!(carry(&mut document, "bmV3"));
        }
    }
}
