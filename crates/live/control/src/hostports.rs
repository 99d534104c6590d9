//! Watches Gateways, their pods and Services, and says which ports the host should open for them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;

use controllers::hostports::{HostPorts, wanted};
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Pod, Service};
use kinds::istio::Gateway;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

type Key = (String, String);

/// What a watch tells: all of a kind, or one that changed, or one that is gone.
enum Change<T> {
    All(Vec<T>),
    Is(Box<T>),
    Gone(Box<T>),
}

enum News {
    Gateways(Change<DynamicObject>),
    Pods(Change<Pod>),
    Services(Change<Service>),
}

/// Tells `to` until its receivers are gone. `taken` are ports that lead to a gateway anyhow.
pub async fn run(client: Client, taken: Vec<u16>, to: watch::Sender<HostPorts>) {
    let (sender, mut news) = mpsc::channel(256);
    let resource = ApiResource {
        group: "networking.istio.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "networking.istio.io/v1".to_owned(),
        kind: "Gateway".to_owned(),
        plural: "gateways".to_owned(),
    };
    let mut watches = JoinSet::new();
    let gateways = Api::<DynamicObject>::all_with(client.clone(), &resource);
    watches.spawn(follow(gateways, sender.clone(), News::Gateways));
    watches.spawn(follow(Api::<Pod>::all(client.clone()), sender.clone(), News::Pods));
    watches.spawn(follow(Api::<Service>::all(client), sender, News::Services));

    let mut gateways: BTreeMap<Key, DynamicObject> = BTreeMap::new();
    let mut pods: BTreeMap<Key, Pod> = BTreeMap::new();
    let mut services: BTreeMap<Key, Service> = BTreeMap::new();
    loop {
        tokio::select! {
            one = news.recv() => match one {
                Some(News::Gateways(change)) => take(&mut gateways, change),
                Some(News::Pods(change)) => take(&mut pods, change),
                Some(News::Services(change)) => take(&mut services, change),
                None => return,
            },
            () = to.closed() => return,
        }
        if !news.is_empty() {
            continue;
        }
        let typed: Vec<Gateway> = gateways.values().filter_map(read).collect();
        let (services, pods): (Vec<_>, Vec<_>) =
            (services.values().collect(), pods.values().collect());
        let ports = wanted(&typed, &services, &pods, &taken);
        to.send_if_modified(|known| {
            let new = *known != ports;
            *known = ports;
            new
        });
    }
}

/// A Gateway as its type; one that is no Gateway was refused by the API server, and opens nothing.
fn read(object: &DynamicObject) -> Option<Gateway> {
    serde_json::to_value(object).and_then(serde_json::from_value).ok()
}

fn take<T: Resource>(known: &mut BTreeMap<Key, T>, change: Change<T>) {
    let key = |object: &T| {
        let meta = object.meta();
        (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
    };
    match change {
        Change::All(objects) => {
            *known = objects.into_iter().map(|object| (key(&object), object)).collect();
        }
        Change::Is(object) => drop(known.insert(key(&object), *object)),
        Change::Gone(object) => drop(known.remove(&key(&object))),
    }
}

async fn follow<K>(api: Api<K>, to: mpsc::Sender<News>, news: impl Fn(Change<K>) -> News + Send)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut stream = pin!(watcher(api, watcher::Config::default()).default_backoff());
    let mut first = Vec::new();
    while let Some(event) = stream.next().await {
        let change = match event {
            Ok(Event::Init) => {
                first.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                first.push(object);
                continue;
            }
            Ok(Event::InitDone) => Change::All(std::mem::take(&mut first)),
            Ok(Event::Apply(object)) => Change::Is(Box::new(object)),
            Ok(Event::Delete(object)) => Change::Gone(Box::new(object)),
            Err(why) => {
                tracing::debug!(%why, "a watch broke off and begins again");
                continue;
            }
        };
        if to.send(news(change)).await.is_err() {
            return;
        }
    }
}
