//! Matches and actions of a rule as sentences that a person reads.

use std::fmt::{self, Display};

use kinds::istio::{
    Destination, Fault, HttpMatch, HttpRoute, MatchKind, Percent, Redirect, StringMatch, TcpMatch,
    TlsMatch,
};

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Our words.
    Words(&'static str),
    /// What stands in the object.
    Code(String),
}

/// Words and what stands in the object, in turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sentence(pub(crate) Vec<Piece>);

impl Sentence {
    /// Begins a sentence.
    pub(super) fn of(words: &'static str) -> Sentence {
        Sentence::default().say(words)
    }

    /// Goes on with words.
    pub(super) fn say(mut self, words: &'static str) -> Sentence {
        self.0.push(Piece::Words(words));
        self
    }

    /// Goes on with something from the object.
    pub(super) fn code(mut self, text: impl Display) -> Sentence {
        self.0.push(Piece::Code(text.to_string()));
        self
    }

    /// Goes on with another sentence.
    fn then(mut self, other: Sentence) -> Sentence {
        self.0.extend(other.0);
        self
    }
}

/// As in Markdown.
impl Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, piece) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            match piece {
                Piece::Words(words) => write!(f, "{space}{words}")?,
                Piece::Code(text) => write!(f, "{space}`{text}`")?,
            }
        }
        Ok(())
    }
}

/// What a request must be to match; `None` when every request does.
pub(super) fn http_match(written: &HttpMatch) -> Option<Sentence> {
    let mut parts = Vec::new();
    if let Some(uri) = &written.uri {
        let path = test(Sentence::of("the path"), uri);
        parts.push(if written.ignore_uri_case { path.say("(in any case)") } else { path });
    }
    let plain = [
        ("the method", &written.method),
        ("the host", &written.authority),
        ("the scheme", &written.scheme),
    ];
    for (what, text) in plain {
        parts.extend(text.as_ref().map(|text| test(Sentence::of(what), text)));
    }
    for (name, text) in &written.headers {
        parts.push(test(Sentence::of("the header").code(name), text));
    }
    for (name, text) in &written.without_headers {
        parts.push(fails(Sentence::of("the header").code(name), text));
    }
    for (name, text) in &written.query_params {
        parts.push(test(Sentence::of("the query parameter").code(name), text));
    }
    parts.extend(port(written.port));
    parts.extend(source(&written.source_labels, written.source_namespace.as_deref()));
    parts.extend(through(&written.gateways));
    all(parts)
}

/// What a TLS connection must be to match; `None` when every one does.
pub(super) fn tls_match(written: &TlsMatch) -> Option<Sentence> {
    let mut parts = Vec::new();
    if !written.sni_hosts.is_empty() {
        parts.push(Sentence::of("the server name is one of").code(written.sni_hosts.join(", ")));
    }
    parts.extend(subnets(&written.destination_subnets));
    parts.extend(port(written.port));
    parts.extend(source(&written.source_labels, written.source_namespace.as_deref()));
    parts.extend(through(&written.gateways));
    all(parts)
}

/// What a connection must be to match; `None` when every one does.
pub(super) fn tcp_match(written: &TcpMatch) -> Option<Sentence> {
    let mut parts = Vec::new();
    parts.extend(subnets(&written.destination_subnets));
    parts.extend(port(written.port));
    if let Some(subnet) = &written.source_subnet {
        parts.push(Sentence::of("the caller's address is in").code(subnet));
    }
    parts.extend(source(&written.source_labels, written.source_namespace.as_deref()));
    parts.extend(through(&written.gateways));
    all(parts)
}

/// What a rule does besides sending requests somewhere.
pub(super) fn extras(rule: &HttpRoute) -> Vec<Sentence> {
    let mut extras = Vec::new();
    if let Some(fault) = &rule.fault {
        extras.extend(faults(fault));
    }
    if let Some(rewrite) = &rule.rewrite {
        let path = rewrite.uri.as_ref();
        extras.extend(path.map(|path| Sentence::of("the matched path becomes").code(path)));
        extras.extend(rewrite.uri_regex_rewrite.as_ref().map(|it| {
            Sentence::of("in the path").code(&it.match_).say("becomes").code(&it.rewrite)
        }));
        let host = rewrite.authority.as_ref();
        extras.extend(host.map(|host| Sentence::of("the host becomes").code(host)));
    }
    if let Some(timeout) = &rule.timeout {
        extras.push(Sentence::of("given up after").code(timeout));
    }
    if let Some(retries) = &rule.retries {
        let mut sentence = Sentence::of("retried at most").code(retries.attempts).say("times");
        if let Some(time) = &retries.per_try_timeout {
            sentence = sentence.say("each given up after").code(time);
        }
        if let Some(on) = &retries.retry_on {
            sentence = sentence.say("on").code(on);
        }
        extras.push(sentence);
    }
    if let Some(to) = &rule.mirror {
        let old = rule.mirror_percent.or(rule.mirror_percent_snake).map(f64::from);
        let percent = rule.mirror_percentage.as_ref().map(value).or(old).unwrap_or(100.0);
        extras.push(mirror(percent, to));
    }
    for one in &rule.mirrors {
        extras.push(mirror(one.percentage.as_ref().map_or(100.0, value), &one.destination));
    }
    if rule.headers.is_some() || rule.route.iter().any(|to| to.headers.is_some()) {
        extras.push(Sentence::of("headers are changed"));
    }
    if rule.cors_policy.is_some() {
        extras.push(Sentence::of("cross-origin calls are answered (CORS)"));
    }
    extras
}

