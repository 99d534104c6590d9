//! Which route a request takes.

use crate::{
    case::{Case, case},
    run::Area,
};

/// The cases.
pub(crate) fn area() -> Area {
    let mut cases = Vec::new();
    cases.extend(paths());
    cases.extend(headers());
    cases.extend(queries());
    cases.extend(others());
    cases.extend(domains());
    Area::new("routing", cases)
}

fn paths() -> Vec<Case> {
    vec![
        case(
            "a prefix is a raw string",
            "[{match: {prefix: /a}, route: {cluster: a}}]",
            &["GET /a", "GET /ab", "GET /a/b?x=1", "GET /b", "GET /A", "GET /?/a"],
        ),
        case(
            "a path is exact and without its query",
            "[{match: {path: /a/b}, route: {cluster: a}}]",
            &["GET /a/b", "GET /a/b?c", "GET /a/b/", "GET /a/B", "GET /a/b#f", "GET /a/b;p"],
        ),
        case(
            "ignoring case",
            "[{match: {path: /A/b, case_sensitive: false}, route: {cluster: a}}, {match: {prefix: /Pre, case_sensitive: false}, route: {cluster: b}}]",
            &["GET /a/B", "GET /A/b?x", "GET /pREfix", "GET /other"],
        ),
        case(
            "a separated prefix ends at a slash",
            "[{match: {path_separated_prefix: /a/b}, route: {cluster: a}}]",
            &["GET /a/b", "GET /a/b/c", "GET /a/bc", "GET /a/b?c=d", "GET /a/b/", "GET /a/b#c"],
        ),
        case(
            "a regex matches the whole path",
            "[{match: {safe_regex: {regex: '/v[0-9]+/x'}}, route: {cluster: a}}, {match: {safe_regex: {regex: '.*\\.png'}}, route: {cluster: b}}]",
            &[
                "GET /v1/x",
                "GET /v12/x?q",
                "GET /v1/xy",
                "GET /z/v1/x",
                "GET /i.png",
                "GET /i.png?a=b",
                "GET /i.png/x",
            ],
        ),
        case(
            "regex alternatives are anchored as a whole",
            "[{match: {safe_regex: {regex: '/a|/bcd'}}, route: {cluster: a}}]",
            &["GET /a", "GET /bcd", "GET /abc", "GET /x/bcd"],
        ),
        case(
            "a regex with flags and classes",
            "[{match: {safe_regex: {regex: '(?i)/[[:alpha:]]+/\\d{2,3}'}}, route: {cluster: a}}]",
            &["GET /Ab/12", "GET /ab/1", "GET /ab/1234", "GET /a1/12"],
        ),
        case(
            "the first route wins",
            "[{match: {prefix: /a}, route: {cluster: a}}, {match: {path: /a/b}, route: {cluster: b}}, {match: {prefix: /}, route: {cluster: c}}]",
            &["GET /a/b", "GET /x"],
        ),
        case(
            "an empty prefix is anything",
            "[{match: {prefix: ''}, route: {cluster: a}}]",
            &["GET /", "GET /x?y", "OPTIONS *"],
        ),
        case(
            "path template",
            "[{match: {path_match_policy: {name: t, typed_config: {'@type': type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig, path_template: '/a/{x=*}/b'}}}, route: {cluster: a}}]",
            &["GET /a/1/b"],
        ),
        case("a match without a path is refused", "[{match: {}, route: {cluster: a}}]", &["GET /"]),
        case(
            "a bad regex is refused",
            "[{match: {safe_regex: {regex: '/a('}}, route: {cluster: a}}]",
            &["GET /"],
        ),
        case(
            "lookaround is refused",
            "[{match: {safe_regex: {regex: '/(?=a)b'}}, route: {cluster: a}}]",
            &["GET /"],
        ),
        case(
            "an unknown cluster",
            "[{match: {prefix: /}, route: {cluster: a-b-c, cluster_not_found_response_code: NOT_FOUND}}]",
            &["GET /"],
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn headers() -> Vec<Case> {
    let on = |name: &str, matcher: &str, asks: &[&str]| {
        let routes = format!(
            "[{{match: {{prefix: /, headers: [{matcher}]}}, route: {{cluster: a}}}}, {{match: {{prefix: /}}, route: {{cluster: b}}}}]"
        );
        case(name, &routes, asks)
    };
    vec![
        on(
            "a header that is exact",
            "{name: x-a, string_match: {exact: one}}",
            &[
                "GET / | x-a: one",
                "GET / | x-a: One",
                "GET / | x-a: one two",
                "GET / | X-A: one",
                "GET /",
                "GET / | x-a:",
            ],
        ),
        on(
            "a header repeated is joined",
            "{name: x-a, string_match: {exact: 'one,two'}}",
            &["GET / | x-a: one | x-a: two", "GET / | x-a: one,two", "GET / | x-a: one, two"],
        ),
        on(
            "a header's prefix",
            "{name: x-a, string_match: {prefix: on}}",
            &["GET / | x-a: one", "GET / | x-a: xon"],
        ),
        on(
            "a header's suffix",
            "{name: x-a, string_match: {suffix: ne}}",
            &["GET / | x-a: one", "GET / | x-a: net"],
        ),
        on(
            "a header that contains",
            "{name: x-a, string_match: {contains: wo}}",
            &["GET / | x-a: two", "GET / | x-a: one"],
        ),
        on(
            "a header ignoring case",
            "{name: x-a, string_match: {exact: One, ignore_case: true}}",
            &["GET / | x-a: oNE", "GET / | x-a: ones"],
        ),
        on(
            "a header's regex is whole",
            "{name: x-a, string_match: {safe_regex: {regex: 'a.c'}}}",
            &["GET / | x-a: abc", "GET / | x-a: abcd", "GET / | x-a: a.c"],
        ),
        on(
            "a header's regex over nothing",
            "{name: x-a, string_match: {safe_regex: {regex: '.*'}}}",
            &["GET / | x-a:", "GET / | x-a: v", "GET /"],
        ),
        on(
            "a header is there",
            "{name: x-a, present_match: true}",
            &["GET / | x-a: v", "GET / | x-a:", "GET /"],
        ),
        on(
            "a header is not there",
            "{name: x-a, present_match: false}",
            &["GET / | x-a: v", "GET /"],
        ),
        on(
            "inverted presence",
            "{name: x-a, present_match: true, invert_match: true}",
            &["GET / | x-a: v", "GET /"],
        ),
        on(
            "an inverted value misses without the header",
            "{name: x-a, string_match: {exact: v}, invert_match: true}",
            &["GET / | x-a: v", "GET / | x-a: w", "GET /"],
        ),
        on(
            "a missing header as empty",
            "{name: x-a, string_match: {exact: v}, invert_match: true, treat_missing_header_as_empty: true}",
            &["GET / | x-a: v", "GET /"],
        ),
        on(
            "missing as empty matches empty",
            "{name: x-a, string_match: {exact: ''}, treat_missing_header_as_empty: true}",
            &["GET / | x-a:", "GET /"],
        ),
        on(
            "a range of numbers",
            "{name: x-n, range_match: {start: -5, end: 10}}",
            &[
                "GET / | x-n: -5",
                "GET / | x-n: 10",
                "GET / | x-n: 9",
                "GET / | x-n: 9x",
                "GET / | x-n: 0009",
                "GET / | x-n: +9",
            ],
        ),
        on("the old words", "{name: x-a, exact_match: one}", &["GET / | x-a: one", "GET /"]),
        on("the old prefix", "{name: x-a, prefix_match: on}", &["GET / | x-a: one", "GET /"]),
        on(
            "the old regex",
            "{name: x-a, safe_regex_match: {regex: 'o.e'}}",
            &["GET / | x-a: one", "GET / | x-a: oone"],
        ),
        on(
            "the method as a header",
            "{name: ':method', string_match: {exact: POST}}",
            &["POST / || b", "GET /", "post /"],
        ),
        on(
            "the authority as a header",
            "{name: ':authority', string_match: {prefix: the-auth}}",
            &["GET /"],
        ),
        on("the host header by its own name", "{name: host, present_match: true}", &["GET /"]),
        on(
            "the path as a header has the query",
            "{name: ':path', string_match: {exact: '/p?q=1'}}",
            &["GET /p?q=1", "GET /p"],
        ),
        on(
            "the scheme as a header",
            "{name: ':scheme', string_match: {exact: http}}",
            &["GET /", "GET / | x-forwarded-proto: https"],
        ),
        on(
            "all of several",
            "{name: x-a, present_match: true}, {name: x-b, string_match: {exact: v}}",
            &["GET / | x-a: 1 | x-b: v", "GET / | x-a: 1", "GET / | x-b: v"],
        ),
        on(
            "bytes beyond ASCII",
            "{name: x-a, string_match: {exact: 'ü'}}",
            &["GET / | x-a: ü", "GET / | x-a: u"],
        ),
        on(
            "a content type",
            "{name: content-type, string_match: {prefix: application/grpc}}",
            &["POST / | content-type: application/grpc-web || b", "GET /"],
        ),
        on(
            "a cookie",
            "{name: cookie, string_match: {safe_regex: {regex: '^(.*?;)?(user=jason)(;.*)?$'}}}",
            &[
                "GET / | cookie: user=jason",
                "GET / | cookie: a=b; user=jason",
                "GET / | cookie: user=jason;x=y",
                "GET / | cookie: user=jasonx",
            ],
        ),
    ]
}

fn queries() -> Vec<Case> {
    let on = |name: &str, matcher: &str, asks: &[&str]| {
        let routes = format!(
            "[{{match: {{prefix: /, query_parameters: [{matcher}]}}, route: {{cluster: a}}}}, {{match: {{prefix: /}}, route: {{cluster: b}}}}]"
        );
        case(name, &routes, asks)
    };
    vec![
        on(
            "a parameter that is exact",
            "{name: q, string_match: {exact: one}}",
            &[
                "GET /?q=one",
                "GET /?q=One",
                "GET /?x=1&q=one",
                "GET /?q=",
                "GET /",
                "GET /?q=one#f",
                "GET /?Q=one",
            ],
        ),
        on(
            "a parameter twice: the first counts",
            "{name: q, string_match: {exact: one}}",
            &["GET /?q=one&q=two", "GET /?q=two&q=one"],
        ),
        on(
            "a parameter with escapes",
            "{name: q, string_match: {exact: 'a b'}}",
            &["GET /?q=a%20b", "GET /?q=a+b"],
        ),
        on(
            "a parameter with escapes, raw",
            "{name: q, string_match: {exact: 'a%20b'}}",
            &["GET /?q=a%20b"],
        ),
        on(
            "a parameter is there",
            "{name: q, present_match: true}",
            &["GET /?q", "GET /?q=", "GET /?qq=1", "GET /?a=q", "GET /?a&q&b", "GET /?a;q=1"],
        ),
        on("a parameter is not there", "{name: q, present_match: false}", &["GET /?q", "GET /?x"]),
        on(
            "a parameter's regex is whole",
            "{name: q, string_match: {safe_regex: {regex: '[0-9]+'}}}",
            &["GET /?q=12", "GET /?q=12a", "GET /?q="],
        ),
        on(
            "a parameter's prefix",
            "{name: q, string_match: {prefix: a}}",
            &["GET /?q=ab", "GET /?q=ba"],
        ),
        on(
            "a parameter in the middle of noise",
            "{name: q, string_match: {exact: '1'}}",
            &["GET /?&&q=1&", "GET /?=&q=1", "GET /??q=1", "GET /?a=b?q=1", "GET /?q=1=2"],
        ),
    ]
}

fn others() -> Vec<Case> {
    vec![
        case(
            "only gRPC",
            "[{match: {prefix: /, grpc: {}}, route: {cluster: a}}, {match: {prefix: /}, route: {cluster: b}}]",
            &[
                "POST /s/m | content-type: application/grpc || b",
                "POST /s/m | content-type: application/grpc+proto || b",
                "POST /s/m | content-type: application/grpcx || b",
                "POST /s/m | content-type: application/json || b",
            ],
        ),
        case(
            "a share of nothing and of all",
            "[{match: {prefix: /none, runtime_fraction: {default_value: {numerator: 0}}}, route: {cluster: a}}, {match: {prefix: /all, runtime_fraction: {default_value: {numerator: 100}}}, route: {cluster: b}}, {match: {prefix: /}, route: {cluster: c}}]",
            &["GET /none", "GET /all"],
        ),
        case(
            "tls context misses plain text",
            "[{match: {prefix: /, tls_context: {presented: true}}, route: {cluster: a}}, {match: {prefix: /, tls_context: {presented: false}}, route: {cluster: b}}, {match: {prefix: /}, route: {cluster: c}}]",
            &["GET /"],
        ),
        case(
            "no route",
            "[{match: {path: /only}, route: {cluster: a}}]",
            &["GET /other", "HEAD /other", "POST /other || body"],
        ),
        case(
            "an unknown cluster is 503",
            "[{match: {prefix: /}, route: {cluster: nobody}}]",
            &["GET /", "HEAD /"],
        ),
        case(
            "an unknown cluster as 500",
            "[{match: {prefix: /}, route: {cluster: nobody, cluster_not_found_response_code: INTERNAL_SERVER_ERROR}}]",
            &["GET /"],
        ),
        case(
            "a cluster without hosts",
            "[{match: {prefix: /}, route: {cluster: empty}}]",
            &["GET /", "POST / || x"],
        ),
        case(
            "a host that refuses",
            "[{match: {prefix: /}, route: {cluster: refused}}]",
            &["GET /"],
        ),
        case(
            "a cluster named by a header",
            "[{match: {prefix: /}, route: {cluster_header: x-to}}]",
            &["GET / | x-to: b", "GET / | x-to: nobody", "GET /"],
        ),
        case(
            "a non-forwarding action",
            "[{match: {prefix: /}, non_forwarding_action: {}}]",
            &["GET /"],
        ),
        case("a route without an action", "[{match: {prefix: /}}]", &["GET /"]),
    ]
}

fn domains() -> Vec<Case> {
    let host = |name: &str, domains: &str, asks: &[&str]| {
        let host = format!(
            "{{domains: {domains}, routes: [{{match: {{prefix: /}}, route: {{cluster: a}}}}]}}"
        );
        case(name, &host, asks)
    };
    vec![
        host(
            "an exact domain",
            "[exact.dom]",
            &[
                "GET / | host: exact.dom",
                "GET / | host: EXACT.dom",
                "GET / | host: exact.dom.",
                "GET / | host: x.exact.dom",
                "GET / | host: exact.dom:80",
            ],
        ),
        host(
            "a domain with a port",
            "['ported.dom:8080']",
            &[
                "GET / | host: ported.dom:8080",
                "GET / | host: ported.dom",
                "GET / | host: ported.dom:80",
            ],
        ),
        host(
            "a suffix wildcard",
            "['*.suf.dom']",
            &[
                "GET / | host: a.suf.dom",
                "GET / | host: a.b.suf.dom",
                "GET / | host: suf.dom",
                "GET / | host: .suf.dom",
                "GET / | host: A.SUF.dom",
            ],
        ),
        host(
            "a suffix wildcard with a dash",
            "['*-dash.dom']",
            &["GET / | host: a-dash.dom", "GET / | host: -dash.dom", "GET / | host: dash.dom"],
        ),
        host(
            "a prefix wildcard",
            "['pre.*']",
            &[
                "GET / | host: pre.dom",
                "GET / | host: pre.",
                "GET / | host: PRE.x:1",
                "GET / | host: prex",
            ],
        ),
        host(
            "the longest suffix wins",
            "['*.long.suffix.dom', '*.suffix.dom']",
            &["GET / | host: a.long.suffix.dom", "GET / | host: a.suffix.dom"],
        ),
        case(
            "the request line's authority",
            "[{match: {prefix: /}, route: {cluster: a}}]",
            &[
                "GET http://the-request-line-s-authority.judge/x?y | host: other.dom",
                "GET http://the-request-line-s-authority.judge | host: other.dom",
                "GET http://other.dom/",
                "GET http://the-request-line-s-authority.judge?q",
                "GET https://the-request-line-s-authority.judge/",
            ],
        ),
        host(
            "an IPv6 authority",
            "['[::1]:80', '[::1]']",
            &["GET / | host: [::1]", "GET / | host: [::1]:80", "GET / | host: [::1]:81"],
        ),
        host("an empty host", "[nothing.dom]", &["GET / | host:", "GET / | host: "]),
    ]
}
