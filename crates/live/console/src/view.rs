//! What the overview shows, as plain data: services and pods, deployments, rules, findings.

mod destinations;
mod gateways;
mod rules;
mod sentence;
mod workloads;

use std::collections::BTreeMap;

use mesh::{Finding, Severity};

use crate::scene::{Id, Scene, text};
pub(crate) use destinations::RuleView;
pub(crate) use gateways::GatewayView;
pub(crate) use rules::{RouteView, Share, Then, VirtualView};
pub(crate) use sentence::{Piece, Sentence};
pub(crate) use workloads::{Count, DeploymentView, PodView, ServiceView};

/// Namespaces of the cluster and of the mesh themselves.
const SYSTEM: [&str; 5] =
    ["istio-system", "kube-node-lease", "kube-public", "kube-system", "lateen-system"];

/// The whole mesh.
#[derive(Debug)]
pub(crate) struct Overview<'a> {
    /// Names the moment.
    pub(crate) stamp: &'a str,
    /// What keeps the console from seeing all.
    pub(crate) notices: &'a [String],
    /// Errors, then warnings.
    pub(crate) findings: Vec<&'a Finding>,
    /// How many more findings are no more than good to know.
    pub(crate) infos: usize,
    /// All namespaces, those of the system last.
    pub(crate) namespaces: Vec<NamespaceView<'a>>,
}

/// One namespace.
#[derive(Debug)]
pub(crate) struct NamespaceView<'a> {
    /// The Namespace object.
    pub(crate) id: Id,
    /// Belongs to the cluster or the mesh itself.
    pub(crate) system: bool,
    /// New pods get sidecars.
    pub(crate) injects: bool,
    /// Its Services.
    pub(crate) services: Vec<ServiceView<'a>>,
    /// Its pods that no Service selects.
    pub(crate) loose: Vec<PodView<'a>>,
    /// Its Deployments.
    pub(crate) deployments: Vec<DeploymentView<'a>>,
    /// Its VirtualServices.
    pub(crate) virtuals: Vec<VirtualView<'a>>,
    /// Its DestinationRules.
    pub(crate) rules: Vec<RuleView<'a>>,
    /// Its Gateways.
    pub(crate) gateways: Vec<GatewayView<'a>>,
}

impl NamespaceView<'_> {
    /// Whether there is nothing in it that the console knows of.
    pub(crate) fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.loose.is_empty()
            && self.deployments.is_empty()
            && self.virtuals.is_empty()
            && self.rules.is_empty()
            && self.gateways.is_empty()
    }
}

impl<'a> Overview<'a> {
    /// Makes the view of a scene.
    pub(crate) fn of(scene: &'a Scene) -> Overview<'a> {
        let pods = workloads::pods(scene);
        let mut spaces: BTreeMap<&str, NamespaceView<'a>> = BTreeMap::new();
        for (id, object) in scene.objects() {
            // A watch of Namespaces that is late hides nothing that is in them.
            let name = if id.kind == "Namespace" { &id.name } else { &id.namespace };
            let space = spaces.entry(name).or_insert_with(|| NamespaceView::new(name));
            let found = scene.findings_of(id);
            match id.kind {
                "Namespace" => {
                    space.injects = text(object, "/metadata/labels/istio-injection") == "enabled";
                }
                "Service" => space.services.push(ServiceView::new(id, object, &pods, found)),
                "Deployment" => space.deployments.push(DeploymentView::new(id, object)),
                "VirtualService" => {
                    space.virtuals.push(VirtualView::new(scene, id, object, found));
                }
                "DestinationRule" => {
                    space.rules.push(RuleView::new(scene, id, object, &pods, found));
                }
                "Gateway" => space.gateways.push(GatewayView::new(id, object, &pods, found)),
                _ => {}
            }
        }
        for (name, space) in &mut spaces {
            let own = pods.get(name).map_or(&[][..], Vec::as_slice);
            let loose = own.iter().filter(|pod| !space.services.iter().any(|it| it.selects(pod)));
            space.loose = loose.cloned().collect();
        }
        let mut namespaces: Vec<_> =
            spaces.into_values().filter(|space| !(space.system && space.is_empty())).collect();
        // The sort is stable: by name within each half.
        namespaces.sort_by_key(|space| space.system);
        let mut findings: Vec<_> =
            scene.findings.iter().filter(|it| it.severity() > Severity::Info).collect();
        findings.sort_by_key(|it| std::cmp::Reverse(it.severity()));
        Overview {
            stamp: &scene.stamp,
            notices: &scene.notices,
            infos: scene.findings.len() - findings.len(),
            findings,
            namespaces,
        }
    }
}

impl NamespaceView<'_> {
    fn new(name: &str) -> Self {
        NamespaceView {
            id: Id::new("Namespace", "", name),
            system: SYSTEM.contains(&name),
            injects: false,
            services: Vec::new(),
            loose: Vec::new(),
            deployments: Vec::new(),
            virtuals: Vec::new(),
            rules: Vec::new(),
            gateways: Vec::new(),
        }
    }
}

/// The Service behind a host as written in a rule of `namespace`.
fn service_of(scene: &Scene, host: &str, namespace: &str) -> Option<Id> {
    let domain = mesh::Settings::default().domain;
    let full = mesh::host::resolve(host, namespace, &domain);
    let (name, rest) = full.split_once('.')?;
    let (namespace, rest) = rest.split_once('.')?;
    let id = Id::new("Service", namespace, name);
    (rest == format!("svc.{domain}") && scene.object(&id).is_some()).then_some(id)
}

/// The word by which YAML spells a value of a closed set.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// `key=value` for each label.
fn pairs(labels: &BTreeMap<String, String>) -> Vec<String> {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[cfg(test)]
mod tests;
