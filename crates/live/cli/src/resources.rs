//! What the server serves, from its aggregated discovery documents.

use serde_json::Value;

use kinds::words::nearest;

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

    /// `networking.istio.io/v1`
    pub(crate) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// What a person types: the short name where it is usual, else the plural.
    pub(crate) fn word(&self) -> &str {
        let short = self.short.first().filter(|_| self.plural.len() > 12);
        short.unwrap_or(&self.plural)
    }

    /// A namespaced resource, for tests.
    #[cfg(test)]
    pub(crate) fn plain(
        group: &str,
        version: &str,
        kind: &str,
        plural: &str,
        short: &[&str],
    ) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            singular: kind.to_ascii_lowercase(),
            short: short.iter().map(|it| (*it).to_owned()).collect(),
            categories: Vec::new(),
            namespaced: true,
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

    /// Each resource once, in its preferred version.
    pub(crate) fn preferred(&self) -> Vec<&Resource> {
        distinct(self.0.iter())
    }

    /// The resource that a document's apiVersion and kind name.
    pub(crate) fn kind(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.0.iter().find(|it| it.group == group && it.version == version && it.kind == kind)
    }

    /// What to do about a kind that is not served in that version.
    pub(crate) fn kind_hint(&self, api_version: &str, kind: &str) -> Option<String> {
        let same: Vec<String> =
            self.0.iter().filter(|it| it.kind == kind).map(Resource::api_version).collect();
        if !same.is_empty() {
            return Some(format!("{kind} is served as apiVersion {}", same.join(" or ")));
        }
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let near = |among: &dyn Fn(&&Resource) -> bool| {
            nearest(kind, self.0.iter().filter(among).map(|it| it.kind.as_str()))
        };
        let near = near(&|it| it.group == group).or_else(|| near(&|_| true))?;
        Some(format!("did you mean kind {near}?"))
    }

    /// What to do about a word that names nothing.
    fn word_hint(&self, word: &str) -> String {
        let words = self.0.iter().flat_map(|it| [it.plural.as_str(), it.singular.as_str()]);
        match nearest(word, words.chain(["all"])) {
            Some(near) => format!("did you mean {near}?"),
            None => {
                let mut words: Vec<&str> = self.0.iter().map(|it| it.plural.as_str()).collect();
                words.sort_unstable();
                words.dedup();
                format!("there are: {}", words.join(" "))
            }
        }
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
                "the server doesn't have a resource type \"{word}\"\n  {}",
                self.word_hint(&lower)
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
        let said = served.words("nothing").unwrap_err().to_string();
        assert!(said.contains("\"nothing\"") && said.contains("there are: pods"), "{said}");
        let said = served.words("virtualservce").unwrap_err().to_string();
        assert!(said.contains("did you mean virtualservice?"), "{said}");
        let old = served.words("virtualservices.v1beta1.networking.istio.io").unwrap();
        assert_eq!(old[0].version, "v1beta1");
    }

    #[test]
    fn a_kind_of_another_version_is_named_with_the_versions_that_are_served() {
        let served = served();
        let said = served.kind_hint("networking.istio.io/v2", "VirtualService").unwrap();
        assert!(said.contains("networking.istio.io/v1 or networking.istio.io/v1beta1"), "{said}");
        let said = served.kind_hint("networking.istio.io/v1", "VirtualServce").unwrap();
        assert_eq!(said, "did you mean kind VirtualService?");
        assert_eq!(served.kind_hint("example.com/v1", "Banana"), None);
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
