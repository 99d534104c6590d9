//! Clusters that requests name themselves, tunnels, and old clients.

use super::*;

#[test]
fn a_header_names_the_cluster() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/w"}, "route": {"weightedClusters": {"clusters": [
            {"clusterHeader": "X-C", "weight": 1}, {"name": "c", "weight": 0}]}}},
        {"match": {"prefix": "/"}, "route": {"clusterHeader": "X-C"}},
    ])));
    for path in ["/", "/w"] {
        assert_eq!(told(&chain, &format!("GET http://x{path} x-c=b")), "b");
        let unknown = answer(&chain, &format!("GET http://x{path} x-c=nobody"));
        assert_eq!((unknown.status, unknown.flags.to_string()), (503, "NC".to_owned()));
        assert_eq!(unknown.cluster, "", "what a client names is no label");
        assert_eq!(told(&chain, &format!("GET http://x{path}")), "503");
    }
    for wrong in [
        json!({"weightedClusters": {"clusters": [{"weight": 1}]}}),
        json!({"weightedClusters": {"clusters": [
            {"name": "a", "clusterHeader": "x", "weight": 1}]}}),
    ] {
        let config = one(json!([{"match": {"prefix": "/"}, "route": wrong}]));
        let config: proto::RouteConfiguration = serde_json::from_value(config).unwrap();
        assert!(Routes::compile(&config).is_err());
    }
}

#[test]
fn a_number_in_a_header_takes_the_place_of_chance() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"weightedClusters": {
        "headerName": "X-Share",
        "clusters": [{"name": "a", "weight": 90}, {"name": "b", "weight": 10}]}}}])));
    for (share, cluster) in [("0", "a"), ("89", "a"), ("90", "b"), ("99", "b"), ("100", "a")] {
        assert_eq!(told(&chain, &format!("GET http://x/ x-share={share}")), cluster, "{share}");
    }
    let mut dice = Dice::seeded(3);
    let mut count = 0;
    for _ in 0..1000 {
        let Decision::Forward(forward) = run(&chain, "GET http://x/ x-share=none", &mut dice)
        else {
            panic!()
        };
        count += u32::from(&*forward.cluster == "b");
    }
    assert!((60..140).contains(&count), "{count}");
}

#[test]
fn a_mirror_may_be_named_by_a_header() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a",
        "requestMirrorPolicies": [{"clusterHeader": "x-m"}]}}])));
    let mirrors = |line: &str| -> Vec<String> {
        let mirrors = &forward(&chain, line).mirrors;
        mirrors.iter().map(|mirror| mirror.cluster.to_string()).collect()
    };
    assert_eq!(mirrors("GET http://x/ x-m=b"), ["b"]);
    assert!(mirrors("GET http://x/").is_empty());
}

#[test]
fn connect_goes_on_or_ends_here() {
    let routes = |connect: Json| {
        one(json!([{"match": {"connectMatcher": {}}, "route": {"cluster": "b", "timeout": "0s",
            "upgradeConfigs": [connect]}}]))
    };
    let on = plain(&routes(json!({"upgradeType": "CONNECT"})));
    let tunnel = forward(&on, "CONNECT http://x:80").tunnel();
    assert!(tunnel == Tunnel::Connect && tunnel.opens_with(200) && !tunnel.opens_with(101));
    let ends = plain(&routes(json!({"upgradeType": "CONNECT", "connectConfig": {}})));
    assert_eq!(forward(&ends, "CONNECT http://x:80").tunnel(), Tunnel::Terminate);
    let off = json!({"upgradeType": "CONNECT", "enabled": false, "connectConfig": {}});
    let off = answer(&plain(&routes(off)), "CONNECT http://x:80");
    assert!(off.status == 403 && off.is_last);
    assert!(Tunnel::Upgrade.opens_with(101) && !Tunnel::Upgrade.opens_with(200));
    let wrong = routes(json!({"upgradeType": "websocket", "connectConfig": {}}));
    let wrong: proto::RouteConfiguration = serde_json::from_value(wrong).unwrap();
    assert!(Routes::compile(&wrong).unwrap_err().field.ends_with("connect_config"));
}

