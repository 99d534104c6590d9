//! What the server serves, from its aggregated discovery documents.

use serde_json::Value;

/// One served resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
}

impl Resource {
    /// The path of the collection, or of one object in it; no namespace means all of them.
    pub(crate) fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        if let Some(namespace) = namespace.filter(|_| self.namespaced) {
            path += &format!("/namespaces/{namespace}");
        }
        path += &format!("/{}", self.plural);
        if let Some(name) = name {
            path += &format!("/{name}");
        }
        path
    }

    /// `deployment.apps`, as kubectl names things that it changed.
    pub(crate) fn label(&self) -> String {
        match self.group.as_str() {
            "" => self.singular.clone(),
            group => format!("{}.{group}", self.singular),
        }
    }
}

/// All served resources, the preferred version of each group first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources(Vec<Resource>);

impl Resources {
    /// What to ask for at /api and /apis.
    pub(crate) const ACCEPT: &str =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

    /// Reads the two APIGroupDiscoveryList documents.
    pub(crate) fn new(documents: &[Value]) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let texts = |value: &Value| -> Vec<String> {
            list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut resources = Vec::new();
        for group in documents.iter().flat_map(|it| list(&it["items"])) {
            let name = group["metadata"]["name"].as_str().unwrap_or("");
            for version in list(&group["versions"]) {
                for resource in list(&version["resources"]) {
                    let text = |name: &str| resource[name].as_str().unwrap_or("").to_owned();
                    resources.push(Resource {
                        group: name.to_owned(),
                        version: version["version"].as_str().unwrap_or("").to_owned(),
                        kind: resource["responseKind"]["kind"].as_str().unwrap_or("").to_owned(),
                        plural: text("resource"),
                        singular: text("singularResource"),
                        short: texts(&resource["shortNames"]),
                        categories: texts(&resource["categories"]),
                        namespaced: resource["scope"] == "Namespaced",
                    });
                }
            }
        }
        Self(resources)
    }

    /// The resource that a document's apiVersion and kind name.
    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.0.iter().find(|it| it.group == group && it.version == version && it.kind == kind)
    }

    /// The resources that a person's word names: `pods`, `po`, `Pod`, `deployments.apps`, `all`, or several with commas.
    pub(crate) fn words(&self, words: &str) -> anyhow::Result<Vec<&Resource>> {
        let mut found = Vec::new();
        for word in words.split(',').filter(|it| !it.is_empty()) {
            let lower = word.to_ascii_lowercase();
            let (name, group) = match lower.split_once('.') {
                Some((name, group)) => (name, Some(group)),
                None => (lower.as_str(), None),
            };
            let of_category = self.0.iter().filter(|it| it.categories.contains(&lower));
            let mut of_category = distinct(of_category);
            if of_category.is_empty() {
                let one = self.0.iter().find(|it| {
                    group.is_none_or(|group| {
                        it.group == group || format!("{}.{}", it.version, it.group) == group
                    }) && (it.plural == name
                        || it.singular == name
                        || it.short.iter().any(|short| short == name)
                        || it.kind.to_ascii_lowercase() == name)
                });
                of_category.extend(one);
            }
            anyhow::ensure!(
                !of_category.is_empty(),
                "the server doesn't have a resource type \"{word}\"; `lateen get all` shows the usual ones"
            );
            found.extend(of_category);
        }
        Ok(found)
    }
}

/// Each resource once, in its preferred version.
fn distinct<'a>(resources: impl Iterator<Item = &'a Resource>) -> Vec<&'a Resource> {
    let mut found: Vec<&Resource> = Vec::new();
    for resource in resources {
        if !found.iter().any(|it| it.group == resource.group && it.plural == resource.plural) {
            found.push(resource);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn served() -> Resources {
        let one = |kind: &str, plural: &str, short: &str| {
            json!({ "resource": plural, "responseKind": { "kind": kind }, "scope": "Namespaced",
                    "singularResource": kind.to_lowercase(), "shortNames": [short], "categories": ["all"] })
        };
        Resources::new(&[
            json!({ "items": [ { "metadata": {}, "versions": [ { "version": "v1", "resources": [one("Pod", "pods", "po")] } ] } ] }),
            json!({ "items": [ { "metadata": { "name": "networking.istio.io" }, "versions": [
                { "version": "v1", "resources": [one("VirtualService", "virtualservices", "vs")] },
                { "version": "v1beta1", "resources": [one("VirtualService", "virtualservices", "vs")] } ] } ] }),
        ])
    }

    #[test]
    fn a_word_names_a_resource_in_its_preferred_version() {
        let served = served();
        for word in
            ["vs", "VirtualService", "virtualservices", "virtualservices.networking.istio.io"]
        {
            let found = served.words(word).unwrap();
            assert_eq!((found.len(), found[0].version.as_str()), (1, "v1"), "{word}");
        }
        assert_eq!(served.words("all").unwrap().len(), 2);
        assert!(served.words("nothing").unwrap_err().to_string().contains("\"nothing\""));
        let old = served.words("virtualservices.v1beta1.networking.istio.io").unwrap();
        assert_eq!(old[0].version, "v1beta1");
    }

    #[test]
    fn a_path_has_the_group_and_the_namespace() {
        let served = served();
        let vs = served.kind("networking.istio.io/v1beta1", "VirtualService").unwrap();
        let path = "/apis/networking.istio.io/v1beta1/namespaces/a/virtualservices/b";
        assert_eq!(vs.path(Some("a"), Some("b")), path);
        assert_eq!(served.kind("v1", "Pod").unwrap().path(None, None), "/api/v1/pods");
    }
}
