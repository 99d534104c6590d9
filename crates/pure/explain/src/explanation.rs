//! The answer to a question: which proxy decides, by which rule, and where the request goes.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use mesh::{Node, NodeKind, World, publish, understand};
use serde_json::Value;
use traffic::detect::ClientHello;
use traffic::{
    Chain, Config, Decision, Detected, Dice, Head, Header, Listener, Peer, Table, TcpDecision,
};

use crate::question::{Caller, Question, Scheme};
use crate::told::entry_address;

/// What would happen to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Where it would go.
    pub goes: Goes,
    /// The name of the rule that decides; empty when there is none.
    pub rule: String,
    /// What stands between the request and those clusters.
    pub guards: Vec<Guard>,
}

/// What stands between requests and one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The cluster's name, as Envoy knows it.
    pub cluster: String,
    /// When its breaker opens, and for how long; `None` where it has none.
    pub breaker: Option<String>,
    /// What a request gets while the breaker is open or no host is left: a cluster's name, or a sentence about an answer.
    pub fallback: Option<String>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Goes {
    /// To one of these clusters.
    To(Vec<Share>),
    /// The proxy answers by itself.
    Answered {
        /// The status code.
        status: u16,
        /// Envoy's response flags, such as `NR`; empty when there are none.
        flags: String,
    },
    /// The connection is refused or closed.
    Closed,
}

/// One cluster and its share of the requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Share {
    /// The cluster's name, as Envoy knows it.
    pub cluster: String,
    /// In parts of one; all shares add up to one.
    pub part: f64,
}

/// The pod of the ingress gateway, where the objects have none.
const GATEWAY_LABELS: [(&str, &str); 2] =
    [("app", "istio-ingressgateway"), ("istio", "ingressgateway")];
/// The port of plain HTTP in the gateway's pod.
const GATEWAY_PORT: u16 = 8080;
/// An address that nobody has (RFC 5737), for hosts that no Service names.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// An address that the caller may have, for rules that look at it.
const CALLER: Ipv4Addr = Ipv4Addr::new(10, 244, 255, 254);

/// Explains one request, given all objects of the mesh.
///
/// # Errors
/// A sentence, when the proxy would refuse its configuration, or the question names no port.
pub fn explain(objects: &[Value], question: &Question) -> Result<Explanation, String> {
    let node = node(objects, &question.from);
    let world = World::new(objects);
    let (model, _) = understand(&world);
    let snapshot = publish(&model.view(&node));
    let mut config = Config::new();
    for (type_url, resources) in snapshot.types() {
        let upserts: Vec<_> = resources
            .iter()
            .map(|(name, resource)| (name.as_str(), resource.version.as_str(), &*resource.body))
            .collect();
        config.update(type_url, &upserts, &[]).map_err(|it| format!("the proxy refuses: {it}"))?;
    }
    let table = config.table();
    let port =
        question.port().ok_or_else(|| format!("{}: what port is that?", question.authority))?;
    let source = SocketAddr::new(CALLER.into(), 40000);
    let (listener, peer) = match &question.from {
        Caller::Gateway => {
            let own = match question.scheme {
                Scheme::Http => GATEWAY_PORT,
                Scheme::Tls | Scheme::Tcp => port,
            };
            let peer = Peer::new(source, SocketAddr::new(CALLER.into(), own));
            let at_port = |it: &&Arc<Listener>| {
                it.addresses().any(|at| at.socket().is_some_and(|at| at.port() == own))
            };
            match table.listeners().iter().find(at_port) {
                Some(listener) => (Arc::clone(listener), peer),
                None => return Ok(Explanation::new(Goes::Closed, String::new())),
            }
        }
        Caller::Pod { namespace, .. } => {
            let ip = address(objects, question.host(), namespace).unwrap_or(ELSEWHERE.into());
            let peer = Peer::redirected(source, SocketAddr::new(ip, port));
            let outbound =
                table.listener("virtualOutbound").ok_or("the sidecar has no outbound listener")?;
            (table.accept(outbound, &peer), peer)
        }
    };
    let mut found = decide(&table, &listener, &peer, question);
    if let Goes::To(shares) = &found.goes {
        found.guards = shares.iter().filter_map(|share| guard(&table, &share.cluster)).collect();
    }
    Ok(found)
}

