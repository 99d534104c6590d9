//! Probes and lifecycle hooks, carried out inside the pod.

use super::{PodEntry, Shared, http};
use crate::kubelet::exec;
use ::http::Request;
use bytes::Bytes;
use controllers::pod::ProbeKind;
use http_body_util::Full;
use kinds::core::{Container, ExecAction, HTTPGetAction, IntOrString, LifecycleHandler, Probe};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// A hook may take so long; the pod's grace ends it earlier.
const HOOK: Duration = Duration::from_secs(300);
/// The grace of a port that nobody wrote a probe for.
const PORT: Duration = Duration::from_secs(1);

/// Runs a probe once. The error is the text after `Readiness probe failed: `.
pub(crate) async fn probe(
    shared: &Shared,
    entry: &PodEntry,
    container: &Container,
    kind: ProbeKind,
    ip: &str,
) -> Result<(), String> {
    let written = match kind {
        ProbeKind::Startup => container.startup_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
        ProbeKind::Port => {
            let mut ports = container.ports.iter().flatten();
            let first = ports.find(|p| p.protocol.as_deref().is_none_or(|p| p == "TCP"));
            let Some(port) = first.map(|p| IntOrString::Int(p.container_port)) else {
                return Ok(());
            };
            let dialled = dial(shared, entry, container, None, &port, ip);
            return timed(PORT, async { dialled.await.map(drop) }).await;
        }
    };
    let Some(probe) = written else { return Ok(()) };
    let seconds = u64::try_from(probe.timeout_seconds.unwrap_or(1)).unwrap_or(1).max(1);
    timed(Duration::from_secs(seconds), ask(shared, entry, container, probe, ip)).await
}

async fn timed(
    most: Duration,
    job: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    match tokio::time::timeout(most, job).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s (context deadline exceeded)", most.as_secs())),
    }
}

async fn ask(
    shared: &Shared,
    entry: &PodEntry,
    container: &Container,
    probe: &Probe,
    ip: &str,
) -> Result<(), String> {
    if let Some(get) = &probe.http_get {
        fetch(shared, entry, container, get, ip).await
    } else if let Some(tcp) = &probe.tcp_socket {
        dial(shared, entry, container, tcp.host.as_deref(), &tcp.port, ip).await.map(drop)
    } else if let Some(grpc) = &probe.grpc {
        let port = IntOrString::Int(grpc.port);
        let stream = dial(shared, entry, container, None, &port, ip).await?;
        match http::grpc_health(stream, grpc.service.as_deref().unwrap_or("")).await? {
            1 => Ok(()),
            other => {
                let word = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
                let word = word.get(usize::from(other)).unwrap_or(&"UNKNOWN");
                Err(format!("service unhealthy (responded with \"{word}\")"))
            }
        }
    } else if let Some(command) = &probe.exec {
        run(shared, entry, container, command).await
    } else {
        Ok(())
    }
}

/// Runs a postStart or preStop hook.
pub(crate) async fn hook(
    shared: &Shared,
    entry: &PodEntry,
    container: &Container,
    hook: &LifecycleHandler,
    ip: &str,
) -> Result<(), String> {
    let job = async {
        if let Some(command) = &hook.exec {
            run(shared, entry, container, command).await
        } else if let Some(get) = &hook.http_get {
            fetch(shared, entry, container, get, ip).await
        } else if let Some(sleep) = &hook.sleep {
            let seconds = u64::try_from(sleep.seconds).unwrap_or(0);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok(())
        } else {
            Ok(())
        }
    };
    timed(HOOK, job).await
}

async fn run(
    shared: &Shared,
    entry: &PodEntry,
    container: &Container,
    command: &ExecAction,
) -> Result<(), String> {
    let words = command.command.clone().unwrap_or_default();
    let (code, output) = exec::run(shared, entry, &container.name, words).await?;
    if code == 0 { Ok(()) } else { Err(format!("{}(exit code {code})", spaced(&output))) }
}

fn spaced(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("{} ", output.trim_end()) }
}

fn port_number(container: &Container, port: &IntOrString) -> Option<u16> {
    match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => {
            let mut ports = container.ports.iter().flatten();
            let named = ports.find(|p| p.name.as_ref() == Some(name));
            let number = named.map(|p| p.container_port).or_else(|| name.parse().ok());
            u16::try_from(number?).ok()
        }
    }
}

async fn dial(
    shared: &Shared,
    entry: &PodEntry,
    container: &Container,
    host: Option<&str>,
    port: &IntOrString,
    ip: &str,
) -> Result<TcpStream, String> {
    let number = port_number(container, port)
        .ok_or_else(|| format!("the container has no port {port:?}"))?;
    let ip = host.filter(|h| !h.is_empty()).unwrap_or(ip);
    let ip = if ip == "localhost" { "127.0.0.1" } else { ip };
    let address: SocketAddr = format!("{ip}:{number}")
        .parse()
        .map_err(|_| format!("\"{ip}\" is not an address; leave `host` out to mean the pod"))?;
    let net = entry.net().ok_or("the pod is leaving")?;
    let told = |e: io::Error| match e.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("dial tcp {address}: connect: connection refused")
        }
        _ => format!("dial tcp {address}: {e}"),
    };
    shared.config.netns.dial_in(net, address).await.map_err(told)
}

async fn fetch(
    shared: &Shared,
    entry: &PodEntry,
    container: &Container,
    get: &HTTPGetAction,
    ip: &str,
) -> Result<(), String> {
    let number = port_number(container, &get.port).unwrap_or(0);
    let path = get.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let tls = get.scheme.as_deref() == Some("HTTPS");
    let scheme = if tls { "https" } else { "http" };
    let host = get.host.as_deref().filter(|h| !h.is_empty()).unwrap_or(ip);
    let url = format!("{scheme}://{host}:{number}{path}");
    let told = |e: String| format!("Get \"{url}\": {e}");
    let mut request = Request::get(&path).header("user-agent", "kube-probe/1.33");
    let mut names_host = false;
    for header in get.http_headers.iter().flatten() {
        names_host |= header.name.eq_ignore_ascii_case("host");
        request = request.header(&header.name, &header.value);
    }
    if !names_host {
        request = request.header("host", format!("{host}:{number}"));
    }
    let request = request
        .header("accept", "*/*")
        .header("connection", "close")
        .body(Full::new(Bytes::new()))
        .map_err(|e| told(e.to_string()))?;
    let stream =
        dial(shared, entry, container, get.host.as_deref(), &get.port, ip).await.map_err(told)?;
    match http::get(stream, tls, request).await {
        Ok((200..=399, _)) => Ok(()),
        Ok((status, _)) => Err(format!("HTTP probe failed with statuscode: {status}")),
        Err(error) => Err(told(error.to_string())),
    }
}
