//! Requests in, decisions out: every action and filter of a route.

use std::time::Duration;

use serde_json::{Value as Json, json};
use xds::{filters, route as proto};

mod clusters;
mod edited;

use edited::{fault_answer, request_edits, response_edits};

use super::*;
use crate::{
    Moment, ResponseFacts,
    cluster::{Cluster, Endpoints},
    compile::Map,
    head::Header,
    table::Entry,
};

/// A request in one line: `GET http://host/path name=value …`.
struct Request {
    method: String,
    scheme: String,
    authority: String,
    path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn new(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let method = words.next().unwrap().to_owned();
        let (scheme, rest) = words.next().unwrap().split_once("://").unwrap();
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let headers = words.map(|word| {
            let (name, value) = word.split_once('=').unwrap();
            (name.to_owned(), value.replace('_', " "))
        });
        Self {
            method,
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            headers: headers.collect(),
        }
    }
}

fn peer() -> Peer {
    Peer::new("10.0.0.9:4000".parse().unwrap(), "10.96.0.1:80".parse().unwrap())
}

fn chain(routes: &Json, filters: Vec<Filter>, settings: HttpSettings) -> HttpChain {
    let config: proto::RouteConfiguration = serde_json::from_value(routes.clone()).unwrap();
    let routes = Routes::compile(&config).unwrap_or_else(|bad| panic!("{bad:?}"));
    let routes = RouteSource::Inline(Arc::new(routes));
    HttpChain { settings: Arc::new(settings), routes, filters }
}

fn plain(routes: &Json) -> HttpChain {
    chain(routes, Vec::new(), HttpSettings::default())
}

/// One virtual host for everything.
fn one(routes: Json) -> Json {
    json!({"virtualHosts": [{"name": "v", "domains": ["*"], "routes": routes}]})
}

/// A table with the clusters a, b and c.
fn table() -> Table {
    let mut clusters = Map::default();
    for name in ["a", "b", "c"] {
        // The last one hashes.
        let lb_policy = if name == "c" {
            xds::cluster::cluster::LbPolicy::RingHash
        } else {
            Default::default()
        };
        let cluster = xds::cluster::Cluster {
            name: name.into(),
            lb_policy: lb_policy.into(),
            ..Default::default()
        };
        let cluster = Arc::new(Cluster::compile(&cluster).unwrap());
        let entry = Entry { cluster, endpoints: Arc::new(Endpoints::default()) };
        clusters.insert(Arc::from(name), entry);
    }
    Table { clusters: Arc::new(clusters), ..Table::default() }
}

fn run(chain: &HttpChain, line: &str, dice: &mut Dice) -> Decision {
    let request = Request::new(line);
    let headers: Vec<Header<'_>> = request
        .headers
        .iter()
        .map(|(name, value)| Header { name, value: value.as_bytes() })
        .collect();
    let head = Head {
        method: &request.method,
        scheme: &request.scheme,
        authority: &request.authority,
        path: &request.path,
        headers: &headers,
        version: Version::Http11,
        has_no_host: false,
    };
    chain.decide(&table(), &head, &peer(), dice)
}

fn forward(chain: &HttpChain, line: &str) -> Box<Forward> {
    match run(chain, line, &mut Dice::seeded(1)) {
        Decision::Forward(forward) => forward,
        Decision::Answer(answer) => panic!("{line}: {answer:?}"),
    }
}

fn answer(chain: &HttpChain, line: &str) -> Box<Answer> {
    match run(chain, line, &mut Dice::seeded(1)) {
        Decision::Answer(answer) => answer,
        Decision::Forward(forward) => panic!("{line}: {forward:?}"),
    }
}

