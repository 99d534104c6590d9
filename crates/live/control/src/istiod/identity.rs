//! Who is who in the mesh: the CA, its roots in every namespace, who calls, and the certificates that they get.

pub(super) mod authority;
pub(super) mod callers;
pub(super) mod keep;
pub(super) mod roots;
pub(super) mod signing;
pub(super) mod tls;

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use tokio::sync::{Semaphore, watch as channel};
use xds::spiffe::TrustDomains;

use authority::Authority;
use roots::Roots;
use tls::Tls;

/// Tokens that the API is asked about at once: others wait, so that a stranger cannot make us flood it.
const REVIEWS: usize = 16;

/// What the control plane knows about identity.
#[derive(Debug)]
pub(super) struct Identities {
    /// The CA; none before it is read or made.
    pub(super) authority: channel::Sender<Option<Arc<Authority>>>,
    /// TLS of the ports; none before there is a CA.
    pub(super) tls: channel::Sender<Option<Arc<Tls>>>,
    /// Where the roots are told.
    pub(super) roots: Roots,
    reviews: Semaphore,
    domains: RwLock<TrustDomains>,
}

impl Default for Identities {
    fn default() -> Self {
        Self {
            authority: channel::Sender::new(None),
            tls: channel::Sender::new(None),
            roots: Roots::default(),
            reviews: Semaphore::new(REVIEWS),
            domains: RwLock::default(),
        }
    }
}

impl Identities {
    /// The CA, once there is one.
    pub(super) fn authority(&self) -> Option<Arc<Authority>> {
        self.authority.borrow().clone()
    }

    /// The trust domains, as last read.
    pub(super) fn domains(&self) -> TrustDomains {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The cryptography behind all TLS of this room.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// Bytes that nobody can guess.
fn chance<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the kernel gives random bytes once it has started");
    bytes
}
