//! A pod: where it runs, its containers and how they are, and why it is not ready.

use jiff::Timestamp;
use serde_json::Value;

use super::sheet::{Sheet, age};
use crate::jsonpath::text;

pub(super) fn pod(sheet: &mut Sheet, pod: &Value, now: Timestamp) {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    sheet.field("Service Account", &or_none(&spec["serviceAccountName"]));
    sheet.field("Node", &or_none(&spec["nodeName"]));
    let reason = text(&status["reason"]);
    let why = match (reason.is_empty(), text(&status["message"])) {
        (true, _) => String::new(),
        (false, message) if message.is_empty() => format!(" ({reason})"),
        (false, message) => format!(" ({reason}: {message})"),
    };
    sheet.field("Status", &format!("{}{why}", text(&status["phase"])));
    sheet.field("IP", &or_none(&status["podIP"]));
    for (title, list, statuses) in [
        ("Init Containers", "initContainers", "initContainerStatuses"),
        ("Containers", "containers", "containerStatuses"),
    ] {
        let containers = spec[list].as_array().filter(|it| !it.is_empty());
        let Some(containers) = containers else { continue };
        sheet.title(title);
        for container in containers {
            let all = status[statuses].as_array().into_iter().flatten();
            let status = all.into_iter().find(|it| it["name"] == container["name"]);
            container_lines(sheet, container, status.unwrap_or(&Value::Null), now);
        }
    }
    let conditions = status["conditions"].as_array().filter(|it| !it.is_empty());
    if let Some(conditions) = conditions {
        sheet.title("Conditions");
        let mut rows = vec![["Type", "Status", "Reason", "Message"].map(str::to_owned).to_vec()];
        rows.extend(conditions.iter().map(|it| {
            ["type", "status", "reason", "message"].map(|name| text(&it[name])).to_vec()
        }));
        sheet.table(1, &rows);
    }
    volumes(sheet, &spec["volumes"]);
}

fn or_none(value: &Value) -> String {
    if value.is_null() { "<none>".to_owned() } else { text(value) }
}

fn container_lines(sheet: &mut Sheet, container: &Value, status: &Value, now: Timestamp) {
    sheet.line(1, &format!("{}:", text(&container["name"])));
    sheet.inner(2, "Image", &text(&container["image"]));
    template_lines(sheet, 2, container);
    if !status.is_null() {
        state(sheet, "State", &status["state"], now);
        if status["lastState"].as_object().is_some_and(|it| !it.is_empty()) {
            state(sheet, "Last State", &status["lastState"], now);
        }
        let ready = if status["ready"] == true { "True" } else { "False" };
        sheet.inner(2, "Ready", ready);
        sheet.inner(2, "Restart Count", &text(&status["restartCount"]));
    }
}

/// What the template says of a container, beside its image.
pub(super) fn template_lines(sheet: &mut Sheet, depth: usize, container: &Value) {
    let ports = container["ports"].as_array().into_iter().flatten();
    let ports: Vec<String> = ports
        .map(|it| {
            let protocol = it["protocol"].as_str().unwrap_or("TCP");
            let name = it["name"].as_str().map_or(String::new(), |it| format!(" ({it})"));
            format!("{}/{protocol}{name}", text(&it["containerPort"]))
        })
        .collect();
    if !ports.is_empty() {
        sheet.inner(depth, "Ports", &ports.join(", "));
    }
    for (title, field) in [("Command", "command"), ("Args", "args")] {
        let words = container[field].as_array().into_iter().flatten();
        let words: Vec<String> = words.map(text).collect();
        if !words.is_empty() {
            sheet.inner(depth, title, &words.join(" "));
        }
    }
    for (title, field) in [
        ("Liveness", "livenessProbe"),
        ("Readiness", "readinessProbe"),
        ("Startup", "startupProbe"),
    ] {
        if container[field].is_object() {
            sheet.inner(depth, title, &probe(&container[field]));
        }
    }
    let from = container["envFrom"].as_array().into_iter().flatten().filter_map(|it| {
        let optional =
            it["prefix"].as_str().map_or(String::new(), |it| format!(" with prefix {it}"));
        let name = |kind: &str, word: &str| {
            Some(format!("{word} {}{optional}", it[kind]["name"].as_str()?))
        };
        name("configMapRef", "ConfigMap").or_else(|| name("secretRef", "Secret"))
    });
    let variables = container["env"].as_array().into_iter().flatten();
    let variables = variables.map(|it| format!("{}={}", text(&it["name"]), variable(it)));
    sheet.list(depth, "Environment", from.chain(variables));
    let mounts = container["volumeMounts"].as_array().into_iter().flatten().map(|it| {
        let access = if it["readOnly"] == true { "ro" } else { "rw" };
        format!("{} from {} ({access})", text(&it["mountPath"]), text(&it["name"]))
    });
    sheet.list(depth, "Mounts", mounts);
}

