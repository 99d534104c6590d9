//! Writes, one by one: from a plan's data to a request and what its answer means.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use controllers::{Action, Note, Target, Write};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::cache::Cache;
use super::events::Events;

/// Requests side by side: each holds a connection.
const SIDE_BY_SIDE: usize = 8;
/// Owners that are remembered as gone; more than that are asked for again.
const MOST_GONE: usize = 4096;
/// Longer than any webhook may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// A write that has come to its end.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) write: Write,
    pub(super) outcome: Outcome,
    /// Name of the object, which the server may have chosen.
    pub(super) name: String,
}

/// What became of a write.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is done; the answer, where there is one to learn from.
    Written(Option<Value>),
    /// There is no such object.
    Gone,
    /// The object is another than it seemed; soon the watch will tell.
    Conflict,
    /// The server said no, or could not be asked.
    Refused(String),
}

#[derive(Clone)]
pub(super) struct Writer {
    client: Client,
    permits: Arc<Semaphore>,
    events: Events,
    /// Uids of owners that the server said are gone. Uids never come back.
    gone: Arc<Mutex<BTreeSet<String>>>,
}

/// The path of an object, or of the collection where it is to be made.
pub(super) fn path(
    target: &Target,
    name: Option<&str>,
    subresource: Option<&str>,
) -> Option<String> {
    let (group, version) =
        target.api_version.split_once('/').unwrap_or(("", target.api_version.as_str()));
    let resource = kinds::resources()
        .iter()
        .find(|resource| resource.group == group && resource.kind == target.kind)?;
    let mut path = match group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    if resource.namespaced {
        path.push_str(&format!("/namespaces/{}", target.namespace));
    }
    path.push_str(&format!("/{}", resource.plural));
    for part in name.into_iter().chain(subresource) {
        path.push_str(&format!("/{part}"));
    }
    Some(path)
}

impl Writer {
    pub(super) fn new(client: Client) -> Self {
        let permits = Arc::new(Semaphore::new(SIDE_BY_SIDE));
        Self { events: Events::start(client.clone()), client, permits, gone: Arc::default() }
    }

    /// Carries a write out, when its turn comes.
    pub(super) async fn carry_out(&self, write: Write) -> Done {
        let permit = self.permits.acquire().await;
        let outcome = match tokio::time::timeout(PATIENCE, self.ask(&write)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Refused(format!("no answer in {} s", PATIENCE.as_secs())),
        };
        drop(permit);
        let mut name = write.target.name.clone();
        if let Outcome::Written(Some(answer)) = &outcome
            && let Some(given) = answer.pointer("/metadata/name").and_then(Value::as_str)
        {
            given.clone_into(&mut name);
        }
        Done { write, outcome, name }
    }

    async fn ask(&self, write: &Write) -> Outcome {
        let target = &write.target;
        let name = Some(target.name.as_str());
        let (method, path, body) = match &write.action {
            Action::Create { object } => {
                (Method::POST, path(target, None, None), Some(object.clone()))
            }
            Action::Patch { patch, subresource } => {
                (Method::PATCH, path(target, name, *subresource), Some(patch.clone()))
            }
            Action::Replace { object, subresource } => {
                (Method::PUT, path(target, name, *subresource), Some(object.clone()))
            }
            Action::Delete { propagation, unless } => {
                if self.any_is_there(unless).await {
                    return Outcome::Conflict;
                }
                let options = deletion(target, *propagation);
                (Method::DELETE, path(target, name, None), Some(options))
            }
            Action::Bind { node } => {
                let binding = json!({
                    "apiVersion": "v1",
                    "kind": "Binding",
                    "metadata": {"name": target.name, "namespace": target.namespace,
                        "uid": target.uid},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": node},
                });
                (Method::POST, path(target, name, Some("binding")), Some(binding))
            }
        };
        let Some(path) = path else {
            return Outcome::Refused(format!("{} is not served", target.kind));
        };
        let creates = matches!(write.action, Action::Create { .. });
        match self.request(&method, &path, body).await {
            Ok(answer) => Outcome::Written(Some(answer)),
            Err(kube::Error::Api(status)) => match status.code {
                404 if creates => Outcome::Refused(status.message),
                404 => Outcome::Gone,
                409 => Outcome::Conflict,
                _ => Outcome::Refused(status.message),
            },
            Err(why) => Outcome::Refused(why.to_string()),
        }
    }

