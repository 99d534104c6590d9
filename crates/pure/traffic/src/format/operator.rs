//! Operators of values: what they are called, and what they stand for.

use std::net::SocketAddr;

use xds::{
    core,
    json::Json as _,
    wkt::{Value, value::Kind},
};

use super::{Scene, time::TimeFormat};

/// A part of a value that is known only when it is made.
#[derive(Clone, Debug)]
pub(crate) enum Operator {
    Address(End, Part),
    Protocol,
    ServerName,
    PeerUriSan,
    RouteName,
    Cluster,
    Host,
    HostName,
    HostMetadata {
        path: Box<[Box<str>]>,
        max_len: Option<usize>,
    },
    Request(Named),
    Response(Named),
    Path {
        with_query: bool,
        max_len: Option<usize>,
    },
    ResponseCode,
    ResponseDetails,
    ResponseFlags {
        long: bool,
    },
    Attempts,
    StartTime(TimeFormat),
    Environment(Box<str>),
    Machine,
    /// It has a value only where a filter that we do not have gives it one.
    Nothing,
}

/// Which address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// Where the request really comes from.
    Remote,
    /// The other end of the connection.
    DirectRemote,
    /// Our end of the connection.
    Local,
}

/// Which part of an address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Whole,
    Ip,
    Port,
}

/// A header: `NAME?ALTERNATIVE):MAX`.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    name: Box<str>,
    alternative: Option<Box<str>>,
    max_len: Option<usize>,
}

