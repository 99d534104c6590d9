//! A Service: its addresses, its ports, and who stands behind each.

use serde_json::Value;

use super::sheet::Sheet;
use crate::{get::labels, jsonpath::text};

pub(super) fn service(sheet: &mut Sheet, service: &Value, slices: &[Value]) {
    let spec = &service["spec"];
    sheet.field("Selector", &labels(&spec["selector"]));
    sheet.field("Type", &text(&spec["type"]));
    if let Some(name) = spec["externalName"].as_str() {
        sheet.field("External Name", name);
    }
    sheet.field("IP", &text(&spec["clusterIP"]));
    let ingress = service["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten();
    let ingress: Vec<&str> =
        ingress.filter_map(|it| it["ip"].as_str().or(it["hostname"].as_str())).collect();
    if !ingress.is_empty() {
        sheet.field("LoadBalancer Ingress", &ingress.join(", "));
    }
    for port in spec["ports"].as_array().into_iter().flatten() {
        let name = port["name"].as_str().unwrap_or("<unset>");
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        sheet.field("Port", &format!("{name}  {}/{protocol}", text(&port["port"])));
        sheet.field("TargetPort", &format!("{}/{protocol}", text(&port["targetPort"])));
        if let Some(number) = port["nodePort"].as_u64() {
            sheet.field("NodePort", &format!("{name}  {number}/{protocol}"));
        }
        let (ready, waiting) = endpoints(slices, port);
        sheet.field("Endpoints", &ready);
        if !waiting.is_empty() {
            sheet.field("Not Ready", &waiting);
        }
    }
    sheet.field("Session Affinity", &text(&spec["sessionAffinity"]));
}

/// Addresses with their port: those that are ready, and those that are not.
fn endpoints(slices: &[Value], port: &Value) -> (String, String) {
    let (mut ready, mut waiting) = (Vec::new(), Vec::new());
    for slice in slices {
        let name = |it: &Value| it["name"].as_str().unwrap_or("").to_owned();
        let ports = slice["ports"].as_array().into_iter().flatten();
        let Some(number) = ports.into_iter().find(|it| name(it) == name(port)) else { continue };
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            let list =
                if endpoint["conditions"]["ready"] == false { &mut waiting } else { &mut ready };
            for address in endpoint["addresses"].as_array().into_iter().flatten() {
                list.push(format!("{}:{}", text(address), text(&number["port"])));
            }
        }
    }
    let nobody = "<none>: no pod that the selector matches is ready";
    (if ready.is_empty() { nobody.to_owned() } else { ready.join(",") }, waiting.join(","))
}
