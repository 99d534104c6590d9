//! Services, the pods behind them, and Deployments.

use std::collections::{BTreeMap, BTreeSet};

use mesh::Finding;
use serde_json::Value;

use crate::scene::{Id, Scene, text};

/// Some of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// How many are as they should be.
    pub(crate) some: usize,
    /// How many there are, or should be.
    pub(crate) all: usize,
}

impl Count {
    /// Counts the ready ones.
    pub(crate) fn ready<'a: 'b, 'b>(pods: impl IntoIterator<Item = &'b PodView<'a>>) -> Count {
        let mut count = Count { some: 0, all: 0 };
        for pod in pods {
            count.all += 1;
            count.some += usize::from(pod.ready);
        }
        count
    }

    /// Whether none is missing.
    pub(crate) fn is_full(self) -> bool {
        self.some >= self.all
    }
}

/// One pod.
#[derive(Debug, Clone)]
pub(crate) struct PodView<'a> {
    /// The object.
    pub(crate) id: &'a Id,
    /// Its label `version`, may be empty.
    pub(crate) version: &'a str,
    /// Takes requests.
    pub(crate) ready: bool,
    /// `Running`, `Pending`, or why it does not run.
    pub(crate) state: &'a str,
    /// Has run to its end.
    pub(crate) over: bool,
    /// Has a sidecar.
    pub(crate) sidecar: bool,
    /// Restarts of all its containers.
    pub(crate) restarts: u64,
    labels: BTreeMap<&'a str, &'a str>,
}

/// All pods, by namespace.
pub(super) type Pods<'a> = BTreeMap<&'a str, Vec<PodView<'a>>>;

/// Reads all pods.
pub(super) fn pods(scene: &Scene) -> Pods<'_> {
    let mut pods = Pods::new();
    for (id, object) in scene.objects().filter(|(id, _)| id.kind == "Pod") {
        pods.entry(&id.namespace).or_default().push(PodView::new(id, object));
    }
    pods
}

impl<'a> PodView<'a> {
    fn new(id: &'a Id, object: &'a Value) -> PodView<'a> {
        let statuses = || {
            let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
            lists.into_iter().flat_map(|pointer| list(object, pointer))
        };
        let phase = text(object, "/status/phase");
        let leaves = !text(object, "/metadata/deletionTimestamp").is_empty();
        let ready = list(object, "/status/conditions")
            .any(|it| text(it, "/type") == "Ready" && text(it, "/status") == "True");
        let reason = |state: &str| {
            let pointer = format!("/state/{state}/reason");
            statuses().map(|it| text(it, &pointer)).find(|reason| {
                // What a pod passes through as it starts, or init containers when they are done.
                !matches!(*reason, "" | "Completed" | "PodInitializing" | "ContainerCreating")
            })
        };
        let state = match phase {
            _ if leaves => "Terminating",
            "Succeeded" => "Completed",
            _ => reason("waiting")
                .or_else(|| reason("terminated"))
                .or(Some(text(object, "/status/reason")).filter(|reason| !reason.is_empty()))
                .unwrap_or(if phase.is_empty() { "Pending" } else { phase }),
        };
        PodView {
            id,
            version: text(object, "/metadata/labels/version"),
            ready: ready && !leaves,
            state,
            over: matches!(phase, "Succeeded" | "Failed"),
            sidecar: has_sidecar(object),
            restarts: statuses()
                .filter_map(|it| it.pointer("/restartCount").and_then(Value::as_u64))
                .fold(0, u64::saturating_add),
            labels: texts(object, "/metadata/labels"),
        }
    }

    /// Whether it has all these labels.
    pub(super) fn has<'b>(&self, mut labels: impl Iterator<Item = (&'b str, &'b str)>) -> bool {
        labels.all(|(key, value)| self.labels.get(key) == Some(&value))
    }
}

/// One Service.
#[derive(Debug)]
pub(crate) struct ServiceView<'a> {
    /// The object.
    pub(crate) id: &'a Id,
    /// Its ports: name and number.
    pub(crate) ports: Vec<String>,
    /// The pods that it selects and that have not run to their end.
    pub(crate) pods: Vec<PodView<'a>>,
    /// Ready pods.
    pub(crate) ready: Count,
    /// Pods with a sidecar.
    pub(crate) sidecars: Count,
    /// Versions of the pods.
    pub(crate) versions: BTreeSet<&'a str>,
    /// Restarts of all pods.
    pub(crate) restarts: u64,
    /// Why it selects no pods, if it never does.
    pub(crate) note: Option<&'static str>,
    /// What is wrong with it.
    pub(crate) findings: Vec<&'a Finding>,
    selector: BTreeMap<&'a str, &'a str>,
}

