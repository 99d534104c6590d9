//! Paths: how they match, are rewritten and are made normal.

use std::borrow::Cow;

use regex::bytes::Regex;
use xds::route as proto;

use crate::{
    compile::{Bad, Within as _, full_regex, replacement},
    head::split_path,
};

/// A matcher of the path without its query.
#[derive(Clone, Debug)]
pub(crate) struct PathMatch {
    rule: PathRule,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum PathRule {
    Prefix(Box<str>),
    Exact(Box<str>),
    SeparatedPrefix(Box<str>),
    Regex(Regex),
    Connect,
}

impl PathMatch {
    pub(crate) fn compile(matcher: &proto::RouteMatch) -> Result<Self, Bad> {
        use proto::route_match::PathSpecifier as Rule;
        let rule = match &matcher.path_specifier {
            Some(Rule::Prefix(prefix)) => PathRule::Prefix(prefix.as_str().into()),
            Some(Rule::Path(path)) => PathRule::Exact(path.as_str().into()),
            Some(Rule::PathSeparatedPrefix(prefix)) => {
                if !prefix.starts_with('/') || prefix.ends_with('/') || prefix.contains(['?', '#'])
                {
                    return Err(Bad::new(
                        "path_separated_prefix",
                        format!("{prefix:?} must begin with a slash and not end with one"),
                    ));
                }
                PathRule::SeparatedPrefix(prefix.as_str().into())
            }
            Some(Rule::SafeRegex(regex)) => {
                PathRule::Regex(full_regex(&regex.regex).within("safe_regex")?)
            }
            Some(Rule::ConnectMatcher(_)) => PathRule::Connect,
            Some(Rule::PathMatchPolicy(_)) => return Err(Bad::unsupported("path_match_policy")),
            None => return Err(Bad::new("path_specifier", "is not set; use prefix: \"/\"")),
        };
        Ok(Self { rule, ignore_case: matcher.case_sensitive == Some(false) })
    }

    /// Whether a path without query matches a request of this method.
    pub(crate) fn matches(&self, path: &str, method: &str) -> bool {
        match &self.rule {
            PathRule::Prefix(prefix) => self.starts(path, prefix),
            PathRule::Exact(exact) => self.equal(path, exact),
            PathRule::SeparatedPrefix(prefix) => {
                self.starts(path, prefix)
                    && matches!(path.as_bytes().get(prefix.len()), None | Some(b'/'))
            }
            PathRule::Regex(regex) => method != "CONNECT" && regex.is_match(path.as_bytes()),
            PathRule::Connect => method == "CONNECT",
        }
    }

    /// How many bytes of a matching path the rule stands for: what a prefix rewrite replaces.
    fn matched_len(&self, path: &str) -> usize {
        match &self.rule {
            PathRule::Prefix(prefix) | PathRule::SeparatedPrefix(prefix) => prefix.len(),
            PathRule::Exact(_) | PathRule::Regex(_) | PathRule::Connect => path.len(),
        }
    }

