//! The resources in force, as they came, for `/config_dump` and for people.

use std::collections::BTreeMap;
use std::time::SystemTime;

use prost::Message as _;
use traffic::Config;
use traffic::config::Upsert;
use xds::admin::{
    BootstrapConfigDump, ClustersConfigDump, ConfigDump, EndpointsConfigDump, ListenersConfigDump,
    RoutesConfigDump, SecretsConfigDump, clusters_config_dump, endpoints_config_dump,
    listeners_config_dump, routes_config_dump, secrets_config_dump,
};
use xds::bootstrap::Bootstrap;
use xds::core::{DataSource, data_source::Specifier};
use xds::snapshot::{CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET};
use xds::tls::{Secret, secret::Type};
use xds::wkt::{Any, Timestamp};

/// What is known of the resources besides what `traffic::Config` keeps.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// When each arrived, by type and name; those of the bootstrap file are not here.
    arrived: BTreeMap<(String, String), SystemTime>,
    pub(crate) bootstrap: Option<Bootstrap>,
}

/// One resource in force.
struct Held<'c> {
    name: &'c str,
    version: &'c str,
    body: &'c [u8],
    since: Option<SystemTime>,
}

impl Inventory {
    /// Notes an accepted change of the control plane.
    pub(crate) fn note(&mut self, type_url: &str, upserts: &[Upsert<'_>], removed: &[String]) {
        for (name, ..) in upserts {
            let key = (type_url.to_owned(), (*name).to_owned());
            self.arrived.insert(key, SystemTime::now());
        }
        for name in removed {
            self.arrived.remove(&(type_url.to_owned(), name.clone()));
        }
    }

    /// What `/config_dump` shows; endpoints only on demand, as in Envoy.
    pub(crate) fn dump(&self, config: &Config, with_endpoints: bool) -> ConfigDump {
        let mut configs = Vec::new();
        if let Some(bootstrap) = &self.bootstrap {
            let shown = Bootstrap::decode(&*redacted(bootstrap.encode_to_vec())).ok();
            let dump = BootstrapConfigDump { bootstrap: shown, last_updated: None };
            configs.push(Any::pack(&dump));
        }
        configs.push(Any::pack(&self.clusters(config)));
        if with_endpoints {
            configs.push(Any::pack(&self.endpoints(config)));
        }
        configs.push(Any::pack(&self.listeners(config)));
        configs.push(Any::pack(&self.routes(config)));
        configs.push(Any::pack(&self.secrets(config)));
        ConfigDump { configs }
    }

    fn of<'c>(&self, config: &'c Config, type_url: &str) -> Vec<Held<'c>> {
        let resources = config.resources(type_url).into_iter();
        let held = resources.map(|(name, version, body)| {
            let key = (type_url.to_owned(), name.to_owned());
            Held { name, version, body, since: self.arrived.get(&key).copied() }
        });
        held.collect()
    }

    fn clusters(&self, config: &Config) -> ClustersConfigDump {
        let mut dump = ClustersConfigDump::default();
        for held in &self.of(config, CLUSTER) {
            let (cluster, last_updated) = (Some(any(CLUSTER, held)), stamp(held));
            if held.since.is_none() {
                let fixed = clusters_config_dump::StaticCluster { cluster, last_updated };
                dump.static_clusters.push(fixed);
            } else {
                dump.dynamic_active_clusters.push(clusters_config_dump::DynamicCluster {
                    version_info: held.version.to_owned(),
                    cluster,
                    last_updated,
                    ..Default::default()
                });
            }
        }
        dump
    }

    fn listeners(&self, config: &Config) -> ListenersConfigDump {
        let mut dump = ListenersConfigDump::default();
        for held in &self.of(config, LISTENER) {
            let (listener, last_updated) = (Some(any(LISTENER, held)), stamp(held));
            if held.since.is_none() {
                let fixed = listeners_config_dump::StaticListener { listener, last_updated };
                dump.static_listeners.push(fixed);
            } else {
                let active_state = Some(listeners_config_dump::DynamicListenerState {
                    version_info: held.version.to_owned(),
                    listener,
                    last_updated,
                });
                dump.dynamic_listeners.push(listeners_config_dump::DynamicListener {
                    name: held.name.to_owned(),
                    active_state,
                    ..Default::default()
                });
            }
        }
        dump
    }

    fn routes(&self, config: &Config) -> RoutesConfigDump {
        let mut dump = RoutesConfigDump::default();
        for held in &self.of(config, ROUTE) {
            dump.dynamic_route_configs.push(routes_config_dump::DynamicRouteConfig {
                version_info: held.version.to_owned(),
                route_config: Some(any(ROUTE, held)),
                last_updated: stamp(held),
                ..Default::default()
            });
        }
        dump
    }

    /// Names, certificates and roots; never a key.
    fn secrets(&self, config: &Config) -> SecretsConfigDump {
        let mut dump = SecretsConfigDump::default();
        for held in &self.of(config, SECRET) {
            let secret = Secret::decode(held.body).map(without_key).unwrap_or_default();
            let (secret, last_updated) = (Some(Any::pack(&secret)), stamp(held));
            let name = held.name.to_owned();
            if held.since.is_none() {
                let fixed = secrets_config_dump::StaticSecret { name, last_updated, secret };
                dump.static_secrets.push(fixed);
            } else {
                dump.dynamic_active_secrets.push(secrets_config_dump::DynamicSecret {
                    name,
                    version_info: held.version.to_owned(),
                    last_updated,
                    secret,
                    ..Default::default()
                });
            }
        }
        dump
    }

    fn endpoints(&self, config: &Config) -> EndpointsConfigDump {
        let mut dump = EndpointsConfigDump::default();
        for held in &self.of(config, ENDPOINT) {
            dump.dynamic_endpoint_configs.push(endpoints_config_dump::DynamicEndpointConfig {
                version_info: held.version.to_owned(),
                endpoint_config: Some(any(ENDPOINT, held)),
                last_updated: stamp(held),
                ..Default::default()
            });
        }
        dump
    }
}

