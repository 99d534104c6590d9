//! The image `echo`: says back, as text, what it was asked and who it is.

use std::fmt::Write as _;

use hyper::StatusCode;

use crate::request::{Answer, Request, answer};

/// The request as lines of `Name=value`, then its body.
pub(crate) fn answer_text(request: &Request) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        writeln!(text, "{name}={value}").ok();
    };
    line("Hostname", &hostname());
    line("Method", request.method.as_str());
    line("Proto", "HTTP");
    line("URL", &request.uri.to_string());
    line("Host", request.header("host").or_else(|| request.uri.host()).unwrap_or(""));
    line("RemoteAddr", &request.from.to_string());
    for (name, value) in &request.headers {
        line(&format!("RequestHeader={name}"), value.to_str().unwrap_or("(not text)"));
    }
    text.push_str(&String::from_utf8_lossy(&request.body));
    text
}

/// Answers 200 with the request as text.
pub(crate) fn echo(request: &Request) -> Answer {
    answer(StatusCode::OK, "text/plain; charset=utf-8", answer_text(request))
}

/// The name of this pod, as the kernel tells it.
pub(crate) fn hostname() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    text.trim().to_owned()
}
