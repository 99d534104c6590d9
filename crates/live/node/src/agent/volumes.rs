//! A pod's volumes and generated files, made once per pod and mounted into its containers.

use super::{PodEntry, Shared};
use crate::container::Mount;
use controllers::pod::env::{self, Sources};
use k8s_openapi::api::authentication::v1::BoundObjectReference;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeFile, ProjectedVolumeSource, SecretVolumeSource,
    ServiceAccountTokenProjection,
};
use kinds::core::{
    Container, KeyToPath, Pod, ServiceAccount, TokenRequest, TokenRequestSpec, Volume,
};
use kube::ResourceExt as _;
use kube::api::{Api, PostParams};
use rustix::mount::{MountFlags, mount};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where programs look for their token.
const TOKEN_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a token holds when the pod does not say: longer than `lateen up` runs in one piece.
const TOKEN_SECONDS: i64 = 365 * 24 * 3600;
/// Read by all, as Kubernetes writes ConfigMaps.
const MODE: u32 = 0o644;

/// Files of one volume: path -> (content, mode).
type Files = BTreeMap<String, (Vec<u8>, u32)>;

/// The directory that holds the pods' directories.
pub(crate) fn pods_dir(home: &Path) -> PathBuf {
    home.join("pods")
}

/// Memory for all volumes, mounted where only this mount namespace sees it.
pub(crate) fn ground(home: &Path) -> io::Result<()> {
    let dir = pods_dir(home);
    fs::create_dir_all(&dir)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", &dir, "tmpfs", flags, Some(c"mode=711"))?;
    Ok(())
}

/// Makes everything that the pod's containers mount.
///
/// # Errors
/// What is missing, in a kubelet's words (`FailedMount`).
pub(crate) async fn make(
    shared: &Shared,
    entry: &PodEntry,
    pod: &Pod,
    ip: &str,
) -> Result<(), String> {
    let dir = &entry.dir;
    let told = |e: io::Error| format!("{}: {e}", dir.display());
    fs::create_dir_all(dir.join("etc")).map_err(told)?;
    fs::create_dir_all(dir.join("volumes")).map_err(told)?;
    for (name, text) in generated(pod, ip) {
        fs::write(dir.join("etc").join(name), text).map_err(told)?;
    }
    if wants_token(pod) {
        let token = token(shared, pod, None, None).await?;
        let files = account_files(shared, pod, token);
        publish(&dir.join("account"), &files, owner(shared, pod)).map_err(told)?;
    }
    for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
        one(shared, dir, pod, ip, volume).await.map_err(|e| {
            format!("MountVolume.SetUp failed for volume \"{}\" : {e}", volume.name)
        })?;
    }
    Ok(())
}

/// Writes those volumes again whose ConfigMaps, Secrets or labels may have changed.
pub(crate) async fn refresh(shared: &Shared, entry: &PodEntry, pod: &Pod, ip: &str) {
    for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
        let changes =
            volume.config_map.is_some() || volume.secret.is_some() || volume.downward_api.is_some();
        if changes && let Err(error) = one(shared, &entry.dir, pod, ip, volume).await {
            tracing::debug!(error, volume = volume.name, "a volume keeps its old content");
        }
    }
}

/// When the tokens that the pod's volumes ask for are to be renewed: after four fifths of the shortest life, as a kubelet does.
pub(crate) fn token_renewal(pod: &Pod) -> Option<Duration> {
    let lives = projected_tokens(pod).filter_map(|token| token.expiration_seconds);
    let shortest = lives.min().and_then(|seconds| u64::try_from(seconds).ok())?;
    Some(Duration::from_secs(shortest * 4 / 5).max(Duration::from_secs(60)))
}

fn projected_tokens(pod: &Pod) -> impl Iterator<Item = &ServiceAccountTokenProjection> {
    let volumes = pod.spec.iter().flat_map(|s| s.volumes.iter().flatten());
    let parts = volumes
        .filter_map(|volume| volume.projected.as_ref())
        .flat_map(|source| source.sources.iter().flatten());
    parts.filter_map(|part| part.service_account_token.as_ref())
}

