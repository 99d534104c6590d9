//! Reading how a cluster picks hosts, in its older and in its newer words.

use xds::{
    cluster::{
        self as proto,
        cluster::{LbConfig, LbPolicy, common_lb_config, ring_hash_lb_config},
    },
    wkt,
};

use crate::{
    cluster::{Balance, Discovery, SlowStart},
    compile::{Bad, Within as _, unpack},
    upstream::Hasher,
};

/// Envoy's size of a maglev table.
const MAGLEV_SIZE: u64 = 65_537;
/// The largest table of hashes that Envoy builds.
const MAX_RING: u64 = 8 * 1024 * 1024;

/// How hosts are picked.
#[derive(Debug)]
pub(crate) struct Picking {
    pub(crate) balance: Balance,
    pub(crate) slow_start: Option<SlowStart>,
    pub(crate) locality_weighted: bool,
    pub(crate) hash_hostnames: bool,
    pub(crate) hash_balance: Option<u32>,
}

impl Picking {
    pub(crate) fn compile(cluster: &proto::Cluster, discovery: &Discovery) -> Result<Self, Bad> {
        let picking = match &cluster.load_balancing_policy {
            Some(policy) => Self::typed(policy).within("load_balancing_policy")?,
            None => Self::plain(cluster, discovery)?,
        };
        let provides = matches!(discovery, Discovery::OriginalDst { .. } | Discovery::Named(_));
        if provides != (picking.balance == Balance::Provided) {
            let why = "CLUSTER_PROVIDED belongs to ORIGINAL_DST and to clusters of names";
            return Err(Bad::new("lb_policy", why));
        }
        Ok(picking)
    }

    fn of(balance: Balance) -> Self {
        Self {
            balance,
            slow_start: None,
            locality_weighted: false,
            hash_hostnames: false,
            hash_balance: None,
        }
    }

    /// The older words: `lb_policy` and what belongs to it.
    fn plain(cluster: &proto::Cluster, discovery: &Discovery) -> Result<Self, Bad> {
        let mut slow_start = None;
        let balance = match (cluster.lb_policy(), &cluster.lb_config) {
            (LbPolicy::RoundRobin, Some(LbConfig::RoundRobinLbConfig(config))) => {
                slow_start = old_slow_start(config.slow_start_config.as_ref())?;
                Balance::RoundRobin
            }
            (LbPolicy::RoundRobin, _) => Balance::RoundRobin,
            (LbPolicy::LeastRequest, Some(LbConfig::LeastRequestLbConfig(config))) => {
                slow_start = old_slow_start(config.slow_start_config.as_ref())?;
                let bias = config.active_request_bias.as_ref();
                least_request(config.choice_count, bias.map(|bias| bias.default_value))?
            }
            (LbPolicy::LeastRequest, _) => least_request(None, None)?,
            (LbPolicy::Random, _) => Balance::Random,
            (LbPolicy::RingHash, Some(LbConfig::RingHashLbConfig(config))) => {
                let hasher = match config.hash_function() {
                    ring_hash_lb_config::HashFunction::XxHash => Hasher::Xx,
                    ring_hash_lb_config::HashFunction::MurmurHash2 => Hasher::Murmur2,
                };
                ring(config.minimum_ring_size, config.maximum_ring_size, hasher)?
            }
            (LbPolicy::RingHash, _) => ring(None, None, Hasher::Xx)?,
            (LbPolicy::Maglev, Some(LbConfig::MaglevLbConfig(config))) => {
                maglev(config.table_size)?
            }
            (LbPolicy::Maglev, _) => maglev(None)?,
            (LbPolicy::ClusterProvided, _) => Balance::Provided,
            (LbPolicy::LoadBalancingPolicyConfig, _) => {
                return Err(Bad::new("load_balancing_policy", "is not set"));
            }
        };
        let common = cluster.common_lb_config.clone().unwrap_or_default();
        let hashing = common.consistent_hashing_lb_config;
        let factor = hashing.as_ref().and_then(|hashing| hashing.hash_balance_factor);
        let hash_balance = balance_factor(factor).within("common_lb_config")?;
        // Zones are weighed against those of the proxy's own cluster, which no bootstrap of ours names: Envoy without one
        // leaves such a rule aside too.
        let locality_weighted = matches!(
            common.locality_config_specifier,
            Some(common_lb_config::LocalityConfigSpecifier::LocalityWeightedLbConfig(_))
        );
        let hash_hostnames = hashing.is_some_and(|hashing| hashing.use_hostname_for_hashing);
        if hash_hostnames && *discovery != Discovery::StrictDns {
            let why = "only the hosts of a STRICT_DNS cluster are sure to have names";
            return Err(Bad::new("common_lb_config.use_hostname_for_hashing", why));
        }
        let picking = Self {
            balance,
            slow_start,
            locality_weighted,
            hash_hostnames,
            hash_balance: hash_balance.filter(|_| picks_by_hash(&balance)),
        };
        Ok(picking)
    }

