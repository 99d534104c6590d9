//! From a container as written to the process that plays it.

use super::{PodEntry, Shared, volumes};
use crate::container::{CAP_NET_ADMIN, Place, Spec, User};
use controllers::pod::env::{self, Sources};
use controllers::pod::image::{self, Play, Program};
use kinds::core::{Container, Pod};
use kube::ResourceExt as _;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// The user of applications that name none. Not `nobody`: hosts give that one files.
pub(crate) const APP_USER: u32 = 65_532;
/// The user of our own programs, as Istio's sidecars.
const OWN_USER: u32 = 1337;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a container cannot start: a kubelet's reason, and the text.
pub(crate) type Refused = (&'static str, String);

/// What to start: the spec, and the host's descriptors that go with it.
pub(crate) fn compose(
    shared: &Shared,
    entry: &PodEntry,
    pod: &Pod,
    container: &Container,
    ip: &str,
) -> Result<(Spec, Vec<OwnedFd>), Refused> {
    let image = container.image.as_deref().unwrap_or_default();
    let (command, args) = (container.command.as_deref(), container.args.as_deref());
    let command = command.filter(|c| !c.is_empty());
    let play = image::choose(&shared.image_table(), image, command, args)
        .map_err(|text| ("ErrImagePull", text))?;
    let config = |text: String| ("CreateContainerConfigError", text);
    let own = play.program == Program::Own;
    let mut env = environment(shared, pod, container, ip).map_err(config)?;
    let handed = if own { hand_over(shared, image, &mut env) } else { Ok(Vec::new()) };
    let handed = handed.map_err(|e| ("RunContainerError", e.to_string()))?;
    let look = |name: &str| env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let expand = |text: &str| env::expand(text, &look);
    let mounts = volumes::mounts(shared, entry, pod, container, &expand).map_err(config)?;
    let marks = image::may_mark(&play, container);
    let Play { program, args, .. } = play;
    let program = match program {
        Program::Own => None,
        Program::Host(name) => Some(expand(&name)),
    };
    let spec = Spec {
        place: Place::New { network: -1, hostname: volumes::hostname(pod), mounts },
        program,
        args: args.iter().map(|a| expand(a)).collect(),
        cwd: container.working_dir.clone().filter(|d| !d.is_empty()),
        user: user(shared, pod, container, own),
        capabilities: if marks { vec![CAP_NET_ADMIN] } else { Vec::new() },
        // A terminal needs a session of its own, which the init makes.
        direct: own && container.tty != Some(true),
        terminal: container.tty == Some(true),
        status: -1,
        env,
    };
    Ok((spec, handed))
}

fn user(shared: &Shared, pod: &Pod, container: &Container, own: bool) -> Option<User> {
    if shared.config.rootless {
        return None;
    }
    let number = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
    let of_pod = pod.spec.as_ref().and_then(|s| s.security_context.clone()).unwrap_or_default();
    let of_container = container.security_context.clone().unwrap_or_default();
    let default = if own { OWN_USER } else { APP_USER };
    let uid = number(of_container.run_as_user).or(number(of_pod.run_as_user)).unwrap_or(default);
    let gid = number(of_container.run_as_group).or(number(of_pod.run_as_group)).unwrap_or(uid);
    let groups = of_pod.supplemental_groups.into_iter().flatten().chain(of_pod.fs_group);
    Some(User { uid, gid, groups: groups.filter_map(|g| number(Some(g))).collect() })
}

fn environment(
    shared: &Shared,
    pod: &Pod,
    container: &Container,
    ip: &str,
) -> Result<Vec<(String, String)>, String> {
    let namespace = pod.namespace().unwrap_or_default();
    let mut sources = Sources {
        given: given(shared, pod, &namespace),
        pod_ip: ip,
        host_ip: "10.244.0.1",
        capacity: shared.capacity,
        ..Sources::default()
    };
    let from = container.env_from.iter().flatten();
    let refs = container.env.iter().flatten().filter_map(|e| e.value_from.as_ref());
    let maps = from.clone().filter_map(|f| Some(f.config_map_ref.as_ref()?.name.as_str()));
    let maps =
        maps.chain(refs.clone().filter_map(|f| Some(f.config_map_key_ref.as_ref()?.name.as_str())));
    for name in maps {
        if let Some(map) = shared.config_maps.one(&namespace, name) {
            sources.config_maps.insert(name, map.data.clone().unwrap_or_default());
        }
    }
    let secrets = from.filter_map(|f| Some(f.secret_ref.as_ref()?.name.as_str()));
    let secrets =
        secrets.chain(refs.filter_map(|f| Some(f.secret_key_ref.as_ref()?.name.as_str())));
    for name in secrets {
        if let Some(secret) = shared.secrets.one(&namespace, name) {
            let text = |(k, v): (&String, &k8s_openapi::ByteString)| {
                (k.clone(), String::from_utf8_lossy(&v.0).into_owned())
            };
            let data: BTreeMap<_, _> = secret.data.iter().flatten().map(text).collect();
            sources.secrets.insert(name, data);
        }
    }
    env::resolve(pod, container, &sources)
}

/// What every container finds without asking: the path, its name, the API and the Services.
fn given(shared: &Shared, pod: &Pod, namespace: &str) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = [
        ("PATH", PATH),
        ("HOME", "/"),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
        ("KUBERNETES_SERVICE_PORT_HTTPS", "443"),
        ("KUBERNETES_PORT", "tcp://10.96.0.1:443"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .into();
    out.push(("HOSTNAME".to_owned(), volumes::hostname(pod)));
    if pod.spec.as_ref().and_then(|s| s.enable_service_links) == Some(false) {
        return out;
    }
    for service in shared.services.all() {
        let spec = service.spec.clone().unwrap_or_default();
        let ip = spec.cluster_ip.filter(|ip| ip != "None" && !ip.is_empty());
        let (Some(ip), true) = (ip, service.namespace().as_deref() == Some(namespace)) else {
            continue;
        };
        let word = |text: &str| text.to_uppercase().replace(['-', '.'], "_");
        let name = word(&service.name_any());
        if name == "KUBERNETES" {
            continue;
        }
        out.push((format!("{name}_SERVICE_HOST"), ip));
        for (i, port) in spec.ports.iter().flatten().enumerate() {
            if i == 0 {
                out.push((format!("{name}_SERVICE_PORT"), port.port.to_string()));
            }
            if let Some(own) = port.name.as_deref().filter(|n| !n.is_empty()) {
                out.push((format!("{name}_SERVICE_PORT_{}", word(own)), port.port.to_string()));
            }
        }
    }
    out
}

/// Duplicates of the host sockets that belong to this image, and the variables that name them.
fn hand_over(
    shared: &Shared,
    image: &str,
    env: &mut Vec<(String, String)>,
) -> std::io::Result<Vec<OwnedFd>> {
    let mut fds: Vec<OwnedFd> = Vec::new();
    let mut names = Vec::new();
    for host in shared.config.host_ports.iter().filter(|h| image::fits(&h.image, image)) {
        let fd = OwnedFd::from(host.listener.try_clone()?);
        names.push(format!("{}={}", host.port, fd.as_raw_fd()));
        fds.push(fd);
    }
    let mut set = |name: &str, value: String| {
        env.retain(|(n, _)| n != name);
        env.push((name.to_owned(), value));
    };
    if !names.is_empty() {
        set("LATEEN_LISTEN_FDS", names.join(","));
    }
    if let Some(upstream) = &shared.config.upstream
        && image::fits("lateen/dns*", image)
    {
        let fd = OwnedFd::from(upstream.socket.try_clone()?);
        set("LATEEN_UPSTREAM_UDP_FD", fd.as_raw_fd().to_string());
        set("LATEEN_UPSTREAM_DNS", upstream.server.to_string());
        fds.push(fd);
    }
    // How much our own programs say is chosen once, for the whole process tree.
    if let Ok(level) = std::env::var("RUST_LOG")
        && !env.iter().any(|(n, _)| n == "RUST_LOG")
    {
        env.push(("RUST_LOG".to_owned(), level));
    }
    Ok(fds)
}