/// The decision in one line.
fn told(chain: &HttpChain, line: &str) -> String {
    match run(chain, line, &mut Dice::seeded(1)) {
        Decision::Forward(forward) => forward.cluster.to_string(),
        Decision::Answer(answer) => {
            let location =
                answer.header("location").map(|l| String::from_utf8_lossy(l).into_owned());
            [Some(answer.status.to_string()), location]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

#[test]
fn the_first_route_that_matches_wins() {
    let chain = plain(&one(json!([
        {"match": {"path": "/exact"}, "route": {"cluster": "a"}},
        {"match": {"prefix": "/api", "headers": [{"name": "end-user", "stringMatch": {"exact": "jason"}}]},
         "route": {"cluster": "b"}},
        {"match": {"prefix": "/api", "queryParameters": [{"name": "v", "stringMatch": {"exact": "2"}}]},
         "route": {"cluster": "c"}},
        {"match": {"safeRegex": {"regex": "/api/v[0-9]+"}}, "route": {"cluster": "a"}},
        {"match": {"prefix": "/api", "headers": [{"name": ":method", "stringMatch": {"exact": "POST"}}]},
         "route": {"cluster": "b"}},
        {"match": {"prefix": "/rpc", "grpc": {}}, "route": {"cluster": "c"}},
    ])));
    for (line, expected) in [
        ("GET http://x/exact?q=1", "a"),
        ("GET http://x/exact/", "404"),
        ("GET http://x/api end-user=jason", "b"),
        ("GET http://x/api?v=2", "c"),
        ("GET http://x/api/v7?z", "a"),
        ("GET http://x/api/v7/x", "404"),
        ("POST http://x/api/other", "b"),
        ("POST http://x/rpc content-type=application/grpc", "c"),
        ("POST http://x/rpc", "404"),
        ("GET http://x/else", "404"),
    ] {
        assert_eq!(told(&chain, line), expected, "{line}");
    }
    let answer = answer(&chain, "GET http://x/else");
    assert_eq!((answer.flags.to_string().as_str(), &*answer.details), ("NR", "route_not_found"));
    assert_eq!(answer.header("server"), Some(&b"envoy"[..]));
}

#[test]
fn the_domain_picks_the_virtual_host() {
    let host = |name: &str, domains: &[&str], cluster: &str| {
        json!({"name": name, "domains": domains,
               "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]})
    };
    let hosts = json!([
        host("1", &["reviews", "reviews.default.svc"], "a"),
        host("2", &["*.example.com"], "b"),
        host("3", &["*"], "c"),
    ]);
    let chain = plain(&json!({"virtualHosts": hosts, "ignorePortInHostMatching": true}));
    for (line, expected) in [
        ("GET http://reviews:9080/", "a"),
        ("GET http://Reviews.Default.svc/", "a"),
        ("GET http://x.example.com/", "b"),
        ("GET http://10.96.0.1:80/", "c"),
    ] {
        assert_eq!(told(&chain, line), expected, "{line}");
    }
    assert_eq!(forward(&chain, "GET http://reviews/").virtual_host(), "1");
}

#[test]
fn weights_are_relative() {
    let clusters = json!([{"name": "a", "weight": 90}, {"name": "b", "weight": 9}, {"name": "c", "weight": 1}]);
    let chain = plain(&one(json!([
        {"match": {"prefix": "/"}, "route": {"weightedClusters": {"clusters": clusters}}},
    ])));
    for seed in [1, 2, 3] {
        let mut dice = Dice::seeded(seed);
        let mut counts = Map::<String, u32>::default();
        for _ in 0..100_000 {
            let Decision::Forward(forward) = run(&chain, "GET http://x/", &mut dice) else {
                panic!()
            };
            *counts.entry(forward.cluster.to_string()).or_default() += 1;
        }
        for (cluster, weight) in [("a", 90_000_u32), ("b", 9_000), ("c", 1_000)] {
            assert!(counts[cluster].abs_diff(weight) < 500, "{counts:?}");
        }
    }
}

#[test]
fn weights_by_hash_are_sticky() {
    let weighted = json!({"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 1}],
                          "useHashPolicy": true});
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {
        "weightedClusters": weighted,
        "hashPolicy": [{"header": {"headerName": "user"}}],
    }}])));
    let mut seen = Vec::new();
    for user in 0..50 {
        let line = format!("GET http://x/ user={user}");
        let mut dice = Dice::seeded(user);
        let clusters: Vec<_> = (0..10)
            .map(|_| match run(&chain, &line, &mut dice) {
                Decision::Forward(forward) => forward.cluster.to_string(),
                Decision::Answer(_) => panic!(),
            })
            .collect();
        assert!(clusters.windows(2).all(|pair| pair[0] == pair[1]));
        seen.push(clusters[0].clone());
    }
    let share = seen.iter().filter(|cluster| *cluster == "a").count();
    assert!((10..40).contains(&share), "{share}");
}