impl<'a> ServiceView<'a> {
    pub(super) fn new(
        id: &'a Id,
        object: &'a Value,
        pods: &Pods<'a>,
        findings: Vec<&'a Finding>,
    ) -> ServiceView<'a> {
        let selector = texts(object, "/spec/selector");
        let note = if text(object, "/spec/type") == "ExternalName" {
            Some("a name of something outside")
        } else if selector.is_empty() {
            Some("selects no pods: its endpoints are written by others")
        } else {
            None
        };
        let mut view = ServiceView {
            id,
            ports: list(object, "/spec/ports").map(port).collect(),
            pods: Vec::new(),
            ready: Count { some: 0, all: 0 },
            sidecars: Count { some: 0, all: 0 },
            versions: BTreeSet::new(),
            restarts: 0,
            note,
            findings,
            selector,
        };
        let own = pods.get(id.namespace.as_str()).map_or(&[][..], Vec::as_slice);
        view.pods = own.iter().filter(|pod| view.selects(pod)).cloned().collect();
        view.ready = Count::ready(&view.pods);
        view.sidecars =
            Count { some: view.pods.iter().filter(|it| it.sidecar).count(), all: view.pods.len() };
        let versions = view.pods.iter().map(|pod| pod.version);
        view.versions = versions.filter(|version| !version.is_empty()).collect();
        view.restarts = view.pods.iter().map(|pod| pod.restarts).fold(0, u64::saturating_add);
        view
    }

    /// Whether a pod of its namespace is one of its own.
    pub(super) fn selects(&self, pod: &PodView<'_>) -> bool {
        self.note.is_none() && !pod.over && pod.has(self.selector.iter().map(|(k, v)| (*k, *v)))
    }
}

/// The labels by which a Service selects; empty if it does not.
pub(super) fn selector(service: &Value) -> BTreeMap<&str, &str> {
    texts(service, "/spec/selector")
}

/// One Deployment.
#[derive(Debug)]
pub(crate) struct DeploymentView<'a> {
    /// The object.
    pub(crate) id: &'a Id,
    /// Ready pods of those desired.
    pub(crate) ready: Count,
    /// The image of each container.
    pub(crate) images: Vec<&'a str>,
}

impl<'a> DeploymentView<'a> {
    pub(super) fn new(id: &'a Id, object: &'a Value) -> DeploymentView<'a> {
        let number = |pointer: &str| {
            let number = object.pointer(pointer).and_then(Value::as_u64);
            number.and_then(|number| usize::try_from(number).ok())
        };
        let containers = list(object, "/spec/template/spec/containers");
        DeploymentView {
            id,
            ready: Count {
                some: number("/status/readyReplicas").unwrap_or(0),
                all: number("/spec/replicas").unwrap_or(1),
            },
            images: containers.map(|it| text(it, "/image")).filter(|it| !it.is_empty()).collect(),
        }
    }
}

/// Whether the pod has a proxy beside something else: in a gateway's pod it stands alone.
fn has_sidecar(pod: &Value) -> bool {
    let is_proxy = |it: &Value| text(it, "/name") == mesh::inject::CONTAINER;
    let (proxies, others): (Vec<_>, Vec<_>) =
        list(pod, "/spec/containers").partition(|it| is_proxy(it));
    !others.is_empty() && (!proxies.is_empty() || list(pod, "/spec/initContainers").any(is_proxy))
}

fn port(port: &Value) -> String {
    let number = port.pointer("/port").and_then(Value::as_u64).unwrap_or_default();
    let (name, transport) = (text(port, "/name"), text(port, "/protocol"));
    let udp = if transport == "UDP" { "/UDP" } else { "" };
    format!("{name} {number}{udp}").trim_start().to_owned()
}

fn list<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn texts<'a>(object: &'a Value, pointer: &str) -> BTreeMap<&'a str, &'a str> {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, it)| Some((key.as_str(), it.as_str()?))).collect()
}
