//! Defaults of pods and of pod templates.

use serde_json::{Map, Value, json};

use crate::view::{entries, fill, find, open, says, text};

/// A pod: its specification, account, priority and first status.
pub(crate) fn pod(object: &mut Value) {
    spec(object, "spec");
    if let Some(spec) = open(object, "spec") {
        fill(spec, "serviceAccountName", "default");
        let account = spec["serviceAccountName"].clone();
        fill(spec, "serviceAccount", account);
        fill(spec, "enableServiceLinks", true);
        fill(spec, "priority", 0);
        fill(spec, "preemptionPolicy", "PreemptLowerPriority");
        let patience = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
        let tolerations = json!([
            patience("node.kubernetes.io/not-ready"),
            patience("node.kubernetes.io/unreachable"),
        ]);
        fill(spec, "tolerations", tolerations);
    }
    let quality = quality(object);
    if let Some(status) = open(object, "status") {
        fill(status, "phase", "Pending");
        fill(status, "qosClass", quality);
    }
}

/// The specification of a pod or a template.
pub(crate) fn spec(object: &mut Value, path: &str) {
    let Some(spec) = open(object, path) else { return };
    fill(spec, "restartPolicy", "Always");
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "schedulerName", "default-scheduler");
    fill(spec, "securityContext", json!({}));
    // The account has an old name that stays readable.
    if let Some(account) = spec.get("serviceAccountName").filter(|name| says(name)).cloned() {
        spec.insert("serviceAccount".to_owned(), account);
    } else if let Some(account) = spec.get("serviceAccount").filter(|name| says(name)).cloned() {
        spec.insert("serviceAccountName".to_owned(), account);
    }
    let Some(spec) = find(object, path) else { return };
    for list in ["containers", "initContainers"] {
        for entry in entries(spec, list) {
            container(entry);
        }
    }
    for entry in entries(spec, "volumes") {
        volume(entry);
    }
}

fn container(object: &mut Value) {
    let policy = pull_policy(text(object, "image"));
    let Some(container) = object.as_object_mut() else { return };
    fill(container, "resources", json!({}));
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    fill(container, "imagePullPolicy", policy);
    for port in entries(object, "ports") {
        if let Some(port) = port.as_object_mut() {
            fill(port, "protocol", "TCP");
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = find(object, name) {
            self::probe(probe);
        }
    }
    for hook in ["lifecycle.postStart.httpGet", "lifecycle.preStop.httpGet"] {
        if let Some(Value::Object(get)) = find(object, hook) {
            http_get(get);
        }
    }
    for variable in entries(object, "env") {
        if let Some(Value::Object(field)) = find(variable, "valueFrom.fieldRef") {
            fill(field, "apiVersion", "v1");
        }
    }
    // Amounts are texts, whatever they were written as.
    for part in ["resources.limits", "resources.requests"] {
        if let Some(Value::Object(amounts)) = find(object, part) {
            amounts.values_mut().for_each(quantity);
        }
    }
    // What is limited and not requested is requested.
    let limits = find(object, "resources.limits").and_then(|limits| limits.as_object().cloned());
    if let (Some(limits), Some(requests)) =
        (limits.filter(|limits| !limits.is_empty()), open(object, "resources.requests"))
    {
        for (name, amount) in limits {
            requests.entry(name).or_insert(amount);
        }
    }
}

fn quantity(amount: &mut Value) {
    if let Value::Number(number) = amount {
        *amount = number.to_string().into();
    }
}

/// Spec: an image without a tag, or with `latest`, is always pulled.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        _ if digest => "IfNotPresent",
        None | Some((_, "latest")) => "Always",
        Some(_) => "IfNotPresent",
    }
}

fn http_get(get: &mut Map<String, Value>) {
    fill(get, "path", "/");
    fill(get, "scheme", "HTTP");
}

fn probe(object: &mut Value) {
    if let Some(Value::Object(get)) = find(object, "httpGet") {
        http_get(get);
    }
    if let Some(Value::Object(grpc)) = find(object, "grpc") {
        fill(grpc, "service", "");
    }
    let Some(probe) = object.as_object_mut() else { return };
    for (field, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        // Zero means unset here.
        if probe.get(field).is_none_or(|number| number.is_null() || *number == 0) {
            probe.insert(field.to_owned(), value.into());
        }
    }
}

fn volume(object: &mut Value) {
    let Some(volume) = object.as_object_mut() else { return };
    if volume.keys().all(|key| key == "name") {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(Value::Object(source)) = find(object, source) {
            fill(source, "defaultMode", 0o644);
        }
    }
    if let Some(limit) = find(object, "emptyDir.sizeLimit") {
        quantity(limit);
    }
    if let Some(Value::Object(path)) = find(object, "hostPath") {
        path.entry("type").or_insert_with(|| "".into());
    }
    for item in entries(object, "downwardAPI.items") {
        field_ref(item);
    }
    for source in entries(object, "projected.sources") {
        if let Some(Value::Object(token)) = find(source, "serviceAccountToken") {
            fill(token, "expirationSeconds", 3_600);
        }
        for item in entries(source, "downwardAPI.items") {
            field_ref(item);
        }
    }
}

fn field_ref(item: &mut Value) {
    if let Some(Value::Object(field)) = find(item, "fieldRef") {
        fill(field, "apiVersion", "v1");
    }
}

/// Spec: Guaranteed where every container's requests are its limits, of both cpu and memory;
/// BestEffort where none has any.
fn quality(pod: &Value) -> &'static str {
    let mut any = false;
    let mut guaranteed = true;
    for list in ["spec.containers", "spec.initContainers"] {
        for container in crate::view::list(pod, list) {
            let limits = crate::view::at(container, "resources.limits");
            let requests = crate::view::at(container, "resources.requests");
            for name in ["cpu", "memory"] {
                let (limit, request) = (&limits[name], &requests[name]);
                any |= !limit.is_null() || !request.is_null();
                guaranteed &= !limit.is_null() && limit == request;
            }
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_without_a_fixed_tag_are_always_pulled() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("host:5000/nginx", "Always"),
            ("host:5000/nginx:1", "IfNotPresent"),
            ("nginx@sha256:00", "IfNotPresent"),
        ] {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
    }

    #[test]
    fn a_pod_is_filled_in_and_filling_again_changes_nothing() {
        let mut object = json!({"spec": {
            "containers": [{
                "name": "a", "image": "a", "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}, "periodSeconds": 2, "timeoutSeconds": 0},
                "env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
                "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
            }],
            "volumes": [{"name": "tmp"}, {"name": "c", "configMap": {"name": "c"}}],
        }});
        pod(&mut object);
        let container = &object["spec"]["containers"][0];
        assert_eq!(container["ports"][0]["protocol"], "TCP");
        assert_eq!(
            container["readinessProbe"],
            json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "periodSeconds": 2,
                "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3})
        );
        assert_eq!(container["resources"]["requests"]["cpu"], "1");
        assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
        assert_eq!(object["spec"]["volumes"][0], json!({"name": "tmp", "emptyDir": {}}));
        assert_eq!(object["spec"]["volumes"][1]["configMap"]["defaultMode"], 420);
        assert_eq!(object["status"], json!({"phase": "Pending", "qosClass": "Guaranteed"}));
        assert_eq!(object["spec"]["serviceAccountName"], "default");
        let once = object.clone();
        pod(&mut object);
        assert_eq!(object, once);
    }
}