#[test]
fn a_share_of_requests_takes_a_route() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/", "runtimeFraction": {"defaultValue": {"numerator": 25}}},
         "route": {"cluster": "a"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "b"}},
    ])));
    let mut dice = Dice::seeded(4);
    let hits = (0..40_000)
        .filter(|_| {
            matches!(run(&chain, "GET http://x/", &mut dice),
                             Decision::Forward(forward) if &*forward.cluster == "a")
        })
        .count();
    assert!((9_500..10_500).contains(&hits), "{hits}");
}

#[test]
fn redirects_build_their_location() {
    let redirect =
        |action: Json| plain(&one(json!([{"match": {"prefix": "/old"}, "redirect": action}])));
    for (action, line, expected) in [
        (json!({"httpsRedirect": true}), "GET http://x:80/old?q", "301 https://x/old?q"),
        (json!({"httpsRedirect": true}), "GET http://x:8080/old", "301 https://x:8080/old"),
        (json!({"hostRedirect": "y"}), "GET http://x:8080/old", "301 http://y/old"),
        (json!({"portRedirect": 81}), "GET http://x:8080/old", "301 http://x:81/old"),
        (json!({"pathRedirect": "/new"}), "GET http://x/old?q", "301 http://x/new?q"),
        (json!({"pathRedirect": "/new?z"}), "GET http://x/old?q", "301 http://x/new?z"),
        (
            json!({"pathRedirect": "/new", "stripQuery": true}),
            "GET http://x/old?q",
            "301 http://x/new",
        ),
        (json!({"prefixRewrite": "/new"}), "GET http://x/old/a?q", "301 http://x/new/a?q"),
        (
            json!({"schemeRedirect": "https", "responseCode": "PERMANENT_REDIRECT"}),
            "GET http://x/old",
            "308 https://x/old",
        ),
        (
            json!({"responseCode": "FOUND", "hostRedirect": "y"}),
            "GET http://x/old",
            "302 http://y/old",
        ),
        (
            json!({"responseCode": "SEE_OTHER", "hostRedirect": "y"}),
            "GET http://x/old",
            "303 http://y/old",
        ),
        (
            json!({"responseCode": "TEMPORARY_REDIRECT", "hostRedirect": "y"}),
            "GET http://x/old",
            "307 http://y/old",
        ),
    ] {
        assert_eq!(told(&redirect(action.clone()), line), expected, "{action}");
    }
}

#[test]
fn a_host_that_requires_tls_redirects() {
    let chain =
        plain(&json!({"virtualHosts": [{"name": "v", "domains": ["*"], "requireTls": "ALL",
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "a"}}]}]}));
    assert_eq!(told(&chain, "GET http://x/a?b"), "301 https://x/a?b");
    assert_eq!(told(&chain, "GET https://x/a?b"), "a");
}

#[test]
fn direct_responses_carry_body_and_headers() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "name": "r",
        "directResponse": {"status": 418, "body": {"inlineString": "tea"}},
        "responseHeadersToAdd": [{"header": {"key": "x-a", "value": "%PROTOCOL%"}}]}])));
    let answer = answer(&chain, "GET http://x/");
    assert_eq!(
        (answer.status, &*answer.body, &*answer.details),
        (418, &b"tea"[..], "direct_response")
    );
    assert_eq!(answer.header("x-a"), Some(&b"HTTP/1.1"[..]));
    assert_eq!(answer.header("content-type"), Some(&b"text/plain"[..]));
    assert_eq!((answer.route.as_str(), answer.virtual_host.as_str()), ("r", "v"));
}

