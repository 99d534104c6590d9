//! Heads that must be read in one way only, and those that must be refused.

use super::{Fault, parse_request, parse_response, write_request, write_response};
use crate::fields::{Request, Response};
use crate::h1::{Decoder, Encoder, Limits};

fn refused(head: &str) -> Option<Fault> {
    parse_request(head.as_bytes(), Limits::default(), &mut Request::default()).err()
}

#[test]
fn ambiguous_framing_is_refused() {
    for head in [
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x3\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding : chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n folded: x\r\n\r\n",
        "GET foo HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET ftp://x/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://user@x/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x\r\ncontent-length: 3\r\n\r\n",
        "CONNECT /a HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT a HTTP/1.1\r\nhost: a\r\n\r\n",
        "CONNECT a:99999 HTTP/1.1\r\nhost: a\r\n\r\n",
    ] {
        assert_eq!(refused(head), Some(Fault::Malformed), "{head:?}");
    }
    for coding in
        ["gzip", "", "chunked, chunked", "gzip, chunked", "chunked\r\ntransfer-encoding: x"]
    {
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: {coding}\r\n\r\n");
        assert_eq!(refused(&head), Some(Fault::UnknownCoding), "{coding}");
    }
    for (version, fault) in [
        ("HTTP/1.2", Fault::Version),
        ("HTTP/2.0", Fault::Version),
        ("HTTP/01.1", Fault::Malformed),
        ("http/1.1", Fault::Malformed),
        ("b HTTP/1.1", Fault::Malformed),
    ] {
        assert_eq!(
            refused(&format!("GET / {version}\r\nhost: a\r\n\r\n")),
            Some(fault),
            "{version}"
        );
    }
    assert_eq!(
        refused("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"),
        Some(Fault::Malformed)
    );
}

