//! What every answer and every forwarded request looks like: paths made normal, x-forwarded-*, request
//! ids, server and via, connection handling, bodies, upgrades.

use crate::{
    case::{Case, act, case},
    run::Area,
};

/// The areas.
pub(crate) fn areas() -> Vec<Area> {
    let targets = Area::new("paths", paths())
        .listener("normal", "{normalize_path: true}")
        .listener("merged", "{normalize_path: true, merge_slashes: true}")
        .listener(
            "unescape",
            "{normalize_path: true, path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD}",
        )
        .listener(
            "unescape-redirect",
            "{normalize_path: true, path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT}",
        )
        .listener(
            "escaped-reject",
            "{normalize_path: true, path_with_escaped_slashes_action: REJECT_REQUEST}",
        );
    let forwarding = Area::new("forwarding", edge())
        .listener("edge", "{use_remote_address: true, server_name: our-edge, via: our-via, append_x_forwarded_port: true}")
        .listener("hops", "{use_remote_address: true, xff_num_trusted_hops: 1}")
        .listener("inner-hops", "{xff_num_trusted_hops: 1}")
        .listener("no-append", "{use_remote_address: true, skip_xff_append: true}")
        .listener("keep-id", "{use_remote_address: true, preserve_external_request_id: true, always_set_request_id_in_response: true}")
        .listener("no-id", "{generate_request_id: false}")
        .listener("append-server", "{server_header_transformation: APPEND_IF_ABSENT}")
        .listener("pass-server", "{server_header_transformation: PASS_THROUGH}")
        .listener("strip-any", "{strip_any_host_port: true}")
        .listener("strip-matching", "{strip_matching_host_port: true}")
        .listener("strip-dot", "{strip_trailing_host_dot: true}")
        .listener("quiet", "{http_filters: [{name: envoy.filters.http.router, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}}]}");
    let connections = Area::new("connections", connections())
        .main("{delayed_close_timeout: 0.05s}")
        .listener("old", "{delayed_close_timeout: 0.05s, http_protocol_options: {accept_http_10: true, default_host_for_http_10: old-default.dom}}")
        .listener("underscores-reject", "{delayed_close_timeout: 0.05s, common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}}")
        .listener("underscores-drop", "{delayed_close_timeout: 0.05s, common_http_protocol_options: {headers_with_underscores_action: DROP_HEADER}}")
        .listener("few-headers", "{delayed_close_timeout: 0.05s, common_http_protocol_options: {max_headers_count: 5}}")
        .listener("small-heads", "{delayed_close_timeout: 0.05s, max_request_headers_kb: 1}")
        .listener("one-request", "{delayed_close_timeout: 0.05s, common_http_protocol_options: {max_requests_per_connection: 1}}")
        .listener("times", "{stream_idle_timeout: 0.3s, request_timeout: 0.3s, request_headers_timeout: 0.3s, common_http_protocol_options: {idle_timeout: 0.3s}}");
    let bodies = Area::new("bodies", bodies().into_iter().chain(upgrades()).collect())
        .listener(
            "upgrades",
            "{upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: CONNECT}]}",
        )
        .listener("continue", "{proxy_100_continue: true}");
    vec![connections, forwarding, targets, bodies]
}

const TO_A: &str = "[{match: {prefix: /}, route: {cluster: a}}]";

fn paths() -> Vec<Case> {
    let asks: &[&str] = &[
        "GET /a/../b",
        "GET /a/./b",
        "GET /a//b",
        "GET //a",
        "GET /a/..",
        "GET /..",
        "GET /../a",
        "GET /a/b/../../c/",
        "GET /%2e%2e/a",
        "GET /a/%2E%2e/b",
        "GET /a%2fb",
        "GET /a%5Cb",
        "GET /a\\b",
        "GET /a%2F..%2fb",
        "GET /a/.b/..c",
        "GET /a?x=/../y//z",
        "GET /%41%7e%2d/%zz",
        "GET /%",
        "GET /a%00b",
        "GET /a b",
        "GET /ü",
        "GET /a;p=1/..;/b",
        "GET /a/...",
        "GET /.",
        "GET /a/.",
        "GET /%c3%bc",
        "GET /%25%32%65",
        "GET /a///..//b",
        "GET /|^{}\"<>`",
    ];
    let mut cases = Vec::new();
    for listener in ["main", "normal", "merged", "unescape", "unescape-redirect", "escaped-reject"]
    {
        for (n, ask) in asks.iter().enumerate() {
            cases.push(case(&format!("path {n} on {listener}"), TO_A, &[ask]).on(listener));
        }
    }
    cases
}