#[test]
fn an_old_client_without_a_host_gets_the_default() {
    let settings = HttpSettings {
        accept_http_10: true,
        default_host_for_http_10: "old.example".to_owned(),
        ..HttpSettings::default()
    };
    let routes = json!({"virtualHosts": [
        {"name": "v", "domains": ["old.example"],
         "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "a"}}]}]});
    let chain = chain(&routes, Vec::new(), settings);
    let decide = |version| {
        let head = Head { method: "GET", path: "/", version, has_no_host: true, ..Head::default() };
        chain.decide(&table(), &head, &peer(), &mut Dice::seeded(1))
    };
    let Decision::Forward(forward) = decide(Version::Http10) else { panic!() };
    assert_eq!(forward.normal_authority.as_deref(), Some("old.example"));
    let Decision::Answer(answer) = decide(Version::Http11) else { panic!() };
    assert_eq!((answer.status, answer.is_last), (400, true));
}

#[test]
fn a_star_for_a_path_leads_nowhere() {
    let chain = plain(&one(json!([{"match": {"prefix": ""}, "route": {"cluster": "a"}}])));
    let head = Head { method: "OPTIONS", authority: "x", path: "*", ..Head::default() };
    let decision = chain.decide(&table(), &head, &peer(), &mut Dice::seeded(1));
    let Decision::Answer(answer) = decision else { panic!() };
    assert_eq!((answer.status, &*answer.details), (404, "absolute_path_rejected"));
}

#[test]
fn a_direct_answer_says_where_it_is_and_keeps_its_own_type() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/made"}, "directResponse": {"status": 201}},
        {"match": {"prefix": "/json"}, "directResponse": {"status": 200,
            "body": {"inlineString": "{}"}}, "responseHeadersToAdd": [
            {"header": {"key": "content-type", "value": "application/json"}}]},
        {"match": {"prefix": "/"}, "directResponse": {"status": 200,
            "body": {"inlineString": "x"}}},
    ])));
    assert_eq!(told(&chain, "GET http://x/made?q"), "201 http://x/made?q");
    let types = |path: &str| {
        let answer = answer(&chain, &format!("GET http://x{path}"));
        let types = answer.headers.iter().filter(|(name, _)| name == "content-type");
        types.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(types("/json"), ["application/json"]);
    assert_eq!(types("/"), ["text/plain"]);
    let long = one(json!([{"match": {"prefix": "/"}, "directResponse": {"status": 200,
        "body": {"inlineString": "x".repeat(4097)}}}]));
    let mut long: proto::RouteConfiguration = serde_json::from_value(long).unwrap();
    assert!(Routes::compile(&long).unwrap_err().field.ends_with("direct_response.body"));
    long.max_direct_response_body_size_bytes = Some(5000);
    assert!(Routes::compile(&long).is_ok());
}

#[test]
fn older_cors_speaks_for_clusters_alone() {
    let cors = |action: Json| {
        let mut route = json!({"match": {"prefix": "/"}});
        route.as_object_mut().unwrap().extend(action.as_object().unwrap().clone());
        let routes = json!({"virtualHosts": [{"name": "v", "domains": ["*"], "routes": [route],
            "cors": {"allowOriginStringMatch": [{"exact": "*"}]}}]});
        let filter = Filter {
            name: "envoy.filters.http.cors".into(),
            kind: FilterKind::Cors,
            disabled: false,
        };
        let chain = chain(&routes, vec![filter], HttpSettings::default());
        let line = "OPTIONS http://x/ origin=http://one access-control-request-method=GET";
        match run(&chain, line, &mut Dice::seeded(1)) {
            Decision::Answer(answer) => {
                let origin = answer.header("access-control-allow-origin");
                origin.map(|origin| String::from_utf8(origin.to_vec()).unwrap())
            }
            Decision::Forward(_) => panic!("a preflight went on"),
        }
    };
    // A star stands for everyone, though it is written as an exact match.
    assert_eq!(cors(json!({"route": {"cluster": "a"}})).as_deref(), Some("http://one"));
    assert_eq!(cors(json!({"directResponse": {"status": 200}})), None);
}

#[test]
fn a_fragment_is_refused() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a"}}])));
    let answer = answer(&chain, "GET http://x/a#b");
    assert_eq!((answer.status, answer.is_last), (400, true));
}

