//! What a connection manager does to the headers of every request. Spec: Envoy, "HTTP header manipulation".

use std::net::{IpAddr, SocketAddr};

use crate::{
    dice::Dice,
    edits::{Action, Edit, Value},
    head::Head,
    http::HttpSettings,
    peer::Peer,
};

/// Headers that only internal callers may send.
const INTERNAL_ONLY: &[&str] = &[
    "x-envoy-internal",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-stream-duration-ms",
];

/// Headers that nobody from outside the mesh may send.
const EDGE_ONLY: &[&str] = &[
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-original-path",
];

/// Headers of internal callers that the router obeys and keeps to itself.
const OBEYED: &[&str] = &[
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
];

/// What is done to the headers of one request.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    /// Where the request really comes from, past trusted proxies.
    pub(crate) remote: IpAddr,
    /// The same with its port, where that is known.
    pub(crate) remote_address: SocketAddr,
    /// The random part of the `x-request-id` that is set.
    pub(crate) request_id: Option<[u8; 16]>,
    forwarded_for: Option<IpAddr>,
    forwarded_proto: Option<&'static str>,
    forwarded_port: Option<u16>,
    /// Where a request from outside comes from, for those behind us.
    external: Option<IpAddr>,
    /// Whether it comes from within, so that its `x-envoy-…` headers count.
    pub(crate) is_internal: bool,
    /// A bit for each name of [`INTERNAL_ONLY`] and then of [`EDGE_ONLY`] that has to go.
    stripped: u32,
    strips_client_cert: bool,
}

impl Manners {
    pub(crate) fn of(
        head: &Head<'_>,
        peer: &Peer,
        settings: &HttpSettings,
        dice: &mut Dice,
    ) -> Self {
        let from_header = |skip| address_from_xff(head, skip);
        let has_xff = head.header("x-forwarded-for").is_some();
        let hops = settings.xff_num_trusted_hops;
        let uses_peer = settings.use_remote_address;
        let claimed = match (uses_peer, hops) {
            (true, 0) => None,
            (true, hops) => from_header(hops - 1),
            (false, hops) => from_header(hops),
        };
        let remote_address = match claimed {
            Some(address) => SocketAddr::new(address, 0),
            None => peer.source,
        };
        let is_trusted = if uses_peer { !has_xff } else { claimed.is_some() };
        let is_internal = is_trusted
            && settings.internal_ranges.iter().any(|net| net.contains(&remote_address.ip()));
        let is_edge = uses_peer && !is_internal;

        let proto = if peer.tls.is_some() { "https" } else { "http" };
        let has_proto = head.header("x-forwarded-proto").is_some();
        let overwrites_proto = !has_proto || uses_peer && hops == 0;
        // A peer on this machine is the application itself, so the header names our own address.
        let hop = if peer.source.ip().is_loopback() { peer.destination } else { peer.source };
        let is_pipe = peer.source.ip().is_unspecified();
        let has_id = head.header("x-request-id").is_some_and(|id| !id.is_empty());
        let keeps_id = has_id && (!is_edge || settings.preserve_external_request_id);
        Self {
            remote: remote_address.ip(),
            remote_address,
            request_id: (settings.generate_request_id && !keeps_id).then(|| dice.bytes()),
            forwarded_for: (uses_peer && !is_pipe && !settings.skip_xff_append).then_some(hop.ip()),
            forwarded_proto: overwrites_proto.then_some(proto),
            forwarded_port: (uses_peer && settings.append_x_forwarded_port)
                .then_some(peer.destination.port()),
            external: (is_edge && !remote_address.ip().is_unspecified())
                .then(|| remote_address.ip()),
            is_internal,
            stripped: stripped(head, is_internal, is_edge),
            strips_client_cert: !settings.always_forwards_client_cert
                && head.header("x-forwarded-client-cert").is_some(),
        }
    }

    /// The scheme that the rest of the proxy goes by: what `x-forwarded-proto` says after the edits.
    pub(crate) fn scheme<'a>(&self, head: &Head<'a>) -> &'a str {
        match self.forwarded_proto {
            Some(proto) => proto,
            None => head
                .header("x-forwarded-proto")
                .and_then(|proto| std::str::from_utf8(proto).ok())
                .unwrap_or("http"),
        }
    }

    /// The edits, in the order in which Envoy makes them.
    pub(crate) fn request_edits<'a>(
        &'a self,
        settings: &'a HttpSettings,
    ) -> impl Iterator<Item = Edit<'a>> {
        let stripped = self.stripped;
        let names = INTERNAL_ONLY.iter().chain(EDGE_ONLY).enumerate();
        let removed = names.filter(move |(at, _)| stripped & (1 << at) != 0);
        let via = settings.via.as_deref().map(|via| Edit {
            action: Action::Join(", "),
            name: "via",
            value: Value::Bytes(via.as_bytes()),
        });
        let singles = [
            self.strips_client_cert.then_some(Edit::remove("x-forwarded-client-cert")),
            self.forwarded_for.map(|address| Edit {
                action: Action::Join(","),
                name: "x-forwarded-for",
                value: Value::Address(address),
            }),
            self.forwarded_proto
                .map(|proto| Edit::set("x-forwarded-proto", Value::Bytes(proto.as_bytes()))),
            self.forwarded_port
                .map(|port| Edit::set("x-forwarded-port", Value::Number(port.into()))),
            self.is_internal.then_some(Edit::set("x-envoy-internal", Value::Bytes(b"true"))),
            via,
            self.external
                .map(|address| Edit::set("x-envoy-external-address", Value::Address(address))),
            self.request_id.map(|random| Edit::set("x-request-id", Value::Uuid(random))),
        ];
        removed.map(|(_, name)| Edit::remove(name)).chain(singles.into_iter().flatten())
    }
}

