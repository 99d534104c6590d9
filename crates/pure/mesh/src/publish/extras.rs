//! What only this house's proxy understands of a cluster: metadata that Envoy ignores.

use serde_json::{Map, Value, json};

use super::cluster_name;
use crate::model::extras::{Breaker, Fallback, Growth};
use crate::model::{Port, Traffic};
use crate::view::{Outbound, View};

/// Metadata `lateen` of the cluster of a service port or a subset of it; empty where there is nothing to say.
pub(super) fn extras(
    view: &View,
    one: &Outbound,
    (port, subset): (&Port, Option<&str>),
    traffic: &Traffic,
) -> Map<String, Value> {
    let mut said = Map::new();
    let Some(policy) = &one.policy else { return said };
    let extras = &policy.extras;
    if let Some(one) = extras.breaker(port.number, subset) {
        said.insert("breaker".to_owned(), breaker(one));
    }
    let fallback = extras.fallback(port.number, subset);
    if let Some(fallback) = fallback.and_then(|it| self::fallback(view, one, (port, subset), it)) {
        said.insert("fallback".to_owned(), fallback);
    }
    if extras.ejection_growth == Some(Growth::Exponential) && traffic.outlier.is_some() {
        said.insert("ejection".to_owned(), json!({"growth": Growth::Exponential.word()}));
    }
    said
}

fn breaker(one: &Breaker) -> Value {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut said = json!({
        "open_for_ms": millis(one.open_for),
        "max_open_for_ms": millis(one.max_open_for),
        "growth": one.growth.word(),
        "trials": one.trials,
        "on": one.on,
    });
    if let Some((errors, within)) = one.errors {
        said["errors"] = errors.into();
        said["within_ms"] = millis(within).into();
    }
    if let Some((share, of)) = one.share {
        said["share_thousandths"] = share.into();
        said["of"] = of.into();
    }
    said
}

/// `None` where this proxy does not see the destination, or it is the cluster itself.
fn fallback(
    view: &View,
    own: &Outbound,
    (port, subset): (&Port, Option<&str>),
    fallback: &Fallback,
) -> Option<Value> {
    let (to_host, to_subset, to_port) = match fallback {
        Fallback::Answer { status, grpc_status, headers, body } => {
            let mut said = json!({"status": status, "headers": headers, "body": body});
            if let Some(status) = grpc_status {
                said["grpc_status"] = (*status).into();
            }
            return Some(said);
        }
        Fallback::To { host, subset, port } => (host.as_deref(), subset.as_deref(), *port),
    };
    let host = to_host.unwrap_or(&own.service.host);
    let other = view.outbound.iter().find(|other| other.service.host == host)?;
    let ports = &other.service.ports;
    let number = match (to_port, ports.as_slice()) {
        (Some(number), _) => number,
        (None, ports) if ports.iter().any(|it| it.number == port.number) => port.number,
        (None, [only]) => only.number,
        (None, _) => return None,
    };
    let known = |name: &str| other.policy.as_ref().is_some_and(|it| it.subset(name).is_some());
    let is_there = ports.iter().any(|it| it.number == number) && to_subset.is_none_or(known);
    let name = cluster_name(number, to_subset, host);
    let is_itself = name == cluster_name(port.number, subset, &own.service.host);
    (is_there && !is_itself).then(|| json!({"cluster": name}))
}
