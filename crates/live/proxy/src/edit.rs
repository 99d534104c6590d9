//! Applies `traffic`'s edits to heads, and shows heads to `traffic`.

use traffic::http::Underscores;
use traffic::{Action, Edit, Head, Header, Version};

use crate::fields::{Fields, Request};

/// Applies edits in order.
pub(crate) fn apply<'e>(fields: &mut Fields, edits: impl Iterator<Item = Edit<'e>>) {
    let mut value = Vec::new();
    for edit in edits {
        value.clear();
        edit.value.write(&mut value);
        match edit.action {
            Action::Append => fields.append(edit.name, &value),
            Action::Set => fields.set(edit.name, &value),
            Action::Remove => {
                fields.remove(edit.name);
            }
            Action::AddIfAbsent => {
                if fields.value(edit.name).is_none() {
                    fields.append(edit.name, &value);
                }
            }
            Action::SetIfPresent => {
                if fields.value(edit.name).is_some() {
                    fields.set(edit.name, &value);
                }
            }
            Action::Join => fields.join(edit.name, &value),
        }
    }
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
    use super::apply;
    use crate::fields::Fields;
    use traffic::{Action, Edit, Value};

    #[test]
    fn edits_do_what_their_names_say() {
        let edit =
            |action, name, value: &'static [u8]| Edit { action, name, value: Value::Bytes(value) };
        let mut fields = Fields::default();
        let edits = [
            edit(Action::Append, "a", b"1"),
            edit(Action::Append, "a", b"2"),
            edit(Action::AddIfAbsent, "a", b"3"),
            edit(Action::SetIfPresent, "b", b"4"),
            edit(Action::Set, "c", b"5"),
            edit(Action::Join, "c", b"6"),
            edit(Action::Join, "e", b"7"),
            edit(Action::Append, "d", b"8"),
            edit(Action::Remove, "d", b""),
        ];
        apply(&mut fields, edits.into_iter());
        assert_eq!(format!("{fields:?}"), r#"{"a": "1", "a": "2", "c": "5, 6", "e": "7"}"#);
    }
}
