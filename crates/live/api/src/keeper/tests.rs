//! What the keeper promises, on a disk that forgets and on one that is full.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use objects::{
    DeleteOptions, FieldSelector, Key, Reason, Resource, Selectors, Target, Value, meta,
};
use serde_json::json;

use super::*;
use crate::testing::{Numbers, Volatile};

static WIDGETS: [Resource; 1] = [Resource {
    group: "shop.example",
    kind: "Widget",
    plural: "widgets",
    singular: "widget",
    namespaced: false,
    strategic: false,
    ..Resource::BLANK
}];

fn target(name: &str) -> Target {
    Target::new(&WIDGETS[0], "", name)
}

fn widget(name: &str, size: u64) -> Value {
    json!({
        "apiVersion": "shop.example/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": size},
    })
}

fn create(name: &str, size: u64) -> Write {
    Write::Op(Box::new(Op::create(target(""), widget(name, size))))
}

fn open(storage: &Volatile) -> Keeper {
    let storage = storage.clone();
    let disk = Disk::on(move || storage.handle()).unwrap();
    Keeper::start(disk, &WIDGETS).unwrap().0
}

async fn all(keeper: &Keeper) -> BTreeMap<String, u64> {
    let (found, _) =
        keeper.read(|store| store.list(&WIDGETS[0], None, &Selectors::default())).await;
    let sizes = found
        .iter()
        .map(|object| (meta::name(object).to_owned(), object["spec"]["size"].as_u64().unwrap()));
    sizes.collect()
}

/// The revisions of the events after a revision.
fn remembered(keeper: &Keeper, since: u64) -> Vec<u64> {
    let store = keeper.ahead();
    store.events_since(&WIDGETS[0], since).unwrap().map(|event| event.revision).collect()
}

/// One random write on one of a few names. Returns what it would do to the model.
fn random_write(numbers: &mut Numbers) -> (Write, String, Option<u64>) {
    let name = format!("w{}", numbers.below(6));
    let size = numbers.below(1000);
    let (op, result) = match numbers.below(4) {
        0 => (Op::create(target(""), widget(&name, size)), Some(size)),
        1 => (Op::delete(target(&name), DeleteOptions::default()), None),
        _ => (Op::update(target(&name), widget(&name, size)), Some(size)),
    };
    (Write::Op(Box::new(op)), name, result)
}

#[tokio::test]
async fn a_power_cut_loses_no_acknowledged_write_and_no_revision() {
    for seed in 0..12 {
        let mut numbers = Numbers(seed);
        let storage = Volatile::default();
        let mut model: BTreeMap<String, u64> = BTreeMap::new();
        let mut highest = 0;
        for _ in 0..6 {
            let keeper = open(&storage);
            let revision = keeper.committed().borrow().revision;
            assert!(revision >= highest, "seed {seed}: {revision} after {highest}");
            assert_eq!(all(&keeper).await, model, "seed {seed}");
            assert!(remembered(&keeper, revision.saturating_sub(3).max(1)).is_sorted());

            for _ in 0..numbers.below(40) {
                let (write, name, result) = random_write(&mut numbers);
                if keeper.write(write).await.is_ok() {
                    match result {
                        Some(size) => model.insert(name, size),
                        None => model.remove(&name),
                    };
                }
            }
            highest = keeper.committed().borrow().revision;
            storage.crash(|| numbers.below(2) == 0);
        }
    }
}

#[tokio::test]
async fn writes_that_were_under_way_are_there_whole_or_not_at_all() {
    for seed in 0..12 {
        let mut numbers = Numbers(seed);
        let storage = Volatile::default();
        let keeper = open(&storage);
        let writes = (0..50).map(|index| {
            let keeper = keeper.clone();
            tokio::spawn(
                async move { (index, keeper.write(create(&format!("w{index}"), index)).await) },
            )
        });
        let writes: Vec<_> = writes.collect();
        for _ in 0..numbers.below(60) {
            tokio::task::yield_now().await;
        }
        storage.crash(|| numbers.below(2) == 0);
        let mut acknowledged = Vec::new();
        for write in writes {
            let (index, result) = write.await.unwrap();
            if result.is_ok() {
                acknowledged.push(index);
            }
        }
        let found = all(&open(&storage)).await;
        for index in acknowledged {
            assert_eq!(found.get(&format!("w{index}")), Some(&index), "seed {seed}");
        }
    }
}

