//! Retries, timeouts and injected faults: what upstreams see, and what the client gets.

use std::time::Instant;

use crate::{
    case::{Case, act, case},
    config,
    run::Area,
};

/// The cases.
pub(crate) fn area() -> Area {
    let mut cases = Vec::new();
    cases.extend(conditions());
    cases.extend(policies());
    cases.extend(timeouts());
    cases.extend(over_http2());
    Area::new("retries", cases)
}

/// The faults, apart, so that the two go side by side.
pub(crate) fn faults() -> Area {
    Area::new("faults", fault_cases())
}

const QUICK: &str = "retry_back_off: {base_interval: 0.001s, max_interval: 0.002s}";

fn conditions() -> Vec<Case> {
    let mut cases = Vec::new();
    for on in [
        "5xx",
        "gateway-error",
        "retriable-4xx",
        "connect-failure",
        "refused-stream",
        "reset",
        "reset-before-request",
        "retriable-status-codes",
        "retriable-headers",
        "envoy-ratelimited",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
        "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
        "nonsense",
        "",
    ] {
        let routes = format!(
            "[{{match: {{prefix: /refused}}, route: {{cluster: refused, retry_policy: {{retry_on: '{on}', num_retries: 2, {QUICK}}}}}}}, {{match: {{prefix: /}}, route: {{cluster: a, retry_policy: {{retry_on: '{on}', num_retries: 2, retriable_status_codes: [418, 503], retriable_headers: [{{name: x-retry, present_match: true}}], {QUICK}}}}}}}]"
        );
        let asks = [
            "GET / | x-do: 500,502,200",
            "GET / | x-do: 503,503,503,503",
            "GET / | x-do: 504,200",
            "GET / | x-do: 409,200",
            "GET / | x-do: 418,200",
            // Sent twice may be what closes a kept connection, which is another matter: a POST is not.
            "POST / | x-do: close,200",
            "POST / | x-do: reset,200",
            "GET / | x-do: 200 | x-say: x-retry: yes",
            "GET / | x-do: 200 | x-say: x-envoy-ratelimited: true",
            "GET / | x-do: 429,200",
            "POST / | x-do: 503,200 || the body",
            "GET / | content-type: application/grpc | x-do: 200 | x-say: grpc-status: 14",
            "GET / | content-type: application/grpc | x-do: 200 | x-say: grpc-status: 1",
            "GET /refused",
            "GET / | x-do: raw=nonsense%0D%0A%0D%0A,200",
        ];
        for (n, ask) in asks.iter().enumerate() {
            cases.push(case(&format!("on {on} {n}"), &routes, &[ask]));
        }
    }
    cases
}

