//! Header edits and rewrites of path and authority.

use crate::{
    case::{Case, case},
    run::Area,
};

/// The cases.
pub(crate) fn area() -> Area {
    let mut cases = Vec::new();
    cases.extend(actions());
    cases.extend(levels());
    cases.extend(operators());
    cases.extend(rewrites());
    Area::new("edits", cases)
        .listener("levels", "{route_config: {request_headers_to_add: [{header: {key: x-level, value: config}}], response_headers_to_add: [{header: {key: x-level, value: config}}], request_headers_to_remove: [x-gone-config], response_headers_to_remove: [x-gone-config]}}")
        .listener("specific", "{route_config: {most_specific_header_mutations_wins: true, request_headers_to_add: [{header: {key: x-level, value: config}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}], response_headers_to_add: [{header: {key: x-level, value: config}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]}}")
}

/// Apart, for what refuses it refuses a whole listener.
pub(crate) fn internal() -> Area {
    let routes = "[{match: {prefix: /}, route: {cluster: a}}]";
    let case = case("internal headers go", routes, &["GET / | x-internal: 1 | x-other: 2"]);
    let area = Area::new("internal", vec![case.on("internal")]);
    area.listener("internal", "{route_config: {internal_only_headers: [x-internal]}}")
}

fn actions() -> Vec<Case> {
    let mut cases = Vec::new();
    for action in [
        "APPEND_IF_EXISTS_OR_ADD",
        "ADD_IF_ABSENT",
        "OVERWRITE_IF_EXISTS_OR_ADD",
        "OVERWRITE_IF_EXISTS",
    ] {
        for name in
            ["x-a", "X-Upper", "cookie", "user-agent", "x-forwarded-for", "content-type", "accept"]
        {
            let routes = format!(
                "[{{match: {{prefix: /}}, route: {{cluster: a}}, request_headers_to_add: [{{header: {{key: {name}, value: new}}, append_action: {action}}}], response_headers_to_add: [{{header: {{key: {name}, value: new}}, append_action: {action}}}]}}]"
            );
            let ask = format!("GET / | {name}: old | x-say: {name}: said");
            let two =
                format!("GET / | {name}: old | {name}: older | x-say: {name}: said|{name}: again");
            cases.push(case(&format!("{action} {name}"), &routes, &["GET /", &ask, &two]));
        }
    }
    let edit = |name: &str, edits: &str, asks: &[&str]| {
        case(name, &format!("[{{match: {{prefix: /}}, route: {{cluster: a}}, {edits}}}]"), asks)
    };
    cases.extend([
        edit("append as the old flag", "request_headers_to_add: [{header: {key: x-a, value: new}, append: false}]", &["GET / | x-a: old"]),
        edit("append as the old flag, true", "request_headers_to_add: [{header: {key: x-a, value: new}, append: true}]", &["GET / | x-a: old"]),
        edit("an empty value is not added", "request_headers_to_add: [{header: {key: x-a, value: ''}}]", &["GET /", "GET / | x-a: old"]),
        edit("an empty value is kept", "request_headers_to_add: [{header: {key: x-a, value: ''}, keep_empty_value: true}], response_headers_to_add: [{header: {key: x-b, value: ''}, keep_empty_value: true}]", &["GET /", "GET / | x-a: old"]),
        edit("removals", "request_headers_to_remove: [x-a, X-B], response_headers_to_remove: [x-c, Content-Type]", &["GET / | x-a: 1 | x-b: 2 | X-A: 3 | x-say: x-c: 1|X-C: 2|x-d: 3"]),
        edit("removal and addition of the same", "request_headers_to_remove: [x-a], request_headers_to_add: [{header: {key: x-a, value: new}}]", &["GET / | x-a: old", "GET /"]),
        edit("several additions in order", "request_headers_to_add: [{header: {key: x-a, value: '1'}}, {header: {key: x-a, value: '2'}}, {header: {key: x-a, value: '3'}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}, {header: {key: x-a, value: '4'}}]", &["GET /", "GET / | x-a: old"]),
        edit("the host cannot be added", "request_headers_to_add: [{header: {key: host, value: other}}]", &["GET /"]),
        edit("the authority cannot be added", "request_headers_to_add: [{header: {key: ':authority', value: other}}]", &["GET /"]),
        edit("the host cannot be removed", "request_headers_to_remove: [host]", &["GET /"]),
        edit("a bad name is refused", "request_headers_to_add: [{header: {key: 'x a', value: v}}]", &["GET /"]),
        edit("a bad value is refused", "request_headers_to_add: [{header: {key: x-a, value: \"a\\nb\"}}]", &["GET /"]),
        edit("a bad name is not written", "request_headers_to_add: [{header: {key: 'x a', value: v}, append_action: OVERWRITE_IF_EXISTS}], response_headers_to_add: [{header: {key: x-r, value: v}}]", &["GET /"]),
        edit("a bad name answers for itself", "request_headers_to_add: [{header: {key: 'x(a', value: v}}], response_headers_to_add: [{header: {key: x-r, value: v}}]", &["GET /", "POST /s/m | content-type: application/grpc || x"]),
        edit("a control character", "request_headers_to_add: [{header: {key: x-a, value: \"a\\x01b\"}}]", &["GET /"]),
        edit("a tab", "request_headers_to_add: [{header: {key: x-a, value: \"a\\tb\"}}]", &["GET /"]),
        edit("both ways to append are refused", "request_headers_to_add: [{header: {key: x-a, value: v}, append: true, append_action: ADD_IF_ABSENT}]", &["GET /"]),
        edit("a line break in a removal is refused", "request_headers_to_remove: [\"x\\na\"]", &["GET /"]),
        edit("one level looks before it writes", "request_headers_to_add: [{header: {key: x-a, value: '1'}}, {header: {key: x-a, value: '2'}, append_action: ADD_IF_ABSENT}, {header: {key: x-b, value: '%REQ(x-a)%'}}, {header: {key: x-a, value: '3'}, append_action: OVERWRITE_IF_EXISTS}, {header: {key: x-a, value: '4'}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}], request_headers_to_remove: [x-c], response_headers_to_add: [{header: {key: x-d, value: '<%RESP(x-e)%> <%REQ(x-a)%>'}}, {header: {key: x-e, value: 'new'}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]", &["GET /", "GET / | x-a: old | x-c: gone | x-say: x-e: said", "GET / | x-a: old | x-a: older"]),
        edit("response edits of local replies", "response_headers_to_add: [{header: {key: x-a, value: v}}], response_headers_to_remove: [content-type]", &["GET /"]),
        case("response edits of a failed upstream", "[{match: {prefix: /}, route: {cluster: refused}, response_headers_to_add: [{header: {key: x-a, value: v}}]}]", &["GET /"]),
        case("response edits of an unknown cluster", "[{match: {prefix: /}, route: {cluster: nobody}, response_headers_to_add: [{header: {key: x-a, value: v}}]}]", &["GET /"]),
    ]);
    cases
}

