//! HTTP/1.1 on the wire: heads, body framing and one connection's two halves. Decides nothing about
//! a request; refuses what two readers could understand differently (RFC 9112 section 11.2).

pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod link;

pub(crate) use body::{Decoder, Encoder, Incoming, Outgoing};
pub(crate) use head::{Fault, parse_request, parse_response, write_request, write_response};
pub(crate) use link::Link;

/// Most bytes of one head: Envoy's default `max_request_headers_kb`.
pub(crate) const HEAD_BYTES: usize = 60 * 1024;
/// Most fields of one head: Envoy's default `max_headers_count`.
pub(crate) const HEAD_FIELDS: usize = 100;
/// Fields that the parser has room for; a listener may allow that many.
const PARSED_FIELDS: usize = 256;

/// How large a head may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most bytes.
    pub(crate) bytes: usize,
    /// Most fields, [`PARSED_FIELDS`] at most.
    pub(crate) fields: usize,
    /// Methods that no standard names are taken too.
    pub(crate) any_method: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes: HEAD_BYTES, fields: HEAD_FIELDS, any_method: false }
    }
}
