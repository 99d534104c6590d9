//! Proto-JSON: how a message is written as JSON and read from it.
//!
//! Out: camelCase keys, enumerations by name, 64-bit integers as strings, bytes as base64, wrappers as plain values, fields with
//! their default value left out. In: camelCase or the protobuf names, enumerations by name or number, integers as numbers or
//! strings. An unknown key is an error that names its place: a misspelt option must not be ignored silently.
//!
//! Spec: <https://protobuf.dev/programming-guides/json/>.

use std::{collections::BTreeMap, fmt};

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::{Map, Value};

/// Why a JSON document is not this message: the place, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    path: Vec<String>,
    message: String,
}

impl Error {
    /// An error at this very place.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), message: message.into() }
    }

    /// A key that the message does not have.
    #[must_use]
    pub fn unknown_field(key: &str, message: &str) -> Self {
        Self::new(format!("{message} has no field `{key}`; check the spelling"))
    }

    /// The same error, seen from one level further out.
    #[must_use]
    pub fn at(mut self, key: impl Into<String>) -> Self {
        self.path.push(key.into());
        self
    }

    fn expected(what: &str, found: &Value) -> Self {
        let shown: String = found.to_string().chars().take(60).collect();
        Self::new(format!("expected {what}, found {shown}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.path.iter().rev().enumerate() {
            if i > 0 && !part.starts_with('[') {
                f.write_str(".")?;
            }
            f.write_str(part)?;
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// A value with a proto-JSON form.
pub trait Json: Sized {
    /// The JSON form.
    fn write(&self) -> Value;

    /// The value of a JSON form.
    ///
    /// # Errors
    /// When the JSON is not of this type; the error names the place and what was expected.
    fn read(value: &Value) -> Result<Self, Error>;
}

/// What a oneof makes of a key: not its own; its own and null; its own with a value.
pub type Taken<T> = Result<Option<Option<T>>, Error>;

/// A oneof: its fields stand in the object of the message around it.
pub trait Oneof: Sized {
    /// Full protobuf name.
    const NAME: &'static str;
    /// Puts the field that is set into the object.
    fn put(&self, object: &mut Map<String, Value>);
    /// Takes the field when the key is one of this oneof's.
    ///
    /// # Errors
    /// When the key is this oneof's and the value is not of its type.
    fn take(key: &str, value: &Value) -> Taken<Self>;
}

/// An enumeration by its protobuf names.
pub trait Enum {
    /// Full protobuf name.
    const NAME: &'static str;
    /// Name of a number.
    fn name_of(number: i32) -> Option<&'static str>;
    /// Number of a name.
    fn number_of(name: &str) -> Option<i32>;
}

/// A field: it may be absent in JSON, and then has its default value.
pub(crate) trait Field {
    /// The JSON form, `None` for the default value.
    fn put(&self) -> Option<Value>;
    /// Sets the field; null leaves the default.
    fn take(&mut self, value: &Value) -> Result<(), Error>;
}

/// A field whose numbers are those of an enumeration.
pub(crate) trait EnumField {
    /// The JSON form, `None` for the default value.
    fn put<E: Enum>(&self) -> Option<Value>;
    /// Sets the field; null leaves the default.
    fn take<E: Enum>(&mut self, value: &Value) -> Result<(), Error>;
}

/// camelCase of a protobuf field name.
#[must_use]
pub fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.trim_start_matches("r#").chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out
}

/// Whether a JSON key is this field, in camelCase or as in protobuf.
pub(crate) fn is_name(key: &str, field: &str) -> bool {
    let field = field.trim_start_matches("r#");
    if key == field {
        return true;
    }
    let mut key = key.chars();
    let mut upper = false;
    for c in field.chars() {
        if c == '_' {
            upper = true;
            continue;
        }
        let wanted = if upper { c.to_ascii_uppercase() } else { c };
        upper = false;
        if key.next() != Some(wanted) {
            return false;
        }
    }
    key.next().is_none()
}

/// The object that a message is written as.
pub(crate) fn object<'a>(value: &'a Value, message: &str) -> Result<&'a Map<String, Value>, Error> {
    value.as_object().ok_or_else(|| Error::expected(&format!("an object ({message})"), value))
}

/// The start of a chain of `||` over the fields of a message.
pub(crate) fn no_field(_: &Value) -> bool {
    false
}

