//! Admission webhooks: who is asked about a write, in which order, and what their answers do.
//!
//! Spec: Kubernetes' dynamic admission control, `admission.k8s.io/v1`.

mod call;
mod endpoint;
mod matching;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use objects::{
    Action, Draft, Op, Reason, Selectors, Status, Store, Target, Value, document, meta, patch,
};
use serde_json::json;

use crate::Dial;
use crate::chance;
use crate::identity::User;
use crate::keeper::Keeper;
use call::Caller;
use matching::Asked;

const GROUP: &str = "admissionregistration.k8s.io";
const MUTATING: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const VALIDATING: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";

/// What a webhook gets to answer when it does not say; at most three times as long.
const TIMEOUT_SECONDS: u64 = 10;
const LONGEST_SECONDS: u64 = 30;

/// Asks admission webhooks.
pub(crate) struct Webhooks {
    caller: Caller,
    /// Calls so far: ready pods of one webhook take turns.
    turn: AtomicUsize,
}

/// One webhook that is to be asked.
#[derive(Debug, Clone)]
struct Hook {
    /// Its entry in the configuration.
    entry: Value,
    /// The version of the object that it wants to see.
    version: &'static str,
}

impl Hook {
    fn name(&self) -> &str {
        self.entry["name"].as_str().unwrap_or_default()
    }

    fn timeout(&self) -> Duration {
        let seconds = self.entry["timeoutSeconds"].as_u64().unwrap_or(TIMEOUT_SECONDS);
        Duration::from_secs(seconds.clamp(1, LONGEST_SECONDS))
    }
}

/// What a webhook answered.
struct Answer {
    /// The operations of its patch.
    patch: Option<Value>,
    warnings: Vec<String>,
}

/// Why a webhook stands against a write.
enum Refusal {
    /// It said no.
    Denied(Status),
    /// It could not be asked; `failurePolicy` decides.
    Failed(String),
}

impl Webhooks {
    pub(crate) fn new(dial: Dial) -> Webhooks {
        Webhooks { caller: Caller::new(dial), turn: AtomicUsize::new(0) }
    }

    /// Whether any webhook may want to see this write; its selectors are not looked at.
    pub(crate) fn concerned(&self, store: &Store, op: &Op) -> bool {
        let operation = match &op.action {
            Action::Create { .. } => "CREATE",
            Action::Update { .. } | Action::Patch { .. } => "UPDATE",
            Action::Delete { .. } | Action::DeleteCollection { .. } => "DELETE",
        };
        asked(&op.target, operation).is_some_and(|asked| {
            [MUTATING, VALIDATING].iter().any(|kind| !hooks(store, kind, &asked).is_empty())
        })
    }

    /// Asks all webhooks about a write: first those that change it, one after the other, then
    /// those that judge it, all at once.
    pub(crate) async fn admit(
        &self,
        keeper: &Keeper,
        user: &User,
        draft: &mut Draft,
    ) -> Result<(), Status> {
        let operation = match (&draft.object, &draft.old) {
            (Some(_), None) => "CREATE",
            (Some(_), Some(_)) => "UPDATE",
            (None, _) => "DELETE",
        };
        let target = draft.op.target.clone();
        let Some(asked) = asked(&target, operation) else { return Ok(()) };
        let (mutating, validating) = {
            let store = keeper.ahead();
            (hooks(&store, MUTATING, &asked), hooks(&store, VALIDATING, &asked))
        };
        self.mutate(keeper, user, &asked, &mutating, draft).await?;
        let draft_now = &*draft;
        let calls = validating
            .iter()
            .map(|hook| async move { self.ask(keeper, user, &asked, hook, draft_now).await });
        let mut warnings = Vec::new();
        for answer in join_all(calls).await {
            warnings.extend(answer?.map(|answer| answer.warnings).unwrap_or_default());
        }
        draft.warnings.extend(warnings);
        Ok(())
    }

    async fn mutate(
        &self,
        keeper: &Keeper,
        user: &User,
        asked: &Asked<'_>,
        hooks: &[Hook],
        draft: &mut Draft,
    ) -> Result<(), Status> {
        let mut last_change = None;
        for (index, hook) in hooks.iter().enumerate() {
            if self.mutate_by(keeper, user, asked, hook, draft).await? {
                last_change = Some(index);
            }
        }
        // Those that want to see what later ones changed are asked once more.
        let Some(last_change) = last_change else { return Ok(()) };
        for hook in &hooks[..last_change] {
            if hook.entry["reinvocationPolicy"].as_str() == Some("IfNeeded") {
                self.mutate_by(keeper, user, asked, hook, draft).await?;
            }
        }
        Ok(())
    }

