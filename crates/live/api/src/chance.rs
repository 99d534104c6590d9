//! Chance: uids, names of tokens.

use objects::Uid;

/// 128 bits that nobody can guess.
pub(crate) fn uid() -> Uid {
    let mut bytes = [0; 16];
    crate::pki::provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the kernel gives random bytes once it has started");
    Uid(u128::from_ne_bytes(bytes))
}
