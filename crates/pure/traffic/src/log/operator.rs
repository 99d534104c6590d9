//! Operators of formats: their names, what stands in their brackets, and their length.

use crate::{
    compile::Bad,
    log::{Facts, time::TimeFormat, value::Shown},
};

/// What shows a fact that takes no arguments.
pub(super) type Show = for<'a> fn(&Facts<'a>) -> Shown<'a>;

/// A part of a record that is known only when it is made.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    pub(super) what: What,
    /// The most bytes of text that are shown.
    pub(super) length: Option<usize>,
}

/// What is shown.
#[derive(Clone, Debug)]
pub(super) enum What {
    Began(TimeFormat),
    Now(TimeFormat),
    Fact(Show),
    Header { of: Message, name: Box<str>, alternative: Option<Box<str>>, bare: bool },
    HeaderBytes(Message),
    Parameter(Box<str>),
    Path { query: bool, source: PathSource },
    Grpc(GrpcForm),
    Span { from: Point, to: Point, nanos: u64 },
    Metadata { of: Owner, keys: Vec<Box<str>> },
    Unique,
}

/// Which part of an exchange a header belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Request,
    Response,
    Trailers,
}

/// Which path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathSource {
    /// As it came, where it was rewritten; else as it is.
    OriginalOrPath,
    /// As it came, where it was rewritten.
    Original,
    /// As it went on.
    Path,
}

/// How a gRPC status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrpcForm {
    Camel,
    Snake,
    Number,
}

/// A moment of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Began,
    Request,
    Connecting,
    Connected,
    Sending,
    Sent,
    Answered,
    Received,
    Responding,
    Responded,
}

/// Whose metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// What filters said of the request, which none here does.
    Nobody,
    Cluster,
    Host,
}

impl Operator {
    /// Reads an operator: its name, what stands in its brackets, and its length.
    pub(super) fn parse(
        name: &str,
        arguments: Option<&str>,
        length: Option<usize>,
    ) -> Result<Self, Bad> {
        let given = arguments.unwrap_or_default();
        let what = match name {
            "START_TIME" => What::Began(TimeFormat::parse(given)?),
            "EMIT_TIME" => What::Now(TimeFormat::parse(given)?),
            "REQ" | "REQUEST_HEADER" => header(Message::Request, name, given, false)?,
            "REQ_WITHOUT_QUERY" => header(Message::Request, name, given, true)?,
            "RESP" | "RESPONSE_HEADER" => header(Message::Response, name, given, false)?,
            "TRAILER" | "RESPONSE_TRAILER" => header(Message::Trailers, name, given, false)?,
            "QUERY_PARAM" if !given.is_empty() => What::Parameter(given.into()),
            "PATH" => path(given)?,
            "GRPC_STATUS" => What::Grpc(match given {
                "" | "CAMEL_STRING" => GrpcForm::Camel,
                "SNAKE_STRING" => GrpcForm::Snake,
                "NUMBER" => GrpcForm::Number,
                _ => return Err(wrong(name, "CAMEL_STRING, SNAKE_STRING or NUMBER")),
            }),
            "COMMON_DURATION" => span(given)?,
            "RESPONSE_CODE_DETAILS" if given == "ALLOW_WHITESPACES" => {
                What::Fact(super::value::details_as_they_are)
            }
            "DYNAMIC_METADATA" => metadata(Owner::Nobody, name, given)?,
            "CLUSTER_METADATA" => metadata(Owner::Cluster, name, given)?,
            "UPSTREAM_METADATA" => metadata(Owner::Host, name, given)?,
            "METADATA" => match given.split_once(':') {
                Some(("DYNAMIC", keys)) => metadata(Owner::Nobody, name, keys)?,
                Some(("CLUSTER", keys)) => metadata(Owner::Cluster, name, keys)?,
                Some(("UPSTREAM_HOST", keys)) => metadata(Owner::Host, name, keys)?,
                _ => return Err(wrong(name, "DYNAMIC, CLUSTER or UPSTREAM_HOST, and a key")),
            },
            // No filter here keeps state for a request.
            "FILTER_STATE" | "UPSTREAM_FILTER_STATE" if !given.is_empty() => {
                What::Fact(|_| Shown::Nothing)
            }
            _ => {
                let what = plain(name)
                    .ok_or_else(|| Bad::new("", format!("%{name}% is no operator that we know")))?;
                if arguments.is_some_and(|given| !given.is_empty()) {
                    return Err(Bad::new("", format!("%{name}% takes nothing in brackets")));
                }
                what
            }
        };
        let measured = matches!(
            what,
            What::Header { .. } | What::Parameter(_) | What::Path { .. } | What::Metadata { .. }
        );
        if length.is_some() && !measured {
            return Err(Bad::new("", format!("%{name}% takes no length")));
        }
        Ok(Self { what, length })
    }
}

