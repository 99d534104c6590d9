//! The gateway: by path, by header, by sub-domain, and what nobody asked for is 404.

use tests::{PATIENCE, http::Answer, mesh::Mesh, wait};

const RULES: &str = "apiVersion: networking.istio.io/v1alpha3
kind: Gateway
metadata: { name: shop }
spec:
  selector: { istio: ingressgateway }
  servers:
  - port: { number: 80, name: http, protocol: HTTP }
    hosts: [ 'shop.example', '*.shop.example' ]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: by-path-and-header }
spec:
  hosts: [ shop.example ]
  gateways: [ shop ]
  http:
  - match:
    - headers: { x-demo-user: { exact: tester } }
    route: [ { destination: { host: catalog, subset: v2 } } ]
  - match:
    - uri: { prefix: /catalog }
    rewrite: { uri: /items }
    route: [ { destination: { host: catalog, subset: v1 } } ]
  - match:
    - uri: { exact: /old }
    redirect: { uri: /catalog, redirectCode: 308 }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: by-sub-domain }
spec:
  hosts: [ '*.shop.example' ]
  gateways: [ shop ]
  http:
  - route: [ { destination: { host: simple-web } } ]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: catalog }
spec:
  host: catalog
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
";

#[test]
fn paths_headers_and_sub_domains_choose_the_service() {
    let mesh = Mesh::start(&["--demo", "catalog"]);
    mesh.apply(RULES);
    let mut client = mesh.gateway();
    let mut ask = |host: &str, path: &str, more: &[(&str, &str)]| -> Answer {
        let headers = [&[("host", host)], more].concat();
        client.get(path, &headers).unwrap()
    };
    let who = |answer: &Answer| {
        let said = answer.json();
        let text = |name: &str| said[name].as_str().unwrap_or("").to_owned();
        (answer.status, text("service"), text("version"), text("path"))
    };
    wait("the rules are obeyed", PATIENCE, || {
        let answer = ask("shop.example", "/catalog", &[]);
        (answer.json()["service"] == "catalog").then_some(())
    });

    let said = |status: u16, service: &str, version: &str, path: &str| {
        (status, service.to_owned(), version.to_owned(), path.to_owned())
    };
    // A prefix is replaced, not the whole path.
    let answer = ask("shop.example", "/catalog/1", &[]);
    assert_eq!(who(&answer), said(200, "catalog", "v1", "/items/1"));
    // The rule above wins, whatever the path.
    let answer = ask("shop.example", "/catalog", &[("x-demo-user", "tester")]);
    assert_eq!(who(&answer), said(200, "catalog", "v2", "/catalog"));
    // A port in the host is no other host.
    let answer = ask("shop.example:8080", "/catalog", &[]);
    assert_eq!(who(&answer), said(200, "catalog", "v1", "/items"));
    let answer = ask("api.shop.example", "/anything", &[]);
    assert_eq!(who(&answer), said(200, "simple-web", "v1", "/anything"));
    let answer = ask("shop.example", "/old", &[]);
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, Some("http://shop.example/catalog"))
    );
    // No rule left: the demo's gateway serves `*`, but this host is the shop's.
    assert_eq!(ask("shop.example", "/nothing", &[]).status, 404);
    // Another host is still the demo's.
    assert_eq!(who(&ask("other.example", "/", &[])).1, "webapp");
}

#[test]
fn bookinfo_takes_the_yaml_of_the_tutorials() {
    let mesh = Mesh::start(&["--demo", "bookinfo"]);
    let page = wait("the page", PATIENCE, || {
        mesh.gateway().get("/productpage", &[]).ok().filter(|it| it.status == 200)
    });
    assert!(page.text().contains("<title>Simple Bookstore App</title>"), "{}", page.text());
    assert_eq!(mesh.gateway().get("/nowhere", &[]).unwrap().status, 404);
    // The rule of the first tutorial: everybody gets v1, jason gets v2.
    mesh.apply(
        "apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: { name: reviews }
spec:
  host: reviews
  subsets:
  - { name: v1, labels: { version: v1 } }
  - { name: v2, labels: { version: v2 } }
  - { name: v3, labels: { version: v3 } }
---
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: { name: reviews }
spec:
  hosts: [ reviews ]
  http:
  - match:
    - headers: { end-user: { exact: jason } }
    route: [ { destination: { host: reviews, subset: v2 } } ]
  - route: [ { destination: { host: reviews, subset: v1 } } ]
",
    );
    let version = |user: Option<&str>| {
        let mut headers = vec![("accept", "application/json")];
        headers.extend(user.map(|it| ("end-user", it)));
        let said = mesh.gateway().get("/productpage?format=json", &headers).unwrap().json();
        let parts = said["upstreams"].as_array().cloned().unwrap_or_default();
        let reviews = parts.iter().find(|it| it["name"] == "reviews").unwrap();
        reviews["said"]["version"].as_str().unwrap().to_owned()
    };
    wait("v1 for everybody", PATIENCE, || (0..12).all(|_| version(None) == "v1").then_some(()));
    for _ in 0..12 {
        assert_eq!(version(Some("jason")), "v2");
        assert_eq!(version(Some("anna")), "v1");
    }
}

#[test]
fn a_gateway_on_another_port_is_reached_at_that_port_of_the_host() {
    let mesh = Mesh::start(&["--demo", "catalog"]);
    // The first request after `ready` finds its way.
    assert_eq!(mesh.gateway().get("/", &[]).unwrap().status, 200);
    // A port that was free a moment ago; nobody else asks for it meanwhile.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let rules = format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{ name: side-door }}
spec:
  selector: {{ istio: ingressgateway }}
  servers:
  - port: {{ number: {free}, name: http, protocol: HTTP }}
    hosts: [ '*' ]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{ name: side-door }}
spec:
  hosts: [ '*' ]
  gateways: [ side-door ]
  http:
  - route: [ {{ destination: {{ host: catalog }} }} ]
"
    );
    mesh.apply(&rules);
    let ask = || tests::http::Client::new(free).get("/", &[]);
    let answer = wait("the port answers", PATIENCE, || ask().ok().filter(|it| it.status == 200));
    assert_eq!(answer.json()["service"], "catalog");
    assert_eq!(mesh.gateway().get("/", &[]).unwrap().json()["service"], "webapp");
    let deleted = mesh.kubectl(&["delete", "gateway", "side-door"]);
    assert!(deleted.contains("deleted"), "{deleted}");
    wait("the port is closed", PATIENCE, || ask().is_err().then_some(()));
}
