//! The Node object and its Lease: that this machine is here, and alive.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{DaemonEndpoint, NodeDaemonEndpoints};
use kinds::core::{
    Lease, LeaseSpec, MicroTime, Namespace, Node, NodeAddress, NodeCondition, NodeSpec, NodeStatus,
    NodeSystemInfo, ObjectMeta, Quantity, Time,
};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use std::collections::BTreeMap;
use std::time::Duration;

/// As a kubelet's: the Lease is renewed so often, in seconds.
const LEASE_SECONDS: i32 = 40;
const RENEW: Duration = Duration::from_secs(10);

/// Cores and bytes of memory of this machine.
pub(crate) fn capacity() -> controllers::pod::env::Capacity {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = rustix::system::sysinfo();
    let unit = u64::from(memory.mem_unit.max(1));
    controllers::pod::env::Capacity {
        cpus: u32::try_from(cpus).unwrap_or(1),
        memory: memory.totalram * unit,
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map(|s| s.trim().to_owned()).unwrap_or_default()
}

fn node(now: Timestamp) -> Node {
    let capacity = capacity();
    let resources = BTreeMap::from([
        ("cpu".to_owned(), Quantity(capacity.cpus.to_string())),
        ("memory".to_owned(), Quantity(format!("{}Ki", capacity.memory / 1024))),
        ("pods".to_owned(), Quantity("1000".to_owned())),
    ]);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| NodeCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    };
    let os = read("/etc/os-release");
    let os = os.lines().find_map(|l| l.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux");
    let arch = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let labels = [
        ("kubernetes.io/hostname", crate::NODE_NAME),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", arch),
        ("node-role.kubernetes.io/control-plane", ""),
    ];
    let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
    Node {
        metadata: ObjectMeta {
            name: Some(crate::NODE_NAME.to_owned()),
            labels: Some(labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            pod_cidr: Some("10.244.0.0/16".to_owned()),
            pod_cidrs: Some(vec!["10.244.0.0/16".to_owned()]),
            ..NodeSpec::default()
        }),
        status: Some(NodeStatus {
            capacity: Some(resources.clone()),
            allocatable: Some(resources),
            addresses: Some(vec![
                address("InternalIP", crate::NODE_IP.to_string()),
                address("Hostname", crate::NODE_NAME.to_owned()),
            ]),
            conditions: Some(vec![
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", ""),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", ""),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", ""),
                condition("Ready", "True", "KubeletReady", "pods run as processes"),
            ]),
            daemon_endpoints: Some(NodeDaemonEndpoints {
                kubelet_endpoint: Some(DaemonEndpoint { port: 10250 }),
            }),
            node_info: Some(NodeSystemInfo {
                architecture: arch.to_owned(),
                boot_id: read("/proc/sys/kernel/random/boot_id"),
                container_runtime_version: format!("lateen://{}", env!("CARGO_PKG_VERSION")),
                kernel_version: read("/proc/sys/kernel/osrelease"),
                kubelet_version: format!("v1.33.0-lateen.{}", env!("CARGO_PKG_VERSION")),
                machine_id: read("/etc/machine-id"),
                operating_system: "linux".to_owned(),
                os_image: os.trim_matches('"').to_owned(),
                ..NodeSystemInfo::default()
            }),
            ..NodeStatus::default()
        }),
    }
}

/// Announces the node, then renews its Lease, for ever.
pub(crate) async fn run(client: Client) {
    let nodes: Api<Node> = Api::all(client.clone());
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let mut announced = false;
    loop {
        if !announced {
            match announce(&client, &nodes).await {
                Ok(()) => announced = true,
                Err(error) => tracing::warn!(%error, "the Node object was not written"),
            }
        }
        if let Err(error) = renew(&leases).await {
            tracing::debug!(%error, "the node's Lease was not renewed");
        }
        tokio::time::sleep(if announced { RENEW } else { Duration::from_secs(1) }).await;
    }
}

async fn announce(client: &Client, nodes: &Api<Node>) -> kube::Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt("kube-node-lease").await?.is_none() {
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some("kube-node-lease".to_owned()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        // Somebody else may have been faster.
        let _ = namespaces.create(&PostParams::default(), &namespace).await;
    }
    let wanted = node(Timestamp::now());
    if nodes.get_opt(crate::NODE_NAME).await?.is_none() {
        nodes.create(&PostParams::default(), &wanted).await?;
    }
    let labels = serde_json::json!({"metadata": {"labels": wanted.metadata.labels}});
    nodes.patch(crate::NODE_NAME, &PatchParams::default(), &Patch::Merge(labels)).await?;
    let status = serde_json::json!({"status": wanted.status});
    nodes.patch_status(crate::NODE_NAME, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

async fn renew(leases: &Api<Lease>) -> kube::Result<()> {
    let now = Some(MicroTime(Timestamp::now()));
    let patch = serde_json::json!({"spec": {"renewTime": now}});
    let patched =
        leases.patch(crate::NODE_NAME, &PatchParams::default(), &Patch::Merge(patch)).await;
    match patched {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        other => return other.map(drop),
    }
    let lease = Lease {
        metadata: ObjectMeta { name: Some(crate::NODE_NAME.to_owned()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: Some(crate::NODE_NAME.to_owned()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: now,
            ..LeaseSpec::default()
        }),
    };
    leases.create(&PostParams::default(), &lease).await.map(drop)
}