fn variable(variable: &Value) -> String {
    if let Some(value) = variable["value"].as_str() {
        return value.to_owned();
    }
    let from = &variable["valueFrom"];
    if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
        return format!("<{path}>");
    }
    for (source, kind) in [("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")] {
        if from[source].is_object() {
            let (key, name) = (text(&from[source]["key"]), text(&from[source]["name"]));
            return format!("<{key} of {kind} {name}>");
        }
    }
    if from["resourceFieldRef"].is_object() {
        return format!("<{}>", text(&from["resourceFieldRef"]["resource"]));
    }
    String::new()
}

fn state(sheet: &mut Sheet, title: &str, state: &Value, now: Timestamp) {
    let Some((word, about)) = state.as_object().and_then(|it| it.iter().next()) else { return };
    let since =
        |field: &str| about[field].as_str().map(|at| format!("{at} ({} ago)", age(at, now)));
    let mut letters = word.chars();
    let first = letters.next().map_or(String::new(), |it| it.to_uppercase().to_string());
    sheet.inner(2, title, &format!("{first}{}", letters.as_str()));
    let code = about["exitCode"].as_i64().map(|it| it.to_string());
    for (name, value) in [
        ("Reason", about["reason"].as_str().map(str::to_owned)),
        ("Message", about["message"].as_str().map(|it| it.trim_end().replace('\n', " "))),
        ("Exit Code", code),
        ("Started", since("startedAt")),
        ("Finished", since("finishedAt")),
    ] {
        if let Some(value) = value {
            sheet.inner(3, name, &value);
        }
    }
}

/// `http-get :8080/ready every 3s, times out after 1s, fails after 3`
fn probe(probe: &Value) -> String {
    let number = |name: &str, usual: u64| probe[name].as_u64().unwrap_or(usual);
    let what = if let Some(get) = probe["httpGet"].as_object() {
        let value = |name: &str| get.get(name).map(text).unwrap_or_default();
        let scheme = value("scheme").to_lowercase();
        let scheme = if scheme.is_empty() { "http".to_owned() } else { scheme };
        format!("http-get {scheme}://{}:{}{}", value("host"), value("port"), value("path"))
    } else if probe["tcpSocket"].is_object() {
        format!("tcp-socket :{}", text(&probe["tcpSocket"]["port"]))
    } else if probe["grpc"].is_object() {
        format!("grpc :{} {}", text(&probe["grpc"]["port"]), text(&probe["grpc"]["service"]))
    } else {
        let words = probe["exec"]["command"].as_array().into_iter().flatten();
        format!("exec {}", words.map(text).collect::<Vec<_>>().join(" "))
    };
    format!(
        "{} delay={}s timeout={}s period={}s #success={} #failure={}",
        what.trim_end(),
        number("initialDelaySeconds", 0),
        number("timeoutSeconds", 1),
        number("periodSeconds", 10),
        number("successThreshold", 1),
        number("failureThreshold", 3)
    )
}

pub(super) fn volumes(sheet: &mut Sheet, volumes: &Value) {
    let volumes = volumes.as_array().into_iter().flatten().map(|it| {
        let fields = it.as_object().into_iter().flatten();
        let source = fields.into_iter().find(|(name, _)| *name != "name");
        let source = source.map_or_else(
            || "emptyDir".to_owned(),
            |(kind, about)| {
                let names = ["name", "secretName", "path", "claimName"];
                let name = names.iter().find_map(|field| about[*field].as_str());
                format!("{kind} {}", name.unwrap_or(""))
            },
        );
        format!("{}: {}", text(&it["name"]), source.trim_end())
    });
    sheet.list(0, "Volumes", volumes);
}
