//! What stands in a mesh before anybody applies anything, and the demos.

use cli::Document;

use crate::home::Ports;

/// The control plane, the gateway and DNS.
const INSTALL: &str = include_str!("install.yaml");

/// The demos, by name.
const DEMOS: &[(&str, &str)] = &[
    ("fleetman", include_str!("../../../../demo/fleetman.yaml")),
    ("catalog", include_str!("../../../../demo/catalog.yaml")),
    ("bookinfo", include_str!("../../../../demo/bookinfo.yaml")),
];

/// The objects of an empty mesh whose gateway has these ports on the host.
pub(crate) fn objects(ports: Ports) -> anyhow::Result<Vec<Document>> {
    let mut text = INSTALL
        .replace("${HTTP_PORT}", &ports.gateway_http.to_string())
        .replace("${HTTPS_PORT}", &ports.gateway_https.to_string());
    if ports.gateway_http == 80 {
        // A Service may not name one port twice.
        text = text.replace("  - { name: http, port: 80, targetPort: 8080, protocol: TCP }\n", "");
    }
    cli::parse_documents("install.yaml", &text)
}

/// The names of the demos.
pub(crate) fn demos() -> Vec<&'static str> {
    DEMOS.iter().map(|(name, _)| *name).collect()
}

/// The objects of a demo.
pub(crate) fn demo(name: &str) -> anyhow::Result<Vec<Document>> {
    let Some((_, text)) = DEMOS.iter().find(|(demo, _)| *demo == name) else {
        anyhow::bail!("no demo is called {name:?}; there are {}", demos().join(", "));
    };
    cli::parse_documents(&format!("demo/{name}.yaml"), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_demo_and_the_mesh_itself_are_objects_with_names() {
        let ports = Ports { gateway_http: 80, gateway_https: 8443, ..Ports::default() };
        let mut all = objects(ports).unwrap();
        for name in demos() {
            all.extend(demo(name).unwrap());
        }
        assert!(all.len() > 60, "{}", all.len());
        for document in all {
            let name = document.value["metadata"]["name"].as_str();
            assert!(name.is_some_and(|it| !it.is_empty()), "{}", document.place());
        }
        assert!(demo("nothing").unwrap_err().to_string().contains("bookinfo"));
    }

    #[test]
    fn the_gateway_service_names_no_port_twice() {
        for http in [80, 8080, 31999] {
            let ports = Ports { gateway_http: http, gateway_https: 8443, ..Ports::default() };
            let all = objects(ports).unwrap();
            let is_gateway = |it: &&Document| {
                it.value["kind"] == "Service"
                    && it.value["metadata"]["name"] == "istio-ingressgateway"
            };
            let gateway = all.iter().find(is_gateway).unwrap();
            let mut ports: Vec<u64> = gateway.value["spec"]["ports"]
                .as_array()
                .unwrap()
                .iter()
                .map(|port| port["port"].as_u64().unwrap())
                .collect();
            ports.sort_unstable();
            let n = ports.len();
            ports.dedup();
            assert_eq!(ports.len(), n);
        }
    }
}
