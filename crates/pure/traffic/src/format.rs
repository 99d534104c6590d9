//! Lists of header edits as a configuration writes them, with `%OPERATORS%` in their values.

use std::net::SocketAddr;

use xds::core;

use crate::{
    compile::{Bad, Within as _},
    edits::{Action, Edit, Value},
    head::Head,
    peer::Peer,
};

/// The header edits of a route, prepared: what the levels say, in the order in which they apply.
#[derive(Debug, Default)]
pub(crate) struct EditList {
    edits: Vec<Prepared>,
    /// How many of the edits have to be rendered for each request.
    n_formats: usize,
}

#[derive(Clone, Debug)]
struct Prepared {
    action: Action,
    name: Box<str>,
    value: Template,
    keep_empty: bool,
}

#[derive(Clone, Debug)]
enum Template {
    Literal(Box<[u8]>),
    Format(Box<[Piece]>),
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<str>),
    Operator(Operator),
}

/// A part of a value that is known only when a request comes.
#[derive(Clone, Debug)]
enum Operator {
    RemoteAddress,
    RemoteAddressWithoutPort,
    RemotePort,
    DirectRemoteAddress,
    DirectRemoteAddressWithoutPort,
    LocalAddress,
    LocalAddressWithoutPort,
    LocalPort,
    Protocol,
    ServerName,
    PeerUriSan,
    RouteName,
    VirtualHost,
    Cluster,
    Header { name: Box<str>, alternative: Option<Box<str>>, max_len: Option<usize> },
}

/// The values of one list that were rendered for one request, in order of the edits that need one.
pub(crate) type Rendered = Vec<Vec<u8>>;

/// What operators may look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) head: &'a Head<'a>,
    pub(crate) peer: &'a Peer,
    pub(crate) remote: SocketAddr,
    pub(crate) route: &'a str,
    pub(crate) virtual_host: &'a str,
    pub(crate) cluster: &'a str,
}

impl EditList {
    /// Reads what one level adds and removes. Removals come first, as Envoy does it.
    pub(crate) fn compile(
        add: &[core::HeaderValueOption],
        remove: &[String],
        field: &str,
    ) -> Result<Self, Bad> {
        let mut edits = Vec::with_capacity(add.len() + remove.len());
        for (at, name) in remove.iter().enumerate() {
            let name = header_name(name).within_item(&format!("{field}_to_remove"), at)?;
            edits.push(Prepared {
                action: Action::Remove,
                name,
                value: Template::Literal(Box::default()),
                keep_empty: true,
            });
        }
        for (at, option) in add.iter().enumerate() {
            let edit = Prepared::compile(option).within_item(&format!("{field}_to_add"), at)?;
            edits.extend(edit);
        }
        Ok(Self::of(edits))
    }

