//! Patches: the three ways in which clients say what to change.

pub mod json;
pub mod merge;
pub mod strategic;
