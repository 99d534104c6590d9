//! What the control plane counts about itself, under Istio's names.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mesh::Model;

/// Upper bounds of `pilot_proxy_convergence_time`, in seconds.
const CONVERGENCE: [f64; 8] = [0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];

/// What a webhook made of a pod or an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The pod got a sidecar.
    Injected,
    /// The pod wants none.
    Skipped,
    /// The question could not be answered.
    Failed,
    /// The object passed.
    Passed,
}

#[derive(Debug, Default)]
struct Counts {
    pushes: BTreeMap<&'static str, u64>,
    rejects: BTreeMap<&'static str, u64>,
    seen: BTreeMap<String, u64>,
    convergence: [u64; CONVERGENCE.len()],
    converged: u64,
    convergence_seconds: f64,
    services: usize,
    virtual_services: usize,
    injected: u64,
    skipped: u64,
    injections_failed: u64,
    passed: u64,
    validations_failed: u64,
    requests_to_sign: u64,
    signed: u64,
    not_authenticated: u64,
    roots_end: i64,
}

/// Counters of the control plane.
#[derive(Debug, Default)]
pub(super) struct Metrics(Mutex<Counts>);

impl Metrics {
    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A response went out.
    pub(super) fn pushed(&self, type_url: &str) {
        self.with(|counts| *counts.pushes.entry(short(type_url)).or_default() += 1);
    }

    /// A proxy refused a response.
    pub(super) fn rejected(&self, type_url: &str) {
        self.with(|counts| *counts.rejects.entry(short(type_url)).or_default() += 1);
    }

    /// An object of a kind changed.
    pub(super) fn seen(&self, kind: &str) {
        self.with(|counts| *counts.seen.entry(kind.to_owned()).or_default() += 1);
    }

    /// A proxy has acknowledged everything, so long after the change.
    pub(super) fn converged(&self, after: Duration) {
        let seconds = after.as_secs_f64();
        self.with(|counts| {
            for (bound, count) in CONVERGENCE.iter().zip(&mut counts.convergence) {
                *count += u64::from(seconds <= *bound);
            }
            counts.converged += 1;
            counts.convergence_seconds += seconds;
        });
    }

    /// The mesh was understood.
    pub(super) fn understood(&self, model: &Model) {
        self.with(|counts| {
            counts.services = model.services.len();
            counts.virtual_services = model.routings.len();
        });
    }

    /// A pod passed the injector.
    pub(super) fn injection(&self, verdict: Verdict) {
        self.with(|counts| match verdict {
            Verdict::Injected => counts.injected += 1,
            Verdict::Skipped => counts.skipped += 1,
            Verdict::Failed | Verdict::Passed => counts.injections_failed += 1,
        });
    }

    /// An object passed validation.
    pub(super) fn validation(&self, verdict: Verdict) {
        self.with(|counts| match verdict {
            Verdict::Passed => counts.passed += 1,
            _ => counts.validations_failed += 1,
        });
    }

    /// A caller could not prove who it is.
    pub(super) fn not_authenticated(&self) {
        self.with(|counts| counts.not_authenticated += 1);
    }

    /// The first of the trusted roots ends at this time.
    pub(super) fn roots_end(&self, at: jiff::Timestamp) {
        self.with(|counts| counts.roots_end = at.as_second());
    }

    /// A request to sign a key came to its end.
    pub(super) fn signing(&self, signed: bool) {
        self.with(|counts| {
            counts.requests_to_sign += 1;
            counts.signed += u64::from(signed);
        });
    }

    /// Exposition text; the gauges come from their owners.
    pub(super) fn render(&self, proxies: usize, snapshots: usize) -> String {
        self.with(|counts| render(counts, proxies, snapshots)).unwrap_or_default()
    }
}