    fn of(edits: Vec<Prepared>) -> Self {
        let n_formats =
            edits.iter().filter(|edit| matches!(edit.value, Template::Format(_))).count();
        Self { edits, n_formats }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// One list after another.
    pub(crate) fn joined(lists: &[&Self]) -> Self {
        Self::of(lists.iter().flat_map(|list| list.edits.iter().cloned()).collect())
    }

    /// Renders the values that depend on the request; allocates only if there are some.
    pub(crate) fn render(&self, scene: &Scene<'_>) -> Rendered {
        if self.n_formats == 0 {
            return Vec::new();
        }
        let formats = self.edits.iter().filter_map(|edit| match &edit.value {
            Template::Format(pieces) => Some(pieces),
            Template::Literal(_) => None,
        });
        formats
            .map(|pieces| {
                let mut out = Vec::new();
                for piece in pieces {
                    match piece {
                        Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                        Piece::Operator(operator) => operator.write(scene, &mut out),
                    }
                }
                out
            })
            .collect()
    }

    /// The edits, with the values that were rendered. A value that came out empty is left out unless it shall be kept.
    pub(crate) fn edits<'a>(&'a self, rendered: &'a Rendered) -> impl Iterator<Item = Edit<'a>> {
        let mut next = 0;
        self.edits.iter().filter_map(move |edit| {
            let value = match &edit.value {
                Template::Literal(bytes) => &**bytes,
                Template::Format(_) => {
                    let value = rendered.get(next).map_or(&b""[..], Vec::as_slice);
                    next += 1;
                    if value.is_empty() && !edit.keep_empty {
                        return None;
                    }
                    value
                }
            };
            Some(Edit { action: edit.action, name: &edit.name, value: Value::Bytes(value) })
        })
    }
}

impl Prepared {
    /// `None` for a value that is empty and shall not be kept.
    fn compile(option: &core::HeaderValueOption) -> Result<Option<Self>, Bad> {
        let Some(header) = &option.header else {
            return Err(Bad::new("header", "is not set"));
        };
        let name = header_name(&header.key).within("header.key")?;
        let value = if header.raw_value.is_empty() {
            parse(&header.value).within("header.value")?
        } else {
            Template::Literal(header.raw_value.as_slice().into())
        };
        let action = match (option.append, option.append_action) {
            (Some(false), 0) | (_, 2) => Action::Set,
            (_, 1) => Action::AddIfAbsent,
            (_, 3) => Action::SetIfPresent,
            _ => Action::Append,
        };
        let keep_empty = option.keep_empty_value;
        if !keep_empty && matches!(&value, Template::Literal(text) if text.is_empty()) {
            return Ok(None);
        }
        Ok(Some(Self { action, name, value, keep_empty }))
    }
}

/// A header that routes may change: not the ones that stand for method, path and host.
fn header_name(name: &str) -> Result<Box<str>, Bad> {
    let name = name.to_ascii_lowercase();
    if name.is_empty() {
        return Err(Bad::new("", "the header's name is empty"));
    }
    if name.starts_with(':') || name == "host" {
        return Err(Bad::new(
            "",
            format!("{name:?} may not be modified; use a host or path rewrite"),
        ));
    }
    Ok(name.into())
}

/// Reads a value with operators. Spec: Envoy, "Custom request/response headers".
fn parse(text: &str) -> Result<Template, Bad> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let Some(end) = rest.find('%') else {
            return Err(Bad::new("", format!("{text:?} has an operator without its closing %")));
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
        }
        pieces.push(Piece::Operator(Operator::parse(&rest[..end])?));
        rest = &rest[end + 1..];
    }
    literal.push_str(rest);
    if pieces.is_empty() {
        return Ok(Template::Literal(literal.into_bytes().into()));
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal.into()));
    }
    Ok(Template::Format(pieces.into()))
}

impl Operator {
    fn parse(text: &str) -> Result<Self, Bad> {
        if let Some(arguments) = text.strip_prefix("REQ(") {
            return Self::parse_header(text, arguments);
        }
        Ok(match text {
            "DOWNSTREAM_REMOTE_ADDRESS" => Self::RemoteAddress,
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Self::RemoteAddressWithoutPort,
            "DOWNSTREAM_REMOTE_PORT" => Self::RemotePort,
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Self::DirectRemoteAddress,
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => Self::DirectRemoteAddressWithoutPort,
            "DOWNSTREAM_LOCAL_ADDRESS" => Self::LocalAddress,
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Self::LocalAddressWithoutPort,
            "DOWNSTREAM_LOCAL_PORT" => Self::LocalPort,
            "PROTOCOL" => Self::Protocol,
            "REQUESTED_SERVER_NAME" => Self::ServerName,
            "DOWNSTREAM_PEER_URI_SAN" => Self::PeerUriSan,
            "ROUTE_NAME" => Self::RouteName,
            "VIRTUAL_HOST_NAME" => Self::VirtualHost,
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Self::Cluster,
            _ => return Err(Bad::new("", format!("%{text}% is not supported by this proxy"))),
        })
    }

    /// Reads what follows `REQ(`: `NAME?ALTERNATIVE):MAX`.
    fn parse_header(text: &str, arguments: &str) -> Result<Self, Bad> {
        let wrong = || Bad::new("", format!("%{text}% is not REQ(NAME?OTHER):MAX"));
        let (names, rest) = arguments.split_once(')').ok_or_else(wrong)?;
        let max_len = match rest.strip_prefix(':') {
            Some(max) => Some(max.parse().map_err(|_| wrong())?),
            None if rest.is_empty() => None,
            None => return Err(wrong()),
        };
        let (name, alternative) = match names.split_once('?') {
            Some((name, other)) => (name, Some(other.to_ascii_lowercase().into())),
            None => (names, None),
        };
        Ok(Self::Header { name: name.to_ascii_lowercase().into(), alternative, max_len })
    }

