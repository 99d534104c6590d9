//! Who asks, and whether they may.
//!
//! The rule until RBAC is served: administrators and the house's own ServiceAccounts may do
//! everything; everyone known may discover and ask about themselves; everyone may see that the
//! server lives.

use http::HeaderMap;
use objects::{Reason, Status};
use rustls_pki_types::CertificateDer;

use crate::route::{Route, Target};

/// Namespaces whose ServiceAccounts run the mesh itself.
const TRUSTED_NAMESPACES: [&str; 2] = ["istio-system", "kube-system"];
/// Those that stand in such a namespace and need nothing of the API all the same, by their name and how it may begin.
/// Gateways face the world, and who breaks into one must not find the key of the mesh's CA behind it.
const NOBODY: &str = "default";
const GATEWAYS: [&str; 2] = ["istio-ingress", "istio-egress"];

const ADMINISTRATORS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    /// Nobody in particular.
    pub(crate) fn anonymous() -> User {
        User {
            name: "system:anonymous".to_owned(),
            uid: String::new(),
            groups: vec!["system:unauthenticated".to_owned()],
        }
    }

    /// The subject of a certificate that our authority signed: CN is the name, each O a group.
    pub(crate) fn of_certificate(certificate: &CertificateDer<'_>) -> Option<User> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let subject = parsed.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
        let mut groups: Vec<String> = subject
            .iter_organization()
            .filter_map(|group| group.as_str().ok())
            .map(str::to_owned)
            .collect();
        groups.push(AUTHENTICATED.to_owned());
        Some(User { name, uid: String::new(), groups })
    }

    /// A ServiceAccount.
    pub(crate) fn of_service_account(namespace: &str, name: &str, uid: &str) -> User {
        User {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.to_owned(),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                AUTHENTICATED.to_owned(),
            ],
        }
    }

    fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// May do everything.
    fn is_trusted(&self) -> bool {
        let account = account_name(&self.name).map_or("", |(_, _, _, account)| account);
        self.is_in(ADMINISTRATORS)
            || TRUSTED_NAMESPACES
                .iter()
                .any(|namespace| self.is_in(&format!("system:serviceaccounts:{namespace}")))
                && account != NOBODY
                && !GATEWAYS.iter().any(|name| account.starts_with(name))
    }
}

/// What is asked for, in the words of Kubernetes' authorizer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act<'a> {
    /// A path that names no resource.
    Path { verb: &'a str, path: &'a str },
    /// A resource.
    Resource { verb: &'a str, target: &'a Target },
}

/// Whether `user` may do this on `route`; the error is the sentence of the refusal.
pub(crate) fn authorize(user: &User, route: &Route, act: &Act<'_>) -> Result<(), String> {
    if user.is_trusted() || matches!(route, Route::Health | Route::Version) {
        return Ok(());
    }
    let known = user.is_in(AUTHENTICATED);
    let allowed = match route {
        Route::CoreVersions
        | Route::Groups
        | Route::Group(_)
        | Route::Resources { .. }
        | Route::OpenApiV2
        | Route::OpenApiIndex
        | Route::OpenApi(_) => known,
        Route::Resource(target) => known && is_about_oneself(target),
        Route::Health | Route::Version | Route::Unknown => false,
    };
    if allowed { Ok(()) } else { Err(sentence(user, act)) }
}

/// Another user, if the request asks to be treated as that one (`kubectl --as`) and may ask so.
pub(crate) fn impersonated(user: User, headers: &HeaderMap) -> Result<User, Status> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(name) = text("impersonate-user") else { return Ok(user) };
    if !user.is_trusted() {
        return Err(Status::new(
            403,
            Reason::Forbidden,
            format!(
                "users {name:?} is forbidden: User {:?} cannot impersonate resource \"users\" in \
                 API group \"\" at the cluster scope",
                user.name
            ),
        ));
    }
    if name == "system:anonymous" {
        return Ok(User::anonymous());
    }
    if let Some(("system", "serviceaccount", namespace, account)) = account_name(name) {
        return Ok(User::of_service_account(namespace, account, ""));
    }
    let mut groups: Vec<String> = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|group| group.to_str().ok())
        .map(str::to_owned)
        .collect();
    groups.push(AUTHENTICATED.to_owned());
    Ok(User { name: name.to_owned(), uid: String::new(), groups })
}

