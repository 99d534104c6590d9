//! Lists of header edits as a configuration writes them: level after level, each with removals and additions.

use std::ops::Range;

use xds::core;

use crate::{
    compile::{Bad, Within as _},
    edits::{Editable, Headers},
    format::{Facts, Scene, Template},
    inline::Side,
};

/// The header edits of a route, prepared: what the levels say, in the order in which they apply.
#[derive(Debug, Default)]
pub(crate) struct EditList {
    levels: Vec<Level>,
    /// How many of the first are of a cluster weight.
    of_target: usize,
}

/// What one level says. Removals come first; then all values are made, before any of them is written.
#[derive(Clone, Debug)]
struct Level {
    removals: Vec<Box<str>>,
    additions: Vec<Addition>,
    /// Whether each value is known and no name comes twice, so that nothing depends on the order of looking and writing.
    is_plain: bool,
}

#[derive(Clone, Debug)]
struct Addition {
    rule: Rule,
    name: Box<str>,
    value: Template,
    keep_empty: bool,
    /// What stands between an old value and this one, where both have to share a line.
    separator: Option<&'static str>,
    has_bad_name: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Add,
    AddIfAbsent,
    Overwrite,
    OverwriteIfPresent,
}

/// An addition that will be written, and where its value is.
type Planned<'a> = (&'a Addition, Range<usize>);

impl EditList {
    /// Reads what one level adds and removes.
    pub(crate) fn compile(
        add: &[core::HeaderValueOption],
        remove: &[String],
        side: Side,
    ) -> Result<Self, Bad> {
        let field = match side {
            Side::Request => "request_headers",
            Side::Response => "response_headers",
        };
        let mut removals = Vec::with_capacity(remove.len());
        for (at, name) in remove.iter().enumerate() {
            removals.push(header_name(name).within_item(&format!("{field}_to_remove"), at)?);
        }
        let mut additions = Vec::with_capacity(add.len());
        for (at, option) in add.iter().enumerate() {
            let addition = Addition::compile(option, side);
            additions.extend(addition.within_item(&format!("{field}_to_add"), at)?);
        }
        if removals.is_empty() && additions.is_empty() {
            return Ok(Self::default());
        }
        let comes_twice =
            |at: usize, it: &Addition| additions[..at].iter().any(|o| o.name == it.name);
        let is_plain = additions.iter().enumerate().all(|(at, it)| {
            !it.has_bad_name
                && matches!(&it.value, Template::Literal(text) if !is_bad_value(text))
                && !comes_twice(at, it)
        });
        Ok(Self { levels: vec![Level { removals, additions, is_plain }], of_target: 0 })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    /// One list after another, after that of a cluster weight.
    pub(crate) fn joined(target: Option<&Self>, lists: &[&Self]) -> Self {
        let all = target.into_iter().chain(lists.iter().copied());
        Self {
            levels: all.flat_map(|list| list.levels.iter().cloned()).collect(),
            of_target: target.map_or(0, |list| list.levels.len()),
        }
    }

    /// Whether some value depends on the message or its circumstances.
    pub(crate) fn has_formats(&self) -> bool {
        let mut all = self.levels.iter().flat_map(|level| &level.additions);
        all.any(|it| matches!(it.value, Template::Format(_)))
    }

    /// Edits a message; `request` is its request, `None` where it is one itself. What no codec may send is told.
    pub(crate) fn apply<M: Editable>(
        &self,
        message: &mut M,
        request: Option<&dyn Headers>,
        facts: &Facts<'_>,
    ) -> Option<Box<str>> {
        let wrong = self.apply_of_target(message, request, facts);
        wrong.or(self.apply_of_others(message, request, facts))
    }

    /// The part of [`Self::apply`] that a cluster weight asks for.
    pub(crate) fn apply_of_target<M: Editable>(
        &self,
        message: &mut M,
        request: Option<&dyn Headers>,
        facts: &Facts<'_>,
    ) -> Option<Box<str>> {
        Self::apply_levels(&self.levels[..self.of_target], message, request, facts)
    }

    /// The rest of [`Self::apply`].
    pub(crate) fn apply_of_others<M: Editable>(
        &self,
        message: &mut M,
        request: Option<&dyn Headers>,
        facts: &Facts<'_>,
    ) -> Option<Box<str>> {
        Self::apply_levels(&self.levels[self.of_target..], message, request, facts)
    }

    fn apply_levels<M: Editable>(
        levels: &[Level],
        message: &mut M,
        request: Option<&dyn Headers>,
        facts: &Facts<'_>,
    ) -> Option<Box<str>> {
        let mut wrong = None;
        for level in levels {
            for name in &level.removals {
                message.remove_all(name);
            }
            if level.is_plain {
                level.write_plain(message);
            } else {
                let found = level.write(message, request, facts);
                wrong = wrong.or(found);
            }
        }
        wrong
    }
}

impl Level {
    fn write_plain<M: Editable>(&self, message: &mut M) {
        for overwrites in [true, false] {
            for addition in self.additions.iter().filter(|it| it.rule.overwrites() == overwrites) {
                if let Template::Literal(value) = &addition.value
                    && addition.rule.applies(&addition.name, message)
                {
                    addition.write(message, value);
                }
            }
        }
    }

