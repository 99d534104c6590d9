//! Events as a kubelet writes them: one object per news, counted when it repeats.

use controllers::pod::Notice;
use jiff::Timestamp;
use kinds::core::{Event, EventSource, ObjectMeta, ObjectReference, Pod, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt as _};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Repeats are told to the API once in so long, with their count.
const QUIET_SECONDS: i64 = 5;
/// So many different news are remembered for counting.
const REMEMBERED: usize = 4096;

/// Where Events go in; they are written one after another, off everybody's way.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    inbox: mpsc::UnboundedSender<Event>,
}

impl Recorder {
    pub(crate) fn start(client: Client) -> Recorder {
        let (inbox, outbox) = mpsc::unbounded_channel();
        tokio::spawn(write(client, outbox));
        Recorder { inbox }
    }

    /// Tells something about a pod.
    pub(crate) fn say(&self, pod: &Pod, notice: &Notice) {
        let now = Timestamp::now();
        let path = notice.container.as_ref().map(|c| {
            let spec = pod.spec.as_ref();
            let init = spec.and_then(|s| s.init_containers.as_ref());
            let is_init = init.is_some_and(|list| list.iter().any(|i| i.name == *c));
            format!("spec.{}{{{c}}}", if is_init { "initContainers" } else { "containers" })
        });
        let event = Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{:x}", pod.name_any(), now.as_nanosecond())),
                namespace: pod.namespace(),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(pod.name_any()),
                namespace: pod.namespace(),
                uid: pod.uid(),
                resource_version: pod.resource_version(),
                field_path: path,
            },
            type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(notice.reason.to_owned()),
            message: Some(notice.message.clone()),
            count: Some(1),
            first_timestamp: Some(Time(now)),
            last_timestamp: Some(Time(now)),
            source: Some(EventSource {
                component: Some("kubelet".to_owned()),
                host: Some(crate::NODE_NAME.to_owned()),
            }),
            reporting_component: Some("kubelet".to_owned()),
            reporting_instance: Some(crate::NODE_NAME.to_owned()),
            ..Event::default()
        };
        let _ = self.inbox.send(event);
    }
}

/// What makes two Events the same news.
type News = (Option<String>, Option<String>, Option<String>, Option<String>);

#[derive(Debug)]
struct Known {
    name: String,
    count: i32,
    told: i64,
}

async fn write(client: Client, mut events: mpsc::UnboundedReceiver<Event>) {
    let mut known: BTreeMap<News, Known> = BTreeMap::new();
    while let Some(event) = events.recv().await {
        let about = &event.involved_object;
        let news: News = (
            about.uid.clone(),
            about.field_path.clone(),
            event.reason.clone(),
            event.message.clone(),
        );
        let api: Api<Event> =
            Api::namespaced(client.clone(), event.metadata.namespace.as_deref().unwrap_or(""));
        let now = event.last_timestamp.as_ref().map_or(0, |t| t.0.as_second());
        if let Some(before) = known.get_mut(&news) {
            before.count += 1;
            if now - before.told < QUIET_SECONDS {
                continue;
            }
            before.told = now;
            let patch = serde_json::json!({
                "count": before.count, "lastTimestamp": event.last_timestamp
            });
            let name = before.name.clone();
            if api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.is_ok() {
                continue;
            }
            // It expired: the news begins again.
        }
        let name = event.metadata.name.clone().unwrap_or_default();
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            tracing::debug!(%error, name, "an Event was not written");
            continue;
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(news, Known { name, count: 1, told: now });
    }
}