/// What stands before a cluster; `None` where nothing does.
fn guard(table: &Table, name: &str) -> Option<Guard> {
    let cluster = table.cluster(name)?;
    let breaker = cluster.breaker();
    let fallback = cluster.fallback.as_ref().map(ToString::to_string);
    let is_any = breaker.is_some() || fallback.is_some();
    is_any.then(|| Guard { cluster: name.to_owned(), breaker, fallback })
}

impl Explanation {
    fn new(goes: Goes, rule: String) -> Self {
        Self { goes, rule, guards: Vec::new() }
    }
}

fn decide(table: &Table, listener: &Listener, peer: &Peer, question: &Question) -> Explanation {
    let closed = Explanation::new(Goes::Closed, String::new());
    let mut dice = Dice::seeded(1);
    let name = question.server_name();
    let detected = match question.scheme {
        Scheme::Http => Detected::Http11,
        Scheme::Tcp => Detected::Opaque,
        Scheme::Tls => {
            Detected::Tls(ClientHello { server_name: Some(name.clone()), ..ClientHello::default() })
        }
    };
    let Some(chain) = listener.chain(peer, &detected) else { return closed };
    match &*chain {
        Chain::Http(chain) => {
            let headers: Vec<Header<'_>> = question
                .headers
                .iter()
                .map(|(name, value)| Header { name, value: value.as_bytes() })
                .collect();
            let head = Head {
                method: &question.method,
                authority: &question.authority,
                path: &question.path,
                headers: &headers,
                ..Head::default()
            };
            match chain.decide(table, &head, peer, &mut dice) {
                Decision::Forward(forward) => {
                    let shares = forward.shares();
                    let total: u64 = shares.iter().map(|(_, weight)| weight).sum();
                    let share = |(cluster, weight): (&str, u64)| Share {
                        cluster: cluster.to_owned(),
                        part: part(weight, total),
                    };
                    let shares = shares.into_iter().filter(|(_, weight)| *weight > 0).map(share);
                    Explanation::new(Goes::To(shares.collect()), forward.route_name().to_owned())
                }
                Decision::Answer(answer) => Explanation::new(
                    Goes::Answered { status: answer.status, flags: answer.flags.to_string() },
                    answer.route,
                ),
            }
        }
        Chain::Tcp(chain) => match chain.decide(table, peer, Some(&name), &mut dice) {
            TcpDecision::Forward(forward) => Explanation::new(
                Goes::To(vec![Share { cluster: forward.cluster.to_string(), part: 1.0 }]),
                "tcp".to_owned(),
            ),
            TcpDecision::Close(..) => closed,
        },
    }
}

/// `weight` of `total` as a part of one.
fn part(weight: u64, total: u64) -> f64 {
    // Weights are 32-bit numbers in Envoy, so both fit without loss.
    let exact = |it: u64| f64::from(u32::try_from(it).unwrap_or(u32::MAX));
    if total == 0 { 0.0 } else { exact(weight) / exact(total) }
}