impl Operator {
    /// Reads what follows a percent sign: `NAME`, `NAME(ARGUMENTS)` or `NAME(ARGUMENTS):MAX`, each with its `%`; gives
    /// back what follows it.
    pub(super) fn parse(text: &str) -> Result<(Self, &str), String> {
        let end =
            text.bytes().position(|b| !(b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'));
        let (name, rest) = text.split_at(end.unwrap_or(text.len()));
        if name.is_empty() {
            return Err("it is neither %% nor an operator".to_owned());
        }
        let Some(inner) = rest.strip_prefix('(') else {
            let (max_len, after) = ending(rest).ok_or("the operator has no closing %")?;
            return Ok((Self::of(name, None, max_len)?, after));
        };
        // Arguments end at the first parenthesis after which the operator can end.
        let ends = inner.match_indices(')');
        let found = ends.filter_map(|(at, _)| Some((at, ending(&inner[at + 1..])?))).next();
        let (at, (max_len, after)) = found.ok_or("the operator has no closing )%")?;
        Ok((Self::of(name, Some(&inner[..at]), max_len)?, after))
    }

    fn of(name: &str, arguments: Option<&str>, max_len: Option<usize>) -> Result<Self, String> {
        let given = arguments.filter(|it| !it.is_empty());
        let needed = || given.ok_or_else(|| format!("{name} needs arguments"));
        let operator = match name {
            "REQ" => return Ok(Self::Request(Named::parse(needed()?, max_len)?)),
            "RESP" => return Ok(Self::Response(Named::parse(needed()?, max_len)?)),
            "START_TIME" => {
                return Ok(Self::StartTime(TimeFormat::parse(arguments.unwrap_or(""))?));
            }
            "ENVIRONMENT" => return Ok(Self::Environment(needed()?.into())),
            "UPSTREAM_METADATA" => {
                return Ok(Self::HostMetadata { path: metadata_path(needed()?)?, max_len });
            }
            "PATH" => {
                let with_query = match arguments.unwrap_or("WQ") {
                    "WQ" | "" => true,
                    "NQ" => false,
                    other => return Err(format!("PATH({other}) is neither PATH(WQ) nor PATH(NQ)")),
                };
                return Ok(Self::Path { with_query, max_len });
            }
            "DYNAMIC_METADATA" | "TRAILER" => {
                needed()?;
                return Ok(Self::Nothing);
            }
            "DOWNSTREAM_REMOTE_ADDRESS" => Self::Address(End::Remote, Part::Whole),
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Self::Address(End::Remote, Part::Ip),
            "DOWNSTREAM_REMOTE_PORT" => Self::Address(End::Remote, Part::Port),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => Self::Address(End::DirectRemote, Part::Whole),
            "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => {
                Self::Address(End::DirectRemote, Part::Ip)
            }
            "DOWNSTREAM_DIRECT_REMOTE_PORT" => Self::Address(End::DirectRemote, Part::Port),
            "DOWNSTREAM_LOCAL_ADDRESS" => Self::Address(End::Local, Part::Whole),
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Self::Address(End::Local, Part::Ip),
            "DOWNSTREAM_LOCAL_PORT" => Self::Address(End::Local, Part::Port),
            "UPSTREAM_HOST" => Self::Host,
            "UPSTREAM_HOST_NAME" => Self::HostName,
            "UPSTREAM_REQUEST_ATTEMPT_COUNT" => Self::Attempts,
            "PROTOCOL" => Self::Protocol,
            "REQUESTED_SERVER_NAME" => Self::ServerName,
            "DOWNSTREAM_PEER_URI_SAN" => Self::PeerUriSan,
            "ROUTE_NAME" => Self::RouteName,
            "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => Self::Cluster,
            "RESPONSE_CODE" => Self::ResponseCode,
            "RESPONSE_CODE_DETAILS" => Self::ResponseDetails,
            "RESPONSE_FLAGS" => Self::ResponseFlags { long: false },
            "RESPONSE_FLAGS_LONG" => Self::ResponseFlags { long: true },
            "HOSTNAME" => Self::Machine,
            // Requests belong to no virtual cluster here: those are for statistics.
            "VIRTUAL_CLUSTER_NAME" => Self::Nothing,
            _ => return Err(format!("%{name}% is not supported by this proxy")),
        };
        match arguments {
            Some(_) => Err(format!("%{name}% takes no arguments")),
            None => Ok(operator),
        }
    }

    pub(super) fn write(&self, scene: &Scene<'_>, out: &mut Vec<u8>) {
        let facts = scene.facts;
        match self {
            Self::Address(end, part) => {
                let address = match end {
                    End::Remote => facts.remote,
                    End::DirectRemote => facts.peer.source,
                    End::Local => facts.peer.destination,
                };
                write_address(address, *part, out);
            }
            Self::Host => out.extend(facts.host.iter().flat_map(|it| it.address_text().bytes())),
            Self::HostName => {
                let name = |it: &'_ crate::upstream::Host| {
                    it.hostname().unwrap_or_else(|| it.address_text()).to_owned()
                };
                out.extend(facts.host.map(name).unwrap_or_default().bytes());
            }
            Self::HostMetadata { path, max_len } => {
                let value = facts.host.and_then(|host| metadata(host.metadata()?, path));
                write_cut(value.unwrap_or_default().as_bytes(), *max_len, out);
            }
            Self::Protocol => out.extend_from_slice(facts.version.name().as_bytes()),
            Self::ServerName => {
                let tls = facts.peer.tls.as_ref();
                let name = tls.and_then(|tls| tls.server_name.as_deref());
                out.extend_from_slice(name.unwrap_or_default().as_bytes());
            }
            Self::PeerUriSan => {
                let sans = facts.peer.tls.as_ref().map(|tls| tls.uri_sans.join(","));
                out.extend_from_slice(sans.unwrap_or_default().as_bytes());
            }
            Self::RouteName => out.extend_from_slice(facts.route.as_bytes()),
            Self::Cluster => out.extend_from_slice(facts.cluster.as_bytes()),
            Self::Request(named) => {
                named.write(|name| scene.request.header(name), out);
            }
            Self::Response(named) => {
                if &*named.name == ":status" && facts.answered != 0 {
                    out.extend(facts.answered.to_string().bytes());
                } else if let Some(response) = scene.response {
                    named.write(|name| response.header(name), out);
                }
            }
            Self::Path { with_query, max_len } => {
                let path = scene.request.header(":path").unwrap_or_default();
                let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
                let end = end.filter(|_| !with_query).unwrap_or(path.len());
                write_cut(&path[..end], *max_len, out);
            }
            Self::ResponseCode => out.extend(facts.status.to_string().bytes()),
            Self::ResponseDetails => out.extend_from_slice(facts.details.as_bytes()),
            Self::ResponseFlags { long: false } => out.extend(facts.flags.to_string().bytes()),
            Self::ResponseFlags { long: true } => out.extend(facts.flags.long().bytes()),
            Self::Attempts => out.extend(facts.attempts.to_string().bytes()),
            Self::StartTime(format) => format.write(facts.outside.started(), out),
            Self::Environment(name) => {
                let value = facts.outside.environment(name).unwrap_or_else(|| "-".to_owned());
                out.extend_from_slice(value.as_bytes());
            }
            Self::Machine => {
                let name = facts.outside.hostname().unwrap_or_else(|| "-".to_owned());
                out.extend_from_slice(name.as_bytes());
            }
            Self::Nothing => {}
        }
    }
}