fn policies() -> Vec<Case> {
    let policy = |name: &str, policy: &str, asks: &[&str]| {
        let routes = format!(
            "[{{match: {{prefix: /}}, route: {{cluster: a, timeout: 5s, retry_policy: {{{policy}, {QUICK}}}}}}}]"
        );
        case(name, &routes, asks)
    };
    let all_bad = "GET / | x-do: 503";
    vec![
        policy("one retry by default", "retry_on: 5xx", &[all_bad]),
        policy("no retries", "retry_on: 5xx, num_retries: 0", &[all_bad]),
        policy("seven retries", "retry_on: 5xx, num_retries: 7", &[all_bad]),
        policy("only for some requests", "retry_on: 5xx, num_retries: 1, retriable_request_headers: [{name: ':method', string_match: {exact: GET}}]", &[all_bad]),
        policy("not for other requests", "retry_on: 5xx, num_retries: 1, retriable_request_headers: [{name: ':method', string_match: {exact: GET}}]", &["POST / | x-do: 503,200 || b"]),
        case("x-envoy-retry-on without a policy", "[{match: {prefix: /}, route: {cluster: a}}]", &["GET / | x-envoy-retry-on: 5xx | x-do: 503,200"]),
        case("x-envoy-max-retries", "[{match: {prefix: /}, route: {cluster: a}}]", &["GET / | x-envoy-retry-on: 5xx | x-envoy-max-retries: 3 | x-do: 503,503,503,200"]),
        case("x-envoy-max-retries over the policy", "[{match: {prefix: /}, route: {cluster: a, retry_policy: {retry_on: 5xx, num_retries: 3}}}]", &["GET / | x-envoy-max-retries: 1 | x-do: 503,503,200"]),
        case("x-envoy-retriable-status-codes", "[{match: {prefix: /}, route: {cluster: a, retry_policy: {retry_on: retriable-status-codes}}}]", &["GET / | x-envoy-retriable-status-codes: 418,419 | x-do: 419,200"]),
        case("x-envoy-retry-grpc-on", "[{match: {prefix: /}, route: {cluster: a}}]", &["GET / | x-envoy-retry-grpc-on: unavailable | x-do: 200 | x-say: grpc-status: 14"]),
        policy("the retry changes nothing of the request", "retry_on: 5xx, num_retries: 2", &["POST /path?q | x-a: 1 | x-do: 503,503,200 || the whole body"]),
        policy("a chunked body is sent again", "retry_on: 5xx, num_retries: 2", &["POST / | transfer-encoding: chunked | x-do: 503,200 || 3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"]),
        case("a budget of retries at once", "[{match: {prefix: /}, route: {cluster: CASE, retry_policy: {retry_on: 5xx, num_retries: 3}}}]", &[all_bad]).clusters("[{name: CASE, hosts: [a], circuit_breakers: {thresholds: [{max_retries: 0}]}}]"),
        case("not to the same host again", "[{match: {prefix: /}, route: {cluster: CASE, retry_policy: {retry_on: 5xx, num_retries: 2, retry_host_predicate: [{name: envoy.retry_host_predicates.previous_hosts, typed_config: {'@type': type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}], host_selection_retry_max_attempts: 20}}}]", &["GET / | x-do: 503,503,200"]).clusters("[{name: CASE, hosts: [a, b, c]}]").judged(hosts_differ),
        case("the host's policy", "{retry_policy: {retry_on: 5xx, num_retries: 2}, routes: [{match: {prefix: /}, route: {cluster: a}}]}", &[all_bad]),
        case("the route's policy over the host's", "{retry_policy: {retry_on: 5xx, num_retries: 2}, routes: [{match: {prefix: /}, route: {cluster: a, retry_policy: {retry_on: 5xx, num_retries: 1}}}]}", &[all_bad]),
        case(
            "a kept connection that closes under a request",
            "[{match: {prefix: /}, route: {cluster: CASE}}]",
            &["GET / | x-do: 200,close,200", "GET / | x-do: 200,close,200"],
        )
        .clusters("[{name: CASE, hosts: [a]}]"),
        case("a failed retry to a cluster without hosts", "[{match: {prefix: /}, route: {cluster: empty, retry_policy: {retry_on: 5xx, num_retries: 2}}}]", &["GET /"]),
    ]
}

/// Each attempt goes to another host, in whichever order.
fn hosts_differ(envoy: &[String], ours: &[String]) -> Result<(), String> {
    for (who, seen) in [("Envoy", envoy), ("lateen", ours)] {
        let hosts: Vec<&str> = seen
            .iter()
            .filter(|it| it.starts_with("> ") && it.contains(": GET"))
            .map(|it| &it[2..3])
            .collect();
        let mut sorted = hosts.clone();
        sorted.sort_unstable();
        if sorted != ["a", "b", "c"] {
            return Err(format!("{who} went to {hosts:?}\n"));
        }
    }
    Ok(())
}

/// An upstream that speaks HTTP/2.
fn over_http2() -> Vec<Case> {
    let on = |name: &str, on: &str, asks: &[&str]| {
        let routes = format!(
            "[{{match: {{prefix: /}}, route: {{cluster: h2, retry_policy: {{retry_on: '{on}', num_retries: 1, {QUICK}}}}}}}]"
        );
        case(name, &routes, asks)
    };
    let own = |name: &str, asks: &[&str]| {
        let routes = format!(
            "[{{match: {{prefix: /}}, route: {{cluster: CASE, retry_policy: {{retry_on: refused-stream, num_retries: 1, {QUICK}}}}}}}]"
        );
        case(name, &routes, asks).clusters(config::OWN_H2)
    };
    let grpc = "POST /s/m | content-type: application/grpc | te: trailers | x-do: grpc-only=14,grpc=0 || x";
    vec![
        on(
            "HTTP/2 upstream",
            "5xx",
            &["GET /p?q | x-a: 1", "POST / || body", "GET / | x-do: 503,200"],
        ),
        own("HTTP/2 upstream refuses the stream", &["GET / | x-do: rst=7,200"]),
        own(
            "HTTP/2 upstream refuses the stream of a kept connection",
            &["GET / | x-do: 200,rst=7,200", "GET / | x-do: 200,rst=7,200"],
        ),
        on("HTTP/2 upstream resets the stream", "reset", &["GET / | x-do: rst=2,200"]),
        on("HTTP/2 upstream resets, not retried", "retriable-4xx", &["GET / | x-do: rst=2,200"]),
        on("gRPC in the head is retried", "unavailable", &[grpc]),
        on(
            "gRPC in trailers is not retried",
            "unavailable",
            &[
                "POST /s/m | content-type: application/grpc | te: trailers | x-do: grpc=14,grpc=0 || x",
            ],
        ),
    ]
}

