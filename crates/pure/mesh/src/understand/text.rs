//! Texts that reach Envoy: what it would refuse must not get there.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use kinds::istio::{HeaderEdits as WrittenEdits, Headers, MatchKind, StringMatch};

use super::notes::{Bad, Notes};
use crate::findings::Code;
use crate::model::route::{Edits, HeaderEdits, TextMatch};

/// Command operators of Envoy's that stand alone.
///
/// Spec: Envoy, "Substitution formatter" (configuration/advanced/substitution_formatter).
const PLAIN_OPERATORS: &[&str] = &[
    "PROTOCOL",
    "START_TIME",
    "HOSTNAME",
    "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS",
    "RESPONSE_FLAGS",
    "ROUTE_NAME",
    "UPSTREAM_HOST",
    "UPSTREAM_CLUSTER",
    "UPSTREAM_LOCAL_ADDRESS",
    "UPSTREAM_REMOTE_ADDRESS",
    "REQUESTED_SERVER_NAME",
    "CONNECTION_ID",
    "DOWNSTREAM_REMOTE_ADDRESS",
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_REMOTE_PORT",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS",
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_PORT",
    "DOWNSTREAM_LOCAL_URI_SAN",
    "DOWNSTREAM_PEER_URI_SAN",
    "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_ISSUER",
    "DOWNSTREAM_PEER_CERT",
    "DOWNSTREAM_PEER_SERIAL",
    "DOWNSTREAM_PEER_FINGERPRINT_256",
    "DOWNSTREAM_TLS_VERSION",
    "DOWNSTREAM_TLS_CIPHER",
    "DOWNSTREAM_TLS_SESSION_ID",
];

/// What an operator takes in its brackets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Argument {
    /// A header, or two of which the second stands in for the first.
    Headers,
    /// A key or a path.
    Path,
    /// A key, and how it is written out.
    State,
}

/// Command operators of Envoy's that need an argument, and whether they may be cut to a length.
const OPERATORS: &[(&str, Argument, bool)] = &[
    ("REQ", Argument::Headers, true),
    ("RESP", Argument::Headers, true),
    ("TRAILER", Argument::Headers, true),
    ("DYNAMIC_METADATA", Argument::Path, true),
    ("ENVIRONMENT", Argument::Path, true),
    ("CLUSTER_METADATA", Argument::Path, false),
    ("UPSTREAM_METADATA", Argument::Path, false),
    ("FILTER_STATE", Argument::State, true),
];

impl Argument {
    fn fits(self, text: &str) -> bool {
        let word = |text: &str, also: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
        };
        let header = |text: &str| word(text.strip_prefix(':').unwrap_or(text), "-_");
        match self {
            Argument::Headers => {
                let (first, second) = text.split_once('?').unwrap_or((text, "none"));
                header(first) && header(second)
            }
            Argument::Path => word(text, "-_.:"),
            Argument::State => {
                let (key, form) = text.split_once(':').unwrap_or((text, "PLAIN"));
                word(key, "-_.") && matches!(form, "PLAIN" | "TYPED")
            }
        }
    }
}

/// Whether no control character is in it (Envoy: no NUL, CR or LF in header values and paths).
pub(super) fn is_clean(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && c != '\t')
}

/// Whether it can be a header's name; a pseudo-header's colon may lead.
pub(super) fn is_header_name(name: &str) -> bool {
    let name = name.strip_prefix(':').unwrap_or(name);
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty() && name.bytes().all(token)
}

