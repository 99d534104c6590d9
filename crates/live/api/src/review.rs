//! Questions about identity and rights, which are answered and never stored; and tokens.

use http::Response;
use jiff::Timestamp;
use objects::{Cause, Key, Resource, Status, Target, Value, meta};
use serde_json::json;

use crate::answer::{self, Body};
use crate::chance;
use crate::identity::{self, Act, User};
use crate::route::{self, Route};
use crate::service::{Call, Service};
use crate::tokens::{AUDIENCE, Bound, Claims, Subject};

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// The questions that are answered. They are not among `kinds`, which are all stored.
pub(crate) const REVIEWS: &[Resource] = &[
    Resource { kind: "TokenReview", plural: "tokenreviews", ..about(AUTHENTICATION) },
    Resource { kind: "SelfSubjectReview", plural: "selfsubjectreviews", ..about(AUTHENTICATION) },
    Resource {
        kind: "SelfSubjectAccessReview",
        plural: "selfsubjectaccessreviews",
        ..about(AUTHORIZATION)
    },
    Resource {
        kind: "SelfSubjectRulesReview",
        plural: "selfsubjectrulesreviews",
        ..about(AUTHORIZATION)
    },
    Resource {
        kind: "SubjectAccessReview",
        plural: "subjectaccessreviews",
        ..about(AUTHORIZATION)
    },
    Resource {
        kind: "LocalSubjectAccessReview",
        plural: "localsubjectaccessreviews",
        namespaced: true,
        ..about(AUTHORIZATION)
    },
];

/// What is sent to ask for a token; only its name matters, for refusals.
const TOKEN_REQUEST: Resource = Resource { kind: "TokenRequest", ..about(AUTHENTICATION) };

const fn about(group: &'static str) -> Resource {
    Resource { group, namespaced: false, verbs: &["create"], ..Resource::BLANK }
}

/// Tokens last at least this long, as in Kubernetes: a shorter one is a mistake.
const SHORTEST_SECONDS: i64 = 600;
const USUAL_SECONDS: i64 = 3600;
const LONGEST_SECONDS: i64 = 1 << 32;

/// Whether a resource is a question rather than something that is kept.
pub(crate) fn is_review(resource: &Resource) -> bool {
    matches!(resource.group, AUTHENTICATION | AUTHORIZATION)
}

/// Answers a question.
pub(crate) async fn answer(
    service: &Service,
    verb: &str,
    target: &Target,
    call: Call,
) -> Result<Response<Body>, Status> {
    if verb != "create" {
        return Err(Status::method_not_allowed(target.resource, verb));
    }
    let Call { user, wanted, request, .. } = call;
    let (head, body) = request.into_parts();
    let bytes = crate::body::read(body).await?;
    let mut review = if target.resource.plural == "selfsubjectreviews" {
        // It asks nothing, so what is in it does not matter.
        json!({})
    } else {
        crate::body::object(&head.headers, &bytes)?.value
    };
    let status = match target.resource.plural {
        "tokenreviews" => token_review(service, &review),
        "selfsubjectreviews" => json!({"userInfo": user_info(&user)}),
        "selfsubjectaccessreviews" => access(&user, &review["spec"]),
        "subjectaccessreviews" | "localsubjectaccessreviews" => {
            access(&subject(&review["spec"]), &review["spec"])
        }
        "selfsubjectrulesreviews" => rules(&user),
        _ => return Err(Status::no_such_path()),
    };
    if !review.is_object() {
        return Err(Status::bad_request("the body of the request is not an object"));
    }
    review["apiVersion"] = target.resource.api_version(target.version).into();
    review["kind"] = target.resource.kind.into();
    if review.get("metadata").is_none() {
        review["metadata"] = json!({});
    }
    review["status"] = status;
    Ok(answer::document(201, &review, &wanted))
}

fn user_info(user: &User) -> Value {
    let mut info = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.as_str().into();
    }
    info
}

