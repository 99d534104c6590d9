//! `google.protobuf`'s well-known types, and `google.rpc.Status`, whose JSON has a form of its own.
//!
//! Wrappers (`UInt32Value` and the like) are plain Rust values: prost writes them as the messages that they are.

use std::{collections::BTreeMap, time};

use serde_json::{Map, Value as Document};

use crate::{
    Named,
    json::{Error, Json, object, whole},
    registry,
};

/// A message together with its type.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Any {
    /// `type.googleapis.com/` and the full name of the message.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

impl Any {
    /// Packs a message.
    #[must_use]
    pub fn pack<M: Named>(message: &M) -> Self {
        Self { type_url: M::TYPE_URL.to_owned(), value: message.encode_to_vec() }
    }

    /// Unpacks a message.
    ///
    /// # Errors
    /// When the type is another one, or the bytes are not of it.
    pub fn unpack<M: Named + Default>(&self) -> Result<M, Error> {
        if self.type_name() != M::NAME {
            return Err(Error::new(format!("expected {}, found {}", M::NAME, self.type_name())));
        }
        M::decode(self.value.as_slice()).map_err(|e| Error::new(format!("{}: {e}", M::NAME)))
    }

    /// Whether this is a message of that type.
    #[must_use]
    pub fn is<M: Named>(&self) -> bool {
        self.type_name() == M::NAME
    }

    /// The full name of the message, without the URL's host.
    #[must_use]
    pub fn type_name(&self) -> &str {
        self.type_url.rsplit_once('/').map_or(self.type_url.as_str(), |(_, name)| name)
    }
}

impl Json for Any {
    /// A type that is not known here is written as `{"@type", "value": base64}`.
    fn write(&self) -> Document {
        if self.type_url.is_empty() && self.value.is_empty() {
            return Document::Object(Map::new());
        }
        let mut out = Map::new();
        out.insert("@type".into(), Document::from(self.type_url.as_str()));
        match registry::find(self.type_name()).map(|entry| (entry, (entry.write)(&self.value))) {
            Some((entry, Ok(inner))) if entry.well_known => {
                out.insert("value".into(), inner);
            }
            Some((_, Ok(Document::Object(fields)))) => out.extend(fields),
            _ => {
                out.insert("value".into(), self.value.write());
            }
        }
        Document::Object(out)
    }

    fn read(value: &Document) -> Result<Self, Error> {
        let fields = object(value, "google.protobuf.Any")?;
        let Some(url) = fields.get("@type") else {
            if fields.is_empty() {
                return Ok(Self::default());
            }
            return Err(Error::new("a typed config needs a key \"@type\" that names its type"));
        };
        let url = String::read(url).map_err(|e| e.at("@type"))?;
        let any = Self { type_url: url, value: Vec::new() };
        let inner: Map<_, _> = fields
            .iter()
            .filter(|(k, _)| *k != "@type")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let Some(entry) = registry::find(any.type_name()) else {
            // What `write` makes of a type that is not known here is read back; nothing else can be.
            return match inner.get("value").map(Vec::<u8>::read) {
                Some(Ok(bytes)) if inner.len() == 1 => Ok(Self { value: bytes, ..any }),
                _ => Err(Error::new(format!(
                    "unknown type `{}`: nothing here obeys it",
                    any.type_url
                ))
                .at("@type")),
            };
        };
        let value = if entry.well_known {
            (entry.read)(inner.get("value").unwrap_or(&Document::Null))
                .map_err(|e| e.at("value"))?
        } else {
            (entry.read)(&Document::Object(inner))?
        };
        Ok(Self { value, ..any })
    }
}

/// A span of time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Duration {
    /// Whole seconds.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds beyond the seconds, of the same sign.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl From<time::Duration> for Duration {
    fn from(span: time::Duration) -> Self {
        Self {
            seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
        }
    }
}

impl From<Duration> for time::Duration {
    /// A negative span is none.
    fn from(span: Duration) -> Self {
        match (u64::try_from(span.seconds), u32::try_from(span.nanos)) {
            (Ok(seconds), Ok(nanos)) => Self::new(seconds, nanos.min(999_999_999)),
            _ => Self::ZERO,
        }
    }
}

impl Json for Duration {
    fn write(&self) -> Document {
        let sign = if self.seconds < 0 || self.nanos < 0 { "-" } else { "" };
        let seconds = self.seconds.unsigned_abs();
        let mut fraction = String::new();
        if self.nanos != 0 {
            fraction = format!(".{:09}", self.nanos.unsigned_abs());
            // Three, six or nine digits, as protobuf's own printers.
            while fraction.ends_with("000") {
                fraction.truncate(fraction.len() - 3);
            }
        }
        Document::String(format!("{sign}{seconds}{fraction}s"))
    }

    fn read(value: &Document) -> Result<Self, Error> {
        let wrong = || Error::new(format!("expected a duration such as \"1.5s\", found {value}"));
        let text = value.as_str().and_then(|text| text.strip_suffix('s')).ok_or_else(wrong)?;
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if (seconds.is_empty() && fraction.is_empty())
            || !all_digits(seconds)
            || !all_digits(fraction)
            || fraction.len() > 9
        {
            return Err(wrong());
        }
        let seconds: i64 =
            if seconds.is_empty() { 0 } else { seconds.parse().map_err(|_| wrong())? };
        let nanos: i32 = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
        Ok(if negative {
            Self { seconds: -seconds, nanos: -nanos }
        } else {
            Self { seconds, nanos }
        })
    }
}