impl Named {
    fn parse(arguments: &str, max_len: Option<usize>) -> Result<Self, String> {
        let (name, alternative) = match arguments.split_once('?') {
            Some((_, other)) if other.contains('?') => {
                return Err(format!("{arguments:?} has more than one alternative"));
            }
            Some((name, other)) => (name, Some(other.to_ascii_lowercase().into())),
            None => (arguments, None),
        };
        Ok(Self { name: name.to_ascii_lowercase().into(), alternative, max_len })
    }

    fn write<'a>(&self, find: impl Fn(&str) -> Option<&'a [u8]>, out: &mut Vec<u8>) {
        let value = find(&self.name).or_else(|| find(self.alternative.as_deref()?));
        write_cut(value.unwrap_or_default(), self.max_len, out);
    }
}

/// The end of an operator: a limit, if there is one, and the text after the percent sign.
fn ending(text: &str) -> Option<(Option<usize>, &str)> {
    if let Some(after) = text.strip_prefix('%') {
        return Some((None, after));
    }
    let (digits, after) = text.strip_prefix(':')?.split_once('%')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| (digits.parse().ok(), after))
}

fn write_cut(value: &[u8], max_len: Option<usize>, out: &mut Vec<u8>) {
    out.extend_from_slice(&value[..value.len().min(max_len.unwrap_or(usize::MAX))]);
}

fn write_address(address: SocketAddr, part: Part, out: &mut Vec<u8>) {
    let text = match part {
        Part::Whole => address.to_string(),
        Part::Ip => address.ip().to_string(),
        Part::Port => address.port().to_string(),
    };
    out.extend_from_slice(text.as_bytes());
}

/// Reads `namespace:key:key`, or the older `["namespace", "key", "key"]`.
fn metadata_path(text: &str) -> Result<Box<[Box<str>]>, String> {
    let wrong = || format!("UPSTREAM_METADATA({text}) is not UPSTREAM_METADATA(NAMESPACE:KEY:…)");
    let text = text.trim();
    let parts: Vec<Box<str>> = match text.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(list) => list
            .split(',')
            .map(|part| Some(part.trim().strip_prefix('"')?.strip_suffix('"')?.into()))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?,
        None => text.split(':').map(Box::from).collect(),
    };
    if parts.iter().any(|part| part.is_empty()) { Err(wrong()) } else { Ok(parts.into()) }
}

