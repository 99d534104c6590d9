//! Who may do what: the only maker of permits.

use crate::{answer::Answer, head::Head, peer::Peer};

/// Proof that a request or connection was let through. [`crate::Upstream::pick`] wants one.
///
/// Invariant: only this module makes permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Keeps everyone else from making one.
    proof: (),
}

/// Checks a request, or, without a head, a connection.
///
/// Peers are let through as long as no policy exists: the filters that hold policies are refused when the configuration is
/// read, so that a rule is never ignored.
///
/// # Errors
/// The answer that the peer gets instead.
pub fn check(head: Option<&Head<'_>>, peer: &Peer) -> Result<Permit, Box<Answer>> {
    let _ = (head, peer);
    Ok(Permit { proof: () })
}
