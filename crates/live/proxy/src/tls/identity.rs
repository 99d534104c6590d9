//! The identity.