/// What stands there, as text: strings as they are, all else as JSON.
fn metadata(metadata: &core::Metadata, path: &[Box<str>]) -> Option<String> {
    let (namespace, keys) = path.split_first()?;
    let mut fields = metadata.filter_metadata.get(&**namespace)?;
    let Some((last, keys)) = keys.split_last() else { return Some(fields.write().to_string()) };
    for key in keys {
        let Some(Kind::StructValue(inner)) = &fields.fields.get(&**key)?.kind else { return None };
        fields = inner;
    }
    let value: &Value = fields.fields.get(&**last)?;
    Some(value.as_str().map_or_else(|| value.write().to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use xds::wkt::Struct;

    use super::*;
    use crate::{
        edits::Outside,
        flags::{Flag, Flags},
        format::{Facts, Template},
        head::{Head, Header},
        peer::Peer,
    };

    #[derive(Debug)]
    struct World;

    impl Outside for World {
        fn started(&self) -> Duration {
            Duration::from_millis(1_767_225_599_042)
        }

        fn environment(&self, name: &str) -> Option<String> {
            (name == "HOME").then(|| "/root".to_owned())
        }

        fn hostname(&self) -> Option<String> {
            Some("machine".to_owned())
        }
    }

    fn rendered(value: &str) -> String {
        let headers = [Header { name: "x-user", value: b"jason" }];
        let head = Head { path: "/p?q", authority: "h", headers: &headers, ..Head::default() };
        let answers = [Header { name: "x-said", value: b"yes" }];
        let response = Head { headers: &answers, ..Head::default() };
        let peer = Peer::new("10.0.0.1:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let facts = Facts {
            remote: "1.2.3.4:9".parse().unwrap(),
            route: "r",
            cluster: "c",
            status: 503,
            answered: 418,
            flags: Flag::NoHealthyUpstream.into(),
            details: "d",
            attempts: 2,
            ..Facts::new(&peer, &World)
        };
        let scene = Scene { request: &head, response: Some(&response), facts: &facts };
        let mut out = Vec::new();
        Template::parse(value)
            .unwrap_or_else(|bad| panic!("{value}: {bad:?}"))
            .write(&scene, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn operators_stand_for_what_their_names_say() {
        for (value, expected) in [
            ("100%%", "100%"),
            ("%DOWNSTREAM_REMOTE_ADDRESS%", "1.2.3.4:9"),
            ("<%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%>", "<1.2.3.4>"),
            ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%", "10.0.0.1:4000"),
            ("%DOWNSTREAM_LOCAL_PORT%", "80"),
            ("%PROTOCOL%", "HTTP/1.1"),
            ("%REQ(X-User)%", "jason"),
            ("%REQ(none?:PATH)%", "/p?q"),
            ("%REQ(x-user):3%", "jas"),
            ("%PATH(NQ)%%PATH%", "/p/p?q"),
            ("%RESP(X-Said)%%RESP(none)% %RESP(:status)%", "yes 418"),
            ("%ROUTE_NAME%.%UPSTREAM_CLUSTER%", "r.c"),
            ("%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "503 UH NoHealthyUpstream"),
            ("%RESPONSE_CODE_DETAILS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%", "d 2"),
            ("%START_TIME(%Y)%x", "2025x"),
            ("%START_TIME%", "2025-12-31T23:59:59.042Z"),
            ("%ENVIRONMENT(HOME)% %ENVIRONMENT(NONE)% %HOSTNAME%", "/root - machine"),
            ("%UPSTREAM_HOST%%VIRTUAL_CLUSTER_NAME%%DYNAMIC_METADATA(a:b)%", ""),
            ("%UPSTREAM_METADATA([\"a\", \"b\"])%", ""),
        ] {
            assert_eq!(rendered(value), expected, "{value}");
        }
        assert_eq!(Flags::NONE.long(), "-");
    }

    #[test]
    fn what_is_no_operator_is_refused() {
        for value in [
            "%",
            "100%",
            "%REQ(x",
            "%REQ(x)",
            "%REQ%",
            "%REQ()%",
            "%REQ(a?b?c)%",
            "%REQ(x):y%",
            "%req(x)%",
            "%NO_SUCH%",
            "%PROTOCOL(x)%",
            "%START_TIME(%Q)%",
            "%PATH(XX)%",
            "%UPSTREAM_METADATA([a])%",
        ] {
            assert!(Template::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn metadata_is_found_by_its_path() {
        let mut inner = Struct::default();
        inner.fields.insert("x".into(), Value { kind: Some(Kind::NumberValue(3.0)) });
        let mut outer = Struct::default();
        outer.fields.insert("s".into(), Value { kind: Some(Kind::StructValue(inner)) });
        outer.fields.insert("v".into(), Value::from("text"));
        let all = core::Metadata {
            filter_metadata: BTreeMap::from([("n".to_owned(), outer)]),
            ..Default::default()
        };
        for (path, expected) in [
            ("n:v", Some("text")),
            ("n:s:x", Some("3")),
            ("n:s", Some(r#"{"x":3}"#)),
            ("n", Some(r#"{"s":{"x":3},"v":"text"}"#)),
            (r#"["n", "v"]"#, Some("text")),
            ("n:none", None),
            ("none:v", None),
        ] {
            let path = metadata_path(path).unwrap();
            assert_eq!(metadata(&all, &path).as_deref(), expected, "{path:?}");
        }
    }
}
