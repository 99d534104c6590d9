//! Discovery: which groups, versions, resources and verbs are served.
//!
//! Spec: `apidiscovery.k8s.io/v2` (aggregated) and `metav1.APIResourceList` (legacy).

use serde_json::{Map, Value, json};

use crate::resource::Resource;

/// The aggregated document of `/api` (`core` true) or `/apis`. Its media type must carry
/// `g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`, or clients read it as a legacy one.
#[must_use]
pub fn aggregated(resources: &[Resource], core: bool) -> Value {
    let items: Vec<Value> = groups(resources)
        .into_iter()
        .filter(|group| group.is_empty() == core)
        .map(|group| {
            let versions: Vec<Value> = versions(resources, group)
                .into_iter()
                .map(|version| {
                    let resources: Vec<Value> = served(resources, group, version)
                        .map(|resource| aggregated_resource(resource, version))
                        .collect();
                    json!({"version": version, "freshness": "Current", "resources": resources})
                })
                .collect();
            json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    })
}

/// The legacy document of `/api`; `server` is `host:port`.
#[must_use]
pub fn api_versions(server: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    })
}

/// The legacy document of `/apis`.
#[must_use]
pub fn group_list(resources: &[Resource]) -> Value {
    let groups: Vec<Value> = groups(resources)
        .into_iter()
        .filter(|group| !group.is_empty())
        .map(|group| group_entry(resources, group))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// The document of `/apis/GROUP`; `None` if there is no such group.
#[must_use]
pub fn group(resources: &[Resource], name: &str) -> Option<Value> {
    if name.is_empty() || !groups(resources).contains(&name) {
        return None;
    }
    let mut document = json!({"kind": "APIGroup", "apiVersion": "v1"});
    if let (Value::Object(document), Value::Object(entry)) =
        (&mut document, group_entry(resources, name))
    {
        document.extend(entry);
    }
    Some(document)
}

/// The legacy document of `/api/v1` (`group` empty) or `/apis/GROUP/VERSION`; `None` if there is
/// no such group-version.
#[must_use]
pub fn resource_list(resources: &[Resource], group: &str, version: &str) -> Option<Value> {
    let mut entries = Vec::new();
    for resource in served(resources, group, version) {
        let mut entry = Map::new();
        entry.insert("name".to_owned(), resource.plural.into());
        entry.insert("singularName".to_owned(), resource.singular.into());
        entry.insert("namespaced".to_owned(), resource.namespaced.into());
        entry.insert("kind".to_owned(), resource.kind.into());
        entry.insert("verbs".to_owned(), json!(resource.verbs));
        add_names(&mut entry, resource);
        entries.push(Value::Object(entry));
        for subresource in resource.subresources {
            let kind = response_kind(resource, version, subresource);
            let mut entry = Map::new();
            entry.insert("name".to_owned(), format!("{}/{subresource}", resource.plural).into());
            entry.insert("singularName".to_owned(), "".into());
            entry.insert("namespaced".to_owned(), resource.namespaced.into());
            if (kind.group, kind.version) != (group, version) {
                entry.insert("group".to_owned(), kind.group.into());
                entry.insert("version".to_owned(), kind.version.into());
            }
            entry.insert("kind".to_owned(), kind.kind.into());
            entry.insert("verbs".to_owned(), json!(subresource_verbs(subresource)));
            entries.push(Value::Object(entry));
        }
    }
    if entries.is_empty() {
        return None;
    }
    let group_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": entries,
    }))
}

/// All groups, in order of their first resource.
pub(crate) fn groups(resources: &[Resource]) -> Vec<&'static str> {
    let mut groups = Vec::new();
    for resource in resources {
        if !groups.contains(&resource.group) {
            groups.push(resource.group);
        }
    }
    groups
}

/// All versions of a group, the preferred one first.
pub(crate) fn versions(resources: &[Resource], group: &str) -> Vec<&'static str> {
    let mut versions = Vec::new();
    for resource in resources.iter().filter(|resource| resource.group == group) {
        for version in resource.versions {
            if !versions.contains(version) {
                versions.push(*version);
            }
        }
    }
    versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
    versions
}

/// How stable and how new a version is: v2, v1, v1beta2, v1beta1, v1alpha3, then other words.
///
/// Spec: `version.CompareKubeAwareVersionStrings`.
fn rank(version: &str) -> (u8, u32, u32) {
    let Some(rest) = version.strip_prefix('v') else { return (0, 0, 0) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let Ok(major) = rest[..end].parse() else { return (0, 0, 0) };
    let (stage, minor) = match &rest[end..] {
        "" => return (3, major, 0),
        tail => match (tail.strip_prefix("beta"), tail.strip_prefix("alpha")) {
            (Some(minor), _) => (2, minor),
            (_, Some(minor)) => (1, minor),
            _ => return (0, 0, 0),
        },
    };
    minor.parse().map_or((0, 0, 0), |minor| (stage, major, minor))
}

/// The resources of one group-version.
pub(crate) fn served<'a>(
    resources: &'a [Resource],
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Resource> {
    resources
        .iter()
        .filter(move |resource| resource.group == group && resource.versions.contains(&version))
}

fn group_entry(resources: &[Resource], group: &str) -> Value {
    let versions: Vec<Value> = versions(resources, group)
        .into_iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    let preferred = versions.first().cloned().unwrap_or_default();
    json!({"name": group, "versions": versions, "preferredVersion": preferred})
}

fn aggregated_resource(resource: &Resource, version: &str) -> Value {
    let mut entry = Map::new();
    entry.insert("resource".to_owned(), resource.plural.into());
    let kind = json!({"group": resource.group, "version": version, "kind": resource.kind});
    entry.insert("responseKind".to_owned(), kind);
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    entry.insert("scope".to_owned(), scope.into());
    entry.insert("singularResource".to_owned(), resource.singular.into());
    entry.insert("verbs".to_owned(), json!(resource.verbs));
    add_names(&mut entry, resource);
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|subresource| {
            let kind = response_kind(resource, version, subresource);
            json!({
                "subresource": subresource,
                "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
                "verbs": subresource_verbs(subresource),
            })
        })
        .collect();
    if !subresources.is_empty() {
        entry.insert("subresources".to_owned(), subresources.into());
    }
    Value::Object(entry)
}