fn token_review(service: &Service, review: &Value) -> Value {
    let spec = &review["spec"];
    let asked = texts(&spec["audiences"]);
    let audiences = if asked.is_empty() { vec![AUDIENCE.to_owned()] } else { asked };
    let token = spec["token"].as_str().unwrap_or_default();
    match token_user(service, token, &audiences, Timestamp::now()) {
        Ok(known) => {
            let both: Vec<&String> =
                known.claims.aud.iter().filter(|own| audiences.contains(own)).collect();
            let mut info = user_info(&known.user);
            if let Some(pod) = &known.claims.kubernetes.pod {
                info["extra"] = json!({
                    "authentication.kubernetes.io/pod-name": [pod.name],
                    "authentication.kubernetes.io/pod-uid": [pod.uid],
                });
            }
            json!({"authenticated": true, "user": info, "audiences": both})
        }
        Err(why) => json!({"authenticated": false, "user": {}, "error": why}),
    }
}

/// The user of a SubjectAccessReview.
fn subject(spec: &Value) -> User {
    User {
        name: spec["user"].as_str().unwrap_or_default().to_owned(),
        uid: spec["uid"].as_str().unwrap_or_default().to_owned(),
        groups: texts(&spec["groups"]),
    }
}

fn access(user: &User, spec: &Value) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let allowed = if let Some(path) = spec["nonResourceAttributes"]["path"].as_str() {
        let verb = text(&spec["nonResourceAttributes"]["verb"]);
        identity::authorize(user, &route::parse(path), &Act::Path { verb: &verb, path })
    } else {
        let wanted = &spec["resourceAttributes"];
        let some = |value: &Value| Some(text(value)).filter(|text| !text.is_empty());
        let target = route::Target {
            group: text(&wanted["group"]),
            version: text(&wanted["version"]),
            plural: text(&wanted["resource"]),
            namespace: some(&wanted["namespace"]),
            name: some(&wanted["name"]),
            subresource: some(&wanted["subresource"]),
        };
        let verb = text(&wanted["verb"]);
        let act = Act::Resource { verb: &verb, target: &target };
        identity::authorize(user, &Route::Resource(target.clone()), &act)
    };
    match allowed {
        Ok(()) => json!({"allowed": true}),
        Err(why) => json!({"allowed": false, "reason": why}),
    }
}

fn rules(user: &User) -> Value {
    let everything = identity::may(user, &route::Target::default());
    let resources = if everything {
        json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])
    } else {
        json!([{
            "verbs": ["create"],
            "apiGroups": [AUTHORIZATION],
            "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        }])
    };
    let paths = if everything {
        json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}])
    } else {
        json!([{
            "verbs": ["get"],
            "nonResourceURLs": [
                "/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi",
                "/openapi/*", "/readyz", "/version",
            ],
        }])
    };
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

/// Who holds a good token.
pub(crate) struct Known {
    pub(crate) user: User,
    pub(crate) claims: Claims,
}

/// Who a token stands for: it is ours, in time, for one of `audiences`, and its ServiceAccount
/// (and the pod that it is bound to) still lives.
pub(crate) fn token_user(
    service: &Service,
    token: &str,
    audiences: &[String],
    now: Timestamp,
) -> Result<Known, String> {
    let claims = service.tokens.verify(token, audiences, now)?;
    let who = &claims.kubernetes;
    let store = service.keeper.ahead();
    let lives = |resource: &str, bound: &Bound| {
        store
            .object(&Key::new(resource, &who.namespace, &bound.name))
            .is_ok_and(|object| meta::uid(&object) == bound.uid)
    };
    if !lives("serviceaccounts", &who.serviceaccount) {
        return Err("the service account of the token has been deleted".to_owned());
    }
    if let Some(pod) = &who.pod
        && !lives("pods", pod)
    {
        return Err("the pod that the token is bound to has been deleted".to_owned());
    }
    let account = &who.serviceaccount;
    let user = User::of_service_account(&who.namespace, &account.name, &account.uid);
    Ok(Known { user, claims })
}

