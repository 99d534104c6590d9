//! Which cluster and which host: weights, mirrors, hashing, breakers, ejection.

use std::collections::BTreeMap;

use crate::{
    case::{Case, Eye, act, case},
    run::Area,
};

/// Weights, mirrors, breakers, and hosts by turns.
pub(crate) fn area() -> Area {
    let mut cases = Vec::new();
    cases.extend(weights());
    cases.extend(mirrors());
    cases.extend(turns());
    cases.extend(breakers());
    cases.extend(ejection());
    Area::new("balance", cases)
}

/// Hashing, apart, for it is many requests.
pub(crate) fn hashing() -> Vec<Area> {
    vec![
        Area::new(
            "ring",
            vec![keys("ring hash chooses Envoy's host for 10000 keys", "lb_policy: RING_HASH")],
        ),
        Area::new(
            "maglev",
            vec![keys("maglev chooses Envoy's host for 10000 keys", "lb_policy: MAGLEV")],
        ),
        Area::new("hashing", policies()),
    ]
}

/// Asks so often and counts the answering hosts.
fn count(eye: &mut Eye<'_>, n: usize, text: impl Fn(usize) -> String) -> BTreeMap<String, usize> {
    let mut connection = eye.open();
    let mut counts = BTreeMap::new();
    for at in 0..n {
        let reply = eye.quietly(&mut connection, &text(at)).expect("an answer");
        let body = String::from_utf8_lossy(&reply.body).trim().to_owned();
        *counts.entry(format!("{} {body}", reply.status)).or_default() += 1;
    }
    counts
}

fn weights() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, weights, expected) in [
        ("90 and 10", [90, 10, 0], [900.0_f64, 100.0, 0.0]),
        ("1 to 1", [1, 1, 0], [500.0, 500.0, 0.0]),
        ("three unequal", [1, 2, 7], [100.0, 200.0, 700.0]),
        ("sum above 100", [300, 100, 600], [300.0, 100.0, 600.0]),
    ] {
        let routes = format!(
            "[{{match: {{prefix: /}}, route: {{weighted_clusters: {{clusters: [{{name: a, weight: {}}}, {{name: b, weight: {}}}, {{name: c, weight: {}}}]}}}}}}]",
            weights[0], weights[1], weights[2]
        );
        let case = act(&format!("weights {name}"), &routes, |eye| {
            let counts = count(eye, 1000, |_| "GET /".to_owned());
            for host in ["a", "b", "c"] {
                eye.see(counts.get(&format!("200 from {host}")).copied().unwrap_or(0).to_string());
            }
        });
        cases.push(case.judged(move |envoy, ours| {
            for (at, expected) in expected.iter().enumerate() {
                let spread = 5.0 * (expected * (1.0 - expected / 1000.0)).sqrt();
                super::within("share", &envoy[at..=at], &ours[at..=at], *expected, spread)?;
            }
            Ok(())
        }));
    }
    cases.extend([
        case("weights of zero are refused", "[{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 0}, {name: b, weight: 0}]}}}]", &["GET /"]),
        case("no weighted clusters are refused", "[{match: {prefix: /}, route: {weighted_clusters: {clusters: []}}}]", &["GET /"]),
        case("a weighted cluster that is unknown", "[{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: nobody, weight: 1}]}}}]", &["GET /"]),
        case("a weight of zero gets nothing", "[{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 0}, {name: b, weight: 1}]}}}]", &["GET /"; 20]),
    ]);
    let sticky = "[{match: {prefix: /}, route: {hash_policy: [{header: {header_name: x-user}}], weighted_clusters: {use_hash_policy: true, clusters: [{name: a, weight: 30}, {name: b, weight: 70}]}}}]";
    cases.push(act("sticky with weights chooses Envoy's cluster", sticky, |eye| {
        let mut connection = eye.open();
        for user in 0..300 {
            let reply =
                eye.quietly(&mut connection, &format!("GET / | x-user: user-{user}")).unwrap();
            eye.see(format!("user-{user} {}", String::from_utf8_lossy(&reply.body).trim()));
        }
    }));
    cases
}

