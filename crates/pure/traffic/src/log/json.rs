//! JSON as records hold it: small, in the order of its keys.

use xds::wkt::{Struct, Value, value::Kind};

/// Appends a text with its quotes. What is not UTF-8 is replaced.
pub(super) fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    inside(bytes, out);
    out.push(b'"');
}

/// Appends a text as it stands between quotes.
pub(super) fn inside(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0x08 => out.extend_from_slice(b"\\b"),
                0x0c => out.extend_from_slice(b"\\f"),
                0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => out.push(byte),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends a number: whole ones without a fraction.
pub(super) fn number(number: f64, out: &mut Vec<u8>) {
    let text = if number.is_finite() { number.to_string() } else { "null".to_owned() };
    out.extend_from_slice(text.as_bytes());
}

/// Appends a value.
pub(super) fn value(value: &Value, out: &mut Vec<u8>) {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => out.extend_from_slice(b"null"),
        Some(Kind::NumberValue(value)) => number(*value, out),
        Some(Kind::StringValue(value)) => text(value.as_bytes(), out),
        Some(Kind::BoolValue(value)) => {
            out.extend_from_slice(if *value { b"true" } else { b"false" });
        }
        Some(Kind::StructValue(fields)) => object(fields, out),
        Some(Kind::ListValue(list)) => {
            out.push(b'[');
            for (at, item) in list.values.iter().enumerate() {
                if at != 0 {
                    out.push(b',');
                }
                self::value(item, out);
            }
            out.push(b']');
        }
    }
}

/// Appends an object.
pub(super) fn object(fields: &Struct, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, item)) in fields.fields.iter().enumerate() {
        if at != 0 {
            out.push(b',');
        }
        text(key.as_bytes(), out);
        out.push(b':');
        value(item, out);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_json_wants_it() {
        let mut out = Vec::new();
        text(b"a\"b\\\n\x01\x7f\xff \xc3\xa9", &mut out);
        let expected = "\"a\\\"b\\\\\\n\\u0001\x7f\u{fffd} \u{e9}\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
