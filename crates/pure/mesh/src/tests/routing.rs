//! VirtualServices in the mesh.

use serde_json::{Value, json};

use super::{Script, sidecar};

fn to(host: &str) -> Value {
    json!([{"destination": {"host": host}}])
}

fn subsets(script: &mut Script) {
    script.app("reviews", 9080, &["v1", "v2", "v3"]);
    script.istio(
        "DestinationRule",
        "reviews",
        json!({"host": "reviews", "subsets": [
            {"name": "v1", "labels": {"version": "v1"}},
            {"name": "v2", "labels": {"version": "v2"}},
        ]}),
    );
}

/// The routes of `reviews` under one VirtualService with these rules.
fn rules(http: Value) -> Vec<Value> {
    let mut script = Script::default();
    subsets(&mut script);
    script.istio("VirtualService", "reviews", json!({"hosts": ["reviews"], "http": http}));
    script.sidecar().routes("9080", "reviews")
}

#[test]
fn weights_split_between_subsets() {
    let mut script = Script::default();
    subsets(&mut script);
    script.istio(
        "VirtualService",
        "reviews",
        json!({"hosts": ["reviews"], "http": [{"route": [
            {"destination": {"host": "reviews", "subset": "v1"}, "weight": 90},
            {"destination": {"host": "reviews", "subset": "v2"}, "weight": 10},
        ]}]}),
    );
    let told = script.sidecar();
    assert_eq!(told.targets("9080", "reviews"), ["90*9080|v1|reviews 10*9080|v2|reviews"]);
    assert_eq!(
        told.hosts("outbound|9080|v1|reviews.default.svc.cluster.local"),
        ["10.244.1.1:9080"]
    );
    assert_eq!(
        told.hosts("outbound|9080|v2|reviews.default.svc.cluster.local"),
        ["10.244.1.2:9080"]
    );
    let route = &told.routes("9080", "reviews")[0];
    assert_eq!(
        route["metadata"]["filterMetadata"]["istio"]["config"],
        "/apis/networking.istio.io/v1/namespaces/default/virtual-service/reviews"
    );
}

#[test]
fn weights_are_relative_and_zero_gets_nothing() {
    let weights = |weights: [i64; 3]| {
        let route: Vec<_> = ["v1", "v2", "v3"].iter().zip(weights).map(|(subset, weight)| {
            json!({"destination": {"host": "reviews", "subset": subset}, "weight": weight})
        }).collect();
        rules(json!([{"route": route}])).iter().map(super::target).collect::<Vec<_>>()
    };
    assert_eq!(weights([1, 3, 0]), ["1*9080|v1|reviews 3*9080|v2|reviews"]);
    assert_eq!(weights([7, 0, 0]), ["9080|v1|reviews"]);
    // Rules that cannot be: the service is routed as if they were not there.
    assert_eq!(weights([0, 0, 0]), ["9080||reviews"]);
    assert_eq!(weights([-1, 1, 1]), ["9080||reviews"]);
    let alone = rules(json!([{"route": [{"destination": {"host": "reviews"}, "weight": 0}]}]));
    assert_eq!(super::target(&alone[0]), "9080||reviews");
}

#[test]
fn the_first_match_wins_and_a_catch_all_ends_the_list() {
    let routes = rules(json!([
        {"name": "a", "match": [{"uri": {"exact": "/x"}}, {"name": "m", "uri": {"prefix": "/y"}}], "route": to("reviews")},
        {"match": [{"uri": {"prefix": "/"}}], "route": to("reviews")},
        {"name": "late", "match": [{"uri": {"exact": "/z"}}], "route": to("reviews")},
    ]));
    let names: Vec<_> = routes.iter().map(|route| route["name"].as_str().unwrap_or("")).collect();
    assert_eq!(names, ["a", "a.m", "default"]);
}