#[test]
fn a_cluster_that_is_not_there_is_told() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/404"}, "route": {"cluster": "none", "clusterNotFoundResponseCode": "NOT_FOUND"}},
        {"match": {"prefix": "/"}, "route": {"cluster": "none"}},
    ])));
    let missing = answer(&chain, "GET http://x/");
    assert_eq!((missing.status, missing.flags.to_string().as_str()), (503, "NC"));
    assert_eq!((&*missing.details, missing.cluster.as_str()), ("cluster_not_found", "none"));
    assert_eq!(answer(&chain, "GET http://x/404").status, 404);
    let grpc = answer(&chain, "POST http://x/ content-type=application/grpc");
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some(&b"14"[..])));
}

#[test]
fn without_edits_nothing_is_put_on_the_heap() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a"}}])));
    let forward = forward(&chain, "GET http://x/ x-request-id=1");
    assert_eq!(forward.mirrors.capacity(), 0);
    assert!(forward.path.is_none() && forward.set_cookie.is_none());
}

#[test]
fn paths_and_hosts_are_rewritten() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/api/"}, "route": {"cluster": "a", "prefixRewrite": "/", "timeout": "0s",
            "hostRewriteLiteral": "y", "appendXForwardedHost": true}},
        {"match": {"prefix": "/re/"}, "route": {"cluster": "a",
            "regexRewrite": {"pattern": {"regex": "^/re/(.*)$"}, "substitution": "/\\1/x"}}},
        {"match": {"prefix": "/h"}, "route": {"cluster": "a", "hostRewriteHeader": "X-Host"}},
        {"match": {"prefix": "/auto"}, "route": {"cluster": "a", "autoHostRewrite": true}},
    ])));
    let api = forward(&chain, "GET http://x/api/v1?q=1");
    assert_eq!(api.path(), Some("/v1?q=1"));
    assert_eq!(api.authority, Authority::Rewritten("y".into()));
    assert_eq!(
        request_edits(&api),
        ["&x-forwarded-host=x", "x-envoy-original-host=x", "x-envoy-original-path=/api/v1?q=1"]
    );
    assert_eq!(forward(&chain, "GET http://x/re/a?b").path(), Some("/a/x?b"));
    let header = forward(&chain, "GET http://x/h x-host=z");
    assert_eq!(header.authority, Authority::Rewritten("z".into()));
    assert_eq!(forward(&chain, "GET http://x/h").authority, Authority::Keep);
    assert_eq!(forward(&chain, "GET http://x/auto").authority, Authority::OfHost);
}

#[test]
fn timeouts_come_from_route_and_request() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/default"}, "route": {"cluster": "a"}},
        {"match": {"prefix": "/off"}, "route": {"cluster": "a", "timeout": "0s", "maxGrpcTimeout": "0s"}},
        {"match": {"prefix": "/set"}, "route": {"cluster": "a", "timeout": "3s", "maxGrpcTimeout": "3s",
            "retryPolicy": {"retryOn": "5xx", "numRetries": 3, "perTryTimeout": "1s"}}},
        {"match": {"prefix": "/long"}, "route": {"cluster": "a", "timeout": "3s",
            "retryPolicy": {"retryOn": "5xx", "perTryTimeout": "5s"}}},
        {"match": {"prefix": "/stream"}, "route": {"cluster": "a", "idleTimeout": "9s", "maxStreamDuration": {
            "maxStreamDuration": "8s", "grpcTimeoutHeaderMax": "4s"}}},
    ])));
    let grpc = "content-type=application/grpc";
    let limits = |line: &str| {
        let forward = forward(&chain, line);
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs());
        (
            seconds(forward.timeout()),
            seconds(forward.per_try_timeout()),
            seconds(forward.max_stream_duration()),
        )
    };
    assert_eq!(limits("GET http://x/default"), (Some(15), None, None));
    assert_eq!(limits("GET http://x/off"), (None, None, None));
    assert_eq!(limits(&format!("GET http://x/off {grpc} grpc-timeout=2S")), (Some(2), None, None));
    assert_eq!(limits(&format!("GET http://x/off {grpc}")), (None, None, None));
    assert_eq!(limits("GET http://x/set"), (Some(3), Some(1), None));
    assert_eq!(
        limits(&format!("GET http://x/set {grpc} grpc-timeout=9S")),
        (Some(3), Some(1), None)
    );
    assert_eq!(
        limits(&format!("GET http://x/set {grpc} grpc-timeout=2S")),
        (Some(2), Some(1), None)
    );
    assert_eq!(limits("GET http://x/long"), (Some(3), None, None));
    assert_eq!(limits("GET http://x/stream"), (None, None, Some(8)));
    assert_eq!(limits("GET http://x/stream grpc-timeout=9S"), (None, None, Some(4)));
    assert_eq!(forward(&chain, "GET http://x/stream").idle_timeout(), Some(Duration::from_secs(9)));
    let expected = request_edits(&forward(&chain, "GET http://x/set"));
    assert_eq!(expected, ["x-envoy-expected-rq-timeout-ms=1000"]);
}