/// Writes the volumes again that hold tokens; whether all of them could be.
pub(crate) async fn renew_tokens(shared: &Shared, entry: &PodEntry, pod: &Pod, ip: &str) -> bool {
    let mut all = true;
    for volume in pod.spec.iter().flat_map(|s| s.volumes.iter().flatten()) {
        let parts = volume.projected.iter().flat_map(|source| source.sources.iter().flatten());
        if parts.into_iter().all(|part| part.service_account_token.is_none()) {
            continue;
        }
        if let Err(error) = one(shared, &entry.dir, pod, ip, volume).await {
            tracing::warn!(error, pod = pod.name_any(), "a token is not renewed yet");
            all = false;
        }
    }
    all
}

/// Takes everything away.
pub(crate) fn remove(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, dir = %dir.display(), "a pod's files are left"),
    }
}

async fn one(
    shared: &Shared,
    dir: &Path,
    pod: &Pod,
    ip: &str,
    volume: &Volume,
) -> Result<(), String> {
    let place = dir.join("volumes").join(&volume.name);
    let owner = owner(shared, pod);
    let namespace = pod.namespace().unwrap_or_default();
    let told = |e: io::Error| e.to_string();
    let files = if let Some(source) = &volume.config_map {
        config_map(shared, &namespace, source)?
    } else if let Some(source) = &volume.secret {
        secret(shared, &namespace, source)?
    } else if let Some(source) = &volume.downward_api {
        downward(shared, pod, ip, source.items.as_deref(), mode(source.default_mode))?
    } else if let Some(source) = &volume.projected {
        projected(shared, pod, ip, source).await?
    } else if let Some(source) = &volume.host_path {
        let path = Path::new(&source.path);
        if source.type_.as_deref() == Some("DirectoryOrCreate") {
            fs::create_dir_all(path).map_err(told)?;
        }
        return match fs::metadata(path) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("hostPath {}: {error}", source.path)),
        };
    } else if let Some(source) = &volume.persistent_volume_claim {
        let kept = claim_dir(shared, &namespace, &source.claim_name);
        fs::create_dir_all(&kept).map_err(told)?;
        return open_to_all(&kept).map_err(told);
    } else if volume.empty_dir.is_some() || is_bare(volume) {
        fs::create_dir_all(&place).map_err(told)?;
        return open_to_all(&place).map_err(told);
    } else {
        return Err("this kind of volume is not known on one machine; use configMap, secret, \
                    emptyDir, projected, downwardAPI, hostPath or persistentVolumeClaim"
            .to_owned());
    };
    publish(&place, &files, owner).map_err(told)
}

/// A volume without any source is an emptyDir.
fn is_bare(volume: &Volume) -> bool {
    *volume == Volume { name: volume.name.clone(), ..Volume::default() }
}

fn open_to_all(dir: &Path) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o777))
}

/// Claims are kept over restarts, in the home.
fn claim_dir(shared: &Shared, namespace: &str, name: &str) -> PathBuf {
    shared.config.home.join("claims").join(namespace).join(name)
}

fn mode(written: Option<i32>) -> u32 {
    written.and_then(|m| u32::try_from(m).ok()).unwrap_or(MODE)
}

/// The chosen keys, or all.
fn choose(
    all: BTreeMap<String, Vec<u8>>,
    items: Option<&[KeyToPath]>,
    mode_of_all: u32,
    what: &str,
    optional: bool,
) -> Result<Files, String> {
    let Some(items) = items.filter(|i| !i.is_empty()) else {
        return Ok(all.into_iter().map(|(k, v)| (k, (v, mode_of_all))).collect());
    };
    let mut files = Files::new();
    for item in items {
        match all.get(&item.key) {
            Some(value) => {
                let mode = item.mode.map_or(mode_of_all, |m| mode(Some(m)));
                files.insert(item.path.clone(), (value.clone(), mode));
            }
            None if optional => {}
            None => return Err(format!("{what} references non-existent config key: {}", item.key)),
        }
    }
    Ok(files)
}

fn config_map(
    shared: &Shared,
    namespace: &str,
    source: &ConfigMapVolumeSource,
) -> Result<Files, String> {
    let optional = source.optional == Some(true);
    let Some(map) = shared.config_maps.one(namespace, &source.name) else {
        let missing = Err(format!("configmap \"{}\" not found", source.name));
        return if optional { Ok(Files::new()) } else { missing };
    };
    let text = map.data.iter().flatten().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone()));
    let all = text.chain(binary).collect();
    let what = format!("configmap \"{}\"", source.name);
    choose(all, source.items.as_deref(), mode(source.default_mode), &what, optional)
}

