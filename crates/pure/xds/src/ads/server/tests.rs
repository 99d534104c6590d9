//! Scripts of conversations between a proxy and the server's machines.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use prost::Message as _;

use super::{Delta, Response, Sotw};
use crate::{
    ads::client::{self, Wanted},
    cluster::{
        Cluster,
        cluster::{ClusterDiscoveryType, DiscoveryType},
    },
    core::Node,
    discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest},
    endpoint::ClusterLoadAssignment,
    listener::Listener,
    route::RouteConfiguration,
    snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE, Snapshot},
    wkt::Status,
};

const T0: Duration = Duration::ZERO;

/// A snapshot of clusters with endpoints, listeners and routes. `name=2` is another content of the same name.
fn snapshot(clusters: &str, listeners: &str, routes: &str) -> Arc<Snapshot> {
    let mut out = Snapshot::new();
    for word in clusters.split_whitespace() {
        let name = word.split('=').next().unwrap().to_owned();
        out.insert(
            &name,
            &Cluster {
                name: name.clone(),
                alt_stat_name: word.to_owned(),
                cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds as i32)),
                ..Cluster::default()
            },
        );
        out.insert(
            &name,
            &ClusterLoadAssignment {
                cluster_name: name.clone(),
                ..ClusterLoadAssignment::default()
            },
        );
    }
    for word in listeners.split_whitespace() {
        let name = word.split('=').next().unwrap().to_owned();
        out.insert(
            &name,
            &Listener { name: name.clone(), stat_prefix: word.to_owned(), ..Listener::default() },
        );
    }
    for word in routes.split_whitespace() {
        let name = word.split('=').next().unwrap().to_owned();
        let hosts = vec![word.to_owned()];
        out.insert(
            &name,
            &RouteConfiguration {
                name: name.clone(),
                internal_only_headers: hosts,
                ..Default::default()
            },
        );
    }
    Arc::new(out)
}

fn with_endpoints(snapshot: &Snapshot, cluster: &str, mark: &str) -> Arc<Snapshot> {
    let mut out = snapshot.clone();
    let named = [(mark.to_owned(), Default::default())];
    out.insert(
        cluster,
        &ClusterLoadAssignment {
            cluster_name: cluster.to_owned(),
            named_endpoints: BTreeMap::from(named),
            ..ClusterLoadAssignment::default()
        },
    );
    Arc::new(out)
}

/// Responses in short: `CDS +a +b -c`.
fn told(responses: &[Response]) -> Vec<String> {
    responses
        .iter()
        .map(|response| {
            let mut out = short(&response.type_url).to_owned();
            response.resources.iter().for_each(|(name, _)| out += &format!(" +{name}"));
            response.removed.iter().for_each(|name| out += &format!(" -{name}"));
            out
        })
        .collect()
}

fn short(type_url: &str) -> &str {
    match type_url {
        CLUSTER => "CDS",
        ENDPOINT => "EDS",
        LISTENER => "LDS",
        ROUTE => "RDS",
        other => other,
    }
}

fn ask(type_url: &str, names: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: type_url.into(),
        resource_names_subscribe: names.split_whitespace().map(str::to_owned).collect(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn ack(response: &Response) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        type_url: response.type_url.clone(),
        response_nonce: response.nonce.clone(),
        ..DeltaDiscoveryRequest::default()
    }
}

fn nack(response: &Response) -> DeltaDiscoveryRequest {
    let why = Status { code: 3, message: "no".into(), details: Vec::new() };
    DeltaDiscoveryRequest { error_detail: Some(why), ..ack(response) }
}

/// A proxy that has everything of the snapshot and has said so.
fn settled(snapshot: &Arc<Snapshot>) -> Delta {
    let mut server = Delta::new();
    let names =
        |type_url: &str| snapshot.of(type_url).keys().cloned().collect::<Vec<_>>().join(" ");
    let asks = [
        ask(CLUSTER, "*"),
        ask(ENDPOINT, &names(ENDPOINT)),
        ask(LISTENER, ""),
        ask(ROUTE, &names(ROUTE)),
    ];
    for request in asks {
        let mut responses = server.on_request(T0, &request, snapshot);
        while let Some(response) = responses.pop() {
            responses.extend(server.on_request(T0, &ack(&response), snapshot));
        }
    }
    assert!(server.settled());
    server
}