    fn write<M: Editable>(
        &self,
        message: &mut M,
        request: Option<&dyn Headers>,
        facts: &Facts<'_>,
    ) -> Option<Box<str>> {
        let mut text = Vec::new();
        let planned = self.plan(message, request, facts, &mut text);
        let mut wrong = None;
        for overwrites in [true, false] {
            for (addition, place) in &planned {
                if addition.rule.overwrites() != overwrites {
                    continue;
                }
                let value = &text[place.clone()];
                if addition.has_bad_name {
                    wrong = Some(format!("invalid header name: {}", addition.name).into());
                } else if is_bad_value(value) {
                    wrong = Some(format!("invalid header value for: {}", addition.name).into());
                }
                addition.write(message, value);
            }
        }
        wrong
    }

    /// Makes all values, and looks which of them will be written.
    fn plan<M: Editable>(
        &self,
        message: &M,
        request: Option<&dyn Headers>,
        facts: &Facts<'_>,
        text: &mut Vec<u8>,
    ) -> Vec<Planned<'_>> {
        let scene = match request {
            Some(request) => Scene { request, response: Some(message), facts },
            None => Scene { request: message, response: None, facts },
        };
        let mut planned = Vec::with_capacity(self.additions.len());
        for addition in &self.additions {
            let start = text.len();
            addition.value.write(&scene, text);
            let is_empty = text.len() == start;
            if (is_empty && !addition.keep_empty) || !addition.rule.applies(&addition.name, message)
            {
                text.truncate(start);
            } else {
                planned.push((addition, start..text.len()));
            }
        }
        planned
    }
}

impl Rule {
    const fn overwrites(self) -> bool {
        matches!(self, Self::Overwrite | Self::OverwriteIfPresent)
    }

    fn applies<M: Headers>(self, name: &str, message: &M) -> bool {
        match self {
            Self::Add | Self::Overwrite => true,
            Self::AddIfAbsent => message.header(name).is_none(),
            Self::OverwriteIfPresent => message.header(name).is_some(),
        }
    }
}

impl Addition {
    /// `None` for a value that is empty and shall not be kept.
    fn compile(option: &core::HeaderValueOption, side: Side) -> Result<Option<Self>, Bad> {
        let Some(header) = &option.header else {
            return Err(Bad::new("header", "is not set"));
        };
        let name = header_name(&header.key).within("header.key")?;
        let is_broken = |bytes: &[u8]| bytes.iter().any(|byte| b"\0\r\n".contains(byte));
        if is_broken(header.value.as_bytes()) || is_broken(&header.raw_value) {
            return Err(Bad::new("header.value", "holds a line break or a NUL"));
        }
        let value = if header.raw_value.is_empty() {
            Template::parse(&header.value).within("header.value")?
        } else {
            Template::Literal(header.raw_value.as_slice().into())
        };
        let rule = match (option.append, option.append_action) {
            (Some(_), 1..) => {
                return Err(Bad::new("append", "cannot be used together with append_action"));
            }
            (Some(false), _) | (_, 2) => Rule::Overwrite,
            (_, 1) => Rule::AddIfAbsent,
            (_, 3) => Rule::OverwriteIfPresent,
            _ => Rule::Add,
        };
        let keep_empty = option.keep_empty_value;
        if !keep_empty && matches!(&value, Template::Literal(text) if text.is_empty()) {
            return Ok(None);
        }
        let separator = side.joins(&name);
        let has_bad_name = !name.bytes().all(is_token);
        Ok(Some(Self { rule, name, value, keep_empty, separator, has_bad_name }))
    }

    fn write<M: Editable>(&self, message: &mut M, value: &[u8]) {
        match self.separator {
            _ if self.rule.overwrites() => message.set(&self.name, value),
            Some(separator) => message.join(&self.name, value, separator),
            None => message.add(&self.name, value),
        }
    }
}

/// A header that routes may change: not the ones that stand for method, path and host.
fn header_name(name: &str) -> Result<Box<str>, Bad> {
    let name = name.to_ascii_lowercase();
    if name.is_empty() {
        return Err(Bad::new("", "the header's name is empty"));
    }
    if name.contains(['\0', '\r', '\n']) {
        return Err(Bad::new("", format!("{name:?} holds a line break or a NUL")));
    }
    if name.starts_with(':') || name == "host" {
        return Err(Bad::new(
            "",
            format!("{name:?} may not be modified; use a host or path rewrite"),
        ));
    }
    Ok(name.into())
}

/// What names of headers are made of. Spec: RFC 9110 section 5.6.2, `tchar`.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}

