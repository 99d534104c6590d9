//! The admin interface, with Envoy's paths and forms as far as scripts and `istioctl` read them.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;
use telemetry::{Id, Registry, exposition};
use tokio::sync::Notify;
use traffic::Address;
use xds::admin::ServerInfo;

use crate::keeper::{Keeper, State};
use crate::pages::{Page, parameter};
use crate::shared::Shared;

/// What admin pages are made of.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) keeper: Rc<RefCell<Keeper>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: xds::core::Node,
    pub(crate) concurrency: usize,
    /// Tells the main loop to stop.
    pub(crate) quit: Rc<Notify>,
}

const HELP: &str = "admin commands are:
  /clusters: upstream cluster status (?format=json)
  /config_dump: resources in force (?include_eds)
  /drain_listeners: stop taking new work (POST)
  /healthcheck/fail: stop being ready (POST)
  /healthcheck/ok: be ready again (POST)
  /help: this page
  /listeners: addresses that are listened on (?format=json)
  /quitquitquit: drain and exit (POST)
  /ready: 200 when traffic is served
  /reopen_logs: open the files of access logs anew (POST)
  /server_info: who this is, and for how long
  /stats: counters and gauges (?filter=, ?format=json|prometheus)
  /stats/prometheus: the same for Prometheus
";

impl Admin {
    /// Answers one request.
    pub(crate) fn page(&self, method: &str, path: &str) -> Page {
        let bare = path.split('?').next().unwrap_or(path);
        let acts = matches!(
            bare,
            "/quitquitquit"
                | "/drain_listeners"
                | "/healthcheck/fail"
                | "/healthcheck/ok"
                | "/reopen_logs"
        );
        if acts && method != "POST" {
            return Page::text(405, format!("Method {method} not allowed, POST required."));
        }
        if !matches!(method, "GET" | "HEAD" | "POST") {
            return Page::text(405, format!("Method {method} not allowed."));
        }
        match bare {
            "/" | "/help" => Page::text(200, HELP),
            "/ready" => self.ready(),
            "/server_info" => {
                let mut info = json(&self.server_info());
                // Envoy writes the first value of an enumeration too.
                info["state"] = self.keeper.borrow().state().name().into();
                Page::json(&info)
            }
            "/config_dump" => {
                let endpoints = parameter(path, "include_eds").is_some();
                Page::json(&json(&self.keeper.borrow().dump(endpoints)))
            }
            "/clusters" => self.clusters(parameter(path, "format") == Some("json")),
            "/listeners" => self.listeners(parameter(path, "format") == Some("json")),
            "/stats/prometheus" => self.prometheus(),
            "/stats" => self.stats(path),
            "/drain_listeners" => {
                self.keeper.borrow_mut().drain();
                Page::text(200, "OK\n")
            }
            "/reopen_logs" => {
                self.shared.sinks.reopen();
                Page::text(200, "OK\n")
            }
            "/healthcheck/fail" => {
                self.keeper.borrow_mut().failed = true;
                Page::text(200, "OK\n")
            }
            "/healthcheck/ok" => {
                self.keeper.borrow_mut().failed = false;
                Page::text(200, "OK\n")
            }
            "/quitquitquit" => {
                self.quit.notify_one();
                Page::text(200, "OK\n")
            }
            _ => Page::text(404, format!("invalid path. {HELP}")),
        }
    }

    /// The page of the status port: `/healthz/ready`, and the metrics for those who ask there.
    pub(crate) fn status_page(&self, path: &str) -> Page {
        match path.split('?').next().unwrap_or(path) {
            "/healthz/ready" | "/ready" => self.ready(),
            "/stats/prometheus" | "/metrics" => self.prometheus(),
            _ => Page::text(404, "not found\n"),
        }
    }

    fn ready(&self) -> Page {
        let keeper = self.keeper.borrow();
        match keeper.state() {
            State::Live => Page::text(200, "LIVE\n"),
            State::Draining => Page::text(503, "DRAINING\n"),
            State::Initializing => Page::text(503, format!("INITIALIZING: {}\n", keeper.awaits())),
        }
    }

    fn server_info(&self) -> ServerInfo {
        let uptime = std::time::Duration::from_secs(self.shared.clock.uptime_seconds());
        ServerInfo {
            version: concat!("lateen/", env!("CARGO_PKG_VERSION")).to_owned(),
            uptime_current_epoch: Some(uptime.into()),
            uptime_all_epochs: Some(uptime.into()),
            command_line_options: Some(xds::admin::CommandLineOptions {
                concurrency: u32::try_from(self.concurrency).unwrap_or(u32::MAX),
                ..Default::default()
            }),
            node: Some(self.node.clone()),
            ..ServerInfo::default()
        }
    }

