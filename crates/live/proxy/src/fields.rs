//! Header fields as offsets into two texts, one of words and one of bytes: reading, editing and copying a head touches two
//! buffers, and what is text was looked at once.

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

/// A piece of the words of [`Fields`]: names of fields, methods, paths, authorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word(Span);

#[derive(Clone, Copy, Debug)]
struct Slot {
    name: Word,
    value: Span,
}

/// Room for what edits add to a head that is copied to be edited, so that its buffers grow once: bytes of words and of values,
/// and fields.
const ROOM: (usize, usize, usize) = (192, 256, 12);

/// An ordered list of header fields. Names are lowercase ASCII, values are bytes without CR, LF or
/// NUL. Removed fields leave their text behind until [`Fields::clear`]: heads live for one request.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    words: String,
    text: Vec<u8>,
    slots: Vec<Slot>,
}

impl Fields {
    /// Forgets everything and keeps the buffers for the next head.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
        self.text.clear();
        self.slots.clear();
    }

    /// A copy with room for edits.
    fn to_edit(&self) -> Fields {
        let mut words = String::with_capacity(self.words.len() + ROOM.0);
        words.push_str(&self.words);
        let mut text = Vec::with_capacity(self.text.len() + ROOM.1);
        text.extend_from_slice(&self.text);
        let mut slots = Vec::with_capacity(self.slots.len() + ROOM.2);
        slots.extend_from_slice(&self.slots);
        Fields { words, text, slots }
    }

    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of text, an upper bound of the head's size.
    pub(crate) fn bytes(&self) -> usize {
        self.words.len() + self.text.len()
    }

    /// Takes `head` as the text; returns nothing in the list yet. The codec then registers the
    /// fields with [`Fields::push_within`].
    pub(crate) fn adopt(&mut self, head: &[u8]) {
        self.clear();
        // Names are a part of the head; what edits add fits beside it.
        self.words.reserve(head.len() / 2 + ROOM.0);
        self.text.reserve(head.len() + ROOM.1);
        self.slots.reserve(2 * ROOM.2);
        self.text.extend_from_slice(head);
    }

    /// Registers a field whose value already lies in the adopted text at this offset.
    pub(crate) fn push_within(&mut self, name: &str, value: (usize, usize)) {
        let name = self.store_name(name);
        self.slots.push(Slot { name, value: Span::new(value.0, value.1) });
    }

    fn store_name(&mut self, name: &str) -> Word {
        let word = self.store_word(name);
        self.words[word.0.range()].make_ascii_lowercase();
        word
    }

    /// Stores text that is not a field (method, path, authority).
    pub(crate) fn store_word(&mut self, word: &str) -> Word {
        let start = self.words.len();
        self.words.push_str(word);
        Word(Span::new(start, word.len()))
    }

    /// Makes a word of the first value of `name` (lowercase); `None` where there is none, or it is no UTF-8.
    pub(crate) fn word_of(&mut self, name: &str) -> Option<Word> {
        let slot = self.slots.iter().find(|slot| self.word(slot.name) == name)?;
        let text = std::str::from_utf8(&self.text[slot.value.range()]).ok()?;
        let start = self.words.len();
        self.words.push_str(text);
        Some(Word(Span::new(start, text.len())))
    }

    /// The text of a word.
    pub(crate) fn word(&self, word: Word) -> &str {
        &self.words[word.0.range()]
    }

    /// Stores bytes that are not a field.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(bytes);
        Span::new(start, bytes.len())
    }

    /// The bytes of a span.
    pub(crate) fn at(&self, span: Span) -> &[u8] {
        &self.text[span.range()]
    }

    /// All fields in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.slots.iter().map(|slot| (self.word(slot.name), self.at(slot.value)))
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
            .filter(move |slot| self.word(slot.name) == name)
            .map(|slot| self.at(slot.value))
    }

    /// Adds a field at the end.
    pub(crate) fn append(&mut self, name: &str, value: &[u8]) {
        let name = self.store_name(name);
        let value = self.store(value);
        self.slots.push(Slot { name, value });
    }

    /// Sets `name` to one value, at the place of the first one if there is one.
    pub(crate) fn set(&mut self, name: &str, value: &[u8]) {
        let first = self.slots.iter().position(|slot| self.word(slot.name) == name);
        let Some(first) = first else {
            self.append(name, value);
            return;
        };
        let value = self.store(value);
        self.slots[first].value = value;
        let words = &self.words;
        let is_other = |slot: &Slot| words[slot.name.0.range()] != *name;
        if self.slots[first + 1..].iter().all(is_other) {
            return;
        }
        let mut index = 0;
        self.slots.retain(|slot| {
            index += 1;
            index <= first + 1 || is_other(slot)
        });
    }

    /// Appends to the last value of `name` after `separator`, or adds the field.
    pub(crate) fn join(&mut self, name: &str, value: &[u8], separator: &str) {
        let last = self.slots.iter().rposition(|slot| self.word(slot.name) == name);
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
            let words = &self.words;
            let is_same = |slot: &Slot| {
                slot.name.0.len == name.0.len && words[slot.name.0.range()] == words[name.0.range()]
            };
            if self.slots[at + 1..].iter().any(is_same)
                && let Some(separator) = separator(self.word(name))
            {
                let values: Vec<&[u8]> = self.values(self.word(name)).collect();
                let joined = values.join(separator.as_bytes());
                let value = self.store(&joined);
                let words = &self.words;
                let mut index = 0;
                self.slots.retain(|slot| {
                    index += 1;
                    index <= at + 1 || words[slot.name.0.range()] != words[name.0.range()]
                });
                self.slots[at].value = value;
            }
            at += 1;
        }
    }

    /// Removes every field of this name; true if there was one.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let words = &self.words;
        let is_other = |slot: &Slot| words[slot.name.0.range()] != *name;
        // Mostly there is none, and nothing has to move.
        if self.slots.iter().all(is_other) {
            return false;
        }
        self.slots.retain(is_other);
        true
    }

    /// Removes every field whose name is one of some.
    pub(crate) fn remove_all_of(&mut self, is_one: impl Fn(&str) -> bool) {
        let words = &self.words;
        self.slots.retain(|slot| !is_one(&words[slot.name.0.range()]));
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
    pub(crate) method: Word,
    pub(crate) scheme: Word,
    pub(crate) authority: Word,
    /// It named no host, not even an empty one.
    pub(crate) has_no_host: bool,
    /// With the query.
    pub(crate) path: Word,
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
        self.fields.word(self.method)
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &str {
        self.fields.word(self.scheme)
    }

    /// Host and port as the client named them.
    pub(crate) fn authority(&self) -> &str {
        self.fields.word(self.authority)
    }

    /// Path with query.
    pub(crate) fn path(&self) -> &str {
        self.fields.word(self.path)
    }

    /// Sets the authority.
    pub(crate) fn set_authority(&mut self, authority: &str) {
        self.authority = self.fields.store_word(authority);
    }

    /// Sets path and query.
    pub(crate) fn set_path(&mut self, path: &str) {
        self.path = self.fields.store_word(path);
    }

    /// A copy with room for edits.
    pub(crate) fn to_edit(&self) -> Request {
        Request { fields: self.fields.to_edit(), ..*self }
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
