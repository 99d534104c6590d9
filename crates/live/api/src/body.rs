//! Reading what a client sends: bounded, in any of the letters that clients write.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use objects::{Body, Reason, Status, Value};

use crate::negotiate::{self, Encoding};
use crate::service::header_text;

/// The bound that Kubernetes sets.
pub(crate) const LIMIT_BYTES: usize = 3 * 1024 * 1024;

/// A client that sends nothing for so long has gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Media types in which objects can be sent.
const OBJECTS: [&str; 3] =
    ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// Media types in which patches can be sent.
pub(crate) const PATCHES: [&str; 3] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// All bytes of a body.
pub(crate) async fn read(body: Incoming) -> Result<Bytes, Status> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, LIMIT_BYTES).collect()).await {
        Err(_) => Err(Status::new(
            504,
            Reason::Timeout,
            format!("the body of the request did not come within {} s", PATIENCE.as_secs()),
        )),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Status::too_large(LIMIT_BYTES)),
        Ok(Err(error)) => {
            Err(Status::bad_request(format!("the body of the request broke off: {error}")))
        }
    }
}

/// An object that a client sends.
pub(crate) fn object(headers: &HeaderMap, bytes: &[u8]) -> Result<Body, Status> {
    let encoding = negotiate::encoding(header_text(headers, &header::CONTENT_TYPE));
    match encoding {
        Some(Encoding::Json) => Body::parse(bytes),
        Some(Encoding::Yaml) => yaml(bytes).map(Body::from),
        Some(Encoding::Protobuf) => {
            kinds::protobuf::to_json(bytes).map(Body::from).map_err(Status::bad_request)
        }
        _ => Err(Status::unsupported_media_type(&OBJECTS)),
    }
}

/// An object that may be left out: the options of a deletion.
pub(crate) fn optional(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, Status> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    object(headers, bytes).map(|body| body.value)
}

fn yaml(bytes: &[u8]) -> Result<Value, Status> {
    serde_saphyr::from_slice(bytes)
        .map_err(|error| Status::bad_request(format!("error converting YAML to JSON: {error}")))
}
