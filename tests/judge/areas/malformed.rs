//! Requests that are not what HTTP/1 allows, or that two readers could read differently.
//!
//! Each is followed by a well-formed one, so that a request that is smuggled in is seen: what counts is
//! which statuses come back, and which requests reach the upstream. Ours may refuse what Envoy lets
//! pass; never the other way round.

use std::time::Duration;

use crate::{
    case::{Case, act},
    run::Area,
};

/// The cases.
pub(crate) fn areas() -> Vec<Area> {
    let parts: [(&str, Part); 3] = [("framing", framing), ("chunks", chunks), ("heads", heads)];
    parts
        .into_iter()
        .map(|(name, part)| {
            let mut corpus = Vec::new();
            part(&mut corpus);
            let cases = corpus.into_iter().map(|(name, bytes)| judged(&name, bytes)).collect();
            // What is refused is closed soon: waiting for that is most of the time here.
            Area::new(name, cases).listener("soon", "{delayed_close_timeout: 0.05s}")
        })
        .collect()
}

/// Adds a part of the corpus: names and bytes.
type Part = fn(&mut Vec<(String, Vec<u8>)>);

/// How long a proxy that says nothing is taken to wait for more.
const SILENCE: Duration = Duration::from_millis(80);

fn judged(name: &str, bytes: Vec<u8>) -> Case {
    let case = act(name, "[{match: {prefix: /}, route: {cluster: a}}]", move |eye| {
        let text = |placeholder: &str, with: &str, bytes: Vec<u8>| -> Vec<u8> {
            let mut out = Vec::with_capacity(bytes.len());
            let mut rest = &bytes[..];
            while let Some(at) = crate::wire::find(rest, placeholder.as_bytes()) {
                out.extend_from_slice(&rest[..at]);
                out.extend_from_slice(with.as_bytes());
                rest = &rest[at + placeholder.len()..];
            }
            out.extend_from_slice(rest);
            out
        };
        let bytes = text("CASE", &eye.token, bytes.clone());
        let bytes = text("HOST", &eye.domain, bytes);
        let mut connection = eye.open();
        connection.patience = if eye.looks_again { SILENCE * 6 } else { SILENCE };
        connection.send(&bytes);
        let mut answers = Vec::new();
        let mut end = "open";
        for _ in 0..6 {
            match connection.reply(false) {
                Ok(reply) => answers.push(reply.status),
                Err(broken) => {
                    if broken != crate::wire::Broken::Silent {
                        end = "closed";
                    }
                    break;
                }
            }
        }
        let received = eye.upstreams.received(&eye.token);
        eye.see(format!("{answers:?} {end}"));
        for one in received {
            let body = String::from_utf8_lossy(&one.body).into_owned();
            eye.see(format!("reached: {} {body:?}", one.line));
        }
    });
    case.on("soon").without_flags().judged(never_laxer)
}

/// Ours lets nothing reach the upstream that Envoy does not, and answers no more requests than it.
fn never_laxer(envoy: &[String], ours: &[String]) -> Result<(), String> {
    let reached = |seen: &[String]| -> Vec<String> { seen.iter().skip(1).cloned().collect() };
    let (left, right) = (reached(envoy), reached(ours));
    if let Some(more) = right.iter().find(|line| !left.contains(line)) {
        return Err(format!("ours is laxer: {more}\nEnvoy:  {envoy:?}\nlateen: {ours:?}\n"));
    }
    let good = |seen: &[String]| seen.first().map_or(0, |line| line.matches("200").count());
    if right.len() > left.len() || good(ours) > good(envoy) {
        return Err(format!("ours answers more\nEnvoy:  {envoy:?}\nlateen: {ours:?}\n"));
    }
    // Refusing what Envoy serves is no danger, but what is well-formed has to pass.
    Ok(())
}

/// A request head from this start, with the lines that every request needs.
fn request(start: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{start}\r\nhost: HOST\r\nx-case: CASE\r\n{headers}\r\n{body}GET /after HTTP/1.1\r\nhost: HOST\r\nx-case: CASE\r\n\r\n").into_bytes()
}