#[test]
fn the_old_host_is_told_where_it_changes() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/new"},
         "route": {"cluster": "a", "timeout": "0s", "hostRewriteLiteral": "y"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "a", "timeout": "0s"}},
    ])));
    let edits = |line: &str| request_edits(&forward(&chain, line));
    assert_eq!(edits("GET http://x/new"), ["x-envoy-original-host=x"]);
    assert!(edits("GET http://x/").is_empty());
}

#[test]
fn what_is_left_of_a_deadline_goes_upstream() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a",
        "timeout": "9s", "maxGrpcTimeout": "9s",
        "retryPolicy": {"retryOn": "5xx", "numRetries": 3, "perTryTimeout": "4s"}}}])));
    let forward = forward(&chain, "GET http://x/ content-type=application/grpc grpc-timeout=8S");
    let first = forward.first_attempt(Moment::START);
    let told = |seconds, attempt: &crate::Attempt| {
        let now = Moment::START + Duration::from_secs(seconds);
        let mut message = edited::Message::default();
        forward.edit_attempt(&mut message, (now, attempt));
        message.done
    };
    assert_eq!(told(3, &first), ["grpc-timeout=4000m", "x-envoy-expected-rq-timeout-ms=4000"]);
    let upstreams = crate::Upstreams::new();
    upstreams.sync(Moment::START, &Table { sorted: ["a".into()].into(), ..table() });
    let bad = crate::Outcome::Response { status: 503, headers: &[] };
    let upstream = upstreams.of("a").unwrap();
    let crate::Next::Again { attempt, .. } =
        first.next(&bad, None, &upstream, &mut Dice::seeded(1))
    else {
        panic!()
    };
    assert_eq!(told(6, &attempt), ["grpc-timeout=2000m", "x-envoy-expected-rq-timeout-ms=2000"]);
}

#[test]
fn the_header_of_an_original_destination_gives_way() {
    let cluster: xds::cluster::Cluster = serde_json::from_value(json!({"name": "a",
        "type": "ORIGINAL_DST", "lbPolicy": "CLUSTER_PROVIDED",
        "originalDstLbConfig": {"useHttpHeader": true}}))
    .unwrap();
    let cluster = Cluster::compile(&cluster).unwrap();
    let to = |value: &[u8]| {
        let headers = [Header { name: "x-envoy-original-dst-host", value }];
        let head = Head { headers: &headers, ..Head::default() };
        destination(&cluster, &head, &peer()).map(|to| to.to_string())
    };
    assert_eq!(to(b"1.2.3.4:81").as_deref(), Some("1.2.3.4:81"));
    assert_eq!(to(b"nonsense"), None, "a connection that was not led here goes nowhere else");
    let peer = Peer::redirected(peer().source, peer().destination);
    let without = destination(&cluster, &Head::default(), &peer).unwrap();
    assert_eq!(without.to_string(), "10.96.0.1:80");
}

#[test]
fn only_clusters_that_hash_get_a_cookie_made() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a",
        "hashPolicy": [{"cookie": {"name": "u", "ttl": "10s"}}]}}])));
    let cookies = |policy: &str| {
        let cluster = json!({"name": "a", "lbPolicy": policy});
        let cluster: xds::cluster::Cluster = serde_json::from_value(cluster).unwrap();
        let cluster = Arc::new(Cluster::compile(&cluster).unwrap());
        let entry = Entry { cluster, endpoints: Arc::new(Endpoints::default()) };
        let mut clusters = Map::default();
        clusters.insert(Arc::from("a"), entry);
        let table = Table { clusters: Arc::new(clusters), ..Table::default() };
        let head = Head { method: "GET", authority: "x", path: "/", ..Head::default() };
        let decision = chain.decide(&table, &head, &peer(), &mut Dice::seeded(1));
        let Decision::Forward(forward) = decision else { panic!() };
        let edits = response_edits(&forward, &ResponseFacts::default());
        edits.iter().filter(|edit| edit.contains("set-cookie")).count()
    };
    for (policy, n) in [("RING_HASH", 1), ("MAGLEV", 1), ("ROUND_ROBIN", 0), ("RANDOM", 0)] {
        assert_eq!(cookies(policy), n, "{policy}");
    }
}
