//! Config dumps as tables.
use super::*;
use serde_json::json;

fn dump() -> Value {
    // As Envoy writes it: snake_case.
    camel(&json!({ "configs": [
        { "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [
            { "cluster": { "name": "outbound|80|v1|shop.default.svc.cluster.local", "type": "EDS",
                "metadata": { "filter_metadata": { "istio": { "config": "/apis/networking.istio.io/v1/namespaces/default/destination-rule/shop" } } } } },
            { "cluster": { "name": "inbound|8080||", "connect_timeout": "10s" } },
            { "cluster": { "name": "BlackHoleCluster", "type": "STATIC" } } ] },
        { "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [
            { "name": "virtualOutbound", "active_state": { "listener": { "name": "virtualOutbound",
                "address": { "socket_address": { "address": "0.0.0.0", "port_value": 15001 } },
                "filter_chains": [ { "filter_chain_match": { "destination_port": 15001 }, "filters": [
                    { "typed_config": { "@type": "x.TcpProxy", "cluster": "BlackHoleCluster" } } ] } ],
                "default_filter_chain": { "filters": [
                    { "typed_config": { "@type": "x.TcpProxy", "cluster": "outbound|1||a" } } ] } } } },
            { "active_state": { "listener": { "address": { "socket_address": { "address": "10.96.0.1", "port_value": 80 } },
                "filter_chains": [ { "filter_chain_match": { "transport_protocol": "raw_buffer", "application_protocols": ["http/1.1", "h2c"] },
                    "filters": [ { "typed_config": { "@type": "x.HttpConnectionManager", "rds": { "route_config_name": "80" } } } ] } ] } } } ] },
        { "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [
            { "route_config": { "name": "http.8080", "virtual_hosts": [ { "name": "none", "domains": ["*"] } ] } },
            { "route_config": { "name": "80", "virtual_hosts": [
                { "name": "shop:80", "domains": ["shop.default.svc", "shop.default", "10.96.0.7", "shop"], "routes": [
                    { "match": { "prefix": "/cart", "headers": [ { "name": "x-user" } ] },
                      "route": { "weighted_clusters": { "clusters": [ { "name": "a", "weight": 90 }, { "name": "b", "weight": 10 } ] } },
                      "metadata": { "filter_metadata": { "istio": { "config": "/apis/networking.istio.io/v1/namespaces/default/virtual-service/shop" } } } },
                    { "match": { "path": "/x" }, "direct_response": { "status": 418 } } ] } ] } } ] } ] }))
}

fn lines(shown: &Shown<'_>) -> Vec<String> {
    shown.rows.iter().map(|row| row.join(" ; ")).collect()
}

#[test]
fn clusters_are_read_from_their_names() {
    let all = dump();
    let shown = clusters::show(&all, &clusters::Filter::default());
    assert_eq!(
        lines(&shown),
        [
            " ; 8080 ; - ; inbound ; STATIC ; ",
            "BlackHoleCluster ; - ; - ; - ; STATIC ; ",
            "shop.default.svc.cluster.local ; 80 ; v1 ; outbound ; EDS ; shop.default",
        ]
    );
    let filter = clusters::Filter { port: Some(80), ..Default::default() };
    let shown = clusters::show(&all, &filter);
    assert_eq!((shown.rows.len(), shown.bodies.len()), (1, 1));
    assert_eq!(shown.bodies[0]["type"], "EDS");
}

#[test]
fn listeners_say_what_they_take_and_where_it_goes() {
    let all = dump();
    let shown = listeners::show(&all, &listeners::Filter::default());
    assert_eq!(
        lines(&shown),
        [
            "10.96.0.1 ; 80 ; Trans: raw_buffer; App: http/1.1,h2c ; Route: 80",
            "0.0.0.0 ; 15001 ; Addr: *:15001 ; BlackHoleCluster",
            "0.0.0.0 ; 15001 ; ALL ; Cluster: outbound|1||a",
        ]
    );
    let filter = listeners::Filter { port: Some(80), ..Default::default() };
    assert_eq!(listeners::show(&all, &filter).rows.len(), 1);
}

#[test]
fn routes_name_the_rule_and_the_clusters() {
    let all = dump();
    let shown = routes::show(&all, &routes::Filter::default());
    assert_eq!(
        lines(&shown),
        [
            "80 ; shop:80 ; shop, shop.default + 2 more... ; /cart* if x-user ; shop.default ; a (90), b (10)",
            "80 ; shop:80 ; shop, shop.default + 2 more... ; /x ;  ; answers 418",
            "http.8080 ; none ; * ; 404 ;  ; 404",
        ]
    );
    let filter = routes::Filter { name: Some("80".to_owned()), ..Default::default() };
    assert_eq!(routes::show(&all, &filter).rows.len(), 2);
}

#[test]
fn endpoints_say_how_they_are() {
    let host = |address: &str, failed: bool| {
        json!({ "address": { "socket_address": { "address": address, "port_value": 8080 } },
        "health_status": { "eds_health_status": "HEALTHY", "failed_outlier_check": failed } })
    };
    let page = camel(&json!({ "cluster_statuses": [
        { "name": "outbound|80||b", "host_statuses": [host("10.0.0.2", true)] },
        { "name": "outbound|80||a", "host_statuses": [host("10.0.0.1", false)] } ] }));
    let shown = endpoints::show(&page, &endpoints::Filter::default());
    assert_eq!(
        lines(&shown),
        [
            "10.0.0.1:8080 ; HEALTHY ; OK ; outbound|80||a",
            "10.0.0.2:8080 ; HEALTHY ; FAILED ; outbound|80||b"
        ]
    );
    let filter = endpoints::Filter { cluster: Some("||b".to_owned()), ..Default::default() };
    assert_eq!(endpoints::show(&page, &filter).rows.len(), 1);
}

#[test]
fn only_a_proxy_with_a_bootstrap_has_one() {
    assert_eq!(bootstrap(&dump()), None);
    let dump = camel(&json!({ "configs": [ {
        "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump",
        "bootstrap": { "static_resources": {} } } ] }));
    assert_eq!(bootstrap(&dump), Some(&json!({ "staticResources": {} })));
}

#[test]
fn keys_of_maps_that_people_name_stay() {
    assert_eq!(camel_word("dynamic_active_clusters"), "dynamicActiveClusters");
    for same in ["@type", "envoy.filters.http_x", "alreadyCamel", "x-a_b"] {
        assert_eq!(camel_word(same), same);
    }
}