#[tokio::test]
async fn watches_resume_after_a_restart() {
    let storage = Volatile::default();
    let keeper = open(&storage);
    keeper.write(create("a", 1)).await.unwrap();
    let place = keeper.committed().borrow().revision;
    keeper.write(Write::Op(Box::new(Op::update(target("a"), widget("a", 2))))).await.unwrap();
    keeper.write(create("b", 3)).await.unwrap();
    let options = DeleteOptions::default();
    keeper.write(Write::Op(Box::new(Op::delete(target("a"), options)))).await.unwrap();
    let events = |keeper: &Keeper| -> Vec<Event> {
        keeper.ahead().events_since(&WIDGETS[0], place).unwrap().cloned().collect()
    };
    let before = events(&keeper);
    assert_eq!(before.len(), 3);
    keeper.stop().await;
    assert_eq!(events(&open(&storage)), before);
}

#[tokio::test]
async fn nothing_is_seen_before_it_is_on_disk() {
    let storage = Volatile::default();
    let keeper = open(&storage);
    let before = keeper.committed().borrow().revision;
    storage.hold(true);
    let writer = keeper.clone();
    let write = tokio::spawn(async move { writer.write(create("a", 1)).await });
    while keeper.ahead().revision() == before {
        tokio::task::yield_now().await;
    }
    // It is in memory, and its commit is under way.
    assert!(all(&keeper).now_or_never().is_none(), "a reader waits");
    assert_eq!(keeper.committed().borrow().revision, before, "no watcher is told");
    assert!(!write.is_finished(), "the writer is not told");
    storage.hold(false);
    assert_eq!(all(&keeper).await.len(), 1);
    write.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_writes_keeps_reads_and_recovers() {
    let storage = Volatile::default();
    let keeper = open(&storage);
    keeper.write(create("a", 1)).await.unwrap();
    let revision = keeper.committed().borrow().revision;

    storage.fill_after(Some(0));
    for _ in 0..3 {
        let refused = keeper.write(create("b", 2)).await.unwrap_err();
        assert_eq!(refused.reason, Reason::InternalError);
        assert!(refused.message.contains("nothing was changed"), "{refused}");
        assert_eq!(all(&keeper).await, BTreeMap::from([("a".to_owned(), 1)]));
        assert_eq!(keeper.committed().borrow().revision, revision);
    }

    storage.fill_after(None);
    keeper.write(create("b", 2)).await.unwrap();
    let key = Key::new("widgets.shop.example", "", "b");
    assert!(keeper.read(|store| store.object(&key)).await.is_ok());
    assert!(keeper.committed().borrow().revision > revision);
    keeper.stop().await;
    let sizes = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
    assert_eq!(all(&open(&storage)).await, sizes);
}

#[tokio::test]
async fn memory_and_disk_agree_wherever_a_commit_fails() {
    for syncs in 0..6 {
        let storage = Volatile::default();
        let keeper = open(&storage);
        keeper.write(create("first", 1)).await.unwrap();
        storage.fill_after(Some(syncs));
        let mut known = BTreeMap::from([("first".to_owned(), 1)]);
        for index in 0..4 {
            let name = format!("w{index}");
            if keeper.write(create(&name, index)).await.is_ok() {
                known.insert(name, index);
            }
        }
        let seen = all(&keeper).await;
        assert_eq!(seen, known, "a refused write is not seen");
        storage.fill_after(None);
        keeper.write(create("last", 2)).await.unwrap();
        known.insert("last".to_owned(), 2);
        let seen = all(&keeper).await;
        // A write that was refused may have reached the disk all the same; then it is seen.
        assert!(known.iter().all(|(name, size)| seen.get(name) == Some(size)), "{seen:?}");
        let revision = keeper.committed().borrow().revision;
        keeper.stop().await;
        let again = open(&storage);
        assert_eq!(all(&again).await, seen, "after {syncs} syncs");
        assert_eq!(again.committed().borrow().revision, revision);
    }
}

#[tokio::test]
async fn a_burst_of_writes_shares_transactions() {
    let storage = Volatile::default();
    let keeper = open(&storage);
    // Far fewer syncs than writes: each transaction needs at least one.
    storage.fill_after(Some(40));
    let writes = (0..200).map(|index| {
        let keeper = keeper.clone();
        async move { keeper.write(create(&format!("w{index}"), index)).await }
    });
    for written in futures_util::future::join_all(writes).await {
        written.unwrap();
    }
    assert_eq!(all(&keeper).await.len(), 200);
    let one = Selectors { fields: FieldSelector::of_name("w7"), ..Selectors::default() };
    let (found, _) = keeper.read(|store| store.list(&WIDGETS[0], None, &one)).await;
    assert_eq!(found.len(), 1);
}
