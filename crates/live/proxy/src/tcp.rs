//! Connections that pass through as bytes.

use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::timeout;
use traffic::cluster::Fallback;
use traffic::{
    Fault, Flag, Flags, Outcome, Peer, Seat, TcpChain, TcpDecision, TcpForward, Upstream,
};

use crate::reach::{self, connect};
use crate::relay::{Moved, relay};
use crate::wire::Wire;
use crate::worker::Worker;

/// The client's side of a connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) wire: Wire,
    /// What detection has read already.
    pub(crate) input: BytesMut,
    pub(crate) inbound: bool,
}

/// Serves one connection.
pub(crate) async fn serve(
    worker: &Rc<Worker>,
    chain: &TcpChain,
    client: Client,
    server_name: Option<&str>,
) {
    let _active = worker.shared.active.enter();
    let inbound = client.inbound;
    let now = worker.in_force();
    let decision =
        chain.decide(&now.table, &client.peer, server_name, &mut worker.dice.borrow_mut());
    let (cluster, ended) = match decision {
        TcpDecision::Close(close) => {
            let _ = client.wire.write(&close.response, &[]).await;
            if close.response.is_empty() {
                client.wire.reset_on_close();
            }
            let sent = close.response.len() as u64;
            (close.cluster, (Moved { received: 0, sent }, close.flags))
        }
        TcpDecision::Forward(forward) => {
            let upstream = now.directory.of(&forward.cluster).cloned();
            drop(now);
            match upstream {
                Some(upstream) => pass(worker, upstream, &forward, client).await,
                None => {
                    let ended = (Moved::default(), Flag::NoClusterFound.into());
                    (forward.cluster.to_string(), ended)
                }
            }
        }
    };
    let mut registry = worker.shared.registry(worker.index);
    worker.recorder.borrow().connection(&mut registry, &cluster, inbound, ended);
}

async fn pass(
    worker: &Rc<Worker>,
    mut upstream: Arc<Upstream>,
    forward: &TcpForward,
    client: Client,
) -> (String, (Moved, Flags)) {
    let mut reached = reach(worker, &upstream, forward).await;
    let mut flags = Flags::NONE;
    if let Err(fault) = &reached
        && let Some(other) = elsewhere(worker, &upstream, fault)
    {
        flags = fault.flags();
        reached = reach(worker, &other, forward).await;
        upstream = other;
    }
    let cluster = upstream.name().to_string();
    let (wire, _seat, _counted) = match reached {
        Ok(reached) => reached,
        Err(fault) => {
            client.wire.reset_on_close();
            return (cluster, (Moved::default(), fault.flags().union(flags)));
        }
    };
    let relaying =
        relay((&client.wire, client.input), (&wire, BytesMut::new()), forward.idle_timeout);
    let (moved, result) = match forward.max_duration {
        Some(most) => match timeout(most, relaying).await {
            Ok(ended) => ended,
            Err(_) => {
                return (cluster, (Moved::default(), flags.with(Flag::DurationTimeout)));
            }
        },
        None => relaying.await,
    };
    if result.is_err() {
        // Neither side may take a broken stream for a finished one.
        client.wire.reset_on_close();
        wire.reset_on_close();
    }
    (cluster, (moved, flags))
}

/// The cluster that this one falls back to, if it does for such a fault. There is one such hop and no more.
fn elsewhere(worker: &Worker, upstream: &Upstream, fault: &Fault) -> Option<Arc<Upstream>> {
    let fallback = upstream.fallback(fault)?;
    let Fallback::Cluster(name) = &*fallback else { return None };
    let other = worker.in_force().directory.of(name).cloned()?;
    upstream.stats().fallback_forwarded.add(1);
    Some(other)
}

/// Connects to a host, to others if the configuration says so.
async fn reach(
    worker: &Rc<Worker>,
    upstream: &Arc<Upstream>,
    forward: &TcpForward,
) -> Result<(Wire, Seat, traffic::Connection), Fault> {
    let cluster = upstream.cluster();
    let mut failure = Fault::NoHealthyUpstream;
    for _ in 0..forward.max_connect_attempts {
        let now = worker.shared.clock.now();
        let attempt = forward.attempt(now);
        let seat = reach::pick(worker, upstream, &forward.permit, &attempt).await?;
        let counted = seat.connect()?;
        match connect(worker, &cluster, seat.host().address(), &counted).await {
            Ok(wire) => {
                upstream.on_outcome(worker.shared.clock.now(), &seat, &Outcome::Connected);
                return Ok((wire, seat, counted));
            }
            Err(fault) => {
                let outcome = Outcome::Fault(fault.clone());
                upstream.on_outcome(worker.shared.clock.now(), &seat, &outcome);
                failure = fault;
            }
        }
    }
    Err(failure)
}