    fn equal(&self, a: &str, b: &str) -> bool {
        if self.ignore_case { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    fn starts(&self, path: &str, prefix: &str) -> bool {
        let Some(start) = path.as_bytes().get(..prefix.len()) else { return false };
        if self.ignore_case {
            start.eq_ignore_ascii_case(prefix.as_bytes())
        } else {
            start == prefix.as_bytes()
        }
    }
}

/// What becomes of a path.
#[derive(Clone, Debug)]
pub(crate) enum PathRewrite {
    /// It stays.
    Keep,
    /// The part that matched becomes this.
    Prefix(Box<str>),
    /// Each match of the expression, outside the query, becomes the substitution.
    Regex(Regex, Box<[u8]>),
}

impl PathRewrite {
    pub(crate) fn compile(
        prefix: &str,
        regex: Option<&xds::kind::RegexMatchAndSubstitute>,
    ) -> Result<Self, Bad> {
        let Some(rewrite) = regex else {
            let is_set = !prefix.is_empty();
            return Ok(if is_set { Self::Prefix(prefix.into()) } else { Self::Keep });
        };
        if !prefix.is_empty() {
            return Err(Bad::new("regex_rewrite", "cannot be used together with prefix_rewrite"));
        }
        let pattern = rewrite.pattern.as_ref().map_or("", |pattern| pattern.regex.as_str());
        let (regex, text) = replacement(pattern, &rewrite.substitution).within("regex_rewrite")?;
        Ok(Self::Regex(regex, text))
    }

    /// The new path and query; `None` when nothing changes.
    pub(crate) fn apply(&self, path: &str, matcher: &PathMatch) -> Option<String> {
        let (bare, query) = split_path(path);
        match self {
            Self::Keep => None,
            Self::Prefix(prefix) => {
                let rest = bare.get(matcher.matched_len(bare)..).unwrap_or("");
                Some([prefix, rest, query].concat())
            }
            Self::Regex(regex, text) => {
                let replaced = regex.replace_all(bare.as_bytes(), &**text);
                let replaced = String::from_utf8_lossy(&replaced);
                Some([&*replaced, query].concat())
            }
        }
    }
}

/// What to do with `%2F` and `%5C` in paths. Spec: Envoy `PathWithEscapedSlashesAction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EscapedSlashes {
    Keep,
    Reject,
    Redirect,
    Forward,
}

/// How paths are made normal before anything looks at them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Normalization {
    pub(crate) dot_segments: bool,
    pub(crate) merge_slashes: bool,
    pub(crate) escaped_slashes: EscapedSlashes,
}

/// What became of a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Normal<'a> {
    /// This is the path.
    Path(Cow<'a, str>),
    /// The path holds a null byte, or escaped slashes that are forbidden: 400.
    Rejected,
    /// The client is sent to the normal path.
    Redirect(String),
}

impl Normalization {
    /// Makes a path normal; borrows it when it is normal already.
    pub(crate) fn apply<'a>(&self, path: &'a str) -> Normal<'a> {
        let (bare, query) = split_path(path);
        let mut current: Cow<'a, str> = Cow::Borrowed(bare);
        let has_escaped = self.escaped_slashes != EscapedSlashes::Keep && has_escaped_slash(bare);
        if has_escaped {
            if self.escaped_slashes == EscapedSlashes::Reject {
                return Normal::Rejected;
            }
            current = Cow::Owned(unescape_slashes(&current));
        }
        if self.dot_segments && needs_normalizing(&current) {
            match canonical(&current) {
                Some(normal) => current = Cow::Owned(normal),
                None => return Normal::Rejected,
            }
        }
        if self.merge_slashes && current.contains("//") {
            current = Cow::Owned(merge_slashes(&current));
        }
        let whole = match current {
            Cow::Borrowed(_) => return Normal::Path(Cow::Borrowed(path)),
            Cow::Owned(bare) => bare + query,
        };
        if has_escaped && self.escaped_slashes == EscapedSlashes::Redirect {
            return Normal::Redirect(whole);
        }
        Normal::Path(Cow::Owned(whole))
    }
}

fn has_escaped_slash(path: &str) -> bool {
    path.as_bytes().windows(3).any(is_escaped_slash)
}

fn is_escaped_slash(part: &[u8]) -> bool {
    part.eq_ignore_ascii_case(b"%2f") || part.eq_ignore_ascii_case(b"%5c")
}

fn unescape_slashes(path: &str) -> String {
    let mut out = path.to_owned();
    for (escaped, plain) in [("%2f", "/"), ("%2F", "/"), ("%5c", "\\"), ("%5C", "\\")] {
        out = out.replace(escaped, plain);
    }
    out
}

/// Whether a path has anything that [`canonical`] could change.
fn needs_normalizing(path: &str) -> bool {
    path.contains("/.")
        || path.bytes().any(|byte| byte == b'%' || byte == b'\\' || is_escaped(byte))
}