#[test]
fn matches_are_put_into_envoy_s_words() {
    let matched =
        |one: Value| rules(json!([{"match": [one], "route": to("reviews")}]))[0]["match"].clone();
    let table = [
        (json!({"uri": {"exact": "/a"}}), json!({"path": "/a"})),
        (
            json!({"uri": {"prefix": "/a"}, "ignoreUriCase": true}),
            json!({"prefix": "/a", "caseSensitive": false}),
        ),
        (json!({"uri": {"regex": "/a.*"}}), json!({"safeRegex": {"regex": "/a.*"}})),
        (
            json!({"method": {"exact": "GET"}}),
            json!({"prefix": "/", "headers": [{"name": ":method", "stringMatch": {"exact": "GET"}}]}),
        ),
        (
            json!({"scheme": {"exact": "http"}, "authority": {"prefix": "a."}}),
            json!({"prefix": "/", "headers": [
                {"name": ":scheme", "stringMatch": {"exact": "http"}},
                {"name": ":authority", "stringMatch": {"prefix": "a."}}]}),
        ),
        (
            json!({"headers": {"End-User": {"exact": "jason"}}}),
            json!({"prefix": "/", "headers": [{"name": "end-user", "stringMatch": {"exact": "jason"}}]}),
        ),
        (
            json!({"headers": {"a": {}, "b": {"regex": "*"}}}),
            json!({"prefix": "/", "headers": [{"name": "a", "presentMatch": true}, {"name": "b", "presentMatch": true}]}),
        ),
        (
            json!({"withoutHeaders": {"a": {"exact": "x"}, "b": {}}}),
            json!({"prefix": "/", "headers": [
                {"name": "a", "stringMatch": {"exact": "x"}, "invertMatch": true, "treatMissingHeaderAsEmpty": true},
                {"name": "b", "presentMatch": true, "invertMatch": true}]}),
        ),
        (
            json!({"queryParams": {"v": {"exact": "1"}}}),
            json!({"prefix": "/", "queryParameters": [{"name": "v", "stringMatch": {"exact": "1"}}]}),
        ),
    ];
    for (written, expected) in table {
        assert_eq!(matched(written.clone()), expected, "{written}");
    }
}

#[test]
fn a_match_for_other_callers_or_ports_is_not_told() {
    let mut script = Script::default();
    subsets(&mut script);
    let rule = |condition: Value, subset: &str| {
        json!({"match": [condition],
        "route": [{"destination": {"host": "reviews", "subset": subset}}]})
    };
    script.istio(
        "VirtualService",
        "reviews",
        json!({"hosts": ["reviews"], "gateways": ["mesh", "gw"], "http": [
            rule(json!({"sourceLabels": {"app": "web"}}), "label"),
            rule(json!({"sourceNamespace": "other"}), "namespace"),
            rule(json!({"port": 9080}), "port"),
            rule(json!({"port": 9999}), "wrong-port"),
            rule(json!({"gateways": ["gw"]}), "gateway"),
            rule(json!({"gateways": ["mesh"]}), "mesh"),
        ]}),
    );
    let targets = |namespace: &str, labels: &[(&str, &str)]| {
        script.snapshot(&sidecar(namespace, labels)).targets("9080", "reviews.default")
    };
    assert_eq!(targets("default", &[]), ["9080|port|reviews"]);
    assert_eq!(targets("default", &[("app", "web")]), ["9080|label|reviews"]);
    assert_eq!(targets("other", &[]), ["9080|namespace|reviews"]);
}

#[test]
fn conditions_beside_others_keep_their_order() {
    let routes = rules(json!([
        {"match": [{"uri": {"prefix": "/a"}, "sourceLabels": {"x": "y"}}, {"uri": {"prefix": "/b"}}], "route": to("reviews")},
        {"route": to("reviews")},
    ]));
    let prefixes: Vec<_> = routes.iter().map(|route| route["match"]["prefix"].clone()).collect();
    assert_eq!(prefixes, [json!("/b"), json!("/")]);
}

