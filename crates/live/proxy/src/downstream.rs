//! Downstream connections that speak HTTP: request after request on HTTP/1.1, streams on HTTP/2.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};
use traffic::{Flag, HttpChain};

use crate::exchange::{self, Disposition, Downstream};
use crate::fields::{Request, Response};
use crate::flow::Source;
use crate::h1::link::Arrival;
use crate::h1::{Decoder, Encoder, Limits, Link};
use crate::relay::relay;
use crate::respond::{Manner, Responder, Size};
use crate::wire::Wire;
use crate::worker::Worker;

/// A head has to arrive within this when the configuration names no limit: a slow sender must not
/// hold a connection for ever.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// After the last response, what the client still sends is read away for this long at most, so that the
/// kernel's reset does not overtake our bytes.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;
/// Streams at once on one HTTP/2 connection when the configuration names no limit.
const STREAMS: u32 = 1024;
/// Requests of a connection of HTTP/2 before it is judged by how many of them it took back. Spec: Envoy,
/// `overload.premature_reset_total_stream_count`.
const TELLING: u32 = 500;
/// Windows when the configuration names none.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// What keeps a connection's view of its listener fresh.
pub(crate) trait Standing {
    /// The listener was removed or changed since the connection was accepted.
    fn is_outdated(&self, worker: &Worker) -> bool;
}

/// Serves HTTP/1.1 until the connection ends.
pub(crate) async fn serve_h1(
    worker: Rc<Worker>,
    downstream: Downstream,
    standing: &dyn Standing,
    wire: Wire,
    input: BytesMut,
) {
    let settings = downstream.chain.settings().clone();
    let mut link = Link::new(wire, input);
    link.limits = Limits {
        bytes: settings.max_head_bytes,
        fields: settings.max_headers,
        any_method: settings.allow_custom_methods,
    };
    link.trailers = settings.http1_trailers;
    let head_timeout = settings.request_headers_timeout.unwrap_or(HEAD_TIMEOUT);
    let opened = Instant::now();
    let mut served: u32 = 0;
    let mut request = Request::default();
    loop {
        let Some(arrival) = next(&worker, &downstream, standing, async {
            link.request(&mut request, settings.idle_timeout, Some(head_timeout)).await
        })
        .await
        else {
            return;
        };
        served = served.saturating_add(1);
        let old = settings.max_connection_duration.is_some_and(|most| opened.elapsed() >= most);
        let worn = settings.max_requests_per_connection.is_some_and(|most| served >= most);
        if old || worn || standing.is_outdated(&worker) {
            downstream.closing.set(true);
        }
        let decoder = match arrival {
            Arrival::Head(decoder) => decoder,
            Arrival::Over => return broken_off(&worker, &downstream, &link),
            Arrival::Late => {
                let why = (408, "request_header_read_timeout");
                return refuse(&worker, &downstream, link, why).await;
            }
            Arrival::Fault(fault) => {
                let why = (fault.status(), fault.details());
                return refuse(&worker, &downstream, link, why).await;
            }
        };
        if !crate::edit::underscores(&mut request, settings.underscores) {
            let why = (400, "http1.unexpected_underscore");
            return refuse(&worker, &downstream, link, why).await;
        }
        crate::edit::join_lines(&mut request);
        let (incoming, outgoing) = link.split(decoder, Encoder::Exact(0));
        let (source, responder) = (Source::H1(incoming), Responder::H1(outgoing));
        match exchange::serve(&worker, &downstream, &request, source, responder).await {
            Disposition::KeepAlive => {}
            Disposition::Close => return linger(link, settings.delayed_close_timeout).await,
            Disposition::Upgraded(upgraded) => {
                let _active = worker.shared.active.enter();
                let client = (&link.wire, link.input);
                let Link { wire, input, .. } = upgraded.lease.link;
                let upstream = (&wire, input);
                let _ = relay(client, upstream, settings.stream_idle_timeout).await;
                return;
            }
        }
    }
}

