//! Route configurations and requests that nobody thought of, from a seed.

use std::fmt::Write as _;

use crate::{
    case::{Case, case},
    run::Area,
};

/// Virtual hosts of a round.
const HOSTS: usize = 40;

/// One round.
pub(crate) fn area(seed: u64, round: u64) -> Area {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (round << 32));
    let cases =
        (0..HOSTS).map(|n| virtual_host(&mut dice, &format!("{seed} {round} {n}"))).collect();
    Area::new("random", cases)
}

/// SplitMix64: the same numbers from the same seed, on every machine.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap_or(0)
    }

    fn one<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// True once in so many times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

const SEGMENTS: &[&str] = &["a", "b", "ab", "A", "v1", "v2", "x.y", "%61"];
const NAMES: &[&str] = &["x-a", "x-b", "X-C", "x-d"];
const VALUES: &[&str] = &["one", "two", "One", "one two", "1", "42", "a=b; c=d"];
const QUERIES: &[&str] = &["", "?q=one", "?q=two&r", "?r=1&q=one", "?q", "?x=%61", "?q=one&q=two"];

fn path(dice: &mut Dice) -> String {
    let n = dice.below(4);
    let mut path = (0..n).fold(String::new(), |all, _| format!("{all}/{}", dice.one(SEGMENTS)));
    if path.is_empty() || dice.once_in(5) {
        path.push('/');
    }
    path
}

fn virtual_host(dice: &mut Dice, name: &str) -> Case {
    let mut routes = Vec::new();
    for n in 0..2 + dice.below(4) {
        routes.push(route(dice, n));
    }
    let levels = if dice.once_in(3) { format!("{}, ", edits(dice)) } else { String::new() };
    let host = format!("{{{levels}routes: [{}]}}", routes.join(", "));
    let asks: Vec<String> = (0..10).map(|_| request(dice)).collect();
    let asks: Vec<&str> = asks.iter().map(String::as_str).collect();
    case(name, &host, &asks)
}

fn string_match(dice: &mut Dice, values: &[&str]) -> String {
    let value = dice.one(values);
    match dice.below(6) {
        0 => format!("{{exact: '{value}'}}"),
        1 => format!("{{prefix: '{}'}}", &value[..1]),
        2 => format!("{{suffix: '{}'}}", &value[value.len() - 1..]),
        3 => format!("{{contains: '{}'}}", &value[..1]),
        4 => format!("{{exact: '{value}', ignore_case: true}}"),
        _ => format!("{{safe_regex: {{regex: '{}.*'}}}}", &value[..1]),
    }
}

fn matcher(dice: &mut Dice) -> String {
    let path = path(dice);
    let mut out = match dice.below(6) {
        0 => format!("path: '{path}'"),
        1 => "prefix: /".to_owned(),
        2 => format!("safe_regex: {{regex: '{path}(/.*)?'}}"),
        3 => format!("path_separated_prefix: '/{}'", dice.one(SEGMENTS)),
        4 => format!("prefix: '{path}', case_sensitive: false"),
        _ => format!("prefix: '{path}'"),
    };
    if dice.once_in(3) {
        let name = dice.one(NAMES);
        let invert = if dice.once_in(3) { ", invert_match: true" } else { "" };
        let what = match dice.below(3) {
            0 => format!("present_match: {}", dice.once_in(2)),
            _ => format!("string_match: {}", string_match(dice, VALUES)),
        };
        write!(out, ", headers: [{{name: {name}, {what}{invert}}}]").ok();
    }
    if dice.once_in(4) {
        let what = match dice.below(3) {
            0 => format!("present_match: {}", dice.once_in(2)),
            _ => format!("string_match: {}", string_match(dice, &["one", "two"])),
        };
        write!(out, ", query_parameters: [{{name: {}, {what}}}]", dice.one(&["q", "r"])).ok();
    }
    out
}

fn value(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => "%REQ(x-a)%".to_owned(),
        1 => "pre-%REQ(:path)%-post".to_owned(),
        2 => "%PROTOCOL% %%".to_owned(),
        3 => "%REQ(x-none?x-b):2%".to_owned(),
        _ => dice.one(VALUES).to_owned(),
    }
}

fn edits(dice: &mut Dice) -> String {
    let mut out = Vec::new();
    for side in ["request", "response"] {
        let adds: Vec<String> = (0..dice.below(3))
            .map(|_| {
                let action = dice.one(&[
                    "APPEND_IF_EXISTS_OR_ADD",
                    "ADD_IF_ABSENT",
                    "OVERWRITE_IF_EXISTS_OR_ADD",
                    "OVERWRITE_IF_EXISTS",
                ]);
                let name = dice.one(&["x-a", "x-b", "X-New"]);
                format!(
                    "{{header: {{key: {name}, value: '{}'}}, append_action: {action}}}",
                    value(dice)
                )
            })
            .collect();
        out.push(format!("{side}_headers_to_add: [{}]", adds.join(", ")));
        if dice.once_in(3) {
            out.push(format!("{side}_headers_to_remove: [{}]", dice.one(&["x-a", "X-B", "x-c"])));
        }
    }
    out.join(", ")
}