    /// Asks one webhook and applies its patch; true when that changed the object.
    async fn mutate_by(
        &self,
        keeper: &Keeper,
        user: &User,
        asked: &Asked<'_>,
        hook: &Hook,
        draft: &mut Draft,
    ) -> Result<bool, Status> {
        let Some(answer) = self.ask(keeper, user, asked, hook, draft).await? else {
            return Ok(false);
        };
        draft.warnings.extend(answer.warnings);
        let (Some(operations), Some(object)) = (answer.patch, draft.object.clone()) else {
            return Ok(false);
        };
        let resource = asked.resource;
        let mut changed =
            Value::clone(&document::at_version(resource, hook.version, &Arc::new(object)));
        patch::json::apply(&mut changed, &operations).map_err(|why| {
            Status::internal(&format!(
                "admission webhook {:?} sent a bad patch: {why}",
                hook.name()
            ))
        })?;
        let mut changed = Value::clone(&document::at_version(
            resource,
            resource.storage_version(),
            &changed.into(),
        ));
        // What a webhook adds has defaults too.
        (resource.defaults)(&mut changed);
        let differs = draft.object.as_ref() != Some(&changed);
        draft.object = Some(changed);
        Ok(differs)
    }

    /// Asks one webhook, if its selectors say so; nothing when it was not asked, or failed and
    /// may be ignored.
    async fn ask(
        &self,
        keeper: &Keeper,
        user: &User,
        asked: &Asked<'_>,
        hook: &Hook,
        draft: &Draft,
    ) -> Result<Option<Answer>, Status> {
        let name = hook.name();
        let failed = |why: String| {
            if hook.entry["failurePolicy"].as_str() == Some("Ignore") {
                tracing::warn!(webhook = name, why, "a webhook failed and is ignored");
                return Ok(None);
            }
            Err(Status::internal(&format!("failed calling webhook {name:?}: {why}")))
        };
        match self.is_selected(keeper, asked, hook, draft) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(why) => return failed(why),
        }
        if !hook.entry["matchConditions"].as_array().is_none_or(Vec::is_empty) {
            return failed("its matchConditions (CEL) are not understood here".to_owned());
        }
        match self.call(keeper, user, asked, hook, draft).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Refusal::Denied(status)) => Err(status),
            Err(Refusal::Failed(why)) => failed(why),
        }
    }

    fn is_selected(
        &self,
        keeper: &Keeper,
        asked: &Asked<'_>,
        hook: &Hook,
        draft: &Draft,
    ) -> Result<bool, String> {
        let old = draft.old.as_deref();
        let object = draft.object.as_ref();
        let namespace = endpoint::namespace_of(
            &keeper.ahead(),
            &asked.resource.id(),
            &draft.op.target.namespace,
            object.or(old),
        );
        let states: Vec<&Value> = object.into_iter().chain(old).collect();
        matching::selects(&hook.entry, namespace.as_ref(), &states)
    }

    async fn call(
        &self,
        keeper: &Keeper,
        user: &User,
        asked: &Asked<'_>,
        hook: &Hook,
        draft: &Draft,
    ) -> Result<Answer, Refusal> {
        let config = &hook.entry["clientConfig"];
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let place = endpoint::find(&keeper.ahead(), config, turn).map_err(Refusal::Failed)?;
        let uid = chance::uid().to_string();
        let review = review(&uid, user, asked, hook, draft);
        let bundle = config["caBundle"].as_str().unwrap_or_default();
        let call = self.caller.call(&place, bundle, &review);
        let timeout = hook.timeout();
        let answer = match tokio::time::timeout(timeout, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => {
                let why = format!("failed to call webhook: Post {:?}: {why}", place.url());
                return Err(Refusal::Failed(why));
            }
            Err(_) => {
                return Err(Refusal::Failed(format!(
                    "failed to call webhook: Post {:?}: context deadline exceeded ({} s)",
                    place.url(),
                    timeout.as_secs()
                )));
            }
        };
        understood(hook, &uid, &answer)
    }
}

/// How rules see a write; nothing for writes that webhooks are never asked about: those of
/// webhook configurations themselves, which could lock everyone out, and the small documents
/// (Scale, Binding, Eviction) that stand for a change of a larger object.
fn asked<'a>(target: &'a Target, operation: &'a str) -> Option<Asked<'a>> {
    let subresource = target.subresource.as_deref().unwrap_or_default();
    if target.resource.group == GROUP || !matches!(subresource, "" | "status") {
        return None;
    }
    Some(Asked { resource: target.resource, version: target.version, subresource, operation })
}