#[test]
fn attempts_are_counted_where_that_is_asked_for() {
    let chain = plain(&json!({"virtualHosts": [{"name": "v", "domains": ["*"],
        "includeRequestAttemptCount": true, "includeAttemptCountInResponse": true,
        "retryPolicy": {"retryOn": "reset"},
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "a", "timeout": "0s"}}]}]}));
    let forward = forward(&chain, "GET http://x/");
    assert_eq!(request_edits(&forward), ["x-envoy-attempt-count=1"]);
    let facts = ResponseFacts { attempts: 3, ..ResponseFacts::default() };
    assert!(response_edits(&forward, &facts).contains(&"x-envoy-attempt-count=3".to_owned()));
    let policy = forward.retry_policy().unwrap();
    assert_eq!(
        (policy.num_retries, policy.base_interval.as_millis(), policy.max_interval.as_millis()),
        (1, 25, 250)
    );
}

#[test]
fn mirrors_are_a_share_of_the_requests() {
    let chain = plain(&one(
        json!([{"match": {"prefix": "/"}, "route": {"cluster": "a", "requestMirrorPolicies": [
            {"cluster": "b", "runtimeFraction": {"defaultValue": {"numerator": 10}}},
            {"cluster": "c", "disableShadowHostSuffixAppend": true},
        ]}}]),
    ));
    let mut dice = Dice::seeded(2);
    let mut partial = 0;
    for _ in 0..10_000 {
        let Decision::Forward(forward) = run(&chain, "GET http://x:8/", &mut dice) else {
            panic!()
        };
        let last = forward.mirrors.last().unwrap();
        assert_eq!((&*last.cluster, last.authority.as_deref()), ("c", None));
        if let [first, _] = forward.mirrors.as_slice() {
            partial += 1;
            assert_eq!((&*first.cluster, first.authority.as_deref()), ("b", Some("x-shadow:8")));
        }
    }
    assert!((900..1_100).contains(&partial), "{partial}");
}

fn fault_filter(fault: &Json) -> Filter {
    let fault: filters::HttpFault = serde_json::from_value(fault.clone()).unwrap();
    let policy = Arc::new(FaultPolicy::compile(&fault).unwrap());
    Filter {
        name: "envoy.filters.http.fault".into(),
        kind: FilterKind::Fault(policy, Arc::default()),
        disabled: false,
    }
}