fn secret(shared: &Shared, namespace: &str, source: &SecretVolumeSource) -> Result<Files, String> {
    let optional = source.optional == Some(true);
    let name = source.secret_name.as_deref().unwrap_or_default();
    let Some(secret) = shared.secrets.one(namespace, name) else {
        let missing = Err(format!("secret \"{name}\" not found"));
        return if optional { Ok(Files::new()) } else { missing };
    };
    let all = secret.data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone())).collect();
    let what = format!("secret \"{name}\"");
    choose(all, source.items.as_deref(), mode(source.default_mode), &what, optional)
}

fn downward(
    shared: &Shared,
    pod: &Pod,
    ip: &str,
    items: Option<&[DownwardAPIVolumeFile]>,
    mode_of_all: u32,
) -> Result<Files, String> {
    let sources = Sources { pod_ip: ip, host_ip: "10.244.0.1", ..Sources::default() };
    let mut files = Files::new();
    for item in items.unwrap_or_default() {
        let value = if let Some(field) = &item.field_ref {
            env::field(pod, &field.field_path, &sources)
        } else if let Some(r) = &item.resource_field_ref {
            let containers = pod.spec.iter().flat_map(|s| &s.containers);
            let mut named = containers.filter(|c| Some(&c.name) == r.container_name.as_ref());
            let divisor = r.divisor.as_ref().map(|q| q.0.as_str());
            named.next().and_then(|c| env::resource(c, &r.resource, divisor, shared.capacity))
        } else {
            None
        };
        let value = value.ok_or_else(|| format!("file {}: unknown field", item.path))?;
        let mode = item.mode.map_or(mode_of_all, |m| mode(Some(m)));
        files.insert(item.path.clone(), (value.into_bytes(), mode));
    }
    Ok(files)
}

async fn projected(
    shared: &Shared,
    pod: &Pod,
    ip: &str,
    source: &ProjectedVolumeSource,
) -> Result<Files, String> {
    let namespace = pod.namespace().unwrap_or_default();
    let default = mode(source.default_mode);
    let mut files = Files::new();
    for part in source.sources.iter().flatten() {
        if let Some(p) = &part.service_account_token {
            let audience = p.audience.clone();
            let token = token(shared, pod, audience, p.expiration_seconds).await?;
            files.insert(p.path.clone(), (token.into_bytes(), default));
        }
        if let Some(p) = &part.config_map {
            let source = ConfigMapVolumeSource {
                name: p.name.clone(),
                items: p.items.clone(),
                optional: p.optional,
                default_mode: source.default_mode,
            };
            files.extend(config_map(shared, &namespace, &source)?);
        }
        if let Some(p) = &part.secret {
            let source = SecretVolumeSource {
                secret_name: Some(p.name.clone()),
                items: p.items.clone(),
                optional: p.optional,
                default_mode: source.default_mode,
            };
            files.extend(secret(shared, &namespace, &source)?);
        }
        if let Some(p) = &part.downward_api {
            files.extend(downward(shared, pod, ip, p.items.as_deref(), default)?);
        }
    }
    Ok(files)
}

fn wants_token(pod: &Pod) -> bool {
    let spec = pod.spec.as_ref();
    let mounted = |c: &Container| {
        c.volume_mounts.iter().flatten().any(|m| m.mount_path.trim_end_matches('/') == TOKEN_DIR)
    };
    spec.is_some_and(|s| {
        s.automount_service_account_token != Some(false) && !s.containers.iter().all(mounted)
    })
}

async fn token(
    shared: &Shared,
    pod: &Pod,
    audience: Option<String>,
    seconds: Option<i64>,
) -> Result<String, String> {
    let namespace = pod.namespace().unwrap_or_default();
    let account = pod.spec.as_ref().and_then(|s| s.service_account_name.as_deref());
    let account = account.unwrap_or("default");
    let api: Api<ServiceAccount> = Api::namespaced(shared.config.client.clone(), &namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: audience.into_iter().collect(),
            expiration_seconds: Some(seconds.unwrap_or(TOKEN_SECONDS)),
            // It is worth nothing any more once the pod is gone.
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        },
        ..TokenRequest::default()
    };
    let answer = api.create_token_request(account, &PostParams::default(), &request).await;
    let answer =
        answer.map_err(|e| format!("no token for service account {namespace}/{account}: {e}"))?;
    answer.status.map(|s| s.token).ok_or_else(|| "the API server gave no token".to_owned())
}

