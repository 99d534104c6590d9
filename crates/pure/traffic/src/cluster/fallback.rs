//! What a request gets instead, when a cluster's breaker is open or it has no host left.
//!
//! It comes as `filter_metadata["lateen"]` of a cluster, which Envoy ignores.

use std::{fmt, sync::Arc};

use xds::wkt::{self, value::Kind};

use crate::{answer::Answer, compile::Bad, upstream::breaker::number};

/// What a request gets instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This answer.
    Answer(FixedAnswer),
    /// The answer of this cluster. There is one such hop and no more: what that cluster falls back to does not count.
    Cluster(Arc<str>),
}

/// An answer that is always the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedAnswer {
    status: u16,
    /// What gRPC clients get; without it they get the refusal itself.
    grpc_status: Option<u32>,
    headers: Vec<(String, Vec<u8>)>,
    body: String,
}

impl Fallback {
    /// Reads it from metadata.
    pub(crate) fn compile(fields: &wkt::Struct) -> Result<Self, Bad> {
        if let Some(cluster) = fields.fields.get("cluster") {
            let name = cluster.as_str().filter(|name| !name.is_empty());
            let name = name.ok_or_else(|| Bad::new("cluster", "is no name"))?;
            return Ok(Self::Cluster(name.into()));
        }
        let mut answer = FixedAnswer {
            status: 200,
            grpc_status: None,
            headers: Vec::new(),
            body: String::new(),
        };
        for (name, value) in &fields.fields {
            match (name.as_str(), &value.kind) {
                ("status", _) => {
                    let status = number(name, value, 200, 599)?;
                    answer.status = u16::try_from(status).unwrap_or(200);
                }
                ("grpc_status", _) => answer.grpc_status = Some(number(name, value, 0, 16)?),
                ("body", Some(Kind::StringValue(body))) => answer.body.clone_from(body),
                ("headers", Some(Kind::StructValue(headers))) => {
                    for (name, value) in &headers.fields {
                        let value = value.as_str().unwrap_or("").as_bytes().to_vec();
                        answer.headers.push((name.to_ascii_lowercase(), value));
                    }
                }
                _ => return Err(Bad::new(name.as_str(), "is no field of a fallback")),
            }
        }
        Ok(Self::Answer(answer))
    }
}

impl FixedAnswer {
    /// The answer in place of a refusal, whose flags and details it keeps; `None` where it does not suit the request.
    pub(crate) fn in_place_of(&self, refusal: &Answer, is_grpc: bool) -> Option<Answer> {
        let body = self.body.clone();
        let answer = Answer::new(self.status, body, refusal.flags, refusal.details.clone());
        if is_grpc {
            return self.grpc_status.map(|status| Answer { grpc: Some(status), ..answer });
        }
        let mut answer = answer;
        for (name, value) in &self.headers {
            answer.headers.push((name.clone().into(), value.clone()));
        }
        Some(answer)
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => write!(f, "answered {} by the proxy itself", answer.status),
            Self::Cluster(name) => write!(f, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        flags::Flag,
        head::{Head, Header},
    };

    fn read(document: serde_json::Value) -> Result<Fallback, String> {
        let fields = document.as_object().unwrap();
        Fallback::compile(&wkt::Struct::from(fields)).map_err(|bad| bad.field)
    }

    #[test]
    fn a_fixed_answer_keeps_why_there_was_none() {
        let said = serde_json::json!({"status": 203, "body": "[]", "grpc_status": 0,
            "headers": {"Content-Type": "application/json", "x-from": "cache"}});
        let Ok(Fallback::Answer(fixed)) = read(said) else { panic!("it is an answer") };
        let refusal = Answer::new(503, "no", Flag::UpstreamOverflow, "breaker_open");
        let answer = fixed.in_place_of(&refusal, false).unwrap();
        assert_eq!((answer.status, &*answer.body), (203, &b"[]"[..]));
        assert_eq!((answer.flags.to_string().as_str(), &*answer.details), ("UO", "breaker_open"));
        assert_eq!(answer.header("content-type"), Some(&b"application/json"[..]));
        assert_eq!(answer.header("x-from"), Some(&b"cache"[..]));
        assert_eq!(answer.headers.len(), 2);
        let headers = [Header { name: "content-type", value: b"application/grpc" }];
        let head = Head { headers: &headers, ..Head::default() };
        let grpc = fixed.in_place_of(&refusal, true).unwrap().suited_to(&head);
        assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some(&b"0"[..])));
        let Ok(Fallback::Answer(plain)) = read(serde_json::json!({"body": "x"})) else { panic!() };
        assert!(plain.in_place_of(&refusal, true).is_none(), "text is no answer to gRPC");
        let answer = plain.in_place_of(&refusal, false).unwrap().suited_to(&Head::default());
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(&b"text/plain"[..])));
    }

    #[test]
    fn what_is_no_fallback_is_refused_by_name() {
        for (document, field) in [
            (serde_json::json!({"status": 99}), "status"),
            (serde_json::json!({"cluster": ""}), "cluster"),
            (serde_json::json!({"color": "red"}), "color"),
            (serde_json::json!({"grpc_status": 17}), "grpc_status"),
        ] {
            assert_eq!(read(document).unwrap_err(), field);
        }
        let other = read(serde_json::json!({"cluster": "c"})).unwrap();
        assert_eq!(other, Fallback::Cluster("c".into()));
    }
}
