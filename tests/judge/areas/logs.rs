//! Access logs: operator by operator, as text and as JSON, and the filters that choose what is recorded.

use crate::{
    case::{Case, case},
    proxy::ACCESS_LOG,
    run::Area,
};

/// Operators whose values are the same for both proxies, each with its name before it.
const OPERATORS: &str = "\
REQ=%REQ(:METHOD)%,%REQ(:PATH)%,%REQ(:AUTHORITY)%,%REQ(:SCHEME)%,%REQ(HOST)%,%REQ(none)%,%REQ(none?x-c)%,%REQ(X-C):2% \
REQUEST_HEADER=%REQUEST_HEADER(x-c)%,%REQUEST_HEADER(x-forwarded-proto)% \
RESP=%RESP(server)%,%RESP(x-say)%,%RESP(x-say):1%,%RESP(:status)%,%RESP(content-type)%,%RESP(content-length)%,%RESP(connection)% \
RESPONSE_HEADER=%RESPONSE_HEADER(x-say?server)% TRAILER=%TRAILER(x-t)%,%RESPONSE_TRAILER(x-t)% \
QUERY=%QUERY_PARAM(q)%,%QUERY_PARAM(q):1%,%QUERY_PARAM(none)%,%QUERY_PARAMS% \
PATH=%PATH%,%PATH(NQ)%,%PATH(WQ:PATH)%,%PATH(NQ:ORIG)%,%PATH(NQ:ORIG_OR_PATH)% \
PROTOCOL=%PROTOCOL%,%UPSTREAM_PROTOCOL% CODE=%RESPONSE_CODE%,%RESPONSE_CODE_DETAILS% \
FLAGS=%RESPONSE_FLAGS%,%RESPONSE_FLAGS_LONG% BYTES=%BYTES_RECEIVED%,%BYTES_SENT% \
UPSTREAM=%UPSTREAM_HOST%,%UPSTREAM_HOST_NAME%,%UPSTREAM_HOST_NAME_WITHOUT_PORT%,%UPSTREAM_CLUSTER%,%UPSTREAM_CLUSTER_RAW%,%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%,%UPSTREAM_REMOTE_ADDRESS%,%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%,%UPSTREAM_REMOTE_PORT%,%UPSTREAM_REQUEST_ATTEMPT_COUNT% \
DOWNSTREAM=%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%,%DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT%,%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%,%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%,%DOWNSTREAM_TLS_VERSION%,%DOWNSTREAM_PEER_URI_SAN% \
NAMES=%REQUESTED_SERVER_NAME%,%ROUTE_NAME%,%VIRTUAL_CLUSTER_NAME%,%FILTER_CHAIN_NAME%,%HOSTNAME%,%ACCESS_LOG_TYPE% \
GRPC=%GRPC_STATUS%,%GRPC_STATUS(SNAKE_STRING)%,%GRPC_STATUS(NUMBER)%,%GRPC_STATUS_NUMBER% \
STATE=%FILTER_STATE(a)%,%DYNAMIC_METADATA(a:b)%,%METADATA(DYNAMIC:a:b)%,%CLUSTER_METADATA(m:k)%,%CLUSTER_METADATA(m)%,%METADATA(CLUSTER:m:n)%,%UPSTREAM_METADATA(a:b)% \
TIME=%START_TIME(%Y-%m)%,%EMIT_TIME(%Z)% OWN=%LOCAL_REPLY_BODY%,%TRACE_ID%,%CONNECTION_TERMINATION_DETAILS%";

/// Members of JSON that have members of their own.
const NESTED: &str = "\
no-members: {}, no-values: [], one: {there: '%PROTOCOL%', missing: '%REQ(none)%'}, missing: {missing: '%REQ(none)%'}, \
deep: {deeper: {missing: '%REQ(none)%'}, list: [{missing: '%REQ(none)%'}, [], null, '%REQ(none)%', 'a%REQ(none)%b']}";

/// Listeners, each with a log of its own kind: a name, and what follows the path in its file log.
const LISTENERS: &[(&str, &str)] = &[
    ("text", ""),
    ("omit", ", omit"),
    ("json", "json"),
    ("json-omit", "json, omit"),
    (
        "by-status",
        "status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: k}}}",
    ),
    (
        "by-status-equal",
        "status_code_filter: {comparison: {op: EQ, value: {default_value: 200, runtime_key: k}}}",
    ),
    (
        "by-status-other",
        "status_code_filter: {comparison: {op: NE, value: {default_value: 200, runtime_key: k}}}",
    ),
    (
        "by-duration",
        "duration_filter: {comparison: {op: LE, value: {default_value: 60000, runtime_key: k}}}",
    ),
    (
        "by-long-duration",
        "duration_filter: {comparison: {op: GE, value: {default_value: 60000, runtime_key: k}}}",
    ),
    ("no-health-checks", "not_health_check_filter: {}"),
    ("traceable", "traceable_filter: {}"),
    ("by-share-of-none", "runtime_filter: {runtime_key: k}"),
    ("by-share-of-ids", "runtime_filter: {runtime_key: k, percent_sampled: {numerator: 50}}"),
    ("by-header", "header_filter: {header: {name: x-c, string_match: {prefix: a}}}"),
    ("by-path", "header_filter: {header: {name: ':path', string_match: {prefix: /was}}}"),
    ("by-flag", "response_flag_filter: {}"),
    ("by-one-flag", "response_flag_filter: {flags: [UH, RLSE]}"),
    ("by-grpc", "grpc_status_filter: {statuses: [UNAVAILABLE]}"),
    ("by-other-grpc", "grpc_status_filter: {statuses: [UNAVAILABLE], exclude: true}"),
    ("by-type", "log_type_filter: {types: [DownstreamEnd]}"),
    ("by-other-type", "log_type_filter: {types: [DownstreamEnd], exclude: true}"),
    (
        "by-metadata",
        "metadata_filter: {matcher: {filter: a, path: [{key: b}], value: {present_match: true}}}",
    ),
    (
        "by-no-metadata",
        "metadata_filter: {matcher: {filter: a, path: [{key: b}], value: {present_match: true}}, match_if_key_not_found: false}",
    ),
    (
        "by-both",
        "and_filter: {filters: [{response_flag_filter: {}}, {header_filter: {header: {name: x-c}}}]}",
    ),
    (
        "by-either",
        "or_filter: {filters: [{response_flag_filter: {}}, {header_filter: {header: {name: x-c}}}]}",
    ),
];

