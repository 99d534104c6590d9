//! Watches: one per kind, each turned into changes of the cache.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use controllers::Stub;
use futures_util::StreamExt;
use kinds::core::{
    Deployment, EndpointSlice, Endpoints, Namespace, Node, Pod, ReplicaSet, Service,
};
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;

/// A kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Namespace,
    Node,
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    Deployment,
    ReplicaSet,
    ConfigMap,
    Secret,
    ServiceAccount,
}

impl Kind {
    pub(super) const ALL: [Self; 11] = [
        Self::Namespace,
        Self::Node,
        Self::Pod,
        Self::Service,
        Self::Endpoints,
        Self::EndpointSlice,
        Self::Deployment,
        Self::ReplicaSet,
        Self::ConfigMap,
        Self::Secret,
        Self::ServiceAccount,
    ];

    /// The kind of this name; group and version are those that are stored.
    pub(super) fn of(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.names() == (api_version, kind))
    }

    /// Its apiVersion and name.
    pub(super) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Namespace => ("v1", "Namespace"),
            Self::Node => ("v1", "Node"),
            Self::Pod => ("v1", "Pod"),
            Self::Service => ("v1", "Service"),
            Self::Endpoints => ("v1", "Endpoints"),
            Self::EndpointSlice => ("discovery.k8s.io/v1", "EndpointSlice"),
            Self::Deployment => ("apps/v1", "Deployment"),
            Self::ReplicaSet => ("apps/v1", "ReplicaSet"),
            Self::ConfigMap => ("v1", "ConfigMap"),
            Self::Secret => ("v1", "Secret"),
            Self::ServiceAccount => ("v1", "ServiceAccount"),
        }
    }
}

/// An object that is kept.
#[derive(Clone, Debug)]
pub(super) enum Object {
    Namespace(Arc<Namespace>),
    Node(Arc<Node>),
    Pod(Arc<Pod>),
    Service(Arc<Service>),
    Endpoints(Arc<Endpoints>),
    EndpointSlice(Arc<EndpointSlice>),
    Deployment(Arc<Deployment>),
    ReplicaSet(Arc<ReplicaSet>),
    /// Metadata only, and of a ConfigMap the root certificate that it may hold.
    Stub(Kind, Stub, Option<String>),
}

impl Object {
    /// Reads an object of a kind.
    pub(super) fn read(kind: Kind, value: Value) -> Result<Self, serde_json::Error> {
        fn one<T: DeserializeOwned>(value: Value) -> Result<Arc<T>, serde_json::Error> {
            serde_json::from_value(value).map(Arc::new)
        }
        Ok(match kind {
            Kind::Namespace => Self::Namespace(one(value)?),
            Kind::Node => Self::Node(one(value)?),
            Kind::Pod => Self::Pod(one(value)?),
            Kind::Service => Self::Service(one(value)?),
            Kind::Endpoints => Self::Endpoints(one(value)?),
            Kind::EndpointSlice => Self::EndpointSlice(one(value)?),
            Kind::Deployment => Self::Deployment(one(value)?),
            Kind::ReplicaSet => Self::ReplicaSet(one(value)?),
            Kind::ConfigMap | Kind::Secret | Kind::ServiceAccount => {
                stub(kind, serde_json::from_value(value)?)
            }
        })
    }
}

fn stub(kind: Kind, object: DynamicObject) -> Object {
    let (api_version, name) = kind.names();
    let certificate = (kind == Kind::ConfigMap
        && object.metadata.name.as_deref() == Some(controllers::serviceaccounts::ROOT_CERTIFICATE))
    .then(|| object.data.pointer("/data/ca.crt")?.as_str().map(str::to_owned))
    .flatten();
    let stub = Stub {
        api_version: api_version.to_owned(),
        kind: name.to_owned(),
        meta: Arc::new(object.metadata),
    };
    Object::Stub(kind, stub, certificate)
}

/// What a watch tells.
#[derive(Debug)]
pub(super) enum Change {
    /// The object is there, in this state.
    Is(Object),
    /// The object is gone; this was its last state.
    Gone(Object),
    /// These are all objects of the kind.
    All(Kind, Vec<Object>),
}

/// Starts all watches. They end when the set is dropped.
pub(super) fn start(client: &Client, to: &UnboundedSender<Change>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    macro_rules! typed {
        ($($kind:ident),*) => {$(
            let api = Api::<$kind>::all(client.clone());
            tasks.spawn(follow(api, Kind::$kind, to.clone(), |o| Object::$kind(Arc::new(o))));
        )*};
    }
    typed!(Namespace, Node, Pod, Service, Endpoints, EndpointSlice, Deployment, ReplicaSet);
    macro_rules! stubs {
        ($($kind:ident $plural:literal),*) => {$(
            let resource = ApiResource {
                group: String::new(),
                version: "v1".to_owned(),
                api_version: "v1".to_owned(),
                kind: stringify!($kind).to_owned(),
                plural: $plural.to_owned(),
            };
            let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
            tasks.spawn(follow(api, Kind::$kind, to.clone(), |o| stub(Kind::$kind, o)));
        )*};
    }
    stubs!(ConfigMap "configmaps", Secret "secrets", ServiceAccount "serviceaccounts");
    tasks
}

async fn follow<K>(
    api: Api<K>,
    kind: Kind,
    to: UnboundedSender<Change>,
    keep: impl Fn(K) -> Object + Send,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut stream = pin!(watcher::watcher(api, watcher::Config::default()).default_backoff());
    let mut first = Vec::new();
    while let Some(event) = stream.next().await {
        let change = match event {
            Ok(Event::Init) => {
                first.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                first.push(keep(object));
                continue;
            }
            Ok(Event::InitDone) => Change::All(kind, std::mem::take(&mut first)),
            Ok(Event::Apply(object)) => Change::Is(keep(object)),
            Ok(Event::Delete(object)) => Change::Gone(keep(object)),
            Err(why) => {
                tracing::debug!(?kind, %why, "a watch broke off and begins again");
                continue;
            }
        };
        if to.send(change).is_err() {
            return;
        }
    }
}
