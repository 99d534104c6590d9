//! Scripts: objects in, questions to the snapshot of one proxy.

mod edge;
mod entries;
mod extras;
mod fields;
mod findings;
mod gateway;
mod logs;
mod networks;
mod origination;
mod peers;
mod policy;
mod routing;
mod running;
mod scopes;
mod sidecar;
mod valid;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use xds::Named;
use xds::snapshot::Snapshot;

use crate::{Node, NodeKind, World, publish, understand};

/// A world in the making.
#[derive(Default)]
pub(crate) struct Script {
    objects: Vec<Value>,
    services: u8,
    stamp: u8,
}

impl Script {
    /// A service in `default` with one HTTP port and a pod for each version: `reviews.2` has the
    /// address 10.244.N.2, where N counts services.
    pub(crate) fn app(&mut self, name: &str, port: u16, versions: &[&str]) -> &mut Script {
        self.service(name, json!([{"name": "http", "port": port}]));
        self.pods(name, port, versions)
    }

    /// A Service of these ports; its address is 10.96.0.N.
    pub(crate) fn service(&mut self, name: &str, ports: Value) -> &mut Script {
        self.services += 1;
        self.add(json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": format!("10.96.0.{}", self.services), "selector": {"app": name}, "ports": ports},
        }))
    }

    /// Ready pods of the last service, one for each version, behind its port `http`.
    pub(crate) fn pods(&mut self, name: &str, port: u16, versions: &[&str]) -> &mut Script {
        let mut endpoints = Vec::new();
        for (index, version) in versions.iter().enumerate() {
            let pod = format!("{name}-{version}-{index}");
            let address = format!("10.244.{}.{}", self.services, index + 1);
            endpoints.push(json!({"addresses": [address], "conditions": {"ready": true},
                "targetRef": {"kind": "Pod", "name": pod}}));
            self.add(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": pod, "labels": {"app": name, "version": version}},
                "spec": {"containers": [{"name": "app", "ports": [{"name": "web", "containerPort": port}]}]},
                "status": {"podIP": address, "phase": "Running"},
            }));
        }
        self.add(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": format!("{name}-x"), "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "http", "port": port}], "endpoints": endpoints,
        }))
    }

    /// The gateway's Service and pod, as `lateen up` makes them.
    pub(crate) fn ingress(&mut self) -> &mut Script {
        self.add(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "istio-ingressgateway", "namespace": "istio-system"},
            "spec": {"clusterIP": "10.96.1.1", "selector": {"istio": "ingressgateway"}, "ports": [
                {"name": "http2", "port": 8080, "targetPort": 8080},
                {"name": "http", "port": 80, "targetPort": 8080},
                {"name": "https", "port": 443, "targetPort": 8443},
            ]},
        }));
        self.add(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "gw", "namespace": "istio-system", "labels": {"istio": "ingressgateway"}},
            "spec": {"containers": []}, "status": {"podIP": "10.244.200.1"},
        }))
    }

    /// An Istio object in `default`.
    pub(crate) fn istio(&mut self, kind: &str, name: &str, spec: Value) -> &mut Script {
        self.istio_in("default", kind, name, spec)
    }

    /// An Istio object, a minute younger than the one before.
    pub(crate) fn istio_in(
        &mut self,
        namespace: &str,
        kind: &str,
        name: &str,
        spec: Value,
    ) -> &mut Script {
        self.stamp += 1;
        self.add(json!({
            "apiVersion": if kind == "PeerAuthentication" { "security.istio.io/v1" } else { "networking.istio.io/v1" },
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace,
                "creationTimestamp": format!("2026-01-01T00:{:02}:00Z", self.stamp)},
            "spec": spec,
        }))
    }

    /// The ConfigMap with the defaults of the mesh.
    pub(crate) fn mesh_config(&mut self, mesh: &str) -> &mut Script {
        self.add(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": mesh}}))
    }

    pub(crate) fn add(&mut self, mut object: Value) -> &mut Script {
        let meta = &mut object["metadata"];
        if meta.get("namespace").is_none() {
            meta["namespace"] = json!("default");
        }
        self.objects.push(object);
        self
    }

    pub(crate) fn world(&self) -> World {
        World::new(&self.objects)
    }

    /// Ids and paths of the findings, sorted.
    pub(crate) fn findings(&self) -> Vec<String> {
        let (_, findings) = understand(&self.world());
        let mut short: Vec<String> =
            findings.iter().map(|one| format!("{} {}", one.code.row().id, one.path)).collect();
        short.sort();
        short
    }

    pub(crate) fn snapshot(&self, node: &Node) -> Told {
        let (model, _) = understand(&self.world());
        Told(publish(&model.view(node)))
    }

    /// What a sidecar in `default` is told.
    pub(crate) fn sidecar(&self) -> Told {
        self.snapshot(&sidecar("default", &[]))
    }

    /// What the gateway is told.
    pub(crate) fn gateway(&self) -> Told {
        let labels = [("istio", "ingressgateway")];
        self.snapshot(&Node {
            kind: NodeKind::Router,
            ip: "10.244.200.1".parse().ok(),
            ..sidecar("istio-system", &labels)
        })
    }
}

