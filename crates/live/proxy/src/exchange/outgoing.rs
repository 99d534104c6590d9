//! The request as it leaves: its head after all edits, and how its body is framed.

use traffic::{Attempt, Fault, Surroundings};

use super::attempt::Run;
use crate::fields::Request;
use crate::flow::Replay;
use crate::h1::Encoder;

impl Run<'_> {
    /// The request as it leaves for the first attempt, and why it must not, if so.
    pub(super) fn outgoing(&self, attempt: &Attempt) -> (Request, Option<Fault>) {
        let mut outgoing = self.request.to_edit();
        let now = self.worker.shared.clock.now();
        let around = self.surroundings();
        let edited = self.forward.edit_request(&mut outgoing, (now, attempt), &around);
        if outgoing.expects_continue && self.downstream.chain.settings().proxy_100_continue {
            outgoing.fields.append("expect", b"100-continue");
        }
        if !self.forward.tunnel().is_wanted() {
            outgoing.upgrade = None;
        }
        (outgoing, edited.err())
    }

    /// What is known around the messages of the request.
    pub(super) fn surroundings(&self) -> Surroundings<'_> {
        Surroundings { peer: &self.downstream.peer, outside: &self.world }
    }

    /// Whether what the client sends is for after the switch: a tunnel's bytes, not a body.
    pub(super) fn holds_body_back(&self) -> bool {
        self.request.http2 && self.forward.tunnel().is_wanted()
    }

    /// How the body is framed for HTTP/1.1.
    pub(super) fn encoder(&self, body: &Replay<'_>) -> Encoder {
        let length = self.request.fields.text("content-length").and_then(|text| text.parse().ok());
        match length {
            _ if body.is_empty() || self.holds_body_back() => Encoder::Exact(0),
            Some(length) => Encoder::Exact(length),
            None => Encoder::Chunked,
        }
    }
}
