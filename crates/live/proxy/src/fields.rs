//! Header fields as offsets into one text: reading, editing and copying a head touches one buffer.

use std::fmt;

/// A piece of the text of [`Fields`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// From byte offsets; heads are bounded by [`crate::h1::HEAD_BYTES`], so 32 bits are plenty.
    fn new(start: usize, len: usize) -> Span {
        Span {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            len: u32::try_from(len).unwrap_or(0),
        }
    }

    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..(self.start as usize + self.len as usize)
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    name: Span,
    value: Span,
}

/// An ordered list of header fields. Names are lowercase ASCII, values are bytes without CR, LF or
/// NUL. Removed fields leave their text behind until [`Fields::clear`]: heads live for one request.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    text: Vec<u8>,
    slots: Vec<Slot>,
}

impl Fields {
    /// Forgets everything and keeps the buffers for the next head.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.slots.clear();
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of text, an upper bound of the head's size.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Takes `head` as the text; returns nothing in the list yet. The codec then registers the
    /// fields with [`Fields::push_within`].
    pub(crate) fn adopt(&mut self, head: &[u8]) {
        self.clear();
        self.text.extend_from_slice(head);
    }

    /// Registers a field whose name and value already lie in the adopted text at these offsets.
    pub(crate) fn push_within(&mut self, name: (usize, usize), value: (usize, usize)) {
        let name = Span::new(name.0, name.1);
        self.text[name.range()].make_ascii_lowercase();
        self.slots.push(Slot { name, value: Span::new(value.0, value.1) });
    }

    /// A span over text that was adopted, from byte offsets.
    pub(crate) fn span_within(start: usize, len: usize) -> Span {
        Span::new(start, len)
    }

    /// Stores text that is not a field (method, path, authority).
    pub(crate) fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        Span::new(start, bytes.len())
    }

    /// The bytes of a span.
    pub(crate) fn at(&self, span: Span) -> &[u8] {
        &self.text[span.range()]
    }

    /// The text of a span; empty when it is not UTF-8 (the codec admits ASCII only there).
    pub(crate) fn str(&self, span: Span) -> &str {
        std::str::from_utf8(self.at(span)).unwrap_or_default()
    }

    /// All fields in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.slots.iter().map(|slot| (self.str(slot.name), self.at(slot.value)))
    }

    /// The first value of `name` (lowercase).
    pub(crate) fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The first value of `name` as text, if it is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.value(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Every value of `name` (lowercase), in order.
    pub(crate) fn values<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.slots
            .iter()
            .filter(move |slot| self.at(slot.name) == name.as_bytes())
            .map(|slot| self.at(slot.value))
    }

    /// Adds a field at the end.
    pub(crate) fn append(&mut self, name: &str, value: &[u8]) {
        let name = self.store(name.as_bytes());
        self.text[name.range()].make_ascii_lowercase();
        let value = self.store(value);
        self.slots.push(Slot { name, value });
    }

    /// Sets `name` to one value, at the place of the first one if there is one.
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) {
        let first = self.slots.iter().position(|slot| self.at(slot.name) == name.as_bytes());
        let Some(first) = first else {
            self.append(name, value);
            return;
        };
        let value = self.store(value);
        self.slots[first].value = value;
        let text = &self.text;
        let mut index = 0;
        self.slots.retain(|slot| {
            let keep = index <= first || &text[slot.name.range()] != name.as_bytes();
            index += 1;
            keep
        });
    }

    /// Appends to the last value of `name` after `separator`, or adds the field.
    pub(crate) fn join(&mut self, name: &str, value: &[u8], separator: &str) {
        let last = self.slots.iter().rposition(|slot| self.at(slot.name) == name.as_bytes());
        let Some(last) = last else {
            self.append(name, value);
            return;
        };
        let joined = [self.at(self.slots[last].value), separator.as_bytes(), value].concat();
        self.slots[last].value = self.store(&joined);
    }

    /// Makes one line of those of a name where `separator` says what shall stand between them. Costs no more than a
    /// look at the lengths of names where none comes twice.
    pub(crate) fn join_lines(&mut self, separator: impl Fn(&str) -> Option<&'static str>) {
        let mut at = 0;
        while at + 1 < self.slots.len() {
            let name = self.slots[at].name;
            let text = &self.text;
            let is_same = |slot: &Slot| {
                slot.name.len == name.len && text[slot.name.range()] == text[name.range()]
            };
            if self.slots[at + 1..].iter().any(is_same)
                && let Some(separator) = separator(self.str(name))
            {
                let values: Vec<&[u8]> = self.values(self.str(name)).collect();
                let joined = values.join(separator.as_bytes());
                let value = self.store(&joined);
                let text = &self.text;
                let mut index = 0;
                self.slots.retain(|slot| {
                    index += 1;
                    index <= at + 1 || text[slot.name.range()] != text[name.range()]
                });
                self.slots[at].value = value;
            }
            at += 1;
        }
    }

    /// Removes every field of this name; true if there was one.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.slots.len();
        let text = &self.text;
        self.slots.retain(|slot| &text[slot.name.range()] != name.as_bytes());
        self.slots.len() != before
    }

    /// True if a comma-separated list field `name` holds `token`, in any case.
    pub(crate) fn has_token(&self, name: &str, token: &str) -> bool {
        self.values(name).any(|value| {
            value
                .split(|byte| *byte == b',')
                .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
            .finish()
    }
}

/// The head of a request, from either protocol, before and after edits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// All fields but `host`, which is `authority`.
    pub(crate) fields: Fields,
    pub(crate) method: Span,
    pub(crate) scheme: Span,
    pub(crate) authority: Span,
    /// It named no host, not even an empty one.
    pub(crate) has_no_host: bool,
    /// With the query.
    pub(crate) path: Span,
    /// The client spoke HTTP/2.
    pub(crate) http2: bool,
    /// The client spoke HTTP/1.0: no chunks for it.
    pub(crate) http10: bool,
    /// The client asked for an upgrade (`connection: upgrade`), with this protocol.
    pub(crate) upgrade: Option<Span>,
    /// The value of `connection` in a request for an upgrade, which is passed on as it is.
    pub(crate) connection: Span,
    /// The client waits for `100 Continue`.
    pub(crate) expects_continue: bool,
    /// The connection may carry another request after this one.
    pub(crate) keep_alive: bool,
}