fn route(dice: &mut Dice, n: usize) -> String {
    let matcher = matcher(dice);
    let by_prefix = !matcher.starts_with("safe_regex");
    let action = match dice.below(8) {
        0 => format!(
            "direct_response: {{status: {}, body: {{inline_string: 'said {n}'}}}}",
            dice.one(&["200", "403", "404", "503"])
        ),
        1 => redirect(dice, by_prefix),
        _ => forward(dice, by_prefix),
    };
    let edits = if dice.once_in(2) { format!(", {}", edits(dice)) } else { String::new() };
    let fault = if dice.once_in(10) {
        format!(
            ", typed_per_filter_config: {{envoy.filters.http.fault: {{'@type': type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, abort: {{http_status: 418, percentage: {{numerator: {}}}}}}}}}",
            dice.one(&["0", "100"])
        )
    } else {
        String::new()
    };
    format!("{{match: {{{matcher}}}, {action}{edits}{fault}}}")
}

fn redirect(dice: &mut Dice, by_prefix: bool) -> String {
    let mut parts = Vec::new();
    match dice.below(4) {
        0 => parts.push("path_redirect: '/new'".to_owned()),
        1 if by_prefix => parts.push("prefix_rewrite: '/pre'".to_owned()),
        2 => parts.push(
            "regex_rewrite: {pattern: {regex: '/([^/]*)'}, substitution: '/<\\1>'}".to_owned(),
        ),
        _ => parts.push("host_redirect: new.host".to_owned()),
    }
    if dice.once_in(3) {
        parts.push("https_redirect: true".to_owned());
    }
    if dice.once_in(4) {
        parts.push("strip_query: true".to_owned());
    }
    if dice.once_in(4) {
        parts.push("port_redirect: 8443".to_owned());
    }
    format!(
        "redirect: {{{}, response_code: {}}}",
        parts.join(", "),
        dice.one(&["FOUND", "MOVED_PERMANENTLY", "TEMPORARY_REDIRECT"])
    )
}

fn forward(dice: &mut Dice, by_prefix: bool) -> String {
    let mut parts = vec![match dice.below(4) {
        0 => "weighted_clusters: {clusters: [{name: a, weight: 0}, {name: b, weight: 1, request_headers_to_add: [{header: {key: x-of-target, value: v}}]}]}".to_owned(),
        _ => format!("cluster: {}", dice.one(&["a", "b", "c"])),
    }];
    match dice.below(6) {
        0 if by_prefix => {
            parts.push(format!("prefix_rewrite: '{}'", dice.one(&["/", "/new", "/new/"])));
        }
        1 => parts.push(
            "regex_rewrite: {pattern: {regex: '^/([^/]*)(.*)$'}, substitution: '/r\\2/\\1'}"
                .to_owned(),
        ),
        _ => {}
    }
    match dice.below(8) {
        0 => parts.push("host_rewrite_literal: new.host".to_owned()),
        1 => parts.push("host_rewrite_header: x-b".to_owned()),
        2 => parts.push("host_rewrite_literal: new.host, append_x_forwarded_host: true".to_owned()),
        _ => {}
    }
    if dice.once_in(3) {
        parts.push(format!(
            "retry_policy: {{retry_on: '{}', num_retries: {}, retriable_status_codes: [418], retry_back_off: {{base_interval: 0.001s}}}}",
            dice.one(&["5xx", "gateway-error", "retriable-status-codes", "reset", "5xx,retriable-4xx"]),
            dice.below(3)
        ));
    }
    format!("route: {{{}}}", parts.join(", "))
}

fn request(dice: &mut Dice) -> String {
    let mut out =
        format!("{} {}{}", dice.one(&["GET", "GET", "GET", "GET"]), path(dice), dice.one(QUERIES));
    for _ in 0..dice.below(3) {
        write!(out, " | {}: {}", dice.one(NAMES), dice.one(VALUES)).ok();
    }
    match dice.below(5) {
        0 => write!(
            out,
            " | x-do: {}",
            dice.one(&["503,200", "500,502,200", "418,200", "404", "204", "close,200"])
        )
        .ok(),
        1 => write!(out, " | x-say: X-A: said|x-b: said|x-c: said").ok(),
        _ => None,
    };
    // Requests that may be sent twice are, where a kept connection closes under them: whether it was kept is
    // a matter of what went before.
    if out.contains("close") { out.replacen("GET", "POST", 1) } else { out }
}