/// Waits for the next request; `None` when the connection shall end while it idles.
async fn next(
    worker: &Worker,
    downstream: &Downstream,
    standing: &dyn Standing,
    arrival: impl Future<Output = Arrival>,
) -> Option<Arrival> {
    let mut arrival = std::pin::pin!(arrival);
    loop {
        let woken = worker.wake_idle.notified();
        tokio::select! {
            biased;
            arrival = &mut arrival => return Some(arrival),
            () = woken => {}
        }
        // Requests that are here already are served, with `connection: close`.
        if standing.is_outdated(worker) {
            downstream.closing.set(true);
        }
        if downstream.closing.get() || worker.shared.is_draining() {
            return crate::flow::now_or_never(&mut arrival).await;
        }
    }
}

/// Refuses what is no request, and ends the connection.
async fn refuse(
    worker: &Worker,
    downstream: &Downstream,
    mut link: Link,
    (status, details): (u16, &'static str),
) {
    let chain = &downstream.chain;
    let mut record = downstream.record(Instant::now());
    record.status = status;
    if status != 408 {
        record.flags.insert(Flag::DownstreamProtocolError);
    }
    let (_, outgoing) = link.split(Decoder::Done, Encoder::Exact(0));
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let text = match status {
        408 => "request header timeout",
        _ => reason.unwrap_or_default(),
    };
    let mut response = Response { status, ..Response::default() };
    response.fields.append("content-type", b"text/plain");
    traffic::edits::apply(&mut response.fields, chain.response_edits());
    worker.date.now(|date| response.fields.append("date", date.as_bytes()));
    let manner = Manner { to_head: false, http10: false, close: true };
    let size = Size::Exact(text.len() as u64);
    if let Ok(mut sink) = Responder::H1(outgoing).send(&mut response, size, manner) {
        let _ = sink.data(Bytes::from_static(text.as_bytes())).await;
        let _ = sink.finish(None).await;
        record.sent.set(text.len() as u64);
    }
    record.note_time(|times| &mut times.responded);
    record.note(|notes| {
        notes.details = details.into();
        notes.responded_with(&mut response, true);
    });
    worker.log(downstream, &mut record);
    linger(link, chain.settings().delayed_close_timeout).await;
}

/// Records that a client went away in the middle of a head.
fn broken_off(worker: &Worker, downstream: &Downstream, link: &Link) {
    if !link.input.is_empty() {
        let mut record = downstream.record(Instant::now());
        record.left();
        worker.log(downstream, &mut record);
    }
}

/// Ends a connection so that what was sent arrives.
async fn linger(mut link: Link, patience: Option<Duration>) {
    link.wire.finish_writing();
    let drained = async {
        let mut dropped = 0;
        while dropped < LINGER_BYTES {
            link.input.clear();
            match link.wire.read(&mut link.input).await {
                Ok(n) if n > 0 => dropped += n,
                _ => return,
            }
        }
    };
    let _ = timeout(patience.unwrap_or(Duration::ZERO).min(LINGER), drained).await;
}

/// Serves HTTP/2 until the connection ends.
pub(crate) async fn serve_h2(
    worker: Rc<Worker>,
    downstream: Downstream,
    standing: &dyn Standing,
    wire: Wire,
    input: Bytes,
) {
    let chain: &HttpChain = &downstream.chain;
    let settings = chain.settings().clone();
    let mut builder = ::h2::server::Builder::new();
    builder
        .max_concurrent_streams(
            settings.http2.max_concurrent_streams.unwrap_or(STREAMS).min(STREAMS),
        )
        .initial_window_size(
            settings.http2.initial_stream_window.unwrap_or(STREAM_WINDOW).min(STREAM_WINDOW),
        )
        .initial_connection_window_size(
            settings
                .http2
                .initial_connection_window
                .unwrap_or(CONNECTION_WINDOW)
                .min(CONNECTION_WINDOW),
        )
        .max_header_list_size(u32::try_from(settings.max_head_bytes).unwrap_or(u32::MAX));
    if settings.http2.allow_connect {
        builder.enable_connect_protocol();
    }
    let watched = crate::h2::Watched::client(wire.with_prefix(input));
    let handshake = builder.handshake::<_, Bytes>(watched);
    let Ok(Ok(mut connection)) = timeout(HEAD_TIMEOUT, handshake).await else { return };
    let downstream = Rc::new(downstream);
    let idle = settings.idle_timeout;
    let opened = Instant::now();
    let mut silent =
        std::pin::pin!(crate::h2::silent(connection.ping_pong(), settings.http2.keepalive));
    let mut served: u32 = 0;
    let mut leaving = false;
    let streams = Rc::new(Streams { open: Cell::new(0), quiet_since: Cell::new(opened) });
    loop {
        let quiet = at(idle.map(|idle| streams.quiet_since.get() + idle));
        let old =
            at(settings.max_connection_duration.filter(|_| !leaving).map(|most| opened + most));
        let accepted = tokio::select! {
            biased;
            accepted = connection.accept() => accepted,
            () = worker.wake_idle.notified() => {
                if worker.shared.is_draining() || standing.is_outdated(&worker) {
                    // GOAWAY; streams under way go on.
                    connection.graceful_shutdown();
                }
                continue;
            }
            () = quiet => {
                if streams.open.get() == 0 {
                    connection.graceful_shutdown();
                }
                streams.quiet_since.set(Instant::now());
                continue;
            }
            () = old => {
                leaving = true;
                connection.graceful_shutdown();
                continue;
            }
            () = &mut silent => return,
        };
        let Some(Ok((request, respond))) = accepted else { return };
        streams.quiet_since.set(Instant::now());
        streams.open.set(streams.open.get() + 1);
        served = served.saturating_add(1);
        if downstream.abandoned.get().saturating_mul(2) >= served.max(TELLING) {
            tracing::debug!("closed a connection of HTTP/2 that takes most of its requests back");
            connection.abrupt_shutdown(::h2::Reason::ENHANCE_YOUR_CALM);
            let closed = std::future::poll_fn(|cx| connection.poll_closed(cx));
            let _ = timeout(LINGER, closed).await;
            return;
        }
        if !leaving && settings.max_requests_per_connection.is_some_and(|most| served >= most) {
            leaving = true;
            connection.graceful_shutdown();
        }
        let (worker, downstream) = (worker.clone(), downstream.clone());
        let streams = streams.clone();
        tokio::task::spawn_local(async move {
            stream(&worker, &downstream, request, respond).await;
            streams.open.set(streams.open.get() - 1);
            streams.quiet_since.set(Instant::now());
        });
    }
}

/// Streams of one connection.
struct Streams {
    open: Cell<usize>,
    /// When one began or ended last.
    quiet_since: Cell<Instant>,
}

/// Waits until then; `None` is for ever.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn stream(
    worker: &Rc<Worker>,
    downstream: &Downstream,
    request: http::Request<::h2::RecvStream>,
    mut respond: ::h2::server::SendResponse<Bytes>,
) {
    let (parts, body) = request.into_parts();
    let settings = downstream.chain.settings();
    let Some(mut request) = crate::h2::from_request(&parts) else {
        respond.send_reset(::h2::Reason::PROTOCOL_ERROR);
        return;
    };
    let refused = if request.fields.len() > settings.max_headers {
        Some(431)
    } else if !crate::edit::underscores(&mut request, settings.underscores) {
        Some(400)
    } else {
        None
    };
    if let Some(status) = refused {
        let response = Response { status, ..Response::default() };
        let _ = respond.send_response(crate::h2::to_response(&response), true);
        return;
    }
    crate::edit::join_lines(&mut request);
    let source = if body.is_end_stream() { Source::Empty } else { Source::H2(body) };
    exchange::serve(worker, downstream, &request, source, Responder::H2(respond)).await;
}
