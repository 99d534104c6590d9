//! One xDS stream: the machine of its protocol, fed with what the proxy says, with new plans, and with time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mesh::Node;
use prost::Message as _;
use tokio::sync::{mpsc, watch as channel};
use tonic::{Status, Streaming};
use xds::{
    ads::server::{Delta, Progress, Response, Sotw},
    discovery::{DeltaDiscoveryRequest, DiscoveryRequest},
    snapshot::{SECRET, Snapshot},
    spiffe::Identity,
    wkt,
};

use super::{Shared, connections::Told, metrics::short, plan::Plan, stopped};

/// The type of a message by which an agent tells of its application's health; an error in it says what is wrong.
const HEALTH: &str = "type.googleapis.com/istio.v1.HealthInformation";
/// So much of such an error is kept, in characters.
const LONGEST_WHY: usize = 512;
/// A proof of identity is good for so long; then the proxy connects again and proves it anew. It keeps what it has meanwhile.
const PROVEN: Duration = Duration::from_secs(30 * 60);

/// The two protocols of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Delta,
    Sotw,
}

/// Serves a proxy until either side ends the stream.
pub(super) async fn converse(
    shared: Arc<Shared>,
    protocol: Protocol,
    identity: Option<Identity>,
    mut requests: Streaming<Bytes>,
    out: mpsc::Sender<Result<Bytes, Status>>,
) -> Result<(), Status> {
    let mut stop = shared.stop.clone();
    let mut plans = shared.plans.subscribe();
    let Some(first) = requests.message().await? else { return Ok(()) };
    let mut machine = Machine::new(protocol);
    let request = machine.read(first)?;
    let node = introduced(&request, identity.as_ref())?;
    let leave = tokio::time::sleep(if identity.is_some() { PROVEN } else { Duration::MAX });
    let mut leave = std::pin::pin!(leave);
    // Before the first plan, an answer would tell a proxy to drop what it has.
    let mut plan = tokio::select! {
        plan = first_plan(&mut plans) => plan,
        () = stopped(&mut stop) => None,
    }
    .ok_or_else(stopping)?;
    let proven = identity.is_some();
    let mut snapshot = visible(shared.plans.snapshot(&plan, &node), proven);
    tracing::info!(proxy = %node.id, ?protocol, "connected");
    let entry = shared.connections.enter((node.clone(), proven), protocol, &snapshot);
    let start = Instant::now();
    note_refusal(&shared, &node, &request);
    let mut responses = machine.on_request(start.elapsed(), &request, &snapshot);
    // The time of the oldest change that the proxy has not acknowledged.
    let mut since: Option<Instant> = None;
    loop {
        for response in responses {
            shared.metrics.pushed(&response.type_url);
            tracing::debug!(proxy = %node.id, kind = short(&response.type_url), resources = response.resources.len(),
                removed = response.removed.len(), "push");
            if out.send(Ok(machine.encode(&response))).await.is_err() {
                return Ok(());
            }
        }
        let settled = machine.settled();
        if settled && let Some(since) = since.take() {
            shared.metrics.converged(since.elapsed());
        }
        entry.update(Told {
            progress: machine.progress(),
            generation: plan.generation,
            settled,
            snapshot: &snapshot,
        });
        let now = start.elapsed();
        let wake = machine.next_wake().map(|wake| wake.saturating_sub(now));
        responses = tokio::select! {
            () = stopped(&mut stop) => return Err(stopping()),
            () = leave.as_mut() => {
                return Err(Status::unavailable("prove again who you are: connect again"));
            }
            message = requests.message() => match message {
                Ok(Some(bytes)) => {
                    let request = machine.read(bytes)?;
                    if request.type_url() == HEALTH {
                        let why = |wrong: &wkt::Status| Err(shortened(&wrong.message));
                        entry.tells(request.refusal().map_or(Ok(()), why));
                        responses = Vec::new();
                        continue;
                    }
                    note_refusal(&shared, &node, &request);
                    machine.on_request(start.elapsed(), &request, &snapshot)
                }
                Ok(None) => return Ok(()),
                Err(status) => {
                    tracing::debug!(proxy = %node.id, "the stream broke: {status}");
                    return Ok(());
                }
            },
            changed = plans.changed() => {
                changed.map_err(|_| stopping())?;
                plan = plans.borrow_and_update().clone().ok_or_else(stopping)?;
                snapshot = visible(shared.plans.snapshot(&plan, &node), proven);
                let responses = machine.on_snapshot(start.elapsed(), &snapshot);
                if !machine.settled() {
                    since.get_or_insert(plan.since);
                }
                responses
            }
            () = tokio::time::sleep(wake.unwrap_or(Duration::MAX)), if wake.is_some() => machine.on_wake(start.elapsed()),
        };
    }
}

/// What a stream is told: secrets go only to who has proven to be the proxy that needs them, and never in plain text.
fn visible(snapshot: Arc<Snapshot>, proven: bool) -> Arc<Snapshot> {
    if proven || snapshot.of(SECRET).is_empty() {
        return snapshot;
    }
    let mut open = Snapshot::clone(&snapshot);
    open.remove_all(SECRET);
    Arc::new(open)
}

