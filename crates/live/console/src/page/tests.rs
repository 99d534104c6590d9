//! What must hold of every page, whatever the objects say.

use serde_json::{Value, json};

use super::{gone, object, overview};
use crate::scene::{Id, Scene};
use crate::view::Overview;

const EVIL: &str = "\"'><script>alert(1)</script><b style=\"x\" onclick='y'>&";

/// An object of every kind, with hostile text wherever text can stand.
fn hostile() -> Vec<Value> {
    let named = |api_version: &str, kind: &str, spec: Value| {
        json!({"apiVersion": api_version, "kind": kind, "spec": spec,
            "metadata": {"namespace": EVIL, "name": EVIL, "labels": {"app": EVIL, "version": EVIL}}})
    };
    let istio = "networking.istio.io/v1";
    let mut pod = named("v1", "Pod", json!({"containers": [{"name": EVIL, "image": EVIL}]}));
    pod["status"] =
        json!({"phase": EVIL, "containerStatuses": [{"state": {"waiting": {"reason": EVIL}}}]});
    let mut loose = pod.clone();
    loose["metadata"]["namespace"] = json!("loose");
    let containers = json!({"template": {"spec": {"containers": [{"image": EVIL}]}}});
    let to = json!({"host": EVIL, "subset": EVIL, "port": {"number": 9}});
    let text = json!({"exact": EVIL});
    let labels = json!({"app": EVIL, EVIL: EVIL});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": EVIL}}),
        named(
            "v1",
            "Service",
            json!({"selector": {"app": EVIL}, "clusterIP": "10.96.0.9",
            "ports": [{"name": EVIL, "port": 80}]}),
        ),
        pod,
        loose,
        named("apps/v1", "Deployment", containers),
        named(
            istio,
            "VirtualService",
            json!({"hosts": [EVIL], "gateways": [EVIL, "mesh"], "http": [
            {"name": EVIL, "timeout": EVIL, "retries": {"attempts": 1, "perTryTimeout": EVIL, "retryOn": EVIL},
             "fault": {"delay": {"fixedDelay": EVIL}, "abort": {"grpcStatus": EVIL}},
             "rewrite": {"uri": EVIL, "authority": EVIL, "uriRegexRewrite": {"match": EVIL, "rewrite": EVIL}},
             "mirror": to, "mirrors": [{"destination": to}],
             "match": [{"uri": text, "method": text, "authority": text, "scheme": text,
                "headers": {EVIL: text}, "withoutHeaders": {EVIL: text}, "queryParams": {EVIL: text},
                "sourceLabels": labels, "sourceNamespace": EVIL, "gateways": [EVIL]}],
             "route": [{"destination": to, "weight": 1}, {"destination": to, "weight": 2}]},
            {"redirect": {"uri": EVIL, "authority": EVIL, "scheme": EVIL}},
            {"delegate": {"name": EVIL, "namespace": EVIL}}],
            "tls": [{"match": [{"sniHosts": [EVIL], "destinationSubnets": [EVIL]}], "route": [{"destination": to}]}],
            "tcp": [{"match": [{"sourceSubnet": EVIL}], "route": [{"destination": to}]}]}),
        ),
        named(
            istio,
            "DestinationRule",
            json!({"host": EVIL,
            "subsets": [{"name": EVIL, "labels": labels}]}),
        ),
        named(
            istio,
            "Gateway",
            json!({"selector": labels, "servers": [
            {"port": {"number": 80, "name": EVIL, "protocol": EVIL}, "hosts": [EVIL]}]}),
        ),
    ]
}

/// All tags of a page; fails where a tag holds what only hostile text can have put there.
fn tags(page: &str) -> Vec<&str> {
    let tags: Vec<_> = page.split('<').skip(1).map(|it| it.split_once('>').unwrap().0).collect();
    for tag in &tags {
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        // What stands in quotes is a value, whatever it says.
        let names: String = tag.split('"').step_by(2).collect();
        assert!(
            !names.contains(" style=") && !names.contains(" on") && !names.contains('\''),
            "{tag}"
        );
    }
    tags
}

fn scripts(page: &str) -> Vec<&str> {
    tags(page)
        .into_iter()
        .filter(|tag| tag.starts_with("script") || tag.starts_with("style"))
        .collect()
}

#[test]
fn no_text_of_an_object_becomes_markup() {
    let scene = Scene::new(EVIL.to_owned(), vec![EVIL.to_owned()], hostile());
    let view = Overview::of(&scene);
    assert!(!view.findings.is_empty());
    let page = overview(&view);
    assert_eq!(scripts(&page), ["script src=\"/live.js\" defer"]);
    assert!(page.matches("&lt;script&gt;").count() > 60, "all of it is shown");
    for (id, _) in scene.objects() {
        let page = object(&scene, id).unwrap();
        assert_eq!(scripts(&page), ["script src=\"/live.js\" defer"]);
        assert!(!tags(&page).iter().any(|tag| tag.starts_with("b ")));
    }
    let page = gone(&scene, &Id::new("Pod", EVIL, "gone"));
    assert_eq!(scripts(&page), ["script src=\"/live.js\" defer"]);
}

#[test]
fn tags_close_in_order() {
    let scene = Scene::new(String::new(), Vec::new(), hostile());
    let mut open = Vec::new();
    let page = overview(&Overview::of(&scene));
    for tag in tags(&page) {
        let name = tag.split(' ').next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
            None if matches!(name, "!doctype" | "meta" | "link") || tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn an_object_shows_as_yaml() {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "shop"},
        "spec": {"containers": [{"name": "main", "image": "x"}]}});
    let scene = Scene::new("7".to_owned(), Vec::new(), vec![pod]);
    let page = object(&scene, &Id::new("Pod", "shop", "a")).unwrap();
    assert!(page.contains("data-stamp=\"7\""), "{page}");
    assert!(page.contains("kind: Pod\nmetadata:\n"), "{page}");
    assert!(object(&scene, &Id::new("Pod", "shop", "b")).is_none());
}

#[test]
fn shares_show_as_bars_and_numbers() {
    let rule = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": "a", "namespace": "shop"}, "spec": {"hosts": ["a"], "http": [{"route": [
            {"destination": {"host": "a", "subset": "v1"}, "weight": 2},
            {"destination": {"host": "a", "subset": "v2"}, "weight": 1}]}]}});
    let scene = Scene::new(String::new(), Vec::new(), vec![rule]);
    let page = overview(&Overview::of(&scene));
    for part in ["width=\"667\"", "66.7 %", "width=\"333\"", "33.3 %"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn an_empty_mesh_says_so() {
    let notices = vec!["Still reading pods.".to_owned()];
    let scene = Scene::new(String::new(), notices, Vec::new());
    let page = overview(&Overview::of(&scene));
    assert!(page.contains("Still reading pods."));
}