#[test]
fn a_wildcard_gets_everything_and_an_empty_answer_when_there_is_nothing() {
    let mut server = Delta::new();
    let responses = server.on_request(T0, &ask(CLUSTER, ""), &snapshot("a b", "", ""));
    assert_eq!(told(&responses), ["CDS +a +b"]);
    let mut server = Delta::new();
    assert_eq!(told(&server.on_request(T0, &ask(LISTENER, "*"), &snapshot("", "", ""))), ["LDS"]);
}

#[test]
fn named_types_get_the_names_and_are_told_which_do_not_exist() {
    let state = snapshot("a b", "", "");
    let mut server = Delta::new();
    let responses = server.on_request(T0, &ask(ENDPOINT, "a nobody"), &state);
    assert_eq!(told(&responses), ["EDS +a -nobody"]);
    assert!(server.on_request(T0, &ack(&responses[0]), &state).is_empty());
    assert_eq!(told(&server.on_snapshot(T0, &snapshot("a nobody", "", ""))), ["EDS +nobody"]);
}

#[test]
fn what_did_not_change_is_not_told_again() {
    let mut server = settled(&snapshot("a b", "l", "r"));
    assert!(server.on_snapshot(T0, &snapshot("a b", "l", "r")).is_empty());
}

#[test]
fn routes_wait_for_clusters_and_withdrawals_wait_for_routes() {
    let mut server = settled(&snapshot("old", "l", "r"));
    let next = snapshot("new", "l=2", "r=2");
    let cds = server.on_snapshot(T0, &next);
    assert_eq!(told(&cds), ["CDS +new"]);
    assert_eq!(
        told(&server.on_request(T0, &ack(&cds[0]), &next)),
        Vec::<String>::new(),
        "endpoints are not there yet"
    );
    let eds = server.on_request(T0, &ask(ENDPOINT, "new"), &next);
    assert_eq!(told(&eds), ["EDS +new"]);
    let routes = server.on_request(T0, &ack(&eds[0]), &next);
    assert_eq!(told(&routes), ["LDS +l", "RDS +r"]);
    assert!(
        server.on_request(T0, &ack(&routes[0]), &next).is_empty(),
        "the routes still lead to the old cluster"
    );
    assert!(!server.settled());
    let gone = server.on_request(T0, &ack(&routes[1]), &next);
    assert_eq!(told(&gone), ["CDS -old", "EDS -old"]);
    for response in &gone {
        assert!(server.on_request(T0, &ack(response), &next).is_empty());
    }
    assert!(server.settled());
    assert_eq!(server.next_wake(), None);
}

#[test]
fn a_silent_proxy_is_waited_for_one_second_a_step() {
    let mut server = settled(&snapshot("old", "l", "r"));
    let next = snapshot("new", "l=2", "r");
    assert_eq!(told(&server.on_snapshot(T0, &next)), ["CDS +new"]);
    let wake = server.next_wake().unwrap();
    assert_eq!(wake, Duration::from_secs(1));
    assert!(server.on_wake(Duration::from_millis(999)).is_empty());
    assert_eq!(told(&server.on_wake(wake)), ["LDS +l"]);
}

#[test]
fn endpoints_wait_for_nothing_but_their_own_acknowledgement() {
    let state = snapshot("a", "l", "r");
    let mut server = settled(&state);
    let changed = snapshot("a b", "l=2", "r");
    assert_eq!(told(&server.on_snapshot(T0, &changed)), ["CDS +b"]);
    let eds = server.on_snapshot(T0, &with_endpoints(&changed, "a", "1"));
    assert_eq!(told(&eds), ["EDS +a"]);
    let latest = with_endpoints(&changed, "a", "3");
    assert!(server.on_snapshot(T0, &with_endpoints(&changed, "a", "2")).is_empty());
    assert!(server.on_snapshot(T0, &latest).is_empty());
    let merged = server.on_request(T0, &ack(&eds[0]), &latest);
    assert_eq!(told(&merged), ["EDS +a"]);
    assert_eq!(Some(&merged[0].resources[0].1), latest.resource(ENDPOINT, "a"));
}

#[test]
fn a_changed_cluster_gets_its_endpoints_again() {
    let mut server = settled(&snapshot("a b", "l", "r"));
    assert_eq!(told(&server.on_snapshot(T0, &snapshot("a=2 b", "l", "r"))), ["CDS +a", "EDS +a"]);
}