impl Request {
    /// The method, as sent.
    pub(crate) fn method(&self) -> &str {
        self.fields.str(self.method)
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &str {
        self.fields.str(self.scheme)
    }

    /// Host and port as the client named them.
    pub(crate) fn authority(&self) -> &str {
        self.fields.str(self.authority)
    }

    /// Path with query.
    pub(crate) fn path(&self) -> &str {
        self.fields.str(self.path)
    }

    /// Sets the authority.
    pub(crate) fn set_authority(&mut self, authority: &str) {
        self.authority = self.fields.store(authority.as_bytes());
    }

    /// Sets path and query.
    pub(crate) fn set_path(&mut self, path: &str) {
        self.path = self.fields.store(path.as_bytes());
    }

    /// Forgets everything and keeps the buffers.
    pub(crate) fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = Request { fields, ..Request::default() };
    }
}

/// The head of a response, from either protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Response {
    /// 200, 404, ...
    pub(crate) status: u16,
    /// All fields; framing fields are set by the codec.
    pub(crate) fields: Fields,
    /// The upstream connection may be used again after this response.
    pub(crate) keep_alive: bool,
}

#[cfg(test)]
mod tests {
    use super::Fields;

    fn listed(fields: &Fields) -> Vec<(String, String)> {
        fields
            .iter()
            .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
            .collect()
    }

    #[test]
    fn set_keeps_the_place_of_the_first_and_drops_the_others() {
        let mut fields = Fields::default();
        fields.append("A", b"1");
        fields.append("b", b"2");
        fields.append("a", b"3");
        fields.set("a", b"9");
        assert_eq!(listed(&fields), [("a".into(), "9".into()), ("b".into(), "2".into())]);
        assert!(fields.remove("a"));
        assert!(!fields.remove("a"));
        assert_eq!(fields.len(), 1);
    }

    #[test]
    fn lines_become_one_where_that_is_wanted() {
        let mut fields = Fields::default();
        for (name, value) in
            [("a", "1"), ("b", "2"), ("a", "3"), ("c", "4"), ("b", "5"), ("a", "6")]
        {
            fields.append(name, value.as_bytes());
        }
        fields.join_lines(|name| (name == "a").then_some(","));
        assert_eq!(format!("{fields:?}"), r#"{"a": "1,3,6", "b": "2", "c": "4", "b": "5"}"#);
    }

    #[test]
    fn a_token_is_found_in_any_case_and_any_value() {
        let mut fields = Fields::default();
        fields.append("connection", b"keep-alive, Upgrade");
        assert!(fields.has_token("connection", "upgrade"));
        assert!(!fields.has_token("connection", "up"));
    }
}