#[test]
fn too_many_fields_or_bytes_are_too_large() {
    let many = "a: b\r\n".repeat(101);
    assert_eq!(refused(&format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n")), Some(Fault::TooLarge));
    let long = "x".repeat(61 * 1024);
    assert_eq!(refused(&format!("GET / HTTP/1.1\r\na: {long}\r\n\r\n")), Some(Fault::TooLarge));
    assert_eq!(refused(&format!("GET / HTTP/1.1\r\na: {long}")), Some(Fault::TooLarge));
}

#[test]
fn a_partial_head_asks_for_more() {
    let whole = b"GET /x HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    for end in 0..whole.len() {
        let parsed = parse_request(&whole[..end], Limits::default(), &mut Request::default());
        assert!(matches!(parsed, Ok(None)), "at {end}");
    }
    let mut request = Request::default();
    let (length, decoder) = parse_request(whole, Limits::default(), &mut request).unwrap().unwrap();
    assert_eq!(length, whole.len());
    assert!(matches!(decoder, Decoder::Done));
    assert_eq!((request.method(), request.authority(), request.path()), ("GET", "a", "/x"));
    assert_eq!(request.fields.value("a"), Some(&b"b"[..]));
    assert_eq!(request.fields.value("host"), None);
}

#[test]
fn the_absolute_form_names_the_authority() {
    let mut request = Request::default();
    let head = b"GET HTTP://b:81?q=1 HTTP/1.1\r\nhost: a\r\n\r\n";
    parse_request(head, Limits::default(), &mut request).unwrap().unwrap();
    // A query alone is no path; who decides refuses it, as Envoy does.
    assert_eq!((request.authority(), request.path()), ("b:81", "?q=1"));
}

#[test]
fn hop_by_hop_fields_stay_here_and_nominated_identity_stays_too() {
    let mut request = Request::default();
    let head = b"GET / HTTP/1.1\r\nhost: a\r\nConnection: close, x-hop, cookie\r\n\
        x-hop: 1\r\ncookie: c\r\nkeep-alive: 5\r\nte: trailers, gzip\r\n\r\n";
    parse_request(head, Limits::default(), &mut request).unwrap().unwrap();
    assert!(!request.keep_alive);
    assert_eq!(request.fields.value("x-hop"), None);
    assert_eq!(request.fields.value("keep-alive"), None);
    assert_eq!(request.fields.value("connection"), None);
    assert_eq!(request.fields.value("cookie"), Some(&b"c"[..]));
    assert_eq!(request.fields.value("te"), Some(&b"trailers"[..]));
}

#[test]
fn nobody_names_fields_that_others_decide_by() {
    let many = ["x"; 11].join(",");
    for named in ["Host", "x-forwarded-for", "close, X-Forwarded-Proto", ":path", &many] {
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: {named}\r\n\r\n");
        assert_eq!(refused(&head), Some(Fault::Malformed), "{named}");
    }
    let ten = ["x"; 10].join(",");
    assert_eq!(refused(&format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: {ten}\r\n\r\n")), None);
}

#[test]
fn methods_are_those_that_standards_name() {
    for (method, known) in [("GET", true), ("PROPFIND", true), ("get", false), ("FOO", false)] {
        let head = format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(refused(&head).is_none(), known, "{method}");
        let limits = Limits { any_method: true, ..Limits::default() };
        assert!(parse_request(head.as_bytes(), limits, &mut Request::default()).is_ok());
    }
}

#[test]
fn the_port_of_a_target_is_one() {
    for (target, good) in [
        ("http://a/", true),
        ("http://a:80/", true),
        ("http://[::1]/", true),
        ("http://[::1]:80/", true),
        ("http://a:/", false),
        ("http://a:x/", false),
        ("http://a:65536/", false),
    ] {
        let head = format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(refused(&head).is_none(), good, "{target}");
    }
}

#[test]
fn an_empty_body_is_announced_where_there_could_be_one() {
    for (method, announced) in
        [("GET", false), ("DELETE", false), ("HEAD", false), ("POST", true), ("OPTIONS", true)]
    {
        let mut request = Request::default();
        let head = format!("{method} / HTTP/1.1\r\nhost: a\r\n\r\n");
        parse_request(head.as_bytes(), Limits::default(), &mut request).unwrap().unwrap();
        let mut out = Vec::new();
        write_request(&request, &Encoder::Exact(0), &mut out);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.contains("content-length: 0\r\n"), announced, "{text}");
    }
}

#[test]
fn an_upgrade_is_kept_and_h2c_is_not() {
    let mut request = Request::default();
    let head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    parse_request(head, Limits::default(), &mut request).unwrap().unwrap();
    let mut out = Vec::new();
    write_request(&request, &Encoder::Exact(0), &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    let head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\n\
        http2-settings: AAA\r\nupgrade: h2c\r\n\r\n";
    parse_request(head, Limits::default(), &mut request).unwrap().unwrap();
    assert!(request.upgrade.is_none());
    assert_eq!(request.fields.len(), 0);
}

#[test]
fn responses_are_framed_by_method_and_status() {
    let cases: [(&[u8], bool, &str); 6] = [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", false, "Exact(5)"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true, "Done"),
        (b"HTTP/1.1 204 X\r\ncontent-length: 0\r\n\r\n", false, "Done"),
        (b"HTTP/1.1 304 X\r\n\r\n", false, "Done"),
        (b"HTTP/1.1 200 OK\r\n\r\n", false, "UntilClose"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, "Done"),
    ];
    for (head, to_head, framing) in cases {
        let (_, decoder) =
            parse_response(head, to_head, &mut Response::default()).unwrap().unwrap();
        assert_eq!(format!("{decoder:?}"), framing, "{}", String::from_utf8_lossy(head));
    }
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 204 X\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 204 X\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 103 X\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 099 X\r\ncontent-length: 5\r\n\r\n",
    ] {
        let parsed = parse_response(head.as_bytes(), false, &mut Response::default());
        assert!(parsed.is_err(), "{head}");
    }
}

#[test]
fn a_chunked_response_loses_its_length() {
    let mut response = Response { status: 200, ..Response::default() };
    response.fields.append("content-length", b"3");
    response.fields.append("a", b"b");
    let mut out = Vec::new();
    write_response(&response, &Encoder::Chunked, (false, true), &mut out);
    assert_eq!(
        String::from_utf8_lossy(&out),
        "HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
}

#[test]
fn the_old_version_closes_unless_it_asks_not_to() {
    let mut request = Request::default();
    for (head, keeps) in [
        (&b"GET / HTTP/1.0\r\n\r\n"[..], false),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", true),
    ] {
        parse_request(head, Limits::default(), &mut request).unwrap().unwrap();
        assert!(request.http10);
        assert_eq!((request.keep_alive, request.authority()), (keeps, ""));
    }
}
