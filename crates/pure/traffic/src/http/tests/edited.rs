//! What edits do to the messages of a request, noted one by one.

use super::*;
use crate::{
    Surroundings,
    edits::{Editable, EditableHead, Headers},
};

/// A message that remembers what was done to it.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) done: Vec<String>,
    pub(super) headers: Vec<(Cow<'static, str>, Vec<u8>)>,
    pub(super) authority: String,
    pub(super) path: String,
}

impl Message {
    /// A request to `x`.
    pub(super) fn request(path: &str, headers: &[(&'static str, &str)]) -> Self {
        let own = |(name, value): &(&'static str, &str)| {
            (Cow::Borrowed(*name), value.as_bytes().to_vec())
        };
        let headers = headers.iter().map(own).collect();
        Self { headers, authority: "x".into(), path: path.into(), ..Self::default() }
    }

    fn note(&mut self, sign: &str, name: &str, value: &[u8]) {
        if name != "x-forwarded-proto" && name != "x-request-id" {
            self.done.push(format!("{sign}{name}={}", String::from_utf8_lossy(value)));
        }
    }
}

impl Headers for Message {
    fn header(&self, name: &str) -> Option<&[u8]> {
        match name {
            ":path" => Some(self.path.as_bytes()),
            ":authority" | "host" => Some(self.authority.as_bytes()),
            _ => self.headers.header(name),
        }
    }
}

impl Editable for Message {
    fn add(&mut self, name: &str, value: &[u8]) {
        self.note("+", name, value);
        self.headers.add(name, value);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.note("", name, value);
        self.headers.set(name, value);
    }

    fn remove_all(&mut self, name: &str) {
        self.note("-", name, b"");
        self.headers.remove_all(name);
    }

    fn join(&mut self, name: &str, value: &[u8], separator: &str) {
        self.note("&", name, value);
        self.headers.join(name, value, separator);
    }
}

impl EditableHead for Message {
    fn set_path(&mut self, path: &str) {
        path.clone_into(&mut self.path);
    }

    fn set_authority(&mut self, authority: &str) {
        authority.clone_into(&mut self.authority);
    }
}

/// The request as it leaves first.
pub(super) fn sent(forward: &Forward, mut message: Message) -> Message {
    let first = forward.first_attempt(Moment::START);
    let peer = peer();
    let around = Surroundings { peer: &peer, outside: &Nowhere };
    forward.edit_request(&mut message, (Moment::START, &first), &around).unwrap();
    message
}

pub(super) fn request_edits(forward: &Forward) -> Vec<String> {
    sent(forward, Message::request("/", &[])).done
}

pub(super) fn response_edits(forward: &Forward, facts: &ResponseFacts<'_>) -> Vec<String> {
    let mut message = Message::default();
    let peer = peer();
    let around = Surroundings { peer: &peer, outside: &Nowhere };
    forward.edit_response(&mut message, &Head::default(), facts, &around);
    message.done
}

pub(super) fn fault_answer(forward: &Forward, fault: &crate::Fault, flags: Flags) -> Answer {
    let peer = peer();
    let around = Surroundings { peer: &peer, outside: &Nowhere };
    let head = Head::default();
    let known = ResponseFacts { attempts: 1, ..ResponseFacts::default() };
    forward.fault_answer((fault, flags), (&head, &head), &known, &around)
}

#[test]
fn headers_are_edited_from_the_most_specific_level_out() {
    let add = |value: &str| json!([{"header": {"key": "x-l", "value": value}, "appendAction": "OVERWRITE_IF_EXISTS_OR_ADD"}]);
    let mut routes = json!({
        "requestHeadersToAdd": add("config"),
        "virtualHosts": [{"name": "v", "domains": ["*"],
            "requestHeadersToAdd": add("host"), "requestHeadersToRemove": ["x-gone"],
            "responseHeadersToAdd": [{"header": {"key": "x-r", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}],
            "routes": [{"match": {"prefix": "/"}, "requestHeadersToAdd": add("route"),
                "route": {"timeout": "0s", "weightedClusters": {"clusters": [
                    {"name": "a", "weight": 1, "requestHeadersToAdd": add("cluster")}]}}}]}],
    });
    let forward_it = |routes: &Json| forward(&plain(routes), "GET http://x/");
    assert_eq!(
        request_edits(&forward_it(&routes)),
        ["x-l=cluster", "x-l=route", "-x-gone=", "x-l=host", "x-l=config"]
    );
    let facts = ResponseFacts {
        service_time: Some(Duration::from_millis(7)),
        attempts: 1,
        ..ResponseFacts::default()
    };
    assert_eq!(
        response_edits(&forward_it(&routes), &facts),
        ["x-envoy-upstream-service-time=7", "+x-r=10.0.0.9", "server=envoy"]
    );
    // The target's own come first, whoever wins among the others.
    routes["mostSpecificHeaderMutationsWins"] = json!(true);
    assert_eq!(
        request_edits(&forward_it(&routes)),
        ["x-l=cluster", "x-l=config", "-x-gone=", "x-l=host", "x-l=route"]
    );
}

#[test]
fn a_host_is_rewritten_after_the_edits_and_told() {
    let chain = plain(&one(json!([
        {"match": {"prefix": "/header"}, "route": {"cluster": "a", "timeout": "0s",
            "hostRewriteHeader": "x-host", "appendXForwardedHost": true},
         "requestHeadersToAdd": [{"header": {"key": "x-host", "value": "%REQ(:authority)%.added"}}]},
        {"match": {"prefix": "/both"}, "route": {"timeout": "0s", "hostRewriteLiteral": "of.route",
            "weightedClusters": {"clusters": [
                {"name": "a", "weight": 1, "hostRewriteLiteral": "of.target"}]}}},
        {"match": {"prefix": "/target"}, "route": {"timeout": "0s", "weightedClusters": {"clusters": [
            {"name": "a", "weight": 1, "hostRewriteLiteral": "of.target"}]}}},
        {"match": {"prefix": "/told"}, "route": {"cluster": "a", "timeout": "0s",
            "hostRewriteLiteral": "y", "appendXForwardedHost": true}},
    ])));
    let told = |path: &str, headers: &[(&'static str, &str)]| {
        let forward = forward(&chain, &format!("GET http://x{path}"));
        let message = sent(&forward, Message::request(path, headers));
        (message.done, message.authority)
    };
    let (done, authority) = told("/header", &[]);
    assert_eq!(authority, "x.added");
    assert_eq!(done, ["+x-host=x.added", "&x-forwarded-host=x", "x-envoy-original-host=x"]);
    assert_eq!(
        told("/both", &[]),
        (vec!["x-envoy-original-host=of.target".into()], "of.route".into())
    );
    assert_eq!(told("/target", &[]), (Vec::new(), "of.target".into()));
    let told_already = told("/told", &[("x-forwarded-host", "a,x")]).0;
    assert_eq!(told_already, ["x-envoy-original-host=x"]);
    let told_before = told("/told", &[("x-forwarded-host", "a")]).0;
    assert_eq!(told_before, ["&x-forwarded-host=x", "x-envoy-original-host=x"]);
}

#[test]
fn what_no_codec_may_send_is_a_fault() {
    let chain = plain(&one(json!([{"match": {"prefix": "/"}, "route": {"cluster": "a"},
        "requestHeadersToAdd": [{"header": {"key": "x a", "value": "v"}}]}])));
    let forward = forward(&chain, "GET http://x/");
    let (peer, first) = (peer(), forward.first_attempt(Moment::START));
    let around = Surroundings { peer: &peer, outside: &Nowhere };
    let mut message = Message::request("/", &[]);
    let fault = forward.edit_request(&mut message, (Moment::START, &first), &around).unwrap_err();
    let answer = fault_answer(&forward, &fault, Flags::NONE);
    assert_eq!((answer.status, answer.flags.to_string().as_str()), (503, "DPE"));
    assert_eq!(&*answer.body, b"invalid header name: x a");
    assert_eq!(answer.details, "filter_removed_required_request_headers{invalid_header_name:_x_a}");
}

#[test]
fn values_of_responses_see_the_request_that_was_sent() {
    let say = |value: &str| json!([{"header": {"key": "x-v", "value": value}}]);
    let chain = plain(&one(json!([
        {"match": {"prefix": "/new"}, "redirect": {"prefixRewrite": "/old"},
         "responseHeadersToAdd": say("%REQ(:path)% %REQ(x-envoy-original-path)% %RESP(:status)%")},
        {"match": {"prefix": "/say"}, "directResponse": {"status": 200},
         "responseHeadersToAdd": say("%REQ(x-forwarded-proto)% %REQ(:path)% %RESPONSE_CODE%")},
    ])));
    let said = |line: &str| {
        String::from_utf8_lossy(answer(&chain, line).header("x-v").unwrap_or_default()).into_owned()
    };
    assert_eq!(said("GET http://x/new?q"), "/old?q /new?q 301");
    assert_eq!(said("GET http://x/say"), "http /say 0");
}
