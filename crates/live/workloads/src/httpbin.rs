//! The image `httpbin`: the paths of httpbin that Istio's tutorials use.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::{
    StatusCode,
    header::{HeaderName, HeaderValue, LOCATION},
};
use serde_json::{Map, Value, json};

use crate::request::{Answer, Request, answer, json as json_answer};

/// Most bytes that `/bytes/N` gives.
const BYTES_MAX: usize = 100 * 1024;

/// Answers as httpbin does for `/get`, `/post`, …, `/anything`, `/headers`, `/ip`, `/user-agent`,
/// `/uuid`, `/status/N`, `/delay/N`, `/bytes/N`, `/response-headers`, `/redirect-to` and `/cookies`.
pub(crate) fn httpbin(request: &Request) -> Answer {
    let path = request.uri.path();
    let (head, rest) =
        path[1.min(path.len())..].split_once('/').unwrap_or((&path[1.min(path.len())..], ""));
    match head {
        "" => answer(StatusCode::OK, "text/html; charset=utf-8", INDEX),
        "get" | "post" | "put" | "patch" | "delete" | "anything" | "delay" => {
            let wanted = head.to_ascii_uppercase();
            if !matches!(head, "anything" | "delay") && request.method.as_str() != wanted {
                return answer(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "text/plain",
                    "method not allowed\n",
                );
            }
            json_answer(StatusCode::OK, &seen(request))
        }
        "headers" => json_answer(StatusCode::OK, &json!({ "headers": headers(request) })),
        "ip" => json_answer(StatusCode::OK, &json!({ "origin": request.from.ip().to_string() })),
        "user-agent" => {
            json_answer(StatusCode::OK, &json!({ "user-agent": request.header("user-agent") }))
        }
        "uuid" => json_answer(StatusCode::OK, &json!({ "uuid": uuid() })),
        "status" => match rest.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(code) => answer(code, "text/plain", ""),
            None => answer(StatusCode::BAD_REQUEST, "text/plain", "invalid status\n"),
        },
        "bytes" => match rest.parse::<usize>() {
            Ok(n) => {
                answer(StatusCode::OK, "application/octet-stream", vec![b'x'; n.min(BYTES_MAX)])
            }
            Err(_) => answer(StatusCode::BAD_REQUEST, "text/plain", "say /bytes/N\n"),
        },
        "response-headers" => response_headers(request),
        "redirect-to" => {
            let mut found = answer(StatusCode::FOUND, "text/plain", "");
            if let Some(url) = request.query("url").and_then(|url| HeaderValue::from_str(url).ok())
            {
                found.headers_mut().insert(LOCATION, url);
            }
            found
        }
        "cookies" => json_answer(StatusCode::OK, &json!({ "cookies": cookies(request) })),
        _ => answer(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n"),
    }
}

const INDEX: &str = "<!doctype html><title>httpbin</title><h1>httpbin</h1>\
<p>Try /get, /headers, /status/418, /delay/2, /anything.</p>\n";

fn seen(request: &Request) -> Value {
    let args: Map<String, Value> = request
        .uri
        .query()
        .unwrap_or("")
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), json!([value])))
        .collect();
    let host = request.header("host").or_else(|| request.uri.host()).unwrap_or("");
    json!({
        "args": args,
        "headers": headers(request),
        "method": request.method.as_str(),
        "origin": request.from.ip().to_string(),
        "url": format!("http://{host}{}", request.uri.path_and_query().map_or("/", |it| it.as_str())),
        "data": String::from_utf8_lossy(&request.body),
    })
}

/// Headers as httpbin prints them: `Canonical-Case`, each with a list of values.
fn headers(request: &Request) -> Value {
    let mut map = Map::new();
    for (name, value) in &request.headers {
        let name = canonical(name);
        let values = map.entry(name).or_insert_with(|| json!([]));
        if let Some(values) = values.as_array_mut() {
            values.push(json!(String::from_utf8_lossy(value.as_bytes())));
        }
    }
    map.sort_keys();
    Value::Object(map)
}

fn canonical(name: &HeaderName) -> String {
    let words = name.as_str().split('-').map(|word| {
        let mut letters = word.chars();
        letters.next().map_or(String::new(), |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    });
    words.collect::<Vec<_>>().join("-")
}

fn cookies(request: &Request) -> Value {
    let pairs = request.header("cookie").unwrap_or("").split(';');
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Map<_, _>>().into()
}

fn response_headers(request: &Request) -> Answer {
    let mut reply = json_answer(StatusCode::OK, &seen(request)["args"]);
    for pair in request.uri.query().unwrap_or("").split('&') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            reply.headers_mut().append(name, value);
        }
    }
    reply
}

/// A version 4 UUID in form; unique within this process, which is all that a demo needs.
fn uuid() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let mixed =
        n.wrapping_add(u64::from(std::process::id()) << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        mixed >> 32,
        (mixed >> 16) & 0xffff,
        (mixed >> 4) & 0xfff,
        mixed & 0xfff,
        (mixed ^ n) & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str) -> Request {
        Request {
            method: method.parse().unwrap(),
            uri: uri.parse().unwrap(),
            headers: [(HeaderName::from_static("x-a"), HeaderValue::from_static("1"))]
                .into_iter()
                .collect(),
            body: bytes::Bytes::new(),
            from: ([127, 0, 0, 1], 9).into(),
        }
    }

    #[test]
    fn a_path_gives_the_status_that_httpbin_gives() {
        let table = [
            ("GET", "/get?a=b", 200),
            ("POST", "/get", 405),
            ("DELETE", "/anything/x/y", 200),
            ("GET", "/status/418", 418),
            ("GET", "/status/nine", 400),
            ("GET", "/bytes/5", 200),
            ("GET", "/nowhere", 404),
            ("GET", "/", 200),
        ];
        for (method, uri, status) in table {
            assert_eq!(httpbin(&request(method, uri)).status(), status, "{method} {uri}");
        }
    }

    #[test]
    fn headers_are_shown_in_canonical_case_as_lists() {
        assert_eq!(headers(&request("GET", "/")), json!({ "X-A": ["1"] }));
    }
}
