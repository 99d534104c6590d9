//! What `lateen up` prints: where things are, and what to try next.

use std::fmt::Write as _;

use crate::home::Running;

/// The addresses of a mesh, a line each.
pub(crate) fn places(running: &Running) -> String {
    let mut out = String::new();
    let ports = running.ports;
    let kubeconfig = running.kubeconfig.display().to_string();
    for (name, value) in [
        ("gateway", format!("http://127.0.0.1:{}", ports.gateway_http)),
        ("console", format!("http://127.0.0.1:{}", ports.console)),
        ("API server", format!("https://127.0.0.1:{}", ports.api)),
        ("kubeconfig", kubeconfig),
        ("xDS", format!("127.0.0.1:{}", ports.xds)),
    ] {
        // Writing to a String cannot fail.
        writeln!(out, "  {name:<11} {value}").ok();
    }
    out
}

/// Three things to try, fitting what runs.
pub(crate) fn next_steps(running: &Running, demo: Option<&str>) -> String {
    let kubeconfig = running.kubeconfig.display();
    let gateway = format!("http://127.0.0.1:{}", running.ports.gateway_http);
    let (first, third) = match demo {
        Some("bookinfo") => (format!("curl {gateway}/productpage"), "kubectl get pods,vs,gw"),
        Some(_) => (format!("open {gateway}   (or curl it)"), "kubectl get pods,vs,gw"),
        None => {
            ("lateen up --demo fleetman   (in a home of its own)".to_owned(), "kubectl get pods -A")
        }
    };
    format!(
        "\nTry next:\n  {first}\n  export KUBECONFIG={kubeconfig}\n  {third}\n\nCtrl-C stops everything.\n"
    )
}
