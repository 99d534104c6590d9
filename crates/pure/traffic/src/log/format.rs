//! Formats of records: a line of text, or an object of JSON, with operators in them.

use xds::{
    core::{self, data_source::Specifier, substitution_format_string},
    wkt::{self, value::Kind},
};

use crate::{
    compile::{Bad, Within as _},
    dice::Dice,
    edits::write_number,
    log::{Facts, json, operator::Operator, value::Shown},
};

/// Envoy's format, where none is configured.
const DEFAULT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% \
    %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// How a record is written.
#[derive(Debug)]
pub(super) struct Format {
    shape: Shape,
    /// Whether what is not known leaves nothing behind, instead of `-` or null.
    omit: bool,
}

#[derive(Debug)]
enum Shape {
    Text(Vec<Piece>),
    Json(Members),
}

/// A key, with its quotes, and what stands there.
type Member = (Box<[u8]>, Node);
type Members = Vec<Member>;

/// A part of a text.
#[derive(Debug)]
enum Piece {
    Text(Box<str>),
    Operator(Operator),
}

/// A value in an object.
#[derive(Debug)]
enum Node {
    /// It never changes; ready to be written.
    Constant(Vec<u8>),
    /// One operator, which keeps its type.
    Operator(Operator),
    /// Text with operators in it.
    Text(Vec<Piece>),
    Object(Members),
    List(Vec<Node>),
}

impl Format {
    /// Reads a format, or takes Envoy's.
    pub(super) fn of(format: Option<&core::SubstitutionFormatString>) -> Result<Self, Bad> {
        use substitution_format_string::Format as Form;
        let Some(format) = format else { return Self::text(DEFAULT, false) };
        for (at, extension) in format.formatters.iter().enumerate() {
            let known = extension.typed_config.as_ref().is_some_and(|any| {
                any.is::<xds::accesslog::Metadata>() || any.is::<xds::accesslog::ReqWithoutQuery>()
            });
            if !known {
                let name = &extension.name;
                return Err(Bad::unsupported(format!("formatters[{at}] ({name})")));
            }
        }
        let omit = format.omit_empty_values;
        match &format.format {
            Some(Form::TextFormat(text)) => Self::text(text, omit).within("text_format"),
            Some(Form::JsonFormat(fields)) => Self::json(fields, omit).within("json_format"),
            Some(Form::TextFormatSource(source)) => {
                let text = match &source.specifier {
                    Some(Specifier::InlineString(text)) => text.as_str(),
                    Some(Specifier::InlineBytes(bytes)) => std::str::from_utf8(bytes)
                        .map_err(|_| Bad::new("text_format_source.inline_bytes", "is no text"))?,
                    _ => return Err(Bad::unsupported("text_format_source other than inline")),
                };
                Self::text(text, omit).within("text_format_source")
            }
            None => Err(Bad::new("format", "is not set")),
        }
    }

    /// A line of text.
    pub(super) fn text(text: &str, omit: bool) -> Result<Self, Bad> {
        Ok(Self { shape: Shape::Text(parse(text)?), omit })
    }

    /// An object of JSON.
    pub(super) fn json(fields: &wkt::Struct, omit: bool) -> Result<Self, Bad> {
        Ok(Self { shape: Shape::Json(members(fields)?), omit })
    }

    /// Appends a record.
    pub(super) fn write(&self, facts: &Facts<'_>, dice: &mut Dice, out: &mut Vec<u8>) {
        let mut scribe = Scribe { facts, dice, omit: self.omit, out };
        match &self.shape {
            Shape::Text(pieces) => scribe.text(pieces),
            Shape::Json(members) => {
                scribe.object(members, true);
                scribe.out.push(b'\n');
            }
        }
    }
}

fn members(fields: &wkt::Struct) -> Result<Members, Bad> {
    let member = |(key, value): (&String, &wkt::Value)| {
        let mut name = Vec::new();
        json::text(key.as_bytes(), &mut name);
        Ok((name.into(), Node::of(value).within(key)?))
    };
    fields.fields.iter().map(member).collect()
}