/// A key was taken; an error is told from one level further out.
pub(crate) fn done(result: Result<(), Error>, key: &str) -> Result<bool, Error> {
    result.map(|()| true).map_err(|e| e.at(key))
}

/// Lets a oneof take a key, once.
pub(crate) fn take_oneof<T: Oneof>(
    field: &mut Option<T>,
    key: &str,
    value: &Value,
) -> Result<bool, Error> {
    match T::take(key, value).map_err(|e| e.at(key))? {
        None => Ok(false),
        Some(None) => Ok(true),
        Some(Some(_)) if field.is_some() => {
            Err(Error::new(format!("another field of the oneof {} is set already", T::NAME))
                .at(key))
        }
        Some(one) => {
            *field = one;
            Ok(true)
        }
    }
}

/// JSON of an enumeration's number: its name, or the number when it has none here.
pub(crate) fn write_enum<E: Enum>(number: i32) -> Value {
    E::name_of(number).map_or_else(|| Value::from(number), Value::from)
}

/// Number of an enumeration's name or number.
pub(crate) fn read_enum<E: Enum>(value: &Value) -> Result<i32, Error> {
    match value {
        Value::String(name) => E::number_of(name)
            .ok_or_else(|| Error::new(format!("{} has no value `{name}`", E::NAME))),
        other => {
            i32::read(other).map_err(|_| Error::expected(&format!("a name of {}", E::NAME), other))
        }
    }
}

impl EnumField for i32 {
    fn put<E: Enum>(&self) -> Option<Value> {
        (*self != 0).then(|| write_enum::<E>(*self))
    }
    fn take<E: Enum>(&mut self, value: &Value) -> Result<(), Error> {
        if !value.is_null() {
            *self = read_enum::<E>(value)?;
        }
        Ok(())
    }
}

impl EnumField for Option<i32> {
    fn put<E: Enum>(&self) -> Option<Value> {
        self.map(|number| write_enum::<E>(number))
    }
    fn take<E: Enum>(&mut self, value: &Value) -> Result<(), Error> {
        if !value.is_null() {
            *self = Some(read_enum::<E>(value)?);
        }
        Ok(())
    }
}

impl EnumField for Vec<i32> {
    fn put<E: Enum>(&self) -> Option<Value> {
        (!self.is_empty()).then(|| self.iter().map(|number| write_enum::<E>(*number)).collect())
    }
    fn take<E: Enum>(&mut self, value: &Value) -> Result<(), Error> {
        for (i, value) in elements(value)?.iter().enumerate() {
            self.push(read_enum::<E>(value).map_err(|e| e.at(format!("[{i}]")))?);
        }
        Ok(())
    }
}

impl<T: Json> Field for Option<T> {
    fn put(&self) -> Option<Value> {
        self.as_ref().map(Json::write)
    }
    fn take(&mut self, value: &Value) -> Result<(), Error> {
        if !value.is_null() {
            *self = Some(T::read(value)?);
        }
        Ok(())
    }
}

impl<T: Json> Field for Vec<T> {
    fn put(&self) -> Option<Value> {
        (!self.is_empty()).then(|| self.iter().map(Json::write).collect())
    }
    fn take(&mut self, value: &Value) -> Result<(), Error> {
        for (i, value) in elements(value)?.iter().enumerate() {
            self.push(T::read(value).map_err(|e| e.at(format!("[{i}]")))?);
        }
        Ok(())
    }
}

impl<T: Json> Field for BTreeMap<String, T> {
    fn put(&self) -> Option<Value> {
        (!self.is_empty()).then(|| {
            Value::Object(self.iter().map(|(key, value)| (key.clone(), value.write())).collect())
        })
    }
    fn take(&mut self, value: &Value) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        for (key, value) in object(value, "map")? {
            self.insert(key.clone(), T::read(value).map_err(|e| e.at(key))?);
        }
        Ok(())
    }
}

/// The elements of an array; null is an empty one.
fn elements(value: &Value) -> Result<&[Value], Error> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Null => Ok(&[]),
        other => Err(Error::expected("an array", other)),
    }
}

impl<T: Json> Json for Box<T> {
    fn write(&self) -> Value {
        (**self).write()
    }
    fn read(value: &Value) -> Result<Self, Error> {
        T::read(value).map(Self::new)
    }
}