fn any(type_url: &str, held: &Held<'_>) -> Any {
    Any { type_url: type_url.to_owned(), value: redacted(held.body.to_vec()) }
}

const REDACTED: &str = "[redacted]";

fn without_key(mut secret: Secret) -> Secret {
    if let Some(Type::TlsCertificate(certificate)) = &mut secret.r#type {
        let key = certificate.private_key.as_mut().and_then(|key| key.specifier.as_mut());
        if let Some(Specifier::InlineBytes(_) | Specifier::InlineString(_)) = key {
            let specifier = Some(Specifier::InlineString(REDACTED.to_owned()));
            certificate.private_key = Some(DataSource { specifier, ..DataSource::default() });
        }
    }
    secret
}

/// The same message without the private keys in it, which are PEM wherever they stand: their bytes become other bytes,
/// so that the message stays one.
fn redacted(mut body: Vec<u8>) -> Vec<u8> {
    const BEGIN: &[u8] = b"PRIVATE KEY-----";
    const END: &[u8] = b"-----END";
    let mut from = 0;
    let find = |body: &[u8], what: &[u8], from: usize| {
        body.get(from..)?.windows(what.len()).position(|part| part == what).map(|at| from + at)
    };
    while let Some(begin) = find(&body, BEGIN, from) {
        let begin = begin + BEGIN.len();
        // Whoever left the end away gets no key shown either.
        let end = find(&body, END, begin).unwrap_or(begin);
        let mut text = REDACTED.bytes();
        body[begin..end].fill_with(|| text.next().unwrap_or(b'.'));
        // The line that ends the key names it once more.
        from = find(&body, BEGIN, end).map_or(end, |at| at + BEGIN.len());
    }
    body
}

fn stamp(held: &Held<'_>) -> Option<Timestamp> {
    let since = held.since?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp {
        seconds: i64::try_from(since.as_secs()).ok()?,
        nanos: i32::try_from(since.subsec_nanos()).ok()?,
    })
}
