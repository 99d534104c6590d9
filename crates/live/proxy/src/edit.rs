//! Lets `traffic` edit heads, and shows heads to `traffic`.

use traffic::http::Underscores;
use traffic::{Editable, EditableHead, Head, Header, Headers, Side, Version};

use crate::fields::{Fields, Request};

impl Headers for Fields {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.value(name)
    }
}

impl Editable for Fields {
    fn add(&mut self, name: &str, value: &[u8]) {
        self.append(name, value);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        Fields::set(self, name, value);
    }

    fn remove_all(&mut self, name: &str) {
        self.remove(name);
    }

    fn join(&mut self, name: &str, value: &[u8], separator: &str) {
        Fields::join(self, name, value, separator);
    }
}

impl Headers for Request {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let pseudo = match name {
            ":path" => self.path(),
            ":authority" | "host" => self.authority(),
            ":method" => self.method(),
            ":scheme" => self.scheme(),
            "upgrade" => return self.upgrade.map(|protocol| self.fields.at(protocol)),
            _ => return self.fields.value(name),
        };
        (!pseudo.is_empty()).then_some(pseudo.as_bytes())
    }
}

impl Editable for Request {
    fn add(&mut self, name: &str, value: &[u8]) {
        self.fields.append(name, value);
    }

    fn set(&mut self, name: &str, value: &[u8]) {
        self.fields.set(name, value);
    }

    fn remove_all(&mut self, name: &str) {
        self.fields.remove(name);
    }

    fn join(&mut self, name: &str, value: &[u8], separator: &str) {
        self.fields.join(name, value, separator);
    }
}

impl EditableHead for Request {
    fn set_path(&mut self, path: &str) {
        Request::set_path(self, path);
    }

    fn set_authority(&mut self, authority: &str) {
        Request::set_authority(self, authority);
    }
}

/// Makes one line of those of a request that Envoy joins.
pub(crate) fn join_lines(request: &mut Request) {
    request.fields.join_lines(|name| Side::Request.joins(name));
}

/// The fields as `traffic` sees them.
pub(crate) fn headers(fields: &Fields) -> Vec<Header<'_>> {
    let mut headers = Vec::with_capacity(fields.len() + 2);
    headers.extend(fields.iter().map(|(name, value)| Header { name, value }));
    headers
}

/// The fields of a request; an upgrade, which the codec took out, is among them.
pub(crate) fn request_headers(request: &Request) -> Vec<Header<'_>> {
    let mut headers = headers(&request.fields);
    if let Some(protocol) = request.upgrade {
        headers.push(Header { name: "connection", value: request.fields.at(request.connection) });
        headers.push(Header { name: "upgrade", value: request.fields.at(protocol) });
    }
    headers
}

/// The head as `traffic` sees it.
pub(crate) fn head<'a>(request: &'a Request, headers: &'a [Header<'a>]) -> Head<'a> {
    Head {
        method: request.method(),
        // HTTP/1.1 does not say the scheme of the origin form; the listener knows it.
        scheme: if request.http2 { request.scheme() } else { "" },
        authority: request.authority(),
        has_no_host: request.has_no_host,
        path: request.path(),
        headers,
        version: match (request.http2, request.http10) {
            (true, _) => Version::Http2,
            (_, true) => Version::Http10,
            _ => Version::Http11,
        },
    }
}

/// Treats headers with an underscore as the listener says; false: the request is refused.
pub(crate) fn underscores(request: &mut Request, treatment: Underscores) -> bool {
    if treatment == Underscores::Allow {
        return true;
    }
    let with: Vec<String> = request
        .fields
        .iter()
        .filter(|(name, _)| name.contains('_'))
        .map(|(name, _)| name.to_owned())
        .collect();
    if with.is_empty() {
        return true;
    }
    if treatment == Underscores::Reject {
        return false;
    }
    for name in &with {
        request.fields.remove(name);
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::fields::Request;
    use traffic::{Action, Edit, Headers as _, Value};

    #[test]
    fn edits_do_what_their_names_say() {
        let edit =
            |action, name, value: &'static [u8]| Edit { action, name, value: Value::Bytes(value) };
        let mut request = Request::default();
        let edits = [
            edit(Action::Append, "a", b"1"),
            edit(Action::Append, "a", b"2"),
            edit(Action::AddIfAbsent, "a", b"3"),
            edit(Action::Set, "c", b"5"),
            edit(Action::Join(", "), "c", b"6"),
            edit(Action::Join(","), "e", b"7"),
            edit(Action::Append, "d", b"8"),
            edit(Action::Remove, "d", b""),
        ];
        traffic::edits::apply(&mut request, edits);
        request.set_path("/p");
        assert_eq!(
            format!("{:?}", request.fields),
            r#"{"a": "1", "a": "2", "c": "5, 6", "e": "7"}"#
        );
        assert_eq!(
            (request.header(":path"), request.header("a")),
            (Some(&b"/p"[..]), Some(&b"1"[..]))
        );
        assert_eq!(request.header("host"), None);
    }
}