    fn listeners(&self, as_json: bool) -> Page {
        let keeper = self.keeper.borrow();
        if as_json {
            let statuses: Vec<_> = keeper
                .addresses()
                .map(|(name, address)| {
                    json!({"name": name, "local_address": as_json_address(address)})
                })
                .collect();
            return Page::json(&json!({ "listener_statuses": statuses }));
        }
        let mut text = String::new();
        for (name, address) in keeper.addresses() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}::{address}");
        }
        Page::text(200, text)
    }

    fn clusters(&self, as_json: bool) -> Page {
        let now = self.shared.in_force();
        let mut text = String::new();
        let mut statuses = Vec::new();
        for upstream in now.directory.iter() {
            let cluster = upstream.cluster();
            let name = &cluster.name;
            let mut hosts = Vec::new();
            for host in upstream.hosts() {
                let flags = if host.is_ejected() { "/failed_outlier_check" } else { "healthy" };
                let address = host.address();
                let rows = [
                    ("cx_active", u64::from(host.connections())),
                    ("cx_connect_fail", host.cx_connect_fail.value()),
                    ("cx_total", host.cx_total.value()),
                    ("rq_active", u64::from(host.active_requests())),
                    ("rq_error", host.rq_error.value()),
                    ("rq_success", host.rq_success.value()),
                    ("rq_total", host.rq_total.value()),
                ];
                for (stat, value) in rows {
                    let _ = writeln!(text, "{name}::{address}::{stat}::{value}");
                }
                let hostname = host.hostname().unwrap_or_default();
                let _ = writeln!(text, "{name}::{address}::hostname::{hostname}");
                let _ = writeln!(text, "{name}::{address}::health_flags::{flags}");
                let _ = writeln!(text, "{name}::{address}::weight::{}", host.weight());
                hosts.push(json!({
                    "address": as_json_address(address),
                    "stats": rows.map(|(stat, value)| json!({"name": stat, "value": value.to_string()})),
                    "health_status": {
                        "eds_health_status": "HEALTHY", "failed_outlier_check": host.is_ejected()},
                    "weight": host.weight(),
                    "hostname": hostname,
                }));
            }
            statuses.push(json!({"name": &**name, "host_statuses": hosts}));
        }
        if as_json {
            return Page::json(&json!({ "cluster_statuses": statuses }));
        }
        Page::text(200, text)
    }

    fn prometheus(&self) -> Page {
        let body = exposition::render(&self.collect());
        Page { status: 200, content_type: exposition::CONTENT_TYPE, body }
    }

    /// Everything that is counted, at this moment.
    fn collect(&self) -> Registry {
        let mut registry = self.shared.collected();
        let keeper = self.keeper.borrow();
        let gauge = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        registry.set(Id::ServerLive, &[], i64::from(keeper.state() == State::Live));
        let uptime = self.shared.clock.uptime_seconds();
        registry.set(Id::ServerUptime, &[], i64::try_from(uptime).unwrap_or(i64::MAX));
        registry.set(Id::ServerConcurrency, &[], gauge(self.concurrency));
        registry.set(Id::ServerConnections, &[], gauge(self.shared.connections.count()));
        registry.set(Id::ControlPlaneConnected, &[], i64::from(keeper.connected));
        registry.set(Id::Build, &["proxy", env!("CARGO_PKG_VERSION")], 1);
        for (id, n) in keeper.updates() {
            registry.add(id, &[], n);
        }
        let now = self.shared.in_force();
        for upstream in now.directory.iter() {
            let cluster = upstream.cluster();
            let labels = [&*cluster.stat_name];
            for (stat, value) in upstream.stats().counters() {
                match telemetry::metrics::cluster_metric(stat) {
                    Some((id, None)) => registry.add(id, &labels, value),
                    Some((id, Some(class))) => registry.add(id, &[labels[0], class], value),
                    None => {}
                }
            }
            for (stat, value) in upstream.stats().gauges() {
                if let Some((id, None)) = telemetry::metrics::cluster_metric(stat) {
                    registry.set(id, &labels, i64::try_from(value).unwrap_or(i64::MAX));
                }
            }
        }
        registry
    }

    fn stats(&self, path: &str) -> Page {
        let format = parameter(path, "format");
        if format == Some("prometheus") {
            return self.prometheus();
        }
        let filter = parameter(path, "filter").unwrap_or_default();
        let mut rows = Vec::new();
        let now = self.shared.in_force();
        for upstream in now.directory.iter() {
            let cluster = upstream.cluster();
            let stats = upstream.stats();
            for (stat, value) in stats.counters().chain(stats.gauges()) {
                rows.push((format!("cluster.{}.{stat}", cluster.stat_name), value));
            }
        }
        let live = u64::from(self.keeper.borrow().state() == State::Live);
        rows.push(("server.live".to_owned(), live));
        let logs = self.shared.sinks.counts();
        rows.extend(logs.map(|(name, value)| (name.to_owned(), value)));
        rows.push(("server.uptime".to_owned(), self.shared.clock.uptime_seconds()));
        rows.retain(|(name, _)| name.contains(filter));
        rows.sort();
        if format == Some("json") {
            let stats: Vec<_> =
                rows.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
            return Page::json(&json!({ "stats": stats }));
        }
        let mut text = String::new();
        for (name, value) in rows {
            let _ = writeln!(text, "{name}: {value}");
        }
        Page::text(200, text)
    }
}

fn json(message: &impl serde::Serialize) -> serde_json::Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// An address in the form of `core.v3.Address`.
fn as_json_address(address: &Address) -> serde_json::Value {
    match address {
        Address::Ip(address) => json!({"socket_address": {
            "address": address.ip().to_string(), "port_value": address.port()}}),
        Address::Pipe(path) => json!({"pipe": {"path": &**path}}),
    }
}