/// `POST serviceaccounts/NAME/token`.
pub(crate) async fn issue_token(
    service: &Service,
    target: &Target,
    call: Call,
) -> Result<Response<Body>, Status> {
    let Call { wanted, request, .. } = call;
    let (head, body) = request.into_parts();
    let bytes = crate::body::read(body).await?;
    let mut review = crate::body::object(&head.headers, &bytes)?.value;
    if !review.is_object() {
        return Err(Status::bad_request("the body of the request is not a TokenRequest"));
    }
    let account = service.keeper.read(|store| store.object(&target.key())).await?;
    let spec = &review["spec"];
    let mut audiences = texts(&spec["audiences"]);
    if audiences.is_empty() {
        audiences.push(AUDIENCE.to_owned());
    }
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(USUAL_SECONDS);
    if !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&seconds) {
        let why = if seconds < SHORTEST_SECONDS {
            "may not specify a duration less than 10 minutes"
        } else {
            "may not specify a duration larger than 2^32 seconds"
        };
        let cause = Cause::invalid("spec.expirationSeconds", &seconds.into(), why);
        return Err(Status::invalid(&TOKEN_REQUEST, "", vec![cause]));
    }
    let subject = Subject {
        namespace: target.namespace.clone(),
        serviceaccount: Bound { name: target.name.clone(), uid: meta::uid(&account).to_owned() },
        pod: bound_pod(service, target, &spec["boundObjectRef"]).await?,
    };
    let (token, until) = service
        .tokens
        .issue(subject, audiences.clone(), seconds, chance::uid().to_string(), Timestamp::now())
        .map_err(|error| Status::internal(&format!("the token could not be signed: {error:#}")))?;
    review["apiVersion"] = "authentication.k8s.io/v1".into();
    review["kind"] = "TokenRequest".into();
    review["metadata"] = json!({
        "name": target.name,
        "namespace": target.namespace,
        "creationTimestamp": meta::stamp(Timestamp::now()),
    });
    review["spec"] = json!({
        "audiences": audiences,
        "expirationSeconds": seconds,
        "boundObjectRef": review["spec"]["boundObjectRef"],
    });
    review["status"] = json!({"token": token, "expirationTimestamp": meta::stamp(until)});
    Ok(answer::document(201, &review, &wanted))
}

/// The pod that a token is to be bound to: it exists and runs as this ServiceAccount.
async fn bound_pod(
    service: &Service,
    target: &Target,
    reference: &Value,
) -> Result<Option<Bound>, Status> {
    if reference.is_null() {
        return Ok(None);
    }
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    if (text("apiVersion"), text("kind")) != ("v1", "Pod") {
        return Err(Status::bad_request(format!(
            "cannot bind token to object of type {} {}",
            text("apiVersion"),
            text("kind")
        )));
    }
    let key = Key::new("pods", &target.namespace, text("name"));
    let pod = service.keeper.read(|store| store.object(&key)).await?;
    if !text("uid").is_empty() && text("uid") != meta::uid(&pod) {
        return Err(Status::conflict(
            target.resource,
            &target.name,
            &format!(
                "the UID in the bound object reference ({}) does not match the UID in record. The \
                 object might have been deleted and then recreated",
                text("uid")
            ),
        ));
    }
    if pod["spec"]["serviceAccountName"].as_str().unwrap_or("default") != target.name {
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount {:?} to pod running with different \
             serviceaccount name.",
            target.name
        )));
    }
    Ok(Some(Bound { name: text("name").to_owned(), uid: meta::uid(&pod).to_owned() }))
}

fn texts(value: &Value) -> Vec<String> {
    let entries = value.as_array().into_iter().flatten();
    entries.filter_map(Value::as_str).map(str::to_owned).collect()
}
