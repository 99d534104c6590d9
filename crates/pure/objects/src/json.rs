//! Reading JSON, with a report of the fields that are there twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::op::Body;
use crate::status::Status;

/// Reads one JSON document. Of fields given twice the last one stays, as in Kubernetes.
///
/// # Errors
/// 400 if it is none.
pub fn read(bytes: &[u8]) -> Result<Body, Status> {
    let refuse = |error: serde_json::Error| {
        Status::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    };
    let mut reader = Reader { path: String::new(), duplicates: Vec::new() };
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = (&mut source).deserialize_any(&mut reader).map_err(refuse)?;
    source.end().map_err(refuse)?;
    Ok(Body { value, duplicates: reader.duplicates })
}

/// Builds values, and knows where in the document it is.
struct Reader {
    path: String,
    duplicates: Vec<String>,
}

impl<'de> DeserializeSeed<'de> for &mut Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        let length = self.path.len();
        loop {
            self.path.push_str(&format!("[{}]", items.len()));
            let item = seq.next_element_seed(&mut *self)?;
            self.path.truncate(length);
            match item {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        let length = self.path.len();
        while let Some(field) = map.next_key::<String>()? {
            if length != 0 {
                self.path.push('.');
            }
            self.path.push_str(&field);
            if fields.contains_key(&field) && !self.duplicates.contains(&self.path) {
                self.duplicates.push(self.path.clone());
            }
            let value = map.next_value_seed(&mut *self)?;
            self.path.truncate(length);
            fields.insert(field, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_as_serde_json_reads_them() {
        let text = r#"{"a":[1,-2,3.5,true,null,"x",{"b":{}}],"c":18446744073709551615}"#;
        let body = read(text.as_bytes()).unwrap();
        assert_eq!(body.value, serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(body.value.to_string(), text);
        assert!(body.duplicates.is_empty());
    }

    #[test]
    fn duplicates_are_told_by_path_once() {
        let text = r#"{"spec":{"replicas":1,"replicas":2,"replicas":3,
            "containers":[{"name":"a"},{"name":"b","name":"c"}]},"kind":"X","kind":"Y"}"#;
        let body = read(text.as_bytes()).unwrap();
        assert_eq!(body.duplicates, ["spec.replicas", "spec.containers[1].name", "kind"]);
        assert_eq!(body.value["spec"]["replicas"], json!(3));
        assert_eq!(body.value["kind"], "Y");
    }

    #[test]
    fn broken_documents_are_refused() {
        for text in ["", "{", "{} {}", "{\"a\":}", "nul", "[1,]", &"[".repeat(1000)] {
            let status = read(text.as_bytes()).unwrap_err();
            assert_eq!(status.code, 400, "{text}");
        }
    }
}