/// Bytes that stand in a path only as escapes.
const fn is_escaped(byte: u8) -> bool {
    byte <= b' '
        || byte >= 0x7f
        || matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Resolves `.` and `..`, turns `\` into `/`, decodes what needs no escape and escapes what does. A path that climbs
/// above its root stays there. `None` when it holds a null byte, which ends a path for some readers.
///
/// Spec: RFC 3986, section 5.2.4, as the URL library of Chromium does it, which Envoy uses.
fn canonical(path: &str) -> Option<String> {
    let bare = without_parameters(path);
    let decoded = decode_unreserved(&bare)?;
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = decoded.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        match part {
            "." => {
                if is_last {
                    segments.push("");
                }
            }
            ".." => {
                segments.pop();
                if is_last {
                    segments.push("");
                }
            }
            part => segments.push(part),
        }
    }
    Some(segments.iter().fold(String::with_capacity(path.len()), |mut out, segment| {
        out.push('/');
        out.push_str(segment);
        out
    }))
}

/// Cuts off the parameters of `.` and `..`, by which who cuts off all parameters would climb later.
fn without_parameters(path: &str) -> Cow<'_, str> {
    let is_dots = |segment: &str| segment.starts_with(".;") || segment.starts_with("..;");
    if !path.split('/').any(is_dots) {
        return Cow::Borrowed(path);
    }
    let bare = path.split('/').map(|segment| match segment.split_once(';') {
        Some((dots, _)) if is_dots(segment) => dots,
        _ => segment,
    });
    Cow::Owned(bare.collect::<Vec<_>>().join("/"))
}

/// Decodes escapes of letters, digits, `-`, `.`, `_` and `~`, escapes what may not stand in a path, and turns
/// backslashes round. `None` when there is a null byte.
fn decode_unreserved(path: &str) -> Option<String> {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    let mut at = 0;
    // Where a percent sign stands that begins no escape.
    let mut bare = Vec::new();
    while let Some(byte) = bytes.get(at).copied() {
        at += 1;
        let escaped = (byte == b'%').then(|| escape_at(bytes, at)).flatten();
        match escaped {
            Some(0) => return None,
            Some(byte) => {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte));
                } else {
                    out.push_str(&path[at - 1..at + 2]);
                }
                at += 2;
            }
            None if byte == 0 => return None,
            None if byte == b'\\' => out.push('/'),
            None if is_escaped(byte) => out.push_str(&format!("%{byte:02X}")),
            None => {
                if byte == b'%' {
                    bare.push(out.len());
                }
                out.push(char::from(byte));
            }
        }
    }
    // What was decoded behind it may have made an escape of it: the next reader must not decode twice.
    for at in bare.into_iter().rev() {
        if escape_at(out.as_bytes(), at + 1).is_some() {
            out.insert_str(at + 1, "25");
        }
    }
    Some(out)
}

/// The byte whose two digits stand here.
fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    u8::try_from(digit(at)? * 16 + digit(at + 1)?).ok()
}

fn merge_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proto::route_match::PathSpecifier as Rule;
    use xds::kind::{RegexMatchAndSubstitute, RegexMatcher};

    use super::*;

    fn matcher(rule: Rule, case_sensitive: bool) -> PathMatch {
        PathMatch::compile(&proto::RouteMatch {
            path_specifier: Some(rule),
            case_sensitive: Some(case_sensitive),
            ..Default::default()
        })
        .unwrap()
    }

    fn regex(pattern: &str) -> RegexMatcher {
        RegexMatcher { regex: pattern.to_owned(), ..Default::default() }
    }

    #[test]
    fn every_path_rule() {
        let table = [
            (Rule::Prefix("/foo".into()), true, "/foobar", true),
            (Rule::Prefix("/foo".into()), true, "/Foo", false),
            (Rule::Prefix("/foo".into()), false, "/FOObar", true),
            (Rule::Path("/foo".into()), true, "/foo", true),
            (Rule::Path("/foo".into()), true, "/foo/", false),
            (Rule::Path("/foo".into()), false, "/FoO", true),
            (Rule::PathSeparatedPrefix("/foo".into()), true, "/foo", true),
            (Rule::PathSeparatedPrefix("/foo".into()), true, "/foo/x", true),
            (Rule::PathSeparatedPrefix("/foo".into()), true, "/foobar", false),
            (Rule::SafeRegex(regex("/v[0-9]+/.*")), true, "/v12/x", true),
            (Rule::SafeRegex(regex("/v[0-9]+")), true, "/v12/x", false),
        ];
        for (rule, case_sensitive, path, expected) in table {
            let compiled = matcher(rule.clone(), case_sensitive);
            assert_eq!(compiled.matches(path, "GET"), expected, "{rule:?} {path}");
        }
    }

    #[test]
    fn connect_is_matched_by_its_method() {
        let connect = matcher(Rule::ConnectMatcher(Default::default()), true);
        assert!(connect.matches("", "CONNECT"));
        assert!(!connect.matches("/", "GET"));
    }

    #[test]
    fn rewrites_replace_what_matched() {
        let prefix = |text: &str| PathRewrite::compile(text, None).unwrap();
        let table = [
            (Rule::Prefix("/api/".into()), "/", "/api/x?q=1", "/x?q=1"),
            (Rule::Prefix("/".into()), "/v1/", "/x", "/v1/x"),
            (Rule::Path("/old".into()), "/new", "/old?a", "/new?a"),
            (Rule::PathSeparatedPrefix("/api".into()), "/v2", "/api/x", "/v2/x"),
            (Rule::SafeRegex(regex("/a.*")), "/b", "/abc?x", "/b?x"),
        ];
        for (rule, rewrite, path, expected) in table {
            let compiled = matcher(rule, true);
            assert_eq!(prefix(rewrite).apply(path, &compiled).as_deref(), Some(expected));
        }
        assert_eq!(PathRewrite::Keep.apply("/x", &matcher(Rule::Prefix("/".into()), true)), None);
    }

    #[test]
    fn regex_rewrites_leave_the_query_alone() {
        let rewrite = RegexMatchAndSubstitute {
            pattern: Some(regex("^/service/([^/]+)(/.*)$")),
            substitution: r"\2/instance/\1".into(),
        };
        let rewrite = PathRewrite::compile("", Some(&rewrite)).unwrap();
        let any = matcher(Rule::Prefix("/".into()), true);
        assert_eq!(
            rewrite.apply("/service/foo/v1/api?a=/service/x/y", &any).as_deref(),
            Some("/v1/api/instance/foo?a=/service/x/y")
        );
    }

    #[test]
    fn paths_become_normal() {
        let base = Normalization {
            dot_segments: true,
            merge_slashes: false,
            escaped_slashes: EscapedSlashes::Keep,
        };
        let merge = Normalization { merge_slashes: true, ..base };
        let decode = Normalization { escaped_slashes: EscapedSlashes::Forward, ..merge };
        let table = [
            (base, "/a/./b", "/a/b"),
            (base, "/a/../b?x=/../", "/b?x=/../"),
            (base, "/a/..", "/"),
            (base, "/a/b/.", "/a/b/"),
            (base, "/a%2e%2E/b", "/a../b"),
            (base, "/%2e%2e/a", "/a"),
            (base, "/a%00b", "!"),
            (base, "/a%01b", "/a%01b"),
            (base, "/{a}|^\"<`>", "/%7Ba%7D%7C%5E%22%3C%60%3E"),
            (base, "/%%34%31", "/%2541"),
            (base, "/%%341", "/%2541"),
            (base, "/%4%31", "/%2541"),
            (base, "/%zz%41", "/%zzA"),
            (base, "/../../a/../../b", "/b"),
            (base, "/a;p=1/..;/b/./", "/b/"),
            (base, "/a/.;x/b", "/a/b"),
            (base, "/a/..;x\\b", "/"),
            (base, "/a/%2e%2e;x/b", "/a/..;x/b"),
            (base, "/a/...;x/b", "/a/...;x/b"),
            (base, "/a\\b", "/a/b"),
            (base, "/a//b", "/a//b"),
            (base, "/%41%2Fb", "/A%2Fb"),
            (base, "/%", "/%"),
            (merge, "//a///b", "/a/b"),
            (decode, "/a%2f..%5Cb", "/b"),
            (base, "/..", "/"),
        ];
        for (how, path, expected) in table {
            let told = match how.apply(path) {
                Normal::Path(path) => path.into_owned(),
                Normal::Rejected => "!".to_owned(),
                Normal::Redirect(path) => format!("-> {path}"),
            };
            assert_eq!(told, expected, "{path}");
        }
    }

    #[test]
    fn normal_paths_are_borrowed() {
        let how = Normalization {
            dot_segments: true,
            merge_slashes: true,
            escaped_slashes: EscapedSlashes::Reject,
        };
        assert!(matches!(how.apply("/a/b?c=%2F"), Normal::Path(Cow::Borrowed(_))));
        assert_eq!(how.apply("/a%2fb"), Normal::Rejected);
    }
}
