//! Objects: written, read in every form, refused, and there after a restart.

use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::client::{Client, Home, serve};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

fn map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"key": value},
    })
}

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let made = client.post(MAPS, &map("a", "1")).await.expect(201);
    assert_eq!(made["metadata"]["namespace"], "default");
    assert!(!made["metadata"]["uid"].as_str().unwrap().is_empty());
    assert_eq!(client.post(MAPS, &map("a", "1")).await.expect(409)["reason"], "AlreadyExists");

    let path = format!("{MAPS}/a");
    assert_eq!(client.get(&path).await.expect(200), made);
    let mut second = made.clone();
    second["data"]["key"] = "2".into();
    let second = client.put(&path, &second).await.expect(200);
    assert_ne!(second["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    assert_eq!(client.put(&path, &made).await.expect(409)["reason"], "Conflict");

    for (content_type, patch, expected) in [
        ("application/merge-patch+json", json!({"data": {"key": "3"}}), "3"),
        ("application/strategic-merge-patch+json", json!({"data": {"key": "4"}}), "4"),
        (
            "application/json-patch+json",
            json!([{"op": "replace", "path": "/data/key", "value": "5"}]),
            "5",
        ),
    ] {
        let patched = client.patch(&path, content_type, &patch).await.expect(200);
        assert_eq!(patched["data"]["key"], expected, "{content_type}");
    }
    let apply = client.patch(&path, "application/apply-patch+yaml", &json!({})).await;
    assert_eq!(apply.expect(415)["reason"], "UnsupportedMediaType");

    let gone = client.delete(&path).await.expect(200);
    assert_eq!(gone["status"], "Success");
    let missing = client.get(&path).await.expect(404);
    assert_eq!(missing["message"], "configmaps \"a\" not found");
    assert_eq!(missing["details"]["name"], "a");
    server.stop().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let mut made = Vec::new();
    for index in 0..20 {
        made.push(client.post(MAPS, &map(&format!("m{index}"), "x")).await.expect(201));
    }
    client.delete(&format!("{MAPS}/m7")).await.expect(200);
    made.remove(7);
    let before = client.get(MAPS).await.expect(200);
    let uid = server.uid.clone();
    server.stop().await;

    let server = serve(&home).await;
    assert_eq!(server.uid, uid);
    let client = Client::new(&server);
    let after = client.get(MAPS).await.expect(200);
    assert_eq!(after, before);
    for object in made {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert_eq!(client.get(&format!("{MAPS}/{name}")).await.expect(200), object);
    }
    let next = client.post(MAPS, &map("later", "x")).await.expect(201);
    let revision = |value: &Value| -> u64 {
        value["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
    };
    assert!(revision(&next) > revision(&before), "resourceVersions go on");
    server.stop().await;
}

#[tokio::test]
async fn lists_come_as_lists_tables_and_metadata() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    client.post(MAPS, &map("a", "1")).await.expect(201);
    let mut labelled = map("b", "2");
    labelled["metadata"]["labels"] = json!({"app": "web"});
    client.post(MAPS, &labelled).await.expect(201);

    let list = client.get(MAPS).await.expect(200);
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let some = client.get(&format!("{MAPS}?&labelSelector=app%3Dweb&limit=500")).await.expect(200);
    assert_eq!(some["items"].as_array().unwrap().len(), 1);
    let one = client.get(&format!("{MAPS}?fieldSelector=metadata.name%3Da")).await.expect(200);
    assert_eq!(one["items"][0]["metadata"]["name"], "a");
    let everywhere = client.get("/api/v1/configmaps").await.expect(200);
    assert_eq!(everywhere["items"].as_array().unwrap().len(), 2);

    let table = client.get_as(MAPS, TABLE).await.expect(200);
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["rows"][0]["cells"][0], "a");
    let partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    assert_eq!(client.get_as(MAPS, partial).await.expect(200)["kind"], "PartialObjectMetadataList");
    let yaml = client.get_as(&format!("{MAPS}/a"), "application/yaml").await;
    let yaml = String::from_utf8(yaml.body.to_vec()).unwrap();
    assert!(yaml.contains("kind: ConfigMap\n"), "{yaml}");

    let pretty = client.get(&format!("{MAPS}/a?pretty=true")).await;
    assert!(pretty.body.starts_with(b"{\n  \"apiVersion\""), "{:?}", pretty.body);

    client.get(&format!("{MAPS}?labelSelector=a%20b%20c")).await.expect(400);
    client.get(&format!("{MAPS}?resourceVersion=999999999")).await.expect(504);
    server.stop().await;
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_of_or_dropped() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let mut odd = map("odd", "1");
    odd["dataa"] = json!({});
    let refused = client.post(&format!("{MAPS}?fieldValidation=Strict"), &odd).await.expect(400);
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("strict decoding error: unknown field \"dataa\""), "{message}");
    client.get(&format!("{MAPS}/odd")).await.expect(404);

    let warned = client.post(&format!("{MAPS}?fieldValidation=Warn"), &odd).await;
    assert_eq!(warned.expect(201).get("dataa"), None);
    assert_eq!(warned.warnings(), ["299 - \"unknown field \\\"dataa\\\"\""]);
    let silent = client.put(&format!("{MAPS}/odd?fieldValidation=Ignore"), &odd).await;
    silent.expect(200);
    assert_eq!(silent.warnings(), [""; 0]);

    let dry = client.post(&format!("{MAPS}?dryRun=All"), &map("dry", "1")).await;
    dry.expect(201);
    client.get(&format!("{MAPS}/dry")).await.expect(404);
    client.post(&format!("{MAPS}?dryRun=Some"), &map("dry", "1")).await.expect(422);
    server.stop().await;
}

