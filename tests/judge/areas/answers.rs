//! Answers that the proxy gives by itself: redirects, direct responses, CORS.

use crate::{
    case::{Case, case},
    run::Area,
};

/// The cases.
pub(crate) fn area() -> Area {
    let mut cases = Vec::new();
    cases.extend(redirects());
    cases.extend(directs());
    cases.extend(cors());
    Area::new("answers", cases)
}

fn redirects() -> Vec<Case> {
    let to = |name: &str, redirect: &str, asks: &[&str]| {
        case(name, &format!("[{{match: {{prefix: /a}}, redirect: {{{redirect}}}}}]"), asks)
    };
    let asks: &[&str] = &["GET /a/b?c=d", "POST /a | host: h.one:8080 || body", "HEAD /a?x"];
    let mut cases: Vec<Case> =
        ["MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT"]
            .iter()
            .map(|code| {
                to(
                    &format!("redirect {code}"),
                    &format!("path_redirect: /new, response_code: {code}"),
                    &["GET /a/b?c=d", "POST /a || x"],
                )
            })
            .collect();
    cases.extend([
        to("to a host", "host_redirect: new.host", asks),
        to("to a path", "path_redirect: /new", asks),
        to("to a path with a query", "path_redirect: '/new?own=1'", asks),
        to("to a path with a query, stripped", "path_redirect: '/new?own=1', strip_query: true", asks),
        to("to a path without the query", "path_redirect: /new, strip_query: true", asks),
        to("by prefix", "prefix_rewrite: /new/", asks),
        to("by prefix, stripped", "prefix_rewrite: /new, strip_query: true", asks),
        to("by regex", "regex_rewrite: {pattern: {regex: '/a/(.)'}, substitution: '/\\1/\\1'}", asks),
        to("to https", "https_redirect: true", &["GET /a/b?c", "GET /a | x-forwarded-proto: https"]),
        to("to a scheme", "scheme_redirect: https", &["GET /a"]),
        to("to another scheme", "scheme_redirect: ftp", &["GET /a"]),
        to("to a port", "port_redirect: 8443", &["GET /a"]),
        to("to https and a port", "https_redirect: true, port_redirect: 8443", &["GET /a/b"]),
        to("to https on its port", "https_redirect: true, port_redirect: 443", &["GET /a/b"]),
        to("to http on its port", "scheme_redirect: http, port_redirect: 80", &["GET /a"]),
        to("to a host and a port", "host_redirect: new.host, port_redirect: 81", &["GET /a"]),
        to("to a host with a port", "host_redirect: 'new.host:81', https_redirect: true", &["GET /a"]),
        case("https drops the port of http", "{domains: ['https-port.dom:*', 'https-port.dom', 'https-port.dom:80', 'https-port.dom:8080', 'https-port.dom:443'], routes: [{match: {prefix: /}, redirect: {https_redirect: true}}]}", &["GET / | host: https-port.dom:80", "GET / | host: https-port.dom:8080", "GET / | host: https-port.dom:443", "GET / | host: https-port.dom"]),
        case("a redirect to itself", "[{match: {prefix: /}, redirect: {path_redirect: /a}}]", &["GET /a", "GET /a?b"]),
        case("redirect of an exact path by prefix", "[{match: {path: /a}, redirect: {prefix_rewrite: /b}}]", &["GET /a", "GET /a?b"]),
        case("redirect with edits", "[{match: {prefix: /}, redirect: {path_redirect: /n}, response_headers_to_add: [{header: {key: x-a, value: v}}, {header: {key: location, value: more}}]}]", &["GET /"]),
        case("redirect of an absolute target", "{domains: [absolute.dom], routes: [{match: {prefix: /}, redirect: {path_redirect: /n}}]}", &["GET http://absolute.dom/x?y | host: other"]),
        case("redirect with the path as it came", "[{match: {prefix: /}, redirect: {host_redirect: h}}]", &["GET /a%20b/%C3%BC?x=%41", "GET //double", "GET /a;b"]),
    ]);
    cases
}

