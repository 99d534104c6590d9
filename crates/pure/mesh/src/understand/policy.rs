//! DestinationRules to policies.

use std::collections::BTreeMap;
use std::time::Duration;

use kinds::istio;

use super::notes::{Bad, Notes, thousandths};
use super::registry::{by_age, created};
use super::text::{is_clean, is_header_name};
use crate::findings::{Code, Finding};
use crate::model::policy::{
    Algorithm, Balance, Budget, ClientMode, ClientTls, HashOn, Keepalive, Layer, LocalityRules,
    Outlier, Policy, Pool, Subset, Traffic, Warmup,
};
use crate::model::{Export, MeshConfig, Origin, Shared};
use crate::world::{Key, Kind, World};

/// Size of a hash ring that Envoy still takes.
const LARGEST_RING: u64 = 8 * 1024 * 1024;
/// Size of a Maglev table that Envoy still takes.
const LARGEST_TABLE: u64 = 5_000_011;

/// Policies by namespace and host; those of one host and the same clients are one.
pub(super) fn policies(
    world: &World,
    mesh: &MeshConfig,
    findings: &mut Vec<Finding>,
) -> BTreeMap<(String, String), Vec<Shared<Policy>>> {
    let mut read: Vec<Policy> = Vec::new();
    for ((namespace, name), object) in &world.destination_rules {
        let key =
            Key { kind: Kind::DestinationRule, namespace: namespace.clone(), name: name.clone() };
        let mut notes = Notes::new(key, &world.settings, findings);
        read.extend(policy(&mut notes, mesh, object));
    }
    read.sort_by_cached_key(|one| by_age(&one.created, &one.origin.name, &one.origin.namespace));
    let mut merged: BTreeMap<(String, String), Vec<Policy>> = BTreeMap::new();
    for one in read {
        let place = merged.entry((one.origin.namespace.clone(), one.host.clone())).or_default();
        let same =
            place.iter_mut().find(|old| old.clients == one.clients && old.export == one.export);
        match same {
            None => place.push(one),
            Some(old) => {
                let key = Key {
                    kind: Kind::DestinationRule,
                    namespace: one.origin.namespace.clone(),
                    name: one.origin.name.clone(),
                };
                merge(&mut Notes::new(key, &world.settings, findings), old, one);
            }
        }
    }
    merged
        .into_iter()
        .map(|(key, list)| (key, list.into_iter().map(Shared::new).collect()))
        .collect()
}

/// Adds what a younger rule of the same host says and the older does not.
fn merge(notes: &mut Notes<'_>, old: &mut Policy, young: Policy) {
    for subset in young.subsets {
        if old.subset(&subset.name).is_some() {
            let text = format!("{} has the subset {:?} already", old.origin, subset.name);
            notes.note(Code::OlderDestinationRule, "spec.subsets", text);
        } else {
            old.subsets.push(subset);
        }
    }
    if young.traffic != Layer::default() {
        if old.traffic == Layer::default() {
            old.traffic = young.traffic;
        } else {
            let text = format!("{} has a trafficPolicy for the host already", old.origin);
            notes.note(Code::OlderDestinationRule, "spec.trafficPolicy", text);
        }
    }
    notes.merge_extras(&mut old.extras, young.extras);
}

/// Annotation of a DestinationRule: `"false"` keeps ejection below `maxEjectionPercent` even where
/// that means that no host is ever ejected.
const ALWAYS_EJECT_ONE: &str = "lateen/always-eject-one-host";