/// Which headers have to go, as bits.
fn stripped(head: &Head<'_>, is_internal: bool, is_edge: bool) -> u32 {
    let mut bits = 0;
    for header in head.headers.iter().filter(|header| header.name.starts_with("x-envoy-")) {
        let place = |list: &[&str]| list.iter().position(|name| *name == header.name);
        if let Some(at) = place(INTERNAL_ONLY) {
            // The internal mark itself is always taken off; it is set anew where it is true.
            if !is_internal || at == 0 || OBEYED.contains(&header.name) {
                bits |= 1 << at;
            }
        } else if let Some(at) = place(EDGE_ONLY).filter(|_| is_edge) {
            bits |= 1 << (INTERNAL_ONLY.len() + at);
        }
    }
    bits
}

/// The address in `x-forwarded-for` that is left when this many are skipped from the right.
fn address_from_xff(head: &Head<'_>, skip: usize) -> Option<IpAddr> {
    let all = || head.values("x-forwarded-for").flat_map(|value| value.split(|b| *b == b','));
    let from_left = all().count().checked_sub(skip.checked_add(1)?)?;
    let text = all().nth(from_left)?;
    std::str::from_utf8(text.trim_ascii()).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Header;

    const XFF: (&str, &str) = ("x-forwarded-for", "1.1.1.1, 2.2.2.2");

    fn told(settings: &HttpSettings, headers: &[(&str, &str)]) -> String {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        let head = Head { headers: &headers, ..Head::default() };
        let peer = Peer::new("9.9.9.9:4000".parse().unwrap(), "10.0.0.2:80".parse().unwrap());
        let manners = Manners::of(&head, &peer, settings, &mut Dice::seeded(1));
        let edits: Vec<_> = manners
            .request_edits(settings)
            .map(|edit| match edit.value {
                Value::Uuid(_) => format!("{}=new", edit.name),
                value if edit.action == Action::Remove => {
                    assert_eq!(value, Value::Bytes(b""));
                    format!("-{}", edit.name)
                }
                value => {
                    let plus = if matches!(edit.action, Action::Join(_)) { "+" } else { "" };
                    format!("{}{plus}={}", edit.name, String::from_utf8(value.to_vec()).unwrap())
                }
            })
            .collect();
        format!("{} from {}", edits.join(" "), manners.remote)
    }

    fn gateway() -> HttpSettings {
        HttpSettings { use_remote_address: true, ..HttpSettings::default() }
    }

    #[test]
    fn a_sidecar_leaves_the_chain_of_addresses_alone() {
        let sidecar = HttpSettings::default();
        assert_eq!(told(&sidecar, &[]), "x-forwarded-proto=http x-request-id=new from 9.9.9.9");
        assert_eq!(
            told(&sidecar, &[XFF, ("x-forwarded-proto", "https"), ("x-request-id", "a")]),
            " from 2.2.2.2"
        );
    }

    #[test]
    fn a_gateway_appends_and_trusts_nobody() {
        assert_eq!(
            told(&gateway(), &[XFF, ("x-forwarded-proto", "https"), ("x-request-id", "a")]),
            "x-forwarded-for+=9.9.9.9 x-forwarded-proto=http x-envoy-external-address=9.9.9.9 x-request-id=new from 9.9.9.9"
        );
    }

    #[test]
    fn a_gateway_behind_a_proxy_trusts_its_hops() {
        let settings = HttpSettings { xff_num_trusted_hops: 1, ..gateway() };
        assert_eq!(
            told(&settings, &[XFF, ("x-forwarded-proto", "https"), ("x-request-id", "a")]),
            "x-forwarded-for+=9.9.9.9 x-envoy-external-address=2.2.2.2 x-request-id=new from 2.2.2.2"
        );
    }

    #[test]
    fn headers_of_envoy_are_taken_off_strangers() {
        let headers = [("x-envoy-retry-on", "5xx"), ("x-envoy-original-path", "/"), ("x-a", "b")];
        assert_eq!(
            told(&gateway(), &headers),
            "-x-envoy-retry-on -x-envoy-original-path x-forwarded-for+=9.9.9.9 \
             x-forwarded-proto=http x-envoy-external-address=9.9.9.9 x-request-id=new from 9.9.9.9"
        );
        assert_eq!(
            told(&HttpSettings::default(), &headers),
            "-x-envoy-retry-on x-forwarded-proto=http x-request-id=new from 9.9.9.9"
        );
    }

    #[test]
    fn an_internal_caller_is_believed() {
        let settings =
            HttpSettings { internal_ranges: vec!["9.0.0.0/8".parse().unwrap()], ..gateway() };
        assert_eq!(
            told(
                &settings,
                &[("x-envoy-retry-on", "5xx"), ("x-envoy-ip-tags", "b"), ("x-request-id", "a")]
            ),
            "-x-envoy-retry-on x-forwarded-for+=9.9.9.9 x-forwarded-proto=http x-envoy-internal=true from 9.9.9.9"
        );
    }

    #[test]
    fn a_client_certificate_is_not_taken_on_trust() {
        assert_eq!(
            told(
                &HttpSettings::default(),
                &[("x-forwarded-client-cert", "x"), ("x-request-id", "a")]
            ),
            "-x-forwarded-client-cert x-forwarded-proto=http from 9.9.9.9"
        );
    }
}