/// A sidecar.
pub(crate) fn sidecar(namespace: &str, labels: &[(&str, &str)]) -> Node {
    Node {
        kind: NodeKind::Sidecar,
        id: format!("sidecar~10.244.99.1~me.{namespace}~{namespace}.svc.cluster.local"),
        ip: "10.244.99.1".parse().ok(),
        namespace: namespace.to_owned(),
        labels: labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        service_account: "default".to_owned(),
        workload: "me".to_owned(),
        locality: Default::default(),
        mark: None,
        register: None,
        network: String::new(),
        checks_health: false,
        has_certificate: false,
        agent: "lateen".to_owned(),
    }
}

/// A snapshot that answers questions in JSON.
pub(crate) struct Told(pub(crate) Snapshot);

impl Told {
    fn all<M: Named + Default + serde::Serialize>(&self) -> BTreeMap<String, Value> {
        let resources = self.0.of(M::TYPE_URL).iter();
        resources
            .map(|(name, one)| {
                let message = M::decode(one.body.as_ref()).expect("it is what it says");
                (name.clone(), serde_json::to_value(&message).expect("messages are JSON"))
            })
            .collect()
    }

    pub(crate) fn clusters(&self) -> BTreeMap<String, Value> {
        self.all::<xds::cluster::Cluster>()
    }

    pub(crate) fn cluster(&self, name: &str) -> Value {
        self.clusters().remove(name).unwrap_or_else(|| panic!("no cluster {name}"))
    }

    pub(crate) fn listeners(&self) -> BTreeMap<String, Value> {
        self.all::<xds::listener::Listener>()
    }

    pub(crate) fn listener(&self, name: &str) -> Value {
        self.listeners().remove(name).unwrap_or_else(|| panic!("no listener {name}"))
    }

    pub(crate) fn tables(&self) -> BTreeMap<String, Value> {
        self.all::<xds::route::RouteConfiguration>()
    }

    /// `address:port` of all endpoints of a cluster.
    pub(crate) fn hosts(&self, cluster: &str) -> Vec<String> {
        let all = self.all::<xds::endpoint::ClusterLoadAssignment>();
        let one = all.get(cluster).unwrap_or_else(|| panic!("no endpoints of {cluster}"));
        let places = one["endpoints"].as_array().into_iter().flatten();
        places
            .flat_map(|place| place["lbEndpoints"].as_array().into_iter().flatten())
            .map(|host| {
                let at = &host["endpoint"]["address"]["socketAddress"];
                format!("{}:{}", at["address"].as_str().unwrap_or_default(), at["portValue"])
            })
            .collect()
    }

    pub(crate) fn endpoints(&self, cluster: &str) -> Value {
        self.all::<xds::endpoint::ClusterLoadAssignment>().remove(cluster).unwrap_or_default()
    }

    /// The virtual host with this domain.
    pub(crate) fn host(&self, table: &str, domain: &str) -> Value {
        let tables = self.tables();
        let table = tables.get(table).unwrap_or_else(|| panic!("no table {table}"));
        let hosts = table["virtualHosts"].as_array().cloned().unwrap_or_default();
        hosts
            .into_iter()
            .find(|host| host["domains"].as_array().is_some_and(|all| all.contains(&json!(domain))))
            .unwrap_or_else(|| panic!("no host {domain}"))
    }

    pub(crate) fn routes(&self, table: &str, domain: &str) -> Vec<Value> {
        self.host(table, domain)["routes"].as_array().cloned().unwrap_or_default()
    }

    /// Where each route goes: its cluster, or clusters with weights.
    pub(crate) fn targets(&self, table: &str, domain: &str) -> Vec<String> {
        self.routes(table, domain).iter().map(target).collect()
    }
}

/// Where a route goes, in short: subsets and hosts without their tails.
pub(crate) fn target(route: &Value) -> String {
    let short = |name: &str| {
        let name = name.strip_suffix(".default.svc.cluster.local").unwrap_or(name);
        name.strip_prefix("outbound|").unwrap_or(name).to_owned()
    };
    if let Some(name) = route["route"]["cluster"].as_str() {
        return short(name);
    }
    let parts =
        route["route"]["weightedClusters"]["clusters"].as_array().cloned().unwrap_or_default();
    let parts = parts.iter().map(|one| {
        format!("{}*{}", one["weight"], short(one["name"].as_str().unwrap_or_default()))
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// The typed configuration of the first filter of a chain.
pub(crate) fn filter(chain: &Value) -> &Value {
    &chain["filters"][0]["typedConfig"]
}
