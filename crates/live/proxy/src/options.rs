//! What a proxy is started with, whoever starts it.

mod bootstrap;
mod environment;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use telemetry::Workload;
use xds::bootstrap::Bootstrap;
use xds::core::Node;

/// Mark of the proxy's own sockets in a sandbox pod: its redirect rules let them pass.
pub const SANDBOX_MARK: u32 = 0x539;

/// Everything that [`crate::run`] needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who this proxy is, as the control plane sees it.
    pub node: Node,
    /// `host:port` of the control plane's plaintext ADS; `None` runs on static resources alone.
    pub discovery: Option<String>,
    /// Static resources.
    pub bootstrap: Option<Bootstrap>,
    /// Worker threads; at least 1.
    pub concurrency: usize,
    /// `SO_MARK` of every upstream socket; needs `CAP_NET_ADMIN` in the network namespace.
    pub mark: Option<u32>,
    /// Where the admin interface listens.
    pub admin: SocketAddr,
    /// Where `/healthz/ready` is served (15021), if at all.
    pub status: Option<SocketAddr>,
    /// Where `/stats/prometheus` is served (15090), if at all.
    pub metrics: Option<SocketAddr>,
    /// Listening sockets that the parent handed over, by the port they stand for.
    pub inherited: BTreeMap<u16, RawFd>,
    /// Longest time between SIGTERM and the end.
    pub drain: Duration,
    /// Whether connections without a request keep the drain waiting.
    pub drain_waits_for_connections: bool,
    /// This workload, as metrics name it.
    pub workload: Workload,
}

/// Which container the environment describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Beside an application: `sidecar~…`, one worker, marked sockets.
    Sidecar,
    /// At the edge: `router~…`, two workers, unmarked sockets.
    Gateway,
}

/// Reads YAML, of which JSON is a part. Only `true` and `false` are booleans: a node may be called `n`.
fn yaml(text: &str) -> anyhow::Result<serde_json::Value> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| anyhow::anyhow!("{error}"))
}

impl Default for Options {
    /// A proxy of no mesh: one worker, admin on a free port of loopback, nothing else.
    fn default() -> Options {
        Options {
            node: Node::default(),
            discovery: None,
            bootstrap: None,
            concurrency: 1,
            mark: None,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            status: None,
            metrics: None,
            inherited: BTreeMap::new(),
            drain: Duration::from_secs(5),
            drain_waits_for_connections: false,
            workload: Workload::unknown(),
        }
    }
}
