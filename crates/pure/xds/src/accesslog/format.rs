//! The words of access log formats: which `%OPERATORS%` a proxy of ours knows, and what each takes.
//!
//! It stands in the contract because both sides need it: a proxy refuses the listener whose format it cannot read, so who
//! publishes a format for the whole mesh looks first.

/// What may stand in an operator's brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// Something.
    Something,
    /// A time in strftime's words, on one line, or nothing.
    Time,
    /// A header's name, and perhaps one that stands in for it after `?`.
    Header,
    /// Names with colons between, none empty.
    Keys,
    /// One of these words before a colon, then [`Takes::Keys`].
    Owned(&'static [&'static str]),
    /// One of these words, or nothing.
    Words(&'static [&'static str]),
    /// Which path: `WQ` or `NQ`, and perhaps `:ORIG`, `:PATH` or `:ORIG_OR_PATH`.
    Path,
    /// Two moments and a unit.
    Span,
}

/// One operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its name.
    pub name: &'static str,
    /// What stands in its brackets.
    pub takes: Takes,
    /// Whether a length may follow: `%REQ(x):10%`.
    pub measured: bool,
}

const fn operator(name: &'static str, takes: Takes, measured: bool) -> Operator {
    Operator { name, takes, measured }
}

const fn plain(name: &'static str) -> Operator {
    operator(name, Takes::Nothing, false)
}

/// The moments that [`Takes::Span`] knows.
const MOMENTS: &[&str] = &[
    "DS_RX_BEG",
    "DS_RX_END",
    "US_CX_BEG",
    "US_CX_END",
    "US_TX_BEG",
    "US_TX_END",
    "US_RX_BEG",
    "US_RX_END",
    "DS_TX_BEG",
    "DS_TX_END",
];

/// Every operator that a proxy of ours knows. Spec: Envoy's access log operators.
pub const OPERATORS: &[Operator] = &[
    operator("START_TIME", Takes::Time, false),
    operator("EMIT_TIME", Takes::Time, false),
    operator("REQ", Takes::Header, true),
    operator("REQUEST_HEADER", Takes::Header, true),
    operator("REQ_WITHOUT_QUERY", Takes::Header, true),
    operator("RESP", Takes::Header, true),
    operator("RESPONSE_HEADER", Takes::Header, true),
    operator("TRAILER", Takes::Header, true),
    operator("RESPONSE_TRAILER", Takes::Header, true),
    operator("QUERY_PARAM", Takes::Something, true),
    operator("PATH", Takes::Path, true),
    operator("GRPC_STATUS", Takes::Words(&["CAMEL_STRING", "SNAKE_STRING", "NUMBER"]), false),
    operator("COMMON_DURATION", Takes::Span, false),
    operator("RESPONSE_CODE_DETAILS", Takes::Words(&["ALLOW_WHITESPACES"]), false),
    operator("DYNAMIC_METADATA", Takes::Keys, true),
    operator("CLUSTER_METADATA", Takes::Keys, true),
    operator("UPSTREAM_METADATA", Takes::Keys, true),
    operator("METADATA", Takes::Owned(&["DYNAMIC", "CLUSTER", "UPSTREAM_HOST"]), true),
    operator("FILTER_STATE", Takes::Something, false),
    operator("UPSTREAM_FILTER_STATE", Takes::Something, false),
    plain("REQUEST_HEADERS_BYTES"),
    plain("RESPONSE_HEADERS_BYTES"),
    plain("RESPONSE_TRAILERS_BYTES"),
    plain("GRPC_STATUS_NUMBER"),
    plain("UNIQUE_ID"),
    plain("PROTOCOL"),
    plain("UPSTREAM_PROTOCOL"),
    plain("RESPONSE_CODE"),
    plain("CONNECTION_TERMINATION_DETAILS"),
    plain("RESPONSE_FLAGS"),
    plain("RESPONSE_FLAGS_LONG"),
    plain("BYTES_RECEIVED"),
    plain("BYTES_SENT"),
    plain("DURATION"),
    plain("REQUEST_DURATION"),
    plain("REQUEST_TX_DURATION"),
    plain("RESPONSE_DURATION"),
    plain("RESPONSE_TX_DURATION"),
    plain("UPSTREAM_CONNECTION_POOL_READY_DURATION"),
    plain("UPSTREAM_HOST"),
    plain("UPSTREAM_HOST_NAME"),
    plain("UPSTREAM_HOST_NAME_WITHOUT_PORT"),
    plain("UPSTREAM_CLUSTER"),
    plain("UPSTREAM_CLUSTER_RAW"),
    plain("UPSTREAM_LOCAL_ADDRESS"),
    plain("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"),
    plain("UPSTREAM_LOCAL_PORT"),
    plain("UPSTREAM_REMOTE_ADDRESS"),
    plain("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"),
    plain("UPSTREAM_REMOTE_PORT"),
    plain("UPSTREAM_TRANSPORT_FAILURE_REASON"),
    plain("UPSTREAM_REQUEST_ATTEMPT_COUNT"),
    plain("DOWNSTREAM_LOCAL_ADDRESS"),
    plain("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"),
    plain("DOWNSTREAM_LOCAL_PORT"),
    plain("DOWNSTREAM_DIRECT_LOCAL_ADDRESS"),
    plain("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT"),
    plain("DOWNSTREAM_DIRECT_LOCAL_PORT"),
    plain("DOWNSTREAM_REMOTE_ADDRESS"),
    plain("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"),
    plain("DOWNSTREAM_REMOTE_PORT"),
    plain("DOWNSTREAM_DIRECT_REMOTE_ADDRESS"),
    plain("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"),
    plain("DOWNSTREAM_DIRECT_REMOTE_PORT"),
    plain("REQUESTED_SERVER_NAME"),
    plain("ROUTE_NAME"),
    plain("FILTER_CHAIN_NAME"),
    plain("CONNECTION_ID"),
    plain("HOSTNAME"),
    plain("ACCESS_LOG_TYPE"),
    plain("STREAM_ID"),
    plain("QUERY_PARAMS"),
    plain("LOCAL_REPLY_BODY"),
    plain("CUSTOM_FLAGS"),
    plain("DOWNSTREAM_PEER_URI_SAN"),
    plain("DOWNSTREAM_PEER_DNS_SAN"),
    plain("DOWNSTREAM_PEER_SUBJECT"),
    plain("VIRTUAL_CLUSTER_NAME"),
    plain("TRACE_ID"),
    plain("SPAN_ID"),
    plain("ROUNDTRIP_DURATION"),
    plain("DOWNSTREAM_HANDSHAKE_DURATION"),
    plain("DOWNSTREAM_TLS_VERSION"),
    plain("DOWNSTREAM_TLS_CIPHER"),
    plain("DOWNSTREAM_TLS_SESSION_ID"),
    plain("DOWNSTREAM_TRANSPORT_FAILURE_REASON"),
    plain("UPSTREAM_TLS_VERSION"),
    plain("UPSTREAM_TLS_CIPHER"),
    plain("UPSTREAM_TLS_SESSION_ID"),
    plain("UPSTREAM_PEER_SUBJECT"),
    plain("UPSTREAM_PEER_ISSUER"),
    plain("UPSTREAM_PEER_URI_SAN"),
    plain("UPSTREAM_SERVER_NAME"),
];

