//! Typed configurations of filters and of their small extensions.

mod authentication;
mod connection_manager;
mod extensions;
mod http;
pub mod http_rbac;
mod network;
pub mod network_rbac;

pub use authentication::*;
pub use connection_manager::*;
pub use extensions::*;
pub use http::*;
pub use network::*;
