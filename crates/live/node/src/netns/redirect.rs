//! The rules in a pod with a sidecar: who is sent to 15001 and 15006, and who is not.
//!
//! Spec: Istio, "Understanding traffic redirection" and the `traffic.sidecar.istio.io` annotations.

use crate::netlink::Messages;
use crate::netlink::nft::{Batch, Hook, Part, TCP};
use crate::netlink::route::LO;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// The mark of sockets that pass the sidecar: its own, and those of probes.
pub(crate) const MARK: u32 = 0x539;
const MARK_MASK: u32 = 0xfff;
/// Whoever dials from this address means the application itself, also at the pod's own address:
/// Istio's inbound pass-through.
const PASSTHROUGH: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
const OUTBOUND: u16 = 15001;
const INBOUND: u16 = 15006;
/// The sidecar's own ports: tunnel, merged metrics, health, metrics.
const OWN_PORTS: [u16; 6] = [OUTBOUND, INBOUND, 15008, 15020, 15021, 15090];

type Network = (Ipv4Addr, u8);

/// What a pod's annotations ask for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    out_ports_excluded: Vec<u16>,
    in_ports_excluded: Vec<u16>,
    /// `None` means all.
    in_ports: Option<Vec<u16>>,
    /// Ports whose outbound traffic is redirected whatever its address.
    out_ports: Vec<u16>,
    /// `None` means all.
    out_networks: Option<Vec<Network>>,
    out_networks_excluded: Vec<Network>,
}

impl Wishes {
    /// Reads the annotations; what is no port or network is left out.
    pub(crate) fn of(annotations: &BTreeMap<String, String>) -> Wishes {
        let value = |key: &str| {
            annotations.get(&format!("traffic.sidecar.istio.io/{key}")).map(String::as_str)
        };
        let all = |text: &str| text.trim() == "*";
        Wishes {
            out_ports_excluded: ports(value("excludeOutboundPorts")),
            in_ports_excluded: ports(value("excludeInboundPorts")),
            in_ports: value("includeInboundPorts").filter(|t| !all(t)).map(|t| ports(Some(t))),
            out_ports: ports(value("includeOutboundPorts")),
            out_networks: value("includeOutboundIPRanges")
                .filter(|t| !all(t))
                .map(|t| networks(Some(t))),
            out_networks_excluded: networks(value("excludeOutboundIPRanges")),
        }
    }
}

fn ports(text: Option<&str>) -> Vec<u16> {
    text.unwrap_or("").split(',').filter_map(|p| p.trim().parse().ok()).collect()
}

fn networks(text: Option<&str>) -> Vec<Network> {
    let one = |part: &str| {
        let (ip, len) = part.trim().split_once('/').unwrap_or((part.trim(), "32"));
        Some((ip.parse().ok()?, len.parse().ok().filter(|len| *len <= 32)?))
    };
    text.unwrap_or("").split(',').filter_map(one).collect()
}

/// The table of a pod with this address.
pub(crate) fn rules(ip: Ipv4Addr, wishes: &Wishes) -> Messages {
    let mut batch = Batch::replace("mesh");
    batch.chain("own");
    // The proxy dialled its own pod (a Service chose it): inbound policy holds there too.
    batch.rule("own", &[Part::Protocol(TCP), Part::To(ip, 32), Part::Redirect(INBOUND)]);

    batch.nat_chain("out", Hook::Output);
    batch.rule("out", &[Part::From(PASSTHROUGH), Part::Return]);
    batch.rule("out", &[Part::Mark { mask: MARK_MASK, value: MARK }, Part::Goto("own")]);
    batch.rule("out", &[Part::To(Ipv4Addr::new(127, 0, 0, 0), 8), Part::Return]);
    batch.rule("out", &[Part::To(ip, 32), Part::Return]);
    for port in &wishes.out_ports_excluded {
        batch.rule("out", &[Part::Protocol(TCP), Part::Port(*port), Part::Return]);
    }
    for (ip, len) in &wishes.out_networks_excluded {
        batch.rule("out", &[Part::To(*ip, *len), Part::Return]);
    }
    for port in &wishes.out_ports {
        batch.rule("out", &[Part::Protocol(TCP), Part::Port(*port), Part::Redirect(OUTBOUND)]);
    }
    match &wishes.out_networks {
        None => batch.rule("out", &[Part::Protocol(TCP), Part::Redirect(OUTBOUND)]),
        Some(networks) => {
            for (ip, len) in networks {
                let to = Part::To(*ip, *len);
                batch.rule("out", &[Part::Protocol(TCP), to, Part::Redirect(OUTBOUND)]);
            }
        }
    }

    batch.nat_chain("in", Hook::Prerouting);
    batch.rule("in", &[Part::InputDevice(LO), Part::Return]);
    for port in OWN_PORTS.iter().chain(&wishes.in_ports_excluded) {
        batch.rule("in", &[Part::Protocol(TCP), Part::Port(*port), Part::Return]);
    }
    match &wishes.in_ports {
        None => batch.rule("in", &[Part::Protocol(TCP), Part::Redirect(INBOUND)]),
        Some(ports) => {
            for port in ports {
                let parts = [Part::Protocol(TCP), Part::Port(*port), Part::Redirect(INBOUND)];
                batch.rule("in", &parts);
            }
        }
    }
    batch.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_are_read_as_istio_reads_them() {
        let map = |rows: &[(&str, &str)]| {
            let key = |k: &str| format!("traffic.sidecar.istio.io/{k}");
            rows.iter().map(|(k, v)| (key(k), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let wishes = Wishes::of(&map(&[
            ("excludeOutboundPorts", "443, 3306"),
            ("includeInboundPorts", "*"),
            ("includeOutboundIPRanges", "10.96.0.0/16,nonsense"),
            ("excludeOutboundIPRanges", "1.2.3.4/33,8.8.8.8"),
        ]));
        assert_eq!(wishes.out_ports_excluded, [443, 3306]);
        assert_eq!(wishes.in_ports, None);
        assert_eq!(wishes.out_networks, Some(vec![(Ipv4Addr::new(10, 96, 0, 0), 16)]));
        assert_eq!(wishes.out_networks_excluded, [(Ipv4Addr::new(8, 8, 8, 8), 32)]);
        assert_eq!(Wishes::of(&map(&[("includeInboundPorts", "")])).in_ports, Some(vec![]));
    }
}
