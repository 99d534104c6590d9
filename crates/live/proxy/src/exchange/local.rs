//! Answers that the proxy gives by itself.

use std::rc::Rc;

use bytes::Bytes;
use traffic::Answer;

use super::{Disposition, Downstream};
use crate::fields::{Request, Response};
use crate::flow::Replay;
use crate::record::Record;
use crate::respond::{Manner, Responder, Size};
use crate::worker::Worker;

/// Sends an answer of `traffic`. A request body that has not arrived costs the connection.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    downstream: &Downstream,
    request: &Request,
    mut body: Replay<'_>,
    mut responder: Responder<'_>,
    (answer, record): (&Answer, &mut Record),
) -> Disposition {
    record.status = answer.status;
    record.flags = record.flags.union(answer.flags);
    record.note(|notes| notes.details = answer.details.clone());
    if !answer.cluster.is_empty() {
        record.cluster = Some(answer.cluster.as_str().into());
    }
    if let Some(delay) = answer.delay {
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = responder.gone() => {
                record.left();
                return Disposition::Close;
            }
        }
    }
    // Who is answered before the request is whole is not waited for; on HTTP/1 that costs the connection.
    let was_whole = body.is_read() || answer.delay.is_some();
    if answer.delay.is_some() {
        body.skip_arrived().await;
    } else {
        body.discard_arrived().await;
    }
    if body.is_read() {
        let so_far = record.started.elapsed();
        record.note(|notes| _ = notes.times.request.get_or_insert(so_far));
    }
    let mut response = Response { status: answer.status, ..Response::default() };
    for (name, value) in &answer.headers {
        response.fields.append(name, value);
    }
    record.grpc_status = response.fields.text("grpc-status").and_then(|text| text.parse().ok());
    worker.date.now(|date| response.fields.append("date", date.as_bytes()));
    // What follows a request for a tunnel is no request.
    let wanted_tunnel = request.upgrade.is_some() || request.method() == "CONNECT";
    let close = !request.keep_alive
        || wanted_tunnel
        || !was_whole
        || !body.is_read()
        || answer.is_last
        || downstream.closing.get()
        || worker.shared.is_draining();
    let size = match answer.body.len() {
        0 => Size::Empty,
        length => Size::Exact(length as u64),
    };
    let to_head = request.method() == "HEAD";
    let bodiless = to_head || matches!(answer.status, 204 | 304);
    if size != Size::Empty && (request.http2 || bodiless) {
        let length = answer.body.len().to_string();
        response.fields.append("content-length", length.as_bytes());
    }
    let manner = Manner { to_head, http10: request.http10, close };
    let Ok(mut sink) = responder.send(&mut response, size, manner) else {
        return Disposition::Close;
    };
    record.note_time(|times| &mut times.responding);
    record.note(|notes| {
        if size == Size::Empty && answer.header("content-length").is_none() {
            // The codec's own, which is no header of the answer.
            response.fields.remove("content-length");
        }
        notes.responded_with(&mut response, manner.close && !request.http2);
    });
    if !bodiless && size != Size::Empty {
        record.sent.set(answer.body.len() as u64);
        if sink.data(Bytes::copy_from_slice(&answer.body)).await.is_err() {
            record.broke_off();
            return Disposition::Close;
        }
    }
    let whole = sink.finish(None).await.is_ok();
    record.note_time(|times| &mut times.responded);
    if whole && !close { Disposition::KeepAlive } else { Disposition::Close }
}