/// Who the proxy says it is, which must be what it has proven.
fn introduced(request: &Request, identity: Option<&Identity>) -> Result<Node, Status> {
    let said = request
        .node()
        .ok_or_else(|| Status::invalid_argument("the first request names no node"))?;
    let mut node = Node::from_xds(said).map_err(Status::invalid_argument)?;
    if let Some(identity) = identity {
        identity.vouches_for(said).map_err(|why| {
            tracing::info!(%identity, "a stream is refused: {why}");
            Status::permission_denied(why)
        })?;
        node.service_account.clone_from(&identity.service_account);
    }
    Ok(node)
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_WHY).collect()
}

async fn first_plan(plans: &mut channel::Receiver<Option<Arc<Plan>>>) -> Option<Arc<Plan>> {
    plans.wait_for(Option::is_some).await.ok().and_then(|plan| plan.clone())
}

fn stopping() -> Status {
    Status::unavailable("the control plane stops; connect again")
}

fn note_refusal(shared: &Shared, node: &Node, request: &Request) {
    if let Some(why) = request.refusal() {
        shared.metrics.rejected(request.type_url());
        tracing::warn!(proxy = %node.id, kind = short(request.type_url()), "refused: {}", why.message);
    }
}

/// A request of either protocol.
enum Request {
    Delta(Box<DeltaDiscoveryRequest>),
    Sotw(Box<DiscoveryRequest>),
}

impl Request {
    fn node(&self) -> Option<&xds::core::Node> {
        match self {
            Self::Delta(request) => request.node.as_ref(),
            Self::Sotw(request) => request.node.as_ref(),
        }
    }

    fn refusal(&self) -> Option<&wkt::Status> {
        match self {
            Self::Delta(request) => request.error_detail.as_ref(),
            Self::Sotw(request) => request.error_detail.as_ref(),
        }
    }

    fn type_url(&self) -> &str {
        match self {
            Self::Delta(request) => &request.type_url,
            Self::Sotw(request) => &request.type_url,
        }
    }
}

/// The machine of either protocol.
enum Machine {
    Delta(Box<Delta>),
    Sotw(Box<Sotw>),
}

impl Machine {
    fn new(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Delta => Self::Delta(Box::default()),
            Protocol::Sotw => Self::Sotw(Box::default()),
        }
    }

    fn read(&self, bytes: Bytes) -> Result<Request, Status> {
        let wrong = |error| Status::invalid_argument(format!("not a discovery request: {error}"));
        match self {
            Self::Delta(_) => {
                Ok(Request::Delta(Box::new(DeltaDiscoveryRequest::decode(bytes).map_err(wrong)?)))
            }
            Self::Sotw(_) => {
                Ok(Request::Sotw(Box::new(DiscoveryRequest::decode(bytes).map_err(wrong)?)))
            }
        }
    }

    fn on_request(
        &mut self,
        now: Duration,
        request: &Request,
        snapshot: &Arc<Snapshot>,
    ) -> Vec<Response> {
        match (self, request) {
            (Self::Delta(machine), Request::Delta(request)) => {
                machine.on_request(now, request, snapshot)
            }
            (Self::Sotw(machine), Request::Sotw(request)) => {
                machine.on_request(now, request, snapshot)
            }
            // `read` makes requests of the machine's own protocol only.
            _ => Vec::new(),
        }
    }

    fn on_snapshot(&mut self, now: Duration, snapshot: &Arc<Snapshot>) -> Vec<Response> {
        match self {
            Self::Delta(machine) => machine.on_snapshot(now, snapshot),
            Self::Sotw(machine) => machine.on_snapshot(now, snapshot),
        }
    }

    fn on_wake(&mut self, now: Duration) -> Vec<Response> {
        match self {
            Self::Delta(machine) => machine.on_wake(now),
            Self::Sotw(machine) => machine.on_wake(now),
        }
    }

    fn next_wake(&self) -> Option<Duration> {
        match self {
            Self::Delta(machine) => machine.next_wake(),
            Self::Sotw(machine) => machine.next_wake(),
        }
    }

    fn settled(&self) -> bool {
        match self {
            Self::Delta(machine) => machine.settled(),
            Self::Sotw(machine) => machine.settled(),
        }
    }

    fn progress(&self) -> Vec<Progress> {
        match self {
            Self::Delta(machine) => machine.progress(),
            Self::Sotw(machine) => machine.progress(),
        }
    }

    fn encode(&self, response: &Response) -> Bytes {
        match self {
            Self::Delta(_) => response.encode_delta(),
            Self::Sotw(_) => response.encode_sotw(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_to_nobody_who_has_not_proven_who_it_is() {
        let mut snapshot = Snapshot::new();
        snapshot.insert("key", &xds::tls::Secret::default());
        snapshot.insert("c", &xds::cluster::Cluster::default());
        let snapshot = Arc::new(snapshot);
        let open = visible(Arc::clone(&snapshot), false);
        assert!(open.of(SECRET).is_empty());
        assert_eq!(open.of(xds::snapshot::CLUSTER).len(), 1);
        assert!(Arc::ptr_eq(&visible(Arc::clone(&snapshot), true), &snapshot));
    }
}