/// The page for Prometheus.
fn render(counts: &Counts, proxies: usize, snapshots: usize) -> Result<String, std::fmt::Error> {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = Page::default();
    page.family("istio_build", "gauge", "Always 1; its labels say what runs.")?;
    page.sample("istio_build", &format!("component=\"pilot\",tag=\"{version}\""), 1)?;
    page.family("pilot_xds", "gauge", "Proxies connected.")?;
    page.sample("pilot_xds", &format!("version=\"{version}\""), proxies)?;
    page.family("pilot_xds_pushes", "counter", "Responses sent to proxies, by type.")?;
    for (kind, count) in &counts.pushes {
        page.sample("pilot_xds_pushes", &format!("type=\"{kind}\""), count)?;
    }
    page.family("pilot_total_xds_rejects", "counter", "Responses that proxies refused, by type.")?;
    for (kind, count) in &counts.rejects {
        page.sample("pilot_total_xds_rejects", &format!("type=\"{kind}\""), count)?;
    }
    let name = "pilot_proxy_convergence_time";
    page.family(
        name,
        "histogram",
        "Seconds from a change to the last acknowledgement of a proxy.",
    )?;
    for (bound, count) in CONVERGENCE.iter().zip(&counts.convergence) {
        page.sample(&format!("{name}_bucket"), &format!("le=\"{bound}\""), count)?;
    }
    page.sample(&format!("{name}_bucket"), "le=\"+Inf\"", counts.converged)?;
    page.sample(&format!("{name}_sum"), "", counts.convergence_seconds)?;
    page.sample(&format!("{name}_count"), "", counts.converged)?;
    page.family("pilot_k8s_cfg_events", "counter", "Objects seen to change, by kind.")?;
    for (kind, count) in &counts.seen {
        page.sample("pilot_k8s_cfg_events", &format!("type=\"{kind}\""), count)?;
    }
    let injections = counts.injected + counts.skipped + counts.injections_failed;
    for (name, kind, help, count) in [
        ("pilot_services", "gauge", "Services known.", counts.services as u64),
        ("pilot_virt_services", "gauge", "Virtual services known.", counts.virtual_services as u64),
        (
            "lateen_snapshots",
            "gauge",
            "Snapshots kept; proxies that see the same share one.",
            snapshots as u64,
        ),
        (
            "sidecar_injection_requests_total",
            "counter",
            "Pods that the injector was asked about.",
            injections,
        ),
        ("sidecar_injection_success_total", "counter", "Pods that got a sidecar.", counts.injected),
        ("sidecar_injection_skip_total", "counter", "Pods that want no sidecar.", counts.skipped),
        (
            "sidecar_injection_failure_total",
            "counter",
            "Questions to the injector without an answer.",
            counts.injections_failed,
        ),
        ("galley_validation_passed", "counter", "Objects that passed validation.", counts.passed),
        (
            "galley_validation_failed",
            "counter",
            "Questions to validation without an answer.",
            counts.validations_failed,
        ),
        ("citadel_server_csr_count", "counter", "Requests to sign a key.", counts.requests_to_sign),
        (
            "citadel_server_success_cert_issuance_count",
            "counter",
            "Certificates given.",
            counts.signed,
        ),
        (
            "citadel_server_authentication_failure_count",
            "counter",
            "Callers who could not prove who they are.",
            counts.not_authenticated,
        ),
        (
            "citadel_server_root_cert_expiry_timestamp",
            "gauge",
            "When the first of the trusted roots ends, in seconds since 1970.",
            u64::try_from(counts.roots_end).unwrap_or_default(),
        ),
    ] {
        page.family(name, kind, help)?;
        page.sample(name, "", count)?;
    }
    Ok(page.0)
}

/// Prometheus' text format.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) -> std::fmt::Result {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    fn sample(
        &mut self,
        name: &str,
        labels: &str,
        value: impl std::fmt::Display,
    ) -> std::fmt::Result {
        if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        }
    }
}

/// Istio's short word for a type.
pub(super) fn short(type_url: &str) -> &'static str {
    use xds::snapshot::{CLUSTER, ENDPOINT, EXTENSION, LISTENER, NAME_TABLE, ROUTE, SECRET};
    match type_url {
        CLUSTER => "cds",
        ENDPOINT => "eds",
        LISTENER => "lds",
        ROUTE => "rds",
        SECRET => "sds",
        EXTENSION => "ecds",
        NAME_TABLE => "nds",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_counts_what_happened() {
        let metrics = Metrics::default();
        metrics.pushed(xds::snapshot::CLUSTER);
        metrics.converged(Duration::from_millis(700));
        metrics.injection(Verdict::Injected);
        let page = metrics.render(3, 2);
        for line in [
            "pilot_xds_pushes{type=\"cds\"} 1",
            "pilot_proxy_convergence_time_bucket{le=\"0.5\"} 0",
            "pilot_proxy_convergence_time_bucket{le=\"1\"} 1",
            "pilot_proxy_convergence_time_bucket{le=\"+Inf\"} 1",
            "pilot_proxy_convergence_time_sum 0.7",
            "sidecar_injection_success_total 1",
            "lateen_snapshots 2",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }
}