fn add_names(entry: &mut Map<String, Value>, resource: &Resource) {
    for (field, names) in
        [("shortNames", resource.short_names), ("categories", resource.categories)]
    {
        if !names.is_empty() {
            entry.insert(field.to_owned(), json!(names));
        }
    }
}

struct ResponseKind<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

/// The kind that a subresource reads and writes.
fn response_kind<'a>(
    resource: &'a Resource,
    version: &'a str,
    subresource: &str,
) -> ResponseKind<'a> {
    let (group, version, kind) = match subresource {
        "scale" => ("autoscaling", "v1", "Scale"),
        "eviction" => ("policy", "v1", "Eviction"),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest"),
        "binding" => ("", "v1", "Binding"),
        "attach" => ("", "v1", "PodAttachOptions"),
        "exec" => ("", "v1", "PodExecOptions"),
        "portforward" => ("", "v1", "PodPortForwardOptions"),
        "proxy" if resource.kind == "Service" => ("", "v1", "ServiceProxyOptions"),
        "proxy" if resource.kind == "Node" => ("", "v1", "NodeProxyOptions"),
        "proxy" => ("", "v1", "PodProxyOptions"),
        _ => (resource.group, version, resource.kind),
    };
    ResponseKind { group, version, kind }
}

fn subresource_verbs(subresource: &str) -> &'static [&'static str] {
    match subresource {
        "binding" | "eviction" | "token" => &["create"],
        "attach" | "exec" | "portforward" => &["create", "get"],
        "log" => &["get"],
        "finalize" => &["update"],
        "proxy" => &["create", "delete", "get", "patch", "update"],
        _ => &["get", "patch", "update"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static RESOURCES: [Resource; 4] = [
        Resource {
            kind: "Pod",
            plural: "pods",
            singular: "pod",
            short_names: &["po"],
            categories: &["all"],
            subresources: &["status", "log", "eviction"],
            ..Resource::BLANK
        },
        Resource {
            kind: "Namespace",
            plural: "namespaces",
            singular: "namespace",
            namespaced: false,
            ..Resource::BLANK
        },
        Resource {
            group: "apps",
            kind: "Deployment",
            plural: "deployments",
            singular: "deployment",
            subresources: &["scale"],
            ..Resource::BLANK
        },
        Resource {
            group: "networking.istio.io",
            versions: &["v1", "v1beta1", "v1alpha3"],
            kind: "Gateway",
            plural: "gateways",
            singular: "gateway",
            ..Resource::BLANK
        },
    ];

    #[test]
    fn aggregated_documents_split_core_from_the_rest() {
        let core = aggregated(&RESOURCES, true);
        assert_eq!(core["items"].as_array().unwrap().len(), 1);
        let pods = &core["items"][0]["versions"][0]["resources"][0];
        assert_eq!(pods["resource"], "pods");
        assert_eq!(pods["scope"], "Namespaced");
        assert_eq!(pods["shortNames"], json!(["po"]));
        assert_eq!(pods["subresources"][2]["responseKind"]["group"], "policy");
        let rest = aggregated(&RESOURCES, false);
        assert_eq!(rest["items"][0]["metadata"]["name"], "apps");
        let scale = &rest["items"][0]["versions"][0]["resources"][0]["subresources"][0];
        assert_eq!(scale["responseKind"]["kind"], "Scale");
        let versions: Vec<&str> = rest["items"][1]["versions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|version| version["version"].as_str().unwrap())
            .collect();
        assert_eq!(versions, ["v1", "v1beta1", "v1alpha3"]);
    }

    #[test]
    fn legacy_documents() {
        let groups = group_list(&RESOURCES);
        assert_eq!(groups["groups"][0]["preferredVersion"]["groupVersion"], "apps/v1");
        assert_eq!(group(&RESOURCES, "apps").unwrap()["kind"], "APIGroup");
        assert_eq!(group(&RESOURCES, "none"), None);
        let core = resource_list(&RESOURCES, "", "v1").unwrap();
        let names: Vec<&str> = core["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|resource| resource["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["pods", "pods/status", "pods/log", "pods/eviction", "namespaces"]);
        assert_eq!(core["groupVersion"], "v1");
        let apps = resource_list(&RESOURCES, "apps", "v1").unwrap();
        assert_eq!(apps["resources"][1]["group"], "autoscaling");
        assert_eq!(resource_list(&RESOURCES, "apps", "v2"), None);
        assert_eq!(api_versions("h:1")["versions"][0], "v1");
    }

    #[test]
    fn versions_are_ranked_by_stability() {
        let mut versions = ["v1alpha3", "v1", "odd", "v2", "v1beta1", "v1beta2", "v10"];
        versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
        assert_eq!(versions, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha3", "odd"]);
    }
}