/// Looks whether a proxy of ours can read a text with operators in it.
///
/// # Errors
/// A sentence about the first operator that it cannot.
pub fn check(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        rest = &rest[at + 1..];
        rest = match rest.strip_prefix('%') {
            Some(after) => after,
            None => check_operator(rest)?,
        };
    }
    Ok(())
}

/// Looks at the operator at the start of a text, after its first sign; gives what follows its last one.
fn check_operator(text: &str) -> Result<&str, String> {
    let start: String = text.chars().take(40).collect();
    let broken = || format!("the operator at \"%{start}\" has no end");
    let is_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let end = text.bytes().position(|byte| !is_name(byte)).ok_or_else(broken)?;
    let (name, mut rest) = text.split_at(end);
    let mut given = "";
    if let Some(inner) = rest.strip_prefix('(') {
        (given, rest) = inner.split_once(')').ok_or_else(broken)?;
    }
    let mut length = None;
    if let Some(after) = rest.strip_prefix(':') {
        let (digits, _) = after.split_once('%').ok_or_else(broken)?;
        length = Some(digits);
        rest = &after[digits.len()..];
    }
    let rest = rest.strip_prefix('%').ok_or_else(broken)?;
    let known = OPERATORS.iter().find(|known| known.name == name);
    let known = known.ok_or_else(|| format!("%{name}% is no operator that we know"))?;
    if let Some(digits) = length {
        if !known.measured {
            return Err(format!("%{name}% takes no length"));
        }
        if digits.parse::<usize>().is_err() {
            return Err(format!("%{name}%: {digits:?} is no length"));
        }
    }
    if known.takes.accepts(given) {
        Ok(rest)
    } else {
        Err(format!("%{name}% cannot have {given:?} in its brackets"))
    }
}

impl Takes {
    fn accepts(self, given: &str) -> bool {
        let are_keys = |text: &str| text.split(':').all(|key| !key.is_empty());
        match self {
            Self::Nothing => given.is_empty(),
            Self::Something => !given.is_empty(),
            Self::Time => !given.contains("%n"),
            Self::Header => {
                let mut names = given.split('?');
                names.next().is_some_and(|name| !name.is_empty()) && names.nth(1).is_none()
            }
            Self::Keys => are_keys(given),
            Self::Owned(owners) => given
                .split_once(':')
                .is_some_and(|(owner, keys)| owners.contains(&owner) && are_keys(keys)),
            Self::Words(words) => given.is_empty() || words.contains(&given),
            Self::Path => {
                let (query, source) = given.split_once(':').unwrap_or((given, ""));
                ["", "WQ", "NQ"].contains(&query)
                    && ["", "ORIG", "PATH", "ORIG_OR_PATH"].contains(&source)
            }
            Self::Span => {
                let parts: Vec<&str> = given.split(':').collect();
                matches!(parts[..], [from, to, "ms" | "us" | "ns"]
                    if MOMENTS.contains(&from) && MOMENTS.contains(&to))
            }
        }
    }
}
