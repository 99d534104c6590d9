//! Watches: what is told, when it ends, and that it goes on after a restart.

use serde_json::{Value, json};

use crate::client::{Client, Home, serve};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app": app}},
    })
}

fn told(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_then_what_happens() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    client.post(MAPS, &map("a", "web")).await.expect(201);
    let mut frames = client.watch(&format!("{MAPS}?watch=true&labelSelector=app%3Dweb")).await;
    assert_eq!(frames.told().await, told("ADDED", "a"));
    client.post(MAPS, &map("hidden", "db")).await.expect(201);
    client.post(MAPS, &map("b", "web")).await.expect(201);
    assert_eq!(frames.told().await, told("ADDED", "b"));
    // It begins and ceases to match.
    client.put(&format!("{MAPS}/hidden"), &map("hidden", "web")).await.expect(200);
    assert_eq!(frames.told().await, told("ADDED", "hidden"));
    client.put(&format!("{MAPS}/hidden"), &map("hidden", "db")).await.expect(200);
    assert_eq!(frames.told().await, told("DELETED", "hidden"));
    client.delete(&format!("{MAPS}/a")).await.expect(200);
    assert_eq!(frames.told().await, told("DELETED", "a"));

    server.stop().await;
    assert_eq!(frames.next().await, None, "the watch ends cleanly with the server");
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    client.post(MAPS, &map("a", "web")).await.expect(201);
    let modern = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let mut frames = client.watch(&format!("{MAPS}?{modern}&allowWatchBookmarks=true")).await;
    assert_eq!(frames.told().await, told("ADDED", "a"));
    let mark = frames.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    client.post(MAPS, &map("b", "web")).await.expect(201);
    assert_eq!(frames.told().await, told("ADDED", "b"));
    let refused = client.get(&format!("{MAPS}?watch=true&sendInitialEvents=true")).await;
    assert_eq!(refused.expect(422)["reason"], "Invalid");
    server.stop().await;
}

#[tokio::test]
async fn a_watch_resumes_after_a_restart_and_a_place_too_old_is_gone() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let place = client.post(MAPS, &map("a", "web")).await.expect(201);
    let place = place["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    client.post(MAPS, &map("b", "web")).await.expect(201);
    client.delete(&format!("{MAPS}/a")).await.expect(200);
    server.stop().await;

    let server = serve(&home).await;
    let client = Client::new(&server);
    let mut frames =
        client.watch(&format!("{MAPS}?watch=true&resourceVersion={place}&timeoutSeconds=1")).await;
    assert_eq!(frames.told().await, told("ADDED", "b"));
    assert_eq!(frames.told().await, told("DELETED", "a"));
    assert_eq!(frames.next().await, None, "its time is up");

    let ahead = client.get(&format!("{MAPS}?watch=true&resourceVersion=99999999")).await;
    assert_eq!(ahead.expect(410)["reason"], "Expired");
    server.stop().await;
}

#[tokio::test]
async fn a_table_is_watched_row_by_row() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    client.post(MAPS, &map("a", "web")).await.expect(201);
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let answer = client.get_as(&format!("{MAPS}?watch=true&timeoutSeconds=1"), table).await;
    let frame = answer.expect(200);
    assert_eq!(frame["type"], "ADDED");
    assert_eq!(frame["object"]["kind"], "Table");
    assert_eq!(frame["object"]["rows"][0]["cells"][0], "a");
    server.stop().await;
}

#[tokio::test]
async fn one_object_is_watched_by_its_path_and_by_its_name() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    client.post(MAPS, &map("a", "web")).await.expect(201);
    client.post(MAPS, &map("b", "web")).await.expect(201);
    for path in ["/b?watch=true", "?watch=true&fieldSelector=metadata.name%3Db"] {
        let mut frames = client.watch(&format!("{MAPS}{path}")).await;
        assert_eq!(frames.told().await, told("ADDED", "b"), "{path}");
        client.put(&format!("{MAPS}/a"), &map("a", "db")).await.expect(200);
        client.delete(&format!("{MAPS}/b")).await.expect(200);
        assert_eq!(frames.told().await, told("DELETED", "b"), "{path}");
        client.post(MAPS, &map("b", "web")).await.expect(201);
        assert_eq!(frames.told().await, told("ADDED", "b"), "{path}");
    }
    // An object that is not there yet is waited for.
    let mut frames = client.watch(&format!("{MAPS}/later?watch=true")).await;
    client.post(MAPS, &map("later", "web")).await.expect(201);
    assert_eq!(frames.told().await, told("ADDED", "later"));
    server.stop().await;
}

#[tokio::test]
async fn a_watcher_that_does_not_read_is_ended_with_the_reason() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let mut frames = client.watch(&format!("{MAPS}?watch=true")).await;
    // More than sockets buffer, then more events than the store remembers.
    let mut large = map("large", "web");
    large["data"] = json!({"filler": "x".repeat(1024 * 1024)});
    client.post(MAPS, &large).await.expect(201);
    client.post(MAPS, &map("small", "web")).await.expect(201);
    let writers = (0..8).map(|writer| {
        let client = client.clone();
        async move {
            let mut line = client.line().await;
            for index in 0..150 {
                let patch =
                    json!({"metadata": {"annotations": {"at": format!("{writer}-{index}")}}});
                let name = if index < 3 { "large" } else { "small" };
                line.merge(&format!("{MAPS}/{name}"), &patch).await;
            }
        }
    });
    futures_util::future::join_all(writers).await;
    let mut last = None;
    while let Some(frame) = frames.next().await {
        last = Some(frame);
    }
    let last = last.unwrap();
    assert_eq!(last["type"], "ERROR");
    assert_eq!(last["object"]["code"], 410);
    server.stop().await;
}
