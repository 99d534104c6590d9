//! HTTP/2 frame by frame, as h2spec asks: what must be refused is refused, on the stream or the connection.

mod abuses;
mod messages;

use std::time::Duration;

use crate::{
    case::{Case, act},
    h2wire::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Event, GOAWAY, HEADERS, Link, PADDED,
        PING, PREFACE, PRIORITIZED, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        block, frame,
    },
    run::Area,
};

/// The cases.
pub(crate) fn area() -> Area {
    let mut cases = Vec::new();
    let mut add = |name: &str, good: bool, bytes: &dyn Fn(&Head) -> Vec<u8>| {
        let head = Head { domain: crate::case::domain(name) };
        cases.push(one(name, good, bytes(&head)));
    };
    streams(&mut add);
    frames(&mut add);
    settings(&mut add);
    fields(&mut add);
    abuses::abuses(&mut add);
    messages::messages(&mut add);
    Area::new("frames", cases).listener("soon", "{delayed_close_timeout: 0.05s}")
}

/// Makes header blocks of requests.
struct Head {
    domain: String,
}

impl Head {
    fn fields<'a>(
        &'a self,
        method: &'a str,
        more: &[(&'a str, &'a str)],
    ) -> Vec<(&'a str, &'a str)> {
        let mut fields = vec![
            (":method", method),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", self.domain.as_str()),
        ];
        fields.extend_from_slice(more);
        fields
    }

    fn block(&self, method: &str, more: &[(&str, &str)]) -> Vec<u8> {
        block(&self.fields(method, more))
    }

    /// A whole GET.
    fn get(&self, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &self.block("GET", more))
    }

    /// The head of a POST whose body follows.
    fn post(&self, stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
        frame(HEADERS, END_HEADERS, stream, &self.block("POST", more))
    }

    /// A request of this method.
    fn only_method(&self, method: &str) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &self.block(method, &[]))
    }

    /// A GET with these fields and no others.
    fn only(fields: &[(&str, &str)]) -> Vec<u8> {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields))
    }
}

type Add<'a> = &'a mut dyn FnMut(&str, bool, &dyn Fn(&Head) -> Vec<u8>);

/// What a verdict is, and whether it is a refusal: a malformed request is an error of its stream (RFC 9113,
/// 8.1.1); that Envoy ends the connection for it is its choice, and no laxity of those who do not.
fn rank(events: &[Event]) -> (&'static str, u8) {
    if events.iter().any(|it| matches!(it, Event::Away(code) if *code != 0) || *it == Event::Closed)
    {
        return ("connection refused", 1);
    }
    if events.iter().any(|it| matches!(it, Event::Reset(_, code) if *code != 0)) {
        return ("stream refused", 1);
    }
    let status =
        events.iter().find_map(|it| if let Event::Head(_, status) = it { *status } else { None });
    match status {
        Some(400..) => ("answered with an error", 1),
        Some(_) => ("answered", 0),
        None => ("alive", 0),
    }
}

fn one(name: &str, good: bool, bytes: Vec<u8>) -> Case {
    act(
        name,
        "[{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}]",
        move |eye| {
            let mut link = Link::open(eye.address);
            let mut all = PREFACE.to_vec();
            let starts_itself = bytes.starts_with(b"!");
            if starts_itself {
                all.clear();
                all.extend_from_slice(&bytes[1..]);
            } else {
                all.extend(frame(SETTINGS, 0, 0, &[]));
                all.extend_from_slice(&bytes);
            }
            // Alive is who answers this.
            all.extend(frame(PING, 0, 0, b"judgement"[..8].as_ref()));
            link.send(&all);
            let patience = eye.patience.min(Duration::from_secs(3));
            let mut events = link.events(patience, |it| *it == Event::Pong);
            if events.contains(&Event::Pong)
                && !events.iter().any(|it| matches!(it, Event::Head(..) | Event::Reset(..)))
            {
                // The answer may come after the pong; a refusal may, too.
                let rest = link.events(Duration::from_millis(150), |it| {
                    matches!(it, Event::Head(..) | Event::Reset(..) | Event::Away(_))
                });
                events.extend(rest);
            }
            let (verdict, rank) = rank(&events);
            eye.see(rank.to_string());
            eye.see(format!("{verdict}: {events:?}"));
        },
    )
    .on("soon")
    .without_flags()
    .judged(move |envoy, ours| {
        let rank = |seen: &[String]| seen.first().and_then(|it| it.parse::<u8>().ok()).unwrap_or(9);
        let (left, right) = (rank(envoy), rank(ours));
        if right < left || (good && left != right) {
            return Err(format!("Envoy:  {envoy:?}\nlateen: {ours:?}\n"));
        }
        Ok(())
    })
}