fn policy(
    notes: &mut Notes<'_>,
    mesh: &MeshConfig,
    object: &istio::DestinationRule,
) -> Result<Policy, Bad> {
    let spec = &object.spec;
    let host = notes.host("spec.host", &spec.host)?;
    let mut subsets: Vec<Subset> = Vec::new();
    for (index, written) in spec.subsets.iter().enumerate() {
        let path = format!("spec.subsets[{index}]");
        let name = &written.name;
        let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if name.is_empty() || !fits {
            notes.wrong(&format!("{path}.name"), format!("{name:?} is no name of a subset"));
            continue;
        }
        if subsets.iter().any(|other| other.name == *name) {
            notes.wrong(&format!("{path}.name"), format!("the subset {name:?} stands twice"));
            continue;
        }
        let traffic =
            notes.layer(&format!("{path}.trafficPolicy"), written.traffic_policy.as_ref());
        subsets.push(Subset { name: name.clone(), labels: written.labels.clone(), traffic });
    }
    let clients = spec.workload_selector.as_ref();
    let annotations = object.metadata.annotations.as_ref();
    let word = annotations.and_then(|all| all.get(ALWAYS_EJECT_ONE)).map(String::as_str);
    if !matches!(word, None | Some("true" | "false")) {
        let path = format!("metadata.annotations[{ALWAYS_EJECT_ONE}]");
        notes.wrong(&path, "it is neither \"true\" nor \"false\", so it counts as \"true\"");
    }
    let mut policy = Policy {
        origin: Origin { namespace: notes.key.namespace.clone(), name: notes.key.name.clone() },
        created: created(&object.metadata),
        export: Export::from_words(
            spec.export_to.iter().map(String::as_str),
            &mesh.export_policies,
            notes.namespace(),
        ),
        clients: clients.map(|clients| clients.match_labels.clone()).unwrap_or_default(),
        traffic: notes.layer("spec.trafficPolicy", spec.traffic_policy.as_ref()),
        host,
        subsets,
        extras: notes.extras(object),
    };
    let has_ejection = policy.layers().any(|traffic| traffic.outlier.is_some());
    notes.growth_without_ejection(&policy.extras, has_ejection);
    for outlier in policy.layers_mut().filter_map(|traffic| traffic.outlier.as_mut()) {
        outlier.at_least_one = word != Some("false");
    }
    Ok(policy)
}

/// The blocks that both a policy and a port's settings have.
struct Blocks<'a> {
    balance: Option<&'a istio::LoadBalancer>,
    pool: Option<&'a istio::ConnectionPool>,
    outlier: Option<&'a istio::OutlierDetection>,
    tls: Option<&'a istio::TlsSettings>,
}