#[test]
fn after_a_reconnect_only_differences_are_told() {
    let before = snapshot("a b", "l", "r");
    let after = snapshot("a b=2 c", "l", "r");
    let versions = |type_url: &str| -> BTreeMap<String, String> {
        before
            .of(type_url)
            .iter()
            .map(|(name, resource)| (name.clone(), resource.version.clone()))
            .collect()
    };
    let mut server = Delta::new();
    let again = |type_url: &str, names: &str| DeltaDiscoveryRequest {
        initial_resource_versions: versions(type_url),
        ..ask(type_url, names)
    };
    assert_eq!(told(&server.on_request(T0, &again(CLUSTER, "*"), &after)), ["CDS +b +c"]);
    assert_eq!(told(&server.on_request(T0, &again(LISTENER, "*"), &after)), Vec::<String>::new());
    // A changed cluster waits for its endpoints, even for those that the proxy had.
    assert_eq!(told(&server.on_request(T0, &again(ENDPOINT, "a b"), &after)), ["EDS +a +b"]);
}

#[test]
fn resources_refused_together_are_told_one_by_one() {
    let state = snapshot("", "good bad fine", "");
    let mut server = Delta::new();
    let all = server.on_request(T0, &ask(LISTENER, "*"), &state);
    assert_eq!(told(&all), ["LDS +bad +fine +good"]);
    let mut responses = server.on_request(T0, &nack(&all[0]), &state);
    let mut singles = Vec::new();
    while let Some(response) = responses.pop() {
        singles.extend(told(std::slice::from_ref(&response)));
        let answer =
            if response.resources[0].0 == "bad" { nack(&response) } else { ack(&response) };
        responses.extend(server.on_request(T0, &answer, &state));
    }
    assert_eq!(singles, ["LDS +bad", "LDS +fine", "LDS +good"]);
    assert!(
        server.on_snapshot(T0, &state).is_empty(),
        "what is refused comes again only when it changed"
    );
    assert_eq!(told(&server.on_snapshot(T0, &snapshot("", "good bad=2 fine", ""))), ["LDS +bad"]);
    assert_eq!(server.progress()[0].refusals, 2);
}

#[test]
fn who_asks_again_is_told_again_and_who_leaves_is_not() {
    let state = snapshot("a b", "", "");
    let mut server = settled(&state);
    let again = server.on_request(T0, &ask(ENDPOINT, "a"), &state);
    assert_eq!(told(&again), ["EDS +a"]);
    let leave =
        DeltaDiscoveryRequest { resource_names_unsubscribe: vec!["a".into()], ..ack(&again[0]) };
    assert!(server.on_request(T0, &leave, &state).is_empty());
    assert!(server.on_snapshot(T0, &with_endpoints(&state, "a", "1")).is_empty());
    assert_eq!(told(&server.on_snapshot(T0, &with_endpoints(&state, "b", "1"))), ["EDS +b"]);
}

fn world(type_url: &str, names: &str, answered: Option<&Response>) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: type_url.into(),
        resource_names: names.split_whitespace().map(str::to_owned).collect(),
        response_nonce: answered.map(|response| response.nonce.clone()).unwrap_or_default(),
        version_info: answered.map(|response| response.version.clone()).unwrap_or_default(),
        ..DiscoveryRequest::default()
    }
}

#[test]
fn the_state_of_the_world_keeps_a_cluster_until_no_route_leads_there() {
    let first = snapshot("old", "l", "r");
    let mut server = Sotw::new();
    for (type_url, names) in [(CLUSTER, ""), (ENDPOINT, "old"), (LISTENER, ""), (ROUTE, "r")] {
        let responses = server.on_request(T0, &world(type_url, names, None), &first);
        assert_eq!(responses.len(), 1, "{type_url}");
        assert!(
            server.on_request(T0, &world(type_url, names, Some(&responses[0])), &first).is_empty()
        );
    }
    let next = snapshot("new", "l", "r=2");
    let cds = server.on_snapshot(T0, &next);
    assert_eq!(told(&cds), ["CDS +new +old"]);
    assert!(server.on_request(T0, &world(CLUSTER, "", Some(&cds[0])), &next).is_empty());
    let eds = server.on_request(
        T0,
        &DiscoveryRequest { response_nonce: "1".into(), ..world(ENDPOINT, "old new", None) },
        &next,
    );
    assert_eq!(told(&eds), ["EDS +new"]);
    let rds = server.on_request(T0, &world(ENDPOINT, "old new", Some(&eds[0])), &next);
    assert_eq!(told(&rds), ["RDS +r"]);
    let gone = server.on_request(T0, &world(ROUTE, "r", Some(&rds[0])), &next);
    assert_eq!(told(&gone), ["CDS +new"]);
    assert!(server.on_request(T0, &world(CLUSTER, "", Some(&gone[0])), &next).is_empty());
    assert!(server.settled());
}