#[test]
fn the_oldest_speaks_for_a_host() {
    let mut script = Script::default();
    subsets(&mut script);
    let one = |subset: &str| {
        json!({"hosts": ["reviews"], "http": [{"route": [
        {"destination": {"host": "reviews", "subset": subset}}]}]})
    };
    script.istio("VirtualService", "z-first", one("v1")).istio(
        "VirtualService",
        "a-second",
        one("v2"),
    );
    assert_eq!(script.sidecar().targets("9080", "reviews"), ["9080|v1|reviews"]);
    assert_eq!(script.findings(), ["IST0109 spec.hosts[0]"]);
}

#[test]
fn a_private_rule_beats_an_older_public_one() {
    let mut script = Script::default();
    subsets(&mut script);
    let one = |subset: &str, export: &str| {
        json!({"hosts": ["reviews.default.svc.cluster.local"],
        "exportTo": [export], "http": [{"route": [
        {"destination": {"host": "reviews.default.svc.cluster.local", "subset": subset}}]}]})
    };
    script.istio("VirtualService", "public", one("v1", "*"));
    script.istio_in("other", "VirtualService", "private", one("v2", "."));
    assert_eq!(script.sidecar().targets("9080", "reviews"), ["9080|v1|reviews"]);
    let told = script.snapshot(&sidecar("other", &[]));
    assert_eq!(told.targets("9080", "reviews.default"), ["9080|v2|reviews"]);
    assert_eq!(script.findings(), Vec::<String>::new());
}

#[test]
fn short_names_belong_to_the_rule_s_namespace() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.istio_in("other", "VirtualService", "reviews", json!({"hosts": ["reviews"],
        "http": [{"fault": {"abort": {"httpStatus": 500, "percentage": {"value": 100}}}, "route": to("reviews")}]}));
    let route = &script.sidecar().routes("9080", "reviews")[0];
    assert!(route.get("typedPerFilterConfig").is_none(), "reviews.other is another host");
}

#[test]
fn wildcards_speak_for_services_and_for_the_world() {
    let mut script = Script::default();
    script.app("a", 80, &["v1"]).app("b", 80, &["v1"]);
    script.istio(
        "VirtualService",
        "all",
        json!({"hosts": ["*.default.svc.cluster.local"],
        "http": [{"name": "pattern", "route": to("a")}]}),
    );
    script.istio(
        "VirtualService",
        "one",
        json!({"hosts": ["b"], "http": [{"name": "exact", "route": to("b")}]}),
    );
    script.istio(
        "VirtualService",
        "out",
        json!({"hosts": ["*.example.com", "api.example.org"],
        "http": [{"name": "out", "route": to("a")}]}),
    );
    let told = script.sidecar();
    assert_eq!(told.routes("80", "a")[0]["name"], "pattern");
    assert_eq!(told.routes("80", "b")[0]["name"], "exact");
    assert_eq!(told.routes("80", "*.example.com")[0]["name"], "out");
    assert_eq!(told.routes("80", "api.example.org")[0]["name"], "out");
}

#[test]
fn a_destination_without_port_takes_the_only_one_or_the_dialled() {
    let mut script = Script::default();
    script.app("web", 80, &["v1"]).app("one", 8000, &["v1"]);
    script
        .service("two", json!([{"name": "http", "port": 80}, {"name": "http-admin", "port": 81}]));
    script.istio("VirtualService", "web", json!({"hosts": ["web"], "http": [
        {"match": [{"uri": {"prefix": "/one"}}], "route": to("one")},
        {"match": [{"uri": {"prefix": "/two"}}], "route": to("two")},
        {"match": [{"uri": {"prefix": "/three"}}], "route": [{"destination": {"host": "two", "port": {"number": 81}}}]},
        {"route": to("nowhere")},
    ]}));
    assert_eq!(
        script.sidecar().targets("80", "web"),
        ["8000||one", "80||two", "81||two", "80||nowhere"]
    );
    assert_eq!(
        script.findings(),
        [
            "IST0101 spec.http[3].route[0].destination.host",
            "IST0112 spec.http[1].route[0].destination",
        ]
    );
}