fn timeouts() -> Vec<Case> {
    let route = |name: &str, action: &str, asks: &[&str]| {
        case(name, &format!("[{{match: {{prefix: /}}, route: {{cluster: a, {action}}}}}]"), asks)
    };
    let slow = "GET / | x-do: 200/600";
    vec![
        route("a timeout", "timeout: 0.1s", &[slow, "GET / | x-do: 200"]),
        route("no timeout", "timeout: 0s", &[slow]),
        route(
            "the client's timeout",
            "timeout: 5s",
            &["GET / | x-envoy-upstream-rq-timeout-ms: 100 | x-do: 200/600"],
        ),
        route(
            "the client's timeout, invalid",
            "timeout: 5s",
            &["GET / | x-envoy-upstream-rq-timeout-ms: none"],
        ),
        route(
            "another code for timeouts",
            "timeout: 0.1s",
            &[
                "GET / | x-envoy-upstream-alt-response: 1 | x-do: 200/600",
                "GET / | x-envoy-upstream-rq-timeout-alt-response: 1 | x-do: 200/600",
            ],
        ),
        route(
            "a timeout of a try",
            "timeout: 5s, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 0.1s, retry_back_off: {base_interval: 0.001s}}",
            &["GET / | x-do: 200/600,200"],
        ),
        route(
            "a timeout of every try",
            "timeout: 5s, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 0.1s, retry_back_off: {base_interval: 0.001s}}",
            &[slow],
        ),
        route(
            "a timeout of a try, and reset",
            "timeout: 5s, retry_policy: {retry_on: reset, num_retries: 1, per_try_timeout: 0.1s, retry_back_off: {base_interval: 0.001s}}",
            &["GET / | x-do: 200/600,200"],
        ),
        route(
            "a timeout of a try, not retried",
            "timeout: 5s, retry_policy: {retry_on: retriable-4xx, num_retries: 1, per_try_timeout: 0.1s}",
            &[slow],
        ),
        route(
            "a timeout of a try longer than all",
            "timeout: 0.1s, retry_policy: {retry_on: 5xx, num_retries: 1, per_try_timeout: 3s}",
            &[slow],
        ),
        route(
            "the client's timeout of a try",
            "timeout: 5s, retry_policy: {retry_on: 5xx, num_retries: 1, retry_back_off: {base_interval: 0.001s}}",
            &["GET / | x-envoy-upstream-rq-per-try-timeout-ms: 100 | x-do: 200/600,200"],
        ),
        route(
            "a timeout in the middle of retries",
            "timeout: 0.25s, retry_policy: {retry_on: 5xx, num_retries: 9, retry_back_off: {base_interval: 0.001s}}",
            &["GET / | x-do: 503,503,200/900"],
        ),
        route("an idle stream", "timeout: 0s, idle_timeout: 0.1s", &[slow]),
        route(
            "gRPC deadline",
            "timeout: 5s, max_stream_duration: {grpc_timeout_header_max: 1s}",
            &[
                "POST /s/m | content-type: application/grpc | grpc-timeout: 100m | x-do: 200/600 || x",
                "POST /s/m | content-type: application/grpc | grpc-timeout: 5S || x",
            ],
        ),
        route(
            "gRPC deadline of old",
            "timeout: 5s, max_grpc_timeout: 1s",
            &[
                "POST /s/m | content-type: application/grpc | grpc-timeout: 100m | x-do: 200/600 || x",
                "POST /s/m | content-type: application/grpc | grpc-timeout: 5S || x",
                "POST /s/m | content-type: application/grpc | grpc-timeout: bad || x",
            ],
        ),
        route(
            "the longest stream",
            "timeout: 0s, max_stream_duration: {max_stream_duration: 0.1s}",
            &[slow],
        ),
        route(
            "a slow body is not cut by the first byte",
            "timeout: 0.2s",
            &["GET / | x-do: raw=HTTP/1.1%20200%20OK%0D%0Acontent-length:%205%0D%0A%0D%0Aab"],
        ),
    ]
}