fn account_name(name: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = name.splitn(4, ':');
    Some((parts.next()?, parts.next()?, parts.next()?, parts.next()?))
}

/// The reviews that only tell a client about itself.
fn is_about_oneself(target: &Target) -> bool {
    let group = target.group.as_str();
    let plural = target.plural.as_str();
    (group == "authorization.k8s.io"
        && matches!(plural, "selfsubjectaccessreviews" | "selfsubjectrulesreviews"))
        || (group == "authentication.k8s.io" && plural == "selfsubjectreviews")
}

/// Whether `user` may do `verb` on the resource of a review. It knows the same rule.
pub(crate) fn may(user: &User, target: &Target) -> bool {
    user.is_trusted() || (user.is_in(AUTHENTICATED) && is_about_oneself(target))
}

fn sentence(user: &User, act: &Act<'_>) -> String {
    match act {
        Act::Path { verb, path } => {
            format!("User {:?} cannot {verb} path {path:?}", user.name)
        }
        Act::Resource { verb, target } => {
            let resource = match &target.subresource {
                Some(part) => format!("{}/{part}", target.plural),
                None => target.plural.clone(),
            };
            let place = match &target.namespace {
                Some(namespace) => format!("in the namespace {namespace:?}"),
                None => "at the cluster scope".to_owned(),
            };
            format!(
                "User {:?} cannot {verb} resource {resource:?} in API group {:?} {place}",
                user.name, target.group
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route;

    fn may_get(user: &User, path: &str) -> Result<(), String> {
        let route = route::parse(path);
        let act = match &route {
            Route::Resource(target) => Act::Resource { verb: "get", target },
            _ => Act::Path { verb: "get", path },
        };
        authorize(user, &route, &act)
    }

    #[test]
    fn who_may_see_what() {
        let admin = User {
            name: "kubernetes-admin".to_owned(),
            uid: String::new(),
            groups: vec![ADMINISTRATORS.to_owned(), AUTHENTICATED.to_owned()],
        };
        let istiod = User::of_service_account("istio-system", "istiod", "1");
        let app = User::of_service_account("shop", "web", "2");
        let gateway = "istio-ingressgateway-service-account";
        let gateway = User::of_service_account("istio-system", gateway, "3");
        let nobody = User::anonymous();
        let review = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        // path: admin, istiod, app, nobody
        for (path, expected) in [
            ("/api/v1/namespaces/shop/pods", [true, true, false, false]),
            ("/api/v1/namespaces/istio-system/secrets/cacerts", [true, true, false, false]),
            ("/apis/apps/v1", [true, true, true, false]),
            ("/openapi/v3", [true, true, true, false]),
            (review, [true, true, true, false]),
            ("/healthz", [true, true, true, true]),
            ("/version", [true, true, true, true]),
            ("/nowhere", [true, true, false, false]),
        ] {
            let found = [&admin, &istiod, &app, &nobody].map(|user| may_get(user, path).is_ok());
            assert_eq!(
                may_get(&gateway, path).is_ok(),
                found[2],
                "a gateway is as any app: {path}"
            );
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn a_refusal_has_kubernetes_words() {
        let app = User::of_service_account("shop", "web", "2");
        assert_eq!(
            may_get(&app, "/api/v1/namespaces/shop/pods/a/log").unwrap_err(),
            "User \"system:serviceaccount:shop:web\" cannot get resource \"pods/log\" in API \
             group \"\" in the namespace \"shop\""
        );
        assert_eq!(
            may_get(&User::anonymous(), "/api").unwrap_err(),
            "User \"system:anonymous\" cannot get path \"/api\""
        );
    }
}
