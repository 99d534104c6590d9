//! Watches: one reflector for each kind, all at once, each in a task of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, TypeMeta};
use kube::runtime::reflector::{Store, store::Writer};
use kube::runtime::watcher::{self, Event};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::scene::{KINDS, Kind};

/// Longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What all watches know by now.
#[derive(Debug)]
pub(crate) struct Watches(Vec<Arc<Watched>>);

/// What is known of one kind.
#[derive(Debug)]
struct Watched {
    kind: &'static Kind,
    store: Store<DynamicObject>,
    state: Mutex<State>,
}

/// How a watch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The first list is still to come.
    Begins,
    /// Objects are as in the cluster.
    Follows,
    /// Why they may not be.
    Fails(String),
}

impl Watches {
    /// Starts all watches. `changed` is called after each change that can be seen here.
    pub(crate) fn start(
        client: &kube::Client,
        tasks: &mut JoinSet<()>,
        changed: impl Fn() + Clone + Send + Sync + 'static,
    ) -> Watches {
        let watched = KINDS.iter().map(|kind| {
            let names = GroupVersionKind::gvk(kind.group, "v1", kind.kind);
            let resource = ApiResource::from_gvk_with_plural(&names, kind.plural);
            let writer = Writer::new(resource.clone());
            let watched = Arc::new(Watched {
                kind,
                store: writer.as_reader(),
                state: Mutex::new(State::Begins),
            });
            let api = Api::all_with(client.clone(), &resource);
            tasks.spawn(follow(api, resource, writer, Arc::clone(&watched), changed.clone()));
            watched
        });
        Watches(watched.collect())
    }

    /// All objects that are known, and what keeps the console from knowing all.
    pub(crate) fn seen(&self) -> (Vec<Value>, Vec<String>) {
        let states: Vec<_> =
            self.0.iter().map(|watched| (watched.kind.plural, watched.state())).collect();
        let known = self.0.iter().flat_map(|watched| watched.store.state());
        let objects = known.filter_map(|object| serde_json::to_value(&*object).ok()).collect();
        (objects, notices(&states))
    }
}

impl Watched {
    fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether that is new.
    fn is_now(&self, state: State) -> bool {
        let mut old = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let new = *old != state;
        *old = state;
        new
    }
}

/// One sentence for all kinds that stand alike.
fn notices(states: &[(&str, State)]) -> Vec<String> {
    let mut begins = Vec::new();
    let mut fails: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (plural, state) in states {
        match state {
            State::Begins => begins.push(*plural),
            State::Follows => {}
            State::Fails(why) => fails.entry(why).or_default().push(plural),
        }
    }
    let mut notices: Vec<_> = fails
        .into_iter()
        .map(|(why, plurals)| {
            format!(
                "The API does not tell about {}, so what is shown of them may be old or missing: \
                 {why}. It is tried again.",
                plurals.join(", ")
            )
        })
        .collect();
    if !begins.is_empty() {
        notices.push(format!("Still reading {}.", begins.join(", ")));
    }
    notices
}

async fn follow(
    api: Api<DynamicObject>,
    resource: ApiResource,
    mut writer: Writer<DynamicObject>,
    watched: Arc<Watched>,
    changed: impl Fn(),
) {
    let mut pause = Duration::from_millis(50);
    loop {
        let mut events = watcher::watcher(api.clone(), watcher::Config::default()).boxed();
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => plain(event, &resource),
                // A watch that breaks off is begun again where it was, or with a new list.
                Err(error @ (watcher::Error::WatchFailed(_) | watcher::Error::WatchError(_))) => {
                    tracing::debug!(kind = watched.kind.kind, %error, "a watch broke off");
                    continue;
                }
                Err(error) => {
                    tracing::debug!(kind = watched.kind.kind, %error, "a watch cannot begin");
                    if watched.is_now(State::Fails(reason(&error))) {
                        changed();
                    }
                    // Begin with a list: only its end says for certain that all is well again.
                    break;
                }
            };
            writer.apply_watcher_event(&event);
            if let Event::Init | Event::InitApply(_) = event {
                continue; // shows at the end of the list
            }
            if let Event::InitDone = event {
                pause = Duration::from_millis(50);
                watched.is_now(State::Follows);
            }
            changed();
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Names the kind, which objects in lists do not, and leaves out the server's book-keeping.
fn plain(event: Event<DynamicObject>, resource: &ApiResource) -> Event<DynamicObject> {
    let plain = |mut object: DynamicObject| {
        object.types = Some(TypeMeta {
            api_version: resource.api_version.clone(),
            kind: resource.kind.clone(),
        });
        object.metadata.managed_fields = None;
        object
    };
    match event {
        Event::Apply(object) => Event::Apply(plain(object)),
        Event::Delete(object) => Event::Delete(plain(object)),
        Event::InitApply(object) => Event::InitApply(plain(object)),
        Event::Init => Event::Init,
        Event::InitDone => Event::InitDone,
    }
}

fn reason(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404 => {
            "it has no such kind; install Istio's CRDs".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_stand_alike_share_a_sentence() {
        let away = || State::Fails("nobody listens".to_owned());
        let states = [
            ("pods", away()),
            ("services", State::Follows),
            ("gateways", State::Begins),
            ("deployments", away()),
        ];
        assert_eq!(
            notices(&states),
            [
                "The API does not tell about pods, deployments, so what is shown of them may be \
                 old or missing: nobody listens. It is tried again.",
                "Still reading gateways.",
            ]
        );
        assert!(notices(&[("pods", State::Follows)]).is_empty());
    }
}