impl Node {
    fn of(value: &wkt::Value) -> Result<Self, Bad> {
        let constant = |value: &wkt::Value| {
            let mut out = Vec::new();
            json::value(value, &mut out);
            Self::Constant(out)
        };
        Ok(match &value.kind {
            Some(Kind::StringValue(text)) => {
                let mut pieces = parse(text)?;
                match pieces.as_slice() {
                    [] | [Piece::Text(_)] => {
                        let text = match pieces.first() {
                            Some(Piece::Text(text)) => text,
                            _ => "",
                        };
                        constant(&text.into())
                    }
                    [Piece::Operator(_)] => match pieces.pop() {
                        Some(Piece::Operator(operator)) => Self::Operator(operator),
                        _ => Self::Text(pieces),
                    },
                    _ => Self::Text(pieces),
                }
            }
            Some(Kind::StructValue(fields)) => Self::Object(members(fields)?),
            Some(Kind::ListValue(list)) => {
                let each = list.values.iter().enumerate();
                let nodes: Result<_, Bad> =
                    each.map(|(at, item)| Self::of(item).within(format!("[{at}]"))).collect();
                Self::List(nodes?)
            }
            _ => constant(value),
        })
    }
}

/// Writes one record.
struct Scribe<'s, 'a> {
    facts: &'s Facts<'a>,
    dice: &'s mut Dice,
    omit: bool,
    out: &'s mut Vec<u8>,
}

impl Scribe<'_, '_> {
    fn text(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.out.extend_from_slice(text.as_bytes()),
                Piece::Operator(operator) => {
                    let shown = operator.show(self.facts, self.dice);
                    if !shown.write(operator.length, self.out) && !self.omit {
                        self.out.push(b'-');
                    }
                }
            }
        }
    }

    /// An object; false when nothing of it is there and it shall be left out.
    fn object(&mut self, members: &[Member], keep: bool) -> bool {
        let start = self.out.len();
        self.out.push(b'{');
        let mut is_empty = true;
        for (name, node) in members {
            let before = self.out.len();
            if !is_empty {
                self.out.push(b',');
            }
            self.out.extend_from_slice(name);
            self.out.push(b':');
            if self.node(node) {
                is_empty = false;
            } else {
                self.out.truncate(before);
            }
        }
        if is_empty && self.omit && !keep {
            self.out.truncate(start);
            return false;
        }
        self.out.push(b'}');
        true
    }

    /// A list, which stays where all that was in it is left out.
    fn list(&mut self, nodes: &[Node]) {
        self.out.push(b'[');
        let mut is_empty = true;
        for node in nodes {
            let before = self.out.len();
            if !is_empty {
                self.out.push(b',');
            }
            if self.node(node) {
                is_empty = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(b']');
    }

    /// A value; false when it is to be left out.
    fn node(&mut self, node: &Node) -> bool {
        match node {
            Node::Constant(bytes) if self.omit && bytes == b"null" => return false,
            Node::Constant(bytes) => self.out.extend_from_slice(bytes),
            Node::Object(members) => return self.object(members, false),
            Node::List(nodes) => self.list(nodes),
            Node::Text(pieces) => {
                let before = std::mem::take(self.out);
                self.text(pieces);
                let text = std::mem::replace(self.out, before);
                json::text(&text, self.out);
            }
            Node::Operator(operator) => match operator.show(self.facts, self.dice) {
                Shown::Nothing if self.omit => return false,
                Shown::Nothing => self.out.extend_from_slice(b"null"),
                Shown::Text(text) => json::text(&text, self.out),
                Shown::Number(number) => write_number(number, self.out),
                Shown::Json(value) => json::value(value, self.out),
                Shown::Object(fields) => json::object(fields, self.out),
            },
        }
        true
    }
}

/// Reads text with operators: `%NAME%`, `%NAME(…)%`, `%NAME(…):LENGTH%`, and `%%` for the sign itself.
fn parse(text: &str) -> Result<Vec<Piece>, Bad> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            plain.push('%');
            rest = after;
            continue;
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
        }
        let (operator, after) = operator(rest)?;
        pieces.push(Piece::Operator(operator));
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain.into()));
    }
    Ok(pieces)
}

/// The operator at the start of a text, after its first sign, and what follows its last one.
fn operator(text: &str) -> Result<(Operator, &str), Bad> {
    let start: String = text.chars().take(40).collect();
    let broken = || Bad::new("", format!("the operator at \"%{start}\" has no end"));
    let is_name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let end = text.bytes().position(|byte| !is_name(&byte)).ok_or_else(broken)?;
    let (name, mut rest) = text.split_at(end);
    let mut arguments = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (given, after) = inner.split_once(')').ok_or_else(broken)?;
        arguments = Some(given);
        rest = after;
    }
    let mut length = None;
    if let Some(after) = rest.strip_prefix(':') {
        let (digits, _) = after.split_once('%').ok_or_else(broken)?;
        let why = |_| Bad::new("", format!("%{name}%: {digits:?} is no length"));
        length = Some(digits.parse().map_err(why)?);
        rest = &after[digits.len()..];
    }
    let rest = rest.strip_prefix('%').ok_or_else(broken)?;
    Ok((Operator::parse(name, arguments, length)?, rest))
}