fn account_files(shared: &Shared, pod: &Pod, token: String) -> Files {
    let namespace = pod.namespace().unwrap_or_default();
    [("token", token), ("ca.crt", shared.config.ca.clone()), ("namespace", namespace)]
        .map(|(name, text)| (name.to_owned(), (text.into_bytes(), MODE)))
        .into()
}

/// Who owns a volume's files: the user of the pod's programs, so that mode 0400 can be read.
fn owner(shared: &Shared, pod: &Pod) -> Option<u32> {
    let security = pod.spec.as_ref().and_then(|s| s.security_context.as_ref());
    let user = security.and_then(|s| s.run_as_user).and_then(|u| u32::try_from(u).ok());
    (!shared.config.rootless).then(|| user.unwrap_or(super::compose::APP_USER))
}

/// Replaces a volume's files all at once, the way a kubelet does: readers follow `..data`.
fn publish(dir: &Path, files: &Files, owner: Option<u32>) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let data = dir.join("..data");
    let old = fs::read_link(&data).ok();
    let number = old.as_ref().and_then(|o| o.to_str()?.strip_prefix("..")?.parse::<u64>().ok());
    if let Some(old) = &old
        && is_same(&dir.join(old), files)
    {
        return Ok(());
    }
    let name = format!("..{}", number.unwrap_or(0) + 1);
    let fresh = dir.join(&name);
    fs::create_dir_all(&fresh)?;
    for (path, (content, mode)) in files {
        // A key cannot lead out of its volume.
        if Path::new(path).components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
            return Err(io::Error::other(format!("the path {path} leaves the volume")));
        }
        let file = fresh.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&file, content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(*mode))?;
        chown(&file, owner, owner)?;
        let top = path.split('/').next().unwrap_or(path);
        if fs::symlink_metadata(dir.join(top)).is_err() {
            symlink(Path::new("..data").join(top), dir.join(top))?;
        }
    }
    let next = dir.join("..next");
    symlink(&name, &next)?;
    fs::rename(&next, &data)?;
    let Some(old) = old else { return Ok(()) };
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        // Links whose file went away.
        if fs::symlink_metadata(&path)?.is_symlink() && !path.exists() {
            fs::remove_file(&path)?;
        }
    }
    fs::remove_dir_all(dir.join(old))
}

fn is_same(dir: &Path, files: &Files) -> bool {
    fn count(dir: &Path) -> usize {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|e| if e.path().is_dir() { count(&e.path()) } else { 1 }).sum()
    }
    count(dir) == files.len()
        && files.iter().all(|(path, (content, mode))| {
            let file = dir.join(path);
            fs::read(&file).is_ok_and(|now| now == *content)
                && fs::metadata(&file).is_ok_and(|m| m.permissions().mode() & 0o7777 == *mode)
        })
}

/// `/etc/hosts`, `/etc/resolv.conf`, `/etc/hostname`, `/etc/nsswitch.conf`.
fn generated(pod: &Pod, ip: &str) -> Vec<(&'static str, String)> {
    let spec = pod.spec.clone().unwrap_or_default();
    let namespace = pod.namespace().unwrap_or_default();
    let host = hostname(pod);
    let mut hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    let full = spec.subdomain.as_ref().map(|s| format!("{host}.{s}.{namespace}.svc.cluster.local"));
    let names = full.map_or_else(|| host.clone(), |full| format!("{full}\t{host}"));
    hosts.push_str(&format!("{ip}\t{names}\n"));
    for alias in spec.host_aliases.iter().flatten() {
        let names = alias.hostnames.clone().unwrap_or_default().join("\t");
        hosts.push_str(&format!("{}\t{names}\n", alias.ip));
    }
    let config = spec.dns_config.clone().unwrap_or_default();
    let (mut servers, mut searches, mut options) = (Vec::new(), Vec::new(), Vec::new());
    if spec.dns_policy.as_deref() != Some("None") {
        servers.push("10.96.0.10".to_owned());
        searches.extend([
            format!("{namespace}.svc.cluster.local"),
            "svc.cluster.local".to_owned(),
            "cluster.local".to_owned(),
        ]);
        options.push("ndots:5".to_owned());
    }
    servers.extend(config.nameservers.into_iter().flatten());
    searches.extend(config.searches.into_iter().flatten());
    options.extend(config.options.into_iter().flatten().filter_map(|o| {
        Some(o.value.map_or(o.name.clone()?, |v| format!("{}:{v}", o.name.unwrap_or_default())))
    }));
    let mut resolv: String = servers.iter().map(|s| format!("nameserver {s}\n")).collect();
    if !searches.is_empty() {
        resolv.push_str(&format!("search {}\n", searches.join(" ")));
    }
    if !options.is_empty() {
        resolv.push_str(&format!("options {}\n", options.join(" ")));
    }
    // Other sources of names would lead around the mesh's DNS.
    let switch = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
                  protocols: files\nservices: files\n";
    vec![
        ("hosts", hosts),
        ("resolv.conf", resolv),
        ("hostname", format!("{host}\n")),
        ("nsswitch.conf", switch.to_owned()),
    ]
}