/// Fields of scalar types: the default value is left out.
macro_rules! scalar_fields {
    ($($ty:ty: $is_set:expr),* $(,)?) => {$(
        impl Field for $ty {
            fn put(&self) -> Option<Value> {
                let is_set: fn(&Self) -> bool = $is_set;
                is_set(self).then(|| self.write())
            }
            fn take(&mut self, value: &Value) -> Result<(), Error> {
                if !value.is_null() {
                    *self = Self::read(value)?;
                }
                Ok(())
            }
        }
    )*};
}

scalar_fields! {
    bool: |flag| *flag,
    String: |text| !text.is_empty(),
    Vec<u8>: |bytes| !bytes.is_empty(),
    i32: |n| *n != 0,
    u32: |n| *n != 0,
    i64: |n| *n != 0,
    u64: |n| *n != 0,
    // Protobuf tells -0.0 from the default.
    f32: |n| n.to_bits() != 0,
    f64: |n| n.to_bits() != 0,
}

impl Json for bool {
    fn write(&self) -> Value {
        Value::Bool(*self)
    }
    fn read(value: &Value) -> Result<Self, Error> {
        value.as_bool().ok_or_else(|| Error::expected("true or false", value))
    }
}

impl Json for String {
    fn write(&self) -> Value {
        Value::String(self.clone())
    }
    fn read(value: &Value) -> Result<Self, Error> {
        value.as_str().map(str::to_owned).ok_or_else(|| Error::expected("a string", value))
    }
}

/// Standard alphabet; padding is optional on input, as protobuf asks.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Json for Vec<u8> {
    fn write(&self) -> Value {
        Value::String(BASE64.encode(self))
    }
    fn read(value: &Value) -> Result<Self, Error> {
        let text = value.as_str().ok_or_else(|| Error::expected("base64", value))?;
        let standard = text.replace('-', "+").replace('_', "/");
        BASE64.decode(standard).map_err(|e| Error::new(format!("not base64: {e}")))
    }
}

/// Integers: numbers or strings in, `$out` says which of them out.
macro_rules! integers {
    ($($ty:ty => $out:expr),*) => {$(
        impl Json for $ty {
            fn write(&self) -> Value {
                let write: fn($ty) -> Value = $out;
                write(*self)
            }
            fn read(value: &Value) -> Result<Self, Error> {
                let wide = match value {
                    Value::Number(number) => number
                        .as_i64()
                        .map(i128::from)
                        .or_else(|| number.as_u64().map(i128::from))
                        .or_else(|| number.as_f64().and_then(whole)),
                    Value::String(text) => text.parse::<i128>().ok(),
                    _ => None,
                };
                wide.and_then(|wide| Self::try_from(wide).ok())
                    .ok_or_else(|| Error::expected(concat!("an integer of type ", stringify!($ty)), value))
            }
        }
    )*};
}

integers!(
    i32 => Value::from,
    u32 => Value::from,
    i64 => |n| Value::String(n.to_string()),
    u64 => |n| Value::String(n.to_string())
);

/// The integer that a float is, if it is one.
pub(crate) fn whole(float: f64) -> Option<i128> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range is checked first; no fraction is left"
    )]
    (float.fract() == 0.0 && float.abs() < 1e18).then_some(float as i128)
}

impl Json for f64 {
    fn write(&self) -> Value {
        serde_json::Number::from_f64(*self).map_or_else(
            || {
                Value::from(if self.is_nan() {
                    "NaN"
                } else if *self > 0.0 {
                    "Infinity"
                } else {
                    "-Infinity"
                })
            },
            Value::Number,
        )
    }
    fn read(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.as_str() {
                "Infinity" => Some(Self::INFINITY),
                "-Infinity" => Some(Self::NEG_INFINITY),
                text => text.parse().ok(),
            },
            _ => None,
        }
        .ok_or_else(|| Error::expected("a number", value))
    }
}

impl Json for f32 {
    fn write(&self) -> Value {
        // By way of its shortest text: 0.1f32 is written as 0.1, not as 0.10000000149011612.
        self.to_string().parse::<f64>().map_or(Value::Null, |wide| wide.write())
    }
    fn read(value: &Value) -> Result<Self, Error> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the field has single precision on the wire"
        )]
        f64::read(value).map(|wide| wide as Self)
    }
}

#[cfg(test)]
mod tests;