fn framing(all: &mut Vec<(String, Vec<u8>)>) {
    // A body that one reader ends after its length and the other after its last chunk.
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: HOST\r\nx-case: CASE\r\n\r\n";
    for (name, headers) in [
        ("length and chunked", "content-length: LEN\r\ntransfer-encoding: chunked\r\n"),
        ("chunked and length", "transfer-encoding: chunked\r\ncontent-length: LEN\r\n"),
        ("length and chunked in capitals", "Content-Length: LEN\r\nTransfer-Encoding: CHUNKED\r\n"),
        ("length of zero and chunked", "content-length: 0\r\ntransfer-encoding: chunked\r\n"),
        (
            "chunked with a space before the colon",
            "content-length: LEN\r\ntransfer-encoding : chunked\r\n",
        ),
        ("chunked with a tab before the value", "transfer-encoding:\tchunked\r\n"),
        (
            "chunked with a vertical tab",
            "content-length: LEN\r\ntransfer-encoding: \x0bchunked\r\n",
        ),
        ("chunked in quotes", "content-length: LEN\r\ntransfer-encoding: \"chunked\"\r\n"),
        ("xchunked", "content-length: LEN\r\ntransfer-encoding: xchunked\r\n"),
        ("chunked twice", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        ("chunked twice in one", "transfer-encoding: chunked, chunked\r\n"),
        ("chunked and identity", "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n"),
        ("identity and chunked", "transfer-encoding: identity, chunked\r\n"),
        ("identity alone", "content-length: LEN\r\ntransfer-encoding: identity\r\n"),
        ("gzip and chunked", "transfer-encoding: gzip, chunked\r\n"),
        ("chunked and gzip", "transfer-encoding: chunked, gzip\r\n"),
        ("an empty coding", "content-length: LEN\r\ntransfer-encoding:\r\n"),
        ("chunked and a comma", "transfer-encoding: chunked,\r\n"),
        ("a comma and chunked", "transfer-encoding: ,chunked\r\n"),
        ("chunked with a parameter", "transfer-encoding: chunked;q=1\r\n"),
        ("chunked folded", "transfer-encoding:\r\n chunked\r\n"),
        (
            "chunked after a bare CR",
            "content-length: LEN\r\nx-a: b\rtransfer-encoding: chunked\r\n",
        ),
        (
            "chunked after a bare LF",
            "content-length: LEN\r\nx-a: b\ntransfer-encoding: chunked\r\n",
        ),
        (
            "chunked by another letter",
            "content-length: LEN\r\ntransfer-encoding: c\u{4c8}unked\r\n",
        ),
        (
            "an underscore in transfer_encoding",
            "content-length: LEN\r\ntransfer_encoding: chunked\r\n",
        ),
        ("two equal lengths", "content-length: LEN\r\ncontent-length: LEN\r\n"),
        ("two different lengths", "content-length: 5\r\ncontent-length: LEN\r\n"),
        ("two lengths in one", "content-length: 5, LEN\r\n"),
        ("two equal lengths in one", "content-length: LEN, LEN\r\n"),
        ("a length with a plus", "content-length: +LEN\r\n"),
        ("a length with a minus", "content-length: -1\r\n"),
        ("a length of minus nothing", "content-length: -0\r\n"),
        ("a length in hex", "content-length: 0xHEX\r\n"),
        ("a length with a fraction", "content-length: LEN.0\r\n"),
        ("a length with an underscore", "content-length: 1_0\r\n"),
        ("a length with letters", "content-length: LENabc\r\n"),
        ("a length with leading zeros", "content-length: 000LEN\r\n"),
        ("a length with spaces inside", "content-length: 1 0\r\n"),
        ("a length with a null byte", "content-length: LEN\0\r\n"),
        ("a length beyond 64 bits", "content-length: 18446744073709551616\r\n"),
        ("a length of 64 bits", "content-length: 18446744073709551615\r\n"),
        ("a length of nothing", "content-length:\r\n"),
        ("a length with a space before the colon", "content-length : LEN\r\n"),
        ("a length with a tab before the colon", "content-length\t: LEN\r\n"),
        ("a length with a null in its name", "content\0-length: LEN\r\n"),
        ("a length that is folded", "content-length:\r\n LEN\r\n"),
        ("a first line that is folded", " content-length: LEN\r\n"),
    ] {
        // As long as it will be with the names of this case in it.
        let domain = crate::case::domain(name);
        let n = smuggled.replace("CASE", "x000000").replace("HOST", &domain).len();
        let headers = headers.replace("LEN", &n.to_string()).replace("HEX", &format!("{n:x}"));
        all.push((name.to_owned(), request("POST /first HTTP/1.1", &headers, smuggled)));
    }
    // The length as the first header, folded into the request line's end.
    all.push((
        "a folded host".to_owned(),
        b"GET / HTTP/1.1\r\nhost:\r\n HOST\r\nx-case: CASE\r\n\r\n".to_vec(),
    ));
    all.push((
        "a body of GET".to_owned(),
        request("GET /first HTTP/1.1", "content-length: 5\r\n", "hello"),
    ));
    all.push((
        "HTTP/1.0 chunked".to_owned(),
        request("POST /first HTTP/1.0", "transfer-encoding: chunked\r\n", smuggled),
    ));
}

fn chunks(all: &mut Vec<(String, Vec<u8>)>) {
    for (name, body) in [
        ("a good chunk", "5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size in capitals", "A\r\n0123456789\r\n0\r\n\r\n"),
        ("a chunk size with zeros", "0005\r\nhello\r\n0\r\n\r\n"),
        (
            "a chunk size with very many zeros",
            "000000000000000000000000000000005\r\nhello\r\n0\r\n\r\n",
        ),
        ("a chunk size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with a plus", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with a minus", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with a space before", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with a space after", "5 \r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with a tab after", "5\t\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with an underscore", "1_0\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size with nothing", "\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size that is no number", "zz\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size beyond 64 bits", "10000000000000000\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size of 64 bits", "ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("a chunk extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
        ("a quoted chunk extension", "5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"),
        ("a quoted CRLF in a chunk extension", "5;a=\"b\r\n\"\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF in a chunk extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("a bare CR in a chunk extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("a null in a chunk extension", "5;a\0\r\nhello\r\n0\r\n\r\n"),
        ("an empty chunk extension", "5;\r\nhello\r\n0\r\n\r\n"),
        ("a chunk size ended by LF", "5\nhello\r\n0\r\n\r\n"),
        ("a chunk size ended by CR", "5\rhello\r\n0\r\n\r\n"),
        ("a chunk ended by LF", "5\r\nhello\n0\r\n\r\n"),
        ("a chunk ended by nothing", "5\r\nhello0\r\n\r\n"),
        ("a chunk ended by CR CR", "5\r\nhello\r\r0\r\n\r\n"),
        ("a chunk ended by two other bytes", "5\r\nhelloXX0\r\n\r\n"),
        ("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
        ("a last chunk ended by LF", "5\r\nhello\r\n0\n\n"),
        ("a last chunk with zeros", "5\r\nhello\r\n000\r\n\r\n"),
        ("a trailer", "5\r\nhello\r\n0\r\nx-t: v\r\n\r\n"),
        ("a trailer of framing", "5\r\nhello\r\n0\r\ncontent-length: 3\r\n\r\n"),
        ("a trailer of chunked", "5\r\nhello\r\n0\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("a trailer of host", "5\r\nhello\r\n0\r\nhost: other\r\n\r\n"),
        ("a trailer without a colon", "5\r\nhello\r\n0\r\nbad\r\n\r\n"),
        ("a trailer with a space before the colon", "5\r\nhello\r\n0\r\nx-t : v\r\n\r\n"),
        ("a folded trailer", "5\r\nhello\r\n0\r\nx-t: v\r\n w\r\n\r\n"),
        ("a trailer with a null", "5\r\nhello\r\n0\r\nx-t: a\0b\r\n\r\n"),
        ("trailers ended by LF", "5\r\nhello\r\n0\r\nx-t: v\n\r\n"),
    ] {
        all.push((
            name.to_owned(),
            request("POST /first HTTP/1.1", "transfer-encoding: chunked\r\n", body),
        ));
    }
    let many = format!("5\r\nhello\r\n0\r\n{}\r\n", "x-t: v\r\n".repeat(200));
    all.push((
        "200 trailers".to_owned(),
        request("POST /first HTTP/1.1", "transfer-encoding: chunked\r\n", &many),
    ));
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "e".repeat(100_000));
    all.push((
        "a huge chunk extension".to_owned(),
        request("POST /first HTTP/1.1", "transfer-encoding: chunked\r\n", &long),
    ));
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn heads(all: &mut Vec<(String, Vec<u8>)>) {
    for (name, start) in [
        ("two spaces in the request line", "GET  /first HTTP/1.1"),
        ("a tab in the request line", "GET\t/first HTTP/1.1"),
        ("a space before the method", " GET /first HTTP/1.1"),
        ("a space after the version", "GET /first HTTP/1.1 "),
        ("two spaces before the version", "GET /first  HTTP/1.1"),
        ("no version", "GET /first"),
        ("HTTP/0.9", "GET /first HTTP/0.9"),
        ("HTTP/1.2", "GET /first HTTP/1.2"),
        ("HTTP/1.10", "GET /first HTTP/1.10"),
        ("HTTP/2.0", "GET /first HTTP/2.0"),
        ("HTTP/01.1", "GET /first HTTP/01.1"),
        ("http in small letters", "GET /first http/1.1"),
        ("another protocol", "GET /first RTSP/1.1"),
        ("an empty method", " /first HTTP/1.1"),
        ("a method with a colon", "G:ET /first HTTP/1.1"),
        ("a method with a null", "GE\0T /first HTTP/1.1"),
        ("a method beyond ASCII", "GÉT /first HTTP/1.1"),
        ("a small method", "get /first HTTP/1.1"),
        ("a null in the target", "GET /fi\0rst HTTP/1.1"),
        ("a space in the target", "GET /fi rst HTTP/1.1"),
        ("a DEL in the target", "GET /fi\x7frst HTTP/1.1"),
        ("a control byte in the target", "GET /fi\x01rst HTTP/1.1"),
        ("a target beyond ASCII", "GET /fiürst HTTP/1.1"),
        ("a fragment in the target", "GET /first#fragment HTTP/1.1"),
        ("a target without a slash", "GET first HTTP/1.1"),
        ("a target of a star", "GET * HTTP/1.1"),
        ("a target with another host", "GET http://other/first HTTP/1.1"),
        ("a target with a user", "GET http://user@HOST/first HTTP/1.1"),
        ("a target with a bad scheme", "GET ht!tp://HOST/first HTTP/1.1"),
        ("a target with a bad port", "GET http://HOST:999999/first HTTP/1.1"),
        ("CONNECT with a path", "CONNECT /first HTTP/1.1"),
        ("CONNECT without a port", "CONNECT HOST HTTP/1.1"),
        ("a bare CR in the request line", "GET /first\rHTTP/1.1"),
    ] {
        all.push((name.to_owned(), request(start, "", "")));
    }
    for (name, headers) in [
        ("a header without a colon", "bad\r\n"),
        ("a header without a name", ": v\r\n"),
        ("a header name with a space inside", "x a: v\r\n"),
        ("a header name with a space after", "x-a : v\r\n"),
        ("a header name with a tab after", "x-a\t: v\r\n"),
        ("a header name with a null", "x\0a: v\r\n"),
        ("a header name with brackets", "x(a): v\r\n"),
        ("a header name with quotes", "x\"a: v\r\n"),
        ("a header name with a slash", "x/a: v\r\n"),
        ("a header name beyond ASCII", "xü: v\r\n"),
        ("a header name with a control byte", "x\x01: v\r\n"),
        ("a pseudo header", ":path: /other\r\n"),
        ("a pseudo authority", ":authority: other\r\n"),
        ("a header value with a null", "x-a: a\0b\r\n"),
        ("a header value with a bare CR", "x-a: a\rb\r\n"),
        ("a header value with a bare CR at its end", "x-a: a\r\r\n"),
        ("a header value with a bare LF", "x-a: a\nb: c\r\n"),
        ("a header value with a control byte", "x-a: a\x01b\r\n"),
        ("a header value with a DEL", "x-a: a\x7fb\r\n"),
        ("a header value with a tab", "x-a: a\tb\r\n"),
        ("a header value beyond ASCII", "x-a: ü\r\n"),
        ("a folded header", "x-a: a\r\n b\r\n"),
        ("a header folded by a tab", "x-a: a\r\n\tb\r\n"),
        ("a header ended by LF", "x-a: a\n"),
        ("two hosts", "host: other\r\n"),
        ("two equal hosts", "host: HOST\r\n"),
        ("an empty connection", "connection:\r\n"),
        ("a connection that names host", "connection: host\r\n"),
        (
            "a connection that names the length",
            "connection: content-length\r\ncontent-length: 0\r\n",
        ),
        ("a connection that names te", "connection: te\r\nte: trailers\r\n"),
        (
            "a connection that names x-forwarded-for",
            "connection: x-forwarded-for\r\nx-forwarded-for: 1.1.1.1\r\n",
        ),
        ("a connection that names a pseudo header", "connection: :path\r\n"),
        ("very many connection options", "connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p\r\n"),
        (
            "an upgrade to websocket with a body",
            "connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 0\r\n",
        ),
        (
            "an upgrade to h2c",
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n",
        ),
    ] {
        all.push((name.to_owned(), request("GET /first HTTP/1.1", headers, "")));
    }
    for (name, bytes) in [
        ("no host", "GET /first HTTP/1.1\r\nx-case: CASE\r\n\r\n"),
        ("bare LF everywhere", "GET /first HTTP/1.1\nhost: HOST\nx-case: CASE\n\n"),
        (
            "bare LF after the request line",
            "GET /first HTTP/1.1\nhost: HOST\r\nx-case: CASE\r\n\r\n",
        ),
        (
            "bare LF at the end of the head",
            "GET /first HTTP/1.1\r\nhost: HOST\r\nx-case: CASE\r\n\n",
        ),
        ("bare CR everywhere", "GET /first HTTP/1.1\rhost: HOST\rx-case: CASE\r\r"),
        ("an LF before the request", "\nGET /first HTTP/1.1\r\nhost: HOST\r\nx-case: CASE\r\n\r\n"),
        (
            "many CRLF before the request",
            "\r\n\r\n\r\n\r\nGET /first HTTP/1.1\r\nhost: HOST\r\nx-case: CASE\r\n\r\n",
        ),
        (
            "a null before the request",
            "\0GET /first HTTP/1.1\r\nhost: HOST\r\nx-case: CASE\r\n\r\n",
        ),
        ("a host with a space", "GET /first HTTP/1.1\r\nhost: HO ST\r\nx-case: CASE\r\n\r\n"),
        ("a host with a slash", "GET /first HTTP/1.1\r\nhost: HOST/x\r\nx-case: CASE\r\n\r\n"),
        ("a host with a user", "GET /first HTTP/1.1\r\nhost: user@HOST\r\nx-case: CASE\r\n\r\n"),
        ("a host with a comma", "GET /first HTTP/1.1\r\nhost: HOST,other\r\nx-case: CASE\r\n\r\n"),
        (
            "a host with a bad port",
            "GET /first HTTP/1.1\r\nhost: HOST:port\r\nx-case: CASE\r\n\r\n",
        ),
        ("a host beyond ASCII", "GET /first HTTP/1.1\r\nhost: ü\r\nx-case: CASE\r\n\r\n"),
        ("only CRLF", "\r\n\r\n\r\n"),
        ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03"),
        ("the preface of HTTP/2 and no more", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("nonsense", "abcdefghijklmnopqrstuvwxyz\r\n\r\n"),
    ] {
        all.push((name.to_owned(), bytes.as_bytes().to_vec()));
    }
    for (name, header) in [
        ("a header of 70 KiB", format!("x-a: {}\r\n", "a".repeat(70 * 1024))),
        ("a header name of 70 KiB", format!("{}: a\r\n", "a".repeat(70 * 1024))),
        ("a thousand headers", "x-a: v\r\n".repeat(1000)),
        ("a hundred thousand empty headers", "a:\r\n".repeat(100_000)),
    ] {
        all.push((name.to_owned(), request("GET /first HTTP/1.1", &header, "")));
    }
    all.push((
        "a target of 70 KiB".to_owned(),
        request(&format!("GET /{} HTTP/1.1", "a".repeat(70 * 1024)), "", ""),
    ));
}