fn levels() -> Vec<Case> {
    let all = "{request_headers_to_add: [{header: {key: x-level, value: host}}], response_headers_to_add: [{header: {key: x-level, value: host}}], request_headers_to_remove: [x-gone-host], response_headers_to_remove: [x-gone-host], routes: [{match: {prefix: /w}, request_headers_to_add: [{header: {key: x-level, value: route}}], response_headers_to_add: [{header: {key: x-level, value: route}}], route: {weighted_clusters: {clusters: [{name: a, weight: 1, request_headers_to_add: [{header: {key: x-level, value: target}}], response_headers_to_add: [{header: {key: x-level, value: target}}], request_headers_to_remove: [x-gone-target]}]}}}, {match: {prefix: /d}, direct_response: {status: 200}, response_headers_to_add: [{header: {key: x-level, value: route}}]}, {match: {prefix: /}, route: {cluster: a}, request_headers_to_add: [{header: {key: x-level, value: route}}]}]}";
    let asks: &[&str] = &[
        "GET /w | x-gone-config: 1 | x-gone-host: 1 | x-gone-target: 1 | x-level: own",
        "GET / | x-gone-host: 1 | x-say: x-level: own|x-gone-config: 1|x-gone-host: 1",
        "GET /d",
    ];
    let overwrite = all.replace(
        "{header: {key: x-level, value: ",
        "{append_action: OVERWRITE_IF_EXISTS_OR_ADD, header: {key: x-level, value: ",
    );
    vec![
        case("levels append from the inside out", all, asks).on("levels"),
        case("the outermost level wins", &overwrite, asks).on("levels"),
        case("the most specific level wins", &overwrite, asks).on("specific"),
        case("levels append when the most specific wins", all, asks).on("specific"),
    ]
}