fn mirrors() -> Vec<Case> {
    let mirror = |name: &str, policies: &str, ask: &'static str, n: usize| {
        let routes = format!(
            "[{{match: {{prefix: /}}, route: {{cluster: a, prefix_rewrite: /new, request_mirror_policies: [{policies}]}}, request_headers_to_add: [{{header: {{key: x-added, value: v}}}}]}}]"
        );
        act(name, &routes, move |eye| {
            eye.ask(ask);
            eye.upstream_of(n);
        })
    };
    let post = "POST /p | x-a: 1 || the body";
    vec![
        mirror("a mirror", "{cluster: b}", post, 2),
        mirror("two mirrors", "{cluster: b}, {cluster: c}", post, 3),
        mirror(
            "a mirror of none",
            "{cluster: b, runtime_fraction: {default_value: {numerator: 0}}}",
            post,
            1,
        ),
        mirror(
            "a mirror of all",
            "{cluster: b, runtime_fraction: {default_value: {numerator: 100}}}",
            post,
            2,
        ),
        mirror(
            "a mirror without the suffix",
            "{cluster: b, disable_shadow_host_suffix_append: true}",
            post,
            2,
        ),
        mirror(
            "a mirror with a host of its own",
            "{cluster: b, host_rewrite_literal: mirror.host}",
            post,
            2,
        ),
        mirror("a mirror that is unknown", "{cluster: nobody}", post, 1),
        mirror("a mirror that refuses", "{cluster: refused}", post, 1),
        mirror("a mirror without hosts", "{cluster: empty}", post, 1),
        mirror(
            "a mirror of a host with a port",
            "{cluster: b}",
            "GET /p | host: a-mirror-of-a-host-with-a-port.judge:80",
            0,
        ),
        mirror(
            "a mirror that hangs does not hold the answer",
            "{cluster: b}",
            "GET / | x-do: 200,200",
            2,
        ),
        mirror(
            "a mirror of a chunked body",
            "{cluster: b}",
            "POST / | transfer-encoding: chunked || 3\r\nabc\r\n0\r\n\r\n",
            2,
        ),
    ]
}

