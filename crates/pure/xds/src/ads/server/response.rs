//! One response, and its bytes: spliced from resources that were encoded before.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::snapshot::Resource;

/// What a server tells a proxy about one type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The type of all resources in it.
    pub type_url: String,
    /// Mark of this response; the proxy's answer repeats it.
    pub nonce: String,
    /// Version of all resources of the type that the proxy has after this response.
    pub version: String,
    /// New and changed resources by name; with the state of the world, for listeners and clusters, all of them.
    pub resources: Vec<(String, Arc<Resource>)>,
    /// Names that are no more, or never were; the state of the world has no words for these.
    pub removed: Vec<String>,
}

impl Response {
    /// The bytes of a `DeltaDiscoveryResponse`.
    #[must_use]
    pub fn encode_delta(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.size());
        put(&mut out, 1, self.version.as_bytes());
        for (name, resource) in &self.resources {
            let any = any_len(&self.type_url, resource);
            let len =
                field_len(1, resource.version.len()) + field_len(2, any) + field_len(3, name.len());
            head(&mut out, 2, len);
            put(&mut out, 1, resource.version.as_bytes());
            head(&mut out, 2, any);
            put_any(&mut out, &self.type_url, resource);
            put(&mut out, 3, name.as_bytes());
        }
        put(&mut out, 4, self.type_url.as_bytes());
        put(&mut out, 5, self.nonce.as_bytes());
        for name in &self.removed {
            put(&mut out, 6, name.as_bytes());
        }
        out.freeze()
    }

    /// The bytes of a `DiscoveryResponse`.
    #[must_use]
    pub fn encode_sotw(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.size());
        put(&mut out, 1, self.version.as_bytes());
        for (_, resource) in &self.resources {
            head(&mut out, 2, any_len(&self.type_url, resource));
            put_any(&mut out, &self.type_url, resource);
        }
        put(&mut out, 4, self.type_url.as_bytes());
        put(&mut out, 5, self.nonce.as_bytes());
        out.freeze()
    }

    /// About as many bytes as the encoded response has.
    fn size(&self) -> usize {
        let resources: usize =
            self.resources.iter().map(|(name, r)| name.len() + r.body.len() + 128).sum();
        let removed: usize = self.removed.iter().map(|name| name.len() + 4).sum();
        256 + resources + removed
    }
}

fn any_len(type_url: &str, resource: &Resource) -> usize {
    field_len(1, type_url.len()) + field_len(2, resource.body.len())
}

fn put_any(out: &mut BytesMut, type_url: &str, resource: &Resource) {
    put(out, 1, type_url.as_bytes());
    put(out, 2, &resource.body);
}

/// A length-delimited field; an empty one is left out, as in proto3.
fn put(out: &mut BytesMut, tag: u8, bytes: &[u8]) {
    if !bytes.is_empty() {
        head(out, tag, bytes.len());
        out.put_slice(bytes);
    }
}

/// Key and length of a length-delimited field. Tags under 16 have keys of one byte.
fn head(out: &mut BytesMut, tag: u8, len: usize) {
    out.put_u8(tag << 3 | 2);
    let mut rest = len;
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            out.put_u8(low & 0x7f);
            return;
        }
        out.put_u8(low | 0x80);
    }
}

fn field_len(_tag: u8, len: usize) -> usize {
    if len == 0 {
        return 0;
    }
    let bits = usize::BITS - len.leading_zeros();
    1 + bits.div_ceil(7) as usize + len
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::{
        Named as _,
        cluster::Cluster,
        discovery::{DeltaDiscoveryResponse, DiscoveryResponse},
        snapshot::CLUSTER,
    };

    fn response() -> Response {
        let cluster = |name: &str| Cluster { name: name.into(), ..Cluster::default() };
        Response {
            type_url: Cluster::TYPE_URL.into(),
            nonce: "7".into(),
            version: "v".into(),
            resources: ["short".to_owned(), "long".repeat(100), String::new()]
                .iter()
                .map(|name| (name.clone(), Arc::new(Resource::of(&cluster(name)))))
                .collect(),
            removed: vec!["gone".into()],
        }
    }

    #[test]
    fn the_delta_bytes_are_those_of_the_message() {
        let response = response();
        let read = DeltaDiscoveryResponse::decode(response.encode_delta()).unwrap();
        assert_eq!(read.encode_to_vec(), response.encode_delta());
        assert_eq!((read.nonce.as_str(), read.type_url.as_str()), ("7", CLUSTER));
        assert_eq!(read.removed_resources, ["gone"]);
        let cluster: Cluster = read.resources[1].resource.as_ref().unwrap().unpack().unwrap();
        assert_eq!(cluster.name, "long".repeat(100));
        assert_eq!(read.resources[1].name, cluster.name);
    }

    #[test]
    fn the_bytes_of_the_state_of_the_world_are_those_of_the_message() {
        let response = response();
        let read = DiscoveryResponse::decode(response.encode_sotw()).unwrap();
        assert_eq!(read.encode_to_vec(), response.encode_sotw());
        assert_eq!(read.resources.len(), 3);
        assert_eq!(read.version_info, "v");
    }
}