/// Values of headers, with operators that are known, unknown, and written wrongly.
const OPERATORS: &[&str] = &[
    "%PROTOCOL%",
    "%REQ(x-a)%",
    "%REQ(X-NONE?x-a)%",
    "%REQ(x-none)%",
    "%REQ(x-a):2%",
    "a%%b",
    "%REQ(:path)%",
    "%REQ(:method)% %REQ(:authority)%",
    "pre-%REQ(x-a)%-post",
    "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "%DOWNSTREAM_LOCAL_ADDRESS%",
    "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
    "%DOWNSTREAM_LOCAL_PORT%",
    "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "%VIRTUAL_CLUSTER_NAME%",
    "%ROUTE_NAME%",
    "%REQUESTED_SERVER_NAME%",
    "%UPSTREAM_CLUSTER%",
    "%UNKNOWN%",
    "%REQ(x-a",
    "100%",
    "%HOSTNAME_NOT%",
    "%DYNAMIC_METADATA(a:b)%",
    "%START_TIME(%Y)%x",
    "%RESPONSE_CODE%",
    "%RESPONSE_FLAGS%",
    "%CEL(1)%",
    "%UPSTREAM_METADATA([\"a\", \"b\"])%",
    "%DOWNSTREAM_PEER_URI_SAN%",
    "%RESP(x-s)%",
    "%ENVIRONMENT(NOTHING_HERE)%",
    "%ENVIRONMENT(HOME)%",
    "%HOSTNAME%",
    "%RESPONSE_CODE_DETAILS%",
    "%RESPONSE_FLAGS_LONG%",
    "%RESP(:status)%",
    "%UPSTREAM_HOST%",
    "%UPSTREAM_HOST_NAME%",
    "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "%PATH(NQ)% %PATH% %PATH(WQ)%:4",
    "%START_TIME(%F %j %a %B %z %%)%",
    "%TRAILER(x)%",
    "%VIRTUAL_HOST_NAME%",
    "%REQ(x-a)",
    "%REQ(x-a):y%",
    "%PROTOCOL(x)%",
    "%req(x-a)%",
    "%REQ(x-a?x-b?x-c)%",
    "%REQ()%",
    "%REQ(x-a):0%",
];

fn operators() -> Vec<Case> {
    let mut cases = Vec::new();
    for (n, value) in OPERATORS.iter().enumerate() {
        let value = value.replace('\'', "''");
        let routes = format!(
            "[{{name: the-route, match: {{prefix: /}}, route: {{cluster: a}}, request_headers_to_add: [{{header: {{key: x-v, value: '{value}'}}}}], response_headers_to_add: [{{header: {{key: x-v, value: '{value}'}}}}]}}]"
        );
        cases.push(case(
            &format!("operator {n} {value}"),
            &routes,
            &["GET /p?q | x-a: abc | x-say: x-s: said"],
        ));
    }
    for (n, path) in
        ["[\"m\", \"text\"]", "m:number", "m:deep:list", "m:deep", "m", "m:none", "none"]
            .iter()
            .enumerate()
    {
        let edits = edit_all(&format!("%UPSTREAM_METADATA({path})%"));
        let name = format!("metadata of the host {n}");
        let routes = format!("[{{match: {{prefix: /}}, route: {{cluster: CASE}}, {edits}}}]");
        let cluster = "[{name: CASE, hosts: [{name: a, metadata: {filter_metadata: {m: {text: said, number: 3, deep: {flag: true, list: [1, 2.5, x]}}}}}]}]";
        cases.push(case(&name, &routes, &["GET /"]).clusters(cluster));
    }
    // What values see in answers that the proxy gives by itself.
    let edits = edit_all(
        "%REQ(:path)% %REQ(x-envoy-original-path)% %REQ(x-forwarded-proto)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %RESP(:status)% <%UPSTREAM_CLUSTER%> <%UPSTREAM_HOST%> %UPSTREAM_REQUEST_ATTEMPT_COUNT% %ROUTE_NAME%",
    );
    let fault = "typed_per_filter_config: {envoy.filters.http.fault: {'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {http_status: 418, percentage: {numerator: 100}}}}";
    for (name, action) in [
        ("a direct answer", "direct_response: {status: 201, body: {inline_string: said}}".to_owned()),
        ("a redirect", "redirect: {prefix_rewrite: /new}".to_owned()),
        ("an unknown cluster", "route: {cluster: nobody}".to_owned()),
        ("an abort", format!("route: {{cluster: a}}, {fault}")),
        ("an answer after a rewrite", "route: {cluster: a, prefix_rewrite: /new}".to_owned()),
        ("an empty cluster", "route: {cluster: empty, prefix_rewrite: /new}".to_owned()),
        (
            "an answer after retries",
            "route: {cluster: a, retry_policy: {retry_on: 5xx, num_retries: 2, retry_back_off: {base_interval: 0.001s}}}".to_owned(),
        ),
    ] {
        let routes = format!("[{{name: r, match: {{prefix: /p}}, {action}, {edits}}}]");
        let asks = ["GET /p/q?r | x-do: 503,503,200", "POST /p | content-type: application/grpc || x"];
        cases.push(case(&format!("values in {name}"), &routes, &asks));
    }
    cases
}