    async fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, kube::Error> {
        let media = match *method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(format!("{path}?fieldManager=lateen"))
            .header(http::header::CONTENT_TYPE, media)
            .header(http::header::ACCEPT, "application/json")
            .body(body)
            .map_err(kube::Error::HttpError)?;
        self.client.request(request).await
    }

    /// Whether the server has any of these, by their uids.
    async fn any_is_there(&self, targets: &[Target]) -> bool {
        for target in targets {
            if self.gone().contains(&target.uid) {
                continue;
            }
            let Some(path) = path(target, Some(&target.name), None) else { return true };
            match self.request(&Method::GET, &path, None).await {
                Ok(found) if found["metadata"]["uid"] == target.uid.as_str() => return true,
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                // Whoever cannot be asked is believed to be there.
                Err(_) => return true,
            }
            self.gone().insert(target.uid.clone());
        }
        false
    }

    fn gone(&self) -> MutexGuard<'_, BTreeSet<String>> {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.len() > MOST_GONE {
            gone.clear();
        }
        gone
    }

    /// Tells people: an Event for what was done, a warning for what was refused.
    pub(super) fn report(&self, done: &Done, cache: &mut Cache) {
        let owner = &done.write.owner;
        let makes_pods = owner.kind == "ReplicaSet" && done.write.target.kind == "Pod";
        match &done.outcome {
            Outcome::Written(_) => {
                if makes_pods && matches!(done.write.action, Action::Create { .. }) {
                    cache.note_refusal(&owner.uid, None);
                }
                if let Some(note) = &done.write.note {
                    self.events.send(note.clone(), &done.name);
                }
            }
            Outcome::Refused(why) if makes_pods => {
                if cache.note_refusal(&owner.uid, Some(why.clone())) {
                    let note = Note {
                        about: owner.clone(),
                        reason: "FailedCreate",
                        message: format!("Error creating: {why}"),
                        component: "replicaset-controller",
                        warning: true,
                    };
                    self.events.send(note, "");
                }
            }
            Outcome::Refused(why) => {
                let Target { kind, namespace, name, .. } = &done.write.target;
                tracing::warn!(%kind, %namespace, %name, %why, "a write of a controller was refused");
            }
            Outcome::Gone | Outcome::Conflict => {}
        }
    }
}

/// The options of a deletion.
fn deletion(target: &Target, propagation: Option<&str>) -> Value {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions"});
    if let Some(propagation) = propagation {
        options["propagationPolicy"] = propagation.into();
    }
    if !target.uid.is_empty() {
        options["preconditions"]["uid"] = target.uid.as_str().into();
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_kind() {
        let target = |api_version: &str, kind: &str| Target {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: "n".into(),
            name: "x".into(),
            uid: String::new(),
        };
        for (api_version, kind, sub, expected) in [
            ("v1", "Pod", Some("binding"), "/api/v1/namespaces/n/pods/x/binding"),
            ("v1", "Namespace", Some("finalize"), "/api/v1/namespaces/x/finalize"),
            ("apps/v1", "Deployment", None, "/apis/apps/v1/namespaces/n/deployments/x"),
        ] {
            assert_eq!(path(&target(api_version, kind), Some("x"), sub).as_deref(), Some(expected));
        }
        assert_eq!(path(&target("example.org/v1", "Thing"), None, None), None);
    }

    #[test]
    fn a_deletion_names_what_it_means() {
        let target = Target { uid: "u".into(), ..Target::default() };
        let options = deletion(&target, Some("Background"));
        assert_eq!(options["preconditions"], json!({"uid": "u"}));
        assert_eq!(options["propagationPolicy"], "Background");
    }
}