fn edge() -> Vec<Case> {
    let mut cases = Vec::new();
    let asks: &[&str] = &[
        "GET /",
        "GET / | x-forwarded-for: 1.2.3.4",
        "GET / | x-forwarded-for: 1.2.3.4, 10.0.0.1",
        "GET / | x-forwarded-for: 10.0.0.1",
        "GET / | x-forwarded-for: bogus",
        "GET / | x-forwarded-for: 1.2.3.4 | x-forwarded-for: 5.6.7.8",
        "GET / | x-forwarded-proto: https | x-forwarded-host: h | x-forwarded-port: 99",
        "GET / | x-forwarded-proto: bogus",
        "GET / | x-request-id: mine",
        "GET / | x-request-id: 12345678-1234-4234-8234-123456789012",
        "GET / | x-envoy-internal: true | x-envoy-external-address: 9.9.9.9",
        "GET / | x-envoy-expected-rq-timeout-ms: 5 | x-envoy-attempt-count: 3",
        "GET / | x-envoy-decorator-operation: op | x-envoy-downstream-service-cluster: c",
        "GET / | x-envoy-original-path: /p | x-envoy-ip-tags: t",
        "GET / | via: 1.1 other | server: client",
        "GET / | user-agent: ua | referer: r",
        "GET / | x-say: server: theirs|via: 1.0 them|x-envoy-upstream-service-time: 999|date: theirs",
        "GET / | x-say: x-request-id: theirs|x-envoy-immediate-health-check-fail: 1",
        "GET / | x-client-trace-id: t",
        "GET / | forwarded: for=1.1.1.1",
        "GET / | host: {domain}:8080",
        "GET / | host: {domain}.",
    ];
    for listener in [
        "main",
        "edge",
        "hops",
        "inner-hops",
        "no-append",
        "keep-id",
        "no-id",
        "append-server",
        "pass-server",
        "strip-any",
        "strip-matching",
        "strip-dot",
        "quiet",
    ] {
        for (n, ask) in asks.iter().enumerate() {
            let name = format!("forwarding {n} on {listener}");
            let domain = crate::case::domain(&name);
            let routes =
                format!("{{domains: ['{domain}', '{domain}:8080', '{domain}.'], routes: {TO_A}}}");
            cases.push(case(&name, &routes, &[&ask.replace("{domain}", &domain)]).on(listener));
        }
    }
    cases
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn connections() -> Vec<Case> {
    let kept = |name: &str, listener: &'static str, asks: &[&str]| {
        let asks: Vec<String> = asks.iter().map(|it| (*it).to_owned()).collect();
        act(name, TO_A, move |eye| {
            let mut connection = eye.open();
            for ask in &asks {
                eye.ask_on(&mut connection, ask);
            }
            let closed = connection.closes_within(std::time::Duration::from_millis(250));
            eye.see(format!("closed: {closed}"));
            eye.upstream();
        })
        .on(listener)
    };
    vec![
        kept("keep alive", "main", &["GET /", "GET /two", "POST / || body", "GET /"]),
        kept("connection close", "main", &["GET / | connection: close"]),
        kept("connection close among others", "main", &["GET / | connection: x-a, Close | x-a: 1"]),
        kept(
            "hop by hop headers",
            "main",
            &[
                "GET / | connection: x-a, keep-alive | x-a: 1 | keep-alive: timeout=5 | proxy-connection: keep-alive | te: trailers, deflate | proxy-authorization: p | proxy-authenticate: q | trailer: t | upgrade: x",
            ],
        ),
        kept("te alone", "main", &["GET / | te: trailers", "GET / | te: deflate"]),
        kept(
            "hop by hop headers of answers",
            "main",
            &[
                "GET / | x-say: keep-alive: timeout=5|x-a: 1|connection: x-a",
                "GET / | x-say: proxy-connection: keep-alive",
                "GET / | x-say: connection: close",
            ],
        ),
        // Envoy refuses it before it has read the token.
        kept("HTTP/1.0 refused by default", "main", &["GET / HTTP/1.0"]).without_flags(),
        kept("HTTP/1.0", "old", &["GET / HTTP/1.0"]),
        kept(
            "HTTP/1.0 kept alive",
            "old",
            &["GET / HTTP/1.0 | connection: keep-alive", "GET / HTTP/1.0"],
        ),
        kept("HTTP/1.0 with a body", "old", &["POST / HTTP/1.0 | content-length: 3 || abc"]),
        kept(
            "HTTP/1.0 chunked",
            "old",
            &["POST / HTTP/1.0 | transfer-encoding: chunked || 3\r\nabc\r\n0\r\n\r\n"],
        ),
        kept("one request a connection", "one-request", &["GET /"]),
        kept("a direct answer keeps the connection", "main", &["GET /", "GET /"]),
        kept(
            "an unread body after a local reply",
            "few-headers",
            &["POST / | a: 1 | b: 2 | c: 3 | d: 4 || body"],
        ),
        kept("underscores allowed", "main", &["GET / | x_a: 1"]),
        kept("underscores rejected", "underscores-reject", &["GET / | x_a: 1"]),
        kept("underscores dropped", "underscores-drop", &["GET / | x_a: 1 | x-b: 2"]),
        kept("just as many headers", "few-headers", &["GET / | a: 1"]),
        kept("too many headers", "few-headers", &["GET / | a: 1 | b: 2 | c: 3 | d: 4 | e: 5"]),
        kept(
            "a head that is too big",
            "small-heads",
            &[&format!("GET / | x-a: {}", "a".repeat(2000))],
        ),
        kept("a target that is too big", "small-heads", &[&format!("GET /{}", "a".repeat(2000))]),
        kept(
            "a head below the limit",
            "small-heads",
            &[&format!("GET / | x-a: {}", "a".repeat(700))],
        ),
        kept("a head of 59 KiB", "main", &[&format!("GET / | x-a: {}", "a".repeat(59 * 1024))]),
        kept("a head of 61 KiB", "main", &[&format!("GET / | x-a: {}", "a".repeat(61 * 1024))]),
        kept(
            "a head of 61 KiB in small headers",
            "main",
            &[&(0..61)
                .fold("GET /".to_owned(), |all, n| format!("{all} | x-{n}: {}", "a".repeat(1024)))],
        ),
        kept(
            "100 headers",
            "main",
            &[&(0..97).fold("GET /".to_owned(), |all, n| format!("{all} | x-{n}: v"))],
        ),
        kept(
            "101 headers",
            "main",
            &[&(0..98).fold("GET /".to_owned(), |all, n| format!("{all} | x-{n}: v"))],
        ),
        kept(
            "102 headers",
            "main",
            &[&(0..99).fold("GET /".to_owned(), |all, n| format!("{all} | x-{n}: v"))],
        ),
        kept("an odd method", "main", &["PURGE /", "M-SEARCH /", "get /", "TRACE /"]),
        act("idle connections are closed", TO_A, |eye| {
            let mut connection = eye.open();
            eye.ask_on(&mut connection, "GET /");
            let closed = connection.closes_within(eye.patience);
            eye.see(format!("closed: {closed}"));
        })
        .on("times"),
        act("a head that does not end", TO_A, |eye| {
            let mut connection = eye.open();
            connection.send(b"GET / HTTP/1.1\r\nhost: x");
            let result = connection.reply(false);
            eye.note(&result);
        })
        .on("times")
        .without_flags(),
        act("a body that does not end", TO_A, |eye| {
            let mut connection = eye.open();
            let mut bytes = eye.bytes("POST / | content-length: 10 || abc");
            bytes.truncate(bytes.len());
            connection.send(&bytes);
            let result = connection.reply(false);
            eye.note(&result);
        })
        .on("times")
        .without_flags(),
        act("pipelined requests are answered in order", TO_A, |eye| {
            let mut connection = eye.open();
            let all = ["GET /1 | x-do: 200/100", "GET /2", "POST /3 || body", "GET /4 | x-do: 404"];
            let bytes: Vec<u8> = all.iter().flat_map(|it| eye.bytes(it)).collect();
            connection.send(&bytes);
            for _ in all {
                let result = connection.reply(false);
                eye.note(&result);
            }
            eye.upstream();
        }),
        act("empty lines before a request", TO_A, |eye| {
            let mut connection = eye.open();
            let mut bytes = b"\r\n\r\n".to_vec();
            bytes.extend(eye.bytes("GET /"));
            connection.send(&bytes);
            let result = connection.reply(false);
            eye.note(&result);
        }),
        act("a request in pieces", TO_A, |eye| {
            let mut connection = eye.open();
            for piece in eye.bytes("POST /p | x-a: b || body").chunks(7) {
                connection.send(piece);
            }
            let result = connection.reply(false);
            eye.note(&result);
            eye.upstream();
        }),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn bodies() -> Vec<Case> {
    let raw =
        |name: &str, answer: &str| case(name, TO_A, &[&format!("GET / | x-do: raw={answer}")]);
    let big = "b".repeat(300_000);
    vec![
        case(
            "a body with a length",
            TO_A,
            &[
                "POST / || hello",
                "PUT / || hello",
                "DELETE / || hello",
                "GET / || hello",
                "POST / | content-length: 0",
            ],
        ),
        case(
            "a chunked body",
            TO_A,
            &[
                "POST / | transfer-encoding: chunked || 5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
                "POST / | transfer-encoding: chunked || 0\r\n\r\n",
                "POST / | transfer-encoding: Chunked || 1;ext=1\r\nx\r\n0\r\n\r\n",
            ],
        ),
        case(
            "trailers of a request",
            TO_A,
            &[
                "POST / | transfer-encoding: chunked | trailer: x-t || 1\r\nx\r\n0\r\nx-t: v\r\n\r\n",
            ],
        ),
        case("a big body", TO_A, &[&format!("POST / || {big}")]),
        case("a big answer", TO_A, &["GET / | x-do: 200+2000000", "GET / | x-do: 404+70000"]),
        case(
            "answers of every kind",
            TO_A,
            &[
                "GET / | x-do: 201",
                "GET / | x-do: 204",
                "GET / | x-do: 304",
                "HEAD /",
                "GET / | x-do: 299",
                "GET / | x-do: 302 | x-say: location: /x",
                "GET / | x-do: 999",
                "GET / | x-do: 600",
            ],
        ),
        case(
            "headers of answers",
            TO_A,
            &[
                "GET / | x-say: X-Mixed-Case: V|set-cookie: a=1|Set-Cookie: b=2|x-empty:|x-long: yes|content-encoding: gzip|etag: e",
            ],
        ),
        raw(
            "an answer in chunks",
            "HTTP/1.1%20200%20OK%0D%0Atransfer-encoding:%20chunked%0D%0A%0D%0A3%0D%0Aabc%0D%0A0%0D%0A%0D%0A",
        ),
        raw(
            "an answer with trailers",
            "HTTP/1.1%20200%20OK%0D%0Atransfer-encoding:%20chunked%0D%0A%0D%0A3%0D%0Aabc%0D%0A0%0D%0Ax-t:%20v%0D%0A%0D%0A",
        ),
        raw("an answer that ends with the connection", "HTTP/1.1%20200%20OK%0D%0A%0D%0Aabc"),
        raw("an answer of HTTP/1.0", "HTTP/1.0%20200%20OK%0D%0A%0D%0Aabc"),
        raw("an answer without a reason", "HTTP/1.1%20200%0D%0Acontent-length:%202%0D%0A%0D%0Ahi"),
        raw(
            "an answer with another reason",
            "HTTP/1.1%20200%20Fine%20by%20me%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw(
            "an interim answer",
            "HTTP/1.1%20103%20Early%0D%0Alink:%20x%0D%0A%0D%0AHTTP/1.1%20200%20OK%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw(
            "a processing answer",
            "HTTP/1.1%20102%20P%0D%0A%0D%0AHTTP/1.1%20200%20OK%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw("nonsense for an answer", "nonsense%0D%0A%0D%0A"),
        raw("an answer cut in its head", "HTTP/1.1%20200%20OK%0D%0Acontent-le"),
        raw(
            "an answer cut in its body",
            "HTTP/1.1%20200%20OK%0D%0Acontent-length:%2010%0D%0A%0D%0Aabc",
        ),
        raw(
            "an answer cut in its chunks",
            "HTTP/1.1%20200%20OK%0D%0Atransfer-encoding:%20chunked%0D%0A%0D%0A5%0D%0Aab",
        ),
        raw(
            "a bad chunk in an answer",
            "HTTP/1.1%20200%20OK%0D%0Atransfer-encoding:%20chunked%0D%0A%0D%0Azz%0D%0Aab",
        ),
        raw(
            "an answer with two lengths",
            "HTTP/1.1%20200%20OK%0D%0Acontent-length:%202%0D%0Acontent-length:%203%0D%0A%0D%0Ahi!",
        ),
        raw(
            "an answer with equal lengths",
            "HTTP/1.1%20200%20OK%0D%0Acontent-length:%202%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw(
            "an answer with a length and chunks",
            "HTTP/1.1%20200%20OK%0D%0Acontent-length:%202%0D%0Atransfer-encoding:%20chunked%0D%0A%0D%0A2%0D%0Ahi%0D%0A0%0D%0A%0D%0A",
        ),
        raw(
            "an answer with a bad length",
            "HTTP/1.1%20200%20OK%0D%0Acontent-length:%20x%0D%0A%0D%0Ahi",
        ),
        raw(
            "an answer with a negative length",
            "HTTP/1.1%20200%20OK%0D%0Acontent-length:%20-1%0D%0A%0D%0Ahi",
        ),
        raw(
            "an answer with gzip and chunked",
            "HTTP/1.1%20200%20OK%0D%0Atransfer-encoding:%20gzip%2C%20chunked%0D%0A%0D%0A2%0D%0Ahi%0D%0A0%0D%0A%0D%0A",
        ),
        raw(
            "an answer with a bad header name",
            "HTTP/1.1%20200%20OK%0D%0Abad%20name:%20v%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw(
            "an answer with a null byte",
            "HTTP/1.1%20200%20OK%0D%0Ax-a:%20a%00b%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw(
            "an answer with a folded header",
            "HTTP/1.1%20200%20OK%0D%0Ax-a:%20a%0D%0A%20b%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw("an answer with bare LF", "HTTP/1.1%20200%20OK%0Acontent-length:%202%0A%0Ahi"),
        raw(
            "an answer of another version",
            "HTTP/2.0%20200%20OK%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw(
            "a status of four digits",
            "HTTP/1.1%202000%20OK%0D%0Acontent-length:%202%0D%0A%0D%0Ahi",
        ),
        raw("a status below 100", "HTTP/1.1%20099%20OK%0D%0Acontent-length:%202%0D%0A%0D%0Ahi"),
        raw(
            "an answer with more than its length",
            "HTTP/1.1%20200%20OK%0D%0Acontent-length:%202%0D%0A%0D%0Ahi%20more",
        ),
        raw("a 204 with a body", "HTTP/1.1%20204%20No%0D%0Acontent-length:%202%0D%0A%0D%0Ahi"),
        raw("a 304 with a length", "HTTP/1.1%20304%20No%0D%0Acontent-length:%202%0D%0A%0D%0A"),
        raw(
            "an unasked 101",
            "HTTP/1.1%20101%20S%0D%0Aupgrade:%20x%0D%0Aconnection:%20upgrade%0D%0A%0D%0A",
        ),
        raw(
            "an answer with a huge header",
            &format!(
                "HTTP/1.1%20200%20OK%0D%0Acontent-length:%202%0D%0Ax-a:%20{}%0D%0A%0D%0Ahi",
                "a".repeat(50 * 1024)
            ),
        ),
    ]
}

fn upgrades() -> Vec<Case> {
    let echo = |name: &str, listener: &'static str, ask: &'static str| {
        act(name, TO_A, move |eye| {
            let mut connection = eye.open();
            let reply = eye.ask_on(&mut connection, ask);
            if reply.is_some_and(|it| it.status == 101) {
                connection.send(b"ping");
                let echoed = connection.exactly(4);
                eye.see(format!("{echoed:?}"));
                connection.finish();
                let closed = connection.closes_within(std::time::Duration::from_secs(2));
                eye.see(format!("closed: {closed}"));
            }
            eye.upstream();
        })
        .on(listener)
        .without_flags()
    };
    let upgrade =
        "GET / | connection: upgrade | upgrade: websocket | sec-websocket-key: k | x-do: echo";
    vec![
        echo("a websocket", "upgrades", upgrade),
        echo("a websocket that is not allowed", "main", upgrade),
        echo(
            "a websocket by its name in capitals",
            "upgrades",
            "GET / | Connection: keep-alive, Upgrade | Upgrade: WebSocket | x-do: echo",
        ),
        echo(
            "another upgrade",
            "upgrades",
            "GET / | connection: upgrade | upgrade: other | x-do: echo",
        ),
        echo(
            "a refused upgrade",
            "upgrades",
            "GET / | connection: upgrade | upgrade: websocket | x-do: 403",
        ),
        echo(
            "an upgrade that is answered with 200",
            "upgrades",
            "GET / | connection: upgrade | upgrade: websocket | x-do: 200",
        ),
        echo(
            "an upgrade to h2c",
            "main",
            "GET / | connection: upgrade, http2-settings | upgrade: h2c | http2-settings: AAMAAABkAAQAAP__",
        ),
        echo("an upgrade without the connection header", "upgrades", "GET / | upgrade: websocket"),
        echo("CONNECT without a route for it", "main", "CONNECT x:80"),
        act("expect is answered", TO_A, |eye| {
            eye.ask("POST / | expect: 100-continue || body");
            eye.upstream();
        }),
        act("expect is passed on", TO_A, |eye| {
            eye.ask("POST / | expect: 100-continue || body");
            eye.upstream();
        })
        .on("continue"),
        act("another expectation", TO_A, |eye| {
            eye.ask("POST / | expect: 200-ok || body");
            eye.upstream();
        }),
    ]
}