/// The webhooks of one sort whose rules are about a write, in order.
fn hooks(store: &Store, kind: &str, asked: &Asked<'_>) -> Vec<Hook> {
    let Some(resource) = store.resource(kind) else { return Vec::new() };
    let (configurations, _) = store.list(resource, None, &Selectors::default());
    let mut found = Vec::new();
    for configuration in configurations {
        for entry in configuration["webhooks"].as_array().into_iter().flatten() {
            if let Some(version) = matching::version(entry, asked) {
                found.push(Hook { entry: entry.clone(), version });
            }
        }
    }
    found
}

/// The AdmissionReview of a write.
fn review(uid: &str, user: &User, asked: &Asked<'_>, hook: &Hook, draft: &Draft) -> Value {
    let resource = asked.resource;
    let target: &Target = &draft.op.target;
    let shown = |object: Option<Value>| match object {
        Some(object) => {
            Value::clone(&document::at_version(resource, hook.version, &Arc::new(object)))
        }
        None => Value::Null,
    };
    let kind =
        |version: &str| json!({"group": resource.group, "version": version, "kind": resource.kind});
    let plural = |version: &str| json!({"group": resource.group, "version": version, "resource": resource.plural});
    let name = draft.object.as_ref().map_or("", meta::name);
    let name = if name.is_empty() { target.name.as_str() } else { name };
    let mut request = json!({
        "uid": uid,
        "kind": kind(hook.version),
        "resource": plural(hook.version),
        "requestKind": kind(asked.version),
        "requestResource": plural(asked.version),
        "name": name,
        "operation": asked.operation,
        "userInfo": {"username": user.name, "groups": user.groups},
        "object": shown(draft.object.clone().filter(|_| asked.operation != "DELETE")),
        "oldObject": shown(draft.old.as_deref().cloned()),
        "dryRun": draft.op.dry_run,
        "options": null,
    });
    if !target.namespace.is_empty() && resource.namespaced {
        request["namespace"] = target.namespace.as_str().into();
    }
    if !asked.subresource.is_empty() {
        request["subResource"] = asked.subresource.into();
        request["requestSubResource"] = asked.subresource.into();
    }
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})
}

/// Reads the answer of a webhook.
fn understood(hook: &Hook, uid: &str, answer: &Value) -> Result<Answer, Refusal> {
    let response = &answer["response"];
    if response["uid"].as_str() != Some(uid) {
        let why = "the answer is not about this request: response.uid differs";
        return Err(Refusal::Failed(why.to_owned()));
    }
    if response["allowed"].as_bool() != Some(true) {
        return Err(Refusal::Denied(denied(hook.name(), &response["status"])));
    }
    let warnings = response["warnings"].as_array().into_iter().flatten();
    let warnings = warnings.filter_map(Value::as_str).map(str::to_owned).collect();
    let Some(encoded) = response["patch"].as_str().filter(|patch| !patch.is_empty()) else {
        return Ok(Answer { patch: None, warnings });
    };
    if response["patchType"].as_str() != Some("JSONPatch") {
        let why = format!("patchType {} is not understood", response["patchType"]);
        return Err(Refusal::Failed(why));
    }
    let operations = STANDARD
        .decode(encoded)
        .map_err(|error| error.to_string())
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
        .map_err(|why| Refusal::Failed(format!("its patch cannot be read: {why}")))?;
    Ok(Answer { patch: Some(operations), warnings })
}

/// The refusal of a webhook in Kubernetes' words.
fn denied(name: &str, status: &Value) -> Status {
    let text = |field: &str| status[field].as_str().unwrap_or_default();
    let denied = format!("admission webhook {name:?} denied the request");
    let message = match (text("message"), text("reason")) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let code = code.filter(|code| (400..600).contains(code)).unwrap_or(403);
    let reason = match code {
        400 => Reason::BadRequest,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        409 => Reason::Conflict,
        422 => Reason::Invalid,
        500 => Reason::InternalError,
        _ => Reason::Unknown,
    };
    Status::new(code, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_has_kubernetes_words() {
        for (status, code, message) in [
            (
                json!({"message": "no gateway", "code": 422}),
                422,
                "admission webhook \"check\" denied the request: no gateway",
            ),
            (
                json!({"reason": "Nope"}),
                403,
                "admission webhook \"check\" denied the request: Nope",
            ),
            (
                Value::Null,
                403,
                "admission webhook \"check\" denied the request without explanation",
            ),
        ] {
            let found = denied("check", &status);
            assert_eq!((found.code, found.message.as_str()), (code, message));
        }
    }
}