    /// The newer words: the first of the list that we know.
    fn typed(policy: &proto::LoadBalancingPolicy) -> Result<Self, Bad> {
        let mut unknown = Vec::new();
        for policy in &policy.policies {
            let Some(config) = &policy.typed_extension_config else { continue };
            let Some(any) = &config.typed_config else { continue };
            match Self::known(any)? {
                Some(picking) => return Ok(picking),
                None => unknown.push(any.type_name().to_owned()),
            }
        }
        Err(Bad::new("policies", format!("none is known here: {}", unknown.join(", "))))
    }

    fn known(any: &wkt::Any) -> Result<Option<Self>, Bad> {
        let picking = if any.is::<proto::RoundRobin>() {
            let config: proto::RoundRobin = unpack(any)?;
            Self {
                slow_start: slow_start(config.slow_start_config.as_ref())?,
                locality_weighted: is_weighted(config.locality_lb_config.as_ref()),
                ..Self::of(Balance::RoundRobin)
            }
        } else if any.is::<proto::LeastRequest>() {
            let config: proto::LeastRequest = unpack(any)?;
            if config.selection_method != 0 || config.enable_full_scan == Some(true) {
                return Err(Bad::unsupported("selection_method FULL_SCAN"));
            }
            let bias = config.active_request_bias.as_ref().map(|bias| bias.default_value);
            Self {
                slow_start: slow_start(config.slow_start_config.as_ref())?,
                locality_weighted: is_weighted(config.locality_lb_config.as_ref()),
                ..Self::of(least_request(config.choice_count, bias)?)
            }
        } else if any.is::<proto::Random>() {
            let config: proto::Random = unpack(any)?;
            let locality_weighted = is_weighted(config.locality_lb_config.as_ref());
            Self { locality_weighted, ..Self::of(Balance::Random) }
        } else if any.is::<proto::ClusterProvided>() {
            Self::of(Balance::Provided)
        } else if any.is::<proto::RingHash>() {
            let config: proto::RingHash = unpack(any)?;
            use proto::ring_hash::HashFunction;
            let hasher = match config.hash_function() {
                HashFunction::DefaultHash | HashFunction::XxHash => Hasher::Xx,
                HashFunction::MurmurHash2 => Hasher::Murmur2,
            };
            let common = config.consistent_hashing_lb_config.as_ref();
            let common = common.map(hashing).transpose()?;
            // The older fields speak where the newer message is not there.
            let (hash_hostnames, hash_balance) = match common {
                Some(common) => common,
                None => {
                    (config.use_hostname_for_hashing, balance_factor(config.hash_balance_factor)?)
                }
            };
            Self {
                locality_weighted: config.locality_weighted_lb_config.is_some(),
                hash_hostnames,
                hash_balance,
                ..Self::of(ring(config.minimum_ring_size, config.maximum_ring_size, hasher)?)
            }
        } else if any.is::<proto::Maglev>() {
            let config: proto::Maglev = unpack(any)?;
            let common = config.consistent_hashing_lb_config.as_ref();
            let (hash_hostnames, hash_balance) =
                common.map(hashing).transpose()?.unwrap_or_default();
            Self {
                locality_weighted: config.locality_weighted_lb_config.is_some(),
                hash_hostnames,
                hash_balance,
                ..Self::of(maglev(config.table_size)?)
            }
        } else {
            return Ok(None);
        };
        Ok(Some(picking))
    }
}

fn is_weighted(config: Option<&proto::LocalityLbConfig>) -> bool {
    use proto::locality_lb_config::LocalityConfigSpecifier;
    matches!(
        config.and_then(|config| config.locality_config_specifier.as_ref()),
        Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(_))
    )
}

/// Whether names are hashed, and how much load a host may have.
fn hashing(config: &proto::ConsistentHashingLbConfig) -> Result<(bool, Option<u32>), Bad> {
    let field = "consistent_hashing_lb_config";
    if !config.hash_policy.is_empty() {
        return Err(Bad::unsupported("consistent_hashing_lb_config.hash_policy"));
    }
    let balance = balance_factor(config.hash_balance_factor).within(field)?;
    Ok((config.use_hostname_for_hashing, balance))
}

/// Below a fair share there would be work that nobody may take.
fn balance_factor(factor: Option<u32>) -> Result<Option<u32>, Bad> {
    match factor {
        Some(percent) if percent < 100 => {
            Err(Bad::new("hash_balance_factor", "must be at least 100"))
        }
        factor => Ok(factor),
    }
}

