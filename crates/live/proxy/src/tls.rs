//! TLS of the data path: contexts of the configuration as rustls wants them, made once and kept until they change.

mod certificates;
mod names;
pub(crate) mod session;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs as provider;
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use traffic::tls::{Certificate, Given, TlsContext, TlsVersion, Validation};
use traffic::{ClientTls, Secret, ServerTls, Table};

use certificates::Certificates;
pub(crate) use names::Names;
use verify::Verifier;

/// A handshake of a client is given up after this when the configuration names no limit.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(15);
/// Sessions that one context remembers.
const SESSIONS: usize = 1024;

/// The accepting side of a context, ready for handshakes.
#[derive(Debug)]
pub(crate) struct Server {
    config: Arc<ServerConfig>,
    /// For clients that offer only protocols that are not spoken here: nothing is agreed on then.
    silent: Arc<ServerConfig>,
    requires_server_name: bool,
    /// The URI names of the certificate that is shown.
    local_uris: Vec<String>,
}

/// What a client offers as application protocols where its context names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Nothing.
    Bytes,
    Http1,
    Http2,
    /// Both versions of HTTP, whatever the context names.
    Either,
}

/// The connecting side of a context, ready for handshakes.
#[derive(Debug)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
}

impl Client {
    /// The configuration with the protocols of an offer.
    pub(crate) fn offering(&self, offer: Offer) -> Arc<ClientConfig> {
        let is_open = self.config.alpn_protocols.is_empty();
        let names: &[&str] = match offer {
            Offer::Either => &["h2", "http/1.1"],
            Offer::Http1 if is_open => &["http/1.1"],
            Offer::Http2 if is_open => &["h2"],
            _ => return self.config.clone(),
        };
        let mut config = (*self.config).clone();
        config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// The parts of a context, with secrets looked up.
#[derive(Debug)]
struct Parts {
    certificates: Vec<Arc<Certificate>>,
    validation: Vec<Arc<Validation>>,
}

impl Parts {
    /// `Err` names a secret that is not there, or is of another type.
    fn of(context: &TlsContext, table: &Table) -> Result<Parts, String> {
        let missing = |name: &str| format!("Secret is not supplied by SDS: {name}");
        let mut parts = Parts { certificates: Vec::new(), validation: Vec::new() };
        for certificate in &context.certificates {
            parts.certificates.push(match certificate {
                Given::Here(it) => it.clone(),
                Given::Named(name) => match table.secret(name) {
                    Some(Secret::Certificate(it)) => it.clone(),
                    _ => return Err(missing(name)),
                },
            });
        }
        for validation in &context.validation {
            parts.validation.push(match validation {
                Given::Here(it) => it.clone(),
                Given::Named(name) => match table.secret(name) {
                    Some(Secret::Validation(it)) => it.clone(),
                    _ => return Err(missing(name)),
                },
            });
        }
        Ok(parts)
    }

    fn is(&self, other: &Parts) -> bool {
        fn same<T>(one: &[Arc<T>], other: &[Arc<T>]) -> bool {
            let pairs = || one.iter().zip(other);
            one.len() == other.len() && pairs().all(|(one, other)| Arc::ptr_eq(one, other))
        }
        same(&self.certificates, &other.certificates) && same(&self.validation, &other.validation)
    }
}

#[derive(Debug, Default)]
struct Made {
    servers: BTreeMap<u64, (Parts, Arc<Server>)>,
    clients: BTreeMap<u64, (Parts, Arc<Client>)>,
    /// Many contexts share few keys and roots.
    keys: Vec<(Arc<Certificate>, Arc<CertifiedKey>)>,
    roots: Vec<(Arc<Validation>, Arc<RootCertStore>)>,
    /// Contexts whose own parts were read without an error.
    checked: BTreeSet<u64>,
}

/// All contexts that are in use. Asked once per connection, never per request.
#[derive(Debug, Default)]
pub(crate) struct Contexts {
    made: Mutex<Made>,
}

impl Contexts {
    /// The accepting side of a context; `Err` says why there can be none now.
    pub(crate) fn server(&self, tls: &ServerTls, table: &Table) -> Result<Arc<Server>, String> {
        let parts = Parts::of(&tls.context, table)?;
        let mut made = self.lock();
        let id = tls.context.id();
        if let Some((old, server)) = made.servers.get(&id)
            && old.is(&parts)
        {
            return Ok(server.clone());
        }
        let server = Arc::new(made.server(tls, &parts)?);
        made.servers.insert(id, (parts, server.clone()));
        Ok(server)
    }

    /// The connecting side of a context; `Err` says why there can be none now.
    pub(crate) fn client(&self, tls: &ClientTls, table: &Table) -> Result<Arc<Client>, String> {
        let parts = Parts::of(&tls.context, table)?;
        let mut made = self.lock();
        let id = tls.context.id();
        if let Some((old, client)) = made.clients.get(&id)
            && old.is(&parts)
        {
            return Ok(client.clone());
        }
        let client = Arc::new(made.client(tls, &parts)?);
        made.clients.insert(id, (parts, client.clone()));
        Ok(client)
    }

    /// Reads the certificates, keys and roots that a table names, so that a bad one is refused and
    /// not found out by a connection.
    pub(crate) fn check(&self, table: &Table) -> Result<(), String> {
        let mut made = self.lock();
        let of_listeners = table.listeners().iter().flat_map(|it| it.tls_contexts());
        for tls in of_listeners {
            made.check(&tls.context)?;
        }
        for name in table.cluster_names() {
            let Some(cluster) = table.cluster(name) else { continue };
            for tls in cluster.tls_contexts() {
                made.check(&tls.context)?;
                if !tls.server_name.is_empty() {
                    session::server_name(&tls.server_name)
                        .map_err(|why| format!("cluster {name}: sni: {why}"))?;
                }
            }
        }
        Ok(())
    }

    /// Reads one secret; `Err` says what is wrong with it, without its content.
    pub(crate) fn check_secret(&self, secret: &Secret) -> Result<(), String> {
        let mut made = self.lock();
        match secret {
            Secret::Certificate(certificate) => made.key(certificate).map(drop),
            Secret::Validation(validation) => made.roots(validation).map(drop),
        }
    }

    /// Forgets what a new table no longer names.
    pub(crate) fn forget_unused(&self, table: &Table) {
        let mut made = self.lock();
        let mut used = BTreeSet::new();
        used.extend(
            table.listeners().iter().flat_map(|it| it.tls_contexts()).map(|tls| tls.context.id()),
        );
        for name in table.cluster_names() {
            let contexts = table.cluster(name).into_iter().flat_map(|it| it.tls_contexts());
            used.extend(contexts.map(|tls| tls.context.id()));
        }
        made.servers.retain(|id, _| used.contains(id));
        made.clients.retain(|id, _| used.contains(id));
        made.checked.retain(|id| used.contains(id));
        // One holder is this list: nobody else knows it any more.
        made.keys.retain(|(source, _)| Arc::strong_count(source) > 1);
        made.roots.retain(|(source, _)| Arc::strong_count(source) > 1);
    }

    /// A lock whose holder panicked still guards whole values.
    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn check(&mut self, context: &TlsContext) -> Result<(), String> {
        if !self.checked.contains(&context.id()) {
            for certificate in &context.certificates {
                if let Given::Here(certificate) = certificate {
                    self.key(certificate)?;
                }
            }
            for validation in &context.validation {
                if let Given::Here(validation) = validation {
                    self.roots(validation)?;
                }
            }
            self.checked.insert(context.id());
        }
        Ok(())
    }

    fn key(&mut self, certificate: &Arc<Certificate>) -> Result<Arc<CertifiedKey>, String> {
        if let Some((_, key)) = self.keys.iter().find(|(it, _)| Arc::ptr_eq(it, certificate)) {
            return Ok(key.clone());
        }
        let key = Arc::new(certificates::key(certificate)?);
        self.keys.push((certificate.clone(), key.clone()));
        Ok(key)
    }

    /// The roots of one part; `None` where it names none.
    fn roots(&mut self, part: &Arc<Validation>) -> Result<Option<Arc<RootCertStore>>, String> {
        let Some(source) = &part.trusted_ca else { return Ok(None) };
        if let Some((_, roots)) = self.roots.iter().find(|(it, _)| Arc::ptr_eq(it, part)) {
            return Ok(Some(roots.clone()));
        }
        let roots = Arc::new(certificates::roots(source)?);
        self.roots.push((part.clone(), roots.clone()));
        Ok(Some(roots))
    }

    fn verifier(&mut self, parts: &Parts, checks_name: bool) -> Result<Verifier, String> {
        let mut roots = None;
        for part in &parts.validation {
            // What a later part sets counts.
            roots = self.roots(part)?.or(roots);
        }
        let validation = Validation::merged(parts.validation.iter().map(|part| &**part));
        if roots.is_none() && !validation.names.is_empty() {
            return Err("names are asked for and no root is trusted".to_owned());
        }
        Ok(Verifier::new(roots, validation, checks_name))
    }

    fn server(&mut self, tls: &ServerTls, parts: &Parts) -> Result<Server, String> {
        let keys = parts.certificates.iter().map(|certificate| self.key(certificate));
        let certificates = Certificates::new(keys.collect::<Result<Vec<_>, _>>()?);
        let local_uris = certificates.uris();
        let context = &tls.context;
        let builder = ServerConfig::builder_with_provider(suited(context))
            .with_protocol_versions(&versions(context))
            .map_err(|error| error.to_string())?;
        let verifier = self.verifier(parts, false)?;
        let builder = match verifier.is_needed() || tls.requires_client_certificate {
            true => builder.with_client_cert_verifier(Arc::new(
                verifier.of_clients(tls.requires_client_certificate)?,
            )),
            false => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        if tls.resumes {
            config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
            config.ticketer = provider::Ticketer::new().map_err(|error| error.to_string())?;
        } else {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let silent = Arc::new(config.clone());
        config.alpn_protocols = alpn(context);
        Ok(Server {
            config: Arc::new(config),
            silent,
            requires_server_name: tls.requires_server_name,
            local_uris,
        })
    }

    fn client(&mut self, tls: &ClientTls, parts: &Parts) -> Result<Client, String> {
        let context = &tls.context;
        let builder = ClientConfig::builder_with_provider(suited(context))
            .with_protocol_versions(&versions(context))
            .map_err(|error| error.to_string())?;
        let verifier = self.verifier(parts, tls.checks_server_name)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match parts.certificates.first() {
            Some(certificate) => {
                let own = Certificates::new(vec![self.key(certificate)?]);
                builder.with_client_cert_resolver(Arc::new(own))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn(context);
        if !tls.resumes {
            config.resumption = rustls::client::Resumption::disabled();
        }
        Ok(Client { config: Arc::new(config) })
    }
}

fn alpn(context: &TlsContext) -> Vec<Vec<u8>> {
    context.alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

fn versions(context: &TlsContext) -> Vec<&'static SupportedProtocolVersion> {
    let all =
        [(TlsVersion::V12, &rustls::version::TLS12), (TlsVersion::V13, &rustls::version::TLS13)];
    let spoken = all.into_iter().filter(|(it, _)| (context.oldest..=context.newest).contains(it));
    spoken.map(|(_, version)| version).collect()
}

/// The provider with the suites and groups of a context. Suites of TLS 1.3 are always there.
fn suited(context: &TlsContext) -> Arc<CryptoProvider> {
    let mut own = provider::default_provider();
    if !context.cipher_suites.is_empty() {
        let place = |suite: &rustls::SupportedCipherSuite| {
            let name = session::cipher_name(suite.suite());
            context.cipher_suites.iter().position(|wanted| **wanted == *name)
        };
        own.cipher_suites.retain(|suite| suite.tls13().is_some() || place(suite).is_some());
        own.cipher_suites.sort_by_key(place);
    }
    if !context.curves.is_empty() {
        let place = |group: &&dyn rustls::crypto::SupportedKxGroup| {
            let name = match group.name() {
                rustls::NamedGroup::X25519 => "X25519",
                rustls::NamedGroup::secp256r1 => "P-256",
                rustls::NamedGroup::secp384r1 => "P-384",
                rustls::NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
                _ => return None,
            };
            context.curves.iter().position(|wanted| **wanted == *name)
        };
        own.kx_groups.retain(|group| place(group).is_some());
        own.kx_groups.sort_by_key(place);
    }
    Arc::new(own)
}