#[test]
fn an_answer_to_an_older_response_is_ignored() {
    let mut server = Sotw::new();
    let state = snapshot("a", "", "");
    let first = server.on_request(T0, &world(CLUSTER, "", None), &state);
    let next = snapshot("a b", "", "");
    let second = server.on_request(T0, &world(CLUSTER, "", Some(&first[0])), &next);
    assert_eq!(told(&second), ["CDS +a +b"]);
    assert!(server.on_request(T0, &world(CLUSTER, "", Some(&first[0])), &next).is_empty());
    assert!(!server.settled());
}

/// Both machines on one wire: whatever happens, the proxy ends with what the server has for it.
#[test]
fn client_and_server_agree_after_any_history() {
    for seed in 1..200_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut roll = |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        let mut client = client::Delta::new(Node::default());
        let mut server = Delta::new();
        let mut has: BTreeMap<String, BTreeMap<String, bytes::Bytes>> = BTreeMap::new();
        let mut state = snapshot("", "", "");
        let mut now = T0;
        for type_url in [CLUSTER, LISTENER] {
            client.want(type_url, Wanted::All);
        }
        let mut to_server = client.connected();
        let mut to_client: Vec<Response> = Vec::new();
        for step in 0..60 {
            let quiet = step >= 45;
            match if quiet { 9 } else { roll(12) } {
                0 => {
                    client.disconnected();
                    (server, to_client) = (Delta::new(), Vec::new());
                    to_server = client.connected();
                }
                1..=3 => {
                    let some = |roll: &mut dyn FnMut(u64) -> u64| {
                        ["a", "b=1", "b=2", "c", "d"]
                            .into_iter()
                            .filter(|_| roll(2) == 0)
                            .collect::<Vec<_>>()
                            .join(" ")
                    };
                    state = snapshot(&some(&mut roll), &some(&mut roll), "");
                    to_client.extend(server.on_snapshot(now, &state));
                }
                4 => now += Duration::from_millis(roll(1500)),
                _ => {}
            }
            let rounds = if quiet { 100 } else { roll(4) };
            for _ in 0..rounds {
                if server.next_wake().is_some_and(|wake| quiet || wake <= now) {
                    now = now.max(server.next_wake().unwrap());
                    to_client.extend(server.on_wake(now));
                }
                if !to_server.is_empty() {
                    to_client.extend(server.on_request(now, &to_server.remove(0), &state));
                }
                if !to_client.is_empty() {
                    let bytes = to_client.remove(0).encode_delta();
                    let change = client.on_response(DeltaDiscoveryResponse::decode(bytes).unwrap());
                    let all = has.entry(change.type_url.clone()).or_default();
                    change
                        .upserts
                        .iter()
                        .for_each(|(name, _, body)| drop(all.insert(name.clone(), body.clone())));
                    change.removed.iter().for_each(|name| drop(all.remove(name)));
                    to_server.push(client.ack(&change));
                    if change.type_url == CLUSTER {
                        let names: BTreeSet<String> = all.keys().cloned().collect();
                        has.entry(ENDPOINT.into())
                            .or_default()
                            .retain(|name, _| names.contains(name));
                        to_server.extend(client.want(ENDPOINT, Wanted::Names(names)));
                    }
                }
            }
        }
        for type_url in [CLUSTER, ENDPOINT, LISTENER] {
            let wanted: BTreeMap<_, _> =
                state.of(type_url).iter().map(|(name, r)| (name.clone(), r.body.clone())).collect();
            assert_eq!(
                has.get(type_url).cloned().unwrap_or_default(),
                wanted,
                "{} of seed {seed}",
                short(type_url)
            );
        }
        assert!(server.settled(), "seed {seed}");
    }
}
