//! Watches: what one watcher is told of an event.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::document::InVersion;
use crate::event::Event;
use crate::resource::Resource;
use crate::selector::Selectors;
use crate::status::Status;

/// What a watcher asked for.
#[derive(Clone, Debug)]
pub struct Watcher {
    /// The resource.
    pub resource: &'static Resource,
    /// The namespace; `None` for all.
    pub namespace: Option<String>,
    /// Which objects.
    pub selectors: Selectors,
}

impl Watcher {
    /// What the watcher is told of an event. An object that begins to match is ADDED, one that
    /// no longer matches is DELETED, whatever happened to it.
    #[must_use]
    pub fn frame(&self, event: &Event) -> Option<Frame> {
        if let Some(namespace) = &self.namespace
            && *namespace != *event.key.namespace
        {
            return None;
        }
        let seen = |state: &Option<Arc<Value>>| {
            state.as_ref().filter(|state| self.selectors.matches(self.resource, state)).cloned()
        };
        match (seen(&event.old), seen(&event.new)) {
            (None, None) => None,
            (None, Some(new)) => Some(Frame::new(FrameKind::Added, new)),
            (Some(_), Some(new)) => Some(Frame::new(FrameKind::Modified, new)),
            (Some(old), None) => Some(Frame::new(FrameKind::Deleted, event.at_revision(&old))),
        }
    }
}

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// The object is there.
    Added,
    /// The object changed.
    Modified,
    /// The object is gone, or no longer matches.
    Deleted,
    /// Nothing happened up to this revision.
    Bookmark,
    /// The watch ends; the object is a Status.
    Error,
}

impl FrameKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
            Self::Bookmark => "BOOKMARK",
            Self::Error => "ERROR",
        }
    }
}

/// One frame of a watch stream, in the stored version. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Its type.
    pub kind: FrameKind,
    /// The object, or a Status in an ERROR frame.
    pub object: Arc<Value>,
}

impl Frame {
    /// A frame about an object.
    #[must_use]
    pub fn new(kind: FrameKind, object: Arc<Value>) -> Self {
        Self { kind, object }
    }

    /// A bookmark: nothing more happened up to `revision`.
    #[must_use]
    pub fn bookmark(resource: &Resource, revision: u64) -> Self {
        Self::new(FrameKind::Bookmark, Arc::new(bookmark(resource, revision)))
    }

    /// The bookmark that ends the initial events of `sendInitialEvents=true`.
    #[must_use]
    pub fn initial_events_end(resource: &Resource, revision: u64) -> Self {
        let mut object = bookmark(resource, revision);
        object["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        Self::new(FrameKind::Bookmark, Arc::new(object))
    }

    /// The end of a watch with a reason, usually 410 Expired.
    #[must_use]
    pub fn error(status: &Status) -> Self {
        Self::new(FrameKind::Error, Arc::new(status.to_value()))
    }

    /// The frame as a client of this version reads it; serialize it and add a newline.
    #[must_use]
    pub fn in_version<'a>(&'a self, resource: &'a Resource, version: &str) -> FrameDocument<'a> {
        let object = match self.kind {
            FrameKind::Error => InVersion::as_is(&self.object),
            _ => InVersion::new(resource, version, &self.object),
        };
        FrameDocument { kind: self.kind, object }
    }
}

/// A frame ready to be serialized.
#[derive(Debug)]
pub struct FrameDocument<'a> {
    kind: FrameKind,
    object: InVersion<'a>,
}

impl Serialize for FrameDocument<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", self.kind.as_str())?;
        map.serialize_entry("object", &self.object)?;
        map.end()
    }
}

fn bookmark(resource: &Resource, revision: u64) -> Value {
    json!({
        "kind": resource.kind,
        "apiVersion": resource.api_version(resource.storage_version()),
        "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Key;

    static PODS: Resource = Resource { kind: "Pod", plural: "pods", ..Resource::BLANK };

    /// What a watcher of `app=web` is told when labels go from `old` to `new`.
    #[track_caller]
    fn check(old: Option<&str>, new: Option<&str>, expected: Option<&str>) {
        let pod = |app: &str, revision: &str| {
            Arc::new(json!({"metadata": {
                "name": "a", "namespace": "ns", "labels": {"app": app}, "resourceVersion": revision,
            }}))
        };
        let event = Event {
            revision: 9,
            key: Key::new("pods", "ns", "a"),
            old: old.map(|app| pod(app, "4")),
            new: new.map(|app| pod(app, "9")),
        };
        let mut watcher = Watcher {
            resource: &PODS,
            namespace: Some("ns".to_owned()),
            selectors: Selectors::parse(&PODS, "app=web", "").unwrap(),
        };
        let frame = watcher.frame(&event);
        assert_eq!(frame.as_ref().map(|frame| frame.kind.as_str()), expected);
        if let Some(frame) = frame {
            assert_eq!(frame.object["metadata"]["resourceVersion"], "9");
            assert_eq!(frame.object["metadata"]["labels"]["app"], "web");
        }
        watcher.namespace = Some("other".to_owned());
        assert_eq!(watcher.frame(&event), None);
    }

    #[test]
    fn transitions_of_a_selector() {
        check(None, Some("web"), Some("ADDED"));
        check(None, Some("db"), None);
        check(Some("web"), Some("web"), Some("MODIFIED"));
        check(Some("db"), Some("web"), Some("ADDED"));
        check(Some("web"), Some("db"), Some("DELETED"));
        check(Some("db"), Some("db"), None);
        check(Some("web"), None, Some("DELETED"));
        check(Some("db"), None, None);
    }

    #[test]
    fn frames_on_the_wire() {
        let text = |frame: &Frame| serde_json::to_string(&frame.in_version(&PODS, "v1")).unwrap();
        assert_eq!(
            text(&Frame::initial_events_end(&PODS, 7)),
            r#"{"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"7","creationTimestamp":null,"annotations":{"k8s.io/initial-events-end":"true"}}}}"#
        );
        let error = text(&Frame::error(&Status::expired(1, 5)));
        assert!(
            error.starts_with(r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1""#)
        );
        assert!(error.contains(r#""code":410"#), "{error}");
    }
}
