//! Endpoints: the hosts of a cluster, by priority and locality.

use std::net::{IpAddr, SocketAddr};

use xds::{core, endpoint as proto};

use crate::{
    address::{self, Address},
    compile::{Bad, Within as _, host_port, refuse},
};

/// The hosts of a cluster. Spec: Envoy `ClusterLoadAssignment`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoints {
    /// Groups in the order in which they were given.
    pub localities: Vec<Locality>,
    /// How much health a priority may lose before its traffic spills over, in percent; Envoy's default is 140.
    pub(crate) overprovisioning: u32,
}

/// The hosts of one place and one priority.
#[derive(Clone, Debug, PartialEq)]
pub struct Locality {
    /// Region, zone and sub-zone.
    pub place: Place,
    /// Its share of traffic among the localities of its priority, where these are weighted.
    pub weight: u32,
    /// 0 is used first.
    pub priority: u32,
    /// The hosts.
    pub endpoints: Vec<Endpoint>,
}

/// Where a host is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The region.
    pub region: String,
    /// The zone.
    pub zone: String,
    /// The sub-zone.
    pub sub_zone: String,
}

/// One host, or the name of some.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// An IP address, a name to resolve, or the path of a unix socket (`/path`, or `@` and a name).
    pub host: String,
    /// The port.
    pub port: u16,
    /// The name that goes with the address; may be empty.
    pub hostname: String,
    /// Its share of traffic among its neighbours; at least 1.
    pub weight: u32,
    /// What the control plane says about it.
    pub health: Health,
    /// Metadata, such as `envoy.transport_socket_match`.
    pub metadata: Option<core::Metadata>,
}

/// What the control plane says about a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It may be used.
    #[default]
    Healthy,
    /// It may not be used.
    Unhealthy,
    /// It is going away: no new requests.
    Draining,
}

impl Default for Locality {
    fn default() -> Self {
        Self { place: Place::default(), weight: 1, priority: 0, endpoints: Vec::new() }
    }
}

impl Endpoints {
    pub(crate) fn compile(assignment: &proto::ClusterLoadAssignment) -> Result<Self, Bad> {
        refuse(&[("named_endpoints", !assignment.named_endpoints.is_empty())])?;
        let policy = assignment.policy.clone().unwrap_or_default();
        refuse(&[
            ("policy.drop_overloads", !policy.drop_overloads.is_empty()),
            ("policy.endpoint_stale_after", policy.endpoint_stale_after.is_some()),
            ("policy.weighted_priority_health", policy.weighted_priority_health),
        ])?;
        let localities = assignment.endpoints.iter().enumerate();
        let localities =
            localities.map(|(at, group)| Locality::compile(group).within_item("endpoints", at));
        Ok(Self {
            localities: localities.collect::<Result<_, _>>()?,
            overprovisioning: policy.overprovisioning_factor.unwrap_or(140).max(1),
        })
    }

    /// The names that have to be resolved, each once.
    pub(crate) fn names(&self) -> Vec<&str> {
        let all = self.localities.iter().flat_map(|locality| &locality.endpoints);
        let mut names: Vec<&str> = all
            .filter(|endpoint| endpoint.address().is_none())
            .map(|endpoint| endpoint.host.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Locality {
    fn compile(group: &proto::LocalityLbEndpoints) -> Result<Self, Bad> {
        use proto::locality_lb_endpoints::LbConfig;
        let endpoints = match &group.lb_config {
            None => &group.lb_endpoints,
            Some(LbConfig::LoadBalancerEndpoints(list)) => &list.lb_endpoints,
            Some(LbConfig::LedsClusterLocalityConfig(_)) => {
                return Err(Bad::unsupported("leds_cluster_locality_config"));
            }
        };
        let place = group.locality.clone().unwrap_or_default();
        let endpoints = endpoints.iter().enumerate();
        let endpoints = endpoints
            .map(|(at, endpoint)| Endpoint::compile(endpoint).within_item("lb_endpoints", at));
        Ok(Self {
            place: Place { region: place.region, zone: place.zone, sub_zone: place.sub_zone },
            weight: group.load_balancing_weight.unwrap_or(0),
            priority: group.priority,
            endpoints: endpoints.collect::<Result<_, _>>()?,
        })
    }
}

impl Endpoint {
    fn compile(endpoint: &proto::LbEndpoint) -> Result<Self, Bad> {
        use proto::lb_endpoint::HostIdentifier;
        let host = match &endpoint.host_identifier {
            Some(HostIdentifier::Endpoint(host)) => host,
            Some(HostIdentifier::EndpointName(_)) => return Err(Bad::unsupported("endpoint_name")),
            None => return Err(Bad::new("endpoint", "is not set")),
        };
        let (address, port) = match address::pipe(host.address.as_ref()).within("endpoint")? {
            Some(pipe) => (pipe.path.as_str(), 0),
            None => host_port(host.address.as_ref()).within("endpoint")?,
        };
        let weight = endpoint.load_balancing_weight.unwrap_or(1);
        if weight == 0 {
            return Err(Bad::new("load_balancing_weight", "must be at least 1"));
        }
        let health = match endpoint.health_status() {
            core::HealthStatus::Unknown
            | core::HealthStatus::Healthy
            | core::HealthStatus::Degraded => Health::Healthy,
            core::HealthStatus::Draining => Health::Draining,
            core::HealthStatus::Unhealthy | core::HealthStatus::Timeout => Health::Unhealthy,
        };
        Ok(Self {
            host: address.to_owned(),
            port,
            hostname: host.hostname.clone(),
            weight,
            health,
            metadata: endpoint.metadata.clone(),
        })
    }

    /// The address, if it is one already.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        if Address::is_path(&self.host) {
            return Some(Address::Pipe(self.host.as_str().into()));
        }
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port).into())
    }
}