#[tokio::test]
async fn bodies_come_as_json_yaml_and_protobuf_and_have_a_bound() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  key: v\n";
    let made = client.write(Method::POST, MAPS, "application/yaml", yaml).await.expect(201);
    assert_eq!(made["data"]["key"], "v");

    // runtime.Unknown{typeMeta{v1, ConfigMap}, raw: ConfigMap{metadata{name: p}, data{key: v}}}
    let raw: &[u8] = b"\x0a\x03\x0a\x01p\x12\x08\x0a\x03key\x12\x01v";
    let mut body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12".to_vec();
    body.push(u8::try_from(raw.len()).unwrap());
    body.extend_from_slice(raw);
    let protobuf = "application/vnd.kubernetes.protobuf";
    let made = client.write(Method::POST, MAPS, protobuf, body).await.expect(201);
    assert_eq!((&made["metadata"]["name"], &made["data"]["key"]), (&json!("p"), &json!("v")));

    client.write(Method::POST, MAPS, "text/plain", "x").await.expect(415);
    client.write(Method::POST, MAPS, "application/json", "{").await.expect(400);
    let large = map("large", &"x".repeat(3 * 1024 * 1024));
    assert_eq!(client.post(MAPS, &large).await.expect(413)["reason"], "RequestEntityTooLarge");
    server.stop().await;
}

#[tokio::test]
async fn services_get_addresses_of_their_own_and_pods_an_account() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let services = "/api/v1/namespaces/default/services";
    let service = |name: &str, address: Option<&str>| {
        let mut service = json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"ports": [{"port": 80}]},
        });
        if let Some(address) = address {
            service["spec"]["clusterIP"] = address.into();
        }
        service
    };
    let one = client.post(services, &service("one", None)).await.expect(201);
    let two = client.post(services, &service("two", None)).await.expect(201);
    let address = |service: &Value| service["spec"]["clusterIP"].as_str().unwrap().to_owned();
    assert!(address(&one).starts_with("10.96."));
    assert_ne!(address(&one), address(&two));
    let taken = client.post(services, &service("three", Some(&address(&one)))).await.expect(422);
    assert_eq!(taken["reason"], "Invalid");
    let kept = client.put(&format!("{services}/one"), &service("one", None)).await.expect(200);
    assert_eq!(address(&kept), address(&one));

    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    });
    let pod = client.post("/api/v1/namespaces/default/pods", &pod).await.expect(201);
    assert_eq!(pod["spec"]["serviceAccountName"], "default");
    server.stop().await;
}

#[tokio::test]
async fn paths_that_do_not_exist_get_a_status() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    for path in [
        "/nowhere",
        "/apis/none.example/v1",
        "/apis/none.example/v1/things",
        "/api/v1/nothings",
        "/api/v1/namespaces/default/nodes",
        "/api/v1/namespaces/default/configmaps/a/scale",
    ] {
        let missing = client.get(path).await.expect(404);
        assert_eq!((&missing["kind"], &missing["reason"]), (&json!("Status"), &json!("NotFound")));
    }
    for (method, path) in [
        (Method::POST, "/api/v1/configmaps"),
        (Method::POST, "/api/v1/namespaces/default/configmaps/a"),
        (Method::PUT, "/api/v1/namespaces/default/configmaps"),
        (Method::DELETE, "/api/v1/configmaps"),
        (Method::GET, "/api/v1/namespaces/default/pods/a/binding"),
        (Method::DELETE, "/api/v1/namespaces/default/pods/a/status"),
        (Method::TRACE, "/api/v1/namespaces"),
    ] {
        let body = map("a", "1").to_string();
        let refused = client.write(method.clone(), path, "application/json", body).await;
        assert_eq!(refused.expect(405)["reason"], "MethodNotAllowed", "{method} {path}");
    }
    let missing = client.post("/api/v1/namespaces/none/configmaps", &map("a", "1")).await;
    assert_eq!(missing.expect(404)["message"], "namespaces \"none\" not found");
    server.stop().await;
}

#[tokio::test]
async fn documents_describe_what_is_served() {
    let home = Home::new();
    let server = serve(&home).await;
    let client = Client::new(&server);
    let aggregated =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    for path in ["/api", "/apis"] {
        let answer = client.get_as(path, aggregated).await;
        assert_eq!(answer.expect(200)["kind"], "APIGroupDiscoveryList");
        assert_eq!(
            answer.headers["content-type"],
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        );
    }
    assert_eq!(client.get("/api").await.expect(200)["kind"], "APIVersions");
    assert_eq!(client.get("/apis").await.expect(200)["kind"], "APIGroupList");
    assert_eq!(client.get("/api/v1").await.expect(200)["kind"], "APIResourceList");
    assert_eq!(client.get("/apis/apps/v1").await.expect(200)["kind"], "APIResourceList");
    assert!(
        client.get("/version").await.expect(200)["gitVersion"]
            .as_str()
            .unwrap()
            .starts_with("v1.32.")
    );

    let index = client.get("/openapi/v3").await.expect(200);
    let url = index["paths"]["api/v1"]["serverRelativeURL"].as_str().unwrap();
    let document = client.get(url).await;
    assert!(document.expect(200)["openapi"].as_str().unwrap().starts_with("3."));
    let again = Request::get(url).header("if-none-match", &document.headers["etag"]);
    assert_eq!(client.send(again.body(Full::default()).unwrap()).await.code, 304);
    server.stop().await;
}
