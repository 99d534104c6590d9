//! What a path of the API names: a document, or a resource with its namespace, name and
//! subresource.
//!
//! Spec: Kubernetes' API concepts, "resource URIs".

use percent_encoding::percent_decode_str;

/// One path, understood. Nothing here says that the resource exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/api`: the versions of the core group.
    CoreVersions,
    /// `/apis`: all named groups.
    Groups,
    /// `/apis/G`: one group.
    Group(String),
    /// `/api/v1` or `/apis/G/V`: the resources of a group version.
    Resources {
        group: String,
        version: String,
    },
    Version,
    /// `/healthz`, `/livez`, `/readyz` and what is below them.
    Health,
    /// `/openapi/v2`: asked for as protobuf only.
    OpenApiV2,
    /// `/openapi/v3`: the index.
    OpenApiIndex,
    /// `/openapi/v3/apis/G/V`: one document, by its key in the index.
    OpenApi(String),
    Resource(Target),
    Unknown,
}

/// A collection, an object, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Target {
    /// Empty for the core group.
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// Understands the path of a request (without its query).
pub(crate) fn parse(path: &str) -> Route {
    let decoded: Option<Vec<String>> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8().ok().map(|part| part.into_owned()))
        .collect();
    let Some(parts) = decoded else { return Route::Unknown };
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group((*group).to_owned()),
        ["version"] => Route::Version,
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["openapi", "v2"] => Route::OpenApiV2,
        ["openapi", "v3"] => Route::OpenApiIndex,
        ["openapi", "v3", key @ ..] => Route::OpenApi(key.join("/")),
        ["api", version] => {
            Route::Resources { group: String::new(), version: (*version).to_owned() }
        }
        ["apis", group, version] => {
            Route::Resources { group: (*group).to_owned(), version: (*version).to_owned() }
        }
        ["api", version, rest @ ..] => resource("", version, rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        _ => Route::Unknown,
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Route {
    let mut target =
        Target { group: group.to_owned(), version: version.to_owned(), ..Target::default() };
    let rest = match rest {
        // The namespaces themselves, and their own subresources.
        ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => rest,
        ["namespaces", namespace, rest @ ..] => {
            target.namespace = Some((*namespace).to_owned());
            rest
        }
        _ => rest,
    };
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(name), None),
        [plural, name, subresource] => (plural, Some(name), Some(subresource)),
        _ => return Route::Unknown,
    };
    target.plural = (*plural).to_owned();
    target.name = name.map(|name| (*name).to_owned());
    target.subresource = subresource.map(|subresource| (*subresource).to_owned());
    Route::Resource(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// group/version, plural, namespace, name, subresource; `-` where there is none.
    fn shown(path: &str) -> String {
        match parse(path) {
            Route::Resource(target) => {
                let or = |part: &Option<String>| part.clone().unwrap_or_else(|| "-".to_owned());
                let version = format!("{}/{}", target.group, target.version);
                format!(
                    "{} {} {} {} {}",
                    version.trim_start_matches('/'),
                    target.plural,
                    or(&target.namespace),
                    or(&target.name),
                    or(&target.subresource)
                )
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn paths_name_resources_in_all_their_forms() {
        for (path, expected) in [
            ("/api/v1/pods", "v1 pods - - -"),
            ("/api/v1/namespaces", "v1 namespaces - - -"),
            ("/api/v1/namespaces/shop", "v1 namespaces - shop -"),
            ("/api/v1/namespaces/shop/status", "v1 namespaces - shop status"),
            ("/api/v1/namespaces/shop/finalize", "v1 namespaces - shop finalize"),
            ("/api/v1/namespaces/shop/pods", "v1 pods shop - -"),
            ("/api/v1/namespaces/shop/pods/a", "v1 pods shop a -"),
            ("/api/v1/namespaces/shop/pods/a/log", "v1 pods shop a log"),
            ("/apis/apps/v1/deployments", "apps/v1 deployments - - -"),
            (
                "/apis/apps/v1/namespaces/shop/deployments/web/scale",
                "apps/v1 deployments shop web scale",
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                "rbac.authorization.k8s.io/v1 clusterroles - system:node -",
            ),
            ("/api", "CoreVersions"),
            ("/apis", "Groups"),
            ("/apis/", "Groups"),
            ("/apis/apps", "Group(\"apps\")"),
            ("/apis/apps/v1", "Resources { group: \"apps\", version: \"v1\" }"),
            ("/openapi/v3/apis/apps/v1", "OpenApi(\"apis/apps/v1\")"),
            ("/openapi/v2", "OpenApiV2"),
            ("/livez/ping", "Health"),
            ("/", "Unknown"),
            ("/api/v1/namespaces/shop/pods/a/log/b", "Unknown"),
            ("/api/v1/pods/%ff", "Unknown"),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }
}