fn turns() -> Vec<Case> {
    let routes = "[{match: {prefix: /}, route: {cluster: CASE}}]";
    let mut cases = Vec::new();
    for (name, policy, hosts, exact) in [
        ("round robin", "lb_policy: ROUND_ROBIN", "[a, b, c]", true),
        (
            "round robin with weights",
            "lb_policy: ROUND_ROBIN",
            "[{name: a, load_balancing_weight: 1}, {name: b, load_balancing_weight: 3}]",
            true,
        ),
        ("random", "lb_policy: RANDOM", "[a, b, c]", false),
        ("least request", "lb_policy: LEAST_REQUEST", "[a, b, c]", false),
    ] {
        let case = act(name, routes, |eye| {
            let counts = count(eye, 600, |_| "GET /".to_owned());
            for (who, n) in counts {
                eye.see(format!("{who}: {n}"));
            }
        });
        let case = case.clusters(&format!("[{{name: CASE, {policy}, hosts: {hosts}}}]"));
        cases.push(if exact { case } else { case.judged(about_equal) });
    }
    let localities =
        "[{name: CASE, localities: [{priority: 0, hosts: [x-closed]}, {priority: 1, hosts: [b]}]}]";
    cases.push(case("priority 0 while it is healthy", routes, &["GET /"]).clusters(localities));
    let weighted = "[{name: CASE, common_lb_config: {locality_weighted_lb_config: {}}, localities: [{locality: {region: r1}, load_balancing_weight: 80, hosts: [a]}, {locality: {region: r2}, load_balancing_weight: 20, hosts: [b]}]}]";
    cases.push(
        act("localities by weight", routes, |eye| {
            let counts = count(eye, 500, |_| "GET /".to_owned());
            for (who, n) in counts {
                eye.see(format!("{who}: {n}"));
            }
        })
        .clusters(weighted)
        // Envoy deals localities out in turns, ours by chance: the share is what is promised.
        .judged(|envoy, ours| {
            let number = |seen: &[String]| -> Vec<String> {
                seen.first()
                    .and_then(|it| it.rsplit(' ').next())
                    .map(str::to_owned)
                    .into_iter()
                    .collect()
            };
            super::within("share", &number(envoy), &number(ours), 400.0, 45.0)
        }),
    );
    let unhealthy = "[{name: CASE, hosts: [{name: a, health_status: UNHEALTHY}, b, c, {name: d, health_status: DRAINING}]}]";
    cases.push(
        act("unhealthy hosts get nothing", routes, |eye| {
            let counts = count(eye, 60, |_| "GET /".to_owned());
            for (who, n) in counts {
                eye.see(format!("{who}: {n}"));
            }
        })
        .clusters(unhealthy),
    );
    let panic = "[{name: CASE, hosts: [{name: a, health_status: UNHEALTHY}, {name: b, health_status: UNHEALTHY}, c]}]";
    cases.push(
        act("panic", routes, |eye| {
            let counts = count(eye, 60, |_| "GET /".to_owned());
            for (who, n) in counts {
                eye.see(format!("{who}: {n}"));
            }
        })
        .clusters(panic),
    );
    let no_panic = "[{name: CASE, common_lb_config: {healthy_panic_threshold: {value: 0}}, hosts: [{name: a, health_status: UNHEALTHY}, {name: b, health_status: UNHEALTHY}]}]";
    cases.push(case("no panic, no host", routes, &["GET /"]).clusters(no_panic));
    cases
}

/// A third of 600 for each of three hosts, and five times the deviation.
fn about_equal(envoy: &[String], ours: &[String]) -> Result<(), String> {
    for at in 0..3 {
        let number = |seen: &[String]| -> Vec<String> {
            seen.get(at)
                .and_then(|it| it.rsplit(' ').next())
                .map(str::to_owned)
                .into_iter()
                .collect()
        };
        super::within("share", &number(envoy), &number(ours), 200.0, 58.0)?;
    }
    Ok(())
}

fn breakers() -> Vec<Case> {
    let routes = "[{match: {prefix: /}, route: {cluster: CASE, timeout: 2s}}]";
    let crowd = |name: &str, thresholds: &str| {
        let clusters = format!(
            "[{{name: CASE, hosts: [a], circuit_breakers: {{thresholds: [{{{thresholds}}}]}}}}]"
        );
        act(name, routes, |eye| {
            // One that stays, and when it is there, one more.
            let mut first = eye.open();
            first.send(&eye.bytes("GET / | x-do: 200/700"));
            eye.upstreams.wait(&eye.token, 1, eye.patience);
            eye.ask("GET / | x-do: 200,200");
            let result = first.reply(false);
            eye.note(&result);
        })
        .clusters(&clusters)
    };
    vec![
        crowd("too many requests", "max_requests: 1"),
        crowd("no pending requests", "max_connections: 1, max_pending_requests: 0"),
        crowd("a connection more than allowed waits", "max_connections: 1"),
        crowd("room for two", "max_requests: 2, max_connections: 2"),
        case("no requests at all", "[{match: {prefix: /}, route: {cluster: CASE}}]", &["GET /", "POST / || x"]).clusters("[{name: CASE, hosts: [a], circuit_breakers: {thresholds: [{max_requests: 0}]}}]"),
        case("no connections at all", "[{match: {prefix: /}, route: {cluster: CASE}}]", &["GET /", "GET /"]).clusters("[{name: CASE, hosts: [a], circuit_breakers: {thresholds: [{max_connections: 0}]}}]"),
        case("no pending requests at all", "[{match: {prefix: /}, route: {cluster: CASE}}]", &["GET /", "GET /"]).clusters("[{name: CASE, hosts: [a], circuit_breakers: {thresholds: [{max_pending_requests: 0}]}}]"),
        case("overflow is retried on its own condition only", "[{match: {prefix: /}, route: {cluster: CASE, retry_policy: {retry_on: '5xx,reset,connect-failure', num_retries: 2}}}]", &["GET /"]).clusters("[{name: CASE, hosts: [a], circuit_breakers: {thresholds: [{max_requests: 0}]}}]"),
    ]
}

