//! A small server of small pages on the house's own codec: admin, health, metrics.

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpListener;

use crate::fields::{Request, Response};
use crate::flow::{Frame, Source};
use crate::h1::link::Arrival;
use crate::h1::{Encoder, Link};
use crate::respond::{Manner, Responder, Size};
use crate::wire::Wire;

/// A client that says nothing is let go after this long.
const IDLE: Duration = Duration::from_secs(60);
/// A head has to arrive within this.
const HEAD: Duration = Duration::from_secs(10);
/// Connections at once; more wait in the backlog.
const CONNECTIONS: usize = 64;
/// Request bodies are read and dropped up to this size.
const BODY_BYTES: usize = 64 * 1024;

/// One page.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

impl Page {
    /// Plain text.
    pub(crate) fn text(status: u16, body: impl Into<String>) -> Page {
        Page { status, content_type: "text/plain; charset=UTF-8", body: body.into() }
    }

    /// JSON, indented as Envoy's admin interface does.
    pub(crate) fn json(value: &serde_json::Value) -> Page {
        let body = serde_json::to_string_pretty(value).unwrap_or_default() + "\n";
        Page { status: 200, content_type: "application/json", body }
    }
}

/// Makes a page from the method and the path with its query.
pub(crate) type Pages = Rc<dyn Fn(&str, &str) -> Page>;

/// Serves pages until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, page: Pages) {
    let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let page = page.clone();
                tokio::task::spawn_local(async move {
                    connection(Link::new(Wire::new(stream), BytesMut::new()), &*page).await;
                    drop(slot);
                });
            }
            // Out of descriptors or memory: give the rest of the process time to free some.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(mut link: Link, page: &dyn Fn(&str, &str) -> Page) {
    let mut request = Request::default();
    loop {
        let (reply, decoder) = match link.request(&mut request, Some(IDLE), Some(HEAD)).await {
            Arrival::Head(decoder) => (page(request.method(), request.path()), decoder),
            Arrival::Fault(fault) => {
                request.keep_alive = false;
                (Page::text(fault.status(), "bad request\n"), crate::h1::Decoder::Done)
            }
            Arrival::Over | Arrival::Late => return,
        };
        let (incoming, outgoing) = link.split(decoder, Encoder::Exact(0));
        let mut body = Source::H1(incoming);
        let mut dropped = 0;
        while let Ok(Some(frame)) = body.next().await {
            if let Frame::Data(data) = frame {
                dropped += data.len();
            }
            if dropped > BODY_BYTES {
                return;
            }
        }
        let mut response = Response { status: reply.status, ..Response::default() };
        response.fields.append("content-type", reply.content_type.as_bytes());
        response.fields.append("cache-control", b"no-cache, max-age=0");
        let size = Size::Exact(reply.body.len() as u64);
        let http10 = request.http10;
        let to_head = request.method() == "HEAD";
        let close = !request.keep_alive;
        let sink =
            Responder::H1(outgoing).send(&mut response, size, Manner { to_head, http10, close });
        let Ok(mut sink) = sink else { return };
        if !to_head && sink.data(reply.body.into()).await.is_err() {
            return;
        }
        if sink.finish(None).await.is_err() || close {
            return;
        }
    }
}

/// The value of a query parameter: `format` of `/stats?format=json`.
pub(crate) fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}