fn wrong(name: &str, wanted: &str) -> Bad {
    Bad::new("", format!("%{name}()% wants {wanted} in its brackets"))
}

/// An operator of nothing but its name.
fn plain(name: &str) -> Option<What> {
    Some(match name {
        "REQUEST_HEADERS_BYTES" => What::HeaderBytes(Message::Request),
        "RESPONSE_HEADERS_BYTES" => What::HeaderBytes(Message::Response),
        "RESPONSE_TRAILERS_BYTES" => What::HeaderBytes(Message::Trailers),
        "GRPC_STATUS_NUMBER" => What::Grpc(GrpcForm::Number),
        "UNIQUE_ID" => What::Unique,
        _ => What::Fact(super::value::fact(name)?),
    })
}

fn header(of: Message, name: &str, given: &str, bare: bool) -> Result<What, Bad> {
    let mut names = given.split('?');
    let main = names.next().unwrap_or_default();
    let alternative = names.next();
    if main.is_empty() || names.next().is_some() {
        return Err(wrong(name, "the name of a header, and perhaps a second one after `?`"));
    }
    let key = |name: &str| -> Box<str> { name.to_ascii_lowercase().into() };
    // The short forms of the pseudo headers that Envoy's documentation uses.
    let alternative = alternative.filter(|name| !name.is_empty()).map(key);
    Ok(What::Header { of, name: key(main), alternative, bare })
}

fn path(given: &str) -> Result<What, Bad> {
    let (query, source) = given.split_once(':').unwrap_or((given, ""));
    let query = match query {
        "" | "WQ" => true,
        "NQ" => false,
        _ => return Err(wrong("PATH", "WQ or NQ")),
    };
    let source = match source {
        "" | "ORIG_OR_PATH" => PathSource::OriginalOrPath,
        "ORIG" => PathSource::Original,
        "PATH" => PathSource::Path,
        _ => return Err(wrong("PATH", "ORIG, PATH or ORIG_OR_PATH")),
    };
    Ok(What::Path { query, source })
}

fn span(given: &str) -> Result<What, Bad> {
    let point = |name: &str| {
        Some(match name {
            "DS_RX_BEG" => Point::Began,
            "DS_RX_END" => Point::Request,
            "US_CX_BEG" => Point::Connecting,
            "US_CX_END" => Point::Connected,
            "US_TX_BEG" => Point::Sending,
            "US_TX_END" => Point::Sent,
            "US_RX_BEG" => Point::Answered,
            "US_RX_END" => Point::Received,
            "DS_TX_BEG" => Point::Responding,
            "DS_TX_END" => Point::Responded,
            _ => return None,
        })
    };
    let parts: Vec<&str> = given.split(':').collect();
    let nanos = match parts.get(2) {
        Some(&"ms") => Some(1_000_000),
        Some(&"us") => Some(1_000),
        Some(&"ns") => Some(1),
        _ => None,
    };
    match (parts.as_slice(), nanos) {
        ([from, to, _], Some(nanos)) => match (point(from), point(to)) {
            (Some(from), Some(to)) => Ok(What::Span { from, to, nanos }),
            _ => Err(wrong("COMMON_DURATION", "moments that we know, such as DS_RX_BEG")),
        },
        _ => Err(wrong("COMMON_DURATION", "two moments and ms, us or ns")),
    }
}

fn metadata(of: Owner, name: &str, given: &str) -> Result<What, Bad> {
    let keys: Vec<Box<str>> = given.split(':').map(Into::into).collect();
    if keys.iter().any(|key| key.is_empty()) {
        return Err(wrong(name, "a namespace, and perhaps keys"));
    }
    Ok(What::Metadata { of, keys })
}
