//! Gateways: ports and hosts, and the pods that play them.

use std::collections::BTreeMap;

use kinds::istio::{Gateway, Server};
use mesh::Finding;
use serde::Deserialize as _;
use serde_json::Value;

use super::workloads::{Count, Pods};
use super::{pairs, word};
use crate::scene::Id;

/// One Gateway.
#[derive(Debug)]
pub(crate) struct GatewayView<'a> {
    /// The object.
    pub(crate) id: &'a Id,
    /// The labels of the pods that play it.
    pub(crate) selector: Vec<String>,
    /// How many of those pods are ready.
    pub(crate) ready: Count,
    /// What it opens.
    pub(crate) servers: Vec<ServerView>,
    /// What is wrong with it.
    pub(crate) findings: Vec<&'a Finding>,
}

/// One server of a Gateway.
#[derive(Debug)]
pub(crate) struct ServerView {
    /// The number.
    pub(crate) port: u32,
    /// The protocol, as written.
    pub(crate) protocol: String,
    /// The hosts let in.
    pub(crate) hosts: Vec<String>,
    /// What it does with TLS; empty for nothing.
    pub(crate) tls: String,
}

impl<'a> GatewayView<'a> {
    pub(super) fn new(
        id: &'a Id,
        object: &Value,
        pods: &Pods<'_>,
        findings: Vec<&'a Finding>,
    ) -> GatewayView<'a> {
        // One that cannot be read has a finding that says so.
        let spec = Gateway::deserialize(object).unwrap_or_default().spec;
        GatewayView {
            id,
            selector: pairs(&spec.selector),
            ready: ready(&spec.selector, pods),
            servers: spec.servers.iter().map(server).collect(),
            findings,
        }
    }
}

fn ready(selector: &BTreeMap<String, String>, pods: &Pods<'_>) -> Count {
    let chosen = pods.values().flatten().filter(|pod| {
        let labels = selector.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        !pod.over && !selector.is_empty() && pod.has(labels)
    });
    Count::ready(chosen)
}

fn server(server: &Server) -> ServerView {
    let tls = server.tls.as_ref().map(|tls| {
        let mode = tls.mode.map(word).unwrap_or_default();
        let redirect = tls.https_redirect.unwrap_or(false);
        let parts = [mode.as_str(), if redirect { "redirects to https" } else { "" }];
        parts.into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(", ")
    });
    ServerView {
        port: server.port.number,
        protocol: server.port.protocol.clone(),
        hosts: server.hosts.clone(),
        tls: tls.unwrap_or_default(),
    }
}
