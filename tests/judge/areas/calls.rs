//! gRPC and other streams, from end to end on HTTP/2: pieces as they come, trailers, deadlines, refusals in gRPC's
//! own words, tunnels.

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest};
use http::{HeaderMap, Request};

use crate::{
    case::{Case, Eye, act, case, plain},
    config,
    run::Area,
};

/// The areas.
pub(crate) fn areas() -> Vec<Area> {
    let grpc = Area::new("grpc", unary().into_iter().chain(deadlines()).chain(streams()).collect())
        .listener(
            "tunnels",
            "{http2_protocol_options: {allow_connect: true}, upgrade_configs: [{upgrade_type: websocket}, {upgrade_type: CONNECT}]}",
        );
    let tunnels = Area::new("tunnels", tunnels())
        .listener("connect", "{upgrade_configs: [{upgrade_type: CONNECT}]}")
        .listener("closed", "{}")
        .listener("trailers", "{http_protocol_options: {enable_trailers: true}}");
    vec![grpc, tunnels]
}

const TO_H2: &str = "[{match: {prefix: /}, route: {cluster: h2}}]";
const TO_H1: &str = "[{match: {prefix: /}, route: {cluster: a}}]";
/// How a call of gRPC begins.
const GRPC: &str = "POST /s/m | content-type: application/grpc | te: trailers";

/// Both ends of a call.
struct Call {
    up: Option<SendStream<Bytes>>,
    down: h2::client::ResponseFuture,
}

/// Does something on a connection of HTTP/2 of its own.
fn on_http2<F>(address: std::net::SocketAddr, patience: Duration, act: F)
where
    F: AsyncFnOnce(SendRequest<Bytes>),
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let (send, connection) = h2::client::handshake(socket).await.unwrap();
        let driven = tokio::spawn(connection);
        // Who hangs is told apart by what was seen before.
        tokio::time::timeout(patience, act(send)).await.ok();
        driven.abort();
    });
}

/// Begins `METHOD PATH | header: value | …`; `ends` when there is no body.
async fn begin(send: SendRequest<Bytes>, eye: &Eye<'_>, text: &str, ends: bool) -> Call {
    let mut parts = text.split(" | ");
    let (method, path) = parts.next().unwrap().split_once(' ').unwrap();
    let tunnel = method == "CONNECT";
    let host = eye.domain.clone();
    let uri = match path.strip_prefix("to ") {
        Some(authority) => authority.replace("HOST", &host),
        None => format!("http://{host}{path}"),
    };
    let mut request = Request::builder().method(method).uri(uri);
    for header in parts {
        let (name, value) = header.split_once(": ").unwrap();
        request = match name {
            ":protocol" => request.extension(h2::ext::Protocol::from(value)),
            name => request.header(name, value),
        };
    }
    let request = request.header("x-case", &eye.token).body(()).unwrap();
    let mut send = send.ready().await.unwrap();
    if tunnel && request.extensions().get::<h2::ext::Protocol>().is_some() {
        // The settings of the other side have to be here.
        while !send.is_extended_connect_protocol_enabled() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let (down, up) = send.send_request(request, ends).unwrap();
    Call { up: (!ends).then_some(up), down }
}

/// Notes the head of an answer; its body, if there was a head.
async fn head(down: h2::client::ResponseFuture, eye: &mut Eye<'_>) -> Option<RecvStream> {
    eye.ended += 1;
    match down.await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            eye.see(format!("< {}", head.status.as_u16()));
            note(eye, "<", &head.headers);
            Some(body)
        }
        Err(error) => {
            eye.see(format!("< {}", reason(&error)));
            None
        }
    }
}

fn reason(error: &h2::Error) -> String {
    let kind = if error.is_go_away() { "connection" } else { "stream" };
    match error.reason() {
        Some(reason) => format!("{kind} ended: {reason:?}"),
        None => "connection closed".to_owned(),
    }
}

