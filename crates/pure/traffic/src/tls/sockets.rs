//! Which transport socket a host gets. Spec: Envoy `Cluster.transport_socket_matches`.

use std::sync::Arc;

use xds::{cluster as proto, core, wkt};

use crate::{
    compile::{Bad, Within as _},
    tls::ClientTls,
};

/// Metadata of endpoints that is compared.
const FILTER: &str = "envoy.transport_socket_match";

/// The transport sockets of a cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sockets {
    matches: Vec<(wkt::Struct, Option<Arc<ClientTls>>)>,
    otherwise: Option<Arc<ClientTls>>,
}

impl Sockets {
    pub(crate) fn compile(cluster: &proto::Cluster) -> Result<Self, Bad> {
        let mut matches = Vec::with_capacity(cluster.transport_socket_matches.len());
        for (at, wanted) in cluster.transport_socket_matches.iter().enumerate() {
            let socket = ClientTls::of_socket(wanted.transport_socket.as_ref())
                .within("transport_socket")
                .within_item("transport_socket_matches", at)?;
            matches.push((wanted.r#match.clone().unwrap_or_default(), socket));
        }
        let otherwise =
            ClientTls::of_socket(cluster.transport_socket.as_ref()).within("transport_socket")?;
        let mut sockets = Self { matches, otherwise };
        if sockets.all().next().is_none() {
            // All of them are plain: there is nothing to choose.
            sockets.matches.clear();
        }
        Ok(sockets)
    }

    /// The socket of a host; `None` is plain.
    pub(crate) fn of(&self, metadata: Option<&core::Metadata>) -> Option<&Arc<ClientTls>> {
        if self.matches.is_empty() {
            return self.otherwise.as_ref();
        }
        let labels = metadata.and_then(|metadata| metadata.filter_metadata.get(FILTER));
        let fits = |wanted: &wkt::Struct| {
            wanted.fields.iter().all(|(key, value)| {
                labels.is_some_and(|labels| labels.fields.get(key) == Some(value))
            })
        };
        let found = self.matches.iter().find(|(wanted, _)| fits(wanted));
        found.map_or(self.otherwise.as_ref(), |(_, socket)| socket.as_ref())
    }

    /// All that speak TLS.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<ClientTls>> {
        self.matches.iter().filter_map(|(_, socket)| socket.as_ref()).chain(&self.otherwise)
    }
}