/// A point in time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds beyond the seconds, never negative.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Json for Timestamp {
    fn write(&self) -> Document {
        jiff::Timestamp::new(self.seconds, self.nanos)
            .map_or(Document::Null, |t| Document::String(t.to_string()))
    }
    fn read(value: &Document) -> Result<Self, Error> {
        let time: jiff::Timestamp = value
            .as_str()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::new(format!("expected an RFC 3339 time, found {value}")))?;
        Ok(Self { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
    }
}

/// A message without fields.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Empty {}

impl Json for Empty {
    fn write(&self) -> Document {
        Document::Object(Map::new())
    }
    fn read(value: &Document) -> Result<Self, Error> {
        object(value, "google.protobuf.Empty").map(|_| Self {})
    }
}

/// A JSON object.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Struct {
    /// Its members.
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// A JSON value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Value {
    /// Which kind, and the value.
    #[prost(oneof = "value::Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub kind: Option<value::Kind>,
}

/// Types inside [`Value`](super::Value).
pub mod value {
    /// The kinds of JSON values.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Kind {
        /// null; the number is always 0.
        #[prost(int32, tag = "1")]
        NullValue(i32),
        /// A number.
        #[prost(double, tag = "2")]
        NumberValue(f64),
        /// A string.
        #[prost(string, tag = "3")]
        StringValue(String),
        /// true or false.
        #[prost(bool, tag = "4")]
        BoolValue(bool),
        /// An object.
        #[prost(message, tag = "5")]
        StructValue(super::Struct),
        /// An array.
        #[prost(message, tag = "6")]
        ListValue(super::ListValue),
    }
}

/// A JSON array.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListValue {
    /// Its elements.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

impl Value {
    /// The string that this is, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            Some(value::Kind::StringValue(text)) => Some(text),
            _ => None,
        }
    }

    /// The object that this is, if it is one.
    #[must_use]
    pub fn as_struct(&self) -> Option<&Struct> {
        match &self.kind {
            Some(value::Kind::StructValue(fields)) => Some(fields),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self { kind: Some(value::Kind::StringValue(text.to_owned())) }
    }
}

impl From<&Document> for Value {
    fn from(document: &Document) -> Self {
        let kind = match document {
            Document::Null => value::Kind::NullValue(0),
            Document::Bool(flag) => value::Kind::BoolValue(*flag),
            Document::Number(number) => {
                value::Kind::NumberValue(number.as_f64().unwrap_or_default())
            }
            Document::String(text) => value::Kind::StringValue(text.clone()),
            Document::Array(values) => value::Kind::ListValue(ListValue {
                values: values.iter().map(Self::from).collect(),
            }),
            Document::Object(fields) => value::Kind::StructValue(Struct::from(fields)),
        };
        Self { kind: Some(kind) }
    }
}

impl From<&Map<String, Document>> for Struct {
    fn from(fields: &Map<String, Document>) -> Self {
        Self {
            fields: fields.iter().map(|(key, value)| (key.clone(), Value::from(value))).collect(),
        }
    }
}

impl Json for Value {
    fn write(&self) -> Document {
        match &self.kind {
            None | Some(value::Kind::NullValue(_)) => Document::Null,
            // Protobuf knows floats only; a whole number reads better without its ".0".
            Some(value::Kind::NumberValue(number)) => whole(*number)
                .and_then(|n| i64::try_from(n).ok())
                .map_or_else(|| number.write(), Document::from),
            Some(value::Kind::StringValue(text)) => Document::String(text.clone()),
            Some(value::Kind::BoolValue(flag)) => Document::Bool(*flag),
            Some(value::Kind::StructValue(fields)) => fields.write(),
            Some(value::Kind::ListValue(list)) => list.write(),
        }
    }
    fn read(value: &Document) -> Result<Self, Error> {
        Ok(Self::from(value))
    }
}

impl Json for Struct {
    fn write(&self) -> Document {
        Document::Object(
            self.fields.iter().map(|(key, value)| (key.clone(), value.write())).collect(),
        )
    }
    fn read(value: &Document) -> Result<Self, Error> {
        object(value, "google.protobuf.Struct").map(Self::from)
    }
}

impl Json for ListValue {
    fn write(&self) -> Document {
        self.values.iter().map(Json::write).collect()
    }
    fn read(value: &Document) -> Result<Self, Error> {
        let values = value
            .as_array()
            .ok_or_else(|| Error::new(format!("expected an array, found {value}")))?;
        Ok(Self { values: values.iter().map(Value::from).collect() })
    }
}

json_serde!(Any);
json_serde!(Duration);
json_serde!(Timestamp);
json_serde!(Empty);
json_serde!(Struct);
json_serde!(Value);
json_serde!(ListValue);

messages! {
    Status = "google.rpc.Status" {
        code: i32 = [int32, tag = 1],
        message: String = [string, tag = 2],
        details: Vec<Any> = [message, repeated, tag = 3],
    }
}