fn fault_cases() -> Vec<Case> {
    let fault = |name: &str, fault: &str, asks: &[&str]| {
        let host = format!(
            "{{typed_per_filter_config: {{envoy.filters.http.fault: {{'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, {fault}}}}}, routes: [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}"
        );
        case(name, &host, asks)
    };
    let always = "percentage: {numerator: 100}";
    let mut cases = vec![
        fault(
            "abort",
            &format!("abort: {{http_status: 418, {always}}}"),
            &["GET /", "HEAD /", "POST / || x"],
        ),
        fault("abort never", "abort: {http_status: 418, percentage: {numerator: 0}}", &["GET /"]),
        fault(
            "abort gRPC",
            &format!("abort: {{grpc_status: 14, {always}}}"),
            &["POST /s/m | content-type: application/grpc || x", "GET /"],
        ),
        fault(
            "abort of a gRPC request by HTTP status",
            &format!("abort: {{http_status: 429, {always}}}"),
            &["POST /s/m | content-type: application/grpc || x"],
        ),
        fault(
            "abort after a delay, with a body",
            &format!(
                "delay: {{fixed_delay: 0.05s, {always}}}, abort: {{http_status: 418, {always}}}"
            ),
            &["POST / || x"],
        ),
        fault(
            "abort for some headers",
            &format!(
                "headers: [{{name: x-a, string_match: {{exact: v}}}}], abort: {{http_status: 500, {always}}}"
            ),
            &["GET / | x-a: v", "GET /"],
        ),
        fault(
            "abort by header",
            &format!("abort: {{header_abort: {{}}, {always}}}"),
            &[
                "GET / | x-envoy-fault-abort-request: 503",
                "GET /",
                "GET / | x-envoy-fault-abort-request: 99",
            ],
        ),
        fault(
            "abort towards one cluster",
            &format!("upstream_cluster: b, abort: {{http_status: 500, {always}}}"),
            &["GET /"],
        ),
        fault(
            "abort with an illegal status is refused",
            &format!("abort: {{http_status: 100, {always}}}"),
            &["GET /"],
        ),
        fault(
            "delay and abort",
            &format!(
                "delay: {{fixed_delay: 0.05s, {always}}}, abort: {{http_status: 503, {always}}}"
            ),
            &["GET /"],
        ),
        fault(
            "no more than so many faults",
            &format!("max_active_faults: 0, abort: {{http_status: 503, {always}}}"),
            &["GET /"],
        ),
    ];
    cases.extend(delays(always));
    cases
}

/// Delays and what they change for what follows, and an abort of a share.
fn delays(always: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let delay = format!(
        "{{typed_per_filter_config: {{envoy.filters.http.fault: {{'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: {{fixed_delay: 0.2s, {always}}}}}}}, routes: [{{match: {{prefix: /}}, route: {{cluster: a, timeout: 0.15s}}}}]}}"
    );
    let to_nobody = format!(
        "{{typed_per_filter_config: {{envoy.filters.http.fault: {{'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: {{fixed_delay: 0.05s, {always}}}}}}}, routes: [{{match: {{prefix: /}}, route: {{cluster: empty}}}}]}}"
    );
    cases.push(case("delay, and nobody to go to", &to_nobody, &["POST / || x", "GET /"]));
    cases.push(act("delay, and its timeout begins later", &delay, |eye| {
        let started = Instant::now();
        eye.ask("GET /");
        let took = started.elapsed().as_millis();
        eye.see(format!("delayed: {}", took >= 200));
        eye.upstream();
    }));
    let half = "{typed_per_filter_config: {envoy.filters.http.fault: {'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 418, percentage: {numerator: 3000, denominator: TEN_THOUSAND}}}}, routes: [{match: {prefix: /}, direct_response: {status: 200}}]}";
    let share = act("abort of a share", half, |eye| {
        let mut connection = eye.open();
        let mut aborted = 0;
        for _ in 0..1000 {
            let reply = eye.quietly(&mut connection, "GET /").unwrap();
            aborted += usize::from(reply.status == 418);
        }
        eye.see(aborted.to_string());
    });
    cases.push(share.without_flags().judged(|envoy, ours| {
        // 30 % of 1000, and five times the deviation of that.
        super::within("aborted", envoy, ours, 300.0, 73.0)
    }));
    cases
}
