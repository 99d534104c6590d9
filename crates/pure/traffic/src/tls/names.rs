//! What the alternative names of a certificate must be.

use xds::{kind, tls as proto};

use crate::{
    compile::{Bad, Within as _},
    matcher::StringMatch,
};

/// The kinds of names in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A DNS name.
    Dns,
    /// A URI, such as a SPIFFE id.
    Uri,
    /// An address of mail.
    Email,
    /// An IP address as text.
    Ip,
}

/// What one name must be.
#[derive(Clone, Debug)]
pub struct NameMatch {
    /// `None` is every kind.
    kind: Option<NameKind>,
    /// For DNS names, where a wildcard in the certificate counts.
    exact: Option<Box<str>>,
    text: StringMatch,
}

impl NameMatch {
    pub(super) fn typed(matcher: &proto::SubjectAltNameMatcher) -> Result<Self, Bad> {
        use proto::subject_alt_name_matcher::SanType;
        let kind = match matcher.san_type() {
            SanType::Email => NameKind::Email,
            SanType::Dns => NameKind::Dns,
            SanType::Uri => NameKind::Uri,
            SanType::IpAddress => NameKind::Ip,
            SanType::OtherName => return Err(Bad::unsupported("san_type OTHER_NAME")),
            SanType::Unspecified => return Err(Bad::new("san_type", "is not set")),
        };
        let text = matcher.matcher.as_ref().ok_or_else(|| Bad::new("matcher", "is not set"))?;
        Self::of(Some(kind), text).within("matcher")
    }

    pub(super) fn of(kind: Option<NameKind>, matcher: &kind::StringMatcher) -> Result<Self, Bad> {
        use kind::string_matcher::MatchPattern;
        let exact = match &matcher.match_pattern {
            Some(MatchPattern::Exact(text)) => Some(text.as_str().into()),
            _ => None,
        };
        Ok(Self { kind, exact, text: StringMatch::compile(matcher)? })
    }

    /// Asks for a DNS name.
    #[must_use]
    pub fn dns(name: &str) -> Self {
        let text = StringMatch::exact(name);
        Self { kind: Some(NameKind::Dns), exact: Some(name.into()), text }
    }

    /// Whether a name of this kind is one of those that are asked for.
    #[must_use]
    pub fn matches(&self, kind: NameKind, name: &str) -> bool {
        if self.kind.is_some_and(|wanted| wanted != kind) {
            return false;
        }
        match &self.exact {
            Some(exact) if kind == NameKind::Dns => dns_matches(exact, name),
            _ => self.text.matches(name.as_bytes()),
        }
    }
}

/// Whether a DNS name of a certificate stands for a host: a leading `*` stands for one label.
fn dns_matches(host: &str, name: &str) -> bool {
    if let Some(suffix) = name.strip_prefix("*.") {
        let rest = host.split_once('.').filter(|(label, _)| !label.is_empty());
        return rest.is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(suffix));
    }
    host.eq_ignore_ascii_case(name)
}
