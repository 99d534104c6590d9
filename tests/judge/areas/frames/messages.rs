//! Heads and trailers of HTTP/2, and the code that they are written in.

use super::{Add, Head};
use crate::h2wire::{DATA, END_HEADERS, END_STREAM, HEADERS, block, frame};

/// Heads and trailers that only a careless reader takes.
#[expect(clippy::too_many_lines, reason = "a table of cases")]
pub(super) fn messages(add: Add<'_>) {
    for (name, more) in [
        ("two lengths that differ", vec![("content-length", "0"), ("content-length", "1")]),
        ("two lengths that are equal", vec![("content-length", "0"), ("content-length", "0")]),
        ("a length with a plus in HTTP/2", vec![("content-length", "+0")]),
        ("a length below zero in HTTP/2", vec![("content-length", "-1")]),
        ("two authorities", vec![(":authority", "other")]),
        ("two schemes", vec![(":scheme", "http")]),
        ("a protocol without CONNECT", vec![(":protocol", "websocket")]),
        ("http2-settings", vec![("http2-settings", "AAMAAABk")]),
        ("te in capitals", vec![("TE", "trailers")]),
        ("te with trailers among others", vec![("te", "trailers, deflate")]),
        ("a name of control bytes", vec![("x\x01a", "v")]),
        ("a name beyond ASCII in HTTP/2", vec![("x-ü", "v")]),
        ("a value of control bytes", vec![("x-a", "a\x01b")]),
        ("a value with a DEL in HTTP/2", vec![("x-a", "a\x7fb")]),
        ("a value with a bare LF in HTTP/2", vec![("x-a", "a\nb")]),
        ("a value with a bare CR in HTTP/2", vec![("x-a", "a\rb")]),
    ] {
        add(name, false, &|it| it.get(1, &more));
    }
    let head = |fields: &[(&str, &str)]| Head::only(fields);
    add("a method in small letters", false, &|it| it.only_method("get"));
    add("an empty method in HTTP/2", false, &|it| it.only_method(""));
    add("a method that nobody knows", false, &|it| it.only_method("BREW"));
    add("CONNECT without an authority", false, &|_| head(&[(":method", "CONNECT")]));
    add("CONNECT with a scheme", false, &|it| {
        head(&[(":method", "CONNECT"), (":scheme", "http"), (":authority", &it.domain)])
    });
    add("CONNECT of a protocol that nobody offered", false, &|it| {
        head(&[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", &it.domain),
        ])
    });
    for (name, path) in [
        ("a path of a star", "*"),
        ("a path with a fragment", "/a#b"),
        ("a path with a null byte", "/a\0b"),
        ("a path beyond ASCII", "/ü"),
        ("a path with a tab", "/a\tb"),
        ("an absolute path", "http://other/x"),
    ] {
        add(name, false, &|it| {
            head(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", path),
                (":authority", &it.domain),
            ])
        });
    }
    for (name, authority) in [
        ("an empty authority", ""),
        ("an authority with a user", "user@other"),
        ("an authority with a path", "other/x"),
        ("an authority with a null byte", "a\0b"),
        ("an authority with two ports", "a:1:2"),
    ] {
        add(name, false, &|_| {
            head(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", authority),
            ])
        });
    }
    for (name, field) in [
        ("connection in trailers", ("connection", "close")),
        ("transfer encoding in trailers", ("transfer-encoding", "chunked")),
        ("a length in trailers", ("content-length", "9")),
        ("capitals in trailers", ("X-Upper", "v")),
        ("a null byte in trailers", ("x-a", "a\0b")),
        ("a status in trailers", (":status", "200")),
    ] {
        add(name, false, &|it| {
            let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[field]));
            [it.post(1, &[]), frame(DATA, 0, 1, b"body"), trailers].concat()
        });
    }
    add("trailers after a body that is too short", false, &|it| {
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-t", "v")]));
        [it.post(1, &[("content-length", "9")]), frame(DATA, 0, 1, b"body"), trailers].concat()
    });
    add("a name of Huffman's end", false, &|_| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 1, b'v'])
    });
    add("a number without an end", false, &|_| {
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    });
    add("a dynamic entry that is gone", false, &|it| {
        let block = [&[0x20][..], &it.block("GET", &[]), &[0xbe]].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)
    });
    add("an entry of the dynamic table", true, &|it| {
        let block =
            [&it.block("GET", &[])[..], &[0x40, 3, b'x', b'-', b'd', 1, b'v', 0xbe]].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &block)
    });
}