fn picks_by_hash(balance: &Balance) -> bool {
    matches!(balance, Balance::RingHash { .. } | Balance::Maglev { .. })
}

fn old_slow_start(
    config: Option<&proto::cluster::SlowStartConfig>,
) -> Result<Option<SlowStart>, Bad> {
    let Some(config) = config else { return Ok(None) };
    let (window, least) = (config.slow_start_window.as_ref(), config.min_weight_percent.as_ref());
    SlowStart::compile(window, config.aggression.as_ref(), least).within("slow_start_config")
}

fn slow_start(config: Option<&proto::SlowStartConfig>) -> Result<Option<SlowStart>, Bad> {
    let Some(config) = config else { return Ok(None) };
    let (window, least) = (config.slow_start_window.as_ref(), config.min_weight_percent.as_ref());
    SlowStart::compile(window, config.aggression.as_ref(), least).within("slow_start_config")
}

fn least_request(choices: Option<u32>, bias: Option<f64>) -> Result<Balance, Bad> {
    let bias = bias.unwrap_or(1.0);
    if bias.is_nan() || bias < 0.0 {
        return Err(Bad::new("active_request_bias", "must be 0 or more"));
    }
    Ok(Balance::LeastRequest { choices: choices.unwrap_or(2).max(2), bias })
}

fn ring(min: Option<u64>, max: Option<u64>, hasher: Hasher) -> Result<Balance, Bad> {
    let (min, max) = (min.unwrap_or(1024), max.unwrap_or(MAX_RING));
    if MAX_RING < min.max(max) || max < min {
        let why = format!("must be at most {MAX_RING}, and the minimum at most the maximum");
        return Err(Bad::new("ring_hash_lb_config.minimum_ring_size", why));
    }
    Ok(Balance::RingHash { min, max, hasher })
}

fn maglev(size: Option<u64>) -> Result<Balance, Bad> {
    let size = size.unwrap_or(MAGLEV_SIZE);
    let is_prime =
        2 <= size && (2..).take_while(|n| n * n <= size).all(|n| !size.is_multiple_of(n));
    if !is_prime || 5_000_011 < size {
        let why = "must be a prime number of at most 5000011";
        return Err(Bad::new("maglev_lb_config.table_size", why));
    }
    Ok(Balance::Maglev { size })
}

#[cfg(test)]
mod tests {
    use proto::{load_balancing_policy::Policy, locality_lb_config::LocalityConfigSpecifier};
    use xds::core::TypedExtensionConfig;

    use super::*;

    fn typed(config: &impl xds::Named) -> Result<Picking, Bad> {
        let config = TypedExtensionConfig {
            name: "policy".to_owned(),
            typed_config: Some(wkt::Any::pack(config)),
        };
        Picking::typed(&proto::LoadBalancingPolicy {
            policies: vec![Policy { typed_extension_config: Some(config) }],
        })
    }

    fn locality() -> Option<proto::LocalityLbConfig> {
        Some(proto::LocalityLbConfig {
            locality_config_specifier: Some(LocalityConfigSpecifier::LocalityWeightedLbConfig(
                proto::locality_lb_config::LocalityWeightedLbConfig {},
            )),
        })
    }

    #[test]
    fn the_newer_words_say_as_much_as_the_older_ones() {
        let slow_start_config = Some(proto::SlowStartConfig {
            slow_start_window: Some(wkt::Duration { seconds: 5, nanos: 0 }),
            ..Default::default()
        });
        let turns = typed(&proto::RoundRobin { slow_start_config, locality_lb_config: locality() });
        let turns = turns.unwrap();
        assert_eq!(turns.balance, Balance::RoundRobin);
        assert!(turns.slow_start.is_some() && turns.locality_weighted);
        let ring = typed(&proto::RingHash {
            minimum_ring_size: Some(7),
            use_hostname_for_hashing: true,
            ..Default::default()
        });
        let ring = ring.unwrap();
        let hasher = Hasher::Xx;
        assert_eq!(ring.balance, Balance::RingHash { min: 7, max: MAX_RING, hasher });
        assert!(ring.hash_hostnames && !ring.locality_weighted);
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        let full = proto::LeastRequest { enable_full_scan: Some(true), ..Default::default() };
        assert!(typed(&full).unwrap_err().field.contains("FULL_SCAN"));
        let bounded = proto::RingHash { hash_balance_factor: Some(99), ..Default::default() };
        assert_eq!(typed(&bounded).unwrap_err().field, "hash_balance_factor");
        let bounded = proto::RingHash { hash_balance_factor: Some(120), ..Default::default() };
        assert_eq!(typed(&bounded).unwrap().hash_balance, Some(120));
        assert!(typed(&proto::PickFirst::default()).unwrap_err().why.contains("PickFirst"));
        assert!(least_request(None, Some(-1.0)).is_err());
    }
}