#[test]
fn redirect_rewrite_and_answer() {
    let routes = rules(json!([
        {"match": [{"uri": {"exact": "/r"}}], "redirect": {"uri": "/new", "authority": "x.com", "redirectCode": 302, "scheme": "https", "port": 8443}},
        {"match": [{"uri": {"exact": "/d"}}], "directResponse": {"status": 418, "body": {"string": "tea"}}},
        {"match": [{"uri": {"exact": "/e"}}], "directResponse": {"status": 200, "body": {"bytes": "AAE="}}},
        {"match": [{"uri": {"prefix": "/p"}}], "rewrite": {"uri": "/q", "authority": "y.com"}, "route": to("reviews")},
        {"match": [{"uri": {"prefix": "/s"}}], "rewrite": {"uriRegexRewrite": {"match": "/s/(.*)", "rewrite": "/t/\\1"}}, "route": to("reviews")},
        {"match": [{"uri": {"exact": "/u"}}], "redirect": {"derivePort": "FROM_REQUEST_PORT"}},
    ]));
    assert_eq!(
        routes[0]["redirect"],
        json!({"hostRedirect": "x.com", "portRedirect": 8443,
        "pathRedirect": "/new", "schemeRedirect": "https", "responseCode": "FOUND"})
    );
    assert_eq!(
        routes[1]["directResponse"],
        json!({"status": 418, "body": {"inlineString": "tea"}})
    );
    assert_eq!(routes[2]["directResponse"]["body"], json!({"inlineBytes": "AAE="}));
    assert_eq!(routes[3]["route"]["prefixRewrite"], "/q");
    assert_eq!(routes[3]["route"]["hostRewriteLiteral"], "y.com");
    assert_eq!(
        routes[4]["route"]["regexRewrite"],
        json!({"pattern": {"regex": "/s/(.*)"}, "substitution": "/t/\\1"})
    );
    assert_eq!(routes[5]["redirect"]["portRedirect"], 9080);
}