/// The routes that requests of all kinds end in.
const ROUTES: &str = "
- {name: empty, match: {prefix: /empty}, route: {cluster: empty, prefix_rewrite: /was}}
- {name: refused, match: {prefix: /refused}, route: {cluster: refused, retry_policy: {retry_on: connect-failure, num_retries: 1}}}
- {name: unknown, match: {prefix: /unknown}, route: {cluster: no-such-cluster}}
- {name: said, match: {prefix: /said}, direct_response: {status: 418, body: {inline_string: said}}}
- {name: moved, match: {prefix: /moved}, redirect: {path_redirect: /there}}
- {name: two, match: {prefix: /two}, route: {cluster: h2}}
- {name: known, match: {prefix: /known}, route: {cluster: known-CASE}}
- {name: to-a, match: {prefix: /a}, route: {cluster: a, prefix_rewrite: /was, host_rewrite_literal: other.host}}
";

const ASKS: &[&str] = &[
    "GET /a/x?q=one%20two&r=2 | x-c: abc | x-say: x-say: said",
    "POST /a | x-c: a\"b\\c || hello",
    "HEAD /a",
    "GET /a | x-do: 500",
    "GET /two",
    "GET /known",
    "GET /empty/x?q=1 | x-c: b",
    "GET /refused",
    "GET /unknown | x-c: b",
    "GET /said",
    "GET /moved?q=1",
    "GET /none | x-c: b",
    "POST /empty | content-type: application/grpc || x",
    "POST /a/s/m | content-type: application/grpc | x-say: grpc-status: 14 || x",
    "GET /a | connection: upgrade | upgrade: websocket",
    "GET /a | connection: close",
];

/// The cases.
pub(crate) fn area() -> Area {
    let mut area = Area::new("logs", Vec::new());
    for (name, kind) in LISTENERS {
        area = area.listener(name, manager(kind));
        area.cases.push(of(name));
    }
    area
}

fn of(listener: &'static str) -> Case {
    // A share of requests is chosen by their ids: some on either side of its bound.
    let with_id = |(n, ask): (usize, &&str)| {
        let (head, body) = ask.split_once(" || ").unwrap_or((ask, ""));
        let id = format!("x-request-id: {:08x}-0000-4000-8000-000000000000", 41 + n);
        let body = if body.is_empty() { String::new() } else { format!(" || {body}") };
        format!("{head} | {id}{body}")
    };
    let asks: Vec<String> = ASKS.iter().enumerate().map(with_id).collect();
    let asks: Vec<&str> = asks.iter().map(String::as_str).collect();
    case(&format!("log {listener}"), ROUTES, &asks)
        .on(listener)
        .accepted()
        .clusters("[{name: known-CASE, alt_stat_name: known-as, hosts: [{name: a, hostname: 'a.name:81'}], metadata: {filter_metadata: {m: {k: v, n: 5, o: {z: 1, a: [true, null]}}}}}]")
}

/// A connection manager whose access log is of this kind; it lives as long as the judge.
fn manager(kind: &str) -> &'static str {
    let is_filter = kind.contains("_filter");
    let filter = if is_filter { format!("filter: {{{kind}}}, ") } else { String::new() };
    let text = format!("%REQ(X-CASE)% {OPERATORS}\n").replace('\'', "''");
    let format = if kind.starts_with("json") {
        let members = OPERATORS.split(' ').map(|part| {
            let (name, value) = part.split_once('=').expect("an operator has a name");
            let list: Vec<String> = value.split(',').map(|one| format!("'{one}'")).collect();
            format!(
                "{name}: [{}], {name}-text: '{value}', {name}-first: '{}'",
                list.join(", "),
                value.split(',').next().unwrap_or_default()
            )
        });
        let members: Vec<String> = members.collect();
        format!(
            "json_format: {{case: '%REQ(X-CASE)%', number: 5.5, yes: true, nothing: null, {NESTED}, {}}}",
            members.join(", ")
        )
    } else {
        format!(
            "text_format_source: {{inline_string: \"{}\"}}",
            text.replace('"', "\\\"").replace('\n', "\\n")
        )
    };
    let omit = if kind.contains("omit") { ", omit_empty_values: true" } else { "" };
    let log = format!(
        "{{access_log: [{{name: l, {filter}typed_config: {{'@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: '{ACCESS_LOG}', log_format: {{{format}{omit}}}}}}}]}}"
    );
    Box::leak(log.into_boxed_str())
}