/// Where a redirect leads.
pub(super) fn redirect(written: &Redirect) -> Sentence {
    let mut sentence =
        Sentence::of("redirect with").code(written.redirect_code.unwrap_or(301)).say("to");
    let place = [
        written.scheme.as_ref().map(|it| format!("{it}://")),
        written.authority.clone(),
        written.port.map(|it| format!(":{it}")),
        written.uri.clone().or_else(|| written.prefix_rewrite.as_ref().map(|it| format!("{it}…"))),
    ];
    let place: String = place.into_iter().flatten().collect();
    sentence = if place.is_empty() { sentence.say("the same place") } else { sentence.code(place) };
    sentence
}

/// A destination as short as it can be said.
pub(super) fn place(to: &Destination) -> String {
    let mut text = to.host.clone();
    if let Some(port) = to.port.as_ref().filter(|port| port.number != 0) {
        text += &format!(":{}", port.number);
    }
    text
}

fn mirror(percent: f64, to: &Destination) -> Sentence {
    let sentence = Sentence::of("a copy of").code(format!("{percent} %")).say("goes to");
    let sentence = sentence.code(place(to));
    match &to.subset {
        Some(subset) => sentence.say("subset").code(subset),
        None => sentence,
    }
}

fn faults(fault: &Fault) -> Vec<Sentence> {
    let mut faults = Vec::new();
    if let Some(delay) = &fault.delay {
        let percent = delay.percentage.as_ref().map(value);
        let percent = percent.unwrap_or_else(|| f64::from(delay.percent.unwrap_or(0)));
        let time = delay.fixed_delay.as_deref().unwrap_or("0s");
        faults.push(Sentence::default().code(format!("{percent} %")).say("wait").code(time));
    }
    if let Some(abort) = &fault.abort {
        let percent = abort.percentage.as_ref().map_or(0.0, value);
        let status = match (abort.http_status, &abort.grpc_status) {
            (Some(status), _) => status.to_string(),
            (None, Some(status)) => format!("gRPC {status}"),
            (None, None) => "nothing".to_owned(),
        };
        let sentence = Sentence::default().code(format!("{percent} %"));
        faults.push(sentence.say("are answered with").code(status));
    }
    faults
}

fn value(percent: &Percent) -> f64 {
    percent.value.unwrap_or(0.0)
}

fn test(subject: Sentence, text: &StringMatch) -> Sentence {
    match text.kind() {
        // As the mesh reads them: `*` as an expression, and an empty prefix, ask for presence.
        MatchKind::Present | MatchKind::Regex("*") | MatchKind::Prefix("") => {
            subject.say("is there")
        }
        MatchKind::Exact(text) => subject.say("is").code(text),
        MatchKind::Prefix(text) => subject.say("begins with").code(text),
        MatchKind::Regex(text) => subject.say("matches").code(text),
    }
}

fn fails(subject: Sentence, text: &StringMatch) -> Sentence {
    match text.kind() {
        MatchKind::Present | MatchKind::Regex("*") | MatchKind::Prefix("") => {
            subject.say("is not there")
        }
        MatchKind::Exact(text) => subject.say("is not").code(text),
        MatchKind::Prefix(text) => subject.say("does not begin with").code(text),
        MatchKind::Regex(text) => subject.say("does not match").code(text),
    }
}

fn port(port: Option<u32>) -> Option<Sentence> {
    port.filter(|port| *port != 0).map(|port| Sentence::of("the port is").code(port))
}

fn subnets(subnets: &[String]) -> Option<Sentence> {
    (!subnets.is_empty())
        .then(|| Sentence::of("the address called is in one of").code(subnets.join(", ")))
}

fn source(
    labels: &std::collections::BTreeMap<String, String>,
    namespace: Option<&str>,
) -> Vec<Sentence> {
    let labels = super::pairs(labels).into_iter();
    let namespace = namespace.filter(|it| !it.is_empty());
    labels
        .map(|label| Sentence::of("the caller has the label").code(label))
        .chain(namespace.map(|it| Sentence::of("the caller is in namespace").code(it)))
        .collect()
}

fn through(gateways: &[String]) -> Option<Sentence> {
    (!gateways.is_empty())
        .then(|| Sentence::of("the request comes through").code(gateways.join(", ")))
}

/// All conditions in one sentence; `None` without any.
fn all(parts: Vec<Sentence>) -> Option<Sentence> {
    parts.into_iter().reduce(|all, part| all.say("and").then(part))
}