/// The same but for the names of hosts: where the turns begin is a matter of chance.
fn whichever_host(envoy: &[String], ours: &[String]) -> Result<(), String> {
    let nameless = |seen: &[String]| -> Vec<String> {
        let hosts = ["from b", "from c"];
        let plain =
            |line: &String| hosts.iter().fold(line.clone(), |all, it| all.replace(it, "from a"));
        seen.iter().map(plain).collect()
    };
    crate::case::equal(&nameless(envoy), &nameless(ours))
}

fn ejection() -> Vec<Case> {
    let routes = "[{match: {prefix: /}, route: {cluster: CASE}}]";
    // Round robin over two hosts; the second fails when it is told to, by its name in the answers.
    let script = |name: &str, cluster: &str, asks: &[&str]| {
        let asks: Vec<String> = asks.iter().map(|it| (*it).to_owned()).collect();
        act(name, routes, move |eye| {
            for text in &asks {
                eye.ask(text);
                // Envoy's main thread ejects, and tells its workers a moment later.
                std::thread::sleep(std::time::Duration::from_millis(60));
            }
        })
        .clusters(cluster)
        .judged(whichever_host)
    };
    let bad = "GET / | x-do: 503";
    let good = "GET / | x-do: 200";
    let (mut six, mut mixed) = (vec![bad; 3], vec![bad, good, bad, good]);
    six.extend([good; 3]);
    mixed.extend([good; 2]);
    let slow = "GET / | x-do: 429";
    let mut limited = vec![slow; 3];
    limited.extend([good; 2]);
    let both = [slow, bad, slow, good, good];
    let errors = |matcher: &str| {
        format!(
            "[{{name: CASE, hosts: [a], common_lb_config: {{healthy_panic_threshold: {{value: 0}}}}, outlier_detection: {{consecutive_5xx: 3, max_ejection_percent: 100, base_ejection_time: 60s}}, typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {{http_protocol_options: {{}}}}, outlier_detection: {{error_matcher: {matcher}}}}}}}}}]"
        )
    };
    let gateway: Vec<&str> = ["GET / | x-do: 500"; 3].into_iter().chain([good]).collect();
    vec![
        script("ejected after three 5xx, one host", "[{name: CASE, hosts: [a], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_5xx: 3, max_ejection_percent: 100, base_ejection_time: 60s}}]", &six),
        script("a single host is ejected by default too", "[{name: CASE, hosts: [a], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_5xx: 3, base_ejection_time: 60s}}]", &six),
        script("a success begins anew", "[{name: CASE, hosts: [a], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_5xx: 2, max_ejection_percent: 100, base_ejection_time: 60s}}]", &mixed),
        script("a 500 is no gateway error", "[{name: CASE, hosts: [a], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100, enforcing_consecutive_5xx: 0, max_ejection_percent: 100, base_ejection_time: 60s}}]", &gateway),
        script("gateway errors eject when enforced", "[{name: CASE, hosts: [a], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_gateway_failure: 3, enforcing_consecutive_gateway_failure: 100, enforcing_consecutive_5xx: 0, max_ejection_percent: 100, base_ejection_time: 60s}}]", &six),
        script("not enforced, not ejected", "[{name: CASE, hosts: [a], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_5xx: 3, enforcing_consecutive_5xx: 0, max_ejection_percent: 100, base_ejection_time: 60s}}]", &six),
        script("ten percent of two hosts", "[{name: CASE, hosts: [a, b], outlier_detection: {consecutive_5xx: 2, max_ejection_percent: 10, base_ejection_time: 60s}}]", &six),
        script("ten percent of two hosts, but always one", "[{name: CASE, hosts: [a, b], outlier_detection: {consecutive_5xx: 2, max_ejection_percent: 10, always_eject_one_host: true, base_ejection_time: 60s}}]", &six),
        script("none of three percent", "[{name: CASE, hosts: [a, b, c], outlier_detection: {consecutive_5xx: 1, max_ejection_percent: 0, base_ejection_time: 60s}}]", &six),
        script("refused connections eject", "[{name: CASE, hosts: [x-closed], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_5xx: 3, max_ejection_percent: 100, base_ejection_time: 60s}}]", &["GET /"; 5]),
        script("local origin errors apart", "[{name: CASE, hosts: [x-closed], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_5xx: 1, split_external_local_origin_errors: true, consecutive_local_origin_failure: 3, max_ejection_percent: 100, base_ejection_time: 60s}}]", &["GET /"; 5]),
        script("metadata of ours is taken, and a fallback is for refusals", "[{name: CASE, hosts: [a], metadata: {filter_metadata: {lateen: {breaker: {errors: 100, within_ms: 1000}, fallback: {status: 200, body: instead}, ejection: {growth: exponential}}}}, outlier_detection: {consecutive_5xx: 100}}]", &mixed),
        script("a breaker of ours opens", "[{name: CASE, hosts: [a], metadata: {filter_metadata: {lateen: {breaker: {errors: 3, within_ms: 60000}}}}}]", &six),
        script("a fallback of ours stands in", "[{name: CASE, hosts: [], metadata: {filter_metadata: {lateen: {fallback: {status: 200, body: instead}}}}}]", &[good; 2]),
        script("a code that the cluster names ejects", &errors("{http_response_headers_match: {headers: [{name: ':status', string_match: {exact: '429'}}]}}"), &limited),
        script("a code that the cluster does not name is well", &errors("{http_response_headers_match: {headers: [{name: ':status', string_match: {exact: '429'}}]}}"), &six),
        script("one of several codes ejects", &errors("{or_match: {rules: [{http_response_headers_match: {headers: [{name: ':status', string_match: {exact: '429'}}]}}, {http_response_headers_match: {headers: [{name: ':status', string_match: {exact: '503'}}]}}]}}"), &both),
        script("all but a code ejects", &errors("{not_match: {http_response_headers_match: {headers: [{name: ':status', string_match: {exact: '503'}}]}}}"), &both),
        script("any response ejects", &errors("{any_match: true}"), &[good; 4]),
        act("ejected, and back after its time", routes, |eye| {
            eye.ask(bad);
            eye.ask(bad);
            eye.ask(good);
            // Until it is taken back; how long that takes is the timer's.
            let deadline = std::time::Instant::now() + eye.patience;
            let mut connection = eye.open();
            loop {
                let reply = eye.quietly(&mut connection, good);
                eye.ended -= 1;
                if reply.is_ok_and(|it| it.status == 200) || std::time::Instant::now() > deadline {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            eye.ask(good);
        })
        .clusters("[{name: CASE, hosts: [a], common_lb_config: {healthy_panic_threshold: {value: 0}}, outlier_detection: {consecutive_5xx: 2, max_ejection_percent: 100, base_ejection_time: 0.3s, interval: 0.2s, max_ejection_time_jitter: 0s}}]")
        .without_flags(),
    ]
}

/// Ten thousand keys: whose host is chosen, key by key.
fn keys(name: &str, policy: &str) -> Case {
    let routes = "[{match: {prefix: /}, route: {cluster: CASE, hash_policy: [{header: {header_name: x-key}}]}}]";
    let hosts: Vec<String> = (0..7).map(|n| format!("k{n}")).collect();
    let clusters = format!("[{{name: CASE, {policy}, hosts: [{}]}}]", hosts.join(", "));
    act(name, routes, |eye| {
        let mut connection = eye.open();
        let mut chosen = String::new();
        for start in (0..10_000).step_by(50) {
            // Several on their way at once: the round trips are what takes the time.
            let all: Vec<u8> = (start..start + 50)
                .flat_map(|key| eye.bytes(&format!("GET / | x-key: key-{key}")))
                .collect();
            connection.send(&all);
            for _ in 0..50 {
                let reply = connection.reply(false).expect("an answer");
                eye.ended += 1;
                chosen.push_str(&String::from_utf8_lossy(&reply.body)[5..7]);
            }
        }
        for (at, line) in chosen.as_bytes().chunks(100).enumerate() {
            eye.see(format!("from {}: {}", at * 50, String::from_utf8_lossy(line)));
        }
    })
    .clusters(&clusters)
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn policies() -> Vec<Case> {
    let hash = |name: &str, policy: &str, cluster: &str, asks: &[&str]| {
        let routes = format!(
            "[{{match: {{prefix: /}}, route: {{cluster: CASE, hash_policy: [{policy}]}}}}]"
        );
        let clusters = format!("[{{name: CASE, {cluster}}}]");
        case(name, &routes, asks).clusters(&clusters)
    };
    let ring = "lb_policy: RING_HASH, hosts: [a, b, c, d, e]";
    let maglev = "lb_policy: MAGLEV, hosts: [a, b, c, d, e]";
    let users: Vec<String> = (0..20)
        .map(|n| format!("GET /path-{n}?user=u{n} | x-user: user-{n} | cookie: session=c{n}"))
        .collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut cases = Vec::new();
    for (name, lb) in [("ring", ring), ("maglev", maglev)] {
        cases.push(hash(
            &format!("{name} by header"),
            "{header: {header_name: x-user}}",
            lb,
            &users,
        ));
        cases.push(hash(&format!("{name} by cookie"), "{cookie: {name: session}}", lb, &users));
        cases.push(hash(
            &format!("{name} by query"),
            "{query_parameter: {name: user}}",
            lb,
            &users,
        ));
        cases.push(hash(
            &format!("{name} by source"),
            "{connection_properties: {source_ip: true}}",
            lb,
            &["GET /"; 4],
        ));
        cases.push(hash(
            &format!("{name} by two"),
            "{header: {header_name: x-user}}, {query_parameter: {name: user}}",
            lb,
            &users,
        ));
        cases.push(hash(&format!("{name} by the first that is there"), "{header: {header_name: x-none}}, {header: {header_name: x-user, }, terminal: true}, {query_parameter: {name: user}}", lb, &users));
        cases.push(hash(
            &format!("{name} by a header with several values"),
            "{header: {header_name: x-m}}",
            lb,
            &[
                "GET / | x-m: a | x-m: b",
                "GET / | x-m: b | x-m: a",
                "GET / | x-m: a,b",
                "GET / | x-m: a",
            ],
        ));
        cases.push(hash(&format!("{name} by a rewritten header"), "{header: {header_name: x-user, regex_rewrite: {pattern: {regex: '^user-(.).*$'}, substitution: '\\1'}}}", lb, &users));
    }
    let weighted = "hosts: [{name: a, load_balancing_weight: 1}, {name: b, load_balancing_weight: 5}, {name: c, load_balancing_weight: 20}]";
    cases.extend([
        hash("ring with weights", "{header: {header_name: x-user}}", &format!("lb_policy: RING_HASH, {weighted}"), &users),
        hash("maglev with weights", "{header: {header_name: x-user}}", &format!("lb_policy: MAGLEV, {weighted}"), &users),
        hash("a small ring", "{header: {header_name: x-user}}", &format!("{ring}, ring_hash_lb_config: {{minimum_ring_size: 8, maximum_ring_size: 16}}"), &users),
        hash("a big ring", "{header: {header_name: x-user}}", &format!("{ring}, ring_hash_lb_config: {{minimum_ring_size: 65536}}"), &users),
        hash("a ring by MURMUR", "{header: {header_name: x-user}}", &format!("{ring}, ring_hash_lb_config: {{hash_function: MURMUR_HASH_2}}"), &users),
        hash("a small maglev table", "{header: {header_name: x-user}}", &format!("{maglev}, maglev_lb_config: {{table_size: 251}}"), &users),
        hash("a maglev table that is no prime is refused", "{header: {header_name: x-user}}", &format!("{maglev}, maglev_lb_config: {{table_size: 250}}"), &["GET /"]),
        hash("hash by host names is refused for hosts without DNS", "{header: {header_name: x-user}}", "lb_policy: RING_HASH, common_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}, hosts: [{name: a, hostname: h-a}, {name: b, hostname: h-b}, {name: c, hostname: h-c}]", &users),
        hash("hash by host names", "{header: {header_name: x-user}}", "type: STRICT_DNS, lb_policy: RING_HASH, common_lb_config: {consistent_hashing_lb_config: {use_hostname_for_hashing: true}}, hosts: [{name: a, hostname: h-a}, {name: b, hostname: h-b}, {name: c, hostname: h-c}]", &users),
        hash("hash by a key in metadata", "{header: {header_name: x-user}}", "lb_policy: RING_HASH, hosts: [{name: a, metadata: {filter_metadata: {envoy.lb: {hash_key: one}}}}, {name: b, metadata: {filter_metadata: {envoy.lb: {hash_key: two}}}}, {name: c, metadata: {filter_metadata: {envoy.lb: {hash_key: three}}}}]", &users),
        hash("bounded load", "{header: {header_name: x-user}}", "lb_policy: RING_HASH, common_lb_config: {consistent_hashing_lb_config: {hash_balance_factor: 200}}, hosts: [a, b]", &users),
    ]);
    let routes = "[{match: {prefix: /}, route: {cluster: CASE, hash_policy: [{cookie: {name: sticky, ttl: 60s, path: /p}}]}}]";
    cases.push(
        act("a cookie is made and kept", routes, |eye| {
            let mut connection = eye.open();
            let first = eye.quietly(&mut connection, "GET /").unwrap();
            let cookie = first.header("set-cookie").unwrap_or_default().to_owned();
            let (pair, rest) = cookie.split_once(';').unwrap_or((&cookie, ""));
            let value = pair.split_once('=').map_or("", |it| it.1);
            eye.see(format!(
                "{} value of {} ;{rest}",
                pair.split('=').next().unwrap_or_default(),
                value.len()
            ));
            for _ in 0..5 {
                let reply =
                    eye.quietly(&mut connection, &format!("GET / | cookie: {pair}")).unwrap();
                eye.see(format!(
                    "same host: {}, another cookie: {}",
                    reply.body == first.body,
                    reply.header("set-cookie").is_some()
                ));
            }
        })
        .clusters("[{name: CASE, lb_policy: RING_HASH, hosts: [a, b, c, d, e]}]"),
    );
    let session = "[{match: {prefix: /}, route: {cluster: CASE, hash_policy: [{cookie: {name: sticky, ttl: 0s}}]}}]";
    cases.push(
        act("a session cookie", session, |eye| {
            let mut connection = eye.open();
            let first = eye.quietly(&mut connection, "GET /").unwrap();
            let cookie = first.header("set-cookie").unwrap_or_default().to_owned();
            let value = cookie.split(['=', ';']).nth(1).unwrap_or_default().to_owned();
            eye.see(if value.is_empty() { cookie } else { cookie.replace(&value, "<value>") });
        })
        .clusters("[{name: CASE, lb_policy: RING_HASH, hosts: [a, b, c]}]"),
    );
    cases
}
