//! Connections that pass through as bytes.

use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::time::timeout;
use traffic::cluster::Fallback;
use traffic::{
    Fault, Flag, Flags, Listener, Outcome, Peer, Seat, TcpChain, TcpDecision, TcpForward, Upstream,
};

use crate::notes::{self, Arrival, Ending, Logbook, Notes};
use crate::reach::{self, connect};
use crate::relay::{Moved, relay};
use crate::tls::Offer;
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
    pub(crate) arrival: Arrival,
}

/// Serves one connection.
pub(crate) async fn serve(
    worker: &Rc<Worker>,
    (listener, chain): (&Listener, &TcpChain),
    client: Client,
    server_name: Option<&str>,
) {
    let _active = worker.shared.active.enter();
    let inbound = client.inbound;
    let logbook = Logbook::of(worker, &chain.logs);
    let is_logged = logbook.is_some() || !listener.logs.is_empty();
    let mut noted = is_logged.then(|| (client.arrival.clone(), client.peer.clone(), Notes::new()));
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
            if let Some((_, _, notes)) = &mut noted {
                notes.cluster = now.table.cluster(&forward.cluster).cloned();
            }
            drop(now);
            let notes = noted.as_mut().map(|(_, _, notes)| notes);
            match upstream {
                Some(upstream) => pass(worker, upstream, &forward, (client, notes)).await,
                None => {
                    let ended = (Moved::default(), Flag::NoClusterFound.into());
                    (forward.cluster.to_string(), ended)
                }
            }
        }
    };
    let mut registry = worker.shared.registry(worker.index);
    worker.recorder.borrow().connection(&mut registry, &cluster, inbound, ended);
    drop(registry);
    if let Some((arrival, peer, mut notes)) = noted {
        let ending = Ending { moved: ended.0, flags: ended.1, ..Ending::default() };
        let whose = (listener, logbook.as_ref());
        notes::connection(worker, whose, (&arrival, &peer), (&mut notes, ending));
    }
}

async fn pass(
    worker: &Rc<Worker>,
    mut upstream: Arc<Upstream>,
    forward: &TcpForward,
    (client, mut notes): (Client, Option<&mut Notes>),
) -> (String, (Moved, Flags)) {
    let mut reached = reach(worker, &upstream, forward, notes.as_deref_mut()).await;
    let mut flags = Flags::NONE;
    if let Err(fault) = &reached
        && let Some(other) = elsewhere(worker, &upstream, fault)
    {
        flags = fault.flags();
        reached = reach(worker, &other, forward, notes).await;
        upstream = other;
    }
    let cluster = upstream.name().to_string();
    let (wire, _seat, _counted) = match reached {
        Ok(reached) => reached,
        Err(fault) => {
            client.wire.reset_on_close();
            flags = flags.union(fault.flags());
            if matches!(fault, Fault::ConnectFailed { .. } | Fault::ConnectTimeout) {
                // It was tried as often as it may be.
                flags.insert(Flag::UpstreamRetryLimitExceeded);
            }
            return (cluster, (Moved::default(), flags));
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
    mut notes: Option<&mut Notes>,
) -> Result<(Wire, Seat, traffic::Connection), Fault> {
    let cluster = upstream.cluster();
    let mut failure = Fault::NoHealthyUpstream;
    for number in 1..=forward.max_connect_attempts {
        let now = worker.shared.clock.now();
        let attempt = forward.attempt(now);
        let seat = reach::pick(worker, upstream, &forward.permit, &attempt).await?;
        let counted = seat.connect()?;
        if let Some(notes) = &mut notes {
            notes.picked(&seat);
            notes.attempts = number;
        }
        match connect(worker, &cluster, seat.host(), (&counted, Offer::Bytes)).await {
            Ok(wire) => {
                upstream.on_outcome(worker.shared.clock.now(), &seat, &Outcome::Connected);
                if let Some(notes) = &mut notes {
                    notes.connected(wire.local_address(), (None, false));
                }
                return Ok((wire, seat, counted));
            }
            Err(fault) => {
                if let Some(notes) = &mut notes {
                    notes.failed(&fault);
                }
                let outcome = Outcome::Fault(fault.clone());
                upstream.on_outcome(worker.shared.clock.now(), &seat, &outcome);
                failure = fault;
            }
        }
    }
    Err(failure)
}
