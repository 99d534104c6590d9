//! Events: what the controllers did, for people. They are written one after the other, beside
//! everything else, and forgotten if the server does not want them.

use controllers::Note;
use http::{Method, Request, header};
use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Events that may wait; more than that are dropped.
const WAITING: usize = 4096;

#[derive(Clone)]
pub(super) struct Events(Sender<Value>);

impl Events {
    /// Starts the task that writes them. It ends with the last sender.
    pub(super) fn start(client: Client) -> Self {
        let (sender, receiver) = channel(WAITING);
        tokio::spawn(write(client, receiver));
        Self(sender)
    }

    /// Queues an Event; `{}` in its message stands for `name`.
    pub(super) fn send(&self, note: Note, name: &str) {
        let event = event(&note, name, Timestamp::now());
        if self.0.try_send(event).is_err() {
            tracing::debug!(reason = note.reason, "an event was dropped");
        }
    }
}

async fn write(client: Client, mut receiver: Receiver<Value>) {
    while let Some(event) = receiver.recv().await {
        let namespace = event["metadata"]["namespace"].as_str().unwrap_or("default");
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("/api/v1/namespaces/{namespace}/events"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(event.to_string().into_bytes());
        let Ok(request) = request else { continue };
        if let Err(why) = client.request::<Value>(request).await {
            tracing::debug!(%why, "an event was not written");
        }
    }
}

/// Spec: core/v1 Event; the name is that of the object and the time in nanoseconds.
fn event(note: &Note, name: &str, now: Timestamp) -> Value {
    let about = &note.about;
    let namespace = if about.namespace.is_empty() { "default" } else { &about.namespace };
    let stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{:x}", about.name, now.as_nanosecond()),
            "namespace": namespace,
        },
        "involvedObject": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "reason": note.reason,
        "message": note.message.replace("{}", name),
        "type": if note.warning { "Warning" } else { "Normal" },
        "source": {"component": note.component},
        "reportingComponent": note.component,
        "reportingInstance": "",
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use controllers::Target;

    #[test]
    fn an_event_names_what_the_server_named() {
        let note = Note {
            about: Target { name: "web".into(), namespace: "n".into(), ..Target::default() },
            reason: "SuccessfulCreate",
            message: "Created pod: {}".into(),
            component: "replicaset-controller",
            warning: false,
        };
        let event = event(&note, "web-x", "2026-01-01T00:00:00.5Z".parse().unwrap());
        assert_eq!(event["message"], "Created pod: web-x");
        assert_eq!(event["firstTimestamp"], "2026-01-01T00:00:00Z");
        assert_eq!(event["metadata"]["namespace"], "n");
        assert!(event["metadata"]["name"].as_str().unwrap().starts_with("web.18"));
    }
}
