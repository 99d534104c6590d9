//! What a proxy is told about one thing: a field of a cluster, a route or a listener.

use std::net::{IpAddr, Ipv4Addr};

use mesh::{World, publish, understand};
use serde_json::Value;
use xds::{Named, cluster::Cluster, listener::Listener, route::RouteConfiguration};

use crate::explanation::{node, read_cluster, write_cluster};
use crate::question::Caller;

/// One field of the configuration of the proxy of `from`, as people write it: a text without
/// quotes, anything else as JSON, and `-` where there is none.
///
/// `thing` is `cluster HOST:PORT[/SUBSET]`, `endpoints HOST:PORT[/SUBSET]`, `inbound PORT`,
/// `route NAME[@HOST]` or `listener NAME`; `field` is the way into its proto-JSON, with slashes.
///
/// # Errors
/// A sentence, when the proxy is told of no such thing, or the words do not name one.
pub fn told(objects: &[Value], from: &Caller, thing: &str, field: &str) -> Result<String, String> {
    let (kind, name) = thing.split_once(' ').ok_or_else(|| {
        format!("{thing:?}: say cluster, endpoints, inbound, route or listener, then which")
    })?;
    let (model, _) = understand(&World::new(objects));
    let snapshot = publish(&model.view(&node(objects, from)));
    let found = match kind {
        "cluster" => find::<Cluster>(&snapshot, &read_cluster(name)?),
        "inbound" => find::<Cluster>(&snapshot, &format!("inbound|{name}||")),
        "endpoints" => {
            find::<xds::endpoint::ClusterLoadAssignment>(&snapshot, &read_cluster(name)?)
        }
        "listener" => find::<Listener>(&snapshot, name),
        "route" => route(&snapshot, name),
        _ => {
            return Err(format!(
                "{kind:?} is none of cluster, endpoints, inbound, route, listener"
            ));
        }
    };
    let found = found.ok_or_else(|| format!("the proxy is told of no {thing}"))?;
    Ok(found.pointer(&format!("/{field}")).map_or_else(|| "-".to_owned(), show))
}

/// The first route of this name, of one host if that is named too.
fn route(snapshot: &xds::snapshot::Snapshot, name: &str) -> Option<Value> {
    let (name, of) = name.split_once('@').map_or((name, None), |(name, of)| (name, Some(of)));
    let tables = all::<RouteConfiguration>(snapshot);
    let hosts = tables.iter().filter_map(|(_, table)| table["virtualHosts"].as_array()).flatten();
    let mut hosts = hosts.filter(|host| {
        let domains = host["domains"].as_array();
        of.is_none_or(|of| domains.is_some_and(|all| all.iter().any(|own| own == of)))
    });
    hosts
        .find_map(|host| host["routes"].as_array()?.iter().find(|one| one["name"] == name).cloned())
}

fn all<M: Named + Default + serde::Serialize>(
    snapshot: &xds::snapshot::Snapshot,
) -> Vec<(String, Value)> {
    let resources = snapshot.of(M::TYPE_URL).iter();
    resources
        .filter_map(|(name, one)| {
            let message = M::decode(one.body.as_ref()).ok()?;
            Some((name.clone(), serde_json::to_value(&message).ok()?))
        })
        .collect()
}

fn find<M: Named + Default + serde::Serialize>(
    snapshot: &xds::snapshot::Snapshot,
    name: &str,
) -> Option<Value> {
    all::<M>(snapshot).into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

/// A value as it stands in a table, whose cells end at `|`.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => write_cluster(text),
        other => other.to_string(),
    }
}

/// The findings of one object at one place: their codes, or `none`.
///
/// `object` is `KIND NAMESPACE/NAME`; `field` is where, or empty for the whole object.
#[must_use]
pub fn found(objects: &[Value], object: &str, field: &str) -> String {
    let (_, findings) = understand(&World::new(objects));
    let own = findings.iter().filter(|one| one.object.to_string() == object && one.path == field);
    let mut codes: Vec<&str> = own.map(|one| one.code.row().id).collect();
    codes.dedup();
    if codes.is_empty() { "none".to_owned() } else { codes.join(", ") }
}

/// The address that a ServiceEntry of the objects gives to a host.
pub(crate) fn entry_address(objects: &[Value], host: &str) -> Option<IpAddr> {
    let entries = objects.iter().filter(|it| it["kind"] == "ServiceEntry");
    let mut of_host = entries.filter(|it| {
        let hosts = it["spec"]["hosts"].as_array();
        hosts.is_some_and(|hosts| {
            hosts.iter().filter_map(Value::as_str).any(|own| mesh::host::covers(own, host))
        })
    });
    let word = of_host.find_map(|it| it["spec"]["addresses"][0].as_str())?;
    // Of a network, its second address: the first names the network itself.
    let (address, length) = word.split_once('/').unwrap_or((word, "32"));
    let address: Ipv4Addr = address.parse().ok()?;
    let step = u32::from(length != "32");
    Some(Ipv4Addr::from(u32::from(address).saturating_add(step)).into())
}