fn note(eye: &mut Eye<'_>, arrow: &str, headers: &HeaderMap) {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = value.split(", transport failure reason").next().unwrap_or_default();
            format!("{arrow} {name}: {}", plain(name.as_str(), value, 0))
        })
        .collect();
    lines.sort();
    lines.into_iter().for_each(|line| eye.see(line));
}

/// Notes the rest of an answer.
async fn rest(mut body: RecvStream, eye: &mut Eye<'_>) {
    let mut all = Vec::new();
    loop {
        match body.data().await {
            Some(Ok(data)) => {
                body.flow_control().release_capacity(data.len()).ok();
                all.extend_from_slice(&data);
            }
            Some(Err(error)) => {
                eye.see(format!("< {} bytes, then {}", all.len(), reason(&error)));
                return;
            }
            None => break,
        }
    }
    let text = String::from_utf8_lossy(&all);
    let shown = if all.len() > 200 { format!("{} bytes", all.len()) } else { format!("{text:?}") };
    eye.see(format!("< body {shown}"));
    match body.trailers().await {
        Ok(Some(trailers)) => note(eye, "< trailer", &trailers),
        Ok(None) => {}
        Err(error) => eye.see(format!("< {}", reason(&error))),
    }
}

/// Sends calls of `HEAD || BODY ||| trailer: value`, each on a connection of its own, and notes the answers.
fn calls(name: &str, routes: &str, asks: &[&str]) -> Case {
    let asks: Vec<String> = asks.iter().map(|ask| (*ask).to_owned()).collect();
    act(name, routes, move |eye| {
        for ask in &asks {
            eye.see(format!("{ask}:"));
            on_http2(eye.address, eye.patience, async |send| {
                let (ask, trailers) = ask.split_once(" ||| ").unwrap_or((ask, ""));
                let (start, body) = ask.split_once(" || ").unwrap_or((ask, ""));
                let ends = body.is_empty() && trailers.is_empty();
                let mut call = begin(send, eye, start, ends).await;
                if let Some(up) = &mut call.up {
                    up.send_data(Bytes::from(body.to_owned()), trailers.is_empty()).ok();
                    if let Some((name, value)) = trailers.split_once(": ") {
                        let mut map = HeaderMap::new();
                        let name: http::HeaderName = name.parse().unwrap();
                        map.insert(name, value.parse().unwrap());
                        up.send_trailers(map).ok();
                    }
                }
                if let Some(body) = head(call.down, eye).await {
                    rest(body, eye).await;
                }
            });
        }
        eye.upstream();
    })
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn unary() -> Vec<Case> {
    let call = |does: &str| format!("{GRPC} | x-do: {does} || hello");
    let direct = |status: u16| {
        format!(
            "[{{match: {{prefix: /}}, direct_response: {{status: {status}, body: {{inline_string: 'no, {status}'}}}}}}]"
        )
    };
    let mut cases = vec![
        calls("a call", TO_H2, &[&call("grpc=0"), &call("grpc=5"), &call("grpc=16")]),
        calls(
            "a call that fails in its head",
            TO_H2,
            &[&call("grpc-only=0"), &call("grpc-only=14"), &call("grpc-only=99")],
        ),
        calls(
            "a call of another content",
            TO_H2,
            &[
                "POST /s/m | content-type: application/grpc+proto | te: trailers | x-do: grpc=0 || hello",
                "POST /s/m | content-type: application/grpc-web | x-do: 200 || hello",
            ],
        ),
        calls(
            "a call without te",
            TO_H2,
            &["POST /s/m | content-type: application/grpc | x-do: grpc=0 || hello"],
        ),
        calls(
            "metadata of a call",
            TO_H2,
            &[
                "POST /s/m | content-type: application/grpc | te: trailers | x-do: grpc=0 | x-bin-bin: AAEC | grpc-encoding: gzip | grpc-accept-encoding: identity | user-agent: grpc-x/1 | x-say: x-a: b|grpc-encoding: gzip || hello",
            ],
        ),
        calls(
            "trailers of a call",
            TO_H2,
            &[
                "POST /s/m | content-type: application/grpc | te: trailers | x-do: grpc=0 || hello ||| x-t: v",
            ],
        ),
        calls(
            "an HTTP error instead of a call's answer",
            TO_H2,
            &[&call("503"), &call("404"), &call("200")],
        ),
        calls(
            "a call that the upstream resets",
            TO_H2,
            &[&call("rst=2"), &call("rst=8"), &call("rst=11")],
        ),
        calls(
            "a call to an upstream of HTTP/1",
            TO_H1,
            &[
                &format!("{GRPC} | x-do: 200 || hello"),
                &format!("{GRPC} | x-do: 200 || hello ||| x-t: v"),
            ],
        ),
        calls(
            "a call without a route",
            "[{match: {path: /only}, route: {cluster: h2}}]",
            &[&call("grpc=0")],
        ),
        calls(
            "a call to an unknown cluster",
            "[{match: {prefix: /}, route: {cluster: nobody}}]",
            &[&call("grpc=0")],
        ),
        calls(
            "a call to no hosts",
            "[{match: {prefix: /}, route: {cluster: empty}}]",
            &[&call("grpc=0")],
        ),
        calls(
            "a call to a host that refuses",
            "[{match: {prefix: /}, route: {cluster: refused}}]",
            &[&call("grpc=0")],
        ),
        calls(
            "a call over the limit",
            "[{match: {prefix: /}, route: {cluster: CASE}}]",
            &[&call("grpc=0")],
        )
        .clusters(
            "[{name: CASE, hosts: [a], circuit_breakers: {thresholds: [{max_requests: 0}]}}]",
        ),
        calls(
            "a redirected call",
            "[{match: {prefix: /}, redirect: {host_redirect: other}}]",
            &[&call("grpc=0")],
        ),
        calls(
            "a call that is tried again",
            "[{match: {prefix: /}, route: {cluster: h2, retry_policy: {retry_on: 'unavailable,cancelled', num_retries: 2, retry_back_off: {base_interval: 0.001s, max_interval: 0.002s}}}}]",
            &[
                &call("grpc-only=14,grpc=0"),
                &call("grpc-only=1,grpc-only=14,grpc=0"),
                &call("grpc-only=5,grpc=0"),
                &call("grpc=14,grpc=0"),
            ],
        ),
        calls(
            "a call whose stream the upstream declines",
            "[{match: {prefix: /}, route: {cluster: CASE, retry_policy: {retry_on: refused-stream, num_retries: 1}}}]",
            &[&call("rst=7,grpc=0"), &call("rst=2,grpc=0")],
        )
        .clusters(config::OWN_H2),
        calls(
            "plain requests on HTTP/2",
            TO_H2,
            &[
                "GET / | x-do: 200",
                "HEAD / | x-do: 200",
                "GET / | x-do: 404",
                "DELETE / | x-do: 200",
                "PUT / | x-do: 200 || body",
                "GET /a/../b?c=d | x-do: 200",
            ],
        ),
        calls(
            "plain requests from HTTP/2 to HTTP/1",
            TO_H1,
            &[
                "GET /",
                "HEAD /",
                "GET / | x-do: 204",
                "GET / | x-do: 304",
                "POST / || body",
                "POST / | content-length: 4 || body",
                "GET / | x-do: 404+70000",
            ],
        ),
        calls("cookies in pieces", TO_H1, &["GET / | cookie: a=1 | cookie: b=2"]),
        calls("expect on HTTP/2", TO_H1, &["POST / | expect: 100-continue || body"]),
    ];
    for status in [400, 401, 403, 404, 409, 429, 500, 502, 503, 504] {
        cases.push(calls(
            &format!("a call that is answered with {status}"),
            &direct(status),
            &[&call("grpc=0")],
        ));
    }
    cases
}

fn deadlines() -> Vec<Case> {
    let route = |more: &str| format!("[{{match: {{prefix: /}}, route: {{cluster: h2, {more}}}}}]");
    let hang = |timeout: &str| format!("{GRPC} | grpc-timeout: {timeout} | x-do: hang || hello");
    let quick = |timeout: &str| format!("{GRPC} | grpc-timeout: {timeout} | x-do: grpc=0 || hello");
    vec![
        calls(
            "a deadline of the call",
            &route("max_stream_duration: {grpc_timeout_header_max: 0s}"),
            &[&hang("150m"), &hang("150000u"), &quick("5S")],
        ),
        calls(
            "a deadline above the greatest",
            &route("max_stream_duration: {grpc_timeout_header_max: 0.15s}"),
            &[&hang("1H")],
        ),
        calls(
            "a deadline less an offset",
            &route(
                "max_stream_duration: {grpc_timeout_header_max: 10s, grpc_timeout_header_offset: 0.1s}",
            ),
            &[&hang("250m"), &quick("2S")],
        ),
        calls(
            "a deadline in the older words",
            &route("max_grpc_timeout: 0s"),
            &[&hang("150m"), &quick("5S")],
        ),
        calls(
            "a deadline that is nonsense",
            &route("timeout: 0.15s, max_stream_duration: {grpc_timeout_header_max: 0s}"),
            &[&hang("soon"), &quick("1X")],
        ),
        calls("a timeout of the route for a call", &route("timeout: 0.15s"), &[&hang("5S")]),
        calls(
            "a timeout of an attempt for a call",
            &route(
                "timeout: 2s, retry_policy: {retry_on: 5xx, num_retries: 0, per_try_timeout: 0.15s}",
            ),
            &[&format!("{GRPC} | x-do: hang || hello")],
        ),
    ]
}

fn streams() -> Vec<Case> {
    let pieces = act("pieces go as they come", TO_H2, |eye| {
        on_http2(eye.address, eye.patience, async |send| {
            let call = begin(send, eye, &format!("{GRPC} | x-do: stream"), false).await;
            let mut up = call.up.expect("a call with a body");
            let Some(mut body) = head(call.down, eye).await else { return };
            for piece in ["one", "two", "three"] {
                up.send_data(piece.into(), false).unwrap();
                let back = body.data().await.map(|it| it.map_err(|error| reason(&error)));
                eye.see(format!("< {back:?}"));
            }
            up.send_data(Bytes::new(), true).unwrap();
            rest(body, eye).await;
        });
        eye.upstream();
    });
    let left = act("a call that its client gives up", TO_H2, |eye| {
        on_http2(eye.address, eye.patience, async |send| {
            let call = begin(send, eye, &format!("{GRPC} | x-do: stream"), false).await;
            let mut up = call.up.expect("a call with a body");
            let Some(mut body) = head(call.down, eye).await else { return };
            up.send_data("one".into(), false).unwrap();
            eye.see(format!("< {:?}", body.data().await.map(|it| it.is_ok())));
            up.send_reset(h2::Reason::CANCEL);
            tokio::time::sleep(Duration::from_millis(20)).await;
        });
    })
    .without_flags();
    let many = act("many calls at once", TO_H2, |eye| {
        on_http2(eye.address, eye.patience, async |send| {
            let mut all = Vec::new();
            for _ in 0..50 {
                let start = format!("{GRPC} | x-do: grpc=0/20");
                let mut call = begin(send.clone(), eye, &start, false).await;
                if let Some(up) = &mut call.up {
                    up.send_data("hello".into(), true).unwrap();
                }
                all.push(call.down);
            }
            for down in all {
                if let Some(body) = head(down, eye).await {
                    rest(body, eye).await;
                }
            }
        });
    });
    let tunnel = |name: &str, listener: &'static str, does: &'static str| {
        act(name, TO_H1, move |eye| {
            on_http2(eye.address, eye.patience.min(Duration::from_secs(2)), async |send| {
                let start = format!("CONNECT /chat | :protocol: websocket | sec-websocket-version: 13 | x-do: {does}");
                let call = begin(send, eye, &start, false).await;
                let mut up = call.up.expect("a call with a body");
                let Some(mut body) = head(call.down, eye).await else { return };
                if does == "echo" {
                    up.send_data("ping".into(), false).unwrap();
                    let back = body.data().await.map(|it| it.map_err(|error| reason(&error)));
                    eye.see(format!("< {back:?}"));
                } else {
                    rest(body, eye).await;
                }
            });
            eye.upstream();
        })
        .on(listener)
        .without_flags()
    };
    vec![
        pieces,
        left,
        many,
        tunnel("a websocket on HTTP/2", "tunnels", "echo"),
        tunnel("a websocket on HTTP/2 that the upstream denies", "tunnels", "403"),
    ]
}

/// CONNECT, expectations and trailers of HTTP/1.
fn tunnels() -> Vec<Case> {
    const ENDS: &str = "[{match: {connect_matcher: {}}, route: {cluster: a, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}]";
    const PASSES: &str = "[{match: {connect_matcher: {}}, route: {cluster: a}}]";
    let connect = |name: &str, routes: &str, listener: &'static str, does: &'static str| {
        let domain = crate::case::domain(name);
        let host = format!("{{domains: ['{domain}', '{domain}:80'], routes: {routes}}}");
        act(name, &host, move |eye| {
            let mut connection = eye.open();
            let head = format!(
                "CONNECT {0}:80 HTTP/1.1\r\nhost: {0}:80\r\nx-case: {1}\r\n{does}\r\n",
                eye.domain, eye.token
            );
            connection.send(head.as_bytes());
            let reply = connection.tunnel_reply();
            eye.note(&reply);
            if reply.is_ok_and(|it| it.status == 200) {
                connection.send(&eye.bytes("GET /through | connection: close"));
                let through = connection.reply(false).map(|it| (it.status, it.body));
                eye.see(format!("{through:?}"));
            }
            eye.upstream();
        })
        .on(listener)
        .without_flags()
    };
    let trailing = "POST / | transfer-encoding: chunked | trailer: x-t || 1\r\nx\r\n0\r\nx-t: v\r\nx-u: w\r\n\r\n";
    let answered = "GET / | x-do: raw=HTTP/1.1%20200%20OK%0D%0Atransfer-encoding:%20chunked%0D%0Atrailer:%20x-t%0D%0A%0D%0A3%0D%0Aabc%0D%0A0%0D%0Ax-t:%20v%0D%0A%0D%0A";
    let trailing_cluster = "[{name: CASE, hosts: [a], typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {enable_trailers: true}}}}}]";
    let own = "[{match: {prefix: /}, route: {cluster: CASE}}]";
    vec![
        connect("CONNECT that ends here", ENDS, "connect", ""),
        connect(
            "CONNECT that is passed on",
            PASSES,
            "connect",
            "x-do: raw=HTTP/1.1%20200%20OK%0D%0A%0D%0A\r\n",
        ),
        connect("CONNECT that the upstream refuses", PASSES, "connect", "x-do: 403\r\n"),
        connect("CONNECT that is not allowed", PASSES, "closed", ""),
        connect(
            "CONNECT to a host that refuses",
            "[{match: {connect_matcher: {}}, route: {cluster: refused, upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}]",
            "connect",
            "",
        ),
        connect("CONNECT with a length", ENDS, "connect", "content-length: 0\r\n"),
        case("trailers both ways", own, &[trailing, answered])
            .on("trailers")
            .clusters(trailing_cluster),
        case("trailers that the upstream does not get", TO_H1, &[trailing, answered])
            .on("trailers"),
        case("trailers that the client does not get", own, &[trailing, answered])
            .clusters(trailing_cluster),
        case(
            "expect of a direct answer",
            "[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}]",
            &["POST / | expect: 100-continue || body"],
        ),
        case(
            "expect without a route",
            "[{match: {path: /only}, route: {cluster: a}}]",
            &["POST /other | expect: 100-continue || body"],
        ),
        case("expect in capitals", TO_H1, &["POST / | Expect: 100-Continue || body"]),
        case("expect without a body", TO_H1, &["GET / | expect: 100-continue"]),
    ]
}