fn directs() -> Vec<Case> {
    let mut cases: Vec<Case> = [200, 201, 204, 304, 400, 404, 429, 500, 503, 599, 418]
        .iter()
        .map(|status| {
            let routes = format!("[{{match: {{prefix: /}}, direct_response: {{status: {status}, body: {{inline_string: said}}}}}}]");
            case(&format!("direct {status}"), &routes, &["GET /", "HEAD /", "POST / || body"])
        })
        .collect();
    cases.extend([
        case("direct without a body", "[{match: {prefix: /}, direct_response: {status: 200}}]", &["GET /", "HEAD /"]),
        case("direct with an empty body", "[{match: {prefix: /}, direct_response: {status: 503, body: {inline_string: ''}}}]", &["GET /"]),
        case("direct bytes", "[{match: {prefix: /}, direct_response: {status: 200, body: {inline_bytes: aGk=}}}]", &["GET /"]),
        case("direct with its own content type", "[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: '{}'}}, response_headers_to_add: [{header: {key: content-type, value: application/json}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}]}]", &["GET /"]),
        case("direct with an added content type", "[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: '{}'}}, response_headers_to_add: [{header: {key: content-type, value: application/json}}]}]", &["GET /"]),
        case("direct to gRPC", "[{match: {prefix: /}, direct_response: {status: 503, body: {inline_string: 'not now'}}}]", &["POST /s/m | content-type: application/grpc || x", "POST /s/m | content-type: application/grpc+proto | te: trailers || x"]),
        case("direct 199 is refused", "[{match: {prefix: /}, direct_response: {status: 99}}]", &["GET /"]),
        case("direct 600 is refused", "[{match: {prefix: /}, direct_response: {status: 600}}]", &["GET /"]),
        case("a direct body that is too big is refused", &format!("[{{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: '{}'}}}}}}]", "x".repeat(4097)), &["GET /"]),
        case("a direct body that just fits", &format!("[{{match: {{prefix: /}}, direct_response: {{status: 200, body: {{inline_string: '{}'}}}}}}]", "x".repeat(4096)), &["GET /"]),
        case("local replies to gRPC", "[{match: {prefix: /}, route: {cluster: refused}}]", &["POST /s/m | content-type: application/grpc || x"]),
        case("no route to gRPC", "[{match: {prefix: /none}, route: {cluster: a}}]", &["POST /s/m | content-type: application/grpc || x"]),
        case("local replies to those who accept JSON", "[{match: {prefix: /}, route: {cluster: refused}}]", &["GET / | accept: application/json"]),
    ]);
    cases
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn cors() -> Vec<Case> {
    let policy = |name: &str, policy: &str, asks: &[&str]| {
        let host = format!(
            "{{typed_per_filter_config: {{envoy.filters.http.cors: {{'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, {policy}}}}}, routes: [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}"
        );
        case(name, &host, asks)
    };
    let asks: &[&str] = &[
        "OPTIONS / | origin: http://one | access-control-request-method: GET",
        "OPTIONS / | origin: http://one | access-control-request-method: PUT | access-control-request-headers: x-a",
        "OPTIONS / | origin: http://two | access-control-request-method: GET",
        "OPTIONS / | origin: http://one",
        "OPTIONS / | access-control-request-method: GET",
        "GET / | origin: http://one",
        "GET / | origin: http://two",
        "GET / | origin: HTTP://ONE",
        "GET /",
        "GET / | origin: http://one | x-say: access-control-allow-origin: own|access-control-expose-headers: own",
        "POST / | origin: null || x",
    ];
    let origin = "allow_origin_string_match: [{exact: 'http://one'}]";
    vec![
        policy("cors of one origin", origin, asks),
        policy("cors of all origins", "allow_origin_string_match: [{exact: '*'}]", asks),
        policy(
            "cors with everything",
            &format!(
                "{origin}, allow_methods: 'GET, PUT', allow_headers: 'x-a,x-b', expose_headers: x-c, max_age: '600', allow_credentials: true"
            ),
            asks,
        ),
        policy(
            "cors of all with credentials",
            "allow_origin_string_match: [{exact: '*'}], allow_credentials: true",
            asks,
        ),
        policy("cors without credentials", &format!("{origin}, allow_credentials: false"), asks),
        policy("cors by prefix", "allow_origin_string_match: [{prefix: 'http://o'}]", asks),
        policy("cors by suffix", "allow_origin_string_match: [{suffix: 'one'}]", asks),
        policy(
            "cors by regex",
            "allow_origin_string_match: [{safe_regex: {regex: 'http://(one|three)'}}]",
            asks,
        ),
        policy(
            "cors switched off",
            &format!("{origin}, filter_enabled: {{default_value: {{numerator: 0}}}}"),
            asks,
        ),
        policy(
            "cors in the shadow",
            &format!(
                "{origin}, filter_enabled: {{default_value: {{numerator: 0}}}}, shadow_enabled: {{default_value: {{numerator: 100}}}}"
            ),
            asks,
        ),
        policy(
            "cors that forwards preflights",
            &format!("{origin}, forward_not_matching_preflights: true"),
            asks,
        ),
        policy(
            "cors that does not forward preflights",
            &format!("{origin}, forward_not_matching_preflights: false"),
            asks,
        ),
        policy(
            "cors for private networks",
            &format!("{origin}, allow_private_network_access: true"),
            &[
                "OPTIONS / | origin: http://one | access-control-request-method: GET | access-control-request-private-network: true",
            ],
        ),
        policy("cors without origins", "allow_methods: GET", asks),
        case(
            "cors before an abort",
            &format!(
                "{{typed_per_filter_config: {{envoy.filters.http.fault: {{'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {{http_status: 418, percentage: {{numerator: 100}}}}}}, envoy.filters.http.cors: {{'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, {origin}, expose_headers: x-c}}}}, response_headers_to_add: [{{header: {{key: x-l, value: v}}}}, {{header: {{key: access-control-allow-origin, value: own}}}}], routes: [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}"
            ),
            asks,
        ),
        case(
            "cors of an unknown cluster",
            &format!(
                "{{typed_per_filter_config: {{envoy.filters.http.cors: {{'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, {origin}, expose_headers: x-c}}}}, routes: [{{match: {{prefix: /}}, route: {{cluster: nobody}}}}]}}"
            ),
            asks,
        ),
        case(
            "cors of a direct answer, told to the filter",
            &format!(
                "{{typed_per_filter_config: {{envoy.filters.http.cors: {{'@type': type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy, {origin}, expose_headers: x-c}}}}, routes: [{{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}"
            ),
            asks,
        ),
        case(
            "cors as the route says it",
            &format!(
                "[{{match: {{prefix: /}}, route: {{cluster: a, cors: {{{origin}, allow_methods: GET}}}}}}]"
            ),
            asks,
        ),
        case(
            "cors of the host and of the route",
            &format!(
                "{{cors: {{allow_origin_string_match: [{{exact: 'http://two'}}]}}, routes: [{{match: {{prefix: /}}, route: {{cluster: a, cors: {{{origin}, allow_methods: GET}}}}}}]}}"
            ),
            asks,
        ),
        case(
            "cors of a direct answer",
            &format!(
                "{{cors: {{{origin}, allow_methods: GET}}, routes: [{{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}"
            ),
            asks,
        ),
        case(
            "cors of no route",
            &format!(
                "{{cors: {{{origin}, allow_methods: GET}}, routes: [{{match: {{prefix: /none}}, route: {{cluster: a}}}}]}}"
            ),
            asks,
        ),
    ]
}