fn streams(add: Add<'_>) {
    add("a good request", true, &|it| it.get(1, &[]));
    add("a good request with a body", true, &|it| {
        [it.post(1, &[]), frame(DATA, END_STREAM, 1, b"body")].concat()
    });
    add("a body of its length", true, &|it| {
        [it.post(1, &[("content-length", "4")]), frame(DATA, END_STREAM, 1, b"body")].concat()
    });
    add("two requests", true, &|it| [it.get(1, &[]), it.get(3, &[])].concat());
    add("an even stream", false, &|it| it.get(2, &[]));
    add("stream zero", false, &|it| it.get(0, &[]));
    add("a lower stream", false, &|it| [it.get(5, &[]), it.get(3, &[])].concat());
    add("data on an idle stream", false, &|_| frame(DATA, END_STREAM, 1, b"x"));
    add("data on stream zero", false, &|_| frame(DATA, END_STREAM, 0, b"x"));
    add("reset of an idle stream", false, &|_| frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]));
    add("reset of stream zero", false, &|_| frame(RST_STREAM, 0, 0, &[0, 0, 0, 8]));
    add("a window for an idle stream", false, &|_| frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]));
    add("a continuation on an idle stream", false, &|_| frame(CONTINUATION, END_HEADERS, 1, &[]));
    add("headers after the end", false, &|it| [it.get(1, &[]), it.get(1, &[])].concat());
    add("data after the end", false, &|it| {
        [it.get(1, &[]), frame(DATA, END_STREAM, 1, b"x")].concat()
    });
    add("data after a reset", false, &|it| {
        [it.post(1, &[]), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), frame(DATA, END_STREAM, 1, b"x")]
            .concat()
    });
    add("trailers without the end", false, &|it| {
        [it.post(1, &[]), frame(HEADERS, END_HEADERS, 1, &block(&[("x-t", "v")]))].concat()
    });
    add("trailers", true, &|it| {
        [it.post(1, &[]), frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-t", "v")]))]
            .concat()
    });
    add("pseudo headers in trailers", false, &|it| {
        [
            it.post(1, &[]),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[(":method", "GET")])),
        ]
        .concat()
    });
    add("a promise by the client", false, &|it| {
        frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &it.block("GET", &[])].concat())
    });
    add("many streams at once", false, &|it| {
        (0..400).flat_map(|n| it.post(1 + 2 * n, &[])).collect()
    });
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn frames(add: Add<'_>) {
    add("an unknown frame", true, &|it| [frame(0x42, 0xff, 0, b"hello"), it.get(1, &[])].concat());
    add("an unknown frame within a header block", false, &|it| {
        let block = it.block("GET", &[]);
        [
            frame(HEADERS, END_STREAM, 1, &block[..5]),
            frame(0x42, 0, 1, b"x"),
            frame(CONTINUATION, END_HEADERS, 1, &block[5..]),
        ]
        .concat()
    });
    add("a continuation", true, &|it| {
        let block = it.block("GET", &[]);
        [
            frame(HEADERS, END_STREAM, 1, &block[..5]),
            frame(CONTINUATION, END_HEADERS, 1, &block[5..]),
        ]
        .concat()
    });
    add("several continuations", true, &|it| {
        let block = it.block("GET", &[]);
        [
            frame(HEADERS, END_STREAM, 1, &block[..5]),
            frame(CONTINUATION, 0, 1, &block[5..9]),
            frame(CONTINUATION, END_HEADERS, 1, &block[9..]),
        ]
        .concat()
    });
    add("a continuation of another stream", false, &|it| {
        let block = it.block("GET", &[]);
        [
            frame(HEADERS, END_STREAM, 1, &block[..5]),
            frame(CONTINUATION, END_HEADERS, 3, &block[5..]),
        ]
        .concat()
    });
    add("data within a header block", false, &|it| {
        [frame(HEADERS, 0, 1, &it.block("POST", &[])), frame(DATA, END_STREAM, 1, b"x")].concat()
    });
    add("a continuation after the end of headers", false, &|it| {
        [it.post(1, &[]), frame(CONTINUATION, END_HEADERS, 1, &block(&[("x", "y")]))].concat()
    });
    add("ten thousand continuations", false, &|it| {
        let empty: Vec<u8> = (0..10_000).flat_map(|_| frame(CONTINUATION, 0, 1, &[])).collect();
        [frame(HEADERS, END_STREAM, 1, &it.block("GET", &[])), empty].concat()
    });
    add("a frame that is too big", false, &|it| {
        [it.post(1, &[]), frame(DATA, END_STREAM, 1, &vec![b'x'; 1 << 24 >> 1])].concat()
    });
    add("headers that are too big for a frame", false, &|_| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &vec![0; 1 << 20])
    });
    add("data with padding", true, &|it| {
        [it.post(1, &[]), frame(DATA, END_STREAM | PADDED, 1, &[2, b'x', 0, 0])].concat()
    });
    add("data with too much padding", false, &|it| {
        [it.post(1, &[]), frame(DATA, END_STREAM | PADDED, 1, &[9, b'x', 0, 0])].concat()
    });
    add("headers with too much padding", false, &|it| {
        frame(
            HEADERS,
            END_HEADERS | END_STREAM | PADDED,
            1,
            &[&[255][..], &it.block("GET", &[])].concat(),
        )
    });
    add("headers with priority", true, &|it| {
        frame(
            HEADERS,
            END_HEADERS | END_STREAM | PRIORITIZED,
            1,
            &[&[0, 0, 0, 0, 15][..], &it.block("GET", &[])].concat(),
        )
    });
    add("headers that depend on themselves", false, &|it| {
        frame(
            HEADERS,
            END_HEADERS | END_STREAM | PRIORITIZED,
            1,
            &[&[0, 0, 0, 1, 15][..], &it.block("GET", &[])].concat(),
        )
    });
    add("priority that depends on itself", false, &|it| {
        [frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 15]), it.get(1, &[])].concat()
    });
    add("priority on stream zero", false, &|_| frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 15]));
    add("a short priority", false, &|_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0]));
    add("a short reset", false, &|it| {
        [it.post(1, &[]), frame(RST_STREAM, 0, 1, &[0, 0, 0])].concat()
    });
    add("a ping on a stream", false, &|_| frame(PING, 0, 1, &[0; 8]));
    add("a short ping", false, &|_| frame(PING, 0, 0, &[0; 7]));
    add("a ping with unknown flags", true, &|it| {
        [frame(PING, 0xfe, 0, &[0; 8]), it.get(1, &[])].concat()
    });
    add("goaway on a stream", false, &|_| frame(GOAWAY, 0, 1, &[0; 8]));
    add("a window of zero", false, &|_| frame(WINDOW_UPDATE, 0, 0, &[0; 4]));
    add("a window of zero for a stream", false, &|it| {
        [it.post(1, &[]), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat()
    });
    add("a short window", false, &|_| frame(WINDOW_UPDATE, 0, 0, &[0; 3]));
    add("a window that overflows", false, &|_| {
        [
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        ]
        .concat()
    });
    add("a window of a stream that overflows", false, &|it| {
        [
            it.post(1, &[]),
            frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
            frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
        ]
        .concat()
    });
    add("a flood of pings", false, &|_| {
        (0..20_000).flat_map(|_| frame(PING, 0, 0, &[0; 8])).collect()
    });
    add("a flood of settings", false, &|_| {
        (0..20_000).flat_map(|_| frame(SETTINGS, 0, 0, &[])).collect()
    });
    add("a flood of resets", false, &|it| {
        (0..2_000)
            .flat_map(|n| {
                [it.post(1 + 2 * n, &[]), frame(RST_STREAM, 0, 1 + 2 * n, &[0, 0, 0, 8])].concat()
            })
            .collect()
    });
    add("a flood of empty data", false, &|it| {
        [it.post(1, &[]), (0..20_000).flat_map(|_| frame(DATA, 0, 1, &[])).collect()].concat()
    });
    add("a flood of priorities", false, &|_| {
        (0..20_000).flat_map(|_| frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 15])).collect()
    });
}

