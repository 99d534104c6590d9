//! `describe`: an object for people, with the events about it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::{
    Scope,
    api::Api,
    get::{query, targets},
};

pub(crate) async fn run(api: &Api, what: &[String], scope: &Scope) -> anyhow::Result<()> {
    for (word, names) in targets(what)? {
        for resource in api.resources().await?.words(&word)? {
            let mut objects = Vec::new();
            if names.is_empty() {
                let list = api.read(&resource.path(Some(&scope.namespace), None)).await?;
                objects.extend(list["items"].as_array().cloned().unwrap_or_default());
            }
            for name in &names {
                objects.push(api.read(&resource.path(Some(&scope.namespace), Some(name))).await?);
            }
            for mut object in objects {
                object["kind"] = resource.kind.clone().into();
                let events = match object["metadata"]["uid"].as_str() {
                    Some(uid) => {
                        let field = format!("involvedObject.uid={uid}");
                        let path = "/api/v1/events".to_owned()
                            + &query(&[("fieldSelector", Some(&field))]);
                        api.read(&path).await?["items"].as_array().cloned().unwrap_or_default()
                    }
                    None => Vec::new(),
                };
                println!("{}", describe(&object, &events));
            }
        }
    }
    Ok(())
}

/// The text: who it is, what it wants, how it is, what happened.
fn describe(object: &Value, events: &[Value]) -> String {
    let mut out = String::new();
    let metadata = &object["metadata"];
    for (title, value) in [
        ("Kind", &object["kind"]),
        ("Name", &metadata["name"]),
        ("Namespace", &metadata["namespace"]),
        ("Created", &metadata["creationTimestamp"]),
        ("Deleted", &metadata["deletionTimestamp"]),
    ] {
        if let Some(value) = value.as_str() {
            // Writing to a String cannot fail.
            writeln!(out, "{:<14}{value}", format!("{title}:")).ok();
        }
    }
    for (title, pairs) in
        [("Labels", &metadata["labels"]), ("Annotations", &metadata["annotations"])]
    {
        let pairs = pairs.as_object().cloned().unwrap_or_default();
        let mut title = format!("{title}:");
        if pairs.is_empty() {
            writeln!(out, "{title:<14}<none>").ok();
        }
        for (name, value) in &pairs {
            if name.ends_with("last-applied-configuration") {
                continue;
            }
            writeln!(out, "{title:<14}{name}={}", value.as_str().unwrap_or("")).ok();
            title.clear();
        }
    }
    let secret = object["kind"] == "Secret";
    for (name, value) in object.as_object().into_iter().flatten() {
        if matches!(name.as_str(), "metadata" | "kind" | "apiVersion") {
            continue;
        }
        if secret && matches!(name.as_str(), "data" | "stringData") {
            for (key, value) in value.as_object().into_iter().flatten() {
                writeln!(
                    out,
                    "Data:         {key}: {} bytes of base64",
                    value.as_str().map_or(0, str::len)
                )
                .ok();
            }
            continue;
        }
        let mut letters = name.chars();
        let title = letters.next().map_or(String::new(), |it| it.to_uppercase().to_string());
        writeln!(out, "{title}{}:", letters.as_str()).ok();
        let text = serde_saphyr::to_string(value).unwrap_or_default();
        for line in text.lines() {
            writeln!(out, "  {line}").ok();
        }
    }
    if events.is_empty() {
        out.push_str("Events:       <none>\n");
    } else {
        out.push_str("Events:\n");
        let mut events: Vec<&Value> = events.iter().collect();
        events.sort_by_key(|event| event["lastTimestamp"].as_str().unwrap_or("").to_owned());
        for event in events {
            let text = |name: &str| event[name].as_str().unwrap_or("");
            let count = event["count"].as_u64().filter(|it| *it > 1);
            let count = count.map_or(String::new(), |it| format!(" (x{it})"));
            let (kind, reason, message) = (text("type"), text("reason"), text("message"));
            writeln!(out, "  {kind:<8} {reason:<20} {message}{count}").ok();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_shows_no_value() {
        let secret = json!({ "kind": "Secret", "metadata": { "name": "s" }, "data": { "key": "cGFzc3dvcmQ=" } });
        let text = describe(&secret, &[]);
        assert!(text.contains("key: 12 bytes") && !text.contains("cGFzc3dvcmQ="), "{text}");
    }

    #[test]
    fn events_come_oldest_first_with_their_count() {
        let event = |at: &str, reason: &str, count: u32| json!({ "lastTimestamp": at, "reason": reason, "type": "Normal", "message": "m", "count": count });
        let text = describe(
            &json!({ "kind": "Pod" }),
            &[event("2", "Started", 1), event("1", "Pulled", 3)],
        );
        assert!(text.find("Pulled").unwrap() < text.find("Started").unwrap());
        assert!(text.contains("m (x3)"));
    }
}