/// A header value as Envoy's formatter must get it: a `%` that begins no operator is doubled.
pub(super) fn format_value(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        if let Some(after) = tail.strip_prefix('%') {
            out.push_str("%%");
            rest = after;
        } else if let Some(length) = operator(tail) {
            out.push('%');
            out.push_str(&tail[..length]);
            rest = &tail[length..];
        } else {
            out.push_str("%%");
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

/// Length of the operator that `text` begins with, closing `%` included.
fn operator(text: &str) -> Option<usize> {
    let end = text.find(|c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_')?;
    let mut at = end;
    let known = OPERATORS.iter().find(|(name, ..)| *name == &text[..end]);
    if let Some((_, argument, may_be_cut)) = known {
        let inner = text[at..].strip_prefix('(')?;
        let length = inner.find(')').filter(|length| argument.fits(&inner[..*length]))?;
        at += length + 2;
        if let Some(number) = text[at..].strip_prefix(':').filter(|_| *may_be_cut) {
            // Four digits are more than any header has, and surely fit Envoy's number.
            let digits = number.find(|c: char| !c.is_ascii_digit())?;
            at += 1 + Some(digits).filter(|digits| (1..=4).contains(digits))?;
        }
    } else if !PLAIN_OPERATORS.contains(&&text[..end]) {
        return None;
    }
    text[at..].starts_with('%').then_some(at + 1)
}

/// Whether RE2 takes the expression, as far as it can be told: what another engine alone
/// understands is refused, for Envoy would refuse the whole route table because of it.
pub(super) fn check_regex(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("an empty regular expression matches nothing".to_owned());
    }
    if !is_clean(text) {
        return Err("a regular expression cannot hold control characters".to_owned());
    }
    let foreign = ["&&", "[^]", r"\u", r"\U", r"\b{", r"\<", r"\>", "(?x", "(?R", "(?u", "(?<"];
    if let Some(part) = foreign.iter().find(|part| text.contains(**part)) {
        return Err(format!("{part:?} is not in RE2's syntax"));
    }
    if let Some(count) = repetitions(text).find(|count| *count > 1000) {
        return Err(format!("RE2 repeats at most 1000 times, not {count}"));
    }
    // The size limit keeps a hostile expression from taking all memory here or in a proxy.
    regex::RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(1 << 20)
        .build()
        .map(drop)
        .map_err(|error| format!("{text:?} is no regular expression: {error}"))
}

/// Reads base64, with or without padding.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, String> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config)
        .decode(text)
        .map_err(|error| format!("it is no base64: {error}"))
}

/// The numbers in `{n}`, `{n,}` and `{n,m}`.
fn repetitions(text: &str) -> impl Iterator<Item = u64> + '_ {
    text.split('{').skip(1).flat_map(|part| {
        let inner = part.split('}').next().unwrap_or_default();
        inner.split(',').filter_map(|number| number.parse().ok())
    })
}