/// The same value in requests and responses.
fn edit_all(value: &str) -> String {
    let value = value.replace('\'', "''");
    let header = format!("[{{header: {{key: x-v, value: '{value}'}}}}]");
    format!("request_headers_to_add: {header}, response_headers_to_add: {header}")
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn rewrites() -> Vec<Case> {
    let route = |name: &str, matcher: &str, action: &str, asks: &[&str]| {
        case(name, &format!("[{{match: {{{matcher}}}, route: {{cluster: a, {action}}}}}]"), asks)
    };
    vec![
        route(
            "prefix rewrite",
            "prefix: /a",
            "prefix_rewrite: /b",
            &["GET /a", "GET /a/c?d", "GET /ac", "GET /a?x#y"],
        ),
        route(
            "prefix rewrite to the root",
            "prefix: /a/",
            "prefix_rewrite: /",
            &["GET /a/", "GET /a/b", "GET /a//b"],
        ),
        route(
            "prefix rewrite doubles a slash",
            "prefix: /a",
            "prefix_rewrite: /",
            &["GET /a", "GET /a/b"],
        ),
        route(
            "prefix rewrite of an exact path",
            "path: /a",
            "prefix_rewrite: /b/c",
            &["GET /a", "GET /a?q=1"],
        ),
        route(
            "prefix rewrite of a separated prefix",
            "path_separated_prefix: /a",
            "prefix_rewrite: /b",
            &["GET /a", "GET /a/b", "GET /a?b"],
        ),
        route(
            "prefix rewrite of a regex",
            "safe_regex: {regex: '/a[0-9]*/.*'}",
            "prefix_rewrite: /b",
            &["GET /a1/x", "GET /a1/x?y"],
        ),
        route(
            "prefix rewrite ignoring case",
            "prefix: /A, case_sensitive: false",
            "prefix_rewrite: /b",
            &["GET /a/X", "GET /A/x"],
        ),
        route(
            "regex rewrite",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: '^/service/([^/]+)(/.*)$'}, substitution: '\\2/instance/\\1'}",
            &["GET /service/foo/v1/api", "GET /service/foo/v1/api?x=/service/y/z", "GET /other"],
        ),
        route(
            "regex rewrite everywhere",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: 'one'}, substitution: 'two'}",
            &["GET /xxx/one/yyy/one/zzz", "GET /ONE/one?one"],
        ),
        route(
            "regex rewrite ignoring case",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: '(?i)/xxx/'}, substitution: /yyy/}",
            &["GET /aaa/XxX/bbb"],
        ),
        route(
            "regex rewrite with a dollar",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: 'a'}, substitution: '$1b'}",
            &["GET /a"],
        ),
        route(
            "regex rewrite with the whole match",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: 'a.'}, substitution: '<\\0>'}",
            &["GET /abab"],
        ),
        route(
            "regex rewrite of nothing",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: 'x*'}, substitution: '-'}",
            &["GET /axb"],
        ),
        route(
            "a group that is not there is refused",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: 'a'}, substitution: '\\1'}",
            &["GET /a"],
        ),
        route(
            "a group that is not there changes nothing",
            "prefix: /",
            "regex_rewrite: {pattern: {regex: '(b)'}, substitution: '<\\2>'}",
            &["GET /abc"],
        ),
        route(
            "both rewrites are refused",
            "prefix: /",
            "prefix_rewrite: /b, regex_rewrite: {pattern: {regex: 'a'}, substitution: b}",
            &["GET /a"],
        ),
        route(
            "host rewrite",
            "prefix: /",
            "host_rewrite_literal: new.host",
            &["GET /", "GET / | host: some.host"],
        ),
        route(
            "host rewrite, told",
            "prefix: /",
            "host_rewrite_literal: new.host, append_x_forwarded_host: true",
            &["GET /", "GET / | x-forwarded-host: before"],
        ),
        route(
            "host rewrite to the same, told",
            "prefix: /",
            "host_rewrite_literal: host-rewrite-to-the-same--told.judge, append_x_forwarded_host: true",
            &["GET /"],
        ),
        route(
            "host rewrite by a header",
            "prefix: /",
            "host_rewrite_header: x-host",
            &["GET / | x-host: from.header", "GET /", "GET / | x-host:"],
        ),
        route(
            "host rewrite by the path",
            "prefix: /",
            "host_rewrite_path_regex: {pattern: {regex: '^/(.+)/.+$'}, substitution: '\\1'}",
            &["GET /some.where/x", "GET /some.where/x?y/z", "GET /none"],
        ),
        case(
            "host rewrite of a target",
            "[{match: {prefix: /}, route: {host_rewrite_literal: of.route, weighted_clusters: {clusters: [{name: a, weight: 1, host_rewrite_literal: of.target}]}}}]",
            &["GET /"],
        ),
        case(
            "host rewrite of a target alone",
            "[{match: {prefix: /}, route: {append_x_forwarded_host: true, weighted_clusters: {clusters: [{name: a, weight: 1, host_rewrite_literal: of.target, request_headers_to_add: [{header: {key: x-l, value: '%REQ(:authority)%'}}]}]}}, request_headers_to_add: [{header: {key: x-m, value: '%REQ(:authority)%'}}]}]",
            &["GET /"],
        ),
        case(
            "host rewrite by a header of an edit",
            "[{match: {prefix: /}, route: {cluster: a, host_rewrite_header: x-host, append_x_forwarded_host: true}, request_headers_to_add: [{header: {key: x-host, value: '%REQ(:authority)%.new'}, append_action: ADD_IF_ABSENT}]}]",
            &["GET / | host: some.where", "GET / | x-host: mine | x-forwarded-host: a, b"],
        ),
        case(
            "auto host rewrite of a name",
            "[{match: {prefix: /}, route: {cluster: CASE, auto_host_rewrite: true, append_x_forwarded_host: true}}]",
            &["GET /", "GET / | x-forwarded-host: before"],
        )
        .clusters("[{name: CASE, hosts: [{name: a, hostname: its.name}]}]"),
        case(
            "auto host rewrite of an address",
            "[{match: {prefix: /}, route: {cluster: a, auto_host_rewrite: true}}]",
            &["GET /"],
        ),
        case(
            "auto host rewrite by DNS",
            "[{match: {prefix: /}, route: {cluster: CASE, auto_host_rewrite: true}}]",
            &[],
        )
        .clusters("[{name: CASE, type: STRICT_DNS, hosts: [a]}]"),
        case(
            "the attempt count",
            "{include_request_attempt_count: true, include_attempt_count_in_response: true, routes: [{match: {prefix: /}, route: {cluster: a, retry_policy: {retry_on: 5xx, num_retries: 2, retry_back_off: {base_interval: 0.001s}}}}]}",
            &["GET /", "GET / | x-envoy-attempt-count: 7", "GET / | x-do: 503,503,200"],
        ),
    ]
}
