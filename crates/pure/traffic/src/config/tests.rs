//! Responses in, tables out.

use xds::{Named, cluster, core, endpoint, filters, listener, route, wkt};

use super::*;
use crate::{
    dice::Dice,
    head::Head,
    listener::Chain,
    peer::Peer,
    {Decision, Detected},
};

fn encode<M: Named>(message: &M) -> Vec<u8> {
    message.encode_to_vec()
}

fn address(ip: &str, port: u32) -> Option<core::Address> {
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: ip.into(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port)),
            ..Default::default()
        })),
    })
}

fn eds_cluster(name: &str) -> cluster::Cluster {
    cluster::Cluster {
        name: name.into(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(3)),
        ..Default::default()
    }
}

fn assignment(name: &str, hosts: &[&str]) -> endpoint::ClusterLoadAssignment {
    let lb_endpoints = hosts.iter().map(|host| endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint { address: address(host, 80), ..Default::default() },
        )),
        ..Default::default()
    });
    endpoint::ClusterLoadAssignment {
        cluster_name: name.into(),
        endpoints: vec![endpoint::LocalityLbEndpoints {
            lb_endpoints: lb_endpoints.collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn filter(config: &impl Named) -> Option<filters::http_filter::ConfigType> {
    Some(filters::http_filter::ConfigType::TypedConfig(wkt::Any::pack(config)))
}

fn http_listener(name: &str, routes: &str) -> listener::Listener {
    let manager = filters::HttpConnectionManager {
        route_specifier: Some(filters::http_connection_manager::RouteSpecifier::Rds(
            filters::Rds { route_config_name: routes.into(), ..Default::default() },
        )),
        http_filters: vec![filters::HttpFilter {
            name: "envoy.filters.http.router".into(),
            config_type: filter(&filters::Router::default()),
            ..Default::default()
        }],
        ..Default::default()
    };
    listener::Listener {
        name: name.into(),
        address: address("0.0.0.0", 8080),
        filter_chains: vec![listener::FilterChain {
            filters: vec![listener::Filter {
                name: "http".into(),
                config_type: Some(listener::filter::ConfigType::TypedConfig(wkt::Any::pack(
                    &manager,
                ))),
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn routes(name: &str, cluster: &str) -> route::RouteConfiguration {
    route::RouteConfiguration {
        name: name.into(),
        virtual_hosts: vec![route::VirtualHost {
            name: "all".into(),
            domains: vec!["*".into()],
            routes: vec![route::Route {
                r#match: Some(route::RouteMatch {
                    path_specifier: Some(route::route_match::PathSpecifier::Prefix("/".into())),
                    ..Default::default()
                }),
                action: Some(route::route::Action::Route(route::RouteAction {
                    cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(
                        cluster.into(),
                    )),
                    ..Default::default()
                })),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

/// What becomes of `GET /` at the listener `http`: a cluster, or a status with its flags.
fn told(table: &Table) -> String {
    let Some(listener) = table.listener("http") else { return "no listener".to_owned() };
    let Some(chain) = listener.chain(&Peer::default(), &Detected::Opaque) else {
        return "no chain".to_owned();
    };
    let Chain::Http(chain) = &*chain else { return "no http".to_owned() };
    let head = Head { method: "GET", authority: "a", path: "/", ..Head::default() };
    match chain.decide(table, &head, &Peer::default(), &mut Dice::seeded(1)) {
        Decision::Forward(forward) => {
            let count = table.endpoints(&forward.cluster).unwrap().localities.iter();
            let count: usize = count.map(|locality| locality.endpoints.len()).sum();
            format!("{} with {count}", forward.cluster)
        }
        Decision::Answer(answer) => format!("{} {}", answer.status, answer.flags),
    }
}

#[test]
fn what_is_new_waits_for_what_it_refers_to() {
    let mut config = Config::new();
    let cluster = encode(&eds_cluster("c"));
    config.update(CLUSTER, &[("c", "1", &cluster)], &[]).unwrap();
    let http = encode(&http_listener("http", "r"));
    config.update(LISTENER, &[("http", "1", &http)], &[]).unwrap();
    assert_eq!(config.wanted().endpoints, ["c"]);
    assert_eq!(config.wanted().routes, ["r"]);
    assert_eq!(config.warming(), ["http", "c"]);
    assert_eq!(told(&config.table()), "no listener");
    let to_c = encode(&routes("r", "c"));
    config.update(ROUTE, &[("r", "1", &to_c)], &[]).unwrap();
    assert_eq!(told(&config.table()), "503 NC");
    let hosts = encode(&assignment("c", &["10.0.0.1"]));
    config.update(ENDPOINT, &[("c", "1", &hosts)], &[]).unwrap();
    assert_eq!(told(&config.table()), "c with 1");
    assert!(config.warming().is_empty());
    // The old listener serves until the routes of the new one are there.
    let next = encode(&http_listener("http", "r2"));
    config.update(LISTENER, &[("http", "2", &next)], &[]).unwrap();
    assert_eq!(told(&config.table()), "c with 1");
    config.give_up(ROUTE, "r2");
    assert_eq!(told(&config.table()), "404 NR");
    config.update(LISTENER, &[], &["http".to_owned()]).unwrap();
    assert_eq!(told(&config.table()), "no listener");
}

#[test]
fn a_name_that_the_control_plane_does_not_know_is_not_waited_for() {
    let mut config = Config::new();
    let cluster = encode(&eds_cluster("c"));
    config.update(CLUSTER, &[("c", "1", &cluster)], &[]).unwrap();
    config.update(ENDPOINT, &[], &["c".to_owned()]).unwrap();
    assert!(config.table().cluster("c").is_some());
}

#[test]
fn what_nobody_refers_to_is_forgotten() {
    let mut config = Config::new();
    let cluster = encode(&eds_cluster("c"));
    config.update(CLUSTER, &[("c", "1", &cluster)], &[]).unwrap();
    config.update(ENDPOINT, &[("c", "1", &encode(&assignment("c", &["10.0.0.1"])))], &[]).unwrap();
    let http = encode(&http_listener("http", "r"));
    config.update(LISTENER, &[("http", "1", &http)], &[]).unwrap();
    config.update(ROUTE, &[("r", "1", &encode(&routes("r", "c")))], &["gone".into()]).unwrap();
    config.forget_unused();
    assert_eq!(told(&config.table()), "c with 1");
    config.update(LISTENER, &[], &["http".into()]).unwrap();
    config.update(CLUSTER, &[], &["c".into()]).unwrap();
    config.forget_unused();
    assert!(config.resources(ENDPOINT).is_empty() && config.resources(ROUTE).is_empty());
    // When it comes again it waits for endpoints as if it had never been there, not for those of its earlier life.
    config.update(CLUSTER, &[("c", "1", &cluster)], &[]).unwrap();
    assert_eq!(config.warming(), ["c"]);
}

#[test]
fn an_endpoint_change_leaves_all_else_as_it_is() {
    let mut config = Config::new();
    let (cluster, http) = (encode(&eds_cluster("c")), encode(&http_listener("http", "r")));
    let (to_c, hosts) = (encode(&routes("r", "c")), encode(&assignment("c", &["10.0.0.1"])));
    config.update(CLUSTER, &[("c", "1", &cluster)], &[]).unwrap();
    config.update(ENDPOINT, &[("c", "1", &hosts)], &[]).unwrap();
    config.update(LISTENER, &[("http", "1", &http)], &[]).unwrap();
    config.update(ROUTE, &[("r", "1", &to_c)], &[]).unwrap();
    let old = config.table();
    let more = encode(&assignment("c", &["10.0.0.1", "10.0.0.2"]));
    config.update(ENDPOINT, &[("c", "2", &more)], &[]).unwrap();
    let new = config.table();
    assert!(Arc::ptr_eq(&old.listeners()[0], &new.listeners()[0]));
    assert!(Arc::ptr_eq(old.cluster("c").unwrap(), new.cluster("c").unwrap()));
    assert!(Arc::ptr_eq(&old.routes, &new.routes));
    assert_eq!(told(&new), "c with 2");
    // The same bytes again are no change at all.
    config.update(CLUSTER, &[("c", "9", &cluster)], &[]).unwrap();
    assert!(Arc::ptr_eq(&new, &config.table()));
}

#[test]
fn one_bad_resource_refuses_the_whole_response() {
    let mut config = Config::new();
    let good = encode(&eds_cluster("good"));
    let bad = encode(&cluster::Cluster {
        name: "bad".into(),
        lb_subset_config: Some(cluster::cluster::LbSubsetConfig::default()),
        ..Default::default()
    });
    let rejection =
        config.update(CLUSTER, &[("good", "1", &good), ("bad", "1", &bad)], &[]).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "Cluster bad: lb_subset_config: is not supported by this proxy; remove it"
    );
    assert!(config.wanted().endpoints.is_empty());
    assert!(config.resources(CLUSTER).is_empty());
}

#[test]
fn rejections_name_the_field() {
    let mut config = Config::new();
    let mut bad = routes("r", "c");
    bad.virtual_hosts[0].routes[0].r#match = Some(route::RouteMatch {
        path_specifier: Some(route::route_match::PathSpecifier::SafeRegex(
            xds::kind::RegexMatcher { regex: "(".into(), ..Default::default() },
        )),
        ..Default::default()
    });
    let rejection = config.update(ROUTE, &[("r", "1", &encode(&bad))], &[]).unwrap_err();
    assert_eq!(rejection.field, "virtual_hosts[0] (all).routes[0].match.safe_regex.regex");
    let twice = route::RouteConfiguration {
        virtual_hosts: vec![routes("", "c").virtual_hosts.remove(0); 2],
        ..routes("r", "c")
    };
    let rejection = config.update(ROUTE, &[("r", "1", &encode(&twice))], &[]).unwrap_err();
    assert!(rejection.to_string().contains("\"*\" is there twice"), "{rejection}");
    let rejection = config.update(ROUTE, &[("r", "1", b"\xff\xff")], &[]).unwrap_err();
    assert!(rejection.to_string().contains("cannot be decoded"), "{rejection}");
}

#[test]
fn a_type_that_nobody_asked_for_is_refused() {
    assert!(Config::new().update("type.googleapis.com/x.Y", &[], &[]).is_err());
}

#[test]
fn original_destinations_find_their_listener() {
    let mut config = Config::new();
    let virtual_outbound = listener::Listener {
        use_original_dst: Some(true),
        address: address("0.0.0.0", 15001),
        ..http_listener("virtualOutbound", "r")
    };
    let silent = |name: &str, ip: &str, port| listener::Listener {
        bind_to_port: Some(false),
        address: address(ip, port),
        ..http_listener(name, "r")
    };
    let exact = silent("exact", "10.96.0.7", 80);
    let any = silent("0.0.0.0_80", "0.0.0.0", 80);
    let all = [virtual_outbound, exact, any].map(|l| (l.name.clone(), encode(&l)));
    let upserts: Vec<_> = all.iter().map(|(name, body)| (name.as_str(), "1", &**body)).collect();
    config.update(LISTENER, &upserts, &[]).unwrap();
    config.update(ROUTE, &[("r", "1", &encode(&routes("r", "c")))], &[]).unwrap();
    let table = config.table();
    let first = table.listener("virtualOutbound").unwrap();
    let accepted = |to: &str| {
        let peer = Peer::new("10.0.0.1:9".parse().unwrap(), to.parse().unwrap());
        table.accept(first, &peer).name.to_string()
    };
    assert_eq!(accepted("10.96.0.7:80"), "exact");
    assert_eq!(accepted("10.96.0.8:80"), "0.0.0.0_80");
    assert_eq!(accepted("10.96.0.8:81"), "virtualOutbound");
    let plain = table.listener("exact").unwrap();
    assert!(!plain.bind_to_port);
    assert_eq!(table.accept(plain, &Peer::default()).name, plain.name);
    let source = "10.0.0.1:9".parse().unwrap();
    let peer = Peer::redirected(source, "10.96.0.7:80".parse().unwrap());
    for (to, is_own) in [
        ("127.0.0.1:15001", true),
        ("10.0.0.1:15001", true),
        ("0.0.0.0:15001", true),
        ("10.0.0.2:15001", false),
        ("10.96.0.7:80", false),
        ("127.0.0.1:80", false),
    ] {
        assert_eq!(table.listens_at(to.parse().unwrap(), &peer), is_own, "{to}");
    }
}