/// Whether a value holds what no codec may send: control characters other than tabs.
fn is_bad_value(value: &[u8]) -> bool {
    value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::{edits::Nowhere, peer::Peer};

    type Message = Vec<(Cow<'static, str>, Vec<u8>)>;

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

    const ADD: i32 = 0;
    const IF_ABSENT: i32 = 1;
    const SET: i32 = 2;
    const IF_PRESENT: i32 = 3;

    fn list(add: &[(&str, &str, i32)], remove: &[&str]) -> EditList {
        let add: Vec<_> =
            add.iter().map(|(name, value, rule)| option(name, value, *rule)).collect();
        let remove: Vec<String> = remove.iter().map(|name| (*name).to_owned()).collect();
        EditList::compile(&add, &remove, Side::Request).unwrap()
    }

    /// The headers after the edits, and what is wrong with them.
    fn edited(list: &EditList, headers: &[(&'static str, &str)]) -> (String, Option<Box<str>>) {
        let mut message: Message = headers
            .iter()
            .map(|(name, value)| (Cow::Borrowed(*name), value.as_bytes().to_vec()))
            .collect();
        let peer = Peer::default();
        let wrong = list.apply(&mut message, None, &Facts::new(&peer, &Nowhere));
        let all: Vec<_> = message
            .iter()
            .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
            .collect();
        (all.join(" "), wrong)
    }

    #[test]
    fn each_rule_does_what_its_name_says() {
        let rules =
            [("A", "1", ADD), ("b", "2", IF_ABSENT), ("c", "3", SET), ("d", "4", IF_PRESENT)];
        let list = list(&rules, &["E"]);
        assert_eq!(edited(&list, &[]).0, "c=3 a=1 b=2");
        assert_eq!(
            edited(&list, &[("a", "x"), ("b", "x"), ("c", "x"), ("d", "x"), ("e", "x")]).0,
            "a=x b=x c=3 d=4 a=1"
        );
    }

    #[test]
    fn within_a_level_all_is_looked_at_before_anything_is_written() {
        let list = list(
            &[
                ("a", "1", ADD),
                ("a", "2", ADD),
                ("a", "3", SET),
                ("a", "4", IF_ABSENT),
                ("b", "%REQ(a)%", ADD),
                ("b", "%REQ(gone)%", ADD),
            ],
            &["gone"],
        );
        assert_eq!(edited(&list, &[("gone", "x")]).0, "a=3 a=1 a=2 a=4");
        assert_eq!(edited(&list, &[("a", "old")]).0, "a=3 a=1 a=2 b=old");
    }

    #[test]
    fn a_level_sees_what_the_one_before_it_wrote() {
        let first = list(&[("a", "1", ADD)], &[]);
        let both = EditList::joined(None, &[&first, &list(&[("b", "%REQ(a)%", ADD)], &[])]);
        assert_eq!(edited(&both, &[]).0, "a=1 b=1");
    }

    #[test]
    fn some_headers_have_one_line() {
        let list = list(&[("User-Agent", "new", ADD), ("x-a", "new", ADD)], &[]);
        assert_eq!(
            edited(&list, &[("user-agent", "old"), ("x-a", "old")]).0,
            "user-agent=old,new x-a=old x-a=new"
        );
    }

    #[test]
    fn the_old_append_field_still_counts() {
        let old = core::HeaderValueOption { append: Some(false), ..option("a", "1", ADD) };
        let list = EditList::compile(&[old], &[], Side::Request).unwrap();
        assert_eq!(edited(&list, &[("a", "old")]).0, "a=1");
        let both = core::HeaderValueOption { append: Some(true), ..option("a", "1", SET) };
        assert!(EditList::compile(&[both], &[], Side::Request).is_err());
    }

    #[test]
    fn an_empty_value_is_left_out() {
        let unset = list(&[("a", "%REQ(none)%", SET), ("b", "", SET)], &[]);
        assert_eq!(edited(&unset, &[]).0, "");
        let kept = core::HeaderValueOption { keep_empty_value: true, ..option("b", "", SET) };
        let kept = EditList::compile(&[kept], &[], Side::Response).unwrap();
        assert_eq!(edited(&kept, &[]).0, "b=");
    }

    #[test]
    fn what_no_codec_may_send_is_told_when_it_is_written() {
        let name = list(&[("x a", "v", IF_PRESENT)], &[]);
        assert_eq!(edited(&name, &[]).1, None);
        let told = edited(&name, &[("x a", "old")]).1;
        assert_eq!(told.as_deref(), Some("invalid header name: x a"));
        let value = edited(&list(&[("x-a", "\u{1}", ADD)], &[]), &[]).1;
        assert_eq!(value.as_deref(), Some("invalid header value for: x-a"));
        assert_eq!(edited(&list(&[("x-a", "a\tb", ADD)], &[]), &[]).1, None);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        for (name, value) in [
            (":path", "/"),
            ("Host", "a"),
            ("", "a"),
            ("a\nb", "a"),
            ("a", "b\rc"),
            ("a", "%START"),
            ("a", "%NO_SUCH%"),
        ] {
            let list = EditList::compile(&[option(name, value, ADD)], &[], Side::Request);
            assert!(list.is_err(), "{name}: {value}");
        }
    }
}
