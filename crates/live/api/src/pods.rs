//! Log, exec, attach and port-forward of a pod: which container, then the node agent answers.

use http::{Method, Response, StatusCode};
use objects::{Status, Target, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answer::{self, Body};
use crate::query::Query;
use crate::relay;
use crate::service::{Call, Service};

/// Names that stand in a path as they are.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The container that `kubectl` should use when it is not told.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Connects the client with the node agent.
pub(crate) async fn connect(
    service: &Service,
    target: &Target,
    part: &str,
    call: Call,
) -> Result<Response<Body>, Status> {
    let method = call.request.method();
    let allowed = match part {
        "log" => *method == Method::GET,
        _ => *method == Method::GET || *method == Method::POST,
    };
    if !allowed {
        return Err(Status::method_not_allowed(target.resource, &method.as_str().to_lowercase()));
    }
    let pod = service.keeper.read(|store| store.object(&target.key())).await?;
    if pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() {
        if part == "log" {
            return Ok(answer::text(StatusCode::OK, ""));
        }
        return Err(Status::bad_request(format!(
            "pod {} does not have a host assigned",
            target.name
        )));
    }
    let path = path(target, part, &pod, &call.query)?;
    relay::relay(&service.kubelet, &path, call.request, service.stop.clone()).await.map_err(
        |error| {
            Status::internal(&format!(
                "the node agent cannot be reached at {}: {error}",
                service.kubelet.display()
            ))
        },
    )
}

/// The node agent's path for this request: a kubelet's.
fn path(target: &Target, part: &str, pod: &Value, query: &Query) -> Result<String, Status> {
    let encode = |text: &str| utf8_percent_encode(text, NAME).to_string();
    let (namespace, name) = (encode(&target.namespace), encode(&target.name));
    if part == "portforward" {
        return Ok(format!("/portForward/{namespace}/{name}?{}", query.without(&[])));
    }
    let container = encode(&container(pod, query.text("container"))?);
    let verb = if part == "log" { "containerLogs" } else { part };
    let rest = query.without(&["container"]);
    Ok(format!("/{verb}/{namespace}/{name}/{container}?{rest}"))
}

/// The container that is meant.
fn container(pod: &Value, asked: Option<&str>) -> Result<String, Status> {
    let names = |list: &str| -> Vec<&str> {
        let entries = pod["spec"][list].as_array().into_iter().flatten();
        entries.filter_map(|entry| entry["name"].as_str()).collect()
    };
    let (containers, first) = (names("containers"), names("initContainers"));
    let pod_name = objects::meta::name(pod);
    if let Some(asked) = asked {
        if containers.contains(&asked) || first.contains(&asked) {
            return Ok(asked.to_owned());
        }
        return Err(Status::bad_request(format!(
            "container {asked} is not valid for pod {pod_name}"
        )));
    }
    if let Some(usual) = pod["metadata"]["annotations"][DEFAULT_CONTAINER].as_str()
        && containers.contains(&usual)
    {
        return Ok(usual.to_owned());
    }
    match containers.as_slice() {
        [only] => Ok((*only).to_owned()),
        several => {
            let mut message = format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                several.join(" ")
            );
            if !first.is_empty() {
                message.push_str(&format!(" or one of the init containers: [{}]", first.join(" ")));
            }
            Err(Status::bad_request(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_container_is_the_one_asked_for_or_the_only_one_or_the_annotated_one() {
        let pod = |containers: &[&str], annotation: Option<&str>| {
            let containers: Vec<Value> =
                containers.iter().map(|name| json!({"name": name})).collect();
            let mut pod = json!({
                "metadata": {"name": "web"},
                "spec": {"containers": containers, "initContainers": [{"name": "setup"}]},
            });
            if let Some(name) = annotation {
                pod["metadata"]["annotations"][DEFAULT_CONTAINER] = name.into();
            }
            pod
        };
        let two = ["app", "istio-proxy"];
        for (pod, asked, expected) in [
            (pod(&["app"], None), None, Ok("app")),
            (pod(&two, None), Some("istio-proxy"), Ok("istio-proxy")),
            (pod(&two, None), Some("setup"), Ok("setup")),
            (pod(&two, Some("app")), None, Ok("app")),
            (
                pod(&two, None),
                None,
                Err("a container name must be specified for pod web, choose one of: [app \
                     istio-proxy] or one of the init containers: [setup]"),
            ),
            (pod(&two, None), Some("db"), Err("container db is not valid for pod web")),
        ] {
            let found = container(&pod, asked).map_err(|status| status.message);
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
    }
}