fn settings(add: Add<'_>) {
    let set = |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat();
    add("an ack with a payload", false, &|_| frame(SETTINGS, ACK, 0, &set(1, 1)));
    add("settings on a stream", false, &|_| frame(SETTINGS, 0, 1, &set(1, 1)));
    add("settings of a wrong size", false, &|_| frame(SETTINGS, 0, 0, &[0; 5]));
    add("push of two", false, &|_| frame(SETTINGS, 0, 0, &set(2, 2)));
    add("a window above the greatest", false, &|_| frame(SETTINGS, 0, 0, &set(4, 0x8000_0000)));
    add("frames below the least size", false, &|_| frame(SETTINGS, 0, 0, &set(5, 16_383)));
    add("frames above the greatest size", false, &|_| frame(SETTINGS, 0, 0, &set(5, 1 << 24)));
    add("an unknown setting", true, &|it| {
        [frame(SETTINGS, 0, 0, &set(0x42, 1)), it.get(1, &[])].concat()
    });
    add("no preface", false, &|_| [&b"!"[..], &frame(SETTINGS, 0, 0, &[])].concat());
    add("half a preface", false, &|_| b"!PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec());
    add("a preface without settings", false, &|it| [&b"!"[..], PREFACE, &it.get(1, &[])].concat());
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn fields(add: Add<'_>) {
    for (name, more) in [
        ("a header in capitals", ("X-Upper", "v")),
        ("connection", ("connection", "close")),
        ("keep alive", ("keep-alive", "1")),
        ("proxy connection", ("proxy-connection", "close")),
        ("transfer encoding", ("transfer-encoding", "chunked")),
        ("an upgrade in HTTP/2", ("upgrade", "websocket")),
        ("te other than trailers", ("te", "deflate")),
        ("an unknown pseudo header", (":unknown", "v")),
        ("a status in a request", (":status", "200")),
        ("a header name with a space", ("x a", "v")),
        ("a header name with a colon", ("x:a", "v")),
        ("an empty header name", ("", "v")),
        ("a header value with CR LF", ("x-a", "a\r\nb: c")),
        ("a header value with a null byte", ("x-a", "a\0b")),
        ("a header value with a space before", ("x-a", " v")),
        ("a header value with a space after", ("x-a", "v ")),
        ("a length that is wrong", ("content-length", "5")),
        ("a length that is no number", ("content-length", "x")),
        ("a host beside the authority", ("host", "other")),
        ("a pseudo header after a header", (":path", "/other")),
    ] {
        add(name, false, &|it| it.get(1, &[("x-b", "v"), more]));
    }
    add("te trailers", true, &|it| it.get(1, &[("te", "trailers")]));
    add("a body that is longer than its length", false, &|it| {
        [it.post(1, &[("content-length", "2")]), frame(DATA, END_STREAM, 1, b"body")].concat()
    });
    add("a body that is shorter than its length", false, &|it| {
        [it.post(1, &[("content-length", "9")]), frame(DATA, END_STREAM, 1, b"body")].concat()
    });
    add("two methods", false, &|it| {
        Head::only(&[
            (":method", "GET"),
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", &it.domain),
        ])
    });
    add("two paths", false, &|it| {
        Head::only(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":path", "/"),
            (":authority", &it.domain),
        ])
    });
    add("no method", false, &|it| {
        Head::only(&[(":scheme", "http"), (":path", "/"), (":authority", &it.domain)])
    });
    add("no scheme", false, &|it| {
        Head::only(&[(":method", "GET"), (":path", "/"), (":authority", &it.domain)])
    });
    add("no path", false, &|it| {
        Head::only(&[(":method", "GET"), (":scheme", "http"), (":authority", &it.domain)])
    });
    add("an empty path", false, &|it| {
        Head::only(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", ""),
            (":authority", &it.domain),
        ])
    });
    add("a path without a slash", false, &|it| {
        Head::only(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "x"),
            (":authority", &it.domain),
        ])
    });
    add("a path with a space", false, &|it| {
        Head::only(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/a b"),
            (":authority", &it.domain),
        ])
    });
    add("a path with CR LF", false, &|it| {
        Head::only(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/a\r\nx: y"),
            (":authority", &it.domain),
        ])
    });
    add("a method with a space", false, &|it| {
        Head::only(&[
            (":method", "GE T"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", &it.domain),
        ])
    });
    add("a scheme that is none", false, &|it| {
        Head::only(&[
            (":method", "GET"),
            (":scheme", "ht tp"),
            (":path", "/"),
            (":authority", &it.domain),
        ])
    });
    add("an authority with a space", false, &|_| {
        Head::only(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "a b"),
        ])
    });
    add("no authority", false, &|_| {
        Head::only(&[(":method", "GET"), (":scheme", "http"), (":path", "/")])
    });
    add("a host instead of the authority", true, &|it| {
        Head::only(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", &it.domain)])
    });
    add("CONNECT with a path in HTTP/2", false, &|it| {
        Head::only(&[
            (":method", "CONNECT"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", &it.domain),
        ])
    });
    add("an index that is not there", false, &|_| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0x7f])
    });
    add("an index of zero", false, &|_| frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x80]));
    add("a table that is too big", false, &|it| {
        frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            1,
            &[&[0x3f, 0xe1, 0xff, 0xff, 0x7f][..], &it.block("GET", &[])].concat(),
        )
    });
    add("a table that changes too late", false, &|it| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&it.block("GET", &[])[..], &[0x20]].concat())
    });
    add("bad Huffman padding", false, &|_| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x00, 0x81, 0x00, 0x01, b'v'])
    });
    add("a string that is cut off", false, &|_| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x00, 0x05, b'a'])
    });
    add("headers that are too big", false, &|it| {
        let value = "v".repeat(8000);
        let more: Vec<(&str, &str)> = (0..9).map(|_| ("x-big", value.as_str())).collect();
        let block = it.block("GET", &more);
        let mut out = frame(HEADERS, END_STREAM, 1, &block[..16_000]);
        let rest: Vec<&[u8]> = block[16_000..].chunks(16_000).collect();
        for (n, piece) in rest.iter().enumerate() {
            out.extend(frame(
                CONTINUATION,
                if n + 1 == rest.len() { END_HEADERS } else { 0 },
                1,
                piece,
            ));
        }
        out
    });
    add("too many headers in HTTP/2", false, &|it| it.get(1, &[("x-a", "v"); 150]));
}