impl Notes<'_> {
    /// Reads a string match; one that Envoy would refuse is bad.
    pub(super) fn text(&mut self, path: &str, written: &StringMatch) -> Result<TextMatch, Bad> {
        let text = match written.kind() {
            // `*` as an expression means "present" by Istio's own convention.
            MatchKind::Present | MatchKind::Regex("*") | MatchKind::Prefix("") => {
                return Ok(TextMatch::Present);
            }
            MatchKind::Regex(text) => {
                check_regex(text).map_err(|why| self.wrong(path, why))?;
                return Ok(TextMatch::Regex(text.to_owned()));
            }
            MatchKind::Exact(text) => TextMatch::Exact(text.to_owned()),
            MatchKind::Prefix(text) => TextMatch::Prefix(text.to_owned()),
        };
        let (TextMatch::Exact(inner) | TextMatch::Prefix(inner)) = &text else { return Ok(text) };
        if !is_clean(inner) {
            return Err(self.wrong(path, "control characters never match"));
        }
        Ok(text)
    }

    /// Reads header edits of both directions.
    pub(super) fn headers(&mut self, path: &str, written: Option<&Headers>) -> HeaderEdits {
        let mut edits = HeaderEdits::default();
        let Some(written) = written else { return edits };
        if let Some(request) = &written.request {
            let path = format!("{path}.request");
            edits.authority = request
                .set
                .iter()
                .chain(&request.add)
                .find(|(name, value)| is_authority(name) && is_clean(value))
                .map(|(_, value)| value.clone());
            edits.request = self.edits(&path, request, true);
        }
        if let Some(response) = &written.response {
            edits.response = self.edits(&format!("{path}.response"), response, false);
        }
        edits
    }

    fn edits(&mut self, path: &str, written: &WrittenEdits, request: bool) -> Edits {
        let remove = written.remove.iter().enumerate().filter_map(|(index, name)| {
            let path = format!("{path}.remove[{index}]");
            let name = name.to_ascii_lowercase();
            if name == "host" || name.starts_with(':') || !is_header_name(&name) {
                self.note(
                    Code::SchemaValidationError,
                    &path,
                    format!("{name:?} cannot be removed"),
                );
                return None;
            }
            Some(name)
        });
        let remove = remove.collect();
        Edits {
            set: self.pairs(&format!("{path}.set"), &written.set, request),
            add: self.pairs(&format!("{path}.add"), &written.add, request),
            remove,
        }
    }

    fn pairs(
        &mut self,
        path: &str,
        written: &BTreeMap<String, String>,
        request: bool,
    ) -> BTreeMap<String, String> {
        let mut pairs = BTreeMap::new();
        for (name, value) in written {
            if request && is_authority(name) {
                continue;
            }
            // Envoy refuses these in answers too.
            if name.starts_with(':') || is_authority(name) || !is_header_name(name) {
                self.wrong(path, format!("{name:?} is no header that can be written"));
            } else if is_clean(value) {
                pairs.insert(name.to_ascii_lowercase(), format_value(value));
            } else {
                self.wrong(path, format!("the value of {name:?} holds control characters"));
            }
        }
        pairs
    }
}

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percent_sign_without_operator_is_doubled() {
        let table = [
            ("plain", "plain"),
            ("100%", "100%%"),
            ("100%%", "100%%"),
            ("50% off", "50%% off"),
            ("%REQ(x-user)%", "%REQ(x-user)%"),
            ("%REQ(x?y):10%!", "%REQ(x?y):10%!"),
            ("%PROTOCOL%", "%PROTOCOL%"),
            ("%PROTOCOL", "%%PROTOCOL"),
            ("%UNKNOWN_WORD%", "%%UNKNOWN_WORD%%"),
            ("%REQ(x%", "%%REQ(x%%"),
            ("%REQ()%", "%%REQ()%%"),
            ("%REQ(a b)%", "%%REQ(a b)%%"),
            ("%REQ(a?b?c)%", "%%REQ(a?b?c)%%"),
            ("%REQ(:path)%", "%REQ(:path)%"),
            ("%UPSTREAM_METADATA(a:b):5%", "%%UPSTREAM_METADATA(a:b):5%%"),
            ("%FILTER_STATE(a:b)%", "%%FILTER_STATE(a:b)%%"),
            ("%FILTER_STATE(a:PLAIN)%", "%FILTER_STATE(a:PLAIN)%"),
            ("%PROTOCOL(x)%", "%%PROTOCOL(x)%%"),
        ];
        for (value, expected) in table {
            assert_eq!(format_value(value), expected, "{value}");
        }
    }

    #[test]
    fn base64_is_read() {
        assert_eq!(base64("aGVsbG8="), Ok(b"hello".to_vec()));
        assert_eq!(base64("aGVsbG8"), Ok(b"hello".to_vec()));
        assert_eq!(base64(""), Ok(Vec::new()));
        assert!(base64("a*").is_err());
    }

    #[test]
    fn an_expression_that_re2_refuses_is_refused() {
        for good in ["a.*", "^/v[12]/.*$", "(?i)abc", "a{1000}", r"\d+\.html", "[a-z]+"] {
            assert_eq!(check_regex(good), Ok(()), "{good}");
        }
        for bad in ["", "(", "a{1001}", "[a&&b]", r"\u{1F600}", "(?=x)", "a\nb", "*"] {
            assert!(check_regex(bad).is_err(), "{bad}");
        }
    }
}