#[test]
fn faults_of_a_route_replace_those_of_the_chain() {
    let routes = one(json!([
        {"match": {"prefix": "/own"}, "route": {"cluster": "a"}, "typedPerFilterConfig": {
            "envoy.filters.http.fault": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                "delay": {"fixedDelay": "2s", "percentage": {"numerator": 100}},
                "abort": {"httpStatus": 418, "percentage": {"numerator": 100}}}}},
        {"match": {"prefix": "/slow"}, "route": {"cluster": "a"}, "typedPerFilterConfig": {
            "envoy.filters.http.fault": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
                "delay": {"fixedDelay": "2s", "percentage": {"numerator": 100}}}}},
        {"match": {"prefix": "/off"}, "route": {"cluster": "a"}, "typedPerFilterConfig": {
            "envoy.filters.http.fault": {
                "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true}}},
        {"match": {"prefix": "/"}, "route": {"cluster": "a"}},
    ]));
    let fault =
        fault_filter(&json!({"abort": {"httpStatus": 503, "percentage": {"numerator": 100}}}));
    let chain = chain(&routes, vec![fault], HttpSettings::default());
    let own = answer(&chain, "GET http://x/own");
    assert_eq!((own.status, own.flags.to_string().as_str()), (418, "DI,FI"));
    assert_eq!((own.delay, &*own.details), (Some(Duration::from_secs(2)), "fault_filter_abort"));
    assert_eq!(own.cluster, "a");
    let slow = forward(&chain, "GET http://x/slow");
    assert_eq!((slow.delay, slow.flags.to_string().as_str()), (Some(Duration::from_secs(2)), "DI"));
    assert_eq!(told(&chain, "GET http://x/off"), "a");
    assert_eq!(told(&chain, "GET http://x/"), "503");
}

#[test]
fn cors_answers_preflights_and_marks_responses() {
    let routes =
        one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a"}, "typedPerFilterConfig": {
        "envoy.filters.http.cors": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
            "allowOriginStringMatch": [{"exact": "https://f.example"}], "allowMethods": "GET"}}}]));
    let cors =
        Filter { name: "envoy.filters.http.cors".into(), kind: FilterKind::Cors, disabled: false };
    let chain = chain(&routes, vec![cors], HttpSettings::default());
    let preflight = "OPTIONS http://x/ access-control-request-method=GET origin=https://";
    let allowed = answer(&chain, &format!("{preflight}f.example"));
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-methods")),
        (200, Some(&b"GET"[..]))
    );
    assert_eq!(told(&chain, &format!("{preflight}g.example")), "a");
    let forward = forward(&chain, "GET http://x/ origin=https://f.example");
    let edits = response_edits(&forward, &ResponseFacts::default());
    assert_eq!(edits, ["access-control-allow-origin=https://f.example", "server=envoy"]);
}

#[test]
fn upgrades_need_leave() {
    let routes = one(json!([
        {"match": {"prefix": "/no"}, "route": {"cluster": "a",
            "upgradeConfigs": [{"upgradeType": "websocket", "enabled": false}]}},
        {"match": {"connectMatcher": {}}, "route": {"cluster": "b",
            "upgradeConfigs": [{"upgradeType": "CONNECT"}]}},
        {"match": {"prefix": "/"}, "route": {"cluster": "a"}},
    ]));
    let websocket =
        HttpSettings { upgrades: vec![(b"websocket"[..].into(), true)], ..HttpSettings::default() };
    let open = chain(&routes, Vec::new(), websocket);
    let upgrade =
        |path: &str, to: &str| format!("GET http://x{path} connection=Upgrade upgrade={to}");
    assert_eq!(forward(&open, &upgrade("/", "websocket")).tunnel(), Tunnel::Upgrade);
    assert_eq!(told(&open, &upgrade("/no", "websocket")), "403");
    assert_eq!(told(&open, &upgrade("/", "other")), "403");
    assert_eq!(told(&plain(&routes), &upgrade("/", "WebSocket")), "403");
    assert_eq!(forward(&plain(&routes), &upgrade("/", "h2c")).tunnel(), Tunnel::No);
    assert_eq!(told(&open, "CONNECT http://x"), "b");
}

#[test]
fn heads_that_nobody_may_send_are_refused() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a"}}])));
    let decide = |head: &Head<'_>| match chain.decide(&table(), head, &peer(), &mut Dice::seeded(1))
    {
        Decision::Answer(answer) => format!("{} {}", answer.status, answer.details),
        Decision::Forward(forward) => forward.cluster.to_string(),
    };
    let head = Head { method: "GET", scheme: "http", authority: "x", path: "/", ..Head::default() };
    assert_eq!(decide(&head), "a");
    assert_eq!(
        decide(&Head { authority: "", has_no_host: true, ..head }),
        "400 missing_host_header"
    );
    assert_eq!(decide(&Head { path: "x", ..head }), "404 absolute_path_rejected");
    assert_eq!(decide(&Head { path: "", ..head }), "404 missing_path_rejected");
    assert_eq!(decide(&Head { version: Version::Http10, ..head }), "426 low_version");
}