/// The proxy that decides.
pub(crate) fn node(objects: &[Value], from: &Caller) -> Node {
    let (kind, namespace, name) = match from {
        Caller::Gateway => (NodeKind::Router, "istio-system", "istio-ingressgateway"),
        Caller::Pod { namespace, name } => (NodeKind::Sidecar, namespace.as_str(), name.as_str()),
    };
    let is_it = |it: &&Value| {
        it["kind"] == "Pod"
            && it["metadata"]["namespace"] == namespace
            && it["metadata"]["name"] == name
    };
    let pod = objects.iter().find(is_it);
    let labels: BTreeMap<String, String> = match pod {
        Some(pod) => {
            let labels = pod["metadata"]["labels"].as_object().into_iter().flatten();
            labels.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
        }
        None if kind == NodeKind::Router => {
            GATEWAY_LABELS.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        }
        None => BTreeMap::new(),
    };
    // The place of a pod is known by its address.
    let own = pod.and_then(|pod| pod["status"]["podIP"].as_str()?.parse().ok());
    Node {
        kind,
        id: format!("{kind:?}~{CALLER}~{name}.{namespace}~{namespace}.svc.cluster.local")
            .to_lowercase(),
        ip: own.or(Some(CALLER.into())),
        namespace: namespace.to_owned(),
        labels,
        service_account: "default".to_owned(),
        workload: name.to_owned(),
        locality: mesh::model::Locality::default(),
        mark: None,
        register: None,
        network: String::new(),
        checks_health: false,
        has_certificate: false,
        agent: "lateen".to_owned(),
    }
}

/// The ClusterIP behind a name, as DNS would give it to a pod of this namespace.
fn address(objects: &[Value], host: &str, namespace: &str) -> Option<IpAddr> {
    if let Ok(ip) = host.parse() {
        return Some(ip);
    }
    if let Some(address) = entry_address(objects, host) {
        return Some(address);
    }
    let service = objects.iter().filter(|it| it["kind"] == "Service").find(|it| {
        let (name, own) = (it["metadata"]["name"].as_str(), it["metadata"]["namespace"].as_str());
        let (Some(name), Some(own)) = (name, own) else { return false };
        host == format!("{name}.{own}")
            || host == format!("{name}.{own}.svc")
            || host == format!("{name}.{own}.svc.cluster.local")
            || (host == name && own == namespace)
    })?;
    service["spec"]["clusterIP"].as_str()?.parse().ok()
}

impl fmt::Display for Goes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Answered { status, flags } if flags.is_empty() || flags == "-" => {
                write!(f, "{status}")
            }
            Self::Answered { status, flags } => write!(f, "{status} {flags}"),
            Self::To(shares) => {
                for (idx, share) in shares.iter().enumerate() {
                    f.write_str(if idx == 0 { "" } else { ", " })?;
                    f.write_str(&short(&share.cluster))?;
                    if shares.len() > 1 {
                        write!(f, " ({:.0}%)", share.part * 100.0)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// A cluster's name for people: `service`, `service/subset`, or the name as it is. A host that is no
/// service of the cluster stands in full.
fn short(cluster: &str) -> String {
    let parts: Vec<&str> = cluster.split('|').collect();
    let &["outbound", _, subset, host] = parts.as_slice() else { return cluster.to_owned() };
    let in_cluster = host.ends_with(".svc.cluster.local");
    let service = host.split('.').next().filter(|_| in_cluster).unwrap_or(host);
    if subset.is_empty() { service.to_owned() } else { format!("{service}/{subset}") }
}

/// `HOST:PORT[/SUBSET]` to the name of a cluster; a name without a dot is a service of `default`.
///
/// # Errors
/// A sentence, when there is no port.
pub(crate) fn read_cluster(text: &str) -> Result<String, String> {
    let (host, rest) = text
        .split_once(':')
        .ok_or_else(|| format!("{text:?}: say HOST:PORT or HOST:PORT/SUBSET"))?;
    let (port, subset) = rest.split_once('/').unwrap_or((rest, ""));
    let host = mesh::host::resolve(host, "default", "cluster.local");
    Ok(format!("outbound|{port}|{subset}|{host}"))
}

/// The name of a cluster as [`read_cluster`] reads it; any other text as it is.
pub(crate) fn write_cluster(name: &str) -> String {
    let parts: Vec<&str> = name.split('|').collect();
    let &["outbound", port, subset, host] = parts.as_slice() else { return name.to_owned() };
    let host = host.strip_suffix(".default.svc.cluster.local").unwrap_or(host);
    if subset.is_empty() { format!("{host}:{port}") } else { format!("{host}:{port}/{subset}") }
}