/// The name that the pod's programs see as the machine's.
pub(crate) fn hostname(pod: &Pod) -> String {
    let own = pod.spec.as_ref().and_then(|s| s.hostname.clone());
    let mut name = own.unwrap_or_else(|| pod.name_any());
    name.truncate(63);
    name.trim_end_matches(['-', '.']).to_owned()
}

/// What a container mounts.
///
/// # Errors
/// A mount of a volume that the pod does not have.
pub(crate) fn mounts(
    shared: &Shared,
    entry: &PodEntry,
    pod: &Pod,
    container: &Container,
    expand: &dyn Fn(&str) -> String,
) -> Result<Vec<Mount>, String> {
    let dir = &entry.dir;
    let mut out: Vec<Mount> = Vec::new();
    for name in ["hosts", "resolv.conf", "hostname", "nsswitch.conf"] {
        let source = dir.join("etc").join(name);
        out.push(Mount { source, target: format!("/etc/{name}"), read_only: false });
    }
    let account = dir.join("account");
    if account.exists() {
        out.push(Mount { source: account, target: TOKEN_DIR.to_owned(), read_only: true });
    }
    let volumes = pod.spec.as_ref().and_then(|s| s.volumes.clone()).unwrap_or_default();
    for one in container.volume_mounts.iter().flatten() {
        let Some(volume) = volumes.iter().find(|v| v.name == one.name) else {
            return Err(format!("the pod has no volume \"{}\"", one.name));
        };
        let mut source = match (&volume.host_path, &volume.persistent_volume_claim) {
            (Some(host), _) => PathBuf::from(&host.path),
            (None, Some(claim)) => {
                claim_dir(shared, &pod.namespace().unwrap_or_default(), &claim.claim_name)
            }
            (None, None) => dir.join("volumes").join(&volume.name),
        };
        let sub = one.sub_path_expr.as_deref().map(expand).or_else(|| one.sub_path.clone());
        if let Some(sub) = sub.filter(|s| !s.is_empty()) {
            if Path::new(&sub).components().any(|c| c == std::path::Component::ParentDir) {
                return Err(format!("subPath {sub} must not contain \"..\""));
            }
            source.push(&sub);
            if !source.exists() {
                fs::create_dir_all(&source).map_err(|e| format!("subPath {sub}: {e}"))?;
                open_to_all(&source).map_err(|e| format!("subPath {sub}: {e}"))?;
            }
        }
        let target = one.mount_path.trim_end_matches('/').to_owned();
        out.retain(|m| m.target != target);
        let read_only = one.read_only == Some(true)
            || volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.projected.is_some()
            || volume.downward_api.is_some();
        out.push(Mount { source, target, read_only });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_change_all_at_once_and_old_ones_go() {
        let dir = std::env::temp_dir().join(format!("lateen-volume-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let files = |rows: &[(&str, &str)]| -> Files {
            let one = |(k, v): &(&str, &str)| ((*k).to_owned(), (v.as_bytes().to_vec(), 0o600));
            rows.iter().map(one).collect()
        };
        publish(&dir, &files(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(fs::read_to_string(dir.join("d/b")).unwrap(), "2");
        let before = fs::read_link(dir.join("..data")).unwrap();
        publish(&dir, &files(&[("a", "1"), ("d/b", "2")]), None).unwrap();
        assert_eq!(fs::read_link(dir.join("..data")).unwrap(), before);
        publish(&dir, &files(&[("a", "3")]), None).unwrap();
        assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "3");
        assert!(fs::symlink_metadata(dir.join("d")).is_err());
        assert!(publish(&dir, &files(&[("../x", "")]), None).is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