#[test]
fn headers_are_edited_on_the_route_and_by_destination() {
    let routes = rules(json!([{
    "headers": {"request": {"set": {"X-A": "1", "host": "h.com"}, "add": {"x-b": "100%"}, "remove": ["x-c", ":path"]},
        "response": {"add": {"set-cookie": "v=1"}}},
    "route": [
        {"destination": {"host": "reviews", "subset": "v1"}, "weight": 1, "headers": {"response": {"set": {"x-d": "2"}}}},
        {"destination": {"host": "reviews", "subset": "v2"}, "weight": 1},
    ]}]));
    let route = &routes[0];
    assert_eq!(
        route["requestHeadersToAdd"],
        json!([
            {"header": {"key": "x-b", "value": "100%%"}},
            {"header": {"key": "x-a", "value": "1"}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"},
        ])
    );
    assert_eq!(route["requestHeadersToRemove"], json!(["x-c"]));
    assert_eq!(route["responseHeadersToAdd"][0]["header"]["key"], "set-cookie");
    assert_eq!(route["route"]["hostRewriteLiteral"], "h.com");
    let first = &route["route"]["weightedClusters"]["clusters"][0];
    assert_eq!(first["responseHeadersToAdd"][0]["header"], json!({"key": "x-d", "value": "2"}));
}

#[test]
fn timeouts_and_retries() {
    let one = |extra: Value| {
        let mut rule = json!({"route": to("reviews")});
        rule.as_object_mut().expect("a map").extend(extra.as_object().cloned().expect("a map"));
        rules(json!([rule]))[0]["route"].clone()
    };
    assert_eq!(one(json!({"timeout": "1.5s"}))["timeout"], "1.500s");
    assert_eq!(one(json!({"timeout": "1.5s"}))["maxGrpcTimeout"], "1.500s");
    assert_eq!(one(json!({}))["maxGrpcTimeout"], "0s");
    let timed = one(json!({"timeout": "1.5s"}));
    assert!(timed.get("maxStreamDuration").is_none(), "with it Envoy forgets the timeout");
    assert_eq!(one(json!({"timeout": "nonsense"}))["timeout"], "0s");
    assert!(one(json!({"retries": {"attempts": 0}})).get("retryPolicy").is_none());
    let retry =
        one(json!({"retries": {"attempts": 3, "perTryTimeout": "2s", "retryOn": "5xx,503,bogus",
        "backoff": "50ms", "retryRemoteLocalities": true}}))["retryPolicy"]
            .clone();
    assert_eq!(retry["numRetries"], 3);
    assert_eq!(retry["perTryTimeout"], "2s");
    assert_eq!(retry["retryOn"], "5xx,retriable-status-codes");
    assert_eq!(retry["retriableStatusCodes"], json!([503]));
    assert_eq!(retry["retryBackOff"], json!({"baseInterval": "0.050s", "maxInterval": "0.500s"}));
    assert_eq!(retry["retryPriority"]["typedConfig"]["updateFrequency"], 2);
    assert_eq!(retry["hostSelectionRetryMaxAttempts"], "5");
}

#[test]
fn faults_cors_and_mirrors() {
    let route = rules(json!([{
        "fault": {"delay": {"fixedDelay": "7s", "percentage": {"value": 0.1}}, "abort": {"grpcStatus": "UNAVAILABLE", "percentage": {"value": 50}}},
        "corsPolicy": {"allowOrigins": [{"exact": "https://a.com"}, {"exact": "*"}], "allowMethods": ["GET", "POST"], "maxAge": "24h", "allowCredentials": false},
        "mirror": {"host": "reviews", "subset": "v2"}, "mirrorPercentage": {"value": 25},
        "route": to("reviews")}]))[0].clone();
    let fault = &route["typedPerFilterConfig"]["envoy.filters.http.fault"];
    assert_eq!(
        fault["delay"],
        json!({"fixedDelay": "7s", "percentage": {"numerator": 1000, "denominator": "MILLION"}})
    );
    assert_eq!(fault["abort"]["grpcStatus"], 14);
    let cors = &route["typedPerFilterConfig"]["envoy.filters.http.cors"];
    assert_eq!(cors["allowMethods"], "GET,POST");
    assert_eq!(cors["maxAge"], "86400");
    assert_eq!(
        cors["allowOriginStringMatch"],
        json!([{"exact": "https://a.com"}, {"safeRegex": {"regex": ".*"}}])
    );
    assert_eq!(cors["forwardNotMatchingPreflights"], true);
    let mirror = &route["route"]["requestMirrorPolicies"][0];
    assert_eq!(mirror["cluster"], "outbound|9080|v2|reviews.default.svc.cluster.local");
    assert_eq!(mirror["runtimeFraction"]["defaultValue"]["numerator"], 250_000);
    assert_eq!(mirror["disableShadowHostSuffixAppend"], true);
}

#[test]
fn absent_percentages_mean_what_istio_means() {
    // A fault without percentage never happens; a mirror without one always does.
    let route = rules(json!([{"fault": {"delay": {"fixedDelay": "7s"}, "abort": {"httpStatus": 500}},
        "mirrors": [{"destination": {"host": "reviews"}}, {"destination": {"host": "reviews", "subset": "v1"}, "percentage": {"value": 0}}],
        "route": to("reviews")}]))[0].clone();
    assert!(route.get("typedPerFilterConfig").is_none());
    let mirrors = route["route"]["requestMirrorPolicies"].as_array().cloned().unwrap_or_default();
    assert_eq!(mirrors.len(), 1);
    assert_eq!(mirrors[0]["runtimeFraction"]["defaultValue"]["numerator"], 1_000_000);
}

#[test]
fn a_bad_rule_harms_itself_alone() {
    let routes = rules(json!([
        {"match": [{"uri": {"regex": "("}}], "route": to("reviews")},
        {"match": [{"headers": {"@request.auth.claims.group": {"exact": "x"}}}], "route": to("reviews")},
        {"name": "good", "match": [{"uri": {"prefix": "/x"}}], "route": to("reviews")},
        {"match": [{"uri": {"prefix": "/y"}}], "route": to("reviews"), "redirect": {"uri": "/"}},
        {"match": [{"uri": {"prefix": "/z"}}]},
    ]));
    assert_eq!(routes.len(), 1);
    assert_eq!(routes[0]["name"], "good");
}

#[test]
fn delegates_route_under_the_conditions_of_the_root() {
    let mut script = Script::default();
    subsets(&mut script);
    script.istio("VirtualService", "root", json!({"hosts": ["reviews"], "http": [
        {"name": "root", "match": [{"uri": {"prefix": "/reviews"}}], "timeout": "3s", "delegate": {"name": "part", "namespace": "other"}},
        {"route": to("reviews")},
    ]}));
    let fq = "reviews.default.svc.cluster.local";
    script.istio_in("other", "VirtualService", "part", json!({"http": [
        {"name": "in", "match": [{"uri": {"exact": "/reviews/1"}}], "route": [{"destination": {"host": fq, "subset": "v1"}}]},
        {"name": "out", "match": [{"uri": {"prefix": "/ratings"}}], "route": [{"destination": {"host": fq, "subset": "v2"}}]},
        {"name": "rest", "timeout": "1s", "route": [{"destination": {"host": fq, "subset": "v2"}}]},
    ]}));
    let told = script.sidecar();
    let routes = told.routes("9080", "reviews");
    let short: Vec<_> = routes
        .iter()
        .map(|route| {
            format!(
                "{} {} {}",
                route["name"].as_str().unwrap_or(""),
                super::target(route),
                route["route"]["timeout"].as_str().unwrap_or("")
            )
        })
        .collect();
    assert_eq!(
        short,
        ["root-in 9080|v1|reviews 3s", "root-rest 9080|v2|reviews 1s", "default 9080||reviews 0s",]
    );
    assert_eq!(routes[1]["match"]["prefix"], "/reviews");
    let about = &routes[0]["metadata"]["filterMetadata"]["istio"];
    assert_eq!(
        about["delegate"],
        "/apis/networking.istio.io/v1/namespaces/other/virtual-service/part"
    );
}

#[test]
fn bytes_are_split_by_weight_and_tls_by_name() {
    let mut script = Script::default();
    script.service("db", json!([{"name": "tcp", "port": 5432}, {"name": "https", "port": 443}]));
    script.service("new", json!([{"name": "tcp", "port": 5432}]));
    script.istio("VirtualService", "db", json!({"hosts": ["db", "a.example.com"],
        "tcp": [{"match": [{"port": 5432}], "route": [
            {"destination": {"host": "db", "port": {"number": 5432}}, "weight": 80},
            {"destination": {"host": "new"}, "weight": 20}]}],
        "tls": [{"match": [{"port": 443, "sniHosts": ["a.example.com"]}], "route": [{"destination": {"host": "new"}}]}]}));
    let told = script.sidecar();
    let tcp = told.listener("10.96.0.1_5432");
    let weights = &super::filter(&tcp["filterChains"][0])["weightedClusters"]["clusters"];
    assert_eq!((&weights[0]["weight"], &weights[1]["weight"]), (&json!(80), &json!(20)));
    assert_eq!(tcp["filterChains"].as_array().map(Vec::len), Some(1));
    let tls = told.listener("10.96.0.1_443");
    assert_eq!(tls["filterChains"][0]["filterChainMatch"]["serverNames"], json!(["a.example.com"]));
    assert_eq!(
        super::filter(&tls["filterChains"][0])["cluster"],
        "outbound|5432||new.default.svc.cluster.local"
    );
    assert_eq!(
        super::filter(&tls["defaultFilterChain"])["cluster"],
        "outbound|443||db.default.svc.cluster.local"
    );
    assert_eq!(tls["listenerFilters"][0]["name"], "envoy.filters.listener.tls_inspector");
}

#[test]
fn older_spellings_still_mean_what_they_meant() {
    let route = rules(json!([{"route": to("reviews"), "mirror": {"host": "ratings"}, "mirrorPercent": 5,
        "fault": {"delay": {"fixedDelay": "1s", "percent": 20}},
        "corsPolicy": {"allowOrigin": ["https://a.example", "*"], "unmatchedPreflights": "IGNORE"}}]))[0]
        .clone();
    let mirror = &route["route"]["requestMirrorPolicies"][0];
    assert_eq!(mirror["runtimeFraction"]["defaultValue"]["numerator"], 50_000);
    let filters = &route["typedPerFilterConfig"];
    assert_eq!(filters["envoy.filters.http.fault"]["delay"]["percentage"]["numerator"], 200_000);
    let cors = &filters["envoy.filters.http.cors"];
    assert_eq!(cors["allowOriginStringMatch"][0]["exact"], "https://a.example");
    assert_eq!(cors["allowOriginStringMatch"][1]["safeRegex"]["regex"], ".*");
    assert_eq!(cors["forwardNotMatchingPreflights"], false);
    let underscore = rules(
        json!([{"route": to("reviews"), "mirror": {"host": "ratings"}, "mirror_percent": 7}]),
    );
    let share = &underscore[0]["route"]["requestMirrorPolicies"][0]["runtimeFraction"];
    assert_eq!(share["defaultValue"]["numerator"], 70_000);
}

#[test]
fn a_retry_may_stay_on_a_host_if_told_so() {
    let retry = rules(json!([{"route": to("reviews"), "retries": {"attempts": 2, "retryIgnorePreviousHosts": false}}]))
        [0]["route"]["retryPolicy"]
        .clone();
    assert!(retry.get("retryHostPredicate").is_none(), "{retry}");
    let retry = rules(json!([{"route": to("reviews"), "retries": {"attempts": 2}}]))[0]["route"]["retryPolicy"].clone();
    assert_eq!(
        retry["retryHostPredicate"][0]["name"],
        "envoy.retry_host_predicates.previous_hosts"
    );
}

#[test]
fn what_does_nothing_is_said_wherever_it_stands() {
    let mut script = Script::default();
    script.app("reviews", 9080, &["v1"]);
    script.istio("VirtualService", "v", json!({"hosts": ["reviews"],
        "http": [{"match": [{"uri": {"prefix": "/a"}}], "route": to("reviews"), "fault": {
            "delay": {"exponentialDelay": "1s"}, "abort": {"http2Error": "X", "percentage": {"value": 1}}}},
            {"match": [{"uri": {"regex": "/b"}, "ignoreUriCase": true, "headers": {"uri": {"exact": "x"}, "@request.auth.claims.sub": {"exact": "x"}}}], "route": to("reviews")},
            {"redirect": {"uri": "/x"}, "timeout": "1s", "retries": {"attempts": 1}}],
        "tcp": [{"match": [{"sourceSubnet": "10.0.0.0/8"}], "route": to("reviews")}]}));
    script.istio("DestinationRule", "d", json!({"host": "reviews", "trafficPolicy": {
        "tunnel": {"targetHost": "a", "targetPort": 1}, "proxyProtocol": {"version": "V2"},
        "loadBalancer": {"simple": "RANDOM", "warmup": {"duration": "1s"}, "zoneAwareLbSetting": {"enabled": true}},
        "outlierDetection": {"consecutiveErrors": 3, "outlierDetectionHttpErrorCodes": [503]},
        "tls": {"mode": "SIMPLE"}}}));
    let found: Vec<String> = script
        .findings()
        .into_iter()
        .filter_map(|one| Some(one.strip_prefix("LAT0001 ")?.to_owned()))
        .collect();
    assert_eq!(
        found,
        [
            "spec.http[0].fault.abort.http2Error",
            "spec.http[0].fault.delay.exponentialDelay",
            "spec.http[1].match[0].headers[@request.auth.claims.sub]",
            "spec.http[1].match[0].ignoreUriCase",
            "spec.http[2].retries",
            "spec.http[2].timeout",
            "spec.tcp[0].match[0].sourceSubnet",
            "spec.trafficPolicy.loadBalancer.warmup",
            "spec.trafficPolicy.loadBalancer.zoneAwareLbSetting",
            "spec.trafficPolicy.outlierDetection.consecutiveErrors",
            "spec.trafficPolicy.proxyProtocol",
            "spec.trafficPolicy.tls.mode",
            "spec.trafficPolicy.tunnel",
        ]
    );
}