impl Notes<'_> {
    fn layer(&mut self, path: &str, written: Option<&istio::TrafficPolicy>) -> Layer {
        let mut layer = Layer::default();
        let Some(written) = written else { return layer };
        layer.all = self.traffic(
            path,
            &Blocks {
                balance: written.load_balancer.as_ref(),
                pool: written.connection_pool.as_ref(),
                outlier: written.outlier_detection.as_ref(),
                tls: written.tls.as_ref(),
            },
        );
        self.ignored(written.tunnel.is_some(), &format!("{path}.tunnel"));
        self.ignored(written.proxy_protocol.is_some(), &format!("{path}.proxyProtocol"));
        layer.all.budget = written.retry_budget.as_ref().map(|budget| {
            let path = format!("{path}.retryBudget");
            Budget {
                milli_percent: thousandths(budget.percent.unwrap_or(20.0).clamp(0.0, 100.0)),
                minimum: budget.min_retry_concurrency.unwrap_or(3),
                interval: self
                    .duration(&format!("{path}.budgetInterval"), budget.budget_interval.as_ref())
                    .unwrap_or_default(),
            }
        });
        for (index, one) in written.port_level_settings.iter().enumerate() {
            let path = format!("{path}.portLevelSettings[{index}]");
            let number = one.port.as_ref().map_or(0, |port| port.number);
            let Ok(port) = self.port(&format!("{path}.port.number"), number) else { continue };
            let mut traffic = self.traffic(
                &path,
                &Blocks {
                    balance: one.load_balancer.as_ref(),
                    pool: one.connection_pool.as_ref(),
                    outlier: one.outlier_detection.as_ref(),
                    tls: one.tls.as_ref(),
                },
            );
            traffic.budget.clone_from(&layer.all.budget);
            layer.ports.insert(port, traffic);
        }
        layer
    }

    fn traffic(&mut self, path: &str, blocks: &Blocks<'_>) -> Traffic {
        Traffic {
            balance: blocks
                .balance
                .map(|written| self.balance(&format!("{path}.loadBalancer"), written)),
            pool: blocks.pool.map(|written| self.pool(&format!("{path}.connectionPool"), written)),
            outlier: blocks
                .outlier
                .map(|written| self.outlier(&format!("{path}.outlierDetection"), written)),
            tls: blocks.tls.and_then(|written| self.tls(&format!("{path}.tls"), written)),
            budget: None,
        }
    }

    fn balance(&mut self, path: &str, written: &istio::LoadBalancer) -> Balance {
        let mut balance = Balance::default();
        if let Some(simple) = written.simple {
            balance.algorithm = match simple {
                istio::SimpleBalancer::Unspecified
                | istio::SimpleBalancer::LeastConn
                | istio::SimpleBalancer::LeastRequest => Algorithm::LeastRequest,
                istio::SimpleBalancer::Random => Algorithm::Random,
                istio::SimpleBalancer::RoundRobin => Algorithm::RoundRobin,
                istio::SimpleBalancer::Passthrough => Algorithm::Passthrough,
            };
        }
        if let Some(hash) = &written.consistent_hash {
            let path = format!("{path}.consistentHash");
            if written.simple.is_some() {
                self.wrong(&path, "simple and consistentHash exclude each other");
            } else if let Ok(hash_on) = self.hash_on(&path, hash) {
                balance.algorithm = self.hash_algorithm(&path, hash);
                balance.hash = Some(hash_on);
            }
        }
        balance.locality = written
            .locality_lb_setting
            .as_ref()
            .map(|rules| self.locality(&format!("{path}.localityLbSetting"), rules));
        self.ignored(
            written.zone_aware_lb_setting.is_some(),
            &format!("{path}.zoneAwareLbSetting"),
        );
        balance.warmup = self.warmup(path, written);
        let warms = matches!(balance.algorithm, Algorithm::LeastRequest | Algorithm::RoundRobin);
        if balance.warmup.is_some() && !warms {
            self.ignored(true, &format!("{path}.warmup"));
            balance.warmup = None;
        }
        balance
    }

    fn warmup(&mut self, path: &str, written: &istio::LoadBalancer) -> Option<Warmup> {
        let old = self
            .duration(&format!("{path}.warmupDurationSecs"), written.warmup_duration_secs.as_ref());
        let own = written.warmup.as_ref();
        let duration = own.and_then(|warmup| {
            self.duration(&format!("{path}.warmup.duration"), warmup.duration.as_ref())
        });
        let percent = own.and_then(|warmup| warmup.minimum_percent).unwrap_or(10.0);
        let aggression = own.and_then(|warmup| warmup.aggression).unwrap_or(1.0);
        Some(Warmup {
            duration: duration.or(old).filter(|time| !time.is_zero())?,
            minimum_milli_percent: thousandths(percent.clamp(0.0, 100.0)),
            aggression_milli: thousandths(aggression.max(0.001)),
        })
    }

    fn hash_on(&mut self, path: &str, written: &istio::ConsistentHash) -> Result<HashOn, Bad> {
        if let Some(name) = &written.http_header_name {
            if !is_header_name(name) {
                let path = format!("{path}.httpHeaderName");
                return Err(self.wrong(&path, format!("{name:?} is no header name")));
            }
            return Ok(HashOn::Header(name.to_ascii_lowercase()));
        }
        if let Some(cookie) = &written.http_cookie {
            let path = format!("{path}.httpCookie");
            let clean = |text: &str| is_clean(text) && !text.contains(';');
            let attributes: Vec<_> = cookie
                .attributes
                .iter()
                .map(|one| (one.name.clone(), one.value.clone().unwrap_or_default()))
                .collect();
            let at = cookie.path.clone().unwrap_or_default();
            let fits = !cookie.name.is_empty()
                && clean(&cookie.name)
                && clean(&at)
                && attributes
                    .iter()
                    .all(|(name, value)| !name.is_empty() && clean(name) && clean(value));
            if !fits {
                return Err(
                    self.wrong(&path, "the cookie's name, path or attributes cannot be sent")
                );
            }
            return Ok(HashOn::Cookie {
                name: cookie.name.clone(),
                path: at,
                ttl: self.duration(&format!("{path}.ttl"), cookie.ttl.as_ref()),
                attributes,
            });
        }
        if written.use_source_ip == Some(true) {
            return Ok(HashOn::SourceIp);
        }
        match written.http_query_parameter_name.as_ref().filter(|name| !name.is_empty()) {
            Some(name) => Ok(HashOn::Query(name.clone())),
            None => Err(self.wrong(path, "it does not say what to hash")),
        }
    }

    fn hash_algorithm(&mut self, path: &str, written: &istio::ConsistentHash) -> Algorithm {
        if let Some(maglev) = &written.maglev {
            let size = maglev.table_size.filter(|size| *size != 0).unwrap_or(65537);
            if size <= LARGEST_TABLE && is_prime(size) {
                return Algorithm::Maglev(size);
            }
            let text = format!("{size} is no prime up to {LARGEST_TABLE}; 65537 is used");
            self.wrong(&format!("{path}.maglev.tableSize"), text);
            return Algorithm::Maglev(65537);
        }
        let ring = written.ring_hash.as_ref().and_then(|ring| ring.minimum_ring_size);
        let size = ring.or(written.minimum_ring_size).filter(|size| *size != 0).unwrap_or(1024);
        if size > LARGEST_RING {
            let text = format!("{size} is more than {LARGEST_RING}, which is used");
            self.wrong(&format!("{path}.ringHash.minimumRingSize"), text);
        }
        Algorithm::Ring(size.min(LARGEST_RING))
    }

    pub(super) fn locality(
        &mut self,
        path: &str,
        written: &istio::LocalityLoadBalancer,
    ) -> LocalityRules {
        let mut rules = LocalityRules {
            disabled: written.enabled == Some(false),
            failover: written
                .failover
                .iter()
                .map(|one| (one.from.clone(), one.to.clone()))
                .collect(),
            priority: written.failover_priority.clone(),
            distribute: Vec::new(),
        };
        for (index, one) in written.distribute.iter().enumerate() {
            let sum: u64 = one.to.values().map(|share| u64::from(*share)).sum();
            if sum == 100 {
                rules.distribute.push((one.from.clone(), one.to.clone()));
            } else {
                let path = format!("{path}.distribute[{index}].to");
                self.wrong(&path, format!("the shares sum to {sum}, not to 100"));
            }
        }
        let by_failure = !rules.failover.is_empty() || !rules.priority.is_empty();
        if by_failure && !rules.distribute.is_empty() {
            self.wrong(
                path,
                "distribute excludes failover and failoverPriority; distribute is used",
            );
            rules.failover.clear();
            rules.priority.clear();
        }
        rules
    }

    pub(super) fn pool(&mut self, path: &str, written: &istio::ConnectionPool) -> Pool {
        let mut pool = Pool::default();
        if let Some(tcp) = &written.tcp {
            let path = format!("{path}.tcp");
            pool.max_connections = limit(tcp.max_connections);
            pool.connect_timeout = self
                .duration(&format!("{path}.connectTimeout"), tcp.connect_timeout.as_ref())
                .filter(|time| !time.is_zero());
            pool.max_connection_duration = self
                .duration(
                    &format!("{path}.maxConnectionDuration"),
                    tcp.max_connection_duration.as_ref(),
                )
                .filter(|time| *time >= Duration::from_millis(1));
            pool.tcp_idle_timeout =
                self.duration(&format!("{path}.idleTimeout"), tcp.idle_timeout.as_ref());
            let keepalive = tcp.tcp_keepalive.as_ref();
            pool.keepalive = keepalive
                .map(|keepalive| self.keepalive(&format!("{path}.tcpKeepalive"), keepalive));
        }
        if let Some(http) = &written.http {
            let path = format!("{path}.http");
            pool.max_pending = limit(http.http1_max_pending_requests);
            pool.max_requests = limit(http.http2_max_requests);
            pool.max_requests_per_connection = limit(http.max_requests_per_connection);
            pool.max_retries = limit(http.max_retries);
            pool.http_idle_timeout =
                self.duration(&format!("{path}.idleTimeout"), http.idle_timeout.as_ref());
            pool.client_protocol = http.use_client_protocol == Some(true);
            pool.upgrade_to_http2 = match http.h2_upgrade_policy {
                _ if pool.client_protocol => Some(false),
                Some(istio::H2Upgrade::Upgrade) => Some(true),
                Some(istio::H2Upgrade::DoNotUpgrade) => Some(false),
                Some(istio::H2Upgrade::Default) | None => None,
            };
            pool.max_streams = limit(http.max_concurrent_streams);
            if let Some(keepalive) = &http.http2_keep_alive {
                let path = format!("{path}.http2KeepAlive");
                let interval =
                    self.duration(&format!("{path}.interval"), keepalive.interval.as_ref());
                let timeout = self.duration(&format!("{path}.timeout"), keepalive.timeout.as_ref());
                let least = Duration::from_millis(1);
                pool.http2_keepalive = match (interval, timeout) {
                    (Some(interval), Some(timeout)) if interval >= least && timeout >= least => {
                        Some((interval, timeout))
                    }
                    _ => {
                        self.wrong(&path, "it needs interval and timeout of at least 1ms");
                        None
                    }
                };
            }
        }
        pool
    }

    pub(super) fn keepalive(&mut self, path: &str, written: &istio::TcpKeepalive) -> Keepalive {
        Keepalive {
            probes: written.probes.filter(|probes| *probes != 0),
            time: self.duration(&format!("{path}.time"), written.time.as_ref()),
            interval: self.duration(&format!("{path}.interval"), written.interval.as_ref()),
        }
    }

    fn outlier(&mut self, path: &str, written: &istio::OutlierDetection) -> Outlier {
        self.ignored(written.consecutive_errors.is_some(), &format!("{path}.consecutiveErrors"));
        let mut error_codes = Vec::new();
        for (index, code) in written.outlier_detection_http_error_codes.iter().enumerate() {
            if (100..600).contains(code) {
                error_codes.push(*code);
            } else {
                let path = format!("{path}.outlierDetectionHttpErrorCodes[{index}]");
                self.wrong(&path, format!("{code} is no status code from 100 to 599"));
            }
        }
        let percent = |value: Option<i32>| {
            value.and_then(|value| u32::try_from(value).ok()).map(|value| value.min(100))
        };
        let mut time = |field: &str, text: Option<&String>| {
            self.duration(&format!("{path}.{field}"), text).filter(|time| !time.is_zero())
        };
        Outlier {
            consecutive_5xx: written.consecutive_5xx_errors,
            consecutive_gateway: written.consecutive_gateway_errors,
            consecutive_local: written.consecutive_local_origin_failures,
            split_local: written.split_external_local_origin_errors == Some(true),
            interval: time("interval", written.interval.as_ref()),
            base_ejection: time("baseEjectionTime", written.base_ejection_time.as_ref()),
            max_ejection_percent: percent(written.max_ejection_percent).filter(|share| *share != 0),
            min_health_percent: percent(written.min_health_percent).unwrap_or(0),
            at_least_one: true,
            error_codes,
        }
    }

    fn tls(&mut self, path: &str, written: &istio::TlsSettings) -> Option<ClientTls> {
        let mode = match written.mode.unwrap_or(istio::TlsMode::Disable) {
            istio::TlsMode::Disable => ClientMode::Disable,
            istio::TlsMode::Simple => ClientMode::Simple,
            istio::TlsMode::Mutual => ClientMode::Mutual,
            istio::TlsMode::IstioMutual => ClientMode::IstioMutual,
        };
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let tls = ClientTls {
            mode,
            sni: said(&written.sni),
            names: written.subject_alt_names.clone(),
            credential: said(&written.credential_name),
            roots: said(&written.ca_certificates),
            certificate: said(&written.client_certificate),
            key: said(&written.private_key),
            revoked: said(&written.ca_crl),
            unchecked: written.insecure_skip_verify == Some(true),
        };
        if mode == ClientMode::Disable {
            return Some(tls);
        }
        if !self.settings.speaks_tls {
            let text = "this proxy starts no TLS yet, so requests leave as they are";
            self.note(Code::FieldNotHonoured, &format!("{path}.mode"), text);
        }
        let has_pair = tls.certificate.is_some() && tls.key.is_some();
        if mode == ClientMode::Mutual && tls.credential.is_none() && !has_pair {
            let text = "MUTUAL needs credentialName, or clientCertificate and privateKey: without them no call succeeds";
            self.wrong(&format!("{path}.mode"), text);
        }
        let own =
            [("clientCertificate", tls.certificate.is_some()), ("privateKey", tls.key.is_some())];
        if mode != ClientMode::Mutual {
            for (name, _) in own.into_iter().filter(|(_, set)| *set) {
                let text = "only MUTUAL shows a certificate of the client's own";
                self.note(Code::FieldNotHonoured, &format!("{path}.{name}"), text);
            }
        }
        if mode == ClientMode::IstioMutual {
            let others = [
                ("credentialName", tls.credential.is_some()),
                ("caCertificates", tls.roots.is_some()),
                ("caCrl", tls.revoked.is_some()),
                ("insecureSkipVerify", tls.unchecked),
            ];
            for (name, _) in others.into_iter().filter(|(_, set)| *set) {
                let text = "ISTIO_MUTUAL uses the mesh's own certificates and roots";
                self.note(Code::FieldNotHonoured, &format!("{path}.{name}"), text);
            }
        }
        Some(tls)
    }
}

/// A limit; zero and less say nothing.
fn limit(value: Option<i32>) -> Option<u32> {
    value.and_then(|value| u32::try_from(value).ok()).filter(|value| *value != 0)
}

fn is_prime(number: u64) -> bool {
    number >= 2 && (2..).take_while(|by| by * by <= number).all(|by| !number.is_multiple_of(by))
}