#[test]
fn paths_are_made_normal_before_they_match() {
    let routes = one(json!([
        {"match": {"prefix": "/admin"}, "directResponse": {"status": 403}},
        {"match": {"prefix": "/"}, "route": {"cluster": "a"}},
    ]));
    let settings = HttpSettings {
        normalization: crate::path::Normalization {
            dot_segments: true,
            merge_slashes: true,
            escaped_slashes: crate::path::EscapedSlashes::Keep,
        },
        ..HttpSettings::default()
    };
    let base = chain(&routes, Vec::new(), settings);
    assert_eq!(told(&base, "GET http://x/a/../admin"), "403");
    assert_eq!(told(&base, "GET http://x//admin"), "403");
    assert_eq!(forward(&base, "GET http://x/a/./b?c").path(), Some("/a/b?c"));
    assert_eq!(forward(&base, "GET http://x/a/b").path(), None);
    assert_eq!(told(&base, "GET http://x/../admin"), "403");
    assert_eq!(told(&base, "GET http://x/a/..;x/admin"), "403");
    assert_eq!(told(&base, "GET http://x/a%00"), "400");
    assert_eq!(told(&plain(&routes), "GET http://x/a/../admin"), "a");
}

#[test]
fn a_cookie_for_the_hash_is_set() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "c",
        "hashPolicy": [{"cookie": {"name": "u", "ttl": "5s"}}]}}])));
    let first = forward(&chain, "GET http://x/");
    assert!(first.first_attempt(Moment::START).hash().is_some());
    let edits = response_edits(&first, &ResponseFacts::default());
    assert!(edits[0].starts_with("+set-cookie=u=\""), "{edits:?}");
    let brought = forward(&chain, "GET http://x/ cookie=u=1");
    assert_eq!(response_edits(&brought, &ResponseFacts::default()), ["server=envoy"]);
}

#[test]
fn a_fault_becomes_an_answer_of_the_route() {
    let chain =
        plain(&one(json!([{"match": {"prefix": "/"}, "name": "r", "route": {"cluster": "a"},
        "responseHeadersToAdd": [{"header": {"key": "x-a", "value": "1"}}]}])));
    let forward = forward(&chain, "GET http://x/");
    let flags = Flag::UpstreamRetryLimitExceeded.into();
    let answer = fault_answer(&forward, &crate::Fault::NoHealthyUpstream, flags);
    assert_eq!((answer.status, answer.flags.to_string().as_str()), (503, "URX,UH"));
    assert_eq!((&*answer.body, answer.route.as_str()), (&b"no healthy upstream"[..], "r"));
    assert_eq!(answer.header("x-a"), Some(&b"1"[..]));
    assert_eq!(answer.header("x-envoy-upstream-service-time"), None);
    let overflow = fault_answer(&forward, &crate::Fault::Overflow, Flags::NONE);
    assert_eq!(overflow.header("x-envoy-overloaded"), Some(&b"true"[..]));
}

#[test]
fn what_this_proxy_cannot_do_is_refused_by_name() {
    for (route, field) in [
        (json!({"cluster": "a", "clusterHeader": "x"}), "cluster_header"),
        (json!({"cluster": "a", "hedgePolicy": {}}), "hedge_policy"),
        (json!({"cluster": "a", "priority": "HIGH"}), "priority HIGH"),
        (
            json!({"weightedClusters": {"clusters": [{"name": "a", "weight": 0}]}}),
            "weighted_clusters",
        ),
        (
            json!({"cluster": "a", "regexRewrite": {"pattern": {"regex": "["}}}),
            "regex_rewrite.pattern.regex",
        ),
        (json!({"cluster": "a", "timeout": "-1s"}), "timeout"),
    ] {
        let config = one(json!([{"match": {"prefix": "/"}, "route": route}]));
        let config: Result<proto::RouteConfiguration, _> = serde_json::from_value(config);
        // A oneof that is set twice is refused by the reader of JSON already.
        let Ok(config) = config else { continue };
        let bad = Routes::compile(&config).unwrap_err();
        assert!(bad.field.ends_with(field), "{} is not {field}", bad.field);
    }
}