    fn write(&self, scene: &Scene<'_>, out: &mut Vec<u8>) {
        let peer = scene.peer;
        let text = match self {
            Self::RemoteAddress => scene.remote.to_string(),
            Self::RemoteAddressWithoutPort => scene.remote.ip().to_string(),
            Self::RemotePort => scene.remote.port().to_string(),
            Self::DirectRemoteAddress => peer.source.to_string(),
            Self::DirectRemoteAddressWithoutPort => peer.source.ip().to_string(),
            Self::LocalAddress => peer.destination.to_string(),
            Self::LocalAddressWithoutPort => peer.destination.ip().to_string(),
            Self::LocalPort => peer.destination.port().to_string(),
            Self::Protocol => scene.head.version.name().to_owned(),
            Self::ServerName => {
                peer.tls.as_ref().and_then(|tls| tls.server_name.clone()).unwrap_or_default()
            }
            Self::PeerUriSan => {
                peer.tls.as_ref().map(|tls| tls.uri_sans.join(",")).unwrap_or_default()
            }
            Self::RouteName => scene.route.to_owned(),
            Self::VirtualHost => scene.virtual_host.to_owned(),
            Self::Cluster => scene.cluster.to_owned(),
            Self::Header { name, alternative, max_len } => {
                let find = |name: &str| scene.head.header(name);
                let value = find(name).or_else(|| find(alternative.as_deref()?)).unwrap_or(b"");
                let len = value.len().min(max_len.unwrap_or(usize::MAX));
                out.extend_from_slice(&value[..len]);
                return;
            }
        };
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Header;

    fn option(key: &str, value: &str, append_action: i32) -> core::HeaderValueOption {
        core::HeaderValueOption {
            header: Some(core::HeaderValue {
                key: key.into(),
                value: value.into(),
                ..Default::default()
            }),
            append_action,
            ..Default::default()
        }
    }

    fn told(list: &EditList) -> Vec<String> {
        let headers = [Header { name: "x-user", value: b"jason" }];
        let head = Head { path: "/p", headers: &headers, ..Head::default() };
        let peer = Peer::new("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let scene = Scene {
            head: &head,
            peer: &peer,
            remote: "1.2.3.4:9".parse().unwrap(),
            route: "r",
            virtual_host: "v",
            cluster: "c",
        };
        let rendered = list.render(&scene);
        list.edits(&rendered)
            .map(|edit| {
                let value = String::from_utf8(edit.value.to_vec()).unwrap();
                format!("{:?} {}={value}", edit.action, edit.name)
            })
            .collect()
    }

    #[test]
    fn removals_come_first_and_actions_keep_their_meaning() {
        let add =
            [option("A", "1", 0), option("b", "2", 1), option("c", "3", 2), option("d", "4", 3)];
        let list = EditList::compile(&add, &["E".to_owned()], "request_headers").unwrap();
        assert_eq!(
            told(&list),
            ["Remove e=", "Append a=1", "AddIfAbsent b=2", "Set c=3", "SetIfPresent d=4"]
        );
    }

    #[test]
    fn the_old_append_field_still_counts() {
        let old = core::HeaderValueOption { append: Some(false), ..option("a", "1", 0) };
        assert_eq!(told(&EditList::compile(&[old], &[], "x").unwrap()), ["Set a=1"]);
    }

    #[test]
    fn operators_are_rendered() {
        let table = [
            ("100%%", "100%"),
            ("%DOWNSTREAM_REMOTE_ADDRESS%", "1.2.3.4:9"),
            ("<%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%>", "<1.2.3.4>"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "10.0.0.1:4000"),
            ("%DOWNSTREAM_LOCAL_PORT%", "80"),
            ("%PROTOCOL%", "HTTP/1.1"),
            ("%REQ(X-User)%", "jason"),
            ("%REQ(none?:PATH)%", "/p"),
            ("%REQ(x-user):3%", "jas"),
            ("%ROUTE_NAME%.%UPSTREAM_CLUSTER%", "r.c"),
        ];
        for (value, expected) in table {
            let list = EditList::compile(&[option("a", value, 2)], &[], "x").unwrap();
            assert_eq!(told(&list), [format!("Set a={expected}")], "{value}");
        }
    }

    #[test]
    fn an_empty_value_is_left_out() {
        let list =
            EditList::compile(&[option("a", "%REQ(none)%", 2), option("b", "", 2)], &[], "x");
        assert!(told(&list.unwrap()).is_empty());
        let kept = core::HeaderValueOption { keep_empty_value: true, ..option("b", "", 2) };
        assert_eq!(told(&EditList::compile(&[kept], &[], "x").unwrap()), ["Set b="]);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (name, value) in
            [(":path", "/"), ("Host", "a"), ("", "a"), ("a", "%START"), ("a", "%NO_SUCH%")]
        {
            assert!(
                EditList::compile(&[option(name, value, 0)], &[], "x").is_err(),
                "{name}: {value}"
            );
        }
    }
}
